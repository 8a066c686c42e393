"""A default of one party, on which the other may end the agreement: what it is, and since when the time to make it good has
run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from marketplace.agreements.deadlines import counted
from marketplace.agreements.stops import moved_by, stopped_between
from marketplace.agreements.terms import Terms
from marketplace.kit.clock import end_of_day


class Cause(StrEnum):
    """What a party is in default with."""

    ORDER = "order"
    PAYMENT = "payment"
    MISSING = "missing"


class Default(NamedTuple):
    """``reference``: of the order or the line; of missing units the id of what was said of them. ``by_id``: who is in
    default, since ``since``."""

    cause: Cause
    reference: str
    id: UUID
    by_id: UUID
    since: datetime
    words: str


def default_since(
    clauses: Sequence[Terms],
    last_day: date,
    zone: str,
    events: Sequence[tuple[str, datetime]],
    begun: datetime,
    now: datetime,
) -> datetime:
    """From when something that was to be done by the end of a day, or happened on it at ``begun``, is a default: the time to make
    it good has run, of the clause that leaves most of it. Time in which the agreement stood still (``events``) meanwhile does not
    count; what had run out before is not undone by it."""
    end = end_of_day(last_day, zone)
    started = end - timedelta(microseconds=1)
    cured = max(counted(t, started, t.cure_days, zone) if t.cure_days else end for t in clauses if t.generation == 2)
    since = cured
    while since <= now:
        later = moved_by(cured, stopped_between(events, begun, since), zone)
        if later <= since:
            break
        since = later
    return since
