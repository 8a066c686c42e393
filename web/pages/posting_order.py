"""A partner's view of a posting, and one order for several of its lines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.db.session import WriteSession
from marketplace.kit.money import Money
from marketplace.listings import queries
from marketplace.orders import service as orders
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from web.forms import Form
from web.found import Worded
from web.pages.listing import price_shown
from web.session import Sent, SentForm, Visit, submit

router = APIRouter(prefix="/releases", include_in_schema=False)
SHOWN: Final = orders.MAX_LINES


@dataclass(frozen=True, slots=True)
class Asked:
    """The order form's entries, read: the lines with a quantity, in the order of the page."""

    lines: tuple[tuple[queries.ListingRow, int, str], ...]
    po_number: str
    ship_to: UUID
    requested_on: date | None


async def offered_page(visit: Visit, release: queries.ReleaseRow, form: Form) -> Response:
    """What a partner may order of a posting, with a quantity beside each line."""
    rows = await _rows(visit.session, release.id)
    worded = Worded(visit.today, visit.zone, visit.actor.company_id)
    may_order = visit.actor.may("order.place") and any(row.available for row in rows)
    return visit.show(
        "releases/offered.html",
        release=release,
        offers=[worded.offer(row) for row in rows],
        form=form,
        may_order=may_order,
        sites=await parties.sites(visit.session, visit.actor) if may_order else [],
        home_id=str(visit.home.id) if visit.home else "",
        labels={f"q_{row.id}": row.part_number for row in rows},
    )


async def _rows(session: Any, release_id: UUID) -> list[queries.ListingRow]:
    return [row for row in await queries.lines(session, release_id, limit=SHOWN) if row.published]


@router.post("/{release_id}/order")
async def order(request: Request, release_id: UUID, sent: SentForm, now: Now) -> Response:
    """Shows what one order for the chosen lines will do; once confirmed, places it and reserves the units."""
    hold_hours = int(request.app.state.settings.order_hold_hours)

    async def act(session: WriteSession, actor: Actor) -> UUID:
        asked = _asked(sent, await _rows(session, release_id))
        return await orders.place(
            session,
            actor,
            lines=[
                orders.Wanted(row.id, quantity, po_line or None, price_shown(sent, row.id))
                for row, quantity, po_line in asked.lines
            ],
            po_number=asked.po_number,
            ship_to_site_id=asked.ship_to,
            requested_on=asked.requested_on,
            hold_hours=hold_hours,
            now=now,
        )

    async def again(visit: Visit, form: Form) -> Response:
        return await offered_page(visit, await queries.release(visit.session, release_id), form)

    async def confirm(visit: Visit, form: Form, _order: object) -> Response:
        release = await queries.release(visit.session, release_id)
        asked = _asked(sent, await _rows(visit.session, release_id))
        total = sum((row.unit_price * quantity for row, quantity, _ in asked.lines), Decimal(0))
        first = asked.lines[0][0]
        worded = Worded(visit.today, visit.zone, visit.actor.company_id)
        return visit.show(
            "releases/order.html",
            release=release,
            form=form,
            shown={**form.values, **{f"price_{row.id}": str(row.unit_price) for row, _, _ in asked.lines}},
            asked=asked,
            sentences=worded.sentences([(row, quantity) for row, quantity, _ in asked.lines]),
            hold_hours=hold_hours,
            site=await parties.own_site(visit.session, visit.actor, asked.ship_to),
            seller=first.seller,
            price=lambda row: Money(row.unit_price, row.currency),
            total=Money(total, first.currency),
        )

    return await submit(
        request,
        sent,
        "order.place",
        act,
        now=now,
        to=lambda made: f"/orders/{made}?done=placed",
        again=again,
        confirm=confirm,
    )


def _asked(sent: Sent, rows: list[queries.ListingRow]) -> Asked:
    fields = sent.fields()
    lines = []
    for row in rows:
        quantity = fields.whole(f"q_{row.id}", row.part_number, low=0, empty=0)
        po_line = fields.text(f"po_line_{row.id}", f"Line for {row.part_number}", required=False, most=20)
        if quantity:
            lines.append((row, quantity, po_line))
    po_number = fields.text("po_number", "Purchase order number", most=60)
    ship_to = fields.id("ship_to", "ship to")
    requested_on = fields.day("requested_on", "Needed by")
    if not lines and not fields.errors:
        fields.wrong(f"q_{rows[0].id}" if rows else "po_number", "Give a quantity beside at least one part.")
    fields.check("order.invalid", "The order could not be placed.")
    return Asked(tuple(lines), po_number, ship_to, requested_on)
