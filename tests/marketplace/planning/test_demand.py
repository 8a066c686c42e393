"""Histories made fit, classes, Croston's family, the Gamma-Poisson and the choice between them."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from marketplace.kit.errors import DomainError
from marketplace.planning.analyst import forecast
from marketplace.planning.choosing import MODELS, choose, pinball, predict
from marketplace.planning.classes import DemandClass, classify
from marketplace.planning.croston import crostons
from marketplace.planning.gamma_poisson import (
    NOTHING_KNOWN,
    Demand,
    Rates,
    believe,
    count,
    declines,
    falling_exposure,
    learn,
    learn_slope,
    use_hazard,
)
from marketplace.planning.histories import clean, from_records, heads, pool

NAN = np.nan
VECTORS = json.loads((Path(__file__).resolve().parents[2] / "vectors" / "croston.json").read_text())["series"]


# -- cleaning -----------------------------------------------------------------------------------------------------


def test_returns_gaps_outliers_and_packs_are_told_and_nothing_is_guessed() -> None:
    history, odd = clean(
        [
            [NAN, 5, 0, -2, 4, NAN, 1, -3, 0, 2, 0, 0, 0],
            [-4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1],
            [12, 0, 24, 0, 12, 0, 36, 0, 12, 0, 0, 600, 0],
            [0] * 13,
            [NAN] * 13,
            [NAN] * 12 + [3],
        ]
    )
    assert history.units[0].tolist() == [0, 3, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0], (
        "a return takes back what went before it"
    )
    assert history.observed[0].tolist() == [False, True, True, True, True, False, *[True] * 7]
    assert (odd.gaps[0], odd.returned[0], odd.unmatched[0]) == (1, 5, 0)
    assert (odd.returned[1], odd.unmatched[1], history.units[1].sum()) == (1, 4, 0)
    assert (odd.outliers[2], odd.pack[2], history.units[2, 11]) == (1, 12, 600)
    assert odd.silent.tolist() == [False, True, False, True, False, False]
    assert odd.unknown.tolist() == [False, False, False, False, True, False]
    assert odd.short.tolist() == [True, False, False, False, True, True]
    assert odd.stopped.tolist() == [0, 0, 0, 0, 13, 0]
    assert history.exposure == pytest.approx([11 / 12, 13 / 12, 13 / 12, 13 / 12, 0, 1 / 12])
    told = [" ".join(odd.sentences(part)) for part in range(6)]
    for part, words in enumerate(
        [
            "1 month without a record",
            "no earlier demand",
            "multiples of 12",
            "Never asked for",
            "No history",
            "Fewer than 12",
        ]
    ):
        assert words in told[part]


@given(arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 20)), elements=st.integers(-9, 9).map(float)))
def test_netting_keeps_every_unit(raw: np.ndarray) -> None:
    history, odd = clean(raw)
    assert (history.units >= 0).all()
    assert history.units.sum(axis=1) - odd.unmatched == pytest.approx(raw.sum(axis=1))


@pytest.mark.parametrize(
    ("raw", "words"),
    [([["a", 1]], "no number"), (np.zeros((2, 0)), "shape"), ([[np.inf, 1]], "infinite"), (np.zeros((1, 1_201)), "1,200"), (np.zeros((1, 2, 3)), "shape")],
)  # fmt: skip
def test_histories_that_cannot_be(raw: object, words: str) -> None:
    with pytest.raises(DomainError, match=words) as refused:
        clean(raw)  # type: ignore[arg-type]
    assert refused.value.code == "planning.history"


def test_chains_of_parts_are_pooled_under_their_last_one() -> None:
    head = heads(5, {0: 1, 1: 2, 3: 2})
    assert head.tolist() == [2, 2, 2, 2, 4]
    history, _ = clean([[1, 2, NAN], [NAN, 1, 0], [NAN, NAN, 3], [0, 0, 1], [5, 0, 0]])
    whole = pool(history, head)
    assert whole.units[2].tolist() == [1, 3, 4]
    assert whole.observed.tolist() == [[False] * 3, [False] * 3, [True] * 3, [False] * 3, [True] * 3]
    assert whole.units.sum() == history.units.sum()
    long = heads(3_000, {n: n + 1 for n in range(2_999)})
    assert (long == 2_999).all()
    for circle in ({0: 1, 1: 0}, {0: 1, 1: 2, 2: 3, 3: 1}, {0: 0, 1: 2, 2: 1}):
        with pytest.raises(DomainError, match="circle"):
            heads(5, circle)
    with pytest.raises(DomainError, match="only 2 parts"):
        heads(2, {0: 7})


def test_records_become_months() -> None:
    raw = from_records([(0, 2, 3.0), (0, 2, 1.0), (0, 4, -1.0), (2, 0, 1.0)], 3, 5)
    assert np.array_equal(raw, [[NAN, NAN, 4, 0, -1], [NAN] * 5, [1, 0, 0, 0, 0]], equal_nan=True)
    with pytest.raises(DomainError, match="not there"):
        from_records([(3, 0, 1.0)], 3, 5)


def test_classes() -> None:
    rows = [
        [NAN] * 12, [0] * 12, [0] * 10 + [1, 0], [4, 5, 4, 4, 5, 4, 5, 5, 4, 4, 5, 4], [0, 0, 2, 0, 0, 2, 0, 0, 3, 0, 0, 2],
        [1, 9, 1, 14, 1, 1, 8, 1, 12, 1, 1, 1], [0, 0, 1, 0, 0, 30, 0, 0, 1, 0, 0, 2],
    ]  # fmt: skip
    assert classify(clean(rows)[0]).tolist() == list(DemandClass)
    assert all(kind.words for kind in DemandClass)


# -- Croston's family -----------------------------------------------------------------------------------------------


def test_the_recursions() -> None:
    found = crostons(clean([[0, 0, 3, 0, 0, 0, 2, 0, 5, 0, 0, 1], [0] * 12])[0])
    assert found.croston == pytest.approx([0.969241, 0], abs=1e-6)
    assert found.sba == pytest.approx([0.920779, 0], abs=1e-6)
    assert found.sbj == pytest.approx([0.918228, 0], abs=1e-6)
    assert found.tsb == pytest.approx([1.046797, 0], abs=1e-6)


def test_croston_and_sba_are_those_of_statsforecast() -> None:
    assert len(VECTORS) >= 100
    for one in VECTORS:
        found = crostons(clean(one["units"])[0])
        assert (found.croston[0], found.sba[0]) == pytest.approx((one["croston"], one["sba"]), abs=5e-5)


@pytest.mark.skipif(
    "BACKSTOCK_CARPARTS" not in os.environ,
    reason="BACKSTOCK_CARPARTS names no CSV of carparts, whose licence keeps it out of here",
)
def test_carparts_as_published_figures_have_it() -> None:
    with Path(os.environ["BACKSTOCK_CARPARTS"]).open(newline="") as file:
        raw = np.array([[float(cell or 0) for cell in row[1:]] for row in list(csv.reader(file))[1:]])
    history = clean(raw)[0]
    before, after = history.until(-12), history.since(-12).units
    family = crostons(before)
    scale = np.abs(before.units[:, 12:] - before.units[:, :-12]).mean(axis=1)
    known = scale > 0
    expected = {"croston": (1.3951, 0.7057), "sba": (1.3611, 0.6876), "sbj": (1.3593, 0.6867), "zero": (0.7464, 0.3913)}
    for name, figures in expected.items():
        flow = np.zeros(history.parts) if name == "zero" else getattr(family, name)
        off = np.abs(after - flow[:, None]).mean(axis=1)
        assert ((off[known] / scale[known]).mean(), off.mean()) == pytest.approx(figures, abs=5e-5), name
    tsb = np.abs(after - family.tsb[:, None]).mean(axis=1)
    assert 1.055 <= (tsb[known] / scale[known]).mean() <= 1.075
    models = pytest.importorskip("statsforecast.models")
    for part in np.flatnonzero(before.units.any(axis=1))[::20]:
        series = before.units[part]
        for name, model in (("croston", models.CrostonClassic()), ("sba", models.CrostonSBA())):
            assert getattr(family, name)[part] == pytest.approx(float(model.forecast(series, 1)["mean"][0]), abs=5e-5)


def test_months_that_nobody_recorded_do_not_pass() -> None:
    with_gaps = crostons(clean([[NAN, 0, 2, NAN, NAN, 0, 1, NAN, 3]])[0])
    without = crostons(clean([[0, 2, 0, 1, 3]])[0])
    assert with_gaps.croston == pytest.approx(without.croston)
    assert with_gaps.tsb == pytest.approx(without.tsb)


# -- Gamma-Poisson ------------------------------------------------------------------------------------------------


def world(parts: int, periods: int, *, seed: int, decline: float = 0.0, alpha: float = 1.5, beta: float = 3.0) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Rates drawn from a gamma, demand drawn from the rates: events a month are rare, sizes are one to three."""
    chance = np.random.default_rng(seed)
    rate = chance.gamma(alpha, 1 / beta, parts)
    ago = (periods - np.arange(periods) - 0.5) / 12
    events = chance.random((parts, periods)) < -np.expm1(-rate[:, None] / 12 * np.exp(decline * ago))
    return rate, events * chance.integers(1, 4, (parts, periods))


def test_the_catalogue_is_found_again_and_intervals_hold_what_they_say() -> None:
    rate, raw = world(4_000, 60, seed=1)
    history = clean(raw)[0]
    catalogue = learn(count(history))
    assert catalogue.alpha == pytest.approx(1.5, rel=0.15)
    assert catalogue.alpha / catalogue.beta == pytest.approx(0.5, rel=0.06)
    assert (catalogue.size, catalogue.parts) == (pytest.approx(2.0, rel=0.03), 4_000)
    rates = believe(count(history), catalogue)
    low, high = (edge / rates.size for edge in rates.interval(0.8))
    assert ((low <= rate) & (rate <= high)).mean() == pytest.approx(0.8, abs=0.025)
    ahead = np.random.default_rng(9)
    drawn = np.array([ahead.integers(1, 4, n).sum() for n in ahead.poisson(rate * 10)])
    for share in (0.5, 0.8, 0.95):
        assert (drawn <= rates.demand(10).quantile(share)).mean() == pytest.approx(share, abs=0.03)


def test_parts_without_history_and_catalogues_without_demand() -> None:
    history, odd = clean([[NAN] * 24, [0] * 24, [1, 0] * 12, *([[0, 1, 0, 0, 0, 0] * 4] * 5)])
    rates = believe(count(history), catalogue := learn(count(history)))
    assert odd.unknown[0]
    assert rates.rate[0] == pytest.approx(catalogue.alpha / catalogue.beta * catalogue.size), "the catalogue's"
    assert 0 < rates.rate[1] < rates.rate[0] < rates.rate[2]
    assert learn(count(clean([[NAN] * 3])[0])) == NOTHING_KNOWN
    zeros = learn(count(clean(np.zeros((50, 120)))[0]))
    assert 0 < zeros.alpha / zeros.beta < 0.5 / 500 * 1.01, (
        "ten years of zeros of fifty parts: next to nothing, but not zero"
    )
    month = believe(count(clean([[4]])[0]), learn(count(clean([[4]])[0])))
    assert np.isfinite(month.rate).all()
    assert month.interval()[0][0] < month.rate[0] < month.interval()[1][0]


def test_decline_is_found_and_shrunk_and_what_is_left_of_demand_falls() -> None:
    rate, raw = world(3_000, 72, seed=3, decline=0.25)
    history = clean(raw)[0]
    catalogue = learn_slope(history, learn(count(history)))
    assert catalogue.slope == pytest.approx(-0.25, abs=0.05)
    fall = declines(history, catalogue)
    assert float(np.median(fall)) == pytest.approx(0.25, abs=0.06)
    now = believe(count(history), catalogue, decline=fall, weighted=falling_exposure(history, fall))
    assert now.rate.sum() / now.size.mean() == pytest.approx(rate.sum(), rel=0.12)
    level = believe(count(history), learn(count(history)))
    assert level.rate.sum() > 1.5 * now.rate.sum(), "the mean of the past is no rate of today"
    assert now.demand(100).mean.sum() == pytest.approx((now.rate / fall).sum(), rel=0.01)
    flat = world(3_000, 72, seed=4)[1]
    history = clean(flat)[0]
    assert float(np.median(declines(history, learn_slope(history, learn(count(history)))))) < 0.03


@settings(max_examples=60, deadline=None)
@given(st.floats(0.05, 20), st.floats(0.1, 50), st.floats(1, 8), st.floats(1, 5), st.floats(0, 30), st.floats(0, 1))
def test_demand_over_a_horizon(
    shape: float, span: float, size: float, square: float, horizon: float, fall: float
) -> None:
    one = Rates(*(np.array([x]) for x in (shape, span, size, square, fall)))
    ahead = one.demand(horizon)
    assert ahead.mean[0] <= one.rate[0] * horizon + 1e-9
    assert ahead.variance[0] >= ahead.mean[0] - 1e-9
    for share in (0.1, 0.5, 0.9, 0.99):
        least = ahead.quantile(share)
        assert ahead.at_most(least) >= share
        assert (ahead.at_most(least - 1) < share).all()
    assert Demand(np.zeros(1), np.zeros(1)).quantile(0.9)[0] == 0


def test_use_by_partners_leans_on_what_the_clause_allows() -> None:
    mean, low, high = use_hazard([0, 6, 6], [0, 10, 1_000], expected=0.2)
    assert mean == pytest.approx([0.2, 8 / 20, 8 / 1_010])
    assert (low < mean).all()
    assert (mean < high).all()
    assert use_hazard(0, 5, expected=0)[0] == 0
    with pytest.raises(DomainError, match="12 %"):
        use_hazard(1, 1, expected=20)


# -- choosing -------------------------------------------------------------------------------------------------------


def test_the_choice_is_by_pinball_and_never_always_zero() -> None:
    _, raw = world(2_000, 72, seed=5, decline=0.25)
    history = clean(raw)[0]
    choice = choose(history)
    whole = {s.model: s for s in choice.scores if s.demand_class is None}
    assert set(whole) == set(MODELS)
    assert whole["zero"].absolute == min(s.absolute for s in whole.values()), "by absolute errors nothing beats zero"
    assert whole["falling"].bias == pytest.approx(1.0, abs=0.15)
    assert whole["gamma_poisson"].bias > 1.3
    assert whole["falling"].chosen
    assert not any(s.chosen for s in choice.scores if s.model == "zero")
    for kind in {s.demand_class for s in choice.scores}:
        assert sum(s.chosen for s in choice.scores if s.demand_class is kind) == 1
    catalogue = learn_slope(history, learn(count(history)))
    rates, kinds, models = predict(history, catalogue, choice)
    assert {MODELS[m] for m in np.unique(models)} == {choice.model[DemandClass(k)] for k in np.unique(kinds)}
    assert (rates.rate > 0).all()


def test_where_rates_wander_the_doubt_is_widened_until_quantiles_hold_what_they_say() -> None:
    _, steady = world(2_000, 60, seed=6)
    assert choose(clean(steady)[0]).widened == pytest.approx(1.0, abs=0.4)
    chance = np.random.default_rng(7)
    rate = chance.gamma(3, 1, 2_000)
    later = rate * chance.lognormal(-0.3, 0.8, 2_000)
    flow = np.where(np.arange(60) < 48, rate[:, None], later[:, None]) / 12
    history = clean(chance.poisson(flow))[0]
    choice = choose(history)
    own = next(s for s in choice.scores if s.demand_class is None and s.chosen)
    assert own.held[-1] < 0.93
    assert choice.widened < 0.7
    assert choice.held >= 0.95
    wide = predict(history, learn(count(history)), choice)[0]
    narrow = predict(history, learn(count(history)), replace(choice, widened=1.0))[0]
    assert wide.rate == pytest.approx(narrow.rate)
    assert (wide.interval()[1] > narrow.interval()[1]).mean() > 0.99


def test_too_short_a_history_chooses_nothing_and_says_so() -> None:
    choice = choose(clean([[1]])[0])
    assert "too short" in choice.note
    assert set(choice.model.values()) == {"gamma_poisson"}
    old = choose(clean([[1] * 24 + [NAN] * 12])[0])
    assert "No part" in old.note


@pytest.mark.parametrize(("parts", "months"), [(1, 1), (3, 24), (2, 1_200)])
def test_histories_of_nothing_have_rates_all_the_same(parts: int, months: int) -> None:
    never = forecast(np.zeros((parts, months)))
    assert (never.rates.rate > 0).all()
    unknown = forecast(np.full((parts, months), NAN))
    assert unknown.unknown.all()
    assert np.isfinite(unknown.rates.rate).all()
    assert len(unknown.columns()["class"]) == parts


def test_pinball() -> None:
    assert pinball(np.array([5.0, 1.0]), np.array([3.0, 3.0]), 0.9) == pytest.approx([1.8, 0.2])
