"""Suspensions: who has suspended an agreement, from its events. Each party's stands on its own until it lifts it or it ends by
itself; the agreement is suspended while any of them stands. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

STATED: Final = "suspended"
"""The first: from now on the agreement is suspended."""
JOINED: Final = "suspension_joined"
"""One more, of the other side, while it is suspended already."""
LEFT: Final = "suspension_left"
"""One is lifted, and that of the other side stands."""
OVER: Final = ("resumed", "suspension_ended")
"""None stands any more."""
KINDS: Final = (STATED, JOINED, LEFT, *OVER)


class SuspensionEvent(NamedTuple):
    """An event of ``KINDS``; ``ends_at``: when the suspension that is stated with it ends by itself."""

    kind: str
    at: datetime
    company_id: UUID
    company: str
    reason: str | None
    ends_at: datetime | None


class Suspension(NamedTuple):
    """A suspension; ``ended``: when it was lifted, or all were over."""

    company_id: UUID
    company: str
    reason: str | None
    since: datetime
    ends_at: datetime | None
    ended: datetime | None = None

    def over_at(self, now: datetime) -> datetime | None:
        """When it had ended by ``now``, lifted or by itself; None while it stands."""
        ends = [at for at in (self.ended, self.ends_at) if at is not None and at <= now]
        return min(ends, default=None)


def stated(events: Iterable[SuspensionEvent]) -> list[Suspension]:
    """Every suspension that was stated; ``events`` in order."""
    found: list[Suspension] = []
    for e in events:
        if e.kind in (STATED, JOINED):
            found.append(Suspension(e.company_id, e.company, e.reason, e.at, e.ends_at))
        else:
            found = [
                s._replace(ended=e.at) if s.ended is None and (e.kind != LEFT or s.company_id == e.company_id) else s
                for s in found
            ]
    return found


def standing(events: Iterable[SuspensionEvent], now: datetime) -> list[Suspension]:
    """The suspensions that stand, the oldest first."""
    return [s for s in stated(events) if s.over_at(now) is None]


def last_ended(events: Iterable[SuspensionEvent], company_id: UUID, now: datetime) -> datetime | None:
    """When the last suspension that a company stated ended; None where it stated none that has."""
    ends = [at for s in stated(events) if s.company_id == company_id and (at := s.over_at(now)) is not None]
    return max(ends, default=None)


def longest(suspensions: Sequence[Suspension]) -> Suspension:
    """The one that stands longest by itself; the oldest of those that end with no day."""
    endless = [s for s in suspensions if s.ends_at is None]
    return endless[0] if endless else max(suspensions, key=lambda s: s.ends_at or s.since)
