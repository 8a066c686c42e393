"""Ending an agreement for breach: the defaults of the other side to choose from, and what ends, before anything is pressed."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.agreements import queries as agreements
from marketplace.db.session import WriteSession
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.sourcing import service as sourcing
from marketplace.sourcing.defaults import Cause
from web.forms import Form
from web.session import SentForm, Visit, submit, visits

router = APIRouter(prefix="/agreements", include_in_schema=False)
Signs = Annotated[Visit, visits("agreement.sign")]
LABELS: Final = {"default": "What the other side is in default with", "reason": "What you say to it"}


async def _page(visit: Visit, agreement_id: UUID, form: Form) -> Response:
    found = await agreements.agreement(visit.session, visit.actor, agreement_id)
    row = found.row
    breach = await sourcing.breach_of(visit.session, visit.actor, agreement_id, visit.now)
    names = {row.maker_id: row.maker, row.holder_id: row.holder}
    return visit.show(
        "agreements/end.html", form=form, row=row, breach=breach, labels=LABELS, second=found.terms.generation == 2,
        choices=[(f"{d.cause.value}/{d.reference}", d.words, "") for d in breach.defaults],
        owed=[(names.get(payer, ""), money) for payer, money in breach.owed],
        other=row.holder if visit.actor.company_id == row.maker_id else row.maker,
    )  # fmt: skip


@router.get("/{agreement_id}/end")
async def end_page(visit: Signs, agreement_id: UUID) -> Response:
    """The defaults of the other side, and what an end for one of them would end."""
    return await _page(visit, agreement_id, Form())


@router.post("/{agreement_id}/end")
async def end(request: Request, agreement_id: UUID, sent: SentForm, now: Now) -> Response:
    """Ends the agreement at once."""

    async def act(session: WriteSession, actor: Actor) -> None:
        fields = sent.fields()
        chosen = fields.text("default", LABELS["default"], most=60)
        reason = fields.text("reason", LABELS["reason"], most=500)
        fields.check("breach.invalid", "Nothing was ended.")
        cause, _, reference = chosen.partition("/")
        await sourcing.end_for_breach(
            session, actor, agreement_id, cause=Cause(cause) if cause in set(Cause) else Cause.ORDER, reference=reference,
            reason=reason, now=now,
        )  # fmt: skip

    async def again(visit: Visit, form: Form) -> Response:
        return await _page(visit, agreement_id, form)

    return await submit(
        request, sent, "agreement.sign", act, now=now, to=f"/agreements/{agreement_id}?done=breach", again=again
    )
