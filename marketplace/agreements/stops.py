"""When an agreement stood still: suspended, or under legal hold. Time in which nobody may act is nobody's delay."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from marketplace.kit.clock import local_day

_BEGINS = {"suspended": "resumed", "legal_hold": "legal_hold_lifted"}
_ENDS = {end: begin for begin, end in _BEGINS.items()}
EVENTS = (*_BEGINS, *_ENDS)
"""The events of an agreement that stop its clocks and let them go on."""


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


def frozen_days(events: Iterable[tuple[str, datetime]], until: datetime, zone: str) -> int:
    """How many days of the legal hold that lasts at ``until`` count as frozen, from the events in order: its local days, less
    whole days of suspensions meanwhile, which lengthen the window by themselves."""
    known = list(events)
    begun: datetime | None = None
    for kind, at in known:
        if kind == "legal_hold" and begun is None:
            begun = at
        elif kind == "legal_hold_lifted":
            begun = None
    if begun is None:
        return 0
    suspended = stopped_between([e for e in known if e[0] in ("suspended", "resumed")], begun, until)
    return max((local_day(until, zone) - local_day(begun, zone)).days - suspended.days, 0)


def _overlap(begun: datetime, ended: datetime, since: datetime, until: datetime) -> timedelta:
    return max(min(ended, until) - max(begun, since), timedelta())
