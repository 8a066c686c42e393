"""planning.*: the kernels of the advisor over a million parts, the whole advice without a database, and how calibrated it is.

The calibration is a report and no speed: ``planning.calibration`` holds out the last twelve months of carparts (2,674 monthly
series of car part sales, Hyndman; GPL-3, so that the file is not part of this repository) where BACKSTOCK_CARPARTS names its CSV,
and of a generated catalogue elsewhere; the note says which.
"""

from __future__ import annotations

import csv
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np

from marketplace.planning import analyst
from marketplace.planning.advice import Parts, Policy, advise
from marketplace.planning.choosing import choose
from marketplace.planning.coverage import coverage
from marketplace.planning.histories import History, clean
from marketplace.planning.marginals import Money, split
from tests.benchmarks.bench import Credentials, Figure, size

HORIZON = 20.0


def run(_: Credentials) -> list[Figure]:
    """planning.coverage, planning.marginals, planning.advice, planning.demand, planning.memory, planning.calibration (one year and two)."""
    count = size(1_000_000, 5_000)
    chance = np.random.default_rng(7)
    lam, mu = chance.gamma(0.5, 1.0, count), chance.uniform(0, 0.5, count)
    pool = chance.integers(0, 31, count).astype(np.float64)
    cost = chance.lognormal(4, 1, count)
    money = Money(value=3 * cost, price=0.5 * cost, buy_back=0.45 * cost, buy_back_falls=0.03, call_cost=0.05 * cost, scrap=0.05 * cost, holding=0.12 * cost, obsolescence=0.02)  # fmt: skip
    figures = []
    for name, work, note in (
        ("planning.coverage", lambda: coverage(lam, mu, pool, HORIZON), "closed form, pools of up to 30"),
        (
            "planning.marginals",
            lambda: split(lam, mu, HORIZON, money, pool),
            "hold, release and scrap of up to 30 units of each part",
        ),
    ):
        began = time.perf_counter()
        work()
        taken = time.perf_counter() - began
        figures.append(Figure(name, taken * 1_000, "ms", None, None, 1, f"{count:,} parts: {note}; one core"))
    # Both kernels and no more: what is measured is the most memory that the process ever took.
    figures.append(
        Figure(
            "planning.memory",
            _memory(),
            "MB",
            None,
            None,
            1,
            "highest of the process with its million parts, after both kernels",
        )
    )
    parts = Parts.of(pool, lam, cost, rate_high=lam * 1.5, decline=chance.uniform(0, 0.1, count))
    began = time.perf_counter()
    advise(parts, Policy())
    figures.append(
        Figure(
            "planning.advice",
            time.perf_counter() - began,
            "s",
            None,
            None,
            1,
            f"{count:,} parts, three sets of terms, both hazards, coverage, 50 parts exactly",
        )
    )
    some = size(200_000, 1_000)
    demand = (chance.random((some, 60)) < chance.gamma(0.6, 0.1, some)[:, None]) * chance.integers(1, 4, (some, 60))
    began = time.perf_counter()
    analyst.forecast(demand)
    figures.append(
        Figure(
            "planning.demand",
            time.perf_counter() - began,
            "s",
            None,
            None,
            1,
            f"{some:,} parts with 60 months each: cleaned, classified, a model chosen, rates",
        )
    )
    history, source = _calibrated()
    for name, months in (("planning.calibration", 12), ("planning.calibration.years", 24)):
        began = time.perf_counter()
        choice = choose(history, held_out=months)
        taken = time.perf_counter() - began
        overall = {s.model: s for s in choice.scores if s.demand_class is None}
        best = next(s for s in overall.values() if s.chosen)
        told = "; ".join(
            f"{m} bias {s.bias:.2f} pinball {s.pinball:.2f} held {' '.join(f'{h:.2f}' for h in s.held)}"
            for m, s in overall.items()
        )
        figures.append(
            Figure(
                name, best.held[2] * 100, "%", 95.0, best.held[2] / 0.95, 1,
                f"of {best.parts:,} parts of {source} within the 95 % quantile of {months} held-out months by {best.model}, in {taken:.1f} s; with shapes times {choice.widened:.2f} {choice.held:.3f}. {told}",
            )
        )  # fmt: skip
    return figures


def _memory() -> float:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _calibrated() -> tuple[History, str]:
    named = os.environ.get("BACKSTOCK_CARPARTS")
    if named:
        with Path(named).open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
        return clean([[float(cell) if cell else np.nan for cell in row[1:]] for row in rows])[0], "carparts"
    chance = np.random.default_rng(5)
    rate = chance.gamma(0.8, 0.15, 2_000)
    ago = (60 - np.arange(60)) / 12
    asked = chance.random((2_000, 60)) < np.minimum(rate[:, None] * np.exp(0.05 * ago), 0.95)
    return clean(asked * chance.integers(1, 4, (2_000, 60)))[0], "a generated catalogue"
