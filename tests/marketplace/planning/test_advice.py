"""What the advice says of parts, alone and together: the sentence, what is never advised, limits, frontier, stress, scenarios."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.agreements.combinations import COMBINATIONS
from marketplace.kit.errors import DomainError
from marketplace.planning.advice import Advice, Parts, Policy, advise, even_rate
from marketplace.planning.clauses import Reach, read, reading
from marketplace.planning.coverage import coverage, falling, pool_first
from marketplace.planning.marginals import Money
from marketplace.planning.portfolio import Scenario, choose, frontier, options, scenarios, stress
from marketplace.planning.programme import best_plan

NAN = np.nan


def case(policy: Policy, **more: object) -> Advice:
    """The case of the design: a declining part of ten units, with what it costs and brings spelled out."""
    known = {"decline": 0.1, "value": 1_000, "price": 180, "scrap": 60, "hazard": 0.5, **more}
    return advise(Parts.of(10, 0.3, 200, **known), policy)


def test_the_sentence_of_the_design() -> None:
    same = Policy(
        obsolescence=0, holding_share=0.125, call_share=0.2, paid_under={"access-first": 1.0, "standard-buy-back": 1.0}, renewed=True,
        presets=("access-first", "standard-buy-back"),
    )  # fmt: skip
    found = case(same)
    assert found.exact[0]
    # Bought back at 85 % plus 6 % of that for handling in place of the 180 paid: a little more than the 3,029 of the design.
    own = Money(value=1_000, price=180, buy_back=0.85 * 1.06 * 180, call_cost=40, scrap=60, holding=25, interest=0.08)
    assert found.worth[0] == pytest.approx(best_plan(0.3, 0.5, 20, own, 10, decline=0.1, floor=3).release_all)
    assert found.sentence(0) == (
        "Keep 0, release 10 under Access first with 3 to keep (fast users, hazard 0.5 a year): 3,058 against 600 from scrapping and "
        "-530 from keeping all; 91 % sure to cover 20 years, if rights are renewed after 8."
    )
    assert found.after[0] == pytest.approx(float(falling(0.3, 0.1, 0.5, 10, 0, 20, floor=3)))
    assert found.cash[0] == 1_800
    ends = case(Policy(presets=("access-first",)))
    assert "with rights that end after 8" in ends.sentence(0)
    assert ends.after[0] < found.after[0]
    assert "from own units alone" in case(Policy(presets=("revenue-now",))).sentence(0)


def test_protected_parts_parts_without_price_and_without_stock_are_never_advised_on() -> None:
    parts = Parts.of([5, 5, 5, 0, 5], 0.01, [100, NAN, 0, 100, 100], protected=[True, False, False, False, False])
    for policy in (Policy(), Policy(exact_parts=0)):
        found = advise(parts, policy)
        assert found.advised.tolist() == [False, False, False, False, True]
        assert found.keep.tolist()[:4] == [5, 5, 5, 0]
        assert (found.release + found.scrap)[:4].tolist() == [0, 0, 0, 0]
        assert found.release[4] == 5
        told = [found.sentence(part) for part in range(4)]
        for words, sentence in zip(("Protected", "No price", "No price", "No stock"), told, strict=True):
            assert sentence.startswith(words)
        assert np.isnan(found.price_needed[:4]).all()


def test_a_price_decides_and_the_advice_says_which() -> None:
    for terms, hazard in (("standard-buy-back", 1.5), ("revenue-now", 0.1)):
        policy = Policy(exact_parts=0, presets=(terms,))
        needed = float(advise(Parts.of(1, 0.5, 200, hazard=hazard), policy).price_needed[0])
        assert 0 < needed < np.inf
        for price, released in ((needed * 1.01, 1), (needed * 0.99, 0)):
            found = advise(Parts.of(1, 0.5, 200, price=price, hazard=hazard), policy)
            assert int(found.release[0]) == released
    # Under a minimum to keep a unit can be called back as surely as from the own shelf: any price will do.
    assert advise(Parts.of(1, 0.5, 200), Policy(renewed=True)).price_needed[0] == 0


def test_terms_are_read_as_they_are_posted() -> None:
    access = read("access-first")
    assert (access.reach, access.floor, access.window_years, access.buy_back_share) == (
        Reach.ALL,
        3,
        8.0,
        pytest.approx(0.85 * 1.06),
    )
    assert (read("revenue-now").reach, read("revenue-now").first_refusal) == (Reach.NONE, True)
    assert (read("standard-access").reach, read("standard-access").floor) == (Reach.FLOOR, 1)
    falls = read("declining-buy-back")
    assert falls.buy_back_share * np.exp(-falls.buy_back_falls * 5) == pytest.approx(0.4)
    for combination in COMBINATIONS.values():
        assert reading(combination).window_years > 0
    with pytest.raises(DomainError, match="Known are"):
        read("no such")


def test_what_cannot_be_is_refused_before_anything_is_computed() -> None:
    parts = Parts.of(1, 0.1, 100)
    for policy, code in (
        (Policy(horizon=101), "planning.number"), (Policy(hazard=12), "planning.hazard"), (Policy(presets=()), "planning.preset"),
        (Policy(interest=-0.1), "planning.number"), (Policy(presets=("x",)), "planning.preset"),
    ):  # fmt: skip
        with pytest.raises(DomainError) as refused:
            advise(parts, policy)
        assert refused.value.code == code
    for wrong in ({"hazard": 50}, {"stock": 1.5}, {"cost": -3}, {"rate": [1, 2, 3]}, {"colour": 1}):
        given_ = {"stock": [1, 2], "rate": 0.1, "cost": 100, **wrong}
        with pytest.raises(DomainError):
            Parts.of(given_.pop("stock"), given_.pop("rate"), given_.pop("cost"), **given_)
    nothing = advise(Parts.of(4, 0.0, 100), Policy(horizon=0))
    assert (nothing.before[0], nothing.after[0]) == (1, 1)
    century = advise(Parts.of(4, 0.5, 100), Policy(horizon=100))
    assert np.isfinite(century.worth[0])


@settings(max_examples=25, deadline=None)
@given(
    st.floats(0.01, 3), st.floats(0, 0.5), st.floats(0, 1), st.integers(0, 10), st.integers(0, 4), st.floats(0.1, 20)
)
def test_the_level_rate_is_a_lower_bound_for_falling_demand(
    lam: float, fall: float, mu: float, q: int, k: int, t: float
) -> None:
    level = float(even_rate(np.array([lam]), np.array([fall]), t)[0])
    assert pool_first(level, mu, q, k, t) <= falling(lam, fall, mu, q, k, t) + 1e-6


def many(size: int = 400, *, seed: int = 2) -> Parts:
    chance = np.random.default_rng(seed)
    rate = chance.gamma(0.6, 0.8, size)
    return Parts.of(
        chance.integers(0, 30, size), rate, chance.lognormal(4, 1, size), rate_high=rate * 1.6, decline=chance.uniform(0, 0.2, size),
        protected=chance.random(size) < 0.1, criticality=chance.integers(0, 3, size), space=chance.uniform(0, 2, size),
    )  # fmt: skip


def test_every_unit_is_somewhere_and_the_exact_parts_are_no_worse() -> None:
    parts = many()
    plain, exact = advise(parts, Policy(exact_parts=0)), advise(parts, Policy(exact_parts=20))
    for found in (plain, exact):
        assert (found.keep + found.release + found.scrap).tolist() == parts.stock.tolist()
        assert (found.cautious <= found.after + 1e-9).all()
        assert ((found.preset >= 0) == (found.release > 0)).all()
    assert exact.exact.sum() == 20
    assert not plain.exact.any()
    seen: list[tuple[str, int, int]] = []
    advise(parts, Policy(exact_parts=3), progress=lambda *step: seen.append(step))
    assert [s for s in seen if s[1] == s[2]] == [
        ("Deciding", 400, 400),
        ("Deciding the largest exactly", 3, 3),
        ("Coverage", 400, 400),
    ]


def test_limits_are_kept_or_said_to_be_out_of_reach() -> None:
    parts = many()
    all_ = options(advise(parts, Policy(exact_parts=0)))
    free = choose(all_)
    assert free.worth == pytest.approx(np.where(np.isfinite(all_.worth), all_.worth, -np.inf).max(axis=1).sum())
    most = all_.cash.max(axis=1)[~parts.protected].sum()
    pressed = choose(all_, cash_target=(free.cash + most) / 2)
    assert pressed.cash >= (free.cash + most) / 2
    assert pressed.worth <= free.worth
    beyond = choose(all_, cash_target=most * 2)
    assert "comes in at once" in beyond.short[0]
    room = choose(all_, most_space=free.space / 2) if free.space else free
    assert room.space <= free.space / 2 or room.short
    safe = choose(all_, least_coverage={2: 0.9}, criticality=parts.criticality)
    critical = (parts.criticality == 2) & (all_.coverage.max(axis=1) >= 0.9) & ~parts.protected
    assert (all_.of("coverage", safe.option)[critical] >= 0.9).all()
    assert safe.coverage > free.coverage
    assert (all_.of("keep", free.option)[parts.protected] == parts.stock[parts.protected]).all()


def test_the_frontier_exchanges_cash_for_coverage_and_nothing_lies_above_it() -> None:
    all_ = options(advise(many(), Policy(exact_parts=0)))
    line = frontier(all_)
    cash, sure = [p.cash for p in line], [p.coverage for p in line]
    assert len(line) > 5
    assert cash == sorted(cash)
    assert sure == sorted(sure, reverse=True)
    best = choose(all_)
    assert not any(p.cash < best.cash - 1e-6 and p.coverage < best.coverage - 1e-9 and p is line[-1] for p in line)
    chance = np.random.default_rng(0)
    for _ in range(200):
        pick = chance.integers(0, len(all_.names), all_.parts)
        pick = np.where(np.isfinite(all_.worth[np.arange(all_.parts), pick]), pick, 0)
        got, held = (
            all_.of("cash", pick).sum(),
            float((all_.weight * all_.of("coverage", pick)).sum() / all_.weight.sum()),
        )
        assert np.interp(got, cash, sure) >= held - 1e-9


def test_a_holder_that_drops_out() -> None:
    held = np.array([[3, 2, 0], [0, 0, 0], [1, 1, 1]])
    found = stress([0.2, 0.2, 0.1], 0.05, held, [0, 2, 0], 10, held_back=[False, True, False])
    assert found.all_there[0] == pytest.approx(float(coverage(0.2, 0.05, 5, 10)))
    assert (found.worst[0], found.holder[0]) == (pytest.approx(float(coverage(0.2, 0.05, 2, 10))), 0)
    assert found.firm[0] == pytest.approx(float(coverage(0.2, 0.05, 3, 10)))
    assert (found.worst[1], found.holder[1]) == (found.all_there[1], -1)
    assert found.worst[2] < found.all_there[2]
    with pytest.raises(DomainError, match="table"):
        stress(0.1, 0.1, [1, 2], 0, 10)


def test_scenarios_say_what_a_wrong_assumption_costs() -> None:
    found = {o.scenario.name: o for o in scenarios(many(), Policy())}
    plain = found["as assumed"]
    assert plain.coverage == pytest.approx(plain.coverage_as_advised)
    assert found["demand twice as high"].coverage_as_advised < plain.coverage
    assert found["partners use up twice as fast"].coverage_as_advised < plain.coverage
    assert found["partners pay a third less"].cash < plain.cash
    assert found["a missing unit costs twice as much"].keep > plain.keep
    one = scenarios(many(), Policy(), [Scenario("x"), Scenario("y", demand=2)])
    assert [o.scenario.name for o in one] == ["x", "y"]


@pytest.mark.parametrize("horizon", [0.0, 1e-6, 20.0, 100.0])
def test_no_input_however_odd_makes_a_silent_number(horizon: float) -> None:
    """Every warning of the arithmetic is an error here; every number that comes out is one."""
    chance = np.random.default_rng(int(horizon))

    def pick(*of: float) -> np.ndarray:
        return chance.choice(np.array(of), 80)

    rate = pick(0, 1e-300, 1e-9, 0.01, 0.3, 5, 400, 1e5)
    parts = Parts.of(
        pick(0, 1, 3, 60, 61, 250, 10_000, 1e6), rate, pick(NAN, 0, 1e-6, 10, 1e7), rate_low=rate / 2, rate_high=rate * 2,
        decline=pick(0, 1e-15, 0.1, 2, 10), hazard=pick(NAN, 0, 1e-13, 0.1, 10), value=pick(NAN, 0, 1e9), price=pick(NAN, 0, 100),
        scrap=pick(NAN, 0, 50), protected=chance.random(80) < 0.1, criticality=pick(0, 1, 2), space=pick(0, 1),
    )  # fmt: skip
    found = advise(
        parts, Policy(horizon=horizon, interest=0.0, obsolescence=0.0, exact_parts=2, scrap_at_end_share=0.05)
    )
    assert (found.keep + found.release + found.scrap).tolist() == parts.stock.tolist()
    for name in ("worth", "worth_kept", "worth_scrapped", "cash", "before", "after", "cautious"):
        assert np.isfinite(getattr(found, name)).all(), name
    assert ((found.after >= 0) & (found.after <= 1)).all()
    assert all(found.sentence(part) for part in range(80))
    all_ = options(found)
    assert len(frontier(all_)) >= 1
    assert np.isfinite(choose(all_, cash_target=1e5, most_space=10).worth)
