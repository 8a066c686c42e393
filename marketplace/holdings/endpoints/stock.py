"""JSON routes of what a company holds, and of what it does with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from marketplace.agreements.evaluation import split
from marketplace.agreements.terms import ClauseName
from marketplace.db.requests import PageSecret, Reading, Writing, database
from marketplace.db.session import Tenant, WriteSession
from marketplace.holdings import queries, service
from marketplace.holdings.permissions import (
    ActsOnHoldings,
    CorrectsLedger,
    FreezesUnits,
    ReadsStock,
)
from marketplace.holdings.queries import HoldingFilter
from marketplace.holdings.schemas import (
    ClauseTotalOut,
    CorrectedOut,
    CorrectIn,
    CountedOut,
    CountIn,
    DoneOut,
    FrozenOut,
    HoldingDetailOut,
    HoldingOut,
    InstallIn,
    LinePlaceOut,
    MissingIn,
    MissingOut,
    MoveIn,
    RightOut,
    ScrapIn,
    SelectionIn,
    StockLineOut,
    UseIn,
    Which,
    WithdrawalOut,
)
from marketplace.holdings.service import AtSite, Done, ExactLine, Selection, Target, WhatBecame
from marketplace.kit.exports import csv_rows, csv_start
from marketplace.kit.ids import command_id
from marketplace.kit.money import amount_cell
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE
from marketplace.kit.wire import Moment, PageOut
from marketplace.ledger.kinds import CONDITION_WORDS, Condition
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once

router = APIRouter(prefix="/holdings", tags=["holdings"])
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


def _filter(
    number: Annotated[str | None, Query(max_length=80, description="A part number or its beginning.")] = None,
    part_id: UUID | None = None,
    site_id: UUID | None = None,
    condition: Condition | None = None,
    clause: ClauseName | None = None,
    agreement_id: UUID | None = None,
    encumbered: Annotated[bool | None, Query(description="Whether somebody has a right in the units.")] = None,
    not_counted_since: Moment | None = None,
) -> HoldingFilter:
    return HoldingFilter(number, part_id, site_id, condition, clause, agreement_id, encumbered, not_counted_since)


Wanted = Annotated[HoldingFilter, Depends(_filter)]


@router.get("", summary="What you hold")
async def what_we_hold(
    session: Reading,
    actor: ReadsStock,
    secret: PageSecret,
    wanted: Wanted,
    after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[HoldingOut]:
    """Units by part number and place, with who may order them back and when they were last counted."""
    page = await queries.what_we_hold(session, actor, wanted, after=after, limit=limit, secret=secret)
    return PageOut(items=[HoldingOut.of(r) for r in page.items], next=page.next)


EXPORT_HEADER = (
    "Part number", "Description", "Maker", "Site", "Condition", "Quantity", "Unit", "Reserved", "Quality hold",
    "Being counted", "Free", "Agreement", "Clause", "May be ordered back by", "Until", "Last counted", "Stock file of", "Value", "Currency",
)  # fmt: skip


@router.get(".csv", summary="What you hold, as CSV", response_class=StreamingResponse)
async def export(request: Request, actor: ReadsStock, secret: PageSecret, wanted: Wanted) -> StreamingResponse:
    """The whole list, streamed; cells that a spreadsheet would run as formulas are written as text."""

    async def pages() -> AsyncIterator[str]:
        yield csv_start(EXPORT_HEADER)
        after: str | None = None
        # The request's own session is closed before the body is sent.
        async with database(request).read(Tenant(actor.company_id, actor.sources)) as session:
            while True:
                page = await queries.what_we_hold(session, actor, wanted, after=after, limit=MAX_PAGE, secret=secret)
                yield csv_rows(export_cells(r) for r in page.items)
                after = page.next
                if after is None:
                    return

    headers = {"content-disposition": 'attachment; filename="holdings.csv"'}
    return StreamingResponse(pages(), media_type="text/csv; charset=utf-8", headers=headers)


def export_cells(r: queries.HoldingRow) -> tuple[object, ...]:
    """A row of what is held as it stands in an export, under ``EXPORT_HEADER``."""
    return (
        r.number, r.description, r.maker, r.site or "in transit", CONDITION_WORDS[r.condition], r.quantity, r.uom, r.held,
        r.frozen, r.withdrawn, r.free, r.agreement, r.sentence, r.beneficiary,
        r.window_closes_at and r.window_closes_at.date(), r.counted_at and r.counted_at.date(), r.snapshot_on,
        amount_cell(r.value, r.currency), r.currency,
    )  # fmt: skip


@router.get("/totals", summary="What you hold, by clause")
async def totals(session: Reading, actor: ReadsStock) -> list[ClauseTotalOut]:
    """Units, lots, parts and value by clause and currency."""
    return [ClauseTotalOut.model_validate(t) for t in await queries.totals_by_clause(session, actor)]


@router.get("/lines", summary="Exact stock lines")
async def lines(
    session: Reading,
    actor: ReadsStock,
    secret: PageSecret,
    wanted: Wanted,
    after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[StockLineOut]:
    """Lots and serial-numbered units, one line for each place."""
    page = await queries.stock_lines(session, actor, wanted, after=after, limit=limit, secret=secret)
    seen = await queries.confirmed(session, [(r.lot_id, r.position_id) for r in page.items])
    items = []
    for r in page.items:
        known = seen.get((r.lot_id, r.position_id))
        told = {"confirmed_at": known.at, "confirmed_by": known.by} if known else {}
        items.append(StockLineOut.model_validate(r).model_copy(update=told))
    return PageOut(items=items, next=page.next)


@router.get("/withdrawals", summary="Units waiting for a count")
async def withdrawals(session: Reading, actor: ReadsStock) -> list[WithdrawalOut]:
    """Units said not to be on the shelf that you hold or may order back, oldest first, at most 200."""
    return [WithdrawalOut.of(w) for w in await queries.withdrawals_open(session, actor)]


@router.get("/lots/{lot_id}", summary="One unit or lot, and what bears on it")
async def lot(session: Reading, actor: ReadsStock, lot_id: UUID, now: Now) -> HoldingDetailOut:
    """Where it is, what each agreement on it says now, when it was last counted, and what is being looked for."""
    return _detail(await queries.holding(session, actor, lot_id), now)


def _detail(found: queries.Holding, now: datetime) -> HoldingDetailOut:
    unit = found.unit
    lines = []
    for line in unit.lines:
        count = found.counts.get(line.site_id) if line.site_id else None
        known = found.confirmed.get((unit.lot_id, line.position_id))
        age = {"confirmed_at": known.at, "confirmed_by": known.by} if known else {}
        lines.append(LinePlaceOut.of(line, count.counted_at if count else None).model_copy(update=age))
    rights = []
    for covered in found.covered.values():
        told = covered.agreement_id not in found.untold
        stands = split(covered.terms, covered.facts, now)
        rights.append(
            RightOut(
                agreement_id=covered.agreement_id if told else None,
                agreement=covered.reference if told else None,
                status=covered.status,
                badge=covered.badge.short,
                sentence=covered.badge.sentence,
                remaining=stands.remaining,
                callable=stands.callable,
                words=stands.words,
            )
        )
    return HoldingDetailOut(
        lot_id=unit.lot_id,
        part_id=unit.part_id,
        number=unit.part_number,
        description=unit.description,
        maker=unit.maker,
        serial=unit.serial,
        batch=unit.batch,
        uom=unit.uom,
        frozen=unit.frozen,
        expires_on=unit.expires_on if isinstance(unit.expires_on, date) else None,
        lines=lines,
        rights=rights,
        withdrawals=[WithdrawalOut.of(w) for w in found.withdrawals],
    )


# -- acts ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Call:
    """What every writing route of holdings carries."""

    session: WriteSession
    actor: Actor
    key: str | None
    now: datetime

    def command(self, route: str) -> UUID | None:
        """The ledger command that belongs to the idempotency key, where there is one."""
        return command_id(route, self.actor.company_id, self.key) if self.key else None


def _call(session: Writing, actor: ActsOnHoldings, now: Now, key: IdempotencyKey = None) -> _Call:
    return _Call(session, actor, key, now)


def _freezing(session: Writing, actor: FreezesUnits, now: Now, key: IdempotencyKey = None) -> _Call:
    return _Call(session, actor, key, now)


def _correcting(session: Writing, actor: CorrectsLedger, now: Now, key: IdempotencyKey = None) -> _Call:
    return _Call(session, actor, key, now)


Acting = Annotated[_Call, Depends(_call, scope="function")]
Freezing = Annotated[_Call, Depends(_freezing, scope="function")]
Correcting = Annotated[_Call, Depends(_correcting, scope="function")]


def _target(given: Which) -> Target:
    if given.lot_id is not None and given.position_id is not None:
        return ExactLine(given.lot_id, given.position_id)
    assert given.part_id is not None and given.site_id is not None  # noqa: S101, PT018 - the schema saw to it
    return AtSite(given.part_id, given.site_id, given.condition, given.serial)


async def _once(call: _Call, route: str, given: Which, act: Callable[[], Awaitable[Done]]) -> DoneOut:
    async def answer() -> Any:
        return DoneOut.model_validate(await act())

    done = await once(call.session, call.actor, call.key, route, given.model_dump(), answer)
    return DoneOut.model_validate(done.content)


@router.post("/moves", status_code=201, summary="Move units between your sites")
async def move(call: Acting, given: MoveIn) -> DoneOut:
    """The right on the units goes with them."""
    return await _once(
        call, "holdings.move", given,
        lambda: service.move(
            call.session, call.actor, _target(given), given.quantity, given.to_site_id, now=call.now,
            command_id=call.command("holdings.move"), note=given.note, occurred_at=given.occurred_at, licence=given.licence,
        ),
    )  # fmt: skip


@router.post("/uses", status_code=201, summary="Issue units to production")
async def use(call: Acting, given: UseIn) -> DoneOut:
    """The units are used up."""
    return await _once(
        call, "holdings.use", given,
        lambda: service.use_up(
            call.session, call.actor, _target(given), given.quantity, now=call.now,
            command_id=call.command("holdings.use"), note=given.note, occurred_at=given.occurred_at,
        ),
    )  # fmt: skip


@router.post("/installs", status_code=201, summary="Fit units into a machine")
async def install(call: Acting, given: InstallIn) -> DoneOut:
    """Names the machine the units went into."""
    return await _once(
        call, "holdings.install", given,
        lambda: service.install(
            call.session, call.actor, _target(given), given.quantity, given.machine, now=call.now,
            command_id=call.command("holdings.install"), note=given.note, occurred_at=given.occurred_at,
        ),
    )  # fmt: skip


@router.post("/scraps", status_code=201, summary="Scrap units")
async def scrap(call: Acting, given: ScrapIn) -> DoneOut:
    """Where the clause wants the units offered first, give notice under the agreement."""
    return await _once(
        call, "holdings.scrap", given,
        lambda: service.scrap(
            call.session, call.actor, _target(given), given.quantity, given.reason, now=call.now,
            command_id=call.command("holdings.scrap"), note=given.note, occurred_at=given.occurred_at,
        ),
    )  # fmt: skip


@router.post("/counts", status_code=201, summary="Record a count")
async def count(call: Acting, given: CountIn) -> CountedOut:
    """Differences in your own loose units are adjusted; other units that are missing leave availability until they
    are found. Nobody is held at fault by a count."""

    async def act() -> Any:
        return CountedOut.model_validate(
            await service.count(
                call.session, call.actor, given.site_id, given.part_id, given.counted, now=call.now,
                command_id=call.command("holdings.count"), condition=given.condition, note=given.note,
            )
        )  # fmt: skip

    answer = await once(call.session, call.actor, call.key, "holdings.count", given.model_dump(), act)
    return CountedOut.model_validate(answer.content)


@router.post("/missing-units", status_code=201, summary="Say what became of units under an agreement")
async def say_what_became(call: Acting, given: MissingIn) -> MissingOut:
    """Units that were used, sold or scrapped without leave, that are lost or damaged beyond use, or that were found again. The
    record is put right, what the clause has you pay becomes a settlement line, and the manufacturer is told."""

    async def act() -> Any:
        values = given.model_dump(exclude={"to_site_id"})
        return MissingOut.model_validate(
            await service.say_what_became(
                call.session, call.actor, WhatBecame(**values, to_site=given.to_site_id), now=call.now,
                command=call.command("holdings.missing"),
            )
        )  # fmt: skip

    answer = await once(call.session, call.actor, call.key, "holdings.missing", given.model_dump(), act)
    return MissingOut.model_validate(answer.content)


def _selection(given: SelectionIn) -> Selection:
    lots = None if given.lot_ids is None else tuple(given.lot_ids)
    return Selection(lots, given.part_id, given.batch, given.serial_from, given.serial_to)


@router.post("/freeze", status_code=201, summary="Put units on quality hold")
async def freeze(call: Freezing, given: SelectionIn) -> FrozenOut:
    """Units of parts you make and still have a right in, or that you own, wherever they are."""

    async def act() -> Any:
        return FrozenOut.model_validate(
            await service.freeze(
                call.session, call.actor, _selection(given), given.reason, now=call.now,
                command_id=call.command("holdings.freeze"),
            )
        )  # fmt: skip

    answer = await once(call.session, call.actor, call.key, "holdings.freeze", given.model_dump(), act)
    return FrozenOut.model_validate(answer.content)


@router.post("/lift", status_code=201, summary="Lift a quality hold")
async def lift(call: Freezing, given: SelectionIn) -> FrozenOut:
    """Only the company that set it may lift it."""

    async def act() -> Any:
        return FrozenOut.model_validate(
            await service.lift(
                call.session, call.actor, _selection(given), now=call.now, reason=given.reason or None,
                command_id=call.command("holdings.lift"),
            )
        )  # fmt: skip

    answer = await once(call.session, call.actor, call.key, "holdings.lift", given.model_dump(), act)
    return FrozenOut.model_validate(answer.content)


@router.post("/corrections", status_code=201, summary="Take back a stock transaction")
async def correct(call: Correcting, given: CorrectIn) -> CorrectedOut:
    """Nothing is changed: a compensating transaction is written, dated when the wrong one happened."""

    async def act() -> Any:
        done = await service.correct(
            call.session, call.actor, given.lot_id, given.seq, given.reason, now=call.now,
            command_id=call.command("holdings.correct"),
        )  # fmt: skip
        return CorrectedOut(command_id=done.command_id, entries=[e.seq for e in done.entries])

    answer = await once(call.session, call.actor, call.key, "holdings.correct", given.model_dump(), act)
    return CorrectedOut.model_validate(answer.content)
