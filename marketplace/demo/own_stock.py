"""What the manufacturer still has: real catalogue items in made-up quantities, some posted, most waiting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from marketplace.agreements.combinations import COMBINATIONS
from marketplace.agreements.terms import dump_terms
from marketplace.demo.asked import month_of, orders
from marketplace.demo.cast import Cast
from marketplace.demo.catalogue import Catalogue
from marketplace.demo.draws import Draws
from marketplace.demo.lots import Cause, LedgerRows, LotStory
from marketplace.demo.rows import Basis, Listing, ListingLot, OwnStock, Part, Release, TermSheet
from marketplace.demo.sources import Item

LISTED, DRAFTED = 200, 18
_PER_RELEASE = 20
_CENT = Decimal("0.01")
OFFERED = (
    "standard-buy-back", "access-first", "title-kept", "revenue-now", "standard-access", "shelf-and-first-refusal",
    "declining-buy-back", "wide-access", "standard-buy-back", "title-kept", "access-first",
)  # fmt: skip
"""The ready-made terms of each posting, the newest first: every one of them is on offer, and the last is a draft."""


@dataclass(slots=True)
class Own:
    """Own stock with the postings over it."""

    stock: list[OwnStock] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)
    listings: list[Listing] = field(default_factory=list)
    listing_lots: list[ListingLot] = field(default_factory=list)
    term_sheets: dict[str, TermSheet] = field(default_factory=dict)


@dataclass(slots=True)
class _OwnLot:
    row: OwnStock
    part: Part
    condition: str


def build_own_stock(
    items: Sequence[Item], catalogue: Catalogue, cast: Cast, start: datetime, draws: Draws, rows: LedgerRows
) -> Own:
    """One lot an item at one of the plants, then the postings: published ones first, then drafts."""
    own = Own()
    lots = [_lot(item, catalogue, cast, start, draws, rows) for item in items]
    own.stock = [lot.row for lot in lots]
    ready = sorted(
        (lot for lot in lots if not lot.row.protected and lot.row.quantity >= 4),
        key=lambda lot: draws.number("post", lot.part.number),
    )
    for first in range(0, LISTED + DRAFTED, _PER_RELEASE):
        _post(own, ready[first : min(first + _PER_RELEASE, LISTED + DRAFTED)], first, cast, start, draws)
    return own


def _lot(item: Item, catalogue: Catalogue, cast: Cast, start: datetime, draws: Draws, rows: LedgerRows) -> _OwnLot:
    part = catalogue.by_nsn[item.nsn]
    plant = cast.plants[draws.below(len(cast.plants), "own plant", item.nsn)]
    quantity = 1 + draws.below(60, "own", item.nsn) * draws.below(12, "own more", item.nsn) // 3
    condition = draws.one_of(("new", "new_old_stock", "new_old_stock"), "own condition", item.nsn)
    since = start - timedelta(days=draws.between(300, 4000, "own since", item.nsn))
    warehouse = cast.actor[cast.maker, "warehouse"]
    lot = LotStory(rows, draws.id(since, "own lot", item.nsn), part, cast.maker)
    position = lot.place(cast.maker, cast.maker, plant.id, condition)
    command = draws.id(since, "command", "own", item.nsn)
    lot.move(
        "register", None, position, quantity, since,
        Cause(cast.maker, warehouse, command, "import", None, Basis.MADE_UP),
    )  # fmt: skip
    lot.close()
    months = orders(draws, item.nsn)
    last = max((at for at, units in enumerate(months) if units), default=None)
    # What nobody asked for in the months on record was last issued before them.
    issued = (
        start.date() - timedelta(days=draws.between(1900, 4000, "idle", item.nsn))
        if last is None
        else month_of((start - timedelta(days=1)).date(), last).replace(day=draws.between(1, 28, "issued", item.nsn))
    )
    row = OwnStock(
        lot.id,
        part.id,
        plant.id,
        f"{draws.one_of('ABCDEFGH', 'aisle', item.nsn)}{draws.between(1, 40, 'rack', item.nsn):02}-"
        f"{draws.between(1, 6, 'shelf', item.nsn)}",
        quantity,
        (item.price * draws.between(45, 75, "cost", item.nsn) / 100).quantize(_CENT, ROUND_HALF_UP),
        draws.one_of((1, 1, 1, 2, 5), "package", item.nsn),
        draws.below(25, "protected", item.nsn) == 0,
        issued,
        sum(months[-12:]),
        sum(months[-24:]),
        sum(months[-36:]),
        months,
    )
    return _OwnLot(row, part, condition)


def _post(own: Own, lots: Sequence[_OwnLot], first: int, cast: Cast, start: datetime, draws: Draws) -> None:
    number = first // _PER_RELEASE
    published = first < LISTED
    first_terms, *beside = COMBINATIONS[OFFERED[number]].terms()
    keys = [f"posted/{OFFERED[number]}/{terms.clause}" for terms in (first_terms, *beside)]
    own.term_sheets.update(zip(keys, map(dump_terms, (first_terms, *beside)), strict=True))
    at = start - timedelta(days=2 + 7 * number)
    partners = sorted(cast.partner_of)
    named = tuple(
        cast.partner_of[state] for state in partners if draws.below(4, "audience", number, state) == 0
    ) if number % 4 == 3 else ()  # fmt: skip
    release = Release(
        draws.id(at, "release", "own", number),
        draws.reference("REL", "own", number),
        cast.maker,
        f"Surplus tools and hardware, lot {number + 1}",
        first_terms.clause,
        first_terms.version,
        keys[0],
        tuple(keys[1:]),
        ("non_capital_spare", "intermediate_good")[number % 2],
        named,
        "published" if published else "draft",
        cast.actor[cast.maker, "planner"],
        at,
        at if published else None,
        None,
    )
    own.releases.append(release)
    for lot in lots:
        own.listings.append(_listing(lot, release, first_terms.minimum_to_keep, at, draws))
        own.listing_lots.append(
            ListingLot(own.listings[-1].id, lot.row.lot_id, 1, cast.maker, own.listings[-1].quantity)
        )


def _listing(lot: _OwnLot, release: Release, keep: int, at: datetime, draws: Draws) -> Listing:
    """Two thirds to all of the lot, in whole packages, at 40 to 80 % of the list price; to be kept is what the terms say."""
    row, nsn = lot.row, lot.part.number
    package = row.package_quantity if row.quantity >= 2 * row.package_quantity else 1
    quantity = max(row.quantity * draws.between(66, 100, "share", nsn) // 100 // package * package, package)
    listed = lot.part.list_price or row.unit_cost
    price = (listed * draws.between(40, 80, "asked", nsn) / 100).quantize(_CENT, ROUND_HALF_UP)
    return Listing(
        draws.id(at, "listing", "own", nsn),
        release.id,
        release.company_id,
        lot.part.id,
        row.site_id,
        lot.condition,
        quantity,
        0,
        price,
        package,
        package,
        min(keep, quantity),
        release.status == "published",
    )


def own_lot_ids(own: Own) -> frozenset[UUID]:
    """The lots that are the manufacturer's own."""
    return frozenset(row.lot_id for row in own.stock)
