"""Lines drawn by the server."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from web.charts import HEIGHT, WIDTH, chart, nice_step

DAY = date(2026, 1, 1)
amounts = st.decimals(min_value=-10_000, max_value=1_000_000_000, places=2)


@given(
    st.lists(st.tuples(st.integers(1, 4_000), st.none() | amounts), min_size=2, max_size=40), st.booleans(), st.booleans(),
    st.integers(-10, 200_000),
)  # fmt: skip
def test_everything_lies_inside(gaps: list[tuple[int, Decimal | None]], steps: bool, zero: bool, mark: int) -> None:
    day, points = DAY, []
    for gap, value in gaps:
        points.append((day, value))
        day += timedelta(days=gap)
    drawn = chart(points, steps=steps, mark=DAY + timedelta(days=mark), from_zero=zero)
    if all(value is None for _, value in points):
        assert drawn is None
        return
    assert drawn is not None
    for command, numbers in re.findall(r"([MLHV])([-\d. ]+)", drawn.path):
        told = [float(n) for n in numbers.split()]
        across = told if command == "H" else told[:1] if command in "ML" else []
        down = told if command == "V" else told[1:] if command in "ML" else []
        assert all(0 <= n <= WIDTH for n in across), drawn.path
        assert all(0 <= n <= HEIGHT for n in down), drawn.path
    assert 2 <= len(drawn.ticks_y) <= 7
    assert all(0 <= t.at <= WIDTH for t in drawn.ticks_x)


@given(st.decimals(min_value="0.0001", max_value=1_000_000_000))
def test_a_step_is_round_and_cuts_in_few(span: Decimal) -> None:
    step = nice_step(span)
    assert step * 4 >= span
    assert str(step.normalize().as_tuple().digits[0]) in "125"


def test_a_gap_is_a_gap_and_a_step_ends_at_it() -> None:
    drawn = chart([(DAY, None), (DAY + timedelta(days=10), Decimal(5)), (DAY + timedelta(days=20), None)], steps=True)
    assert drawn is not None
    assert drawn.path.count("M") == 1
    assert drawn.path.endswith(f"H{WIDTH - 8}.0")
    assert drawn.area == ""
