"""The plan: least total cost, own stock first, the more urgent need first, and for the rest a reason that is true."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.kit.errors import DomainError
from marketplace.sourcing.allocation import HANDLING_MINOR, LATENESS_MINOR_PER_DAY, Need, Source, choose

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
PART = UUID(int=1)


def need(quantity: int, *, key: str = "n", urgency: str = "stock_order", days: int = 10) -> Need:
    return Need(key, (PART,), quantity, NOW + timedelta(days=days), urgency)


def source(
    key: str, price: int, capacity: int = 1, *, days: int = 2, own: bool = False, of: str = "n", cap: int | None = None
) -> Source:
    return Source(
        of, key, PART, own, capacity, key, capacity if cap is None else cap, price, 0, NOW + timedelta(days=days)
    )


def taken(needs: list[Need], sources: list[Source]) -> dict[str, int]:
    return {c.source: c.quantity for c in choose(needs, sources).chosen}


def test_the_cheapest_units_are_taken_and_the_rest_stays_unmet() -> None:
    plan = choose([need(4)], [source("dear", 900, 2), source("cheap", 100, 1)])
    assert {c.source: c.quantity for c in plan.chosen} == {"cheap": 1, "dear": 2}
    assert plan.unmet == {"n": 1}
    assert plan.total == 100 + 2 * 900 + 3 * HANDLING_MINOR


def test_own_stock_comes_first_where_it_arrives_in_time() -> None:
    assert taken([need(1)], [source("own", 90_000, own=True), source("cheap", 100)]) == {"own": 1}
    plan = choose([need(1)], [source("own", 90_000, own=True), source("cheap", 100)])
    assert [n.words for n in plan.not_chosen] == ["Own stock comes first."]


def test_the_more_urgent_need_is_served_first() -> None:
    needs = [need(1, key="later"), need(1, key="down", urgency="machine_down")]
    shared = [source("only", 100, of=key) for key in ("later", "down")]
    plan = choose(needs, shared)
    assert [(c.need, c.source) for c in plan.chosen] == [("down", "only")]
    assert plan.unmet["later"] == 1


def test_a_right_over_several_places_is_not_exceeded() -> None:
    places = [Source("n", key, PART, False, 3, "right", 2, 100, 0, NOW + timedelta(days=1)) for key in ("one", "two")]
    assert sum(taken([need(5)], places).values()) == 2


def test_own_stock_that_is_used_up_is_no_reason_against_a_partner() -> None:
    """Own stock is the dearest of all; a partner that was not chosen is compared with the partner that was."""
    late = LATENESS_MINOR_PER_DAY["stock_order"]
    sources = [
        source("own", 9_380, own=True), source("chosen", 5_000, days=12), source("other", 5_000 + 2 * late + 1_101),
        source("later", 4_900 + 2 * late, days=14),
    ]  # fmt: skip
    plan = choose([need(2)], sources)
    assert {c.source for c in plan.chosen} == {"own", "chosen"}
    assert {n.source: n.words for n in plan.not_chosen} == {
        "other": "11.01 more per unit, the days that each would be late counted.",
        "later": "39.00 more per unit, the days that each would be late counted, and 2 days later.",
    }


def test_a_late_source_is_told_as_late_and_an_equal_one_as_equal() -> None:
    plan = choose([need(1)], [source("a", 100), source("b", 100), source("c", 100, days=13)])
    assert len(plan.chosen) == 1
    words = {n.source: n.words for n in plan.not_chosen}
    assert words["c"] == "Would arrive 3 days after it is needed."
    assert {w for s, w in words.items() if s != "c"} == {"Costs as much: equal sources are spread over holders."}


@given(
    st.lists(st.tuples(st.integers(1, 5_000), st.integers(1, 4), st.integers(1, 20)), min_size=1, max_size=8),
    st.integers(1, 12),
)
def test_no_unit_left_alone_would_have_been_cheaper(offers: list[tuple[int, int, int]], quantity: int) -> None:
    asked = need(quantity)
    sources = [source(f"s{n}", price, count, days=days) for n, (price, count, days) in enumerate(offers)]
    plan = choose([asked], sources)
    assert plan == choose([asked], sources), "the same input gives the same plan"
    assert sum(c.quantity for c in plan.chosen) + plan.unmet.get("n", 0) == quantity
    assert all(n.more >= 0 for n in plan.not_chosen)
    assert all(one.more <= other.more for one, other in pairwise(plan.not_chosen))


def test_too_many_needs_are_refused() -> None:
    with pytest.raises(DomainError) as refused:
        choose([need(1, key=str(n)) for n in range(2_001)], [])
    assert refused.value.code == "plan.too_many"
