"""Which units for which need: the plan of least total cost, with reasons. Pure.

Objective, in whole minor units of one currency:
  call price + handling + freight + lateness + scarcity; what can be met is met.
Urgency classes are solved one after the other, the most urgent first, each on what the ones before left over:
no big-M mixes a stopped machine with a stock order (a kit is of the class of its most urgent need). Own stock comes first
where it arrives in time, or where nothing callable does; or, by policy, the pool, and own stock is kept. Equal units at one
place are one node with a capacity, so the flow (``flows``) is integral by itself; what it cannot say is a whole-number
programme (``side_constraints``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from marketplace.kit.errors import invalid
from marketplace.sourcing.flows import Left, flow, level
from marketplace.sourcing.needs import (
    HANDLING_MINOR,
    LATENESS_MINOR_PER_DAY,
    URGENCY_ORDER,
    Need,
    Rules,
    Source,
    cost,
    late_days,
)
from marketplace.sourcing.side_constraints import kept, solve

__all__ = [
    "HANDLING_MINOR",
    "LATENESS_MINOR_PER_DAY",
    "Chosen",
    "Need",
    "NotChosen",
    "Plan",
    "Rules",
    "Source",
    "choose",
]
MAX_NEEDS = 2_000
PLAIN = Rules()


@dataclass(frozen=True, slots=True)
class Chosen:
    """So many from this source, with the cost of one unit taken apart, and why it was chosen."""

    need: str
    source: str
    quantity: int
    price: int
    freight: int
    handling: int
    lateness: int
    late_days: int
    total: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class NotChosen:
    """A source left alone and why: how much more one unit would have weighed, and how many days later it comes than the last of
    those that were chosen (0: not later)."""

    need: str
    source: str
    more: int
    words: str
    later: int = 0
    possible: bool = True
    """Whether it could have been taken instead; else it is out of reach for this need in this plan."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer: what to take, what stays unmet and why, and why the rest was left. ``total`` in minor units. ``proven``: nothing
    better exists; else it is the best that was found in the time for it."""

    chosen: tuple[Chosen, ...]
    unmet: Mapping[str, int]
    not_chosen: tuple[NotChosen, ...]
    total: int
    unmet_why: Mapping[str, str]
    proven: bool = True


def choose(needs: Sequence[Need], sources: Sequence[Source], rules: Rules = PLAIN) -> Plan:
    """The plan of least total cost. Deterministic: the same input gives the same plan.

    Raises ``plan.too_many`` beyond 2,000 needs.
    """
    if len(needs) > MAX_NEEDS:
        raise invalid("plan.too_many", f"At most {MAX_NEEDS:,} needs in one plan; split the list.")
    usable = [s for s in sources if s.own or s.who not in rules.without]
    pool = {s.who for s in usable if not s.own}
    left = Left(
        {s.key: s.capacity for s in usable},
        {s.group: s.group_cap for s in usable},
        dict.fromkeys(pool, rules.holder_units) if rules.holder_units is not None else {},
        dict.fromkeys(pool, rules.holder_orders) if rules.holder_orders is not None else {},
        dict.fromkeys(pool, rules.holder_money) if rules.holder_money is not None else {},
        budget=rules.budget,
    )
    left.deeds = {s.deed: s.deed_orders for s in usable if s.deed and s.deed_orders is not None}
    used: dict[tuple[str, str], int] = {}
    by_need = {n.key: n for n in needs}
    taken: list[tuple[Source, int]] = []
    proven = True
    for some in _classes(needs):
        _renew(left, {n.key for n in some}, usable, used)
        here = level(some, usable, rules, left)
        flows = flow(here, left)
        if not kept(here, left, flows):
            solved = solve(here, left, flows)
            flows, proven = solved.flows, proven and solved.proven
        for source, count in zip(here.arcs, flows, strict=True):
            if count:
                left.take(source, count)
                for kind, key in (("place", source.key), ("right", source.group)):
                    used[kind, key] = used.get((kind, key), 0) + count
                taken.append((source, count))
    chosen = [_costed(by_need[s.need], s, n) for s, n in taken]
    met: dict[str, int] = {}
    for c in chosen:
        met[c.need] = met.get(c.need, 0) + c.quantity
    unmet = {n.key: n.quantity - met.get(n.key, 0) for n in needs if n.quantity > met.get(n.key, 0)}
    reasons = _Reasons(needs, sources, taken, rules, left)
    return Plan(
        tuple(_with_why(c, reasons.chosen(c)) for c in chosen), unmet, tuple(reasons.not_chosen()),
        sum(c.total * c.quantity for c in chosen), {key: reasons.unmet(key, met.get(key, 0)) for key in unmet}, proven,
    )  # fmt: skip


def _renew(left: Left, needs: set[str], sources: Sequence[Source], used: Mapping[tuple[str, str], int]) -> None:
    """What places and rights give may hang on how urgent it is: of a class what its own sources say counts, less what the
    classes before have taken."""
    places: dict[str, int] = {}
    rights: dict[str, int] = {}
    for s in sources:
        if s.need in needs:
            places[s.key] = max(places.get(s.key, 0), s.capacity)
            rights[s.group] = max(rights.get(s.group, 0), s.group_cap)
    left.places |= {key: max(n - used.get(("place", key), 0), 0) for key, n in places.items()}
    left.rights |= {key: max(n - used.get(("right", key), 0), 0) for key, n in rights.items()}


def _classes(needs: Sequence[Need]) -> list[list[Need]]:
    """The needs by class, the most urgent first; those of a kit together."""
    rank = {urgency: n for n, urgency in enumerate(URGENCY_ORDER)}
    kits: dict[str, int] = {}
    for n in needs:
        if n.kit:
            kits[n.kit] = min(kits.get(n.kit, len(rank)), rank[n.urgency])
    found: dict[int, list[Need]] = {}
    for n in needs:
        found.setdefault(kits[n.kit] if n.kit else rank[n.urgency], []).append(n)
    return [found[r] for r in sorted(found)]


def _costed(need: Need, source: Source, count: int) -> Chosen:
    days = late_days(need, source)
    late = days * LATENESS_MINOR_PER_DAY[need.urgency]
    return Chosen(
        need.key, source.key, count, source.price, source.freight, HANDLING_MINOR, late, days, source.money
    )  # fmt: skip


def _with_why(c: Chosen, why: str) -> Chosen:
    return Chosen(
        c.need, c.source, c.quantity, c.price, c.freight, c.handling, c.lateness, c.late_days, c.total, why
    )  # fmt: skip


class _Reasons:
    """What is said about a plan, looked up in what it left over."""

    def __init__(
        self,
        needs: Sequence[Need],
        sources: Sequence[Source],
        taken: Sequence[tuple[Source, int]],
        rules: Rules,
        left: Left,
    ) -> None:
        self.needs = {n.key: n for n in needs}
        self.rules, self.left = rules, left
        self.sources = sources
        self.taken = {(s.need, s.key) for s, _ in taken}
        self.by_need: dict[str, list[Source]] = {}
        for s in sources:
            self.by_need.setdefault(s.need, []).append(s)
        self.mine: dict[str, list[Source]] = {}
        self.ordered: dict[str, list[Source]] = {}
        for s, _ in sorted(taken, key=lambda t: (t[0].need, t[0].key)):
            self.mine.setdefault(s.need, []).append(s)
            if s.own == (rules.first == "pool"):
                self.ordered.setdefault(s.need, []).append(s)
        self.limited = bool(left.orders or left.deeds or left.units or left.money)
        self.by_right: dict[str, set[str]] = {}
        for s, _ in taken:
            self.by_right.setdefault(s.group, set()).add(s.need)

    def _barred(self, s: Source, need: Need) -> str | None:
        """Why nothing more can come from there in this plan; None where it can."""
        rules, left = self.rules, self.left
        if rules.without and not s.own and s.who in rules.without:
            return "Left out of this plan, as asked."
        if self.limited and (words := self._limited(s)) is not None:
            return words
        if left.places.get(s.key, 0) <= 0 or left.rights.get(s.group, 0) <= 0:
            urgent = any(
                URGENCY_ORDER.index(self.needs[n].urgency) < URGENCY_ORDER.index(need.urgency) for n in self._takers(s)
            )
            return (
                "Its units are planned for a more urgent need." if urgent else "Its units are planned for another need."
            )
        if left.budget is not None and s.money > left.budget + max(
            (o.money for o in self.mine.get(need.key, ())), default=0
        ):
            return "Beyond what is left of the budget."
        return None

    def _limited(self, s: Source) -> str | None:
        """The limit of a holder or an agreement that is used up."""
        rules, left = self.rules, self.left
        if left.orders.get(s.who) == 0:
            return f"This plan sends no holder more than {rules.holder_orders} {'order' if rules.holder_orders == 1 else 'orders'}."
        if left.deeds.get(s.deed) == 0:
            return "Its agreement lets no more orders be given than this plan gives."
        if left.units.get(s.who, 1) <= 0:
            return f"This plan takes no more than {rules.holder_units} {'unit' if rules.holder_units == 1 else 'units'} from one holder."
        if left.money.get(s.who, s.money) < s.money:
            return "This plan orders for no more money than that from one holder."
        return None

    def _takers(self, s: Source) -> set[str]:
        return self.by_right.get(s.group, set())

    def chosen(self, c: Chosen) -> str:
        """Why this one, in one sentence."""
        need = self.needs[c.need]
        source = next(s for s in self.mine[c.need] if s.key == c.source)
        others = [s for s in self.by_need[c.need] if s.key != c.source]
        if not others:
            return "The only place that can give any."
        timely = c.late_days == 0
        if source.own and self.rules.first == "own":
            return "Own stock comes first." if timely else "Own stock: nothing else would be in time either."
        free = [s for s in others if (s.need, s.key) not in self.taken and self._barred(s, need) is None]
        open_to = [s for s in free if s.own == source.own]
        mine = cost(need, source)
        if not free:
            return "Nothing else is left that could give any."
        if not timely and source.arrives <= min(s.arrives for s in free):
            return "Nothing arrives in time; this comes first."
        if all(cost(need, s) > mine for s in open_to):
            late = any(late_days(need, s) for s in free) or not timely
            if timely and late and any(s.money < source.money for s in open_to):
                return "The cheapest of those that arrive in time."
            return "Costs least, the days that each would be late counted." if late else "Costs least."
        if any(cost(need, s) == mine for s in open_to) and all(cost(need, s) >= mine for s in open_to):
            how = "spread over holders" if self.rules.ties == "spread" else "kept with few holders"
            return f"Costs as little as any; equal places are {how}."
        return "Part of the cheapest plan for all requests together."

    def not_chosen(self) -> list[NotChosen]:
        """For every source left alone: what one unit from it would weigh more than the dearest one taken (what comes first
        is taken at whatever cost and is not compared with), and how much later it comes."""
        found = []
        dearest = {
            key: max(cost(self.needs[key], o) for o in self.ordered.get(key) or mine) for key, mine in self.mine.items()
        }
        last = {key: max(o.arrives for o in mine) for key, mine in self.mine.items()}
        for s in self.sources:
            if (s.need, s.key) in self.taken or s.need not in self.mine:
                continue
            need = self.needs[s.need]
            others = self.ordered.get(s.need, [])
            more = cost(need, s) - dearest[s.need]
            later = _days(s, last[s.need]) if s.arrives > last[s.need] else 0
            barred = self._barred(s, need)
            if barred is not None:
                found.append(NotChosen(s.need, s.key, 0, barred, later, possible=False))
                continue
            if not others:
                own = self.rules.first == "own"
                words = "Own stock comes first." if own else "Own stock is kept: the pool comes first."
                found.append(NotChosen(s.need, s.key, more, words, later))
            else:
                found.append(NotChosen(s.need, s.key, more, self._difference(need, s, others, more), later))
        return sorted(found, key=lambda n: (n.need, not n.possible, n.more, n.source))

    def _difference(self, need: Need, source: Source, others: Sequence[Source], more: int) -> str:
        """What speaks against a source beside those that were chosen."""
        late = late_days(need, source)
        if late and not any(late_days(need, o) for o in others):
            return f"Would arrive {late} {'day' if late == 1 else 'days'} after it is needed."
        if more == 0:
            return (
                "Costs as much: equal sources are spread over holders."
                if self.rules.ties == "spread"
                else "Costs as much: equal sources are kept with few holders."
            )
        if more < 0:
            return f"{-more / 100:,.2f} less per unit, but the plan for all requests together would cost more, or break a rule of it."
        words = f"{more / 100:,.2f} more per unit"
        if late or any(late_days(need, o) for o in others):
            words += ", the days that each would be late counted"
        days = _days(source, max(o.arrives for o in others))
        return f"{words}, and {days} {'day' if days == 1 else 'days'} later." if days > 0 else f"{words}."

    def unmet(self, key: str, met: int) -> str:
        """Why a need, or the rest of it, stays unmet."""
        need = self.needs[key]
        places = self.by_need.get(key, [])
        if not places:
            return "No place can give any now."
        barred = [w for s in places if (s.need, s.key) not in self.taken and (w := self._barred(s, need)) is not None]
        most = sum(s.capacity for s in places)
        if need.kit and met == 0:
            return "Its kit cannot be had whole, so nothing of it is ordered."
        if need.complete_only and met == 0:
            could = sum(self.left.room(s) for s in places if s.key in self.left.places)
            return (
                f"Only {min(could, most):,} of {need.quantity:,} could be had, and it is wanted complete or not at all."
            )
        if barred:
            return max(sorted(set(barred)), key=barred.count)
        if self.left.budget is not None and all(s.money > self.left.budget for s in places):
            return "Beyond what is left of the budget."
        return f"All places together can give {met:,} for it." if met else "No place can give any in this plan."


def _days(source: Source, last: datetime) -> int:
    return math.ceil((source.arrives - last).total_seconds() / 86_400)
