"""Orders that do not come in time, or at all: seen, in default, bought elsewhere, lost on the road."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.db.session import WriteSession
from marketplace.kit.errors import missing
from marketplace.kit.money import Money
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.sourcing import queries
from marketplace.sourcing import service as sourcing
from web.forms import Form
from web.pages.calls import detail
from web.session import SentForm, Visit, submit, visits

router = APIRouter(prefix="/calls", include_in_schema=False)
Asks = Annotated[Visit, visits("sourcing.request")]
ReadsCalls = Annotated[Visit, visits("call.read")]
LABELS: Final = {"unit_price": "Price of one unit elsewhere", "document": "Invoice number"}


async def _cover_page(visit: Visit, call_id: UUID, form: Form) -> Response:
    found = await detail(visit, call_id)
    if found["call"].status != "defaulted" and not await queries.ended_in_default(visit.session, call_id):
        raise missing("cover.not_default", "This order is not in default: there is nothing to cover.")
    return visit.show("calls/cover.html", **found, form=form, labels=LABELS)


@router.get("/{call_id}/cover")
async def cover_page(visit: Asks, call_id: UUID) -> Response:
    """What the units cost elsewhere."""
    return await _cover_page(visit, call_id, Form())


@router.post("/{call_id}/cover")
async def cover(request: Request, call_id: UUID, sent: SentForm, now: Now) -> Response:
    """The order ends; what the clause has the holder pay is owed."""

    async def act(session: WriteSession, actor: Actor) -> None:
        fields = sent.fields()
        price = fields.amount("unit_price", LABELS["unit_price"])
        document = fields.text("document", LABELS["document"], most=100)
        fields.check("cover.invalid", "Nothing was recorded.")
        call = await queries.call(session, call_id)
        await sourcing.buy_elsewhere(
            session, actor, call_id, unit_price=Money(price, call.currency), document=document, now=now
        )

    async def again(visit: Visit, form: Form) -> Response:
        return await _cover_page(visit, call_id, form)

    return await submit(request, sent, "sourcing.request", act, now=now, to=f"/calls/{call_id}?done=cover", again=again)


@router.post("/{call_id}/acknowledge")
async def acknowledge(request: Request, call_id: UUID, sent: SentForm, now: Now) -> Response:
    """The holder has seen the order."""

    async def act(session: WriteSession, actor: Actor) -> dict[str, Any]:
        await sourcing.acknowledge(session, actor, call_id, now)
        return {}

    return await submit(request, sent, "call.answer", act, now=now, to=f"/calls/{call_id}?done=acknowledge")


async def _lost_page(visit: Visit, call_id: UUID, form: Form) -> Response:
    found = await detail(visit, call_id)
    if "lost" not in {step.key for step in found["steps"]} and not form.bad:
        raise missing("call.not_on_the_way", "Only units that are on the way can be lost on it.")
    return visit.show(
        "calls/lost.html", **found, form=form, risk=await sourcing.risk_words(visit.session, found["call"])
    )


@router.get("/{call_id}/lost")
async def lost_page(visit: ReadsCalls, call_id: UUID) -> Response:
    """What is known of it, and what follows."""
    return await _lost_page(visit, call_id, Form())


@router.post("/{call_id}/lost")
async def lost(request: Request, call_id: UUID, sent: SentForm, now: Now) -> Response:
    """The order ends; who bore the risk pays."""

    async def act(session: WriteSession, actor: Actor) -> dict[str, Any]:
        fields = sent.fields()
        note = fields.text("note", "What is known", most=1_000)
        fields.check("call.lost_note", "Nothing was recorded.")
        await sourcing.report_lost(session, actor, call_id, note=note, now=now)
        return {}

    async def again(visit: Visit, form: Form) -> Response:
        return await _lost_page(visit, call_id, form)

    return await submit(request, sent, "call.read", act, now=now, to=f"/calls/{call_id}?done=lost", again=again)
