"""Unit history: finding a unit, its whole story as of any date and as known on any date; quality holds, corrections."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.agreements.evaluation import split
from marketplace.agreements.title import owner_words
from marketplace.db.session import ReadSession, WriteSession
from marketplace.holdings import queries as holdings
from marketplace.holdings import service
from marketplace.holdings.service import Selection
from marketplace.kit.clock import end_of_day
from marketplace.kit.errors import DomainError
from marketplace.kit.pages import cut, read_bookmark
from marketplace.ledger import queries as ledger
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.ledger.queries import log
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.parts import queries as parts
from marketplace.parts.numbers import Match, parse_list
from web.exports import csv_file, list_csv, wants_csv
from web.forms import Form
from web.pages import documents
from web.session import Sent, SentForm, Visit, submit, visits
from web.tables import Column, TableView
from web.unit_words import events, sentence

router = APIRouter(prefix="/units", include_in_schema=False)
ReadsUnits = Annotated[Visit, visits("stock.read")]
Freezes = Annotated[Visit, visits("ledger.freeze")]
Corrects = Annotated[Visit, visits("ledger.correct")]

PER_PAGE: Final = 50
AS_OF_MOST: Final = 500
COLUMNS: Final = (
    Column("unit", "Unit"),
    Column("quantity", "Quantity", "end"),
    Column("holder", "Held by"),
    Column("owner", "Owned by"),
    Column("call", "May be ordered back by"),
    Column("act", "Actions", "end", hidden_label=True),
)
CSV_HEADER: Final = (
    "Part number", "Description", "Serial", "Batch", "Quantity", "Unit", "Reserved", "Held by", "Place", "Condition",
    "Owned by", "Agreement", "May be ordered back by", "Quality hold", "Last confirmed", "By", "Lot",
)  # fmt: skip
AS_OF_CSV: Final = (
    "Part number", "Serial", "Quantity", "Held by", "Place", "Condition", "Owned by", "Agreement", "Lot",
)  # fmt: skip
HISTORY_CSV: Final = (
    "Entry", "Happened", "Recorded", "What", "Kind", "Quantity", "From owner", "From holder", "From place", "To owner",
    "To holder", "To place", "Condition before", "Condition after", "Recorded by", "Cause", "Reason", "Note", "Corrects",
    "Lot",
)  # fmt: skip
DONE: Final = {
    "frozen": (
        "On quality hold.",
        "The unit may be moved and counted, but not used, sold or shipped. Its holder was told.",
    ),
    "lifted": ("The quality hold has ended.", "The unit can be used and ordered again."),
    "corrected": (
        "Corrected.",
        "The wrong entry stays in the history, with its correction. Record what is right next.",
    ),
}


def _day_end(visit: Visit, name: str) -> datetime | None:
    """The last moment of a day in the address, or None."""
    day = visit.day(name)
    try:
        return end_of_day(day, visit.zone) - timedelta(microseconds=1) if day else None
    except OverflowError:
        visit.set_aside(name)
        return None


@router.get("")
async def units(visit: ReadsUnits) -> Response:
    """``?q=`` a part number, serial or batch; empty: what the company itself holds. ``?at=``, ``?known=`` days."""
    q = visit.asked("q")[:80]
    at = _day_end(visit, "at")
    found = await _which(visit, q)
    if at is not None:
        return await _as_of(visit, q, found, at)

    async def page(
        session: ReadSession, mark: str | None, rows: int
    ) -> tuple[Sequence[tuple[holdings.UnitRow, holdings.Confirmed | None]], str | None]:
        key = read_bookmark(mark, visit.secret, UUID, int)
        after = (key[0], key[1]) if key else None
        some = await holdings.visible_units(session, visit.actor, **found, after=after, limit=rows + 1)
        shown = cut(some, rows, lambda row: [row.lot_id, row.position_id], visit.secret)
        seen = await holdings.confirmed(session, [(row.lot_id, row.position_id) for row in shown.items])
        return [(row, seen.get((row.lot_id, row.position_id))) for row in shown.items], shown.next

    if wants_csv(visit):
        return list_csv(visit, "units", CSV_HEADER, page, _csv_row)
    rows, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    view = TableView.of(visit.request, COLUMNS).with_next(following)
    return visit.show(
        "units/list.html",
        rows=[row for row, _ in rows],
        seen={(row.lot_id, row.position_id): at for row, at in rows},
        view=view,
        q=q,
        past=None,
        at=None,
        cut=False,
    )


async def _which(visit: Visit, q: str) -> dict[str, Any]:
    """What to look for: a part by its exact number (or its beginning), else a serial or batch."""
    if not q:
        return {"holder_id": visit.actor.company_id}
    try:
        asked = parse_list(q)[:1]
    except DomainError:
        asked = ()
    hits = (await parts.find(visit.session, asked)).hits if asked else {}
    near = [h for found in hits.values() for h in found if h.step in {Match.EXACT, Match.PREFIX}]
    return {"part_ids": [h.part_id for h in near]} if near else {"serial": q}


async def _as_of(visit: Visit, q: str, found: dict[str, Any], at: datetime) -> Response:
    """Where units sat at the end of a day, as known at the end of another."""
    known = _day_end(visit, "known") or visit.now
    rows: list[ledger.AsOfRow] = []
    lots = {h.lot_id for h in await ledger.by_serial(visit.session, found["serial"])} if "serial" in found else set()
    wanted = [ledger.Scope(lot_id=lot) for lot in sorted(lots)]
    wanted += [ledger.Scope(part_id=part) for part in found.get("part_ids", ())]
    wanted += [ledger.Scope(holder_id=found["holder_id"])] if "holder_id" in found else []
    for one in wanted:
        if len(rows) <= AS_OF_MOST:
            limit = AS_OF_MOST + 1 - len(rows)
            rows += await ledger.as_of(visit.session, visit.actor, ledger.AsOf(at, known), one, limit=limit)
    shown = rows[:AS_OF_MOST]
    if wants_csv(visit):

        async def more(_session: ReadSession, _mark: str | None) -> tuple[Sequence[Sequence[object]], str | None]:
            return [_as_of_row(row) for row in shown], None

        return csv_file(visit, "units-as-of", AS_OF_CSV, more)
    view = TableView.of(visit.request, COLUMNS[:4])
    return visit.show(
        "units/list.html", rows=[], seen={}, past=shown, view=view, q=q, at=at,
        known=known if visit.asked("known") else None, cut=len(rows) > AS_OF_MOST,
    )  # fmt: skip


def _csv_row(told: tuple[holdings.UnitRow, holdings.Confirmed | None]) -> list[object]:
    row, seen = told
    return [
        row.number, row.description, row.serial or "", row.batch or "", row.quantity, row.uom, row.held, row.holder,
        row.site or "in transit", CONDITION_WORDS[row.condition], row.owner, row.agreement or "", row.beneficiary or "",
        "yes" if row.frozen else "no", seen.at.isoformat(timespec="seconds") if seen else "", seen.words if seen else "", row.lot_id,
    ]  # fmt: skip


def _as_of_row(row: ledger.AsOfRow) -> list[object]:
    return [
        row.part_number, row.serial or "", row.quantity, row.holder, row.site or "in transit",
        CONDITION_WORDS[row.condition], row.owner, row.agreement_id or "", row.lot_id,
    ]  # fmt: skip


# -- one unit --------------------------------------------------------------------------------------------


async def _unit(visit: Visit, lot_id: UUID) -> dict[str, Any]:
    """What the page of a unit and the pages of its steps show. Raises ``ledger.not_found``."""
    found = await holdings.holding(visit.session, visit.actor, lot_id)
    unit, actor = found.unit, visit.actor
    name = f"Serial {unit.serial}" if unit.serial else f"Batch {unit.batch}" if unit.batch else "Units without serial"
    ours = any(line.owner_id == actor.company_id for line in unit.lines)
    made = unit.maker_id in {m[0] for m in await parts.makers_of(visit.session, actor.company_id)}
    rights = {
        agreement: (covered, split(covered.terms, covered.facts, visit.now))
        for agreement, covered in found.covered.items()
    }
    return {
        "unit": unit,
        "found": found,
        "name": name,
        "title": f"{unit.part_number}, {name[0].lower() + name[1:]}",
        "rights": rights,
        "may_freeze": bool(unit.lines) and (ours or made) and actor.may("ledger.freeze"),
        "may_correct": actor.may("ledger.correct"),
        "stopped": await ledger.standing_holds(visit.session, [lot_id]) if unit.frozen else (),
        "made": made and actor.is_manufacturer,
        "proof": await log.proof_of(visit.session, lot_id),
        "may_prove": actor.may("ledger.prove") and not actor.masked,
        "crumbs": [("Unit history", "/units"), (unit.part_number, f"/units/{lot_id}")],
    }


@router.get("/{lot_id}")
async def unit_page(visit: ReadsUnits, lot_id: UUID) -> Response:
    """One unit's story: ``?at=`` leaves out what happened after that day, ``?known=`` what was recorded after."""
    at, known = _day_end(visit, "at"), _day_end(visit, "known")
    if wants_csv(visit):
        await holdings.holding(visit.session, visit.actor, lot_id)

        async def more(session: ReadSession, _mark: str | None) -> tuple[Sequence[Sequence[object]], str | None]:
            rows = await ledger.history(session, visit.actor, lot_id, at=at, known_at=known, chain=True)
            return [_history_row(row) for row in rows], None

        return csv_file(visit, "unit-history", HISTORY_CSV, more)
    context = await _unit(visit, lot_id)
    told = await ledger.history(visit.session, visit.actor, lot_id, at=at, known_at=known, chain=True)
    rows = [r for r in told if r.lot_id == lot_id]
    past = None
    if at is not None or known is not None:
        then = ledger.AsOf(at or visit.now, known or visit.now)
        past = await ledger.as_of(visit.session, visit.actor, then, ledger.Scope(lot_id=lot_id))
    query = "&".join(f"{k}={visit.asked(k)}" for k in ("at", "known") if visit.asked(k))
    last = max((r.seq for r in rows), default=0)
    # Only what nothing later builds on: the ledger would refuse the rest.
    own = {
        r.seq
        for r in rows
        if r.company == visit.actor.company_name and r.kind in _CORRECTABLE and (r.seq == last or r.to_position is None)
    }
    done = {r.corrects for r in rows if r.corrects is not None}
    return visit.show(
        "units/unit.html", owner_words=owner_words, **context, events=events(told, context["unit"].uom, visit.actor, lot_id),
        lots=len({r.lot_id for r in told}), most_lots=ledger.MOST_LOTS, past=past,
        at=visit.asked("at"), known=visit.asked("known"), export=f"/units/{lot_id}?{query + '&' if query else ''}format=csv",
        correctable=[r for r in rows if r.seq in own - done] if context["may_correct"] and past is None else [],
        sentence=sentence, done=DONE.get(visit.asked("done")),
        documents=await documents.shown(visit, "lot", lot_id, part_id=context["unit"].part_id),
    )  # fmt: skip


_CORRECTABLE: Final = frozenset({"move", "use_up", "install", "scrap", "count_adjust", "register", "remove"})


def _history_row(row: ledger.HistoryRow) -> list[object]:
    return [
        row.seq, row.occurred_at.isoformat(timespec="seconds"), row.recorded_at.isoformat(timespec="seconds"),
        sentence(row, ""), row.purpose or row.kind, row.quantity, row.from_owner or "", row.from_holder or "",
        row.from_site or "", row.to_owner or "", row.to_holder or "", row.to_site or "", row.from_condition or "",
        row.to_condition or "", row.company, row.cause_kind, row.reason or "", row.note or "", row.corrects or "", row.lot_id,
    ]  # fmt: skip


async def _step_page(visit: Visit, lot_id: UUID, step: str, form: Form) -> Response:
    context = await _unit(visit, lot_id)
    if step == "correct":
        rows = await ledger.history(visit.session, visit.actor, lot_id)
        seq = form.value("seq")
        context["row"] = next((r for r in rows if str(r.seq) == seq), None)
    return visit.show(f"units/{step}.html", **context, form=form, sentence=sentence)


@router.get("/{lot_id}/freeze")
async def freeze_page(visit: Freezes, lot_id: UUID) -> Response:
    """What a quality hold does, before it does it."""
    return await _step_page(visit, lot_id, "freeze", Form())


@router.get("/{lot_id}/lift")
async def lift_page(visit: Freezes, lot_id: UUID) -> Response:
    """What ending a quality hold does."""
    return await _step_page(visit, lot_id, "lift", Form())


@router.get("/{lot_id}/correct")
async def correct_page(visit: Corrects, lot_id: UUID) -> Response:
    """What a correction does; ``?seq=`` the entry."""
    return await _step_page(visit, lot_id, "correct", Form({"seq": visit.asked("seq")}))


async def _submit(
    request: Request, lot_id: UUID, sent: Sent, now: datetime, step: str, verb: str, act: Any
) -> Response:
    async def shown(visit: Visit, form: Form, _outcome: object = None) -> Response:
        return await _step_page(visit, lot_id, step, form)

    return await submit(
        request, sent, verb, act, now=now, to=lambda done: f"/units/{lot_id}?done={done}", again=shown, confirm=shown
    )


@router.post("/{lot_id}/freeze")
async def freeze(request: Request, lot_id: UUID, sent: SentForm, now: Now) -> Response:
    """Puts the unit on quality hold."""

    async def act(session: WriteSession, actor: Actor) -> str:
        reason = sent.form().value("reason")
        await service.freeze(session, actor, Selection(lot_ids=(lot_id,)), reason, now=now)
        return "frozen"

    return await _submit(request, lot_id, sent, now, "freeze", "ledger.freeze", act)


@router.post("/{lot_id}/lift")
async def lift(request: Request, lot_id: UUID, sent: SentForm, now: Now) -> Response:
    """Ends the unit's quality hold."""

    async def act(session: WriteSession, actor: Actor) -> str:
        reason = sent.form().value("reason").strip() or None
        await service.lift(session, actor, Selection(lot_ids=(lot_id,)), now=now, reason=reason)
        return "lifted"

    return await _submit(request, lot_id, sent, now, "lift", "ledger.freeze", act)


@router.post("/{lot_id}/correct")
async def correct(request: Request, lot_id: UUID, sent: SentForm, now: Now) -> Response:
    """Takes back one of the company's own entries by compensation."""

    async def act(session: WriteSession, actor: Actor) -> str:
        fields = sent.fields()
        seq = fields.whole("seq", "Entry", low=1)
        reason = fields.text("reason", "Reason", most=200)
        fields.check("holding.correct", "The entry was not corrected.")
        await service.correct(session, actor, lot_id, seq, reason, now=now)
        return "corrected"

    return await _submit(request, lot_id, sent, now, "correct", "ledger.correct", act)
