"""Coverage, marginal values and the exact programme: the golden numbers of the design, independent recomputation, simulation,
and what has to hold for every input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm
from scipy.special import betainc, gammainc

from marketplace.kit.errors import DomainError
from marketplace.planning.coverage import coverage, falling, own_first, poisson_cdf, pool_first
from marketplace.planning.marginals import Money, discounted_use, last_time_buy, rosenfield, split, values
from marketplace.planning.programme import Plan, best_plan, best_plans

POOLS = [0, 1, 2, 3, 5, 8, 12, 20]
CASE = Money(
    value=1_000, price=180, buy_back=180, buy_back_falls=0.03, call_cost=40, scrap=60, holding=25, interest=0.08, obsolescence=0.02
)  # fmt: skip
FLAT = {"value": 1_000, "price": 180, "buy_back": 180, "call_cost": 40, "scrap": 60, "holding": 25, "interest": 0.08}

rates = st.floats(0.0, 3.0)
hazards = st.floats(0.0, 2.0)
spans = st.floats(0.0, 30.0)
few = st.integers(0, 12)


# -- coverage ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hazard", "expected"),
    [
        (0.0, [0.135335, 0.406006, 0.676676, 0.857123, 0.983436, 0.999763, 1, 1]),
        (1e-11, [0.135335, 0.406006, 0.676676, 0.857123, 0.983436, 0.999763, 1, 1]),
        (0.05, [0.135335, 0.306432, 0.468662, 0.605394, 0.795386, 0.930535, 0.985123, 0.999428]),
        (0.1, [0.135335, 0.252355, 0.353538, 0.441027, 0.582086, 0.729835, 0.848985, 0.952815]),
    ],
)
def test_coverage_of_a_pool(hazard: float, expected: list[float]) -> None:
    assert coverage(0.1, hazard, POOLS, 20) == pytest.approx(expected, abs=1e-6)


def test_coverage_with_own_units_and_with_falling_demand() -> None:
    q, k = [5, 5, 8], [1, 2, 2]
    assert pool_first(0.1, 0.05, q, k, 20) == pytest.approx([0.930652, 0.980148, 0.995908], abs=1e-6)
    assert own_first(0.1, 0.05, q, k, 20) == pytest.approx([0.879800, 0.941820, 0.981433], abs=1e-6)
    assert falling(0.3, 0.1, 0.08, 6, 1, 20) == pytest.approx(0.905867, abs=1e-6)
    assert falling(0.3, 0.1, 0.08, 6, 1, 20, draw_pool_first=False) == pytest.approx(0.810303, abs=1e-6)


def by_matrix(lam: float, mu: float, q: int, k: int, horizon: float, floor: int, *, pool_goes_first: bool) -> float:
    """The same probability from the generator of the two-line chain."""
    places = {(own, pool): i for i, (own, pool) in enumerate((a, b) for a in range(k + 1) for b in range(q + 1))}
    generator = np.zeros((len(places) + 1,) * 2)
    for (own, pool), i in places.items():
        pool_now = pool > 0 if pool_goes_first else own == 0 and pool > 0
        met = (own, pool - 1) if pool_now else (own - 1, pool) if own else None
        generator[i, places[met] if met else -1] += lam
        use = mu * max(pool - floor, 0)
        if use:
            generator[i, places[own, pool - 1]] += use
        generator[i, i] -= lam + use
    return float(1 - expm(generator * horizon)[places[k, q], -1])


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 3), st.floats(0.001, 3), few, st.integers(0, 4), st.floats(0, 15), st.integers(0, 4))
def test_every_closed_form_is_the_chain(lam: float, mu: float, q: int, k: int, t: float, f: int) -> None:
    assert coverage(lam, mu, q, t) == pytest.approx(by_matrix(lam, mu, q, 0, t, 0, pool_goes_first=True), abs=1e-9)
    first, last = (by_matrix(lam, mu, q, k, t, f, pool_goes_first=side) for side in (True, False))
    assert pool_first(lam, mu, q, k, t, floor=f) == pytest.approx(first, abs=1e-8)
    assert own_first(lam, mu, q, k, t, floor=f) == pytest.approx(last, abs=1e-7)
    assert pool_first(lam, mu, q, k, t, floor=q) == pytest.approx(poisson_cdf(q + k, lam * t), abs=1e-9)


def simulate(lam: float, mu: float, q: int, k: int, t: float, *, own_goes_first: bool, runs: int, seed: int) -> float:
    """Share of worlds in which nobody asked in vain: lives and demands drawn, no rate in sight. Which unit a partner gives up says
    nothing of how long it would have lasted."""
    chance = np.random.default_rng(seed)
    good = 0
    for _ in range(runs):
        lives = chance.exponential(1 / mu, q).tolist()
        own, now, met = k, 0.0, True
        while (now := now + chance.exponential(1 / lam)) <= t:
            lives = [end for end in lives if end > now]
            if own and (own_goes_first or not lives):
                own -= 1
            elif lives:
                lives.pop(int(chance.integers(len(lives))))
            else:
                met = False
                break
        good += met
    return good / runs


@pytest.mark.parametrize("seed", range(6))
def test_simulation_agrees_within_three_standard_errors(seed: int) -> None:
    chance = np.random.default_rng(seed)
    lam, mu, t = chance.uniform(0.05, 1), chance.uniform(0.02, 1), chance.uniform(2, 12)
    q, k = int(chance.integers(0, 8)), int(chance.integers(0, 3))
    for own_goes_first, form in ((False, pool_first), (True, own_first)):
        found = float(form(lam, mu, q, k, t))
        seen = simulate(lam, mu, q, k, t, own_goes_first=own_goes_first, runs=4_000, seed=seed + 100)
        assert abs(seen - found) <= 3 * max(np.sqrt(found * (1 - found) / 4_000), 1e-3)
    # The worth of the n-th unit, from drawn worlds: when the n-th demand comes, and whether the unit is still there.
    n, runs = int(chance.integers(1, 5)), 20_000
    comes = chance.gamma(n, 1 / lam, runs)
    used, gone = chance.exponential(1 / mu, runs), chance.exponential(1 / 0.02, runs)
    waits = np.minimum(np.minimum(comes, gone), t)
    met = (comes <= t) & (comes <= gone)
    kept = 1_000 * np.exp(-0.08 * comes) * met - 25 * (1 - np.exp(-0.08 * waits)) / 0.08
    shared = 180 + (960 - 180 * np.exp(-0.03 * comes)) * np.exp(-0.08 * comes) * (met & (comes <= used))
    held, released = values(lam, mu, t, CASE, n)
    for drawn, value in ((kept, held[0, -1]), (shared, released[0, -1])):
        assert abs(drawn.mean() - value) <= 3 * drawn.std() / np.sqrt(runs) + 1e-9


@settings(max_examples=80, deadline=None)
@given(rates, hazards, few, few, spans, st.integers(0, 5), st.floats(1.01, 3))
def test_coverage_rises_with_units_and_falls_with_demand_use_and_time(
    lam: float, mu: float, q: int, k: int, t: float, f: int, more: float
) -> None:
    base = float(pool_first(lam, mu, q, k, t, floor=f))
    slack = 1e-9
    assert 0 <= base <= 1
    assert pool_first(lam, mu, q + 1, k, t, floor=f) >= base - slack
    assert pool_first(lam, mu, q, k + 1, t, floor=f) >= base - slack
    assert pool_first(lam, mu, q, k, t, floor=f + 1) >= base - slack
    assert pool_first(lam * more, mu, q, k, t, floor=f) <= base + slack
    assert pool_first(lam, mu * more, q, k, t, floor=f) <= base + slack
    assert pool_first(lam, mu, q, k, t * more, floor=f) <= base + slack
    assert own_first(lam, mu, q, k, t, floor=f) <= base + 1e-7, "drawing the pool first is the best for coverage"
    shorter = pool_first(lam, mu, q, k, t, floor=f, window=t / 2)
    assert shorter <= base + slack
    assert pool_first(lam, mu, q, k, t, floor=f, window=t) == pytest.approx(base, abs=1e-9)


def test_coverage_at_the_edges() -> None:
    assert coverage([0, 0, 2, 0.5], [0, 10, 10, 0], [0, 0, 0, 5], [100, 100, 0, 0]).tolist() == [1, 1, 1, 1]
    assert coverage(0.1, 0.05, 1_000_000_000, 20) == 1
    assert coverage(1e-300, 1e-300, 0, 100) == pytest.approx(1)
    # Pools around the number of terms from which the incomplete beta takes over; means whose exponential is no number.
    for q in (99, 100, 101, 150, 900):
        assert coverage(60, 0.3, q, 5) == pytest.approx(betainc(200, q + 1, np.exp(-1.5)), abs=1e-12)
    assert coverage(90, 0.001, 950, 10) == pytest.approx(betainc(90_000, 951, np.exp(-0.01)), abs=1e-9)
    assert pool_first(0.2, 0.1, 4, 2, 10, window=0) == pytest.approx(poisson_cdf(2, 2.0), abs=1e-12)
    mixed = coverage(np.full(70_000, 0.1), 0.05, np.tile(POOLS, 8_750), 20)
    assert np.array_equal(mixed[:8], mixed[-8:]), "one number whatever the chunk"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((-0.1, 0.05, 1, 20), "planning.number", "Rate is -0.1"),
        ((np.nan, 0.05, 1, 20), "planning.number", "Rate is nan"),
        (([0.1, np.inf], 0.05, 1, 20), "planning.number", "number 1 counted from 0"),
        ((0.1, 12, 1, 20), "planning.hazard", "12 % a year as 0.12"),
        ((0.1, 0.05, 1.5, 20), "planning.whole", "Pool"),
        ((0.1, 0.05, 1, 101), "planning.number", "at most 100"),
        (("many", 0.05, 1, 20), "planning.number", "no number"),
    ],
)
def test_numbers_that_cannot_be_are_refused(arguments: tuple[object, ...], code: str, words: str) -> None:
    with pytest.raises(DomainError, match=words) as refused:
        coverage(*arguments)  # type: ignore[arg-type]
    assert refused.value.code == code


# -- marginal values ----------------------------------------------------------------------------------------------


def test_values_of_the_nth_unit() -> None:
    held, released = values(0.1, 0.05, 20, CASE, 5)
    assert held[0] == pytest.approx([368.13, 47.62, -108.06, -176.74, -203.45], abs=0.005)
    assert released[0] == pytest.approx([497.36, 304.99, 226.26, 195.69, 184.81], abs=0.005)
    found = split([0.1, 0.1, 0.0], 0.05, 20, CASE, [10, 4, 3], may_release=[True, False, False])
    assert (found.keep.tolist(), found.release.tolist(), found.scrap.tolist()) == ([0, 1, 0], [10, 0, 0], [0, 3, 3])
    assert found.worth[1] == pytest.approx(368.13 + 3 * 60, abs=0.01)
    assert found.worth_kept[1] == pytest.approx(368.13 + 47.62 - 108.06 - 176.74, abs=0.02)
    assert found.worth_scrapped.tolist() == [600, 240, 180]


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 50), st.floats(0, 3), st.floats(0, 30), st.floats(0, 30))
def test_values_are_their_formulas_without_cancellation(lam: float, mu: float, t: float, end: float) -> None:
    i, theta, g, h, v, c, b, p, s = 0.08, 0.02, 0.03, 25, 1_000, 40, 180, 180, 17
    money = Money(
        value=v,
        price=p,
        buy_back=b,
        buy_back_falls=g,
        call_cost=c,
        holding=h,
        interest=i,
        obsolescence=theta,
        scrap_at_end=s,
    )
    held, released = values(lam, mu, t, money, 30, window=end)
    n = np.arange(1, 31)
    used = discounted_use(lam, i + theta, n, t)
    beyond = np.exp(-(i + theta) * t) * (1 - gammainc(n, lam * t))
    expected = v * used - h / (i + theta) * (1 - used - beyond) + s * beyond
    assert held[0] == pytest.approx(expected, abs=1e-8)
    end = min(end, t)
    pim = (
        p + (v - c) * discounted_use(lam, i + theta + mu, n, end) - b * discounted_use(lam, i + theta + mu + g, n, end)
    )
    assert released[0] == pytest.approx(pim, abs=1e-8)


def test_no_interest_no_demand_and_no_time_have_values() -> None:
    free = Money(value=100, holding=5, interest=0)
    held, released = values([0, 0.5, 400], 0, [20, 0, 10], free, 3)
    assert held[0] == pytest.approx([-100] * 3), "twenty years on the shelf for nothing"
    assert held[1].tolist() == [0, 0, 0]
    assert held[2] == pytest.approx(100 - 5 * np.arange(1, 4) / 400)
    assert released[2] == pytest.approx([100] * 3)
    # Beyond 200 units the last one looked at stands for the rest; nothing is lost from the count.
    big = split([0.1, 300], 0.05, 20, CASE, [100_000, 5_000])
    assert (big.keep + big.release + big.scrap).tolist() == [100_000, 5_000]


def test_cross_checks_of_others() -> None:
    assert rosenfield([1, 0.25, 0], [0.15, 0.1, 0.1], [0.05, 0.02, 0], 0.2).tolist() == [6, 3, 0]
    # Before it is rounded down: 6.5561.
    a, i, scrap = 0.05, 0.15, 0.2
    assert np.log((scrap + a / i) / (1 + a / i)) / np.log(1 / (1 + i)) == pytest.approx(6.5561, abs=5e-5)
    assert last_time_buy(0.5, 20, cost=100, penalty=1_500, holding=5, interest=0.08, scrap_at_end=10) == 11
    assert last_time_buy(0.0, 20, cost=100, penalty=1_500) == 0
    with pytest.raises(DomainError, match="every unit is kept"):
        rosenfield(1, 0.1, 0, 0)


@settings(max_examples=60, deadline=None)
@given(rates, hazards, spans, st.floats(0, 500), st.floats(0, 500), st.integers(0, 40))
def test_a_split_takes_the_best_of_each_unit(
    lam: float, mu: float, t: float, price: float, scrap: float, stock: int
) -> None:
    money = Money(value=900, price=price, buy_back=200, scrap=scrap, holding=20)
    found = split(lam, mu, t, money, stock)
    held, released = values(lam, mu, t, money, max(stock, 1))
    best = np.maximum(np.maximum(held[0], released[0]), scrap)[:stock].sum()
    assert found.worth[0] == pytest.approx(best, abs=1e-6)
    assert found.worth[0] >= max(found.worth_kept[0], found.worth_scrapped[0]) - 1e-6
    assert int(found.keep[0] + found.release[0] + found.scrap[0]) == stock
    assert np.all(np.diff(held[0]) <= 1e-9), "each further unit held is worth less"
    idle = split(0.0, mu, t, Money(value=900, price=price, scrap=scrap, holding=20), stock)
    assert int(idle.keep[0]) == 0 or t == 0 or scrap == 0, "nothing is kept for nobody"
    now = split(lam, mu, 0.0, money, stock)
    assert now.worth[0] == pytest.approx(max(price, scrap, 0) * stock)


# -- the exact programme --------------------------------------------------------------------------------------------


def plan(hazard: float, *, floor: int = 0, first_refusal: bool = False, **changed: float) -> Plan:
    return best_plan(
        0.3, hazard, 20, Money(**{**FLAT, **changed}), 10, decline=0.1, floor=floor, first_refusal=first_refusal
    )


def test_the_exact_optimum() -> None:
    found = plan(0.08)
    assert (found.keep, found.release, found.scrap) == (0, 10, 0)
    assert found.worth == pytest.approx(3_033.25, abs=0.005)
    assert (found.scrap_all, found.keep_all) == pytest.approx((600, -530.04), abs=0.005)
    assert found.without_release == (2, pytest.approx(1_417.54, abs=0.005))
    fast = plan(0.5)
    assert (fast.keep, fast.release, fast.worth) == (1, 9, pytest.approx(2_562.55, abs=0.005))
    assert plan(0.5, floor=3).release_all == pytest.approx(3_029.43, abs=0.005)
    assert plan(0.5, first_refusal=True).release_all == pytest.approx(2_662.45, abs=0.005)
    assert plan(0.0).worth == pytest.approx(3_064.45, abs=0.005)
    dear = plan(0.08, buy_back=1e9)
    assert (dear.keep, dear.release, dear.worth) == (2, 8, pytest.approx(2_377.54, abs=0.005))
    assert dear.release_all == 1_800


def by_hand(
    lam: float,
    delta: float,
    mu: float,
    t: float,
    m: dict[str, float],
    stock: int,
    floor: int,
    refusal: bool,
    steps: int,
) -> dict[tuple[int, int], float]:
    """The same recursion as a plain walk in small steps of time, every choice tried by name: no arrays, no shared code."""  # fmt: skip
    h = t / steps

    worth = {(k, n): 0.0 for k in range(stock + 1) for n in range(stock + 1 - k)}
    for step in range(steps):
        demand = lam * np.exp(-delta * (t - (step + 0.5) * h))
        new = {}
        for (k, n), now in worth.items():
            met = [now]
            if k:
                met.append(m["value"] + worth[k - 1, n])
            if n:
                met.append(m["value"] - m["buy_back"] - m["call_cost"] + worth[k, n - 1])
            use = mu * max(n - floor, 0)
            lost = [now]
            if n:
                lost = [worth[k, n - 1]]
                if refusal:
                    lost.append(worth[k + 1, n - 1] - m["buy_back"] - m["call_cost"])
            chance = h * (demand + use)
            assert chance < 1
            new[k, n] = (1 - h * m["interest"]) * (
                h * demand * max(met) + h * use * max(lost) + (1 - chance) * now
            ) - h * m["holding"] * k
        worth = new
    return worth


@pytest.mark.parametrize("seed", range(4))
def test_the_programme_is_the_brute_force_one(seed: int) -> None:
    chance = np.random.default_rng(seed)
    lam, mu, t, delta = chance.uniform(0.1, 1), chance.uniform(0, 0.8), chance.uniform(1, 8), chance.uniform(0, 0.3)
    m = {
        **FLAT,
        "value": chance.uniform(100, 2_000),
        "buy_back": chance.uniform(0, 900),
        "holding": chance.uniform(0, 80),
    }
    stock, floor, refusal = 4, int(chance.integers(0, 3)), bool(seed % 2)
    coarse, fine = (by_hand(lam, delta, mu, t, m, stock, floor, refusal, steps) for steps in (1_500, 3_000))
    found = best_plan(lam, mu, t, Money(**m), stock, decline=delta, floor=floor, first_refusal=refusal)
    for (k, n), value in fine.items():
        sold = m["price"] * n + m["scrap"] * (stock - k - n)
        # Twice the finer less the coarser one: what is left of the error of small steps is of their square.
        assert found.table[k, n] - sold == pytest.approx(2 * value - coarse[k, n], abs=0.02)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.01, 2), st.floats(0, 1), st.floats(0.1, 15), st.integers(0, 6), st.floats(0, 800))
def test_the_programme_beats_the_marginals_floors_beat_none_and_value_is_concave(
    lam: float, mu: float, t: float, stock: int, back: float
) -> None:
    money = Money(**{**FLAT, "buy_back": back})
    exact = best_plan(lam, mu, t, money, stock)
    kept = exact.table[:, 0] - 60 * (stock - np.arange(stock + 1))
    assert np.all(np.diff(kept, 2) <= 1e-6)
    floored = best_plan(lam, mu, t, money, stock, floor=2)
    refused = best_plan(lam, mu, t, money, stock, first_refusal=True)
    assert floored.worth >= exact.worth - 1e-6
    assert refused.worth >= exact.worth - 1e-6
    assert best_plan(lam, mu, t, money, stock, window=0).worth <= exact.worth + 1e-6
    still = best_plan(lam, mu, 0.0, money, stock)
    assert still.worth == pytest.approx(180 * stock)
    assert best_plan(0.0, mu, t, money, stock).keep == 0


def test_after_the_window_nothing_is_called_and_no_step_reaches_over_its_end() -> None:
    money = Money(**{**FLAT, "price": 0, "scrap": 0, "holding": 0})
    # A unit with a partner that never uses it serves the first demand within the window, and nothing after it.
    for window in (0.0, 3.3, 7.77, 20.0):
        found = best_plan(0.4, 0.0, 20, money, 1, window=window)
        expected = (1_000 - 180 - 40) * float(discounted_use(0.4, 0.08, 1, window))
        assert found.release_all == pytest.approx(expected, abs=0.001)
    both = best_plans([0.4, 0.4], 0.0, 20, money, 1, window=[3.3, 20.0])
    assert both.worth == pytest.approx(
        [best_plan(0.4, 0.0, 20, money, 1, window=w).worth for w in (3.3, 20.0)], abs=0.001
    )


def test_many_programmes_are_the_single_ones_and_protected_parts_are_not_released() -> None:
    lam, stock = np.array([0.3, 0.05, 0.3, 1.2, 0.3]), np.array([10, 3, 10, 0, 10])
    found = best_plans(
        lam, [0.5, 0.1, 0.5, 0.2, 0.5], 20, Money(**FLAT), stock, decline=0.1, floor=[0, 0, 3, 0, 0],
        may_release=[True, True, True, True, False],
    )  # fmt: skip
    one = best_plan(0.05, 0.1, 20, Money(**FLAT), 3, decline=0.1)
    assert (found.keep[0], found.release[0], found.worth[0]) == (1, 9, pytest.approx(2_562.55, abs=0.01))
    assert (found.keep[1], found.release[1], found.worth[1]) == (
        one.keep,
        one.release,
        pytest.approx(one.worth, abs=1e-4),
    )
    assert found.worth[2] == pytest.approx(3_029.43, abs=0.01)
    assert (found.keep[3], found.release[3], found.worth[3]) == (0, 0, 0)
    assert (found.keep[4], found.release[4], found.worth[4]) == (2, 0, pytest.approx(1_417.54, abs=0.01))
    with pytest.raises(DomainError, match="up to 60 units"):
        best_plan(0.3, 0.1, 20, Money(**FLAT), 61)
    with pytest.raises(DomainError, match="steps"):
        best_plan(100_000, 0.1, 20, Money(**FLAT), 2)
