"""Where a thread stands in the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from langchain_core.runnables import RunnableConfig

PREFIX: Final = "assay:checkpoint:"
_INDEX: Final = ":index"


def keys_of(thread: str) -> tuple[str, str, str]:
    """The keys of a thread: index, records, values. The braces keep them in one slot of a cluster."""
    # Braces of its own, or an empty name, would scatter them.
    tag = thread.replace("%", "%25").replace("{", "%7B").replace("}", "%7D") or "%"
    stem = f"{PREFIX}{{{tag}}}"
    return stem + _INDEX, stem + ":records", stem + ":values"


def thread_of(index_key: str) -> str:
    """The thread whose index that is."""
    tag = index_key[len(PREFIX) + 1 : -len(_INDEX) - 1].removesuffix("%")
    return tag.replace("%7B", "{").replace("%7D", "}").replace("%25", "%")


ALL_INDEXES: Final = PREFIX + "{*}" + _INDEX


@dataclass(frozen=True, slots=True)
class Space:
    """One thread's namespace: the graph's own, or a subgraph's."""

    thread: str
    name: str

    @classmethod
    def of(cls, config: RunnableConfig) -> Space:
        settings = config["configurable"]
        space = cls(str(settings["thread_id"]), settings.get("checkpoint_ns", ""))
        if "\0" in space.name:
            raise ValueError("a namespace may not contain a zero character")
        return space

    @property
    def outer(self) -> str:
        """The namespace that this one lies in."""
        return self.name.rpartition("|")[0]

    def member(self, checkpoint_id: str) -> bytes:
        """The name of a checkpoint within its thread."""
        return f"c\0{self.name}\0{checkpoint_id}".encode()

    def config(self, checkpoint_id: str) -> RunnableConfig:
        return {
            "configurable": {
                "thread_id": self.thread,
                "checkpoint_ns": self.name,
                "checkpoint_id": checkpoint_id,
            }
        }
