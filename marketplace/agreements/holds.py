"""Legal holds: who has put an agreement under one, from its events. Each party's hold stands on its own, and so does the one that
a record of an insolvency sets; the agreement is held while any of them stands. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Final, NamedTuple
from uuid import UUID

from marketplace.agreements.stops import last_day
from marketplace.kit.clock import local_day

SET: Final = "legal_hold"
"""The first hold: from now on the agreement is held."""
JOINED: Final = "legal_hold_joined"
"""One more, while it is held already."""
LEFT: Final = "legal_hold_left"
"""One is lifted, and another stands."""
LIFTED: Final = "legal_hold_lifted"
"""None stands any more."""
KINDS: Final = (SET, JOINED, LEFT, LIFTED)


class HoldEvent(NamedTuple):
    """An event of ``KINDS``; ``record``: the insolvency that set the hold, None where a party did by hand; ``basis``: what it
    rests on."""

    kind: str
    at: datetime
    company_id: UUID
    company: str
    record: UUID | None
    basis: str | None


class Hold(NamedTuple):
    """A hold, which stands where it has no end."""

    company_id: UUID
    company: str
    record: UUID | None
    basis: str | None
    since: datetime
    ended: datetime | None = None


class Added(NamedTuple):
    """Days that holds add to the window: of those set by hand, and of others those of an insolvency."""

    by_hand: int
    by_record: int


def standing(events: Iterable[HoldEvent]) -> list[Hold]:
    """The holds that stand, the oldest first; ``events`` in order."""
    return [h for h in of_this_time(events) if h.ended is None]


def own(holds: Sequence[Hold], company_id: UUID) -> Hold | None:
    """Which of the holds that stand a company lifts when it lifts one: that set by hand before that of its record."""
    mine = sorted((h for h in holds if h.company_id == company_id), key=lambda h: h.record is not None)
    return mine[0] if mine else None


def of_this_time(events: Iterable[HoldEvent]) -> list[Hold]:
    """All holds since the agreement is held; none where it is not."""
    holds: list[Hold] = []
    for e in events:
        if e.kind == LIFTED:
            holds = []
        elif e.kind == LEFT:
            holds = [
                h._replace(ended=e.at)
                if h.ended is None and (h.company_id, h.record) == (e.company_id, e.record)
                else h
                for h in holds
            ]
        else:
            # Where the first is set, none stood before.
            before = [] if e.kind == SET else holds
            holds = [*before, Hold(e.company_id, e.company, e.record, e.basis, e.at)]
    return holds


def added_days(
    holds: Iterable[Hold],
    stops: Iterable[tuple[str, datetime]],
    until: datetime,
    zone: str,
    *,
    by_hand: bool,
    by_record: bool,
) -> Added:
    """How many days holds have lasted ``until`` then, as local days, each once: those set ``by_hand`` where they lengthen the
    window, beside them those of an insolvency where its do. Days of suspensions (``stops``: events in order) lengthen it by
    themselves."""
    hand: set[int] = set()
    record: set[int] = set()
    for hold in holds:
        if by_hand if hold.record is None else by_record:
            days = range(local_day(hold.since, zone).toordinal(), local_day(hold.ended or until, zone).toordinal())
            (hand if hold.record is None else record).update(days)
    for first, last in _suspended(stops, until, zone):
        gone = range(first.toordinal(), last.toordinal())
        hand.difference_update(gone)
        record.difference_update(gone)
    return Added(len(hand), len(record - hand))


def _suspended(stops: Iterable[tuple[str, datetime]], until: datetime, zone: str) -> Iterator[tuple[date, date]]:
    """First day of each suspension, and the day on which it had ended."""
    since: datetime | None = None
    for kind, at in stops:
        if kind == "suspended":
            since = since or at
        elif kind in ("resumed", "suspension_ended") and since is not None:
            yield local_day(since, zone), last_day(at, zone) if kind == "suspension_ended" else local_day(at, zone)
            since = None
    if since is not None:
        yield local_day(since, zone), local_day(until, zone)
