"""One listing: what its clause means, and ordering from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from marketplace.agreements.title import price_due
from marketplace.db.session import WriteSession
from marketplace.kit.money import Money
from marketplace.listings import queries as listings
from marketplace.listings.wording import share_to_keep
from marketplace.orders import service as orders
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from web.clauses import released_text
from web.forms import Form
from web.found import Worded
from web.pages import documents
from web.seen import remember
from web.session import Sent, SentForm, Visit, submit, visits

router = APIRouter(prefix="/listings", include_in_schema=False)
ReadsListings = Annotated[Visit, visits("listing.read")]
PlacesOrders = Annotated[Visit, visits("order.place")]
UNITS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """An order form's entries, read."""

    quantity: int
    po_number: str
    po_line: str
    ship_to: UUID
    requested_on: date | None


@router.get("/{listing_id}")
async def listing(visit: ReadsListings, listing_id: UUID) -> Response:
    """The listing; ``?quantity=`` shows what the clause means for so many."""
    row = await listings.listing(visit.session, listing_id)
    wished = visit.asked("quantity")
    least = min(max(row.minimum_quantity, row.package_quantity), max(row.available, 1))
    response = await _page(visit, row, Form({"quantity": wished if wished.isdecimal() else str(least)}))
    if row.published and row.seller_id != visit.actor.company_id:
        remember(visit, response, row.id)
    return response


async def _page(visit: Visit, row: listings.ListingRow, form: Form) -> Response:
    worded = Worded(visit.today, visit.zone, visit.actor.company_id)
    wished = form.value("quantity")
    quantity = min(int(wished), row.available) if wished.isdecimal() and wished.isascii() and len(wished) < 10 else 1
    quantity = max(quantity, 1)
    clause = worded.clause(row, quantity)
    title, text = await released_text(visit.session, clause.terms)
    own = row.seller_id == visit.actor.company_id
    may_order = visit.actor.may("order.place") and not own and row.published and row.available > 0
    return visit.show(
        "listing/listing.html",
        row=row,
        offer=worded.offer(row),
        clause=clause,
        price_due=price_due(clause.terms, row.payment_days),
        quantity=quantity,
        clause_title=title,
        clause_text=text,
        units=await listings.units(visit.session, row.id, limit=UNITS_SHOWN),
        units_shown=UNITS_SHOWN,
        keep=share_to_keep(row.minimum_to_keep, row.quantity, quantity),
        own=own,
        may_order=may_order,
        sites=await parties.sites(visit.session, visit.actor) if may_order else [],
        home_id=str(visit.home.id) if visit.home else "",
        form=form,
        total=Money(row.unit_price * quantity, row.currency),
        documents=await documents.shown(visit, "listing", row.id, part_id=row.part_id),
    )


@router.get("/{listing_id}/order")
async def order_again(listing_id: UUID) -> Response:
    """A form that was answered here and is loaded anew: back to where it stands."""
    return RedirectResponse(f"/listings/{listing_id}", 303)


@router.post("/{listing_id}/order")
async def order(request: Request, listing_id: UUID, sent: SentForm, now: Now) -> Response:
    """Shows what the order will do; once confirmed, places it and reserves the units."""
    hold_hours = int(request.app.state.settings.order_hold_hours)

    async def act(session: WriteSession, actor: Actor) -> UUID:
        asked = asked_of(sent)
        wanted = orders.Wanted(listing_id, asked.quantity, asked.po_line or None, price_shown(sent, listing_id))
        return await orders.place(
            session,
            actor,
            lines=[wanted],
            po_number=asked.po_number,
            ship_to_site_id=asked.ship_to,
            requested_on=asked.requested_on,
            hold_hours=hold_hours,
            now=now,
        )

    async def again(visit: Visit, form: Form) -> Response:
        return await _page(visit, await listings.listing(visit.session, listing_id), form)

    async def confirm(visit: Visit, form: Form, _order: object) -> Response:
        row = await listings.listing(visit.session, listing_id)
        asked = asked_of(sent)
        clause = Worded(visit.today, visit.zone, visit.actor.company_id).clause(row, asked.quantity)
        return visit.show(
            "listing/confirm.html",
            row=row,
            form=form,
            shown={**form.values, f"price_{row.id}": str(row.unit_price)},
            asked=asked,
            clause=clause,
            hold_hours=hold_hours,
            site=await parties.own_site(visit.session, visit.actor, asked.ship_to),
            total=Money(row.unit_price * asked.quantity, row.currency),
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


def price_shown(sent: Sent, listing_id: UUID) -> Decimal | None:
    """The price that the confirmation showed; None on the way there."""
    text = sent.form().value(f"price_{listing_id}")
    try:
        return Decimal(text) if text else None
    except InvalidOperation:
        return None


def asked_of(sent: Sent) -> Asked:
    """The order that a form asks for. Raises ``order.invalid`` naming every wrong entry."""
    fields = sent.fields()
    asked = Asked(
        fields.whole("quantity", "Quantity", low=1),
        fields.text("po_number", "Purchase order number", most=60),
        fields.text("po_line", "Line of your purchase order", required=False, most=20),
        fields.id("ship_to", "ship to"),
        fields.day("requested_on", "Needed by"),
    )
    fields.check("order.invalid", "The order could not be placed.")
    return asked
