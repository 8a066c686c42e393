"""JSON routes of safeguards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from marketplace.db.requests import PageSecret, Reading, Writing, database
from marketplace.db.session import ReadSession, Tenant
from marketplace.kit.exports import csv_rows, csv_start
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, cut, read_bookmark
from marketplace.kit.wire import PageOut
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once
from marketplace.safeguards import queries, service
from marketplace.safeguards.interest_kinds import KINDS
from marketplace.safeguards.permissions import KeepsSafeguards, ReadsSafeguards
from marketplace.safeguards.queries import InsolvencyRow, InterestFilter, InterestRow
from marketplace.safeguards.schemas import (
    EndInterestIn,
    HeldAgreementOut,
    InsolvencyDetailOut,
    InsolvencyIn,
    InsolvencyNoteIn,
    InsolvencyNoteOut,
    InsolvencyOut,
    InterestStanding,
    LiftIn,
    SecurityInterestIn,
    SecurityInterestOut,
)

router = APIRouter(tags=["safeguards"])
Standing = Annotated[bool | None, Query(description="Only those that stand; false: only those that were lifted.")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]

# -- insolvencies --------------------------------------------------------------------------------------------

INSOLVENCY_COLUMNS: Final = (
    "Company", "Code", "Stands", "Since", "Reason", "Source", "In charge of the estate", "Recorded", "Agreements found",
    "Under legal hold by it", "Lifted", "Why lifted",
)  # fmt: skip


def insolvency_cells(r: InsolvencyRow) -> tuple[object, ...]:
    """One row of the file."""
    return (
        r.company, r.code, "yes" if r.stands else "no", r.opened_on, r.reason, r.source, r.administrator,
        r.recorded_at.isoformat(timespec="seconds"), r.found, r.holds,
        r.lifted_at.isoformat(timespec="seconds") if r.lifted_at else "", r.lift_reason or "",
    )  # fmt: skip


async def insolvency_page(
    session: ReadSession, actor: Actor, standing: bool | None, after: str | None, limit: int, secret: str
) -> tuple[list[InsolvencyRow], str | None]:
    """Up to ``limit`` records behind a bookmark, and the next bookmark. Raises ``page.bookmark``."""
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.insolvencies(
        session, actor.company_id, standing=standing, after=mark[0] if mark else None, limit=limit + 1
    )
    page = cut(rows, limit, lambda r: [r.id], secret)
    return list(page.items), page.next


@router.get("/insolvencies", summary="Companies on your record as insolvent")
async def insolvencies(
    session: Reading, actor: ReadsSafeguards, secret: PageSecret, standing: Standing = None, after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[InsolvencyOut]:  # fmt: skip
    """Your company's records, newest first. Nobody else reads them; the holder sees the legal hold and its reason."""
    rows, following = await insolvency_page(session, actor, standing, after, limit, secret)
    return PageOut(items=[InsolvencyOut.model_validate(r) for r in rows], next=following)


@router.get(
    "/insolvencies.csv", summary="Companies on your record as insolvent, as CSV", response_class=StreamingResponse
)
async def insolvencies_csv(
    request: Request, actor: ReadsSafeguards, secret: PageSecret, standing: Standing = None
) -> StreamingResponse:
    """The whole list, streamed; cells that a spreadsheet would run as formulas are written as text."""

    async def pages() -> AsyncIterator[str]:
        yield csv_start(INSOLVENCY_COLUMNS)
        after: str | None = None
        # The request's own session is closed before the body is sent.
        async with database(request).read(Tenant(actor.company_id, actor.sources)) as session:
            while True:
                rows, after = await insolvency_page(session, actor, standing, after, MAX_PAGE, secret)
                yield csv_rows(insolvency_cells(r) for r in rows)
                if after is None:
                    return

    headers = {"content-disposition": 'attachment; filename="insolvencies.csv"'}
    return StreamingResponse(pages(), media_type="text/csv; charset=utf-8", headers=headers)


async def _insolvency(session: ReadSession | Writing, actor: Actor, insolvency_id: UUID) -> InsolvencyDetailOut:
    row = await queries.insolvency(session, actor.company_id, insolvency_id)
    return InsolvencyDetailOut(
        **InsolvencyOut.model_validate(row).model_dump(),
        notes=[InsolvencyNoteOut.model_validate(n) for n in await queries.insolvency_notes(session, insolvency_id)],
        agreements=[HeldAgreementOut.model_validate(h) for h in await queries.holds(session, insolvency_id)],
    )


@router.get("/insolvencies/{insolvency_id}", summary="One record of an insolvency")
async def insolvency(session: Reading, actor: ReadsSafeguards, insolvency_id: UUID) -> InsolvencyDetailOut:
    """With what became known later, and the agreements that it found."""
    return await _insolvency(session, actor, insolvency_id)


@router.post("/insolvencies", status_code=201, summary="Record that a holder is insolvent")
async def record_insolvency(
    session: Writing, actor: KeepsSafeguards, given: InsolvencyIn, now: Now, key: IdempotencyKey = None
) -> InsolvencyDetailOut:
    """In the same transaction every agreement with it that is not over comes under legal hold: nothing under it ships, is
    answered or decided by silence, no time runs, and its units cover nothing. Its orders are not accepted meanwhile."""

    async def act() -> Any:
        made = await service.record_insolvency(session, actor, **given.model_dump(), now=now)
        return await _insolvency(session, actor, made.id)

    answer = await once(session, actor, key, "insolvencies.record", given.model_dump(mode="json"), act)
    return InsolvencyDetailOut.model_validate(answer.content)


@router.post("/insolvencies/{insolvency_id}/notes", status_code=201, summary="Add to a record of an insolvency")
async def note_insolvency(
    session: Writing, actor: KeepsSafeguards, insolvency_id: UUID, given: InsolvencyNoteIn, now: Now,
    key: IdempotencyKey = None,
) -> InsolvencyDetailOut:  # fmt: skip
    """What became known later, and who is in charge of the estate now. Nothing that was written is changed."""

    async def act() -> Any:
        await service.note_insolvency(
            session, actor, insolvency_id, text=given.note, administrator=given.administrator, now=now
        )
        return await _insolvency(session, actor, insolvency_id)

    inputs = {"insolvency_id": insolvency_id, **given.model_dump()}
    answer = await once(session, actor, key, "insolvencies.note", inputs, act)
    return InsolvencyDetailOut.model_validate(answer.content)


@router.post("/insolvencies/{insolvency_id}/lift", summary="Lift a record of an insolvency")
async def lift_insolvency(
    session: Writing, actor: KeepsSafeguards, insolvency_id: UUID, given: LiftIn, now: Now, key: IdempotencyKey = None
) -> InsolvencyDetailOut:
    """With it the legal holds end that it set, and no other. Deadlines move by the time they stood still."""

    async def act() -> Any:
        await service.lift_insolvency(session, actor, insolvency_id, reason=given.reason, now=now)
        return await _insolvency(session, actor, insolvency_id)

    inputs = {"insolvency_id": insolvency_id, **given.model_dump()}
    answer = await once(session, actor, key, "insolvencies.lift", inputs, act, status=200)
    return InsolvencyDetailOut.model_validate(answer.content)


# -- security interests --------------------------------------------------------------------------------------

INTEREST_COLUMNS: Final = (
    "Company", "Agreement", "Kind", "Register", "Number", "Filed", "Lapses", "Standing", "Note", "Recorded", "Ended",
    "Why ended",
)  # fmt: skip


def interest_cells(r: InterestRow, today: date) -> tuple[object, ...]:
    """One row of the file."""
    return (
        r.company, r.agreement or "all", KINDS[r.kind], r.filed_with, r.number, r.filed_on, r.expires_on or "",
        r.standing(today), r.note, r.recorded_at.isoformat(timespec="seconds"),
        r.ended_at.isoformat(timespec="seconds") if r.ended_at else "", r.end_reason or "",
    )  # fmt: skip


def _interest(row: InterestRow, today: date) -> SecurityInterestOut:
    fields = {n: getattr(row, n) for n in SecurityInterestOut.model_fields if n != "standing"}
    return SecurityInterestOut.model_validate({**fields, "standing": row.standing(today)})


async def interest_page(
    session: ReadSession, actor: Actor, wanted: InterestFilter, today: date, after: str | None, limit: int, secret: str
) -> tuple[list[InterestRow], str | None]:
    """Up to ``limit`` interests behind a bookmark, and the next bookmark. Raises ``page.bookmark``."""
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.security_interests(
        session, actor.company_id, wanted, today, after=mark[0] if mark else None, limit=limit + 1
    )
    page = cut(rows, limit, lambda r: [r.id], secret)
    return list(page.items), page.next


@router.get("/security-interests", summary="Your security interests")
async def security_interests(
    session: Reading, actor: ReadsSafeguards, secret: PageSecret, now: Now, company_id: UUID | None = None,
    agreement_id: UUID | None = None, standing: InterestStanding | None = None, after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[SecurityInterestOut]:  # fmt: skip
    """Newest first. Of one agreement also those for all with its holder. Nobody else reads them. When one lapses is in the
    calendar, and you are reminded."""
    wanted = InterestFilter(company_id, agreement_id, standing)
    rows, following = await interest_page(session, actor, wanted, now.date(), after, limit, secret)
    return PageOut(items=[_interest(r, now.date()) for r in rows], next=following)


@router.get("/security-interests.csv", summary="Your security interests, as CSV", response_class=StreamingResponse)
async def security_interests_csv(
    request: Request, actor: ReadsSafeguards, secret: PageSecret, now: Now, company_id: UUID | None = None,
    agreement_id: UUID | None = None, standing: InterestStanding | None = None,
) -> StreamingResponse:  # fmt: skip
    """The whole list, streamed; cells that a spreadsheet would run as formulas are written as text."""
    wanted, today = InterestFilter(company_id, agreement_id, standing), now.date()

    async def pages() -> AsyncIterator[str]:
        yield csv_start(INTEREST_COLUMNS)
        after: str | None = None
        # The request's own session is closed before the body is sent.
        async with database(request).read(Tenant(actor.company_id, actor.sources)) as session:
            while True:
                rows, after = await interest_page(session, actor, wanted, today, after, MAX_PAGE, secret)
                yield csv_rows(interest_cells(r, today) for r in rows)
                if after is None:
                    return

    headers = {"content-disposition": 'attachment; filename="security-interests.csv"'}
    return StreamingResponse(pages(), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/security-interests/{interest_id}", summary="One security interest")
async def security_interest(
    session: Reading, actor: ReadsSafeguards, interest_id: UUID, now: Now
) -> SecurityInterestOut:
    """As it stands."""
    return _interest(await queries.security_interest(session, actor.company_id, interest_id), now.date())


@router.post("/security-interests", status_code=201, summary="Record a security interest")
async def record_interest(
    session: Writing, actor: KeepsSafeguards, given: SecurityInterestIn, now: Now, key: IdempotencyKey = None
) -> SecurityInterestOut:
    """In the units of one agreement, or of all with a holder. One that continues another ends that one."""

    async def act() -> Any:
        fields = given.model_dump(exclude={"note"})
        made = await service.record_interest(session, actor, **fields, text=given.note, now=now)
        return _interest(await queries.security_interest(session, actor.company_id, made), now.date())

    answer = await once(session, actor, key, "security-interests.record", given.model_dump(mode="json"), act)
    return SecurityInterestOut.model_validate(answer.content)


@router.post("/security-interests/{interest_id}/end", summary="End a security interest")
async def end_interest(
    session: Writing, actor: KeepsSafeguards, interest_id: UUID, given: EndInterestIn, now: Now,
    key: IdempotencyKey = None,
) -> SecurityInterestOut:  # fmt: skip
    """Paid, released or given up. The record stays."""

    async def act() -> Any:
        await service.end_interest(session, actor, interest_id, reason=given.reason, now=now)
        return _interest(await queries.security_interest(session, actor.company_id, interest_id), now.date())

    inputs = {"interest_id": interest_id, **given.model_dump()}
    answer = await once(session, actor, key, "security-interests.end", inputs, act, status=200)
    return SecurityInterestOut.model_validate(answer.content)
