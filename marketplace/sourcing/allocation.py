"""Which units for which need: the plan of least total cost, by min-cost flow, with reasons. Pure.

Objective, in whole minor units of one currency:
  call price + handling + freight + lateness + scarcity, plus a penalty for what stays unmet.
Urgency classes are solved one after the other, the most urgent first, each on what the ones before left over:
no big-M mixes a stopped machine with a stock order. Own stock comes first where it arrives in time, or where
nothing callable does. Equal units at one place are one node with a capacity, so the flow is integral by itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ortools.graph.python import min_cost_flow

from marketplace.kit.errors import invalid

HANDLING_MINOR = 500
LATENESS_MINOR_PER_DAY: Mapping[str, int] = {"machine_down": 500_000, "urgent": 50_000, "stock_order": 1_000}
UNMET_MINOR: Mapping[str, int] = {"machine_down": 10_000_000_000, "urgent": 5_000_000_000, "stock_order": 1_000_000_000}
URGENCY_ORDER = ("machine_down", "urgent", "stock_order")
MAX_NEEDS = 2_000
_TIE = 1_000
"""Costs are scaled by this, so that the order of candidates can break ties without ever outweighing a cent."""


@dataclass(frozen=True, slots=True)
class Need:
    """So many of a part (``parts``: it or what may stand in, best first) by a time, this urgently."""

    key: str
    parts: tuple[UUID, ...]
    quantity: int
    needed_by: datetime
    urgency: str


@dataclass(frozen=True, slots=True)
class Source:
    """Units at one place for one need: capacity, cost parts in minor units, and when they arrive.

    ``group``/``group_cap``: sources that share a right. ``scarcity``: what taking one of the last units costs.
    """

    need: str
    key: str
    part: UUID
    own: bool
    capacity: int
    group: str
    group_cap: int
    price: int
    freight: int
    arrives: datetime
    scarcity: int = 0
    holder: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """So many from this source, with the cost of one unit taken apart."""

    need: str
    source: str
    quantity: int
    price: int
    freight: int
    handling: int
    lateness: int
    late_days: int
    total: int


@dataclass(frozen=True, slots=True)
class NotChosen:
    """A source left alone and why: how much more one unit would have cost, or how much later it comes."""

    need: str
    source: str
    more: int
    words: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer: what to take, what stays unmet, and why the rest was left. ``total`` in minor units, without the
    penalty for the unmet."""

    chosen: tuple[Chosen, ...]
    unmet: Mapping[str, int]
    not_chosen: tuple[NotChosen, ...]
    total: int


def choose(needs: Sequence[Need], sources: Sequence[Source]) -> Plan:
    """The plan of least total cost. Deterministic: the same input gives the same plan.

    Raises ``plan.too_many`` beyond 2,000 needs. Ties are spread over holders in a stable order.
    """
    if len(needs) > MAX_NEEDS:
        raise invalid("plan.too_many", f"At most {MAX_NEEDS:,} needs in one plan; split the list.")
    left = {s.key: s.capacity for s in sources}
    caps = {s.group: s.group_cap for s in sources}
    chosen: list[Chosen] = []
    unmet: dict[str, int] = {}
    for urgency in URGENCY_ORDER:
        level = [n for n in needs if n.urgency == urgency]
        if not level:
            continue
        by_key = {n.key: n for n in level}
        mine = [s for s in sources if s.need in by_key]
        still = {n.key: n.quantity for n in level}
        # Own stock goes first where it comes in time, or where everything callable would be late as well.
        in_time = {s.need for s in mine if not s.own and s.arrives <= by_key[s.need].needed_by}
        own = [s for s in mine if s.own and (s.arrives <= by_key[s.need].needed_by or s.need not in in_time)]
        for usable in (own, mine):
            for source, count in _flow(level, usable, still, left, caps):
                chosen.append(_costed(by_key[source.need], source, count))
                left[source.key] -= count
                caps[source.group] -= count
                still[source.need] -= count
        unmet.update({k: v for k, v in still.items() if v})
    merged = _merge(chosen)
    total = sum(c.total * c.quantity for c in merged)
    return Plan(tuple(merged), unmet, tuple(_explain(needs, sources, merged, left, caps)), total)


def _late_days(need: Need, source: Source) -> int:
    return max(0, math.ceil((source.arrives - need.needed_by).total_seconds() / 86_400))


def _cost(need: Need, source: Source) -> int:
    late = _late_days(need, source) * LATENESS_MINOR_PER_DAY[need.urgency]
    preference = need.parts.index(source.part) if source.part in need.parts else len(need.parts)
    # A stand-in is taken only where it saves more than this; the part asked for comes first.
    return source.price + source.freight + HANDLING_MINOR + late + source.scarcity + preference * 2_000


def _costed(need: Need, source: Source, count: int) -> Chosen:
    days = _late_days(need, source)
    late = days * LATENESS_MINOR_PER_DAY[need.urgency]
    total = source.price + source.freight + HANDLING_MINOR
    return Chosen(need.key, source.key, count, source.price, source.freight, HANDLING_MINOR, late, days, total)


def _flow(
    needs: Sequence[Need],
    sources: Sequence[Source],
    still: Mapping[str, int],
    left: Mapping[str, int],
    caps: Mapping[str, int],
) -> list[tuple[Source, int]]:
    """One min-cost flow: root -> group (cap) -> place (capacity) -> need -> sink, with unmet demand as its own arc."""
    open_needs = [n for n in needs if still[n.key] > 0]
    usable = [s for s in sources if left[s.key] > 0 and caps[s.group] > 0 and still[s.need] > 0]
    if not open_needs or not usable:
        return []
    solver = min_cost_flow.SimpleMinCostFlow()
    numbers: dict[tuple[str, str], int] = {("root", ""): 0, ("sink", ""): 1}

    def node(kind: str, key: str) -> int:
        return numbers.setdefault((kind, key), len(numbers))

    done: set[tuple[str, str]] = set()
    arcs: list[tuple[int, Source]] = []
    by_key = {n.key: n for n in open_needs}
    for rank, source in enumerate(sorted(usable, key=lambda s: (s.need, s.arrives, s.holder, s.key))):
        group, place = node("group", source.group), node("place", source.key)
        if ("group", source.group) not in done:
            done.add(("group", source.group))
            solver.add_arc_with_capacity_and_unit_cost(0, group, caps[source.group], 0)
        if ("place", source.key) not in done:
            done.add(("place", source.key))
            solver.add_arc_with_capacity_and_unit_cost(group, place, left[source.key], 0)
        need = by_key[source.need]
        cost = _cost(need, source) * _TIE + min(rank, _TIE - 1)
        arc = solver.add_arc_with_capacity_and_unit_cost(
            place, node("need", need.key), min(left[source.key], still[need.key]), cost
        )
        arcs.append((arc, source))
    for need in open_needs:
        target = node("need", need.key)
        solver.add_arc_with_capacity_and_unit_cost(target, 1, still[need.key], 0)
        solver.add_arc_with_capacity_and_unit_cost(0, target, still[need.key], UNMET_MINOR[need.urgency] * _TIE)
    demand = sum(still[n.key] for n in open_needs)
    solver.set_node_supply(0, demand)
    solver.set_node_supply(1, -demand)
    if solver.solve() != solver.OPTIMAL:
        raise AssertionError("the flow always has a solution: the unmet arcs carry everything")
    return [(source, solver.flow(arc)) for arc, source in arcs if solver.flow(arc)]


def _merge(chosen: Sequence[Chosen]) -> list[Chosen]:
    counts: dict[tuple[str, str], int] = {}
    first: dict[tuple[str, str], Chosen] = {}
    for c in chosen:
        counts[c.need, c.source] = counts.get((c.need, c.source), 0) + c.quantity
        first.setdefault((c.need, c.source), c)
    return [
        Chosen(c.need, c.source, counts[k], c.price, c.freight, c.handling, c.lateness, c.late_days, c.total)
        for k, c in first.items()
    ]


def _explain(
    needs: Sequence[Need],
    sources: Sequence[Source],
    chosen: Sequence[Chosen],
    left: Mapping[str, int],
    caps: Mapping[str, int],
) -> list[NotChosen]:
    """For every source left alone: what one unit from it would have cost more than the dearest one ordered back (own
    stock is taken first, at whatever cost), by the measure that the plan was made with: lateness counts."""
    taken = {(c.need, c.source) for c in chosen}
    by_need = {n.key: n for n in needs}
    known = {(s.need, s.key): s for s in sources}
    ordered: dict[str, list[Source]] = {need: [] for need, _ in taken}
    for key in sorted(taken):
        if not known[key].own:
            ordered[key[0]].append(known[key])
    found: list[NotChosen] = []
    for s in sources:
        if (s.need, s.key) in taken or s.need not in ordered:
            continue
        need, others = by_need[s.need], ordered[s.need]
        more = _cost(need, s) - max((_cost(need, o) for o in others), default=0)
        if left[s.key] <= 0 or caps[s.group] <= 0:
            more, words = 0, "Its units are planned for a more urgent need."
        elif not others:
            words = "Own stock comes first."
        else:
            words = _difference(need, s, others, more)
        found.append(NotChosen(s.need, s.key, more, words))
    return sorted(found, key=lambda n: (n.need, n.more, n.source))


def _difference(need: Need, source: Source, others: Sequence[Source], more: int) -> str:
    """What speaks against a source beside those that were chosen."""
    late = _late_days(need, source)
    if late and not any(_late_days(need, o) for o in others):
        return f"Would arrive {late} days after it is needed."
    if more <= 0:
        return "Costs as much: equal sources are taken in a fixed order."
    words = f"{more / 100:,.2f} more per unit"
    if late or any(_late_days(need, o) for o in others):
        words += ", the days that each would be late counted"
    days = math.ceil((source.arrives - max(o.arrives for o in others)).total_seconds() / 86_400)
    return f"{words}, and {days} days later." if days > 0 else f"{words}."
