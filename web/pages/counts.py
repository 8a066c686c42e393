"""Cycle counts: begin one, scan or type what is there, look at what differs, confirm it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.db.session import ReadSession, WriteSession
from marketplace.holdings.endpoints.sheets import VARIANCE_COLUMNS, report, variance_cells
from marketplace.holdings.queries import sheets as reads
from marketplace.holdings.queries.sheets import SheetRow
from marketplace.holdings.service import sheets as service
from marketplace.holdings.sheet import KNOWN_WORDS, ask_recount, read_items
from marketplace.kit.errors import missing
from marketplace.kit.pages import cut, read_bookmark
from marketplace.ledger.queries import by_serial
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.parts import queries as parts
from marketplace.parts.numbers import Match, parse_list
from web.exports import csv_file, wants_csv
from web.forms import Form
from web.session import SentForm, Visit, submit, uuid_of, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/counts", include_in_schema=False)
Reads = Annotated[Visit, visits("stock.read")]
Acts = Annotated[Visit, visits("holding.act")]
PER_PAGE: Final = 50
LAST: Final = 12
"""So many of the last entries stand beside the field, the newest first: who scans sees what was read."""
COLUMNS: Final = (
    Column("reference", "Count"), Column("site", "Where"), Column("of", "Of what"), Column("entries", "Entered", "end"),
    Column("status", "Status"),
)  # fmt: skip
PARTS: Final = (Column("part", "Part"), Column("counted", "Counted", "end"), Column("record", "On record", "end"))
VARIANCES: Final = (
    Column("part", "Part"), Column("counted", "Counted", "end"), Column("record", "On record then", "end"),
    Column("difference", "Difference", "end"), Column("what", "What follows"), Column("act", "Actions", "end", hidden_label=True),
)  # fmt: skip
LABELS: Final = {
    "site": "Site", "part": "Part number", "agreement": "Agreement", "items": "Serial or part number", "blind": "Blind",
    "reason": "Reason", "percent": "Tolerance", "class_code": "Class of parts", "lot": "Its number on record", "quantity": "How many",
}  # fmt: skip
DONE: Final = {
    "opened": "The count is open. It is kept as you go: go on with it here or on another device.",
    "taken_back": "Taken back.", "recount": "Count the part again: what was entered of it before counts no more.",
    "confirmed": "Confirmed. The record follows the count.", "dropped": "Dropped. Nothing was changed.",
    "misread": "The unit goes on under the number that was read.", "tolerance": "Kept.",
}  # fmt: skip


@router.get("")
async def counts(visit: Reads) -> Response:
    """The company's counts, newest first. ``?agreement=``: begin one of its parts."""
    mark = read_bookmark(visit.asked("after") or None, visit.secret, UUID)
    rows = await reads.sheets(
        visit.session, visit.actor.company_id, after=mark[0] if mark else None, limit=PER_PAGE + 1
    )
    page = cut(rows, PER_PAGE, lambda r: [r.id], visit.secret)
    agreement = visit.id("agreement")
    form = Form({"blind": "yes", **({"agreement": str(agreement)} if agreement else {})})
    return await _list(visit, form, page.items, page.next)


async def _list(visit: Visit, form: Form, rows: Sequence[SheetRow], following: str | None = None) -> Response:
    return visit.show(
        "counts/list.html", rows=rows, view=TableView.of(visit.request, COLUMNS).with_next(following), form=form, labels=LABELS,
        sites=await parties.sites(visit.session, visit.actor), may_act=visit.actor.may("holding.act"),
        tolerances=await reads.tolerances(visit.session, visit.actor.company_id), done=DONE.get(visit.asked("done")),
    )  # fmt: skip


@router.post("/new")
async def open_sheet(request: Request, sent: SentForm, now: Now) -> Response:
    """Begins a count."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        fields = sent.fields()
        site = fields.id("site", LABELS["site"])
        number = fields.text("part", LABELS["part"], required=False, most=80)
        part: UUID | None = None
        if number:
            asked = parse_list(number)[:1]
            hits = (await parts.find(session, asked)).hits.get(asked[0].norm, ()) if asked else ()
            part = hits[0].part_id if hits and hits[0].step is Match.EXACT else None
            if part is None:
                fields.wrong("part", f"No part has the number {number} exactly.")
        fields.check("count.invalid", "No count was begun.")
        agreement = uuid_of(sent.form().value("agreement"))
        return await service.open_sheet(
            session, actor, site, part_id=part, agreement_id=agreement, blind=fields.yes("blind"), now=now
        )

    async def again(visit: Visit, form: Form) -> Response:
        rows = await reads.sheets(visit.session, visit.actor.company_id, limit=PER_PAGE)
        return await _list(visit, form, rows)

    return await submit(
        request, sent, "holding.act", act, now=now, to=lambda made: f"/counts/{made}?done=opened", again=again
    )


@router.post("/tolerance")
async def set_tolerance(request: Request, sent: SentForm, now: Now) -> Response:
    """How far counts may be off before they are repeated."""

    async def act(session: WriteSession, actor: Actor) -> str:
        fields = sent.fields()
        percent = fields.amount("percent", LABELS["percent"])
        class_code = fields.text("class_code", LABELS["class_code"], required=False, most=40)
        fields.check("count.invalid", "Nothing was kept.")
        await service.set_tolerance(session, actor, class_code, int(percent * 100), now=now)
        return "tolerance"

    async def again(visit: Visit, form: Form) -> Response:
        rows = await reads.sheets(visit.session, visit.actor.company_id, limit=PER_PAGE)
        return await _list(visit, form, rows)

    return await submit(request, sent, "holding.act", act, now=now, to=lambda d: f"/counts?done={d}", again=again)


@router.get("/{sheet_id}")
async def sheet(visit: Reads, sheet_id: UUID) -> Response:
    """``?view=`` review: what differs. Otherwise the field to scan into, what was read last, and what is still to be counted."""
    found = await reads.sheet(visit.session, visit.actor.company_id, sheet_id)
    if wants_csv(visit):

        async def more(session: ReadSession, _mark: str | None) -> tuple[Sequence[Sequence[object]], str | None]:
            return [variance_cells(v) for v in await report(session, found)], None

        return csv_file(visit, f"{found.reference}-variances", VARIANCE_COLUMNS, more)
    if not found.open or visit.choice("view", {"review"}):
        return await _review(visit, sheet_id, Form())
    return await _entering(visit, sheet_id, Form())


async def _entering(visit: Visit, sheet_id: UUID, form: Form) -> Response:
    found = await reads.sheet(visit.session, visit.actor.company_id, sheet_id)
    mark = read_bookmark(visit.request.query_params.get("after"), visit.secret, str, UUID)
    some = await reads.to_count(visit.session, sheet_id, after=(mark[0], mark[1]) if mark else None, limit=PER_PAGE + 1)
    page = cut(some, PER_PAGE, lambda r: [r.norm, r.part_id], visit.secret)
    return visit.show(
        "counts/sheet.html", row=found, form=form, labels=LABELS, entries=await reads.entries(visit.session, sheet_id, limit=LAST),
        rows=page.items, view=TableView.of(visit.request, PARTS).with_next(page.next), known=KNOWN_WORDS,
        may_act=visit.actor.may("holding.act") and found.open, done=DONE.get(visit.asked("done")), said=visit.asked("said")[:400],
    )  # fmt: skip


async def _review(visit: Visit, sheet_id: UUID, form: Form, outcome: Any = None) -> Response:
    found = await reads.sheet(visit.session, visit.actor.company_id, sheet_id)
    rows = await report(visit.session, found)
    foreign = await reads.entries(visit.session, sheet_id, foreign=True, limit=PER_PAGE)
    seen = {e.serial: await by_serial(visit.session, e.serial) for e in foreign if e.serial and e.known == "gone"}
    return visit.show(
        "counts/review.html", row=found, form=form, labels=LABELS, rows=rows, view=TableView.of(visit.request, VARIANCES),
        foreign=foreign, known=KNOWN_WORDS, seen=seen, outcome=outcome, confirmed=found.ended == "confirmed",
        again=() if found.ended else ask_recount(await reads.variances(visit.session, sheet_id)),
        may_act=visit.actor.may("holding.act") and found.open, done=DONE.get(visit.asked("done")),
    )  # fmt: skip


@router.post("/{sheet_id}/enter")
async def enter(request: Request, sheet_id: UUID, sent: SentForm, now: Now) -> Response:
    """One scan, or a pasted list."""

    async def act(session: WriteSession, actor: Actor) -> str:
        fields = sent.fields()
        text = fields.text("items", LABELS["items"], most=200_000)
        quantity = fields.whole("quantity", LABELS["quantity"], empty=-1, low=0)
        how = sent.form().value("how") or "typed"
        fields.check("count.invalid", "Nothing was entered.")
        given = f"{text}, {quantity}" if quantity >= 0 and "\n" not in text else text
        done = await service.enter(
            session, actor, sheet_id, read_items(given), how=how if how in {"scan", "list"} else "typed", now=now
        )
        return " ".join(done.words[:5])

    async def again(visit: Visit, form: Form) -> Response:
        return await _entering(visit, sheet_id, form)

    def to(said: str) -> str:
        return f"/counts/{sheet_id}{'?' + urlencode({'said': said}) if said else ''}"

    return await submit(request, sent, "holding.act", act, now=now, to=to, again=again)


@router.post("/{sheet_id}/confirm")
async def confirm(request: Request, sheet_id: UUID, sent: SentForm, now: Now) -> Response:
    """First what follows for every part that differs; then it is done."""

    async def act(session: WriteSession, actor: Actor) -> dict[str, Any]:
        fields = sent.fields()
        reason = fields.text("reason", LABELS["reason"], required=False, most=500)
        fields.check("count.invalid", "Nothing was changed.")
        done = await service.confirm(session, actor, sheet_id, reason=reason, now=now)
        return {
            "parts": done.parts,
            "differing": done.differing,
            "words": [list(w) for w in done.words],
            "breach": [str(a) for a in done.in_breach],
        }

    async def shown(visit: Visit, form: Form, outcome: Any = None) -> Response:
        return await _review(visit, sheet_id, form, outcome)

    def to(done: Mapping[str, Any]) -> str:
        return (
            "/holdings/shortages?waits=explain&done=count" if done["breach"] else f"/counts/{sheet_id}?done=confirmed"
        )

    return await submit(request, sent, "holding.act", act, now=now, to=to, again=shown, confirm=shown)


@router.post("/{sheet_id}/{step}")
async def act_on(request: Request, sheet_id: UUID, step: str, sent: SentForm, now: Now) -> Response:
    """back (an entry), recount (a part), misread (an unknown serial number), drop."""
    steps = {"back": "taken_back", "recount": "recount", "misread": "misread", "drop": "dropped"}
    if step not in steps:
        raise missing("page.not_found", "There is no such page.")

    async def act(session: WriteSession, actor: Actor) -> str:
        fields = sent.fields()
        if step == "back":
            await service.take_back(session, actor, sheet_id, fields.id("entry", "entry"), now=now)
        elif step == "recount":
            part = fields.id("part", LABELS["part"])
            fields.check("count.invalid", "Nothing was changed.")
            await service.recount(session, actor, sheet_id, part, now=now)
        elif step == "misread":
            entry, serial = fields.id("entry", "entry"), fields.text("lot", LABELS["lot"], most=100)
            fields.check("count.invalid", "Nothing was changed.")
            found = await by_serial(session, serial)
            if not found:
                fields.wrong("lot", f"No unit that you may see has the serial number {serial}.")
                fields.check("count.invalid", "Nothing was changed.")
            await service.misread(session, actor, sheet_id, entry, found[0].lot_id, now=now)
        else:
            await service.drop(session, actor, sheet_id, reason=sent.form().value("reason"), now=now)
        return steps[step]

    async def again(visit: Visit, form: Form) -> Response:
        return await _review(visit, sheet_id, form)

    where = "&view=review" if step == "misread" else ""
    return await submit(
        request,
        sent,
        "holding.act",
        act,
        now=now,
        to=lambda done: f"/counts/{sheet_id}?done={done}{where}",
        again=again,
    )
