"""The demo's demand: the same each time, and what its stock file says it issued."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from marketplace.demo.asked import MONTHS, asked
from marketplace.demo.data.read import load_sources
from marketplace.demo.draws import Draws
from marketplace.demo.world import build_world


def test_the_last_three_years_are_what_the_stock_file_issued() -> None:
    stock = build_world(load_sources(), datetime(2026, 11, 22, 9, tzinfo=UTC)).own_stock
    found = asked(stock, Draws(1))
    assert repr(found) == repr(asked(stock, Draws(1)))
    assert {len(units) for units in found.values()} == {MONTHS}
    for years, name in ((1, "usage_12"), (2, "usage_24"), (3, "usage_36")):
        told = sum(getattr(row, name) for row in stock)
        units = np.array([u[MONTHS - 12 * years :] for u in found.values()])
        assert np.maximum(units, 0).sum() == told
    assert any(np.isnan(u).any() for u in found.values())
    assert any(min(u) < 0 for u in found.values())
