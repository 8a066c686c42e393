"""Cover my list: the cheapest set of offers that gives what a list asks for. Pure.

Nothing couples two parts, so each is solved alone, and exactly. An offer is taken as it is sold: from its smallest order on, in whole
packages, or all that is left of it. Offers sold by the unit are *plain*; what they cost for any number is their prices in rising
order, so only the others have to be combined: ``best[q]``, the least that q units of those cost, by a dynamic programme over the offers
with q capped at what is asked for. The answer is the least of ``best[q]`` plus the plain price of the rest. Where all there is does not
suffice, as much as there is is taken. Money is counted in ten-thousandths, whole numbers throughout.

Most numbers of most offers are ruled out beforehand. Some cover is soon found and costs U. If every offer were sold by the unit, n of
offer o and the cheapest rest beside it would cost L(o, n), and no cover with n of o costs less: where L(o, n) > U, n of o is in no
cheapest cover. What is left is mostly one number of nearly every offer (all of it, or none), and a few numbers of those near the price
at which the list is filled. All covers of the least cost pass, so the answer is as exact as without.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
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
    if not packed:
        taken, proven, relaxed = _plain_for(plain, wanted), True, 0
    else:
        byunit = _ByTheUnit(there)
        relaxed = byunit.cost(wanted)
        # A filled cover may come short where only the rest of a package would reach; the other always reaches.
        filled = _filled(there, wanted)
        enough = [filled] if sum(n for _, n in filled) >= wanted else []
        near = min([_greedy(there, wanted), *enough], key=_cost_of)
        # What a cover has to have, and what is then left to choose from: (offer, the numbers of it).
        fixed, open_ = _narrowed(byunit, packed, wanted, _cost_of(near))
        left = max(wanted - sum(n for _, n in fixed), 0)
        if not open_:
            taken, proven = fixed + _plain_for(plain, left), True
        elif sum(len(sizes) for _, sizes in open_) * (left + 1) > _STEPS:
            taken, proven = near, False
        else:
            taken, proven = fixed + _exact(plain, open_, left), True
    lines = tuple(Line(o.listing_id, o.release_id, n, o.unit_price) for o, n in taken)
    cost = sum((o.cost * n for o, n in taken), 0)
    got = sum(n for _, n in taken)
    least = cost if proven else min(relaxed, cost)
    return Cover(lines, max(quantity - got, 0), max(got - quantity, 0), Decimal(cost) / _SCALE, Decimal(least) / _SCALE)


def _cost_of(taken: Sequence[tuple[Offered, int]]) -> int:
    return sum(o.cost * n for o, n in taken)


class _ByTheUnit:
    """What units would cost if every offer were sold by the unit: no cover costs less."""

    def __init__(self, offers: Sequence[Offered]) -> None:
        ranked = sorted(offers, key=lambda o: o.cost)
        units = np.array([o.available for o in ranked], np.int64)
        self._price: npt.NDArray[np.int64] = np.array([o.cost for o in ranked], np.int64)
        self._units: npt.NDArray[np.int64] = np.concatenate([np.zeros(1, np.int64), np.cumsum(units)])
        self._paid: npt.NDArray[np.int64] = np.concatenate([np.zeros(1, np.int64), np.cumsum(units * self._price)])
        self._at = {o.listing_id: k for k, o in enumerate(ranked)}

    def _costs(self, quantity: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Of so many of the cheapest units, of each number (none is more than there are)."""
        k = np.minimum(np.searchsorted(self._units, quantity, side="right") - 1, len(self._price) - 1)
        return self._paid[k] + (quantity - self._units[k]) * self._price[k]

    def cost(self, quantity: int) -> int:
        """Of so many of the cheapest units."""
        return int(self._costs(np.array([quantity], np.int64))[0])

    def beside(
        self, offers: Sequence[Offered], of: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], wanted: int
    ) -> npt.NDArray[np.int64]:
        """Of ``wanted`` units of which each of ``sizes`` are of the offer ``offers[of]`` and the rest is of others; _NEVER where there are
        not so many. All numbers of all offers at once: asked one by one, asking would take most of the time."""
        k = np.array([self._at[o.listing_id] for o in offers], np.int64)[of]
        own = self._units[k + 1] - self._units[k]
        rest = np.maximum(wanted - sizes, 0)
        there = self._units[-1] - own
        known = np.minimum(rest, there)
        # The others' cheapest: up to where the offer stands in the order of prices as with it, beyond without its units.
        beyond = known > self._units[k]
        costs = self._costs(np.where(beyond, known + own, known))
        costs -= np.where(beyond, self._paid[k + 1] - self._paid[k], 0)
        found: npt.NDArray[np.int64] = np.where(rest > there, _NEVER, costs + sizes * self._price[k])
        return found


def _narrowed(
    byunit: _ByTheUnit, packed: Sequence[Offered], wanted: int, most: int
) -> tuple[list[tuple[Offered, int]], list[tuple[Offered, list[int]]]]:
    """Of offers in packages: what every cover that costs no more than ``most`` takes of them, and the numbers that one may take of the
    others."""
    fixed, choices = [], []
    numbers = [[0, *_sizes(o, wanted)] for o in packed]
    of = np.repeat(np.arange(len(packed)), [len(n) for n in numbers])
    sizes = np.array([n for some in numbers for n in some], np.int64)
    possible = np.flatnonzero(byunit.beside(packed, of, sizes, wanted) <= most)
    kept: dict[int, list[int]] = {}
    for k, n in zip(of[possible].tolist(), sizes[possible].tolist(), strict=True):
        kept.setdefault(k, []).append(n)
    for k, some in kept.items():
        if len(some) == 1 and some[0]:
            fixed.append((packed[k], some[0]))
        elif some := [n for n in some if n]:
            choices.append((packed[k], some))
    return fixed, choices


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


def _exact(
    plain: Sequence[Offered], packed: Sequence[tuple[Offered, Sequence[int]]], wanted: int
) -> list[tuple[Offered, int]]:
    best: npt.NDArray[np.int64] = np.full(wanted + 1, _NEVER, np.int64)
    best[0] = 0
    chosen: list[npt.NDArray[np.int64]] = []
    costs: list[npt.NDArray[np.int64]] = []
    for o, numbers in packed:
        now, which = best.copy(), np.zeros(wanted + 1, np.int64)
        for n in numbers:
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
            taken.append((packed[k][0], n))
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


def _filled(offers: Sequence[Offered], wanted: int) -> list[tuple[Offered, int]]:
    """The cheapest unit first and never more than is wanted, as long as something fits; what is then still wanted as in ``_greedy``."""
    taken, later = [], []
    for o in sorted(offers, key=lambda o: (o.cost, -o.available)):
        sizes = _sizes(o, wanted) if wanted > 0 else []
        if fit := bisect_right(sizes, wanted):
            taken.append((o, sizes[fit - 1]))
            wanted -= sizes[fit - 1]
        elif sizes:
            later.append(o)
    return taken + _greedy(later, wanted)


def allowed(o: Offered, quantity: int) -> bool:
    """Whether so many can be ordered of it."""
    return wrong_quantity(quantity, available=o.available, minimum=o.minimum, package=o.package, uom="") is None
