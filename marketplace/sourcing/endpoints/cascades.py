"""JSON routes of sourcing: what happens by itself when an order back comes to nothing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter

from marketplace.db.requests import Reading, Writing
from marketplace.kit.wire import Made
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once
from marketplace.sourcing import queries, service
from marketplace.sourcing.cascading import Rule
from marketplace.sourcing.permissions import ReadsSourcing, StatesCascades
from marketplace.sourcing.schemas.calls import Urgency
from marketplace.sourcing.schemas.cascades import CascadeOut, CascadeRuleIn, CascadeRuleOut

sourcing = APIRouter(prefix="/sourcing", tags=["sourcing"])


@sourcing.get("/cascade", summary="What happens when an order back comes to nothing")
async def rules(session: Reading, actor: ReadsSourcing) -> list[CascadeRuleOut]:
    """Your company's rule for each urgency, the most urgent first: whether the next best source is proposed or ordered at once."""
    found = await queries.cascade_rules(session, actor.company_id)
    return [CascadeRuleOut(urgency=urgency, **rule.kept(), words=rule.words) for urgency, rule in found.items()]


@sourcing.put("/cascade/{urgency}", summary="Say what happens when an order back comes to nothing")
async def state_rule(
    session: Writing,
    actor: StatesCascades,
    urgency: Urgency,
    given: CascadeRuleIn,
    now: Now,
    key: IdempotencyKey = None,
) -> Made:
    """For administrators of a manufacturer. Counts for what comes to nothing from now on: a refusal, no answer in time, a default, a
    loss. What is ordered by itself respects the limit of whoever asked for the units, and never goes to a holder of whom an order for
    the same request came to nothing before."""

    async def act() -> dict[str, Any]:
        return {"id": await service.state_rule(session, actor, urgency, Rule(**given.model_dump()), now)}

    answer = await once(session, actor, key, f"cascade.rule:{urgency}", given.model_dump(), act, status=200)
    return Made.model_validate(answer.content)


@sourcing.get(
    "/requests/{requisition_id}/cascade", summary="What came to nothing of a parts request, and what followed"
)
async def chain(session: Reading, actor: ReadsSourcing, requisition_id: UUID) -> list[CascadeOut]:
    """In the order in which it happened; at most the newest 100."""
    await queries.requisition(session, requisition_id)
    return [CascadeOut.of(row) for row in await queries.chain(session, requisition_id)]
