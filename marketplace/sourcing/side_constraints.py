"""What a flow cannot say: orders per holder, all or nothing, kits, a budget, sizes of orders; as a whole-number programme. Pure.

The flow of the level is its relaxation: where it keeps all of this, it is the answer already. Else it gives the most that
can be met, which the programme tries first. Large levels are cut down without losing the optimum: an arc whose reduced cost
in the linear relaxation is more than what is still between the best found and that relaxation is in no better plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ortools.linear_solver import pywraplp

from marketplace.sourcing.flows import Left, Level, shares

LIMIT_MILLISECONDS = 30_000
"""After this the best found is taken, and said to be no more than that."""
_SMALL = 1_500
_KEPT_EACH = 6


@dataclass(frozen=True, slots=True)
class Solved:
    """So many over each arc; ``proven``: nothing better exists."""

    flows: list[int]
    proven: bool


def kept(of: Level, left: Left, flows: Sequence[int]) -> bool:
    """Whether these flows keep what only this module knows of."""
    met: dict[str, int] = {}
    orders: dict[str, int] = {}
    spent: dict[str, int] = {}
    deeds: dict[str, int] = {}
    for source, count in zip(of.arcs, flows, strict=True):
        if not count:
            continue
        if not source.takes(count):
            return False
        met[source.need] = met.get(source.need, 0) + count
        orders[source.who] = orders.get(source.who, 0) + 1
        deeds[source.deed] = deeds.get(source.deed, 0) + 1
        spent[source.who] = spent.get(source.who, 0) + source.money * count
    if left.budget is not None and sum(spent.values()) > left.budget:
        return False
    if any(spent.get(who, 0) > most for who, most in left.money.items()):
        return False
    if any(n > left.orders.get(who, n) for who, n in orders.items()):
        return False
    if any(n > left.deeds.get(deed, n) for deed, n in deeds.items()):
        return False
    whole: dict[str, set[bool]] = {}
    for need in of.needs:
        got = met.get(need.key, 0)
        if (need.complete_only or need.kit) and 0 < got < need.quantity:
            return False
        if need.kit:
            whole.setdefault(need.kit, set()).add(got == need.quantity)
    return all(len(states) == 1 for states in whole.values())


def solve(of: Level, left: Left, relaxed: Sequence[int]) -> Solved:
    """The plan of least weight that keeps everything; of the needs as many units as can be met are."""
    every = range(len(of.arcs))
    # The most of the relaxation is worth a try: where it can be kept, what can be met need not be looked for.
    most = sum(relaxed)
    found = _cut_down(of, left, most) if len(of.arcs) > _SMALL else _best(of, left, every, most)
    if found is None:
        counted = _Programme(of, left, every, whole=True)
        counted.solve_for_most()
        most = sum(counted.flows())
        found = _cut_down(of, left, most) if len(of.arcs) > _SMALL else _best(of, left, every, most)
        if found is None:
            return Solved(counted.flows(), proven=False)
    return found


def _best(of: Level, left: Left, arcs: Sequence[int], most: int) -> Solved | None:
    programme = _Programme(of, left, arcs, whole=True)
    status = programme.solve_for_least(most)
    if status is None:
        return None
    return Solved(programme.flows(), status)


def _cut_down(of: Level, left: Left, most: int) -> Solved | None:
    """The same by the arcs that can be in a best plan."""
    every = range(len(of.arcs))
    relaxed = _Programme(of, left, every, whole=False)
    if relaxed.solve_for_least(most) is None:
        # Also where the simplex breaks off at the edge of what can be met: then nothing is cut down.
        return _best(of, left, every, most)
    reduced, bound = relaxed.reduced(), relaxed.value()
    order = sorted(every, key=lambda a: (reduced[a], a))
    limit = reduced[order[min(_KEPT_EACH * len(of.needs), len(order) - 1)]]
    found = _best(of, left, [a for a in every if reduced[a] <= limit], most)
    if found is None:
        return _best(of, left, every, most)
    gap = weight(of, found.flows) - bound
    if gap <= limit:
        return found
    return _best(of, left, [a for a in every if reduced[a] <= gap * (1 + 1e-9) + 1], most) or found


def weight(of: Level, flows: Sequence[int]) -> int:
    """What a level's flows weigh, the shares of the holders included and the unmet left out."""
    total = sum(w * f for w, f in zip(of.weights.arcs, flows, strict=True))
    if of.weights.spread:
        by_holder: dict[str, int] = {}
        for source, count in zip(of.arcs, flows, strict=True):
            by_holder[source.who] = by_holder.get(source.who, 0) + count
        demand = sum(n.quantity for n in of.needs)
        for count in by_holder.values():
            rest = count
            for extra, width in enumerate(shares(demand)):
                total += min(rest, width) * min(extra, of.weights.scale - 1)
                rest -= min(rest, width)
    return total


class _Programme:
    """The level as variables and rows. ``whole``: in whole numbers; else its linear relaxation."""

    def __init__(self, of: Level, left: Left, arcs: Sequence[int], *, whole: bool) -> None:
        self.of, self.arcs, self.whole = of, arcs, whole
        self.solver: Any = pywraplp.Solver.CreateSolver("SCIP" if whole else "GLOP")
        self.solver.SuppressOutput()
        if not whole:
            self.solver.SetSolverSpecificParametersAsString("use_dual_simplex: true")
        self.solver.SetTimeLimit(LIMIT_MILLISECONDS)
        count = self.solver.IntVar if whole else self.solver.NumVar
        self.x = {a: count(0, of.capacity[a], f"x{a}") for a in arcs}
        self.y: dict[int, Any] = {}
        for a in arcs:
            source = of.arcs[a]
            if whole and (
                source.who in left.orders or source.deed in left.deeds or source.least > 1 or source.multiple > 1
            ):
                self._order(a)
        by_place: dict[str, list[int]] = {}
        by_right: dict[str, list[int]] = {}
        by_holder: dict[str, list[int]] = {}
        by_deed: dict[str, list[int]] = {}
        by_need: dict[str, list[int]] = {n.key: [] for n in of.needs}
        for a in arcs:
            source = of.arcs[a]
            by_place.setdefault(source.key, []).append(a)
            by_right.setdefault(source.group, []).append(a)
            by_holder.setdefault(source.who, []).append(a)
            by_deed.setdefault(source.deed, []).append(a)
            by_need[source.need].append(a)
        for some, most in ((by_place, left.places), (by_right, left.rights), (by_holder, left.units)):
            for key, members in some.items():
                if key in most and sum(of.capacity[a] for a in members) > most[key]:
                    self._row(0, most[key], [(self.x[a], 1) for a in members])
        for who, most_orders in left.orders.items():
            members = by_holder.get(who, [])
            if len(members) <= most_orders:
                continue
            # Relaxed, an order is the share of what could come by it: that is what its flag would be, without the flag.
            self._row(0, most_orders, [(self.y[a], 1) if whole else (self.x[a], 1 / of.capacity[a]) for a in members])
        for who, most_money in left.money.items():
            members = by_holder.get(who, [])
            if sum(of.capacity[a] * of.arcs[a].money for a in members) > most_money:
                self._row(0, max(most_money, 0), [(self.x[a], of.arcs[a].money) for a in members])
        if left.budget is not None:
            self._row(0, max(left.budget, 0), [(self.x[a], of.arcs[a].money) for a in arcs])
        kits: dict[str, Any] = {}
        for need in of.needs:
            terms = [(self.x[a], 1) for a in by_need[need.key]]
            if need.complete_only or need.kit:
                z = kits[need.kit] if need.kit in kits else self._flag(f"z{need.key}")
                if need.kit:
                    kits[need.kit] = z
                self._row(0, 0, [*terms, (z, -need.quantity)])
            elif terms:
                self._row(0, need.quantity, terms)
        self.tied = self._spread(by_holder) if of.weights.spread and whole else []

    def _flag(self, name: str) -> Any:
        return self.solver.IntVar(0, 1, name) if self.whole else self.solver.NumVar(0, 1, name)

    def _row(self, low: float, high: float, terms: Sequence[tuple[Any, float]]) -> None:
        row = self.solver.Constraint(low, high)
        for variable, factor in terms:
            row.SetCoefficient(variable, factor)

    def _order(self, a: int) -> None:
        """Whether an order goes there, and that it is of a size that its agreement allows."""
        source, most = self.of.arcs[a], self.of.capacity[a]
        self.y[a] = self._flag(f"y{a}")
        below = -self.solver.infinity()
        self._row(below, 0, [(self.x[a], 1), (self.y[a], -most)])
        if source.takes(1) and source.multiple == 1:
            return
        everything = most == source.group_cap
        # All that can be ordered is always a size: a second flag where it is none otherwise.
        whole = self._flag(f"w{a}") if everything else None
        if source.least > 1:
            least = source.least if source.least <= most else most + 1
            terms = [(self.x[a], 1), (self.y[a], -least)]
            self._row(0, self.solver.infinity(), [*terms, (whole, least - most)] if whole is not None else terms)
        if whole is not None:
            self._row(0, self.solver.infinity(), [(self.x[a], 1), (whole, -most)])
            self._row(0, 1, [(self.y[a], 1), (whole, -1)])
        if source.multiple > 1:
            steps = self.solver.IntVar if self.whole else self.solver.NumVar
            k = steps(0, most // source.multiple, f"k{a}")
            terms = [(self.x[a], 1), (k, -source.multiple)]
            self._row(0, 0, [*terms, (whole, -(most % source.multiple))] if whole is not None else terms)

    def _spread(self, by_holder: dict[str, list[int]]) -> list[tuple[Any, int]]:
        """Shares of each holder's units, each dearer than the one before: they fill in order by themselves."""
        found: list[tuple[Any, int]] = []
        demand = sum(n.quantity for n in self.of.needs)
        for who, members in by_holder.items():
            most = min(sum(self.of.capacity[a] for a in members), demand)
            parts = [
                (self.solver.NumVar(0, width, f"s{who}{n}"), n) for n, width in enumerate(shares(most))
            ]  # fmt: skip
            self._row(0, 0, [*((self.x[a], 1) for a in members), *((v, -1) for v, _ in parts)])
            found += [(v, min(n, self.of.weights.scale - 1)) for v, n in parts]
        return found

    def solve_for_most(self) -> None:
        """As many units as can be met."""
        objective = self.solver.Objective()
        for a in self.arcs:
            objective.SetCoefficient(self.x[a], 1)
        objective.SetMaximization()
        self._run()

    def solve_for_least(self, most: int) -> bool | None:
        """The least weight that meets so many units; None where that cannot be, else whether it is proven."""
        self._row(most, self.solver.infinity(), [(self.x[a], 1) for a in self.arcs])
        objective = self.solver.Objective()
        for a in self.arcs:
            objective.SetCoefficient(self.x[a], self.of.weights.arcs[a])
        for variable, factor in self.tied:
            objective.SetCoefficient(variable, factor)
        objective.SetMinimization()
        status = self._run()
        if status == pywraplp.Solver.OPTIMAL:
            return True
        return False if status == pywraplp.Solver.FEASIBLE else None

    def _run(self) -> int:
        exact = pywraplp.MPSolverParameters()
        exact.SetDoubleParam(exact.RELATIVE_MIP_GAP, 0.0)
        status: int = self.solver.Solve(exact)
        return status

    def flows(self) -> list[int]:
        """The answer, whole numbers."""
        found = [0] * len(self.of.arcs)
        for a in self.arcs:
            found[a] = round(self.x[a].solution_value())
        return found

    def value(self) -> float:
        """What the answer weighs."""
        return float(self.solver.Objective().Value())

    def reduced(self) -> list[float]:
        """By arc what the least weight grows by at least when one unit goes over it."""
        found = [0.0] * len(self.of.arcs)
        for a in self.arcs:
            found[a] = max(self.x[a].reduced_cost(), 0.0)
        return found
