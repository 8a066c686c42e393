"""JSON routes of agreements and sites that ask about orders back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter

from marketplace.agreements.schemas import AcceptedOut, SignIn
from marketplace.db.requests import Reading, Writing
from marketplace.kit.errors import missing
from marketplace.kit.wire import Done
from marketplace.parties import queries as parties
from marketplace.parties.permissions import IdempotencyKey, ManagesCompany, Now, ReadsCompany
from marketplace.parties.service import once, once_done
from marketplace.sourcing import queries, service
from marketplace.sourcing.permissions import (
    EndsAgreements,
    ReadsBreaches,
)
from marketplace.sourcing.schemas.back import (
    BreachOut,
    DefaultOut,
    EndedOut,
    EndForBreachIn,
    OwedOut,
    OwnDefaultOut,
)
from marketplace.sourcing.schemas.calls import (
    ContactOut,
)

company = APIRouter(tags=["company"])
ending = APIRouter(prefix="/agreements", tags=["agreements"])


@company.get("/sites/{site_id}/contacts", summary="Whom to ring at a site")
async def contacts(session: Reading, actor: ReadsCompany, site_id: UUID) -> list[ContactOut]:
    """Of your own sites and those of companies that you deal with. Where a maker hides its holders, of theirs only once
    an order back was sent there."""
    site = await parties.site(session, site_id)
    if not await queries.may_ring(session, actor, site_id, site.company_id):
        raise missing("site.not_found", "No such site.")
    return [ContactOut.model_validate(c) for c in await parties.contacts(session, [site_id])]


@company.post("/sites/{site_id}/close", summary="Close a site")
async def close_site(
    session: Writing, actor: ManagesCompany, site_id: UUID, now: Now, key: IdempotencyKey = None
) -> Done:
    """Nothing can be sent there any more; its history stays. Refused while units lie there or are to come."""
    given = {"site_id": site_id}
    return await once_done(
        session, actor, key, "sites.close", given, lambda: service.close_site(session, actor, site_id, now)
    )


@ending.get("/{agreement_id}/end-for-breach", summary="What an end for breach would rest on and end")
async def breach(session: Reading, actor: ReadsBreaches, agreement_id: UUID, now: Now) -> BreachOut:
    """Defaults of the other side, what would end, and what your own side has missed, as things stand."""
    found = await service.breach_of(session, actor, agreement_id, now)
    return BreachOut(
        defaults=[DefaultOut.model_validate(d) for d in found.defaults], units=found.units, on_the_way=found.on_the_way,
        orders=list(found.orders),
        own=[OwnDefaultOut.model_validate(d) for d in found.own],
        owed=[OwedOut(payer_id=payer, amount=money.amount, currency=money.currency) for payer, money in found.owed],
    )  # fmt: skip


@ending.post("/{agreement_id}/end-for-breach", summary="End an agreement for breach")
async def end_for_breach(
    session: Writing,
    actor: EndsAgreements,
    agreement_id: UUID,
    given: EndForBreachIn,
    now: Now,
    key: IdempotencyKey = None,
) -> EndedOut:
    """By notice that names a default of the other side: the right and orders that are not yet with the carrier end at once."""

    async def act() -> Any:
        done = await service.end_for_breach(
            session, actor, agreement_id, cause=given.cause, reference=given.reference, reason=given.reason, now=now
        )
        return EndedOut.model_validate(done)

    inputs = {"agreement_id": agreement_id, **given.model_dump()}
    return EndedOut.model_validate(
        (await once(session, actor, key, "agreements.breach", inputs, act, status=200)).content
    )


@ending.post("/proposals/{proposal_id}/sign", summary="Sign a proposal of the other side")
async def sign_proposal(
    session: Writing, actor: EndsAgreements, proposal_id: UUID, now: Now, given: SignIn | None = None,
    key: IdempotencyKey = None,
) -> AcceptedOut:  # fmt: skip
    """Carries it out. A change not while units are reserved, on the way or waiting for inspection under the agreement. An end
    ends what waits as well: orders back that are not with the carrier yet, notices and requests to sell on; not while units are
    on the way or waiting for inspection, or reserved for a buyer."""
    sha256 = given.wording_sha256 if given else None

    async def act() -> Any:
        return AcceptedOut.model_validate(
            await service.sign_proposal(session, actor, proposal_id, now, wording_sha256=sha256)
        )

    inputs = {"proposal_id": proposal_id, "wording_sha256": sha256}
    answer = await once(session, actor, key, "agreements.accept_proposal", inputs, act, status=200)
    return AcceptedOut.model_validate(answer.content)
