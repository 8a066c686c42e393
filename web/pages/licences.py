"""The export licence of an order: asked for, there, or refused, so that either side may end the order."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.db.session import WriteSession
from marketplace.kit.errors import missing
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.sourcing import service as sourcing
from web.forms import Form
from web.pages.calls import detail
from web.session import SentForm, Visit, submit, visits

router = APIRouter(prefix="/calls", include_in_schema=False)
ReadsCalls = Annotated[Visit, visits("call.read")]


async def _page(visit: Visit, call_id: UUID, form: Form) -> Response:
    found = await detail(visit, call_id)
    if found["licence"] is None:
        raise missing("licence.not_needed", "This order takes no controlled units across a border.")
    return visit.show("calls/licence.html", **found, form=form)


@router.get("/{call_id}/licence")
async def page(visit: ReadsCalls, call_id: UUID) -> Response:
    """Why one is needed, who gets it, and what is on record."""
    return await _page(visit, call_id, Form())


@router.post("/{call_id}/licence")
async def record(request: Request, call_id: UUID, sent: SentForm, now: Now) -> Response:
    """It was asked for, is there, or was refused."""

    async def act(session: WriteSession, actor: Actor) -> dict[str, Any]:
        fields = sent.fields()
        what = fields.one_of("what", "what you record", ("asked", "number", "refused"))
        if what == "asked":
            await sourcing.ask_licence(session, actor, call_id, now)
            return {}
        if what == "refused":
            note = fields.text("note", "Who refused it and why", most=500)
            fields.check("licence.invalid", "Nothing was recorded.")
            await sourcing.refuse_licence(session, actor, call_id, note, now)
            return {}
        number = fields.text("licence", "Number of the licence", most=100)
        fields.check("licence.invalid", "Nothing was recorded.")
        await sourcing.record_licence(session, actor, call_id, number, now)
        return {}

    async def again(visit: Visit, form: Form) -> Response:
        return await _page(visit, call_id, form)

    return await submit(request, sent, "call.read", act, now=now, to=f"/calls/{call_id}?done=licence", again=again)


@router.post("/{call_id}/end-unlicensed")
async def end_unlicensed(request: Request, call_id: UUID, sent: SentForm, now: Now) -> Response:
    """Ends an order whose licence was refused."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await sourcing.end_unlicensed(session, actor, call_id, now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _page(visit, call_id, form)

    return await submit(request, sent, "call.read", act, now=now, to=f"/calls/{call_id}?done=unlicensed", again=again)
