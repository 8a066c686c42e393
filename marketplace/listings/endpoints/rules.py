"""JSON routes: finding what to release, protected parts, many lines at once, and a second person's word."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from marketplace.db.requests import PageSecret, Reading, Writing
from marketplace.kit.errors import missing
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, cut, read_bookmark
from marketplace.kit.wire import Done, Made, PageOut
from marketplace.ledger.kinds import Condition
from marketplace.listings import queries, service
from marketplace.listings.permissions import ReadsReleases, StatesLimits, WritesReleases
from marketplace.listings.schemas.rules import (
    MOST_MONTHS,
    AnswerIn,
    ApprovalOut,
    CandidateOut,
    CandidateTotalsOut,
    FormulaIn,
    FormulaOut,
    LimitIn,
    LimitOut,
    ProtectedOut,
    ProtectIn,
    ProtectionOut,
    RulesIn,
    TakeIn,
    TakenOut,
)
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once, once_done

router = APIRouter(tags=["listings"])
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


def amount_of(text: str) -> Decimal:
    """An amount in a bookmark. Raises ``ValueError``."""
    try:
        amount = Decimal(text)
    except (InvalidOperation, TypeError):
        raise ValueError(text) from None
    if not amount.is_finite():
        raise ValueError(text)
    return amount


def _asked(
    idle_months: Annotated[int | None, Query(ge=1, le=MOST_MONTHS)] = None,
    older_months: Annotated[int | None, Query(ge=1, le=MOST_MONTHS)] = None,
    least_value: Annotated[Decimal | None, Query(ge=0, le=10**12)] = None,
    least_months: Annotated[int | None, Query(ge=1, le=12_000)] = None,
    class_code: Annotated[str | None, Query(max_length=40)] = None,
    site_id: UUID | None = None,
    condition: Condition | None = None,
    number: Annotated[str | None, Query(max_length=80)] = None,
) -> RulesIn:
    # Each was checked as a parameter.
    return RulesIn.model_construct(
        idle_months=idle_months, older_months=older_months, least_value=least_value, least_months=least_months, class_code=class_code,
        site_id=site_id, condition=condition, number=number,
    )  # fmt: skip


Asked = Annotated[RulesIn, Depends(_asked)]


@router.get("/candidates", summary="What of your stock could be released, the most money first")
async def candidates(
    session: Reading, actor: ReadsReleases, secret: PageSecret, now: Now, asked: Asked, after: str | None = None, limit: Limit = DEFAULT_PAGE
) -> PageOut[CandidateOut]:  # fmt: skip
    """Own free stock that no posting offers and nobody protects, as the rules describe it."""
    mark = read_bookmark(after, secret, amount_of, UUID, UUID, str)
    key = (mark[0], mark[1], mark[2], mark[3]) if mark else None
    rows = await queries.candidates(session, actor.company_id, asked.rules(now.date(), now), after=key, limit=limit + 1)
    page = cut(rows, limit, lambda r: [str(r.value), r.part_id, r.site_id, r.condition], secret)
    return PageOut(items=[CandidateOut.model_validate(r) for r in page.items], next=page.next)


@router.get("/candidates/totals", summary="What the rules describe in all")
async def candidate_totals(session: Reading, actor: ReadsReleases, now: Now, asked: Asked) -> CandidateTotalsOut:
    """Lines, units and value."""
    found = await queries.candidate_totals(session, actor.company_id, asked.rules(now.date(), now))
    return CandidateTotalsOut.model_validate(found)


@router.post("/releases/{release_id}/candidates", summary="Take what the rules describe into a draft")
async def take(
    session: Writing, actor: WritesReleases, release_id: UUID, given: TakeIn, now: Now, key: IdempotencyKey = None
) -> TakenOut:
    """All or nothing; all that is free of each, at a percentage of its list price."""

    async def act() -> dict[str, Any]:
        rules = given.rules.rules(now.date(), now)
        return {
            "added": await service.offer_candidates(
                session, actor, release_id, rules, given.keys, percent=given.percent
            )
        }

    answer = await once(
        session, actor, key, f"releases.candidates:{release_id}", given.model_dump(mode="json"), act, status=200
    )
    return TakenOut.model_validate(answer.content)


@router.post("/releases/{release_id}/formula", summary="Change many lines of a draft by one rule")
async def formula(
    session: Writing, actor: WritesReleases, release_id: UUID, given: FormulaIn, key: IdempotencyKey = None
) -> FormulaOut:
    """All or nothing."""

    async def act() -> dict[str, Any]:
        done = await service.change_by_formula(session, actor, release_id, given.formula(), given.listing_ids)
        return {"changed": len(done), "without_base": sum(bool(x.why_not) for x in done)}

    answer = await once(
        session, actor, key, f"releases.formula:{release_id}", given.model_dump(mode="json"), act, status=200
    )
    return FormulaOut.model_validate(answer.content)


@router.get("/protected-parts", summary="Parts that you never release")
async def protected_parts(
    session: Reading, actor: ReadsReleases, secret: PageSecret, after: str | None = None, limit: Limit = DEFAULT_PAGE
) -> PageOut[ProtectionOut]:
    """As they were stated, newest first; those that a stock file protects stand with the stock."""
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.protections(session, actor.company_id, after=mark[0] if mark else None, limit=limit + 1)
    page = cut(rows, limit, lambda r: [r.id], secret)
    return PageOut(items=[ProtectionOut.model_validate(r) for r in page.items], next=page.next)


@router.post("/protected-parts", status_code=201, summary="Protect parts from ever being released")
async def protect(
    session: Writing, actor: WritesReleases, given: ProtectIn, now: Now, key: IdempotencyKey = None
) -> ProtectedOut:
    """What is on offer is withdrawn first."""

    async def act() -> dict[str, Any]:
        return {"added": await service.protect(session, actor, given.part_ids, given.reason, now)}

    answer = await once(session, actor, key, "protected-parts", given.model_dump(mode="json"), act)
    return ProtectedOut.model_validate(answer.content)


@router.post("/protected-parts/{protection_id}/end", summary="Let a protected part be released again")
async def end_protection(
    session: Writing, actor: WritesReleases, protection_id: UUID, now: Now, key: IdempotencyKey = None
) -> Done:
    """That it was protected, and why, stays on record."""
    return await once_done(
        session, actor, key, f"protected-parts.end:{protection_id}", {},
        lambda: service.end_protection(session, actor, protection_id, now),
    )  # fmt: skip


@router.get("/release-limit", summary="Above which value another person approves a posting")
async def limit(session: Reading, actor: ReadsReleases) -> LimitOut:
    """Null: nobody has to."""
    return LimitOut(amount=await queries.release_limit(session, actor.company_id))


@router.put("/release-limit", summary="State that limit")
async def state_limit(
    session: Writing, actor: StatesLimits, given: LimitIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """From now on; what is out stays out."""
    return await once_done(
        session, actor, key, "release-limit", given.model_dump(mode="json"),
        lambda: service.state_limit(session, actor, given.amount, now),
    )  # fmt: skip


@router.get("/releases/{release_id}/approvals", summary="What was asked about a posting, and the answers")
async def approvals(session: Reading, actor: ReadsReleases, release_id: UUID) -> list[ApprovalOut]:
    """Of a posting of your own; newest first, at most twenty."""
    if (await queries.release(session, release_id)).company_id != actor.company_id:
        raise missing("release.not_found", "No such surplus posting of yours.")
    return [ApprovalOut.model_validate(r) for r in await queries.approvals(session, actor.company_id, release_id)]


@router.post("/releases/{release_id}/approvals", status_code=201, summary="Ask another person to approve a draft")
async def ask(session: Writing, actor: WritesReleases, release_id: UUID, now: Now, key: IdempotencyKey = None) -> Made:
    """Needed above the company's limit. A change afterwards needs another word."""

    async def act() -> dict[str, Any]:
        return {"id": await service.ask_approval(session, actor, release_id, now)}

    return Made.model_validate((await once(session, actor, key, f"releases.ask:{release_id}", {}, act)).content)


@router.post(
    "/releases/{release_id}/approvals/answer", summary="Approve a draft that somebody else asked about, or not"
)
async def answer(
    session: Writing, actor: WritesReleases, release_id: UUID, given: AnswerIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """For just what it offers now."""
    return await once_done(
        session, actor, key, f"releases.answer:{release_id}", given.model_dump(),
        lambda: service.answer_approval(session, actor, release_id, approved=given.approved, reason=given.reason, now=now),
    )  # fmt: skip
