"""The requests of the records as a stream: in order of time, each with the urgency and the place that the rules below give it. Pure.

Rules, since the records do not say them:

- **Urgency**: one unit is a stopped machine, two to nine are urgent, ten and more fill a shelf.
- **Who asks**: what is urgent the technician, whose orders above a limit wait for an approver; stock orders the planner.
- **Where to**: the manufacturer's own site nearest to the station that asked. A station that the demo does not know is put
  where most stations of its state are.
- **When**: cancelled requests have their moment; of what was shipped only the day is known, and the seed draws the hour.
- A day on which nobody asked takes no time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from math import asin, cos, radians, sin, sqrt
from typing import NamedTuple
from uuid import UUID

from marketplace.demo.draws import Draws
from marketplace.demo.sources import RecordedRequest, Station

SINGLE, FEW = "machine_down", "urgent"
_SECONDS_OF_A_DAY = 86_400


class Asking(NamedTuple):
    """One request of the stream. ``number``: its place in it; ``at``: when it comes, in days of the stream."""

    number: int
    at: float
    record: RecordedRequest
    urgency: str


class Spot(NamedTuple):
    """A place that units can come to, or be asked for from."""

    id: UUID | None
    lat: float
    lon: float


def urgency_of(quantity: int) -> str:
    """How pressing a request for so many units is taken to be."""
    if quantity <= 1:
        return SINGLE
    return FEW if quantity < 10 else "stock_order"


def in_order(records: Iterable[RecordedRequest], seed: int, limit: int | None = None) -> list[Asking]:
    """The stream, the first ``limit`` of it. The same seed gives the same order."""
    draws = Draws(seed)
    timed = sorted(
        ((_moment(record, draws, n), n, record) for n, record in enumerate(records)), key=lambda one: (one[0], one[1])
    )[:limit]
    found: list[Asking] = []
    day, passed = None, -1
    for moment, _, record in timed:
        if moment.date() != day:
            day, passed = moment.date(), passed + 1
        into = (moment - moment.replace(hour=0, minute=0, second=0)).total_seconds() / _SECONDS_OF_A_DAY
        found.append(Asking(len(found), passed + into, record, urgency_of(record.quantity)))
    return found


def _moment(record: RecordedRequest, draws: Draws, number: int) -> datetime:
    moment = datetime.fromisoformat(record.asked)
    if len(record.asked) == len("2016-10-01"):
        moment += timedelta(seconds=draws.below(_SECONDS_OF_A_DAY, "asked", number))
    return moment


def destinations(stations: Sequence[Station], own: Sequence[Spot]) -> Mapping[str, UUID | None]:
    """By station key, and by state for stations that are not known, the own site that is nearest."""
    points: dict[str, Spot] = {s.key: Spot(None, s.lat, s.lon) for s in stations}
    towns: dict[str, Counter[tuple[float, float]]] = {}
    for s in stations:
        towns.setdefault(s.state, Counter())[s.lat, s.lon] += 1
    points |= {state: Spot(None, *seen.most_common(1)[0][0]) for state, seen in towns.items()}
    return {key: min(own, key=lambda site: _apart(site, point)).id for key, point in points.items()}


def _apart(one: Spot, other: Spot) -> float:
    """The distance over the globe, as the sine of half its angle."""
    a, b = radians(one.lat), radians(other.lat)
    across = sin((a - b) / 2) ** 2 + cos(a) * cos(b) * sin(radians(one.lon - other.lon) / 2) ** 2
    return asin(min(1.0, sqrt(across)))
