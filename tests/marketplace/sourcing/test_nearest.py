"""How many places of a part are looked at when many numbers are asked for at once. Which ones is tested on the demo's
stock (tests/marketplace/demo/test_loader.py)."""

from __future__ import annotations

from marketplace.sourcing.queries.looking_up import places_each


def test_few_numbers_get_many_places_each_and_one_gets_all() -> None:
    assert [places_each(n) for n in (1, 2, 10, 100, 500)] == [None, 1000, 200, 20, 12]
