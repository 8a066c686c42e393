"""The cheapest cover of a list: against every combination there is, and with what people cannot buy left out."""

from __future__ import annotations

import itertools
import random
from decimal import Decimal
from uuid import UUID

from marketplace.listings.cover import Cover, Offered, allowed, cover


def every_way(offers: list[Offered], quantity: int) -> tuple[int, Decimal]:
    """(how many are got, the least that costs) by trying everything."""
    choices = [[0, *(n for n in range(1, o.available + 1) if allowed(o, n))] for o in offers]
    wanted = min(quantity, sum(o.available for o in offers))
    costs = [
        sum((o.unit_price * n for o, n in zip(offers, some, strict=True)), Decimal(0))
        for some in itertools.product(*choices)
        if sum(some) >= wanted
    ]
    return wanted, min(costs)


def total(found: Cover) -> Decimal:
    return sum((x.unit_price * x.quantity for x in found.lines), Decimal(0))


def test_no_combination_is_cheaper() -> None:
    chance = random.Random(11)
    for turn in range(400):
        offers = []
        for n in range(chance.randint(1, 4)):
            package = chance.choice((1, 1, 2, 3, 5))
            offers.append(
                Offered(
                    UUID(int=n + 1), UUID(int=1), chance.randint(1, 9), Decimal(chance.randint(1, 40)) / 4,
                    package * chance.choice((1, 1, 2)), package,
                )
            )  # fmt: skip
        quantity = chance.randint(1, 24)
        got, least = every_way(offers, quantity)
        found = cover(offers, quantity)
        by_id = {o.listing_id: o for o in offers}
        assert all(allowed(by_id[x.listing_id], x.quantity) for x in found.lines), (turn, offers, found)
        assert found.cost == total(found) == least, (turn, offers, quantity, found)
        assert found.proven
        assert (found.lacking, found.beyond) == (quantity - got, sum(x.quantity for x in found.lines) - got), turn


def every_number(offers: list[Offered], quantity: int) -> Decimal:
    """The least that a cover costs, offer by offer over every number that can be bought of it: nothing is ruled out."""
    wanted = min(quantity, sum(o.available for o in offers))
    best: list[Decimal | None] = [Decimal(0), *([None] * wanted)]
    for o in offers:
        now = list(best)
        for n in (n for n in range(1, o.available + 1) if allowed(o, n)):
            for had, cost in enumerate(best):
                at = min(had + n, wanted)
                if cost is not None and ((least := now[at]) is None or cost + o.unit_price * n < least):
                    now[at] = cost + o.unit_price * n
        best = now
    assert best[wanted] is not None
    return best[wanted]


def test_nothing_is_ruled_out_that_a_cheapest_cover_needs() -> None:
    """Many offers whose prices lie close together: there the bound rules out least, and a wrong one would show."""
    chance = random.Random(12)
    for turn in range(60):
        offers = []
        for n in range(chance.randint(3, 12)):
            package = chance.choice((1, 2, 3, 5, 8))
            least = package * chance.choice((1, 1, 2, 3))
            offers.append(
                Offered(
                    UUID(int=n + 1), UUID(int=1), chance.randint(1, 40), Decimal(chance.randint(90, 110)) / 10, least, package
                )
            )  # fmt: skip
        quantity = chance.randint(1, 90)
        found = cover(offers, quantity)
        assert found.proven
        assert found.cost == total(found) == every_number(offers, quantity), (turn, offers, quantity, found)


def test_what_is_nowhere_on_offer_is_said() -> None:
    assert cover([], 5) == Cover((), 5, 0, Decimal(0), Decimal(0))
    one = Offered(UUID(int=1), UUID(int=1), 3, Decimal(2))
    assert (cover([one], 5).lacking, cover([one], 5).cost) == (2, Decimal(6))


def test_a_huge_need_is_covered_with_its_bound_shown() -> None:
    """Too many combinations for certainty: still a cover, and by how much it can be off at most."""
    offers = [Offered(UUID(int=n), UUID(int=1), 900_000, Decimal(100 + n), 7, 7) for n in range(1, 60)]
    found = cover(offers, 1_000_000)
    assert found.lacking == 0
    assert found.least <= found.cost < found.least * Decimal("1.0001")
    assert not found.proven
