"""The JSON API, a file a subject."""

from . import artefacts, events, inbox, reviews, runs, steering

routers = (
    *(runs.router, steering.router, events.router, artefacts.router),
    *(reviews.router, inbox.router),
)

__all__ = ["routers"]
