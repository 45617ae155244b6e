"""
Schedules: requests that come again by a cron expression, in a time zone, and what is made up for
when nobody was there to start them.
"""

from ._book import ScheduleBook
from ._catchup import ON_TIME, CatchUp, Plan, plan
from ._schedule import DEFAULT_CATCH_UP_LIMIT, MAX_CATCH_UP, Schedule, check_name
from ._timing import Timing

__all__ = [
    "DEFAULT_CATCH_UP_LIMIT",
    "MAX_CATCH_UP",
    "ON_TIME",
    "CatchUp",
    "Plan",
    "Schedule",
    "ScheduleBook",
    "Timing",
    "check_name",
    "plan",
]
