"""Ordering under other terms than those of the posting: the buyer proposes them with its order."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.agreements.changes import differences_of_all
from marketplace.agreements.terms import Terms, dump_terms
from marketplace.db.session import WriteSession
from marketplace.kit.errors import DomainError, conflict
from marketplace.kit.money import Money
from marketplace.listings import queries as listings
from marketplace.listings.wording import clauses_of
from marketplace.orders import service as orders
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from web.clause_forms import ClausesForm, named_clauses
from web.forms import Fields, Form, Value
from web.pages.listing import Asked, PlacesOrders, asked_of
from web.session import SentForm, Visit, submit

router = APIRouter(prefix="/listings", include_in_schema=False)
LABELS = {"note": "What you say to the seller", "quantity": "Quantity", "po_number": "Your purchase order number"}


@router.get("/{listing_id}/terms")
async def terms_page(visit: PlacesOrders, listing_id: UUID) -> Response:
    """The terms of the posting, to be changed, with the order they are for."""
    row = await listings.listing(visit.session, listing_id)
    if not row.published or not row.available or row.seller_id == visit.actor.company_id:
        raise conflict("listing.sold_out", "Nothing can be ordered from this listing now.")
    posted = _posted(row)
    form = ClausesForm.of([(terms.clause, terms.version) for terms in posted])
    wished = visit.asked("quantity")
    values: dict[str, Value] = {
        **form.values([dump_terms(terms) for terms in posted]),
        "quantity": wished if wished.isdecimal() else str(row.minimum_quantity),
    }
    return await _page(visit, row, Form(values))


def _posted(row: listings.ListingRow) -> tuple[Terms, ...]:
    return clauses_of(row.clause, row.version, row.terms, row.further)


def _clauses(row: listings.ListingRow, form: Form) -> ClausesForm:
    return ClausesForm.sent(form, (row.clause, row.version))


async def _page(visit: Visit, row: listings.ListingRow, form: Form) -> Response:
    clauses = _clauses(row, form)
    return visit.show(
        "listing/terms.html", row=row, form=form, clauses=clauses, labels=clauses.labels | LABELS,
        sites=await parties.sites(visit.session, visit.actor),
        home_id=str(visit.home.id) if visit.home else "", **_looked_at(row, form),
    )  # fmt: skip


def _looked_at(row: listings.ListingRow, form: Form) -> dict[str, Any]:
    """What the form would change of the posting's terms, or what does not fit yet."""
    try:
        found = _clauses(row, form).read(Fields(form.values), row.use_class)
    except DomainError as error:
        return {"changes": (), "unfit": [wrong.message for wrong in error.fields] or [error.message]}
    return {"changes": differences_of_all(_as_used(row), found), "unfit": []}


def _as_used(row: listings.ListingRow) -> tuple[Terms, ...]:
    """The posting's terms for what its units are sold for, which the order does not change."""
    further = [{**c, "terms": {**c["terms"], "use_class": row.use_class}} for c in row.further]
    return clauses_of(row.clause, row.version, {**row.terms, "use_class": row.use_class}, further)


@router.post("/{listing_id}/terms/preview")
async def preview(visit: PlacesOrders, listing_id: UUID, sent: SentForm) -> Response:
    """What would change, alone, for the page to put beside the form while somebody types."""
    row = await listings.listing(visit.session, listing_id)
    return visit.show("agreements/changes.html", **_looked_at(row, sent.form()))


@router.post("/{listing_id}/terms")
async def propose(request: Request, listing_id: UUID, sent: SentForm, now: Now) -> Response:
    """Shows what the order and the terms will do; once confirmed, places it with them and reserves the units."""
    hold_hours = int(request.app.state.settings.order_hold_hours)

    async def act(session: WriteSession, actor: Actor) -> UUID:
        row = await listings.listing(session, listing_id)
        asked: Asked = asked_of(sent)
        fields = sent.fields()
        note = fields.text("note", LABELS["note"], required=False, most=500)
        found = _clauses(row, sent.form()).read(fields, row.use_class)
        return await orders.place(
            session, actor, lines=[orders.Wanted(listing_id, asked.quantity, asked.po_line or None)],
            po_number=asked.po_number, ship_to_site_id=asked.ship_to, requested_on=asked.requested_on,
            hold_hours=hold_hours, now=now, proposed=orders.ProposedTerms(named_clauses(found), note),
        )  # fmt: skip

    async def again(visit: Visit, form: Form) -> Response:
        return await _page(visit, await listings.listing(visit.session, listing_id), form)

    async def confirm(visit: Visit, form: Form, _order: object) -> Response:
        row = await listings.listing(visit.session, listing_id)
        asked = asked_of(sent)
        return visit.show(
            "listing/terms_confirm.html", row=row, form=form, asked=asked, hold_hours=hold_hours,
            site=await parties.own_site(visit.session, visit.actor, asked.ship_to),
            total=Money(row.unit_price * asked.quantity, row.currency), **_looked_at(row, form),
        )  # fmt: skip

    return await submit(
        request, sent, "order.place", act, now=now, to=lambda made: f"/orders/{made}?done=placed", again=again,
        confirm=confirm,
    )  # fmt: skip
