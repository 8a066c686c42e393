"""What we hold: units by part and place with who may order them back; use, fit, scrap, move and count them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from marketplace.db.session import ReadSession, WriteSession
from marketplace.holdings import queries, service
from marketplace.holdings.endpoints.stock import EXPORT_HEADER, export_cells
from marketplace.holdings.queries import HoldingFilter
from marketplace.holdings.service import AtSite
from marketplace.kit.money import Money
from marketplace.kit.pages import cut, read_bookmark
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.listings import queries as listings
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.parts import queries as parts
from web.clauses import NAMES
from web.exports import csv_file, list_csv, wants_csv
from web.forms import Form
from web.session import Sent, SentForm, Visit, submit, uuid_of, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/holdings", include_in_schema=False)
ReadsStock = Annotated[Visit, visits("stock.read")]
Acts = Annotated[Visit, visits("holding.act")]

PER_PAGE: Final = 50
COUNT_AFTER: Final = timedelta(days=365)
COLUMNS: Final = (
    Column("part", "Part"),
    Column("place", "Where"),
    Column("quantity", "Quantity", "end"),
    Column("call", "May be ordered back"),
    Column("counted", "Last counted"),
    Column("value", "Value", "end"),
    Column("act", "Actions", "end", hidden_label=True),
)
TABS: Final = (("", "Everything"), ("yes", "Somebody has a right in"), ("no", "Ours alone"))
ACTS: Final = (
    ("use", "Use up", "Issued to production, where they are used up."),
    ("fit", "Fit", "Fitted in a machine that you name."),
    ("scrap", "Scrap", "Gone for good, for a stated reason."),
    ("move", "Move", "To another of your sites; a right on them goes with them."),
    ("count", "Count", "What is really on the shelf of this part at this site."),
)
TO_COUNT_COLUMNS: Final = (
    Column("part", "Part"), Column("site", "Where"), Column("quantity", "Not found", "end"), Column("since", "Since"),
    Column("act", "Actions", "end", hidden_label=True),
)  # fmt: skip
TO_COUNT_CSV: Final = ("Part number", "Site", "Units not found", "Since")
DONE: Final = {
    "use": "Recorded as used up.", "fit": "Recorded as fitted.", "scrap": "Recorded as scrapped.",
    "move": "Moved.", "count": "Counted.", "noticed": "Notice given; the manufacturer was told.",
}  # fmt: skip


KEPT: Final = ("number", "site", "condition", "clause", "right", "counted", "after", "sort")


def _filter(visit: Visit) -> HoldingFilter:
    encumbered = {"yes": True, "no": False}.get(visit.choice("right", {"yes", "no"}))
    clause = visit.choice("clause", set(NAMES)) or None
    condition = visit.choice("condition", CONDITION_WORDS) or None
    return HoldingFilter(
        number=visit.asked("number")[:80] or None,
        site_id=visit.id("site"),
        condition=condition,
        clause=clause,
        encumbered=encumbered,
        not_counted_since=visit.now - COUNT_AFTER if visit.choice("counted", {"old"}) else None,
    )


@router.get("")
async def holdings(visit: ReadsStock) -> Response:
    """``?number=``, ``?site=``, ``?condition=``, ``?clause=``, ``?right=`` yes or no, ``?counted=old``;
    ``?waiting=count``: the places that wait for a count."""
    waiting = visit.choice("waiting", {"count"})
    if waiting:
        return await _to_count(visit)
    wanted = _filter(visit)
    if wants_csv(visit):

        async def more(session: ReadSession, mark: str | None) -> tuple[Sequence[Sequence[object]], str | None]:
            page = await queries.what_we_hold(session, visit.actor, wanted, after=mark, limit=500, secret=visit.secret)
            return [export_cells(row) for row in page.items], page.next

        return csv_file(visit, "what-we-hold", EXPORT_HEADER, more)
    after = visit.request.query_params.get("after")
    page = await queries.what_we_hold(
        visit.session, visit.actor, wanted, after=after, limit=PER_PAGE, secret=visit.secret
    )
    plain = not visit.request.query_params.multi_items()
    return visit.show(
        "holdings/list.html",
        rows=page.items,
        clauses=list(NAMES.items()),
        view=TableView.of(visit.request, COLUMNS).with_next(page.next),
        tabs=[(key, words, f"/holdings?right={key}" if key else "/holdings", None) for key, words in TABS],
        tab=visit.choice("right", {"yes", "no"}),
        # Summed after the page is there: of a hundred thousand lines that takes longer than everything else.
        summed=plain,
        to_count=(await queries.waiting(visit.session, visit.actor, visit.now)).to_count if plain else 0,
        searched=[
            w
            for w in await queries.withdrawals_open(visit.session, visit.actor)
            if w.holder_id != visit.actor.company_id
        ]
        if plain
        else [],
        shortages=(
            await queries.shortages(visit.session, visit.actor, secret=visit.secret, still_open=True, limit=8)
        ).items
        if plain and visit.actor.may("agreement.read")
        else [],
        short_on=await queries.shortages_on(
            visit.session,
            visit.actor.company_id,
            [(r.part_id, r.site_id) for r in page.items if r.site_id and r.agreement_id],
        )
        if visit.actor.may("agreement.read")
        else {},
        sites=await parties.sites(visit.session, visit.actor),
        conditions=list(CONDITION_WORDS.items()),
        value=lambda r: Money(r.value, r.currency) if r.value is not None and r.currency else None,
        may_act=visit.actor.may("holding.act"),
        done=DONE.get(visit.asked("done")),
        came_from=_came_from(visit.request.url.query),
    )


def _came_from(query: str) -> str:
    """What of a list's address says which rows it shows: taken along to an act, to come back to the same rows."""
    return urlencode([(name, value) for name, value in parse_qsl(query) if name in KEPT])


async def _to_count(visit: Visit) -> Response:
    """The places that wait for a count, longest waiting first."""

    async def page(
        session: ReadSession, mark: str | None, rows: int
    ) -> tuple[Sequence[queries.ToCountRow], str | None]:
        after = read_bookmark(mark, visit.secret, datetime.fromisoformat, UUID, UUID)
        found = await queries.places_to_count(session, visit.actor, after=after, limit=rows + 1)
        some = cut(found, rows, lambda row: [row.opened_at, row.part_id, row.site_id], visit.secret)
        return some.items, some.next

    if wants_csv(visit):
        return list_csv(
            visit,
            "places-to-count",
            TO_COUNT_CSV,
            page,
            lambda r: [r.number, r.site, r.quantity, r.opened_at.isoformat(timespec="seconds")],
        )
    rows, following = await page(visit.session, visit.asked("after") or None, PER_PAGE)
    return visit.show(
        "holdings/to_count.html", rows=rows, view=TableView.of(visit.request, TO_COUNT_COLUMNS).with_next(following),
        may_act=visit.actor.may("holding.act"),
    )  # fmt: skip


@router.get("/totals")
async def totals(visit: ReadsStock) -> Response:
    """Units by clause, for the page of what is held to fetch once it is there; a page of its own where scripts are off."""
    piece = visit.request.headers.get("hx-request") == "true"
    tiles = _tiles(await queries.totals_by_clause(visit.session, visit.actor))
    return visit.show("holdings/totals.html" if piece else "holdings/totals_page.html", totals=tiles)


def _tiles(totals: Sequence[queries.ClauseTotal]) -> list[dict[str, Any]]:
    """Key figures: units by clause, each leading to its rows."""
    words: dict[str | None, str] = {name: f"Under {told.lower()}" for name, told in NAMES.items()}
    words[None] = "Ours alone"
    tiles = []
    for clause in dict.fromkeys(t.clause for t in totals):
        same = [t for t in totals if t.clause == clause]
        worth = [str(Money(t.value, t.currency).rounded()) for t in same if t.value is not None and t.currency]
        kinds = sum(t.parts for t in same)
        note = f"units of {kinds:,} {'part' if kinds == 1 else 'parts'}" + (
            f", worth {' and '.join(worth)}" if worth else ""
        )
        href = f"/holdings?clause={clause}" if clause else "/holdings?right=no"
        value = f"{sum(t.quantity for t in same):,}"
        tiles.append({"label": words.get(clause, clause), "value": value, "href": href, "note": note})
    return tiles


# -- acts ------------------------------------------------------------------------------------------------


@router.get("/act")
async def act_page(visit: Acts) -> Response:
    """The form: ``?part=``, ``?site=``, ``?condition=``, ``?act=``."""
    return await _act_page(visit, Form({k: v for k, v in visit.request.query_params.items() if v.strip()}))


async def _act_page(visit: Visit, form: Form, template: str = "holdings/act.html", **more: Any) -> Response:
    part_id, site_id = uuid_of(form.value("part")), uuid_of(form.value("site"))
    if part_id is None or site_id is None:
        return RedirectResponse("/holdings", status_code=303)
    part = await parts.part(visit.session, part_id)
    site = await parties.own_site(visit.session, visit.actor, site_id)
    page = await queries.what_we_hold(
        visit.session, visit.actor, HoldingFilter(part_id=part_id, site_id=site_id), limit=PER_PAGE, secret=visit.secret
    )
    others = [s for s in await parties.sites(visit.session, visit.actor) if s.id != site_id]
    return visit.show(
        template, form=form, part=part, site=site, back=_came_from(form.value("back")), rows=page.items, acts=ACTS, others=others,
        conditions=[(c, words) for c, words in CONDITION_WORDS.items() if any(r.condition == c for r in page.items)],
        total=sum(r.quantity for r in page.items), free=sum(r.free for r in page.items), **more,
    )  # fmt: skip


async def _carry_out(session: WriteSession, actor: Actor, sent: Sent, now: Any) -> dict[str, Any]:
    """The act as the form says; answers what came of it, JSON-able."""
    fields = sent.fields()
    kind = fields.one_of("act", "what happened", [a[0] for a in ACTS])
    part, site = fields.id("part", "part"), fields.id("site", "site")
    quantity = fields.whole("quantity", "Quantity", low=0 if kind == "count" else 1)
    note = fields.text("note", "Note", required=False, most=500) or None
    machine = fields.text("machine", "Machine", required=kind == "fit", most=200)
    reason = fields.text("reason", "Reason", required=kind == "scrap", most=200)
    to_site = fields.id("to_site", "where to") if kind == "move" else None
    licence = fields.text("licence", "Export licence", required=False, most=100)
    condition = sent.form().value("condition")
    if condition and condition not in CONDITION_WORDS:
        fields.wrong("condition", "Choose a condition from the list.")
    fields.check("holding.invalid", "Nothing was recorded.")
    if kind == "count":
        counted = await service.count(session, actor, site, part, quantity, now=now, note=note)
        beyond = await listings.promised_beyond_free(session, actor.company_id, part, site, now)
        return {
            "act": kind, "words": counted.words_ahead, "taken": [], "left": [], "owed": [], "off_offer": beyond,
            "in_breach": [str(agreement) for agreement in counted.in_breach],
        }  # fmt: skip
    target = AtSite(part, site, condition or None)
    if kind == "use":
        done = await service.use_up(session, actor, target, quantity, now=now, note=note)
    elif kind == "fit":
        done = await service.install(session, actor, target, quantity, machine, now=now, note=note)
    elif kind == "scrap":
        done = await service.scrap(session, actor, target, quantity, reason, now=now, note=note)
    else:
        assert to_site is not None  # noqa: S101 - a move names where to
        done = await service.move(session, actor, target, quantity, to_site, now=now, note=note, licence=licence)
    return {
        "act": kind,
        "words": "",
        "taken": [[t.quantity, t.serial or "", t.agreement or ""] for t in done.taken],
        "left": [[x.agreement, x.remaining, x.minimum_to_keep] for x in done.schedules],
        "owed": [
            [x.agreement, x.quantity, str(Money(x.amount, x.currency).rounded()), x.due_on.isoformat(), x.on_payment]
            for x in done.owed
        ],
        "off_offer": await listings.promised_beyond_free(session, actor.company_id, part, site, now),
    }


def _after(form: Form, done: dict[str, Any]) -> str:
    """Where somebody lands who has recorded it: after a count that is a breach, where it says what became of the units."""
    breaches = done.get("in_breach", [])
    if len(breaches) == 1:
        told = {"agreement": breaches[0], "part": form.value("part"), "site": form.value("site"), "done": "count"}
        return f"/holdings/missing?{urlencode(told)}"
    if breaches:
        return "/holdings/shortages?waits=explain&done=count"
    return f"/holdings?{'&'.join(filter(None, (_came_from(form.value('back')), 'done=' + done['act'])))}"


@router.post("/act")
async def act(request: Request, sent: SentForm, now: Now) -> Response:
    """Shows which units are taken and what remains; once confirmed, records it."""

    async def run(session: WriteSession, actor: Actor) -> dict[str, Any]:
        return await _carry_out(session, actor, sent, now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _act_page(visit, form)

    async def confirm(visit: Visit, form: Form, outcome: dict[str, Any]) -> Response:
        to_site = uuid_of(form.value("to_site"))
        there = await parties.own_site(visit.session, visit.actor, to_site) if to_site else None
        return await _act_page(visit, form, "holdings/confirm.html", outcome=outcome, to_site=there)

    return await submit(
        request,
        sent,
        "holding.act",
        run,
        now=now,
        to=lambda d: _after(sent.form(), d),
        again=again,
        confirm=confirm,
    )
