"""When an agreement stood still: suspended, or under legal hold. Time in which nobody may act is nobody's delay."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from marketplace.kit.clock import end_of_day, local_day

SUSPENSION_DAYS = 30
"""A suspension under the second library ends by itself so many days after it was stated."""
AGAIN_DAYS = 90
"""So many days after its last one ended the same party can state another one."""
_BEGINS = frozenset({"suspended", "legal_hold"})
_ENDS = {"resumed": "suspended", "suspension_ended": "suspended", "legal_hold_lifted": "legal_hold"}
EVENTS = (*sorted(_BEGINS), *_ENDS)
"""The events of an agreement that stop its clocks and let them go on; while it is held, a further hold stops nothing more (``holds``)."""
_LEAST = timedelta(microseconds=1)


def stopped_between(events: Iterable[tuple[str, datetime]], since: datetime, until: datetime) -> timedelta:
    """How long of [since, until) an agreement stood still, from its events (kind, when) in order. Suspension and hold at
    the same time count once; a stop that still lasts counts to ``until``."""
    running: set[str] = set()
    begun: datetime | None = None
    total = timedelta()
    for kind, at in events:
        if kind in _BEGINS:
            if not running:
                begun = at
            running.add(kind)
        elif kind in _ENDS:
            running.discard(_ENDS[kind])
            if not running and begun is not None:
                total += _overlap(begun, at, since, until)
                begun = None
    if begun is not None:
        total += _overlap(begun, until, since, until)
    return total


def last_stop(events: Iterable[tuple[str, datetime]]) -> tuple[datetime, datetime] | None:
    """When the newest stop that has ended began and ended; suspension and hold at the same time are one."""
    running: set[str] = set()
    begun: datetime | None = None
    found: tuple[datetime, datetime] | None = None
    for kind, at in events:
        if kind in _BEGINS:
            begun = at if not running else begun
            running.add(kind)
        elif kind in _ENDS:
            running.discard(_ENDS[kind])
            if not running and begun is not None:
                found, begun = (begun, at), None
    return found


def suspension_ends(stated_at: datetime, zone: str) -> datetime:
    """When a suspension that was stated then ends by itself: with the end of its last day (exclusive)."""
    return end_of_day(local_day(stated_at, zone) + timedelta(days=SUSPENSION_DAYS), zone)


def last_day(ended: datetime, zone: str) -> date:
    """The last day of a suspension that ended by itself: with that day."""
    return local_day(ended - _LEAST, zone)


def moved_by(deadline: datetime, stood_still: timedelta, zone: str, *, exact: bool = False) -> datetime:
    """A deadline after so much time in which nothing ran: what was left of it goes on, and what ended with a day of the zone ends
    with a day again, so never sooner than that and less than a day later. ``exact``: it was counted in hours."""
    later = deadline + stood_still
    if exact or not stood_still or end_of_day(local_day(deadline - _LEAST, zone), zone) != deadline:
        return later
    return end_of_day(local_day(later - _LEAST, zone), zone)


def _overlap(begun: datetime, ended: datetime, since: datetime, until: datetime) -> timedelta:
    return max(min(ended, until) - max(begun, since), timedelta())
