"""The watch over coverage: what it found, one part of it, what it looks for, and the way to a parts request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.advising.queries import parts_numbered
from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.errors import conflict, invalid
from marketplace.kit.money import Money
from marketplace.kit.pages import cut, read_bookmark
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.parts.numbers import normalise
from marketplace.planning.pools import YEARS
from marketplace.watching import queries, service
from marketplace.watching.endpoints import known, words_of
from marketplace.watching.queries import PartRow, RowFilter, RunRow
from marketplace.watching.reckoning import KINDS, Level, Setting
from marketplace.watching.telling import LEVELS, NOTES, WORDS, kinds, notes
from marketplace.watching.telling import percent as percent_words
from web.charts import chart
from web.exports import list_csv, wants_csv
from web.forms import Form
from web.session import SentForm, Visit, submit, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/watch", include_in_schema=False)
Reads = Annotated[Visit, visits("planning.read")]
VERB: Final = "planning.write"
PER_PAGE: Final = 50
COLUMNS: Final = (
    Column("part", "Part"), Column("found", "Found"), Column("reach", "In reach", "end"), Column("sure", "Covered", "end"),
    Column("stake", "At stake", "end"), Column("call", "Order back now"),
)  # fmt: skip
CSV: Final = (
    "Part number", "Description", "Criticality", "Found", "Own", "Ordered back already", "With partners", "With partners, today", "Holders", "Ending soon", "Asked for a year",
    "Used up a year", *(f"{words} {y} year{'s' if y > 1 else ''}" for words in ("Covered", "Firmly covered", "Covered if one holder fails") for y in YEARS), "Asked of it",
    "Expected to be missing", "At stake", "Order back", "For about", "Covered then", "Expected to be missing then", "Currency", "What to do", "What it rests on", "Request",
)  # fmt: skip
CHOICES: Final = {"found": set(KINDS), "level": {level.name.lower() for level in Level}, "show": {"call", "all"}}
DONE: Final = {
    "looking": ("good", "The watch is looking.", "This page shows what it finds in a moment."),
    "kept": ("good", "Kept. It counts from the next look on.", None),
    "levels": ("good", "Stated. It counts from the next look on.", None),
}  # fmt: skip


def _money(value: float, currency: str) -> Money | None:
    return Money(Decimal(str(round(value, 2))), currency).rounded() if known(value) is not None else None


def percent(share: float) -> str:
    """As the watch says it, never broken over two lines."""
    return percent_words(share).replace(" ", "\u00a0")


@router.get("")
async def found(visit: Reads) -> Response:
    """The newest run's findings, most money at stake first, and what to order back."""
    return await _found(visit, Form())


async def _found(visit: Visit, form: Form) -> Response:
    company = visit.actor.company_id
    runs = await queries.runs(visit.session, company, limit=5)
    run = next((r for r in runs if r.state == "done"), None) or await queries.latest(visit.session, company)
    show = visit.choice("show", CHOICES["show"])
    kind, level = visit.choice("found", CHOICES["found"]), visit.choice("level", CHOICES["level"])
    number = visit.asked("number")
    wanted = RowFilter(
        found=int(KINDS[kind]) if kind else 0, level=int(Level[level.upper()]) if level else None, to_call=show == "call", everything=show == "all",
        number=normalise(number) if number else None,
    )  # fmt: skip

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[PartRow], str | None]:
        if run is None:
            return (), None
        key = read_bookmark(mark, visit.secret, float, UUID)
        some = await queries.rows(
            session, company, run.id, wanted, after=(key[0], key[1]) if key else None, limit=rows + 1
        )
        cut_ = cut(some, rows, lambda r: [repr(r.money), r.part_id], visit.secret)
        return cut_.items, cut_.next

    kept = (run.setting if run else None) or Setting().as_kept()
    if wants_csv(visit):
        return list_csv(visit, "coverage-watch", CSV, page, lambda r: _csv_row(r, run, kept))
    rows, following = await page(visit.session, visit.asked("after") or None, PER_PAGE)
    view = TableView.of(visit.request, COLUMNS).with_next(following)
    chips = [(name, value, words) for name, value, words in (
        ("found", kind, WORDS.get(kind, "")), ("level", level, LEVELS[Level[level.upper()]] if level else ""),
        ("show", show, {"call": "To order back", "all": "All parts"}.get(show, "")), ("number", number, f"Number begins with {number}"),
    ) if value]  # fmt: skip
    return visit.show(
        "watch/found.html", run=run, newest=runs[0] if runs else None, rows=rows, view=view, chips=chips, form=form, money=_money, percent=percent, known=known,
        rests=[(words, count) for note, words in NOTES.items() if (count := ((run.totals or {}).get("notes") or {}).get(str(note.value), 0))] if run else [],
        words={r.part_id: words_of(r, kept) for r in rows}, WORDS=WORDS, kinds=kinds, levels=LEVELS, Level=Level, setting=kept, may=visit.actor.may(VERB),
        may_ask=visit.actor.may(VERB) and visit.actor.may("sourcing.request"), done=DONE.get(visit.asked("done")),
        holders=await queries.holders(visit.session, company, run.id, limit=20) if run else (),
        found_options=list(WORDS.items()), level_options=[(x.name.lower(), LEVELS[x]) for x in (Level.VITAL, Level.IMPORTANT, Level.ORDINARY)],
        shown=[("call", "To order back"), ("all", "All parts")],
    )  # fmt: skip


def _csv_row(r: PartRow, run: RunRow | None, kept: object) -> list[object]:
    def figure(value: float, digits: int = 4) -> float | str:
        return round(value, digits) if known(value) is not None else ""

    assert run is not None  # noqa: S101 - without a run there is no row
    return [
        r.part_number, r.description, LEVELS[Level(r.level)], "; ".join(WORDS[k] for k in kinds(r.flags)), r.own, r.coming, r.pool, r.firm_pool, r.holders,
        r.lapsing, figure(r.rate), figure(r.use_rate), *(figure(getattr(r, f"{n}_{y}")) for n in ("cover", "firm", "alone") for y in YEARS),
        figure(r.least), figure(r.unmet, 2), figure(r.money, 2), r.call_units, figure(r.call_cost, 2), figure(r.call_sure), figure(r.call_unmet, 2),
        run.currency, words_of(r, run.setting or Setting().as_kept()), " ".join(notes(r.notes)), r.requisition or "",
    ]  # fmt: skip


@router.post("")
async def look(request: Request, sent: SentForm, now: Now) -> Response:
    """Has the watch look now."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        return await service.start_watch(session, actor, now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _found(visit, form)

    return await submit(request, sent, VERB, act, now=now, to="/watch?done=looking", again=again)


@router.get("/progress")
async def progress(visit: Reads) -> Response:
    """How far it is, for the page to replace every two seconds; once it has ended, the whole page is loaded."""
    runs = await queries.runs(visit.session, visit.actor.company_id, limit=1)
    newest = runs[0] if runs else None
    if newest is None or newest.state not in ("waiting", "running"):
        response = Response(status_code=204)
        response.headers["HX-Refresh"] = "true"
        return response
    return visit.show("watch/progress.html", newest=newest)


# -- one part ----------------------------------------------------------------------------------------------


@router.get("/parts/{part_id}")
async def part(visit: Reads, part_id: UUID) -> Response:
    """How sure a part is over the years, what stands behind it, and what to do."""
    return await _part(visit, part_id, Form())


async def _latest(session: ReadSession, company_id: UUID) -> RunRow:
    run = await queries.latest(session, company_id)
    if run is None:
        raise conflict("watch.none", "The watch has not looked yet. Have it look under Coverage watch.")
    return run


async def _part(visit: Visit, part_id: UUID, form: Form) -> Response:
    company = visit.actor.company_id
    run = await _latest(visit.session, company)
    row = await queries.row(visit.session, company, run.id, part_id)
    kept = run.setting or Setting().as_kept()
    today = run.created_at.date()
    curve = [
        (0, 1.0, 1.0, 1.0),
        *((y, getattr(row, f"cover_{y}"), getattr(row, f"firm_{y}"), getattr(row, f"alone_{y}")) for y in YEARS),
    ]
    return visit.show(
        "watch/part.html", run=run, row=row, rests=notes(row.notes), setting=kept, words=words_of(row, kept), WORDS=WORDS, kinds=kinds(row.flags), percent=percent, money=_money,
        known=known, level=LEVELS[Level(row.level)], levels=[(x.name.lower(), LEVELS[x]) for x in reversed(Level)], level_now=Level(row.level).name.lower(), form=form,
        curve=curve, drawn=chart([(today + timedelta(days=round(y * 365.25)), Decimal(str(round(c * 100, 2)))) for y, c, _, _ in curve], steps=False),
        behind=await queries.behind(visit.session, company, part_id, visit.now), findings=await queries.findings_of(visit.session, company, part_id),
        use={h.holder_id: h for h in await queries.holders(visit.session, company, run.id)}, may=visit.actor.may(VERB),
        may_ask=visit.actor.may(VERB) and visit.actor.may("sourcing.request"), done=DONE.get(visit.asked("done")),
    )  # fmt: skip


@router.post("/parts/{part_id}/request")
async def request_call(request: Request, part_id: UUID, sent: SentForm, now: Now) -> Response:
    """Makes a parts request of the proposal, with the number of units of the form where there is one."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        actor.require("sourcing.request")
        fields = sent.fields()
        units = fields.whole("units", "Units", empty=0) or None
        fields.check("watch.request", "Nothing was asked for.")
        run = await _latest(session, actor.company_id)
        return await service.request_call(session, actor, run.id, part_id, now, units=units)

    async def again(visit: Visit, form: Form) -> Response:
        return await _part(visit, part_id, form)

    return await submit(request, sent, VERB, act, now=now, to=lambda made: f"/requests/{made}", again=again)


@router.post("/parts/{part_id}/level")
async def level_of_part(request: Request, part_id: UUID, sent: SentForm, now: Now) -> Response:
    """How much hangs on one part."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.state_levels(session, actor, [part_id], _level(sent.form().value("level")), now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _part(visit, part_id, form)

    return await submit(request, sent, VERB, act, now=now, to=f"/watch/parts/{part_id}?done=levels", again=again)


def _level(text: str) -> Level:
    if text not in CHOICES["level"]:
        raise invalid("watch.level", "Choose how much hangs on the part.", field="level")
    return Level[text.upper()]


# -- what it looks for -------------------------------------------------------------------------------------


@router.get("/settings")
async def settings(visit: Reads) -> Response:
    """Thresholds by criticality, and how much hangs on which parts."""
    return await _settings(visit, Form())


async def _settings(visit: Visit, form: Form) -> Response:
    kept = await queries.setting_of(visit.session, visit.actor.company_id)
    shares = {
        level.name.lower(): "" if s is None else f"{s * 100:g}" for level, s in zip(Level, kept.least, strict=True)
    }
    return visit.show(
        "watch/settings.html", kept=kept, shares=shares, form=form, may=visit.actor.may(VERB), years=[(str(y), f"{y} years" if y > 1 else "1 year") for y in YEARS],
        levels=[(x.name.lower(), LEVELS[x]) for x in reversed(Level)], most=service.MOST_PARTS, done=DONE.get(visit.asked("done")),
    )  # fmt: skip


@router.post("/settings")
async def set_settings(request: Request, sent: SentForm, now: Now) -> Response:
    """Keeps the thresholds."""

    async def act(session: WriteSession, actor: Actor) -> None:
        fields, form = sent.fields(), sent.form()
        horizon, months = fields.whole("horizon", "Years"), fields.whole("lapse_months", "Months")
        times = float(fields.amount("missing_times", "A missing unit costs"))
        shares = {
            level: float(fields.amount(level.name.lower(), LEVELS[level])) / 100 if form.value(level.name.lower()).strip() else None for level in Level
        }  # fmt: skip
        fields.check("watch.setting", "Nothing was changed.")
        least = (shares[Level.ORDINARY], shares[Level.IMPORTANT], shares[Level.VITAL])
        await service.set_watch(session, actor, Setting(horizon, least, months, times), now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _settings(visit, form)

    return await submit(request, sent, VERB, act, now=now, to="/watch/settings?done=kept", again=again)


@router.post("/levels")
async def set_levels(request: Request, sent: SentForm, now: Now) -> Response:
    """How much hangs on pasted part numbers: all of them or none."""

    async def act(session: WriteSession, actor: Actor) -> None:
        level = _level(sent.form().value("level"))
        numbers = [n for line in re.split(r"[\n,;\t]+", sent.form().value("numbers")) if (n := line.strip())]
        if not 1 <= len(numbers) <= service.MOST_PARTS:
            raise invalid(
                "watch.parts", f"Paste 1 to {service.MOST_PARTS:,} part numbers, one a line.", field="numbers"
            )
        found = await parts_numbered(session, actor.company_id, None, [(normalise(n), n) for n in numbers])
        unclear = [n for n, parts in zip(numbers, found, strict=True) if len(parts) != 1]
        if unclear:
            some = ", ".join(unclear[:5]) + (" and more" if len(unclear) > 5 else "")
            raise invalid("watch.parts", f"No single part of yours has this number: {some}. Nothing was stated.", field="numbers")  # fmt: skip
        await service.state_levels(session, actor, [parts[0] for parts in found], level, now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _settings(visit, form)

    return await submit(request, sent, VERB, act, now=now, to="/watch/settings?done=levels", again=again)
