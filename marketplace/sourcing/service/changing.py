"""Changing a parts request at any stage, its consequences for orders known before."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from marketplace.db.session import WriteSession, acting_for, execute
from marketplace.kit.canonical import encode
from marketplace.kit.errors import conflict, invalid, missing
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor, OnBehalf
from marketplace.sourcing import queries
from marketplace.sourcing.candidates import URGENCIES
from marketplace.sourcing.changing import Consequences, Placed, consequences
from marketplace.sourcing.service.ordering import bound_both, end_these, tell_cancelled
from marketplace.sourcing.service.requesting import MAX_QUANTITY
from marketplace.sourcing.states import CAME_TO_NOTHING, OPEN


@dataclass(frozen=True, slots=True)
class Change:
    """What a request should say; None leaves as it is."""

    quantity: int | None = None
    needed_by: datetime | None = None
    urgency: str | None = None
    destination_site_id: UUID | None = None
    job_number: str | None = None
    machine_model: str | None = None
    machine_serial: str | None = None
    substitutes: bool | None = None
    complete_only: bool | None = None
    kit: str | None = None


async def change_request(
    session: WriteSession, actor: Actor, requisition_id: UUID, change: Change, now: datetime, *, dry_run: bool = False
) -> Consequences:
    """Changes a request of the actor's own company, and takes back the orders that no longer fit and bind nobody. Orders that stay
    keep the time and urgency that they were given with. With ``dry_run`` only what it would do is answered.

    Raises ``requisition.closed``, ``requisition.unchanged``, ``requisition.quantity`` (fewer than are here or on the way),
    ``requisition.needed_by``, ``requisition.urgency``, ``site.not_found``, ``requisition.awaiting_approval``."""
    found = await queries.requisition_for_update(session, requisition_id)
    if found.company_id != actor.company_id:
        raise missing("requisition.not_found", "No such parts request of your company.")
    if found.status in ("closed", "cancelled"):
        raise conflict("requisition.closed", "This parts request has ended; nothing was changed. Raise another.")
    if found.status == "awaiting_approval":
        raise conflict(
            "requisition.awaiting_approval",
            "Its orders wait for an approver, who agrees to them as they are. Change it once that is decided, or cancel it.",
        )
    given = {k: v.strip() if isinstance(v, str) else v for k, v in asdict(change).items() if v is not None}
    after = {k: v for k, v in given.items() if v != getattr(found, k)}
    if not after:
        raise invalid("requisition.unchanged", "That is what the request says already.")
    await _check(session, actor, found, after, now)
    moves = "destination_site_id" in after
    async with acting_for(session, found.maker_id):
        calls = await queries.calls(session, found.maker_id, requisition_id=found.id, limit=500)
        counting = [c for c in reversed(calls) if c.status not in CAME_TO_NOTHING]
        bound = {c.id for c in await bound_both(session, counting, now)}
        came = {c.id: c.quantity if c.inspected_good is None else c.inspected_good for c in counting}
        orders = [
            Placed(c.id, c.reference, c.holder if c.named_to(actor) else "its holder", came[c.id], c.id in bound or c.status not in OPEN)
            for c in counting
        ]  # fmt: skip
        result = consequences(orders, wanted=int(after.get("quantity", found.quantity)), moves=moves)
        if dry_run:
            return result
        back = {o.id for o in result.taken_back}
        ended = await end_these(
            session, OnBehalf(actor.user_id, found.maker_id), [c for c in counting if c.id in back], "changed", now
        )
        for call in ended:
            await tell_cancelled(session, call)
    columns = ", ".join(f"{name} = ${n}" for n, name in enumerate(after, 2))
    await execute(session, f"UPDATE requisition SET {columns} WHERE id = $1", requisition_id, *after.values())
    left = sum(o.quantity for o in orders if o.id not in back)
    if found.status == "ordered" and not left:
        await execute(session, "UPDATE requisition SET status = 'open' WHERE id = $1", requisition_id)
    before: dict[str, Any] = {k: getattr(found, k) for k in after}
    await execute(
        session,
        "INSERT INTO requisition_change (requisition_id, company_id, maker_id, changed_by, changed_at, before, after) "
        "VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb)",
        requisition_id, found.company_id, found.maker_id, actor.user_id, now, encode(before).decode(),
        encode(after).decode(),
    )  # fmt: skip
    return result


async def _check(
    session: WriteSession, actor: Actor, found: queries.RequisitionRow, after: dict[str, Any], now: datetime
) -> None:
    if "quantity" in after:
        least = max(found.received + found.on_the_way, 1)
        if not least <= after["quantity"] <= MAX_QUANTITY:
            already = f" {least:,} are here or on the way already." if least > 1 else ""
            raise invalid(
                "requisition.quantity", f"Ask for {least:,} to {MAX_QUANTITY:,} {found.uom}.{already}", field="quantity"
            )
        limit = (await queries.scope(session, actor)).limits.get(found.maker_id)
        if limit and after["quantity"] > limit.quantity:
            words = f"Your delegation from this maker allows at most {limit.quantity} units a request."
            raise conflict("requisition.delegation", words, field="quantity", available=limit.quantity)
    if "needed_by" in after and after["needed_by"] < now - timedelta(hours=1):
        raise invalid("requisition.needed_by", "The time it is needed by lies in the past.", field="needed_by")
    if "urgency" in after and after["urgency"] not in URGENCIES:
        raise invalid("requisition.urgency", f"Choose an urgency: {', '.join(URGENCIES)}.", field="urgency")
    if "destination_site_id" in after:
        await parties.site_for_share(session, actor, after["destination_site_id"])
