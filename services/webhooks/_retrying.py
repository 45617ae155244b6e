"""When a delivery that failed is tried again, and when it is given up."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from ._deliveries import Delivery
from ._sending import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Persistence:
    """How long a delivery is tried: pauses grow from the first to the longest, up to a day in all."""

    first: timedelta = timedelta(seconds=5)
    factor: float = 2.5
    longest: timedelta = timedelta(hours=3)
    altogether: timedelta = timedelta(hours=24)
    jitter: float = 0.25
    """The share by which a pause is longer or shorter by chance."""

    def after(self, delivery: Delivery, answer: Answer, *, at: datetime) -> Delivery:
        """*delivery* once a try has had *answer*."""
        tried = {
            "attempts": delivery.attempts + 1,
            "tried_at": at,
            "answer": answer.status,
            "problem": answer.problem,
        }
        if answer.is_success:
            return delivery.model_copy(update={**tried, "status": "delivered"})
        if answer.status == 410:
            return delivery.model_copy(update={**tried, "status": "dead"})
        next_at = at + max(self._pause(delivery.attempts), timedelta(seconds=answer.retry_after))
        if next_at > delivery.began_at + self.altogether:
            return delivery.model_copy(update={**tried, "status": "dead"})
        return delivery.model_copy(update={**tried, "next_at": next_at})

    def _pause(self, failures: int) -> timedelta:
        seconds = self.first.total_seconds() * self.factor ** min(failures, 40)
        chance = 1 + self.jitter * random.uniform(-1, 1)  # noqa: S311 (it only spreads tries)
        return timedelta(seconds=min(seconds, self.longest.total_seconds()) * chance)
