"""Cover my list: the cheapest set of offers that gives what a list asks for. Pure.

Nothing couples two parts, so each is solved alone, and exactly. An offer is taken as it is sold: from its smallest order on, in whole
packages, or all that is left of it. Offers sold by the unit are *plain*; what they cost for any number is their prices in rising
order, so only the others have to be combined: ``best[q]``, the least that q units of those cost, by a dynamic programme over the offers
with q capped at what is asked for. The answer is the least of ``best[q]`` plus the plain price of the rest. Where all there is does not
suffice, as much as there is is taken. Money is counted in ten-thousandths, whole numbers throughout.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import numpy as np
import numpy.typing as npt

from marketplace.listings.quantities import wrong_quantity

_STEPS = 60_000_000
"""Elementary steps of one part; beyond them a cover is still found, and said not to be proven the cheapest."""
_NEVER = np.int64(1) << np.int64(60)
_SCALE = 10_000


@dataclass(frozen=True, slots=True)
class Offered:
    """An offer of the part: how many there are, at which price for this buyer, and how it is sold."""

    listing_id: UUID
    release_id: UUID
    available: int
    unit_price: Decimal
    minimum: int = 1
    package: int = 1

    @property
    def plain(self) -> bool:
        """Whether any number of it can be bought."""
        return self.minimum <= 1 and self.package == 1

    @property
    def cost(self) -> int:
        """Of a unit, in ten-thousandths."""
        return int(self.unit_price * _SCALE)


@dataclass(frozen=True, slots=True)
class Line:
    """So many of an offer."""

    listing_id: UUID
    release_id: UUID
    quantity: int
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class Cover:
    """What is bought for one need. ``lacking``: so many are nowhere on offer; ``beyond``: so many more than asked for, since packages
    are whole and that is the cheapest; ``least``: no cover costs less than this; ``proven``: nor less than what is here."""

    lines: tuple[Line, ...]
    lacking: int
    beyond: int
    cost: Decimal
    least: Decimal

    @property
    def proven(self) -> bool:
        """Whether nothing cheaper exists."""
        return self.cost <= self.least


def cover(offers: Sequence[Offered], quantity: int) -> Cover:
    """The cheapest way to get ``quantity``, or all there is. Of offers at one price those of larger stock come first, so that fewer
    orders are made."""
    there = [o for o in offers if o.available > 0]
    wanted = min(quantity, sum(o.available for o in there))
    if wanted <= 0:
        return Cover((), max(quantity, 0), 0, Decimal(0), Decimal(0))
    plain = sorted((o for o in there if o.plain), key=lambda o: (o.cost, -o.available, o.listing_id))
    packed = [o for o in there if not o.plain]
    steps = sum(min(o.available, wanted) // o.package + 2 for o in packed) * (wanted + 1)
    relaxed = _relaxed(there, wanted)
    if steps > _STEPS:
        taken, proven = _greedy(there, wanted), False
    else:
        taken, proven = _exact(plain, packed, wanted), True
    lines = tuple(Line(o.listing_id, o.release_id, n, o.unit_price) for o, n in taken)
    cost = sum((o.cost * n for o, n in taken), 0)
    got = sum(n for _, n in taken)
    least = cost if proven else min(relaxed, cost)
    return Cover(lines, max(quantity - got, 0), max(got - quantity, 0), Decimal(cost) / _SCALE, Decimal(least) / _SCALE)


def _relaxed(offers: Sequence[Offered], wanted: int) -> int:
    """What the units would cost if every offer were sold by the unit: no cover costs less."""
    cost = 0
    for o in sorted(offers, key=lambda o: o.cost):
        n = min(o.available, wanted)
        cost, wanted = cost + n * o.cost, wanted - n
    return cost


def _sizes(o: Offered, wanted: int) -> list[int]:
    """The numbers of an offer that can be bought and may be worth buying: none more once all that is wanted is reached, but for what
    is cheapest to get there."""
    first = -(-max(o.minimum, 1) // o.package) * o.package
    sizes = list(range(first, min(o.available, wanted) + 1, o.package)) if first <= o.available else []
    following = sizes[-1] + o.package if sizes else first
    if (not sizes or sizes[-1] < wanted) and following <= o.available:
        sizes.append(following)
    # All that is left is sold too, whatever the package; it is worth it where nothing smaller reaches what is wanted.
    if not sizes or (sizes[-1] < o.available and sizes[-1] < wanted):
        sizes.append(o.available)
    return sizes


def _exact(plain: Sequence[Offered], packed: Sequence[Offered], wanted: int) -> list[tuple[Offered, int]]:
    best: npt.NDArray[np.int64] = np.full(wanted + 1, _NEVER, np.int64)
    best[0] = 0
    chosen: list[npt.NDArray[np.int64]] = []
    costs: list[npt.NDArray[np.int64]] = []
    for o in packed:
        now, which = best.copy(), np.zeros(wanted + 1, np.int64)
        for n in _sizes(o, wanted):
            cost = np.int64(n * o.cost)
            if n < wanted:
                candidate = best[: wanted - n] + cost
                better = candidate < now[n:wanted]
                now[n:wanted][better] = candidate[better]
                which[n:wanted][better] = n
            # Everything from here on reaches what is wanted.
            low = int(best[max(wanted - n, 0) :].min()) + int(cost)
            if low < now[wanted]:
                now[wanted], which[wanted] = low, n
        costs.append(best)
        best = now
        chosen.append(which)
    rest = _rest(plain, wanted)
    total = best + rest
    at = int(np.argmin(total))
    taken = _plain_for(plain, wanted - at)
    # Back through the offers: what reached the end may have come from several places, of which the cheapest is looked up again.
    for k in range(len(packed) - 1, -1, -1):
        n = int(chosen[k][at])
        if n:
            taken.append((packed[k], n))
            before = costs[k]
            if at == wanted:
                start = max(wanted - n, 0)
                at = start + int(np.argmin(before[start:]))
            else:
                at -= n
    return taken


def _rest(plain: Sequence[Offered], wanted: int) -> npt.NDArray[np.int64]:
    """By how many were got otherwise: what the plain offers cost for the rest."""
    cost: npt.NDArray[np.int64] = np.full(wanted + 1, _NEVER, np.int64)
    steps = np.concatenate(
        [np.full(min(o.available, wanted), o.cost, np.int64) for o in plain] or [np.zeros(0, np.int64)]
    )
    steps = np.concatenate([np.zeros(1, np.int64), np.cumsum(steps[:wanted])])
    cost[wanted - len(steps) + 1 :] = steps[::-1]
    return cost


def _plain_for(plain: Sequence[Offered], wanted: int) -> list[tuple[Offered, int]]:
    taken = []
    for o in plain:
        n = min(o.available, wanted)
        if n:
            taken.append((o, n))
            wanted -= n
    return taken


def _greedy(offers: Sequence[Offered], wanted: int) -> list[tuple[Offered, int]]:
    """The cheapest unit first, of each offer as much as can be bought of it; the last one in the smallest number that suffices."""
    taken = []
    for o in sorted(offers, key=lambda o: (o.cost, -o.available)):
        if wanted <= 0:
            break
        sizes = _sizes(o, wanted)
        n = sizes[min(bisect_left(sizes, wanted), len(sizes) - 1)]
        taken.append((o, n))
        wanted -= n
    return taken


def allowed(o: Offered, quantity: int) -> bool:
    """Whether so many can be ordered of it."""
    return wrong_quantity(quantity, available=o.available, minimum=o.minimum, package=o.package, uom="") is None
