"""Plans with rules: the optimum by other means (brute force, another solver, potentials, published problems), and true reasons."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model

from marketplace.sourcing.allocation import HANDLING_MINOR, Need, Plan, Rules, Source, choose
from marketplace.sourcing.flows import Left, flow, level
from marketplace.sourcing.needs import cost
from marketplace.sourcing.side_constraints import _cut_down

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
PART = UUID(int=1)
GAP = Path(__file__).parents[2] / "vectors" / "assignment" / "gap1.txt"


def need(
    key: str, quantity: int = 1, *, days: int = 10, urgency: str = "stock_order", whole: bool = False, kit: str = ""
) -> Need:
    return Need(key, (PART,), quantity, NOW + timedelta(days=days), urgency, whole, kit)


def source(
    of: str, key: str, price: int, capacity: int = 1, *, days: int = 2, own: bool = False, by: str = "", least: int = 1,
    multiple: int = 1, cap: int | None = None,
) -> Source:  # fmt: skip
    return Source(
        of, key, PART, own, capacity, key, cap or capacity, price, 0, NOW + timedelta(days=days), 0, by or key, by or key,
        least, multiple,
    )  # fmt: skip


def counts(plan: Plan) -> dict[tuple[str, str], int]:
    return {(c.need, c.source): c.quantity for c in plan.chosen}


# -- instances, brute force, a second solver ---------------------------------------------------------------


@st.composite
def instances(draw: st.DrawFn, *, most: int = 3) -> tuple[list[Need], list[Source], Rules]:
    """Small ones with everything in them: shared places, kits, complete needs, sizes of orders, caps, a budget."""
    small = st.integers(1, most)
    kits = draw(st.sampled_from(["", "k"]))
    needs = [
        need(f"n{n}", draw(small), days=draw(st.integers(1, 6)), whole=draw(st.booleans()), kit=kits if n < 2 else "")
        for n in range(draw(small))
    ]
    sources: list[Source] = []
    for p in range(draw(st.integers(1, most + 1))):
        capacity, price, days = draw(small), draw(st.integers(1, 3_000)), draw(st.integers(1, 8))
        own, by = draw(st.booleans()), draw(st.sampled_from(["A", "B"]))
        least, multiple = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 2)]))
        sources += [
            source(
                n.key, f"p{p}", price + draw(st.integers(0, 50)), capacity, days=days, own=own, by="me" if own else by,
                least=least, multiple=multiple,
            )
            for n in needs if draw(st.integers(0, 3))
        ]  # fmt: skip
    rules = Rules(
        first=draw(st.sampled_from(["own", "pool"])), ties=draw(st.sampled_from(["spread", "concentrate"])),
        holder_units=draw(st.none() | st.integers(1, 4)), holder_orders=draw(st.none() | st.integers(1, 2)),
        budget=draw(st.none() | st.integers(500, 12_000)), holder_money=draw(st.none() | st.integers(800, 6_000)),
    )  # fmt: skip
    return needs, sources, rules


def keeps(needs: Sequence[Need], arcs: Sequence[Source], flows: Sequence[int], rules: Rules) -> bool:
    """The rules once more, in the plainest words."""
    places, met, units, orders, money = Counter[str](), Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for s, f in zip(arcs, flows, strict=True):
        if f and not (f == s.group_cap or (f >= s.least and f % s.multiple == 0)):
            return False
        places[s.key] += f
        met[s.need] += f
        if not s.own and f:
            units[s.who] += f
            orders[s.who] += 1
            money[s.who] += f * s.money
    spent = sum(f * s.money for s, f in zip(arcs, flows, strict=True))
    if rules.budget is not None and spent > rules.budget:
        return False
    limits = ((units, rules.holder_units), (orders, rules.holder_orders), (money, rules.holder_money))
    if any(most is not None and n > most for some, most in limits for n in some.values()):
        return False
    if any(places[s.key] > s.capacity for s in arcs) or any(met[n.key] > n.quantity for n in needs):
        return False
    if any(0 < met[n.key] < n.quantity for n in needs if n.complete_only or n.kit):
        return False
    return len({met[n.key] == n.quantity for n in needs if n.kit}) < 2


def value(needs: Sequence[Need], arcs: Sequence[Source], flows: Sequence[int], rules: Rules) -> tuple[int, int, int]:
    """Units met (most first), then units that do not come first (fewest), then cost."""
    by = {n.key: n for n in needs}
    pool_in_time = {s.need for s in arcs if not s.own and s.arrives <= by[s.need].needed_by}

    def first(s: Source) -> bool:
        if s.own != (rules.first == "own"):
            return False
        return s.arrives <= by[s.need].needed_by or (s.own and s.need not in pool_in_time)

    used = list(zip(arcs, flows, strict=True))
    return (
        -sum(f for _, f in used), sum(f for s, f in used if not first(s)), sum(f * cost(by[s.need], s) for s, f in used)
    )  # fmt: skip


def flows_of(plan: Plan, arcs: Sequence[Source]) -> list[int]:
    found = counts(plan)
    return [found.get((s.need, s.key), 0) for s in arcs]


def every(arcs: Sequence[Source], needs: Sequence[Need]) -> Iterator[tuple[int, ...]]:
    by = {n.key: n.quantity for n in needs}
    return itertools.product(*(range(min(s.capacity, by[s.need]) + 1) for s in arcs))


@given(instances())
@settings(max_examples=60, deadline=None)
def test_nothing_that_keeps_the_rules_is_better(instance: tuple[list[Need], list[Source], Rules]) -> None:
    needs, arcs, rules = instance
    arcs = arcs[:5]
    plan = choose(needs, arcs, rules)
    mine = flows_of(plan, arcs)
    assert plan.proven
    assert keeps(needs, arcs, mine, rules)
    assert plan == choose(needs, arcs, rules), "the same input gives the same plan"
    # What comes first outweighs what eight units could cost; on such small ones that is whatever it costs.
    pool = {s.need for s in arcs}
    best = min(value(needs, arcs, f, rules) for f in every(arcs, needs) if keeps(needs, arcs, f, rules))
    assert value(needs, arcs, mine, rules) == best
    assert set(plan.unmet_why) == set(plan.unmet)
    assert {n.need for n in plan.not_chosen} <= pool


def second_solver(needs: Sequence[Need], arcs: Sequence[Source], rules: Rules) -> tuple[int, int]:
    """Units met and their cost by CP-SAT, written down anew: no flow, no relaxation, no ties, the pool alone."""
    by = {n.key: n for n in needs}
    model = cp_model.CpModel()
    x = [model.new_int_var(0, min(s.capacity, by[s.need].quantity), "") for s in arcs]
    used = [model.new_bool_var("") for _ in arcs]
    for v, y in zip(x, used, strict=True):
        model.add(v == 0).only_enforce_if(~y)
    for key in {s.key for s in arcs}:
        model.add(
            sum(v for s, v in zip(arcs, x, strict=True) if s.key == key)
            <= next(s.capacity for s in arcs if s.key == key)
        )
    for who in {s.who for s in arcs}:
        mine = [i for i, s in enumerate(arcs) if s.who == who]
        if rules.holder_orders is not None:
            model.add(sum(used[i] for i in mine) <= rules.holder_orders)
        if rules.holder_units is not None:
            model.add(sum(x[i] for i in mine) <= rules.holder_units)
    for n in needs:
        got = sum(v for s, v in zip(arcs, x, strict=True) if s.need == n.key)
        if n.complete_only:
            whole = model.new_bool_var("")
            model.add(got == n.quantity * whole)
        else:
            model.add(got <= n.quantity)
    costs = [cost(by[s.need], s) for s in arcs]
    model.maximize(sum(x))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    assert solver.solve(model) == cp_model.OPTIMAL
    most = round(solver.objective_value)
    model.add(sum(x) == most)
    model.minimize(sum(c * v for c, v in zip(costs, x, strict=True)))
    assert solver.solve(model) == cp_model.OPTIMAL
    return most, round(solver.objective_value)


@given(st.randoms(use_true_random=False), st.integers(4, 6), st.integers(1, 2), st.booleans())
@settings(max_examples=5, deadline=None)
def test_a_second_solver_finds_no_better_plan(chance: object, count: int, orders: int, whole: bool) -> None:
    pick = chance.randint  # type: ignore[attr-defined]
    needs = [need(f"n{n}", pick(1, 4), days=20, whole=whole and n % 2 == 0) for n in range(count)]
    arcs = [
        source(n.key, f"p{p}", 1_000 + p * 37 + pick(0, 900), 3, by=f"H{p % 4}")
        for n in needs for p in range(8) if pick(0, 2)
    ]  # fmt: skip
    rules = Rules(holder_orders=orders, holder_units=9)
    plan = choose(needs, arcs, rules)
    flows = flows_of(plan, arcs)
    assert plan.proven
    assert keeps(needs, arcs, flows, rules)
    assert (sum(flows), value(needs, arcs, flows, rules)[2]) == second_solver(needs, arcs, rules)


def test_cutting_arcs_away_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = [need(f"n{n}", 1 + n % 3, days=20) for n in range(60)]
    arcs = [
        source(n.key, f"p{p}", 1_000 + p % 9 * 400 + (p * 7919 + i * 104729) % 901, 9, by=f"H{p % 9}")
        for i, n in enumerate(needs) for p in range(30) if (p + i) % 3
    ]  # fmt: skip
    rules = Rules(holder_orders=7)
    monkeypatch.setattr("marketplace.sourcing.side_constraints._SMALL", 10**9)
    whole = choose(needs, arcs, rules)
    monkeypatch.setattr("marketplace.sourcing.side_constraints._SMALL", 0)
    asked = []
    monkeypatch.setattr(
        "marketplace.sourcing.side_constraints._cut_down", lambda *of: asked.append(1) or _cut_down(*of)
    )
    cut = choose(needs, arcs, rules)
    assert asked
    assert value(needs, arcs, flows_of(cut, arcs), rules) == value(needs, arcs, flows_of(whole, arcs), rules)


@given(instances(most=4))
@settings(max_examples=80, deadline=None)
def test_potentials_prove_that_a_flow_is_the_least(instance: tuple[list[Need], list[Source], Rules]) -> None:
    """Bellman-Ford over what could still be changed: no circle costs less than nothing, so there are potentials with which no
    arc has a reduced cost below 0."""
    needs, arcs, rules = instance
    rules = replace(rules, ties="concentrate", holder_orders=None, holder_money=None, budget=None)
    pool = {s.who for s in arcs if not s.own}
    left = Left(
        {s.key: s.capacity for s in arcs}, {s.group: s.group_cap for s in arcs},
        dict.fromkeys(pool, rules.holder_units) if rules.holder_units is not None else {},
    )  # fmt: skip
    of = level(needs, arcs, rules, left)
    flows = flow(of, left)
    edges: list[tuple[str, str, int, int, int]] = []
    through = Counter[str]()
    for s, f in zip(of.arcs, flows, strict=True):
        for name in (f"h{s.who}", f"p{s.key}", f"n{s.need}"):
            through[name] += f
    for s, f, w, most in zip(of.arcs, flows, of.weights.arcs, of.capacity, strict=True):
        edges.append((f"p{s.key}", f"n{s.need}", f, most, w))
    whose = {s.who for s in of.arcs}
    edges += [("root", f"h{who}", through[f"h{who}"], left.units.get(who, 10**6), 0) for who in whose]
    places = {(s.key, s.who, s.capacity) for s in of.arcs}
    edges += [(f"h{who}", f"p{key}", through[f"p{key}"], most, 0) for key, who, most in places]
    for n in needs:
        got = through[f"n{n.key}"]
        edges.append(("root", f"n{n.key}", n.quantity - got, n.quantity, of.weights.unmet))
    residual = [(a, b, w) for a, b, f, most, w in edges if f < most] + [(b, a, -w) for a, b, f, _, w in edges if f > 0]
    potential = dict.fromkeys({x for a, b, *_ in edges for x in (a, b)}, 0)
    for _turn in range(len(potential)):
        for a, b, w in residual:
            potential[b] = min(potential[b], potential[a] + w)
    assert all(w + potential[a] - potential[b] >= 0 for a, b, w in residual)


def _gap() -> list[tuple[list[list[int]], list[list[int]], list[int], int]]:
    numbers = iter(map(int, GAP.read_text().split()))
    found = []
    for _ in range(next(numbers)):
        agents, jobs = next(numbers), next(numbers)
        profit, use = ([[next(numbers) for _ in range(jobs)] for _ in range(agents)] for _ in range(2))
        found.append((profit, use, [next(numbers) for _ in range(agents)], next(numbers)))
    return found


@pytest.mark.parametrize("case", range(5))
def test_published_assignment_problems(case: int) -> None:
    """gap1 of OR-Library: agents are holders that give for so much money each, jobs are needs. What an agent has is made the same
    for all by counting in parts of it."""
    profit, use, has, best = _gap()[case]
    whole = math.lcm(*has)
    needs = [need(f"j{j}") for j in range(len(profit[0]))]
    arcs = []
    for a, row in enumerate(use):
        for j, used in enumerate(row):
            money = used * whole // has[a]
            # The plan weighs money and scarcity together: the second leaves what was to be maximised.
            arcs.append(
                replace(
                    source(f"j{j}", f"a{a}-{j}", money, by=f"a{a}"), freight=-HANDLING_MINOR,
                    scarcity=100 - profit[a][j] - money,
                )
            )  # fmt: skip
    plan = choose(needs, arcs, Rules(holder_money=whole))
    assert plan.proven
    assert not plan.unmet
    found = {(s.need, s.key): s for s in arcs}
    assert sum(100 - cost(needs[0], found[c.need, c.source]) for c in plan.chosen) == best


# -- policies and words ------------------------------------------------------------------------------------


def test_the_pool_first_keeps_own_stock_and_says_so() -> None:
    sources = [source("n", "own", 1, own=True), source("n", "pool", 9_000), source("n", "late", 1, days=30)]
    plan = choose([need("n")], sources, Rules(first="pool"))
    assert counts(plan) == {("n", "pool"): 1}
    assert {n.source: n.words for n in plan.not_chosen}["own"] == "Own stock is kept: the pool comes first."
    late = choose([need("n")], [source("n", "own", 1, own=True), source("n", "late", 1, days=30)], Rules(first="pool"))
    assert counts(late) == {("n", "own"): 1}, "of the pool only what is in time comes first"


def test_equal_sources_are_spread_or_kept_together() -> None:
    needs = [need(f"n{n}") for n in range(4)]
    sources = [source(n.key, f"{by}{k}", 100, by=by) for n in needs for by in "ABCD" for k in range(4)]
    by = {s.key: s.who for s in sources}

    def holders(rules: Rules) -> set[str]:
        return {by[c.source] for c in choose(needs, sources, rules).chosen}

    assert holders(Rules(ties="spread")) == set("ABCD")
    assert len(holders(Rules(ties="concentrate"))) == 1
    dearer = [replace(s, price=s.price + (s.who != "A")) for s in sources]
    assert {by[c.source] for c in choose(needs, dearer, Rules(ties="spread")).chosen} == {"A"}, "a cent outweighs a tie"


def test_a_kit_is_met_whole_or_not_at_all() -> None:
    needs = [need("a", kit="k"), need("b", 2, kit="k"), need("c", urgency="urgent")]
    sources = [source("a", "pa", 100), source("b", "pb", 100, 1), source("c", "pa", 100)]
    plan = choose(needs, [source("a", "x", 100), *sources])
    assert counts(plan) == {("c", "pa"): 1}
    assert plan.unmet_why["a"] == plan.unmet_why["b"] == "Its kit cannot be had whole, so nothing of it is ordered."


def test_complete_or_not_at_all_says_how_many_there_were() -> None:
    plan = choose([need("n", 3, whole=True)], [source("n", "p", 100, 2)])
    assert plan.chosen == ()
    assert plan.unmet_why == {"n": "Only 2 of 3 could be had, and it is wanted complete or not at all."}


def test_a_limit_that_stands_in_the_way_is_named() -> None:
    needs = [need("a", urgency="urgent"), need("b")]
    sources = [source(n, f"p{n}", 1_000, by="A") for n in "ab"]
    one = choose(needs, sources, Rules(holder_orders=1))
    assert counts(one) == {("a", "pa"): 1}
    assert one.unmet_why == {"b": "This plan sends no holder more than 1 order."}
    assert choose(needs, sources, Rules(budget=2_000)).unmet_why == {"b": "Beyond what is left of the budget."}
    left_out = choose(needs[:1], [*sources[:1], source("a", "z", 9_000, by="Z")], Rules(without=frozenset({"A"})))
    assert counts(left_out) == {("a", "z"): 1}
    assert [n.words for n in left_out.not_chosen] == ["Left out of this plan, as asked."]


def test_orders_are_of_a_size_that_agreements_allow() -> None:
    sources = [source("n", "five", 100, 5, least=5, cap=9), source("n", "one", 900, 5)]
    assert counts(choose([need("n", 3)], sources)) == {("n", "one"): 3}
    assert counts(choose([need("n", 6)], sources)) == {("n", "five"): 5, ("n", "one"): 1}


def test_why_each_was_chosen() -> None:
    sources = [source("n", "cheap", 100, days=12), source("n", "timely", 1_500, days=9), source("n", "dear", 9_000)]
    urgent = choose([need("n", urgency="urgent")], sources)
    assert [(c.source, c.why) for c in urgent.chosen] == [("timely", "The cheapest of those that arrive in time.")]
    late = choose([need("n", days=1, urgency="machine_down")], sources[:2])
    assert [(c.source, c.why) for c in late.chosen] == [("timely", "Nothing arrives in time; this comes first.")]
    assert [(n.words, n.later) for n in late.not_chosen] == [
        ("14,986.00 more per unit, the days that each would be late counted, and 3 days later.", 3)
    ]
