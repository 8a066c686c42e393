"""Cover my list: the cheapest set of offers for a pasted list, in one basket of orders with a review."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.errors import DomainError, FieldError, invalid_fields
from marketplace.kit.money import Money
from marketplace.listings import queries
from marketplace.orders import service as orders
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.parts.numbers import MAX_NUMBERS, Asked, normalise
from marketplace.sourcing import lists
from web.forms import Fields, Form
from web.found import Worded
from web.session import Sent, SentForm, Visit, submit, visits

router = APIRouter(prefix="/cover", include_in_schema=False)
ReadsListings = Annotated[Visit, visits("listing.read")]
EXAMPLE: Final = "part number\tquantity\n8980-12\t40\n4102-00\t8"


@router.get("")
async def page(visit: ReadsListings) -> Response:
    """The form; numbers that were looked for come along."""
    return await _page(visit, Form({"list": visit.asked("q"), "currency": visit.actor.currency}))


@router.get("/order")
async def order_again() -> Response:
    """A form that was answered here and is loaded anew."""
    return RedirectResponse("/cover", 303)


async def _page(visit: Visit, form: Form, found: queries.CoveredList | None = None) -> Response:
    rows: dict[UUID, queries.ListingRow] = {}
    if found:
        ids = [x.listing_id for c in found.lines for x in c.cover.lines]
        rows = {r.id: r for r in await queries.seen(visit.session, ids)}
    may_order = visit.actor.may("order.place") and visit.actor.is_partner
    return visit.show(
        "find/cover.html", status_code=422 if form.bad else 200, form=form, found=found, baskets=_baskets(visit, found, rows),
        rows=rows, example=EXAMPLE, most=MAX_NUMBERS, may_order=may_order,
        sites=await parties.sites(visit.session, visit.actor) if may_order and found else [],
        home_id=str(visit.home.id) if visit.home else "", basket=_basket_text(found),
        money=lambda amount: Money(amount, found.total.currency) if found else "",
    )  # fmt: skip


def _baskets(
    visit: Visit, found: queries.CoveredList | None, rows: dict[UUID, queries.ListingRow]
) -> list[dict[str, Any]]:
    """By posting: what is ordered of it, its clause in words, what it comes to."""
    if found is None:
        return []
    worded = Worded(visit.today, visit.zone, visit.actor.company_id)
    by_posting: dict[UUID, list[tuple[queries.ListingRow, int]]] = {}
    for c in found.lines:
        for x in c.cover.lines:
            if row := rows.get(x.listing_id):
                by_posting.setdefault(x.release_id, []).append((row, x.quantity))
    return [
        {
            "lines": [(row, n, Money(row.unit_price, row.currency), Money(row.unit_price * n, row.currency)) for row, n in some],
            "offer": worded.offer(some[0][0]),
            "total": Money(sum((r.unit_price * n for r, n in some), Decimal(0)), some[0][0].currency),
        }
        for some in by_posting.values()
    ]  # fmt: skip


def _basket_text(found: queries.CoveredList | None) -> str:
    """What is to be ordered, at the prices shown, as one hidden field: forms of a thousand fields are refused."""
    if found is None:
        return ""
    return "\n".join(f"{x.listing_id} {x.quantity} {x.unit_price}" for c in found.lines for x in c.cover.lines)


@router.post("")
async def cover(sent: SentForm, visit: ReadsListings) -> Response:
    """What covers the list, and what of it nothing covers."""
    form = sent.form()
    try:
        fields = sent.fields()
        currency = fields.text("currency", "Currency", most=3).upper()
        needs = _needs(fields, form.value("list"))
        fields.check("cover.invalid", "The list could not be read.")
        if not (len(currency) == 3 and currency.isalpha()):
            raise invalid_fields(
                "cover.invalid", "The list could not be read.",
                (FieldError("currency", "form.field", "Write the currency in three letters, such as USD."),),
            )  # fmt: skip
        found = await queries.cover_list(visit.session, visit.actor.company_id, needs, currency)
    except DomainError as error:
        return await _page(visit, Form.rejected(sent.values, error))
    return await _page(visit, form, found)


def _needs(fields: Fields, text: str) -> Sequence[queries.Need]:
    """Numbers with quantities, one a line; a line without one asks for one unit."""
    found: dict[str, queries.Need] = {}
    for line in lists.lines_of(text.replace("\r\n", "\n")):
        number = line.cells.get("number", "")
        said = line.cells.get("quantity", "") or "1"
        count = lists.whole(said)
        norm = normalise(number)
        if not norm or len(number) > 80:
            fields.wrong("list", f"Line {line.at} has no part number.")
        elif count is None or not 0 < count <= 1_000_000:
            fields.wrong("list", f"Line {line.at}: '{said[:20]}' is no quantity from 1 to 1,000,000.")
        else:
            before = found[norm].quantity if norm in found else 0
            found[norm] = queries.Need(Asked(number, norm), before + count)
        if len(fields.errors) >= 10:
            break
    if not found and not fields.errors:
        fields.wrong("list", "Paste at least one part number.")
    if len(found) > MAX_NUMBERS:
        fields.wrong("list", f"These are {len(found):,} numbers: cover at most {MAX_NUMBERS} at once.")
    return tuple(found.values())


@dataclass(frozen=True, slots=True)
class Basket:
    """What is to be ordered."""

    lines: tuple[orders.Wanted, ...]
    po_number: str
    ship_to: UUID
    requested_on: date | None


def _basket(sent: Sent) -> Basket:
    fields = sent.fields()
    lines = []
    for text in sent.form().value("basket").split("\n"):
        listing, _, rest = text.strip().partition(" ")
        count, _, price = rest.partition(" ")
        if not text.strip():
            continue
        try:
            wanted = orders.Wanted(UUID(listing), int(count), None, Decimal(price))
        except (ValueError, InvalidOperation):
            fields.wrong("basket", "The basket cannot be read any more: cover the list again.")
            break
        lines.append(wanted)
    po_number = fields.text("po_number", "Purchase order number", most=60)
    ship_to = fields.id("ship_to", "ship to")
    requested_on = fields.day("requested_on", "Needed by")
    if not lines and not fields.errors:
        fields.wrong("basket", "There is nothing in the basket: cover the list again.")
    fields.check("order.invalid", "The orders could not be placed.")
    return Basket(tuple(lines), po_number, ship_to, requested_on)


@router.post("/order")
async def order(request: Request, sent: SentForm, now: Now) -> Response:
    """Shows what the orders will do; once confirmed, places all of them or none."""
    hold_hours = int(request.app.state.settings.order_hold_hours)

    async def act(session: WriteSession, actor: Actor) -> list[UUID]:
        asked = _basket(sent)
        return await orders.place_several(
            session, actor, lines=asked.lines, po_number=asked.po_number, ship_to_site_id=asked.ship_to,
            requested_on=asked.requested_on, hold_hours=hold_hours, now=now,
        )  # fmt: skip

    async def again(visit: Visit, form: Form) -> Response:
        return await _page(visit, form, await _refound(visit, visit.session, form))

    async def confirm(visit: Visit, form: Form, placed: Any) -> Response:
        asked = _basket(sent)
        rows = {r.id: r for r in await queries.seen(visit.session, [x.listing_id for x in asked.lines])}
        total = sum((x.quantity * (x.unit_price or Decimal(0)) for x in asked.lines), Decimal(0))
        currency = next(iter(rows.values())).currency
        return visit.show(
            "find/cover_confirm.html", form=form, asked=asked, rows=rows, total=Money(total, currency), orders=len(placed),
            sellers=sorted({r.seller for r in rows.values()}), hold_hours=hold_hours,
            site=await parties.own_site(visit.session, visit.actor, asked.ship_to),
            price=lambda x: Money(x.unit_price, currency),
        )  # fmt: skip

    return await submit(
        request, sent, "order.place", act, now=now, to="/orders?side=buying", again=again, confirm=confirm
    )


async def _refound(visit: Visit, session: ReadSession, form: Form) -> queries.CoveredList | None:
    """The list covered anew, for a form that was refused."""
    fields = Fields(form.values)
    needs = _needs(fields, form.value("list"))
    if fields.errors:
        return None
    return await queries.cover_list(
        session, visit.actor.company_id, needs, form.value("currency", visit.actor.currency)
    )
