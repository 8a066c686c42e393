"""When an agreement stood still: suspended, or under legal hold. Time in which nobody may act is nobody's delay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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

Span = tuple[datetime, datetime]
"""From when until when an agreement stood still."""


def stopped_between(events: Iterable[tuple[str, datetime]], since: datetime, until: datetime) -> tuple[Span, ...]:
    """The times in [since, until) in which an agreement stood still, from its events (kind, when) in order. Suspension and hold at
    the same time are one; a stop that still lasts counts to ``until``."""
    running: set[str] = set()
    begun: datetime | None = None
    found: list[Span] = []
    for kind, at in events:
        if kind in _BEGINS:
            if not running:
                begun = at
            running.add(kind)
        elif kind in _ENDS:
            running.discard(_ENDS[kind])
            if not running and begun is not None:
                found.append((max(begun, since), min(at, until)))
                begun = None
    if begun is not None:
        found.append((max(begun, since), until))
    return tuple(span for span in found if span[0] < span[1])


def together(*several: Iterable[Span]) -> tuple[Span, ...]:
    """Times of several causes as one: what overlaps or touches counts once."""
    found: list[Span] = []
    for begun, ended in sorted(span for spans in several for span in spans):
        if found and begun <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], ended))
        else:
            found.append((begun, ended))
    return tuple(found)


def lasted(spans: Iterable[Span]) -> timedelta:
    """How long these times are together; none overlaps another."""
    return sum((ended - begun for begun, ended in spans), timedelta())


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


def moved_by(deadline: datetime, stood_still: Sequence[Span], zone: str, *, exact: bool = False) -> datetime:
    """A deadline after times in which nothing ran. What ended with a day of the zone ends with a day again: it moves by the days that
    ended meanwhile, as the window does, so that stops within a day, however many, do not add a day each. ``exact``: it was
    counted in hours, and moves by the time itself, as does what ends at any other time of a day."""
    last = local_day(deadline - _LEAST, zone)
    if exact or end_of_day(last, zone) != deadline:
        return deadline + lasted(stood_still)
    # A stop from one midnight to the next is a day: the end of a day belongs to the stop that lasts until after it.
    ended = sum(
        (local_day(ended - _LEAST, zone) - local_day(begun - _LEAST, zone) for begun, ended in stood_still), timedelta()
    )
    return end_of_day(last + ended, zone)
