"""Labels to print: the number in words and a QR code that leads to the unit, for a unit or for all that an order back ships."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple
from uuid import UUID

import segno
from fastapi import APIRouter
from markupsafe import Markup
from starlette.responses import Response

from marketplace.kit.errors import conflict, missing
from marketplace.ledger import queries as ledger
from marketplace.sourcing import queries as sourcing
from web.session import Visit, visits

router = APIRouter(include_in_schema=False)
ReadsUnits = Annotated[Visit, visits("stock.read")]
ReadsCalls = Annotated[Visit, visits("call.read")]
MOST: Final = 500
"""Labels on one page; more are printed order by order."""


class UnitLabel(NamedTuple):
    """One label: what a person reads, and what a scanner does."""

    number: str
    description: str
    lines: tuple[str, ...]
    address: str
    code: Markup


def code_of(address: str) -> Markup:
    """A QR code of an address, as a picture in the page; a quarter of it may be scratched (level Q)."""
    return Markup(segno.make_qr(address, error="q").svg_inline(scale=3, border=2, dark="#000", light="#fff"))  # noqa: S704 - made here from an id


def label_of(base_url: str, lot_id: UUID, number: str, description: str, lines: Sequence[str]) -> UnitLabel:
    """The label of a unit on this site."""
    address = f"{base_url.rstrip('/')}/units/{lot_id}"
    return UnitLabel(number, description, tuple(line for line in lines if line), address, code_of(address))


@router.get("/units/{lot_id}/label")
async def unit_label(visit: ReadsUnits, lot_id: UUID) -> Response:
    """The label of one unit."""
    unit = await ledger.unit(visit.session, visit.actor, lot_id)
    if unit is None:
        raise missing("ledger.not_found", "No such unit.")
    lines = (
        f"Serial {unit.serial}" if unit.serial else "",
        f"Batch {unit.batch}" if unit.batch else "",
        f"Maker {unit.maker}",
    )
    made = label_of(visit.request.app.state.settings.base_url, lot_id, unit.part_number, unit.description, lines)
    crumbs = [("Unit history", "/units"), (unit.part_number, f"/units/{lot_id}")]
    return visit.show("units/labels.html", labels=[made], crumbs=crumbs, of="this unit")


@router.get("/calls/{call_id}/labels")
async def call_labels(visit: ReadsCalls, call_id: UUID) -> Response:
    """A label for each lot that an order back ships: serial-numbered units each their own."""
    call = await sourcing.call(visit.session, call_id)
    units = await sourcing.call_units(visit.session, call_id)
    if not call.named_to(visit.actor):
        raise conflict("call.masked", "Which units are sent is not named to you before the order is.")
    if not units:
        raise conflict("call.no_units", "This order reserves no units, so that there is nothing to label.")
    made = [
        label_of(
            visit.request.app.state.settings.base_url, u.shipped_lot_id or u.lot_id, u.stand_in_number or call.part_number, call.description,
            (f"Serial {u.serial}" if u.serial else f"{u.quantity:,} {call.uom}", f"{call.reference} to {call.company}"),
        )
        for u in units[:MOST]
    ]  # fmt: skip
    crumbs = [("Buy-back orders", "/calls"), (call.reference, f"/calls/{call_id}")]
    return visit.show(
        "units/labels.html", labels=made, crumbs=crumbs, of=call.reference, more=max(len(units) - MOST, 0),
        waits=call.shipped_at is None and any(u.serial is None for u in units),
    )  # fmt: skip
