"""JSON routes of units that are missing: what counts did not find, and what became of units."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from marketplace.agreements.missing import BECAME_WORDS, Became
from marketplace.db.requests import PageSecret, Reading, Writing, database
from marketplace.db.session import ReadSession, Tenant
from marketplace.holdings import queries, service
from marketplace.holdings.permissions import Concludes, ReadsAgreements
from marketplace.holdings.schemas import MissingOut, ShortageOut
from marketplace.kit.clock import local_day
from marketplace.kit.exports import csv_rows, csv_start
from marketplace.kit.money import amount_cell
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, Page
from marketplace.kit.wire import PageOut
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once

router = APIRouter(prefix="/holdings", tags=["holdings"])
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


@router.get("/missing-units", summary="What became of missing units")
async def missing_units(
    session: Reading,
    actor: ReadsAgreements,
    secret: PageSecret,
    agreement_id: UUID | None = None,
    after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[MissingOut]:
    """Units under agreements that left without leave, were lost or found, newest first."""
    page = await queries.missing_units(
        session, actor, secret=secret, agreement_id=agreement_id, after=after, limit=limit
    )
    return PageOut(items=[MissingOut.model_validate(r) for r in page.items], next=page.next)


@router.get("/shortages", summary="Units that counts did not find")
async def shortages(
    session: Reading,
    actor: ReadsAgreements,
    secret: PageSecret,
    now: Now,
    still_open: Annotated[bool | None, Query(description="Whether it is still to be said where units are.")] = None,
    waits: Annotated[
        queries.Waits | None, Query(description="Those that you have to explain, or that you may conclude now.")
    ] = None,
    agreement_id: UUID | None = None,
    after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[ShortageOut]:
    """Shortages that the clause calls a breach, with the date by which the holder counts again, newest first."""
    page = await queries.shortages(
        session, actor, secret=secret, still_open=still_open, waits=waits, now=now, agreement_id=agreement_id, after=after,
        limit=limit,
    )  # fmt: skip
    return PageOut(items=[ShortageOut.model_validate(r) for r in page.items], next=page.next)


# -- as files ----------------------------------------------------------------------------------------------

SHORTAGES_HEADER = (
    "Agreement", "Part number", "Manufacturer", "Holder", "Site", "Status", "On record", "Not found", "Accounted for",
    "Still missing", "Below the minimum", "At stake", "Currency", "Found on", "Say where they are by", "May be concluded from",
    "Ended", "What the agreement says",
)  # fmt: skip
MISSING_HEADER = (
    "Agreement", "Part number", "Manufacturer", "Holder", "Site", "What became of them", "Units", "Without leave",
    "Below the minimum", "Happened", "Written down", "Said by", "Owed", "Currency", "Due", "Price owed",
    "Price due", "What the agreement says", "Note",
)  # fmt: skip


def shortage_cells(r: queries.ShortageRow) -> tuple[object, ...]:
    """A shortage under ``SHORTAGES_HEADER``; days are those where the agreement counts them."""
    by = local_day(r.explain_by - timedelta(microseconds=1), r.zone)
    return (
        r.agreement, r.number, r.maker, r.holder, r.site, r.status, r.recorded, r.missing, r.answered, r.left,
        r.below_minimum, amount_cell(r.at_stake, r.currency), r.currency, local_day(r.opened_at, r.zone), by,
        local_day(r.conclude_from, r.zone), r.ended_at and local_day(r.ended_at, r.zone), r.words,
    )  # fmt: skip


def missing_cells(r: queries.MissingRow) -> tuple[object, ...]:
    """What became of units under ``MISSING_HEADER``."""
    owed, price = r.line_kind is not None, r.price
    return (
        r.agreement, r.number, r.maker, r.holder, r.site, BECAME_WORDS[Became(r.became)], r.quantity, r.without_leave,
        r.below_minimum, r.happened_at.isoformat(timespec="seconds"), r.at.isoformat(timespec="seconds"),
        r.maker if r.company_id == r.maker_id else r.holder, amount_cell(r.amount, r.currency), r.currency,
        r.due_on if owed else None, amount_cell(price.amount, r.currency) if price else None, price.due_on if price else None,
        r.told, r.note,
    )  # fmt: skip


Pages = Callable[[ReadSession, str | None], Awaitable[Page[tuple[object, ...]]]]


def _file(request: Request, actor: Actor, name: str, header: Sequence[str], page: Pages) -> StreamingResponse:
    """A whole list, streamed page by page in sessions of their own."""

    async def pages() -> AsyncIterator[str]:
        yield csv_start(header)
        after: str | None = None
        while True:
            async with database(request).read(Tenant(actor.company_id, actor.sources)) as session:
                found = await page(session, after)
            yield csv_rows(found.items)
            after = found.next
            if after is None:
                return

    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    return StreamingResponse(pages(), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/shortages.csv", summary="Units that counts did not find, as CSV", response_class=StreamingResponse)
async def shortages_file(
    request: Request,
    actor: ReadsAgreements,
    secret: PageSecret,
    now: Now,
    still_open: bool | None = None,
    waits: queries.Waits | None = None,
    agreement_id: UUID | None = None,
) -> StreamingResponse:
    """The whole list; cells that a spreadsheet would run as formulas are written as text."""

    async def page(session: ReadSession, after: str | None) -> Page[tuple[object, ...]]:
        found = await queries.shortages(
            session, actor, secret=secret, still_open=still_open, waits=waits, now=now, agreement_id=agreement_id, after=after,
            limit=MAX_PAGE,
        )  # fmt: skip
        return found.map(shortage_cells)

    return _file(request, actor, "shortages", SHORTAGES_HEADER, page)


@router.get("/missing-units.csv", summary="What became of missing units, as CSV", response_class=StreamingResponse)
async def missing_file(
    request: Request, actor: ReadsAgreements, secret: PageSecret, agreement_id: UUID | None = None
) -> StreamingResponse:
    """The whole list; cells that a spreadsheet would run as formulas are written as text."""

    async def page(session: ReadSession, after: str | None) -> Page[tuple[object, ...]]:
        found = await queries.missing_units(
            session, actor, secret=secret, agreement_id=agreement_id, after=after, limit=MAX_PAGE
        )
        return found.map(missing_cells)

    return _file(request, actor, "missing-units", MISSING_HEADER, page)


@router.post("/shortages/{shortage_id}/conclude", status_code=201, summary="Conclude that units are gone without leave")
async def conclude(
    session: Writing, actor: Concludes, shortage_id: UUID, now: Now, key: IdempotencyKey = None
) -> MissingOut:
    """For the manufacturer, once the holder's time to say where they are, and to make good, has run."""

    async def act() -> Any:
        return MissingOut.model_validate(await service.conclude_shortage(session, actor, shortage_id, now))

    answer = await once(session, actor, key, f"holdings.conclude:{shortage_id}", {}, act)
    return MissingOut.model_validate(answer.content)
