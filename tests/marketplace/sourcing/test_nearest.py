"""Which places are looked at when many numbers are asked for at once: the nearest with free units, rights whole."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from marketplace.sourcing.candidates import StockRow, nearest
from marketplace.sourcing.endpoints import places_each
from marketplace.sourcing.freight import Point

HERE = Point(40.0, -100.0, "US")
MAKER, PART = UUID(int=1), UUID(int=2)


def row(agreement: int | None, *, east: float = 0.0, quantity: int = 1, held: int = 0, part: UUID = PART) -> StockRow:
    return StockRow(
        part, MAKER if agreement is None else UUID(int=3), UUID(int=3), "Holder", UUID(int=4), "Site", "KS", "new",
        None if agreement is None else UUID(int=100 + agreement), MAKER, quantity, held, 0, 0, None, held, 0,
        Point(40.0, -100.0 + east, "US"),
    )  # fmt: skip


def test_the_nearest_are_kept_and_own_stock_always() -> None:
    rows = [row(n, east=float(n)) for n in (3, 1, 4, 2)] + [row(None, east=50.0)]
    kept, left = nearest(rows, HERE, 2)
    assert {r.agreement_id for r in kept} == {None, UUID(int=101), UUID(int=102)}
    assert {part: sorted(str(r.agreement_id) for r in some) for part, some in left.items()} == {
        PART: sorted([str(UUID(int=103)), str(UUID(int=104))])
    }


def test_places_with_free_units_come_before_nearer_ones_without() -> None:
    rows = [row(1, east=1.0, held=1), row(2, east=2.0), row(3, east=3.0)]
    kept, _ = nearest(rows, HERE, 2)
    assert {r.agreement_id for r in kept} == {UUID(int=102), UUID(int=103)}


def test_a_right_over_several_sites_is_kept_whole() -> None:
    """Evaluated on some of its sites only, it would grant units that another of them lacks."""
    rows = [row(1, east=1.0), row(1, east=30.0), row(1, east=31.0), row(2, east=2.0)]
    kept, left = nearest(rows, HERE, 1)
    assert kept == rows[:3]
    assert left == {PART: rows[3:]}


@given(st.lists(st.tuples(st.integers(0, 6), st.floats(-80, 80), st.integers(0, 1)), max_size=25), st.integers(1, 8))
def test_nothing_is_lost_and_what_fits_is_all_kept(made: Sequence[tuple[int, float, int]], most: int) -> None:
    rows = [row(agreement or None, east=east, held=held) for agreement, east, held in made]
    kept, left = nearest(rows, HERE, most)
    rest = [r for some in left.values() for r in some]
    assert sorted(map(repr, [*kept, *rest])) == sorted(map(repr, rows))
    under = [r for r in rows if r.agreement_id]
    assert bool(rest) <= (len(under) > most)
    assert {r.agreement_id for r in kept}.isdisjoint({r.agreement_id for r in rest})
    if rest:
        assert sum(r.agreement_id is not None for r in kept) >= most


def test_few_numbers_get_many_places_each_and_one_gets_all() -> None:
    assert [places_each(n) for n in (1, 2, 10, 100, 500)] == [None, 1000, 200, 20, 12]
