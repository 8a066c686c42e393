"""The holder's own right to sell units back: giving it, and where the manufacturer has them sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.agreements import phrases
from marketplace.agreements import queries as agreements
from marketplace.db.session import WriteSession
from marketplace.kit.errors import missing
from marketplace.kit.money import Money
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.sourcing import queries
from marketplace.sourcing import service as sourcing
from marketplace.sourcing.service import Offered, Sellable
from web.forms import Form
from web.pages.calls import detail
from web.session import Sent, SentForm, Visit, submit, visits

router = APIRouter(include_in_schema=False)
Signs = Annotated[Visit, visits("agreement.sign")]
Asks = Annotated[Visit, visits("sourcing.request")]
LABELS: Final = {"place": "Which units", "quantity": "Quantity", "site": "Site"}
SITES_SHOWN: Final = 500


async def _context(visit: Visit, agreement_id: UUID) -> dict[str, Any]:
    found = await agreements.agreement(visit.session, visit.actor, agreement_id)
    rows = await sourcing.sellable(visit.session, visit.actor, agreement_id, visit.now)
    return {
        "row": found.row,
        "rows": rows,
        "conditions": CONDITION_WORDS,
        "places": [(_key(s), _words(s)) for s in rows if s.can],
        "labels": LABELS,
    }


def _key(s: Sellable) -> str:
    return f"{s.row.part_id}/{s.row.site_id}/{s.row.condition}"


def _words(s: Sellable) -> str:
    r = s.row
    return f"{r.part_number}, {CONDITION_WORDS[r.condition].lower()}, at {r.site}: up to {s.can:,}"


def _offered(agreement_id: UUID, sent: Sent, rows: Sequence[Sellable]) -> Offered:
    fields = sent.fields()
    key = fields.one_of("place", "which units", [_key(s) for s in rows])
    quantity = fields.whole("quantity", LABELS["quantity"], low=1)
    fields.check("put.invalid", "Nothing was sold back.")
    row = next(s.row for s in rows if _key(s) == key)
    return Offered(agreement_id, row.part_id, row.site_id, row.condition, quantity)


@router.get("/agreements/{agreement_id}/sell-back")
async def sell_back_page(visit: Signs, agreement_id: UUID) -> Response:
    """What can be sold back now, at what price, and the form for it."""
    return visit.show("agreements/sell_back.html", form=Form(), **await _context(visit, agreement_id))


@router.post("/agreements/{agreement_id}/sell-back")
async def sell_back(request: Request, agreement_id: UUID, sent: SentForm, now: Now) -> Response:
    """Shows what it will do; once confirmed, gives notice."""

    async def act(session: WriteSession, actor: Actor) -> dict[str, Any]:
        rows = await sourcing.sellable(session, actor, agreement_id, now)
        offered = _offered(agreement_id, sent, rows)
        call_id = await sourcing.sell_back(session, actor, offered, now)
        call = await queries.call(session, call_id)
        price = Money(call.unit_price, call.currency)
        return {
            "id": str(call_id), "quantity": call.quantity, "uom": call.uom, "part": call.part_number, "site": call.site or "",
            "price": str(price), "total": str(price * call.quantity), "why": " ".join(map(str, call.reasons)),
            "ship": phrases.deadline(call.ship_by, call.zone) if call.ship_by else "",
            "name": phrases.deadline(call.acknowledge_by, call.zone) if call.acknowledge_by else "", "to": call.destination or "",
        }  # fmt: skip

    async def again(visit: Visit, form: Form) -> Response:
        return visit.show("agreements/sell_back.html", form=form, **await _context(visit, agreement_id))

    async def confirm(visit: Visit, form: Form, outcome: dict[str, Any]) -> Response:
        context = await _context(visit, agreement_id)
        return visit.show("agreements/sell_back_confirm.html", form=form, made=outcome, **context)

    return await submit(
        request, sent, "agreement.sign", act, now=now, to=lambda made: f"/calls/{made['id']}?done=sell-back", again=again,
        confirm=confirm,
    )  # fmt: skip


async def _destination_page(visit: Visit, call_id: UUID, form: Form) -> Response:
    found = await detail(visit, call_id)
    if "destination" not in {s.key for s in found["steps"]} and not form.bad:
        raise missing("put.state", "Nothing is to be said about this order now.")
    own = await parties.sites(visit.session, visit.actor, limit=SITES_SHOWN)
    sites = [(str(s.id), f"{s.name}, {s.place}") for s in own]
    return visit.show("calls/destination.html", **found, form=form, sites=sites, labels=LABELS)


@router.get("/calls/{call_id}/destination")
async def destination_page(visit: Asks, call_id: UUID) -> Response:
    """Where units that are sold back go."""
    return await _destination_page(visit, call_id, Form())


@router.post("/calls/{call_id}/destination")
async def destination(request: Request, call_id: UUID, sent: SentForm, now: Now) -> Response:
    """One of the manufacturer's sites."""

    async def act(session: WriteSession, actor: Actor) -> None:
        fields = sent.fields()
        site = fields.id("site", "the site")
        fields.check("put.invalid", "Nothing was recorded.")
        await sourcing.name_destination(session, actor, call_id, site, now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _destination_page(visit, call_id, form)

    return await submit(
        request, sent, "sourcing.request", act, now=now, to=f"/calls/{call_id}?done=destination", again=again
    )
