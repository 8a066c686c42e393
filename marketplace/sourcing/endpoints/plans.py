"""JSON routes of sourcing: many parts requests at once, plans over many, rates."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Query

from marketplace.db.requests import PageSecret, Reading, Writing
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, cut, read_bookmark
from marketplace.kit.wire import Made, PageOut
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once
from marketplace.sourcing import many, queries, service
from marketplace.sourcing.permissions import ReadsSourcing, Requests, StatesRates
from marketplace.sourcing.schemas.plans import (
    BulkIn,
    BulkOut,
    ChangedOut,
    ChangeIn,
    ConfirmedOut,
    ManyOut,
    PlanIn,
    PlanLine,
    RateIn,
    RateOut,
)

sourcing = APIRouter(prefix="/sourcing", tags=["sourcing"])


@sourcing.post("/requests/bulk", status_code=201, summary="Raise many parts requests at once")
async def raise_many(session: Writing, actor: Requests, given: BulkIn, now: Now, key: IdempotencyKey = None) -> BulkOut:
    """Up to 1,000 rows in one transaction. One bad row stops all of them, and the refusal names every bad row with every reason;
    with `good_rows` the others are stored."""

    async def act() -> dict[str, Any]:
        rows = [r.row() for r in given.rows]
        ids, left = await service.raise_many(session, actor, rows, now, good_rows=given.mode == "good_rows")
        return BulkOut.of(ids, left, rows).model_dump(mode="json")

    return BulkOut.model_validate((await once(session, actor, key, "requests.bulk", given.model_dump(), act)).content)


@sourcing.post("/requests/{requisition_id}/change", summary="Change a parts request")
async def change_request(
    session: Writing, actor: Requests, requisition_id: UUID, given: ChangeIn, now: Now, key: IdempotencyKey = None
) -> ChangedOut:
    """At any stage until it has ended. Orders that no longer fit are taken back where nobody is bound to them yet; the others stay
    and are named."""

    async def act() -> dict[str, Any]:
        change = service.Change(**given.model_dump(exclude={"dry_run"}))
        done = await service.change_request(session, actor, requisition_id, change, now, dry_run=given.dry_run)
        return {
            "taken_back": [asdict(o) for o in done.taken_back], "staying": [asdict(o) for o in done.staying],
            "too_many": done.too_many, "lacking": done.lacking, "words": done.words,
        }  # fmt: skip

    what = f"requests.change:{requisition_id}"
    answer = await once(session, actor, key, what, given.model_dump(), act, status=200)
    return ChangedOut.model_validate(answer.content)


@sourcing.post("/plans", status_code=201, summary="Plan many parts requests together")
async def make_plan(session: Writing, actor: Requests, given: PlanIn, now: Now, key: IdempotencyKey = None) -> ManyOut:
    """What to order from whom, with the reasons, the next best, and what stays unmet. Nothing is ordered or reserved. With
    `dry_run` nothing is kept either: that is how to ask what if."""

    async def act() -> dict[str, Any]:
        ids = given.requests or await queries.unplanned(session, actor.company_id, limit=service.MOST_REQUESTS)
        asked = given.rules.asked()
        if given.dry_run:
            return ManyOut.model_validate(await service.plan_many(session, actor, ids, asked, now)).model_dump(
                mode="json"
            )
        made, shown = await service.make_plan(session, actor, ids, asked, now)
        return ManyOut.model_validate({**shown, "id": made}).model_dump(mode="json")

    return ManyOut.model_validate((await once(session, actor, key, "plans.make", given.model_dump(), act)).content)


@sourcing.get("/plans", summary="Your plans over many parts requests")
async def plans(
    session: Reading,
    secret: PageSecret,
    actor: ReadsSourcing,
    after: str | None = None,
    limit: int = Query(DEFAULT_PAGE, ge=1, le=MAX_PAGE),
) -> PageOut[PlanLine]:
    """Newest first."""
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.plans(session, actor.company_id, after=mark[0] if mark else None, limit=limit + 1)
    page = cut(rows, limit, lambda r: [r.id], secret)
    return PageOut(items=[PlanLine.of(r) for r in page.items], next=page.next)


@sourcing.get("/plans/{plan_id}", summary="A plan as it was made")
async def kept_plan(session: Reading, actor: ReadsSourcing, plan_id: UUID) -> ManyOut:
    """And what came of it."""
    row = await queries.kept_plan(session, plan_id)
    return ManyOut.model_validate(
        {
            **many.for_reader(row.shown or {}, actor.masked),
            "id": row.id,
            "confirmed_at": row.confirmed_at,
            "calls": row.calls,
        }
    )


@sourcing.post("/plans/{plan_id}/confirm", summary="Order everything that a plan says")
async def confirm_plan(
    session: Writing, actor: Requests, plan_id: UUID, now: Now, key: IdempotencyKey = None
) -> ConfirmedOut:
    """All orders and reservations in one transaction, exactly as they were shown. Where something cannot be had like that any more
    nothing is ordered, and the refusal carries the plan as it would be now (`plan`)."""

    async def act() -> dict[str, Any]:
        return await service.confirm_plan(session, actor, plan_id, now)

    answer = await once(session, actor, key, f"plans.confirm:{plan_id}", {}, act, status=200)
    return ConfirmedOut.model_validate(answer.content)


@sourcing.post("/rates", status_code=201, summary="Record a rate between two currencies")
async def record_rate(
    session: Writing, actor: StatesRates, given: RateIn, now: Now, key: IdempotencyKey = None
) -> Made:
    """For administrators. A fact with its day and source: it is never changed, a newer one of the same day counts instead. Plans
    compare prices by the newest of the last 31 days."""

    async def act() -> dict[str, Any]:
        return {"id": await service.record_rate(session, actor, now=now, **given.model_dump())}

    return Made.model_validate((await once(session, actor, key, "rates.record", given.model_dump(), act)).content)


@sourcing.get("/rates", summary="The newest rates into your currency")
async def rates(session: Reading, actor: ReadsSourcing, now: Now) -> list[RateOut]:
    """One for each currency."""
    found = await queries.newest_rates(session, actor.company_id, actor.currency, now.date())
    return [RateOut.model_validate(r, from_attributes=True) for _, r in sorted(found.items())]
