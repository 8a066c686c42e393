"""Quality holds and recalls: put in force after a look at what they reach, answered by each holder, lifted for all or some."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.db.requests import database
from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.clock import end_of_day
from marketplace.kit.errors import DomainError, missing
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.parts import queries as parts
from marketplace.parts.numbers import Match, parse_list
from marketplace.recalls import queries, service
from marketplace.recalls.endpoints import (
    HOLDER_COLUMNS,
    RECALL_COLUMNS,
    UNIT_COLUMNS,
    holder_cells,
    holder_page,
    recall_cells,
    recall_page,
    unit_cells,
    unit_page,
)
from marketplace.recalls.queries import HolderRow, RecallRow, StoppedUnit
from marketplace.recalls.scope import (
    DISPOSITION_WORDS,
    DISPOSITIONS,
    KIND_WORDS,
    PROGRESS_WORDS,
    Answer,
    Scope,
    scope_of,
)
from web.exports import list_csv, wants_csv
from web.forms import Fields, Form
from web.session import SentForm, Visit, submit, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/recalls", include_in_schema=False)
Reads = Annotated[Visit, visits("stock.read")]
Orders = Annotated[Visit, visits("ledger.freeze")]

PER_PAGE: Final = 50
COLUMNS: Final = (
    Column("reference", "Reference"), Column("units", "Which units"), Column("reason", "Reason"), Column("answers", "Answered", "end"),
    Column("by", "Answer by"), Column("status", "Status"),
)  # fmt: skip
HOLDERS: Final = (
    Column("holder", "Company"), Column("has", "Units", "end"), Column("elsewhere", "Under way, fitted, used"),
    Column("progress", "Progress"), Column("said", "What it found"),
)  # fmt: skip
UNITS: Final = (
    Column("unit", "Unit"), Column("quantity", "Quantity", "end"), Column("holder", "Held by"), Column("since", "Stopped"),
    Column("lifted", "Lifted"),
)  # fmt: skip
TABS: Final = (("", "All", ""), ("stands", "In force", "?state=stands"), ("lifted", "Lifted", "?state=lifted"))
LABELS: Final = {
    "part": "Part number", "kind": "Kind", "batch": "Batch", "serial_from": "From serial number", "serial_to": "To serial number",
    "serials": "Serial numbers, one a line", "reason": "Reason", "instruction": "What holders are to do",
    "document": "Your document", "answer_by": "Holders answer by", "found": "Found", "set_aside": "Set aside of them",
    "used_before": "Used or fitted before", "used_on": "When, at the latest", "not_here": "Not here", "note": "Note",
    "disposition": "What becomes of them",
}  # fmt: skip
KINDS: Final = (
    ("quality_hold", "Quality hold", "Stop using, selling and shipping them, and wait."),
    ("recall", "Recall", "They are sent back or scrapped as you instruct."),
)
DONE: Final = {
    "put": ("In force.", "The units are stopped at every holder; each is being told."),
    "answered": ("Thank you: your answer was recorded.", "The units stay stopped until this is lifted."),
    "lifted": ("Lifted.", "Every holder is being told."),
}  # fmt: skip
GIVEN: Final = (
    "part", "kind", "batch", "serial_from", "serial_to", "serials", "reason", "instruction", "document", "answer_by",
)  # fmt: skip
_BREAKS: Final = re.compile(r"[\s,;]+")


def _scope(fields: Fields) -> Scope:
    listed = fields.text("serials", LABELS["serials"], required=False, most=200_000)
    batch, low, high = (
        fields.text(name, LABELS[name], required=False, most=100) or None for name in ("batch", "serial_from", "serial_to")
    )  # fmt: skip
    return scope_of(batch, low, high, _BREAKS.split(listed) if listed else None)


def may_order(actor: Actor) -> bool:
    """Whether the actor puts such holds in force."""
    return actor.is_manufacturer and actor.may("ledger.freeze")


@router.get("")
async def recalls(visit: Reads) -> Response:
    """``?state=`` stands or lifted; ``?waits=yes``: those that wait for the company's answer."""
    tab = visit.choice("state", {"stands", "lifted"})
    standing = None if not tab else tab == "stands"
    waits = True if visit.choice("waits", {"yes"}) else None

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[RecallRow], str | None]:
        return await recall_page(session, visit.actor, visit.now, standing, waits, mark, rows, visit.secret)

    if wants_csv(visit):
        return list_csv(visit, "recalls", RECALL_COLUMNS, page, recall_cells)
    rows, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    return visit.show(
        "recalls/list.html", rows=rows, view=TableView.of(visit.request, COLUMNS).with_next(following), tab=tab, waits=waits,
        tabs=[(key, words, f"/recalls{query}", None) for key, words, query in TABS], kinds=KIND_WORDS,
        may_order=may_order(visit.actor),
    )  # fmt: skip


async def _part_called(session: ReadSession, number: str) -> UUID | None:
    try:
        asked = parse_list(number)[:1]
    except DomainError:
        return None
    hits = (await parts.find(session, asked)).hits.get(asked[0].norm, ()) if asked else ()
    return hits[0].part_id if hits and hits[0].step is Match.EXACT else None


async def _new_page(visit: Visit, form: Form, seen: Any = None) -> Response:
    if not may_order(visit.actor):
        raise missing("page.not_found", "Only a manufacturer stops units at every holder.")
    if seen is not None:
        # Who goes back finds what was typed: all but a list of serial numbers that no address would hold.
        back = urlencode({n: v for n in GIVEN if (v := form.value(n)) and len(v) <= 2_000})
        return visit.show(
            "recalls/confirm.html", form=form, seen=seen, labels=LABELS, kinds=KIND_WORDS, back=f"/recalls/new?{back}"
        )
    return visit.show(
        "recalls/new.html", form=form, labels=LABELS, kinds=KINDS, today=visit.today.isoformat(),
    )  # fmt: skip


@router.get("/new")
async def new_page(visit: Orders) -> Response:
    """``?part=`` a number, ``?serial=``, ``?batch=`` and the other fields: what is known already."""
    known = {
        "part": visit.asked("part")[:80],
        "serials": visit.asked("serial")[:100],
        "batch": visit.asked("batch")[:100],
    }
    return await _new_page(visit, Form({k: v for k, v in known.items() if v}))


@router.post("/new")
async def put(request: Request, sent: SentForm, now: Now) -> Response:
    """First what it would reach; then, confirmed, it is in force."""

    async def act(session: WriteSession, actor: Actor) -> dict[str, Any]:
        fields = sent.fields()
        number = fields.text("part", LABELS["part"], most=80)
        kind = fields.one_of("kind", LABELS["kind"], KIND_WORDS)
        reason = fields.text("reason", LABELS["reason"], most=1_000)
        instruction = fields.text("instruction", LABELS["instruction"], most=1_000)
        document = fields.text("document", LABELS["document"], required=False)
        last = fields.day("answer_by", LABELS["answer_by"], required=True)
        part = await _part_called(session, number) if number else None
        if number and part is None:
            fields.wrong("part", f"No part has the number {number} exactly. Look it up under Find parts.")
        fields.check("recall.invalid", "Nothing was stopped.")
        assert part is not None  # noqa: S101 - checked above
        assert last is not None  # noqa: S101 - checked above
        scope = _scope(fields)
        made = await service.put_in_force(
            session, actor, part_id=part, scope=scope, kind=kind, reason=reason, instruction=instruction, document=document,
            answer_by=end_of_day(last, "UTC"), now=now,
        )  # fmt: skip
        found = (await parts.parts(session, [part]))[part]
        seen = {
            n: getattr(made.reach, n)
            for n in ("lots", "units", "sites", "reserved", "under_way", "installed", "used_up", "asked")
        }
        return {
            "id": str(made.id), "holders": made.holders, **seen, "number": found.number, "description": found.description,
            "scope": scope.words, "whole": scope.whole,
        }  # fmt: skip

    async def again(visit: Visit, form: Form) -> Response:
        return await _new_page(visit, form)

    return await submit(
        request, sent, "ledger.freeze", act, now=now, to=lambda made: f"/recalls/{made['id']}?done=put", again=again, confirm=_new_page,
    )  # fmt: skip


@router.get("/{recall_id}")
async def recall(visit: Reads, recall_id: UUID) -> Response:
    """One hold; to its maker with everybody whom it concerns, to a holder with its own units. ``?list=units``: the units."""
    units = visit.choice("list", {"units"})
    found = await queries.recall(visit.session, visit.actor, recall_id, visit.now)

    async def holder_rows(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[HolderRow], str | None]:
        return await holder_page(session, visit.actor, recall_id, mark, rows, visit.secret)

    async def unit_rows(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[StoppedUnit], str | None]:
        return await unit_page(session, visit.actor, recall_id, mark, rows, visit.secret)

    if wants_csv(visit):
        if units or not found.mine:
            return list_csv(visit, f"{found.reference}-units", UNIT_COLUMNS, unit_rows, unit_cells)
        return list_csv(
            visit, f"{found.reference}-holders", HOLDER_COLUMNS, holder_rows, lambda r: holder_cells(r, visit.now)
        )
    if found.waits and found.read_at is None and visit.actor.may("holding.act"):
        # A page reads alone; that somebody who can act on it has opened it is kept in a transaction of its own.
        async with database(visit.request).write(visit.tenant) as session:
            await service.note_read(session, visit.actor, recall_id, visit.now)
    return await _page(visit, recall_id, Form())


async def _page(visit: Visit, recall_id: UUID, form: Form) -> Response:
    found = await queries.recall(visit.session, visit.actor, recall_id, visit.now)
    own = await queries.own_part(visit.session, visit.actor, recall_id)
    of_units = visit.asked("list") == "units" or not found.mine
    mark = visit.request.query_params.get("after") if visit.request.method == "GET" else None
    rows: Sequence[Any]
    if of_units:
        rows, following = await unit_page(visit.session, visit.actor, recall_id, mark, PER_PAGE, visit.secret)
    else:
        rows, following = await holder_page(visit.session, visit.actor, recall_id, mark, PER_PAGE, visit.secret)
    told = found.holders - found.answered - found.seen - found.overdue
    states = (
        ("good", PROGRESS_WORDS["answered"], found.answered), ("info", PROGRESS_WORDS["read"], found.seen),
        ("neutral", PROGRESS_WORDS["waiting"], max(told, 0)), ("bad", PROGRESS_WORDS["overdue"], found.overdue),
    )  # fmt: skip
    return visit.show(
        "recalls/recall.html", row=found, own=own, form=form, labels=LABELS, rows=rows, of_units=of_units,
        view=TableView.of(visit.request, UNITS if of_units else HOLDERS).with_next(following), states=states,
        said=await queries.answers_in_sum(visit.session, recall_id) if found.mine else None,
        lifts=await queries.lifts(visit.session, recall_id), kinds=KIND_WORDS, progress_words=PROGRESS_WORDS,
        dispositions=DISPOSITION_WORDS, at=visit.now,
        may_answer=own is not None and found.stands and visit.actor.may("holding.act"),
        may_lift=found.mine and found.stands and visit.actor.may("ledger.freeze"), today=visit.today.isoformat(),
        done=DONE.get(visit.asked("done")), tone={"answered": "good", "read": "info", "overdue": "bad"},
    )  # fmt: skip


@router.post("/{recall_id}/answer")
async def answer(request: Request, recall_id: UUID, sent: SentForm, now: Now) -> Response:
    """What the holder found."""

    async def act(session: WriteSession, actor: Actor) -> str:
        fields = sent.fields()
        numbers = {n: fields.whole(n, LABELS[n], empty=0 if n in {"used_before", "not_here"} else None)
                   for n in ("found", "set_aside", "used_before", "not_here")}  # fmt: skip
        used_on = fields.day("used_on", LABELS["used_on"])
        note = fields.text("note", LABELS["note"], required=False, most=500)
        fields.check("recall.invalid", "Nothing was recorded.")
        await service.answer(session, actor, recall_id, Answer(**numbers, used_on=used_on, note=note), now=now)
        return "answered"

    async def again(visit: Visit, form: Form) -> Response:
        return await _page(visit, recall_id, form)

    return await submit(
        request, sent, "holding.act", act, now=now, to=lambda done: f"/recalls/{recall_id}?done={done}", again=again
    )


@router.get("/{recall_id}/lift")
async def lift_page(visit: Orders, recall_id: UUID) -> Response:
    """For which units, and what becomes of them."""
    return await _lift_page(visit, recall_id, Form())


async def _lift_page(visit: Visit, recall_id: UUID, form: Form, freed: Any = None) -> Response:
    found = await queries.recall(visit.session, visit.actor, recall_id, visit.now)
    if not found.mine:
        raise missing("page.not_found", "Only its maker lifts it.")
    return visit.show(
        "recalls/lift.html", row=found, form=form, labels=LABELS, freed=freed, kinds=KIND_WORDS, dispositions=DISPOSITION_WORDS,
        choices=[(d, DISPOSITION_WORDS[d].partition(":")[0], DISPOSITION_WORDS[d].partition(": ")[2]) for d in DISPOSITIONS],
    )  # fmt: skip


@router.post("/{recall_id}/lift")
async def lift(request: Request, recall_id: UUID, sent: SentForm, now: Now) -> Response:
    """First how many it lets go; then, confirmed, they are free."""

    async def act(session: WriteSession, actor: Actor) -> int:
        fields = sent.fields()
        disposition = fields.one_of("disposition", LABELS["disposition"], DISPOSITIONS)
        reason = fields.text("reason", LABELS["reason"], most=1_000)
        fields.check("recall.invalid", "Nothing was lifted.")
        return await service.lift(
            session, actor, recall_id, _scope(fields), disposition=disposition, reason=reason, now=now
        )

    async def shown(visit: Visit, form: Form, freed: Any = None) -> Response:
        return await _lift_page(visit, recall_id, form, freed)

    return await submit(
        request, sent, "ledger.freeze", act, now=now, to=f"/recalls/{recall_id}?done=lifted", again=shown, confirm=shown
    )
