"""The demo world: every row the demo starts with, from the public records and a seed. Pure and repeatable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from marketplace.demo.cast import Cast, build_cast
from marketplace.demo.catalogue import build_catalogue
from marketplace.demo.deliveries import DeliveryBuilder, OpenUnit, gather
from marketplace.demo.draws import Draws
from marketplace.demo.lots import LedgerRows
from marketplace.demo.own_stock import build_own_stock
from marketplace.demo.rows import (
    Agreement,
    AgreementLine,
    Alternate,
    Call,
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
    Site,
    Supersession,
    TermSheet,
    User,
)
from marketplace.demo.sources import UNITS, Sources
from marketplace.kit.clock import require_utc

MADE_UP = (
    "All companies, people, telephone numbers, opening hours and mail addresses are invented.",
    (
        "The real records name public agencies. Sites here are called by their place only; partners, one a state, are "
        "invented, and so is the manufacturer that stands for the agency which released the units."
    ),
    (
        "Real: stock numbers, item names, quantities, units, acquisition values, ship dates and requisition numbers of "
        "32,064 stock lines (4 April 2016) and 18,941 shipments (October 2016 to September 2019)."
    ),
    "Where a record gives no value (0), the price is made up: the median of the same number or of its supply class.",
    "The list price of a part is the median of its recorded values; what partners paid is the recorded value.",
    (
        "Coordinates are of the town; where only the county is known its centre, where nothing is known the state's "
        "capital. The last two are marked approximate."
    ),
    (
        "Agreements, clauses, terms, minimums to keep, suspensions, legal and quality holds, and open orders for units "
        "back are made up, dated so that about 70 % of the units can be called when the demo starts."
    ),
    (
        "Registration, order, acceptance, receipt and title dates, carriers, tracking numbers and conditions are made "
        "up around the recorded ship dates. Uses reported since, and units on the way, are made up."
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
    requests = [_request(unit, cast, start, draws) for unit in held.open_units]
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
        open_holds=tuple(_open_hold(unit, cast) for unit in held.open_units),
        releases=(*purchases.releases(), *own.releases),
        listings=(*purchases.listings(), *own.listings),
        listing_lots=tuple(own.listing_lots),
        orders=tuple(purchases.orders),
        order_lines=tuple(purchases.lines),
        order_units=tuple(purchases.units),
        own_stock=tuple(own.stock),
        requisitions=tuple(requisition for requisition, _ in requests),
        calls=tuple(call for _, call in requests),
        made_up=MADE_UP,
    )


def _open_hold(unit: OpenUnit, cast: Cast) -> OpenHold:
    return OpenHold(
        unit.lot_id, unit.hold_seq, unit.position, unit.quantity, None, "call", unit.call_id, cast.maker, unit.parties
    )


def _request(unit: OpenUnit, cast: Cast, start: datetime, draws: Draws) -> tuple[Requisition, Call]:
    """The parts request and the open order for units back behind a reserved lot."""
    key = unit.call_id
    # Every fourth comes from the service company's technician, as far as its limits allow.
    delegated = (
        draws.below(4, "delegated", key) == 0
        and unit.quantity <= cast.delegation.quantity_limit
        and (unit.part.list_price or Decimal(0)) * unit.quantity <= cast.delegation.value_limit
    )
    company = cast.service if delegated else cast.maker
    technician = cast.actor[company, "technician"]
    destination = draws.one_of(cast.bases if delegated else cast.plants, "destination", key)
    urgency = draws.one_of(("machine_down", "urgent", "stock_order", "stock_order"), "urgency", key)
    asked = unit.noticed_at - timedelta(minutes=draws.between(3, 50, "asked", key))
    requisition_id = draws.id(asked, "requisition", key)
    requisition = Requisition(
        requisition_id,
        draws.reference("REQ", key),
        company,
        cast.maker,
        technician,
        unit.part.id,
        unit.quantity,
        destination.id,
        urgency,
        start + timedelta(days={"machine_down": 1, "urgent": 5}.get(urgency, 21)),
        f"NF-{draws.one_of((320, 450, 610, 900), 'model', key)}",
        f"{draws.below(90_000, 'machine', key) + 10_000}",
        f"J{draws.below(9_000, 'job', key) + 1_000}",
        asked,
    )
    call = Call(
        unit.call_id,
        draws.reference("CALL", key),
        "buy_back" if unit.clause == "buy-back" else "access_draw",
        requisition_id,
        company,
        cast.maker,
        unit.holder_id,
        unit.agreement_id,
        unit.part.id,
        unit.site_id,
        destination.id,
        unit.lot_id,
        unit.position,
        unit.condition,
        urgency,
        unit.quantity,
        technician,
        unit.noticed_at,
    )
    return requisition, call
