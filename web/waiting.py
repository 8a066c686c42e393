"""How many things wait for a person, by the navigation item they belong to. One statement for each domain."""

from __future__ import annotations

from marketplace.db.session import ReadSession
from marketplace.orders import queries as orders
from marketplace.parties.actor import Actor
from marketplace.sourcing import queries as sourcing


async def counters(session: ReadSession, actor: Actor) -> dict[str, int]:
    """The numbers for ``Shell.counters``; only of what the actor may see."""
    found: dict[str, int] = {}
    if actor.may("order.read"):
        found["orders"] = await orders.waiting(session, actor.company_id)
    waits = await sourcing.waiting(session, actor)
    if actor.may("call.answer"):
        found["calls"] = waits["calls"]
    arriving = waits["arriving"] if actor.may("call.receive") else 0
    approvals = waits["approvals"] if actor.may("sourcing.approve") else 0
    if actor.may("sourcing.read"):
        found["requests"] = arriving + approvals
    return found
