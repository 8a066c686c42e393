"""One urgency class of a plan as a min-cost flow. Pure.

root -> holder (its cap) -> right (its cap) -> place (its units) -> need -> sink, and an arc for what stays unmet. Places of
one right have one holder, so the caps are nested and the flow is whole numbers by itself. What nests no more (orders per
holder, all or nothing, a budget, sizes of orders) is for ``side_constraints``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ortools.graph.python import min_cost_flow

from marketplace.sourcing.needs import Need, Rules, Source, cost

_TIES = 1_000
_COST_LIMIT = 1 << 60


@dataclass(slots=True)
class Left:
    """What the classes before have left over; the one thing here that changes."""

    places: dict[str, int]
    rights: dict[str, int]
    units: dict[str, int] = field(default_factory=dict)
    orders: dict[str, int] = field(default_factory=dict)
    money: dict[str, int] = field(default_factory=dict)
    deeds: dict[str, int] = field(default_factory=dict)
    budget: int | None = None

    def take(self, source: Source, count: int) -> None:
        """``count`` from there are one order."""
        self.places[source.key] -= count
        self.rights[source.group] -= count
        if source.who in self.units:
            self.units[source.who] -= count
        if source.who in self.orders:
            self.orders[source.who] -= 1
        if source.deed in self.deeds:
            self.deeds[source.deed] -= 1
        if source.who in self.money:
            self.money[source.who] -= source.money * count
        if self.budget is not None:
            self.budget -= source.money * count

    def room(self, source: Source) -> int:
        """How many could still come from there."""
        if self.orders and self.orders.get(source.who) == 0:
            return 0
        if self.deeds and self.deeds.get(source.deed) == 0:
            return 0
        if self.money and self.money.get(source.who, source.money) < source.money:
            return 0
        room = min(self.places[source.key], self.rights[source.group])
        return min(room, self.units.get(source.who, room)) if self.units else room


@dataclass(frozen=True, slots=True)
class Weights:
    """What one unit over each arc weighs, in steps of ``scale`` to the minor unit.

    Below the cent the tie between equal sources is decided; above every cost stands which units come first; above that, that
    a need is met at all (``unmet``). ``spread``: the n-th share of a holder's units weighs n - 1 more.
    """

    arcs: tuple[int, ...]
    scale: int
    unmet: int
    spread: bool


@dataclass(frozen=True, slots=True)
class Level:
    """The needs of one class with the arcs that can serve them, in a fixed order."""

    needs: tuple[Need, ...]
    arcs: tuple[Source, ...]
    weights: Weights
    capacity: tuple[int, ...]


def level(needs: Sequence[Need], sources: Sequence[Source], rules: Rules, left: Left) -> Level:
    """The class as it is solved: what is still there, weighed."""
    by_key = {n.key: n for n in needs}
    arcs = sorted(
        (s for s in sources if s.need in by_key and left.room(s) > 0), key=lambda s: (s.need, s.arrives, s.who, s.key)
    )
    costs = [cost(by_key[s.need], s) for s in arcs]
    most = max(costs, default=0) + 1
    # A place of its own for "first" and for "unmet": each outweighs what eight units could cost instead.
    nodes = 2 + len({s.key for s in arcs}) + len({s.group for s in arcs}) + len({s.who for s in arcs}) + len(needs)
    scale = max(1, min(_TIES, _COST_LIMIT // (most * 8 * 64 * nodes)))
    first = _first(by_key, arcs, rules)
    rank = _ranks(arcs, rules)
    weighed = tuple(
        (c + (0 if s.key in first[s.need] else most * 8)) * scale + min(rank[s.who], scale - 1)
        for s, c in zip(arcs, costs, strict=True)
    )
    weights = Weights(weighed, scale, most * 8 * 64 * scale, rules.ties == "spread")
    return Level(
        tuple(needs), tuple(arcs), weights, tuple(min(left.room(s), s.capacity, by_key[s.need].quantity) for s in arcs)
    )  # fmt: skip


def _first(needs: Mapping[str, Need], arcs: Sequence[Source], rules: Rules) -> dict[str, set[str]]:
    """By need the places that come first at whatever cost: of the chosen kind those that are in time; own stock also where
    nothing of the pool would be."""
    in_time: dict[str, set[str]] = {n: set() for n in needs}
    late_own: dict[str, set[str]] = {n: set() for n in needs}
    pool_in_time = set()
    for s in arcs:
        timely = s.arrives <= needs[s.need].needed_by
        if s.own == (rules.first == "own") and timely:
            in_time[s.need].add(s.key)
        elif s.own and rules.first == "own":
            late_own[s.need].add(s.key)
        if not s.own and timely:
            pool_in_time.add(s.need)
    return {n: in_time[n] | (set() if n in pool_in_time else late_own[n]) for n in needs}


def _ranks(arcs: Sequence[Source], rules: Rules) -> dict[str, int]:
    """What breaks a tie: to concentrate, the holders that can serve the most needs come first; to spread, only their order
    where they have as much already (half of the room below the cent is for the shares)."""
    serves: dict[str, set[str]] = {}
    for s in arcs:
        serves.setdefault(s.who, set()).add(s.need)
    if rules.ties == "concentrate":
        order = sorted(serves, key=lambda who: (-len(serves[who]), who))
        return {who: n for n, who in enumerate(order)}
    return dict.fromkeys(serves, 0)


@lru_cache(maxsize=4_096)
def shares(total: int) -> tuple[int, ...]:
    """How a holder's units are cut for spreading: 1, 1, 2, 4, 8, ..., so that many units are few shares."""
    cut: list[int] = []
    while total > 0:
        cut.append(min(max(1, 1 << (len(cut) - 1) if cut else 1), total))
        total -= cut[-1]
    return tuple(cut)


def flow(of: Level, left: Left) -> list[int]:
    """So many over each arc of the level: the least weight, the needs that can be met met."""
    if not of.arcs:
        return []
    solver = min_cost_flow.SimpleMinCostFlow()
    numbers: dict[tuple[str, str], int] = {("root", ""): 0, ("sink", ""): 1}

    def node(kind: str, key: str) -> int:
        return numbers.setdefault((kind, key), len(numbers))

    add = solver.add_arc_with_capacity_and_unit_cost
    demand = sum(n.quantity for n in of.needs)
    over: list[int] = []
    stock: dict[str, int] = {}
    for source, most in zip(of.arcs, of.capacity, strict=True):
        stock[source.who] = stock.get(source.who, 0) + most
    places: dict[str, int] = {}
    for source, weight, most in zip(of.arcs, of.weights.arcs, of.capacity, strict=True):
        place = places.get(source.key)
        if place is None:
            # A place has one right, and a right one holder: both are looked at when the place is first met.
            known = len(numbers)
            holder = node("holder", source.who)
            if len(numbers) > known:
                cap = min(left.units.get(source.who, demand), stock[source.who], demand)
                for extra, width in enumerate(shares(cap) if of.weights.spread else (cap,)):
                    add(0, holder, width, min(extra, of.weights.scale - 1))
            known = len(numbers)
            right = node("right", source.group)
            if len(numbers) > known:
                add(holder, right, left.rights[source.group], 0)
            place = places[source.key] = node("place", source.key)
            add(right, place, left.places[source.key], 0)
        over.append(add(place, node("need", source.need), most, weight))
    for need in of.needs:
        target = node("need", need.key)
        add(target, 1, need.quantity, 0)
        add(0, target, need.quantity, of.weights.unmet)
    solver.set_node_supply(0, demand)
    solver.set_node_supply(1, -demand)
    if (status := solver.solve()) != solver.OPTIMAL:
        raise AssertionError(f"the flow always has a solution, since the unmet arcs carry everything: {status}")
    return [solver.flow(arc) for arc in over]
