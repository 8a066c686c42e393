"""What somebody writes to the other side on an order back; the thread stands on the order's page."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.db.session import WriteSession
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.sourcing import service
from web.forms import Form
from web.pages.calls import show_call
from web.session import SentForm, Visit, submit

router = APIRouter(prefix="/calls", include_in_schema=False)


@router.post("/{call_id}/messages")
async def write(request: Request, sent: SentForm, call_id: UUID, now: Now) -> Response:
    """Adds a message; a refused one is shown again under the thread."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        # As browsers send it, a line break is two characters.
        text = str(sent.values.get("text", "")).replace("\r\n", "\n")
        return await service.write_message(session, actor, call_id, text, now)

    async def again(visit: Visit, form: Form) -> Response:
        return await show_call(visit, call_id, form)

    return await submit(request, sent, "call.message", act, now=now, to=f"/calls/{call_id}#write", again=again)
