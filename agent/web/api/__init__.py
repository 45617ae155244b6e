"""The JSON API, a file a subject."""

from . import artefacts, events, reviews, runs, steering

routers = (runs.router, steering.router, events.router, artefacts.router, reviews.router)

__all__ = ["routers"]
