"""The orders behind the shipped requests, and the past surplus postings they were made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from marketplace.demo.cast import Cast
from marketplace.demo.draws import Draws
from marketplace.demo.rows import Agreement, Listing, Order, OrderLine, OrderUnit, Part, Release, Site

_CARRIERS = ("Tri-County Freight", "Meridian Motor Lines", "Blue Heron Logistics", "Switchyard Express")


class Bought(Protocol):
    """The part of a record's line that an order needs."""

    part: Part
    quantity: int
    price: Decimal
    ref: str


@dataclass(slots=True)
class _Posted:
    release: Release
    listings: dict[tuple[UUID, str, Decimal], tuple[UUID, int]]
    site: Site


def _quarter(day: datetime) -> str:
    return f"{day.year} Q{(day.month + 2) // 3}"


class Purchases:
    """Collects orders; a posting serves all orders of one quarter under the same terms for the same use."""

    def __init__(self, cast: Cast, draws: Draws) -> None:
        self._cast = cast
        self._draws = draws
        self._posted: dict[tuple[str, str, str], _Posted] = {}
        self.orders: list[Order] = []
        self.lines: list[OrderLine] = []
        self.units: list[OrderUnit] = []

    def plant_of(self, terms_key: str, shipped: datetime) -> Site:
        """The manufacturer's site that the quarter's posting under these terms ships from."""
        plants = self._cast.plants
        return plants[self._draws.below(len(plants), "posting", terms_key, _quarter(shipped))]

    def add(
        self,
        order_id: UUID,
        agreement: Agreement,
        units: Sequence[tuple[Bought, UUID, int, int, str]],
        times: tuple[datetime, datetime, datetime, datetime],
        buyer: UUID,
        site: Site,
    ) -> None:
        """One received order. ``units``: line of the record, lot, hold, last position, condition; ``times``:
        placed, accepted, shipped, received."""
        placed, accepted, shipped, received = times
        draws, maker = self._draws, self._cast.maker
        posted = self._posting(agreement, shipped)
        self.orders.append(
            Order(
                order_id,
                draws.reference("ORD", order_id),
                posted.release.id,
                maker,
                buyer,
                "received",
                f"PO-{shipped.year}-{draws.below(90_000, 'po', order_id) + 10_000}",
                site.id,
                agreement.id,
                draws.one_of(_CARRIERS, "carrier", order_id),
                f"{draws.below(10**10, 'tracking', order_id):010}",
                self._cast.actor[buyer, "buyer"],
                placed,
                accepted,
                shipped,
                received,
            )
        )
        lines: dict[tuple[UUID, str, Decimal], list[tuple[Bought, UUID, int, int, str]]] = {}
        for unit in units:
            lines.setdefault((unit[0].part.id, unit[4], unit[0].price), []).append(unit)
        for number, (key, bought) in enumerate(lines.items(), start=1):
            part_id, condition, price = key
            quantity = sum(unit[0].quantity for unit in bought)
            listing_id, sold = posted.listings.get(key, (draws.id(placed, "listing", posted.release.id, *key), 0))
            posted.listings[key] = (listing_id, sold + quantity)
            refs = " ".join(unit[0].ref for unit in bought)
            self.lines.append(
                OrderLine(order_id, number, maker, buyer, listing_id, part_id, condition, quantity, price, refs)
            )
            self.units.extend(
                OrderUnit(order_id, number, lot_id, hold_seq, maker, buyer, 1, line.quantity, lot_id, position)
                for line, lot_id, hold_seq, position, _ in bought
            )

    def _posting(self, agreement: Agreement, shipped: datetime) -> _Posted:
        key = (agreement.terms_key, _quarter(shipped), agreement.use_class)
        if key not in self._posted:
            year, quarter = shipped.year, (shipped.month + 2) // 3
            opened = datetime(year, quarter * 3 - 2, 1, 14, tzinfo=shipped.tzinfo) - timedelta(days=30)
            release = Release(
                self._draws.id(opened, "release", *key),
                self._draws.reference("REL", *key),
                self._cast.maker,
                f"Surplus {_quarter(shipped)}, {agreement.clause}",
                agreement.clause,
                agreement.version,
                agreement.terms_key,
                (),
                agreement.use_class,
                (),
                "closed",
                self._cast.actor[self._cast.maker, "planner"],
                opened,
                opened,
                opened + timedelta(days=150),
            )
            self._posted[key] = _Posted(release, {}, self.plant_of(agreement.terms_key, shipped))
        return self._posted[key]

    def releases(self) -> list[Release]:
        """The past postings, all closed."""
        return [posted.release for posted in self._posted.values()]

    def listings(self) -> list[Listing]:
        """Their lines, sold out."""
        return [
            Listing(
                listing_id,
                posted.release.id,
                self._cast.maker,
                part_id,
                posted.site.id,
                condition,
                sold,
                sold,
                price,
                1,
                1,
                0,
                False,
            )
            for posted in self._posted.values()
            for (part_id, condition, price), (listing_id, sold) in posted.listings.items()
        ]
