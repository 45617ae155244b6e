"""Notes who was turned away: for the operator's log, and for `assay access refusals`."""

from __future__ import annotations

import logging
from typing import Final
from urllib.parse import quote

from fastapi import Request

from agent.driving import now
from agent.web.access import address_of, known_person
from agent.web.serving import promptly, runner_of
from services.access import Refusal, Refusals, plain
from services.errors import AssayError, StoreUnavailable

_log: Final = logging.getLogger("assay.access")


async def note_refusal(
    request: Request, error: AssayError, status: int, *, who: str = "", below: str = ""
) -> None:
    """Note that a request was turned away, and not a word of what it carried; what was *below* its path."""
    path = request.scope["path"] + (f"/{below}" if below else "")
    known = known_person(request)
    refusal = Refusal(
        at=now(),
        status=status,
        code=error.code,
        who=who or (known.name if known else ""),
        method=plain(request.method, longest=16),
        path=plain(quote(path, safe="/@:+,;=~!$&'()*", errors="replace")),
        address=plain(address_of(request), longest=64),
    )
    _log.warning(refusal.line())
    try:
        async with promptly():
            await Refusals(runner_of(request).stores.redis).add(refusal)
    except StoreUnavailable:
        _log.warning("access.refusal_not_kept")
