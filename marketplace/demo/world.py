"""The demo world: every row the demo starts with, from the public records and a seed. Pure and repeatable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from marketplace.demo.cast import build_cast
from marketplace.demo.catalogue import build_catalogue
from marketplace.demo.deliveries import DeliveryBuilder, gather
from marketplace.demo.draws import Draws
from marketplace.demo.lots import LedgerRows
from marketplace.demo.own_stock import build_own_stock
from marketplace.demo.requests import build_requests
from marketplace.demo.rows import (
    Agreement,
    AgreementLine,
    Alternate,
    Call,
    CallEvent,
    CallUnit,
    Company,
    Delegation,
    Fitment,
    Framework,
    Freeze,
    Listing,
    ListingLot,
    Lot,
    Maker,
    Movement,
    OpenHold,
    Order,
    OrderLine,
    OrderUnit,
    OwnStock,
    Part,
    Permit,
    Position,
    Release,
    Requisition,
    Settlement,
    Site,
    Supersession,
    TermSheet,
    User,
    Withdrawal,
)
from marketplace.demo.sold import build_sales
from marketplace.demo.sources import UNITS, Sources
from marketplace.kit.clock import require_utc

MADE_UP = (
    "All companies, people, street addresses, telephone numbers, opening hours and mail addresses are invented.",
    (
        "The real records name public agencies. Sites here are called by their place only; partners, one a state, are "
        "invented, and so is the manufacturer that stands for the agency which released the units."
    ),
    (
        "Real: stock numbers, item names, quantities, units, acquisition values, ship dates and requisition numbers of "
        "30,799 stock lines (4 April 2016) and 18,495 shipments (October 2016 to September 2019)."
    ),
    "Where a record gives no value (0), the price is made up: the median of the same number or of its supply class.",
    "The list price of a part is the median of its recorded values; what partners paid is the recorded value.",
    (
        "Coordinates are of the town; where only the county is known its centre, where nothing is known the state's "
        "capital. The last two are marked approximate."
    ),
    (
        "Agreements, clauses, terms, minimums to keep, suspensions, the insolvency of one holder with its legal holds, security interests, quality holds, and all orders for units "
        "back, past and open, with what was paid for them, and the manufacturer's discount rate are made up, dated so that about 70 % of the units can be called when the demo starts."
    ),
    (
        "Registration, order, acceptance, receipt and title dates, carriers, tracking numbers and conditions are made "
        "up around the recorded ship dates, and so is when orders were paid. Uses reported since, and units on the way, are made up."
    ),
    "Weights are made up, in the range usual for the supply class.",
    (
        "Replacements and alternates between parts are made up: between parts of one class, name and nearly one price; "
        "and between control units whose numbers differ only in the revision letters."
    ),
    (
        "The manufacturer's own stock: items and list prices are real (US GSA, 2021), quantities, costs, bins, usage "
        "and postings are made up."
    ),
    (
        "Nine agreements under the newest clauses, with the orders back, notices, counts and disputes under them and a depot in "
        "Monterrey, were lived through the site itself when the demo was loaded, dated back. What happens in them is made up; the part numbers, "
        "names and list prices are from the records. Postings on offer stand under ready-made terms of the same clauses; older agreements under those of their time."
    ),
    (
        "Control unit numbers are real numbers of vehicle makers, read from control units; the makers have no part in "
        "this demo."
    ),
)


@dataclass(frozen=True, slots=True)
class World:
    """Rows in the order they can be loaded."""

    start: datetime
    companies: Sequence[Company]
    sites: Sequence[Site]
    users: Sequence[User]
    delegations: Sequence[Delegation]
    units: Mapping[str, str]
    classes: Mapping[str, str]
    makers: Sequence[Maker]
    parts: Sequence[Part]
    fitments: Sequence[Fitment]
    supersessions: Sequence[Supersession]
    alternates: Sequence[Alternate]
    term_sheets: Mapping[str, TermSheet]
    frameworks: Sequence[Framework]
    agreements: Sequence[Agreement]
    agreement_lines: Sequence[AgreementLine]
    freezes: Sequence[Freeze]
    lots: Sequence[Lot]
    positions: Sequence[Position]
    permits: Sequence[Permit]
    movements: Sequence[Movement]
    open_holds: Sequence[OpenHold]
    releases: Sequence[Release]
    listings: Sequence[Listing]
    listing_lots: Sequence[ListingLot]
    orders: Sequence[Order]
    order_lines: Sequence[OrderLine]
    order_units: Sequence[OrderUnit]
    own_stock: Sequence[OwnStock]
    requisitions: Sequence[Requisition]
    calls: Sequence[Call]
    call_units: Sequence[CallUnit]
    call_events: Sequence[CallEvent]
    settlements: Sequence[Settlement]
    sales: Sequence[tuple[Settlement, UUID]]
    """What orders cost their buyers, with the step of the order."""
    withdrawals: Sequence[Withdrawal]
    made_up: tuple[str, ...]
    """Sentences that say what is real and what is not."""


def build_world(sources: Sources, start: datetime, seed: int = 1) -> World:
    """The whole demo as of ``start`` (aware, UTC). The same start and seed give equal worlds."""
    start = require_utc(start)
    draws = Draws(seed)
    cast = build_cast(sources.stations, start, draws)
    catalogue = build_catalogue(sources, cast.maker, start.date(), draws)
    rows = LedgerRows()
    builder = DeliveryBuilder(cast, catalogue, start, draws, rows)
    builder.build(gather(sources, catalogue, cast, start))
    own = build_own_stock(sources.items, catalogue, cast, start, draws, rows)
    held, purchases = builder.held, builder.purchases
    asked = build_requests(held.called, held.lines, rows.positions, held.term_sheets, cast, start, draws)
    return World(
        start=start,
        companies=cast.companies,
        sites=cast.sites,
        users=cast.users,
        delegations=(cast.delegation,),
        units=UNITS,
        classes=sources.classes,
        makers=catalogue.makers,
        parts=catalogue.parts,
        fitments=catalogue.fitments,
        supersessions=catalogue.supersessions,
        alternates=catalogue.alternates,
        term_sheets={**held.term_sheets, **own.term_sheets},
        frameworks=tuple(held.frameworks),
        agreements=tuple(held.agreements),
        agreement_lines=tuple(held.lines),
        freezes=tuple(held.freezes),
        lots=tuple(rows.lots),
        positions=tuple(rows.positions),
        permits=tuple(rows.permits),
        movements=tuple(rows.movements),
        open_holds=tuple(asked.holds),
        releases=(*purchases.releases(), *own.releases),
        listings=(*purchases.listings(), *own.listings),
        listing_lots=tuple(own.listing_lots),
        orders=tuple(purchases.orders),
        order_lines=tuple(purchases.lines),
        order_units=tuple(purchases.units),
        own_stock=tuple(own.stock),
        requisitions=tuple(asked.requisitions),
        calls=tuple(asked.calls),
        call_units=tuple(asked.units),
        call_events=tuple(asked.events),
        settlements=tuple(asked.settlements),
        sales=tuple(build_sales(purchases.orders, purchases.lines, cast, start, draws)),
        withdrawals=tuple(asked.withdrawals),
        made_up=MADE_UP,
    )
