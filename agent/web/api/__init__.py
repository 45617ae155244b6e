"""The JSON API, a file a subject."""

from . import (
    absences,
    artefacts,
    desk,
    events,
    inbox,
    reviews,
    runs,
    schedules,
    steering,
    webhooks,
    whoami,
)

routers = (
    *(runs.router, steering.router, events.router, artefacts.router),
    *(reviews.router, desk.router, inbox.router, absences.router),
    *(schedules.router, webhooks.router, whoami.router),
)

__all__ = ["routers"]
