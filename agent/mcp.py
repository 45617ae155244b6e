"""The MCP server: Assay's tools for a machine that acts for a person, who stays the one who decides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

from mcp.server import Server, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)
from pydantic import ValidationError

from agent.compat.results import (
    AskArguments,
    AskResult,
    ReportArguments,
    ReportResult,
    ReviewArguments,
    ReviewResult,
    RunArguments,
    RunStatusResult,
    VerifyResult,
)
from agent.compat.tools import Tools
from services.access import Identity, Permission
from services.errors import AssayError, Invalid, NotAuthenticated, NotPermitted
from services.evidence import Frozen

_INSTRUCTIONS: Final = (
    "Assay answers questions about financial risk with governed queries and writes reports whose "
    "figures are proven. Give figures as the tools give them, with their unit and as-of date, and "
    "say so when rows are cut. Reports wait for a person's approval, which no tool here gives."
)


@dataclass(frozen=True, slots=True)
class _Offer:
    """One tool as a client sees it, and what it takes to call it."""

    title: str
    description: str
    arguments: type[Frozen]
    result: type[Frozen]
    permission: Permission
    act: Callable[[Tools, Identity, Any], Awaitable[Frozen]]

    def as_tool(self, name: str) -> Tool:
        only_reads = self.permission == "read"
        return Tool(
            name=name,
            title=self.title,
            description=self.description,
            input_schema=self.arguments.model_json_schema(),
            output_schema=self.result.model_json_schema(mode="serialization"),
            annotations=ToolAnnotations(
                read_only_hint=only_reads,
                destructive_hint=False,
                idempotent_hint=only_reads,
                open_world_hint=False,
            ),
        )


_TOOLS: Final[dict[str, _Offer]] = {
    "ask": _Offer(
        "Ask one question",
        "Answer a question with one governed query: rows with units, the SQL, and how the question "
        "was understood. What is not understood is refused with suggestions; nothing is guessed.",
        AskArguments,
        AskResult,
        "read",
        Tools.ask,
    ),
    "report": _Offer(
        "Start a report",
        "Start a run that writes a risk report, from a template or on one question. Gives its id at "
        "once; the run goes on by itself and waits for a person before anything is published.",
        ReportArguments,
        ReportResult,
        "start",
        Tools.report,
    ),
    "run_status": _Offer(
        "See how far a run is",
        "A run's status, files, failure, what waits for a person, and its last events.",
        RunArguments,
        RunStatusResult,
        "read",
        Tools.run_status,
    ),
    "verify": _Offer(
        "Verify a run's record",
        "Recompute the tamper-evident audit log of a run, and the digests of its published files.",
        RunArguments,
        VerifyResult,
        "read",
        Tools.verify,
    ),
    "review_status": _Offer(
        "See what waits for a person",
        "Open review items of one run or of all, with what may be answered. It decides nothing.",
        ReviewArguments,
        ReviewResult,
        "read",
        Tools.review_status,
    ),
}

Context = ServerRequestContext[Any, Any]
Asks = Callable[[Context], Awaitable[Identity]]
"""Says who makes a call; raises `NotAuthenticated` when nobody can tell."""


TurnedAway = Callable[[Context, str, AssayError, Identity | None], Awaitable[None]]
"""Notes that a call of a tool was turned away, of whoever is known to have made it."""


def make_server(
    tools: Tools, who_asks: Asks, turned_away: TurnedAway, note: Callable[[Exception], str]
) -> Server[Any]:
    """The server. *note* keeps an unexpected error, and says where; a client is told no more."""

    async def offered(_: Context, __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[offer.as_tool(name) for name, offer in _TOOLS.items()])

    async def called(context: Context, call: CallToolRequestParams) -> CallToolResult:
        offer = _TOOLS.get(call.name)
        if offer is None:
            raise MCPError(INVALID_PARAMS, f"There is no such tool; there are {', '.join(_TOOLS)}.")
        who = None
        try:
            who = await who_asks(context)
            who.require(offer.permission)
            result = await offer.act(tools, who, _parsed(offer, call.arguments or {}))
        except AssayError as error:
            if isinstance(error, (NotAuthenticated, NotPermitted)):
                await turned_away(context, call.name, error, who)
            return _refusal(error.code, error.message, error.hint)
        except Exception as error:  # noqa: BLE001 (the last seam: a machine reads what comes out)
            what = f"Unexpected error ({type(error).__name__})."
            return _refusal(AssayError.code, what, note(error))
        return CallToolResult(
            content=[TextContent(type="text", text=result.model_dump_json())],
            structured_content=result.model_dump(mode="json"),
        )

    return Server(
        "assay",
        title="Assay",
        version=version("assay"),
        instructions=_INSTRUCTIONS,
        on_list_tools=offered,
        on_call_tool=called,
    )


def _parsed(offer: _Offer, arguments: dict[str, Any]) -> Frozen:
    try:
        return offer.arguments.model_validate(arguments)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5])
        raise Invalid("The arguments are not valid.", hint="; ".join(problems)) from error


def _refusal(code: str, message: str, hint: str) -> CallToolResult:
    lines = [f"error {code}  {message}", *([f"try: {hint}"] if hint else [])]
    text = "\n".join([*lines, f"see: docs/errors.md#{code.lower()}"])
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)
