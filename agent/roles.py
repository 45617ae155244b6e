"""Which policy holds: its file, and the role that reads under it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from services.errors import FileUnreadable, NotFound, SettingInvalid

if TYPE_CHECKING:
    from services.settings import Settings
    from sql_guard import GuardPolicy


def read_policy(path: Path) -> GuardPolicy:
    """The policy in the file at *path*; `FileUnreadable` when it is none."""
    import yaml

    from sql_guard import GuardPolicy

    try:
        return GuardPolicy.load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileUnreadable(
            f"The policy file {path} cannot be read.", hint="check its path and its permissions"
        ) from error
    except (ValueError, yaml.YAMLError) as error:
        raise FileUnreadable(
            f"The policy file {path} is not a policy: {' '.join(str(error).split())[:500]}",
            hint="docs/guide.md shows its format",
        ) from error


def of_role(policy: GuardPolicy, role: str) -> GuardPolicy:
    """What is left of *policy* for *role*; `NotFound` when the policy names no such role."""
    try:
        return policy.for_role(role)
    except KeyError:
        raise NotFound(
            "The policy names no such role.", hint=f"it names {', '.join(policy.roles) or 'none'}"
        ) from None


def chosen_policy(settings: Settings) -> GuardPolicy | None:
    """The policy that *settings* name, of their role; None when they name none."""
    if settings.policy is None:
        if settings.role:
            raise SettingInvalid(
                "A role is set without the policy that names it.",
                hint="set ASSAY_POLICY to a policy file; `assay guard policy` prints one to start from",
            )
        return None
    policy = read_policy(settings.policy)
    return of_role(policy, settings.role) if settings.role else policy
