"""JSON routes of quality holds and recalls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import datetime
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
from marketplace.recalls import queries, service
from marketplace.recalls.permissions import Answers, Orders, ReadsRecalls
from marketplace.recalls.queries import HolderRow, RecallRow, StoppedUnit
from marketplace.recalls.schemas import (
    HolderOut,
    LiftOut,
    PreviewIn,
    PreviewOut,
    ReachOut,
    RecallAnswerIn,
    RecallDetailOut,
    RecallIn,
    RecallLiftIn,
    RecallOut,
    StoppedUnitOut,
)
from marketplace.recalls.scope import DISPOSITION_WORDS, KIND_WORDS, PROGRESS_WORDS, Answer

router = APIRouter(prefix="/recalls", tags=["recalls"])
Standing = Annotated[bool | None, Query(description="Only those that stand; false: only those that were lifted.")]
Waits = Annotated[bool | None, Query(description="Only those that wait for your company's answer.")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]

RECALL_COLUMNS: Final = (
    "Reference", "Kind", "Maker", "Part", "Which units", "Reason", "What to do", "Document", "In force since", "Answer by",
    "Lots", "Not lifted yet", "Companies", "Answered", "Overdue", "Lifted",
)  # fmt: skip
HOLDER_COLUMNS: Final = (
    "Company", "Progress", "Lots", "At sites", "Sites", "Reserved", "Under way", "In machines", "Used before", "Told", "Read",
    "Answer by", "Answered", "Asked", "Found", "Set aside", "Used before by its answer", "Used on", "Not here", "Note",
)  # fmt: skip
UNIT_COLUMNS: Final = ("Serial", "Batch", "Quantity", "Held by", "Place", "Stopped", "Lifted", "Lot")


def _time(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""


def recall_cells(r: RecallRow) -> tuple[object, ...]:
    """One row of the file."""
    return (
        r.reference, KIND_WORDS[r.kind], r.maker, r.number, r.scope.words, r.reason, r.instruction, r.document, _time(r.put_at),
        _time(r.last_day), r.lots, r.standing, r.holders, r.answered, r.overdue, _time(r.ended_at),
    )  # fmt: skip


def holder_cells(r: HolderRow, now: datetime) -> tuple[object, ...]:
    """One row of the file."""
    a, reach = r.answer, r.reach
    said = (r.asked, a.found, a.set_aside, a.used_before, a.used_on or "", a.not_here, a.note) if a else ("",) * 7
    return (
        r.holder, PROGRESS_WORDS[r.progress(now)], reach.lots, reach.units, reach.sites, reach.reserved, reach.under_way, reach.installed,
        reach.used_up, _time(r.told_at), _time(r.read_at), _time(r.answer_by), _time(r.answered_at), *said,
    )  # fmt: skip


def unit_cells(r: StoppedUnit) -> tuple[object, ...]:
    """One row of the file."""
    place = "in transit" if r.in_transit else r.site or ""
    return (
        r.serial or "", r.batch or "", r.quantity, r.holder, place, _time(r.at), DISPOSITION_WORDS[r.lifted] if r.lifted else "",
        r.lot_id,
    )  # fmt: skip


async def recall_page(
    session: ReadSession, actor: Actor, now: datetime, standing: bool | None, waits: bool | None, after: str | None, limit: int,
    secret: str,
) -> tuple[list[RecallRow], str | None]:  # fmt: skip
    """Up to ``limit`` holds behind a bookmark, and the next bookmark. Raises ``page.bookmark``."""
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.recalls(
        session, actor, now, standing=standing, waits=waits, after=mark[0] if mark else None, limit=limit + 1
    )
    page = cut(rows, limit, lambda r: [r.id], secret)
    return list(page.items), page.next


async def holder_page(
    session: ReadSession, actor: Actor, recall_id: UUID, after: str | None, limit: int, secret: str
) -> tuple[list[HolderRow], str | None]:
    """Up to ``limit`` companies behind a bookmark, and the next bookmark. Raises ``page.bookmark``."""
    mark = read_bookmark(after, secret, str)
    rows = await queries.holders(
        session, actor, recall_id, secret=secret, after=mark[0] if mark else None, limit=limit + 1
    )
    page = cut(rows, limit, lambda r: [r.mark], secret)
    return list(page.items), page.next


async def unit_page(
    session: ReadSession, actor: Actor, recall_id: UUID, after: str | None, limit: int, secret: str
) -> tuple[list[StoppedUnit], str | None]:
    """Up to ``limit`` lots behind a bookmark, and the next bookmark. Raises ``page.bookmark``."""
    mark = read_bookmark(after, secret, UUID, int)
    rows = await queries.units(session, actor, recall_id, after=(mark[0], mark[1]) if mark else None, limit=limit + 1)
    page = cut(rows, limit, lambda r: [r.lot_id, r.place], secret)
    return list(page.items), page.next


More = Callable[[ReadSession, str | None], Awaitable[tuple[Iterable[Sequence[object]], str | None]]]


def _file(request: Request, actor: Actor, name: str, header: Sequence[str], more: More) -> StreamingResponse:
    async def pages() -> AsyncIterator[str]:
        yield csv_start(header)
        after: str | None = None
        while True:
            # The request's own session is closed before the body is sent.
            async with database(request).read(Tenant(actor.company_id, actor.sources)) as session:
                rows, after = await more(session, after)
            yield csv_rows(rows)
            if after is None:
                return

    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    return StreamingResponse(pages(), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("", summary="Quality holds and recalls")
async def recalls(
    session: Reading, actor: ReadsRecalls, secret: PageSecret, now: Now, standing: Standing = None, waits: Waits = None,
    after: str | None = None, limit: Limit = DEFAULT_PAGE,
) -> PageOut[RecallOut]:  # fmt: skip
    """Those that your company put in force, and those of units that it has or had; newest first."""
    rows, following = await recall_page(session, actor, now, standing, waits, after, limit, secret)
    return PageOut(items=[RecallOut.of(r) for r in rows], next=following)


@router.get(".csv", summary="Quality holds and recalls, as CSV", response_class=StreamingResponse)
async def recalls_csv(
    request: Request, actor: ReadsRecalls, secret: PageSecret, now: Now, standing: Standing = None, waits: Waits = None
) -> StreamingResponse:
    """The whole list, streamed."""

    async def more(session: ReadSession, after: str | None) -> tuple[Iterable[Sequence[object]], str | None]:
        rows, following = await recall_page(session, actor, now, standing, waits, after, MAX_PAGE, secret)
        return [recall_cells(r) for r in rows], following

    return _file(request, actor, "recalls", RECALL_COLUMNS, more)


@router.post("/preview", summary="What a quality hold or recall would stop")
async def preview(session: Writing, actor: Orders, given: PreviewIn) -> PreviewOut:
    """How many units at how many companies and sites, reserved, under way or fitted. Changes nothing."""
    holders, reach = await service.look_ahead(session, actor, given.part_id, given.scope())
    return PreviewOut(holders=holders, reach=ReachOut.model_validate(reach))


@router.post("", status_code=201, summary="Put a quality hold or recall in force")
async def put_in_force(
    session: Writing, actor: Orders, given: RecallIn, now: Now, key: IdempotencyKey = None
) -> RecallDetailOut:
    """Every unit of it is stopped wherever it is, also what comes on record later; everybody who has or had such units is told
    and asked what they found."""

    async def act() -> Any:
        made = await service.put_in_force(
            session, actor, part_id=given.part_id, scope=given.scope(), kind=given.kind, reason=given.reason,
            instruction=given.instruction, document=given.document, answer_by=given.answer_by, now=now,
        )  # fmt: skip
        return await _detail(session, actor, made.id, now)

    answer = await once(session, actor, key, "recalls.put", given.model_dump(mode="json"), act)
    return RecallDetailOut.model_validate(answer.content)


async def _detail(session: ReadSession, actor: Actor, recall_id: UUID, now: datetime) -> RecallDetailOut:
    row = await queries.recall(session, actor, recall_id, now)
    own = await queries.own_part(session, actor, recall_id)
    return RecallDetailOut(
        **RecallOut.of(row).model_dump(),
        lifts=[LiftOut.model_validate(w) for w in await queries.lifts(session, recall_id)],
        own=HolderOut.of(own, now) if own else None,
    )


@router.get("/{recall_id}", summary="One quality hold or recall")
async def recall(session: Reading, actor: ReadsRecalls, recall_id: UUID, now: Now) -> RecallDetailOut:
    """What it stops, why, what to do, how far it is, and what was lifted."""
    return await _detail(session, actor, recall_id, now)


@router.get("/{recall_id}/holders", summary="Whom it concerns, and how far each is")
async def holders(
    session: Reading, actor: ReadsRecalls, recall_id: UUID, secret: PageSecret, now: Now, after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[HolderOut]:  # fmt: skip
    """To its maker every company that has or had such units; to a holder itself alone."""
    rows, following = await holder_page(session, actor, recall_id, after, limit, secret)
    await queries.recall(session, actor, recall_id, now)
    return PageOut(items=[HolderOut.of(r, now) for r in rows], next=following)


@router.get("/{recall_id}/holders.csv", summary="Whom it concerns, as CSV", response_class=StreamingResponse)
async def holders_csv(
    request: Request, session: Reading, actor: ReadsRecalls, recall_id: UUID, secret: PageSecret, now: Now
) -> StreamingResponse:
    """The whole list, streamed."""
    found = await queries.recall(session, actor, recall_id, now)

    async def more(session: ReadSession, after: str | None) -> tuple[Iterable[Sequence[object]], str | None]:
        rows, following = await holder_page(session, actor, recall_id, after, MAX_PAGE, secret)
        return [holder_cells(r, now) for r in rows], following

    return _file(request, actor, f"{found.reference}-holders", HOLDER_COLUMNS, more)


@router.get("/{recall_id}/units", summary="Units that it stops")
async def units(
    session: Reading, actor: ReadsRecalls, recall_id: UUID, secret: PageSecret, now: Now, after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[StoppedUnitOut]:  # fmt: skip
    """Those that you may see: to a holder those that it has or had, to the maker those in which it has or had a right."""
    rows, following = await unit_page(session, actor, recall_id, after, limit, secret)
    await queries.recall(session, actor, recall_id, now)
    return PageOut(items=[StoppedUnitOut.model_validate(r) for r in rows], next=following)


@router.get("/{recall_id}/units.csv", summary="Units that it stops, as CSV", response_class=StreamingResponse)
async def units_csv(
    request: Request, session: Reading, actor: ReadsRecalls, recall_id: UUID, secret: PageSecret, now: Now
) -> StreamingResponse:
    """The whole list, streamed."""
    found = await queries.recall(session, actor, recall_id, now)

    async def more(session: ReadSession, after: str | None) -> tuple[Iterable[Sequence[object]], str | None]:
        rows, following = await unit_page(session, actor, recall_id, after, MAX_PAGE, secret)
        return [unit_cells(r) for r in rows], following

    return _file(request, actor, f"{found.reference}-units", UNIT_COLUMNS, more)


@router.post("/{recall_id}/answers", status_code=201, summary="Say what you found")
async def answer(
    session: Writing, actor: Answers, recall_id: UUID, given: RecallAnswerIn, now: Now, key: IdempotencyKey = None
) -> RecallDetailOut:
    """How many of those you are asked about were found and set aside, used before, or are not here. A further answer stands
    beside the first; the newest counts."""

    async def act() -> Any:
        await service.answer(session, actor, recall_id, Answer(**given.model_dump()), now=now)
        return await _detail(session, actor, recall_id, now)

    inputs = {"recall_id": recall_id, **given.model_dump(mode="json")}
    done = await once(session, actor, key, "recalls.answer", inputs, act)
    return RecallDetailOut.model_validate(done.content)


@router.post("/{recall_id}/lift", summary="Lift a quality hold or recall")
async def lift(
    session: Writing, actor: Orders, recall_id: UUID, given: RecallLiftIn, now: Now, key: IdempotencyKey = None
) -> RecallDetailOut:
    """As a whole, or for the units named. Every holder is told; what another hold covers stays stopped."""

    async def act() -> Any:
        await service.lift(
            session, actor, recall_id, given.scope(), disposition=given.disposition, reason=given.reason, now=now
        )
        return await _detail(session, actor, recall_id, now)

    inputs = {"recall_id": recall_id, **given.model_dump(mode="json")}
    done = await once(session, actor, key, "recalls.lift", inputs, act, status=200)
    return RecallDetailOut.model_validate(done.content)
