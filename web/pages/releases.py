"""Surplus postings of one's own: the list, a new one, one of them, publishing, reducing and withdrawing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from marketplace.agreements.combinations import starting_points
from marketplace.agreements.title import price_due
from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.errors import missing
from marketplace.kit.money import Money, amount_cell
from marketplace.kit.pages import cut, read_bookmark
from marketplace.listings import queries, service, wording
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from web.book_words import shown
from web.clauses import NAMES
from web.exports import list_csv, wants_csv
from web.formats import exact
from web.forms import Form
from web.found import Worded
from web.pages.posting_order import offered_page
from web.released_stock import lines_from_stock
from web.session import SentForm, Visit, submit, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/releases", include_in_schema=False)
ReadsReleases = Annotated[Visit, visits("release.read")]
WritesReleases = Annotated[Visit, visits("release.write")]
ReadsListings = Annotated[Visit, visits("listing.read")]

PER_PAGE: Final = 50
USES: Final = (
    ("non_capital_spare", "Spares", "The partner fits them into its machines, or keeps them to do so."),
    ("intermediate_good", "Intermediate goods", "The partner uses them up in its own production."),
)
COLUMNS: Final = (
    Column("release", "Posting"),
    Column("status", "Status"),
    Column("lines", "Lines", "end"),
    Column("units", "Units", "end"),
    Column("ordered", "Ordered", "end"),
    Column("value", "Value", "end"),
    Column("when", "Published"),
)
LINE_COLUMNS: Final = (
    Column("part", "Part"),
    Column("where", "Where"),
    Column("condition", "Condition"),
    Column("offered", "Offered", "end"),
    Column("ordered", "Ordered", "end"),
    Column("left", "Left", "end"),
    Column("keep", "Min-keep", "end"),
    Column("price", "Price", "end"),
    Column("act", "Actions", "end", hidden_label=True),
)
CSV_HEADER: Final = (
    "Posting", "Title", "Status", "Clause", "Version", "Lines", "Units", "Ordered", "Value", "Currency", "Published",
)  # fmt: skip
STATUSES: Final = {
    "": "All",
    "draft": "Drafts",
    "approval": "For you to approve",
    "published": "Published",
    "closed": "Closed",
}
DONE: Final = {
    "published": (
        "Published.",
        "Partners see it from now on, or from their own date, and can order.",
    ),
    "closed": ("Withdrawn.", "Nothing more can be ordered from it; orders already placed go on."),
    "reduced": ("Reduced.", "What is ordered already stays honoured."),
    "saved": ("Saved.", None),
}


@router.get("")
async def releases(visit: ReadsReleases) -> Response:
    """The company's postings, newest first."""
    status = visit.choice("status", STATUSES)
    company_id = visit.actor.company_id

    async def page(
        session: ReadSession, mark: str | None, rows: int
    ) -> tuple[Sequence[queries.ReleaseRow], str | None]:
        key = read_bookmark(mark, visit.secret, UUID)
        after = key[0] if key else None
        waits = visit.actor.user_id if status == "approval" else None
        found = await queries.releases(
            session, company_id, status=None if waits else status or None, waits_for=waits, after=after, limit=rows + 1
        )
        some = cut(found, rows, lambda row: [row.id], visit.secret)
        return some.items, some.next

    if wants_csv(visit):
        return list_csv(visit, "postings", CSV_HEADER, page, _csv_row)
    rows, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    return visit.show(
        "releases/list.html",
        rows=rows,
        view=TableView.of(visit.request, COLUMNS).with_next(following),
        tabs=[(key, words, f"/releases?status={key}" if key else "/releases", None) for key, words in STATUSES.items()],
        status=status,
        value=lambda row: Money(row.value, row.currency).rounded(),
        named=clauses_named,
        done=DONE.get(visit.asked("done")),
    )


def clauses_named(row: queries.ReleaseRow) -> str:
    """'Access-back and first refusal'."""
    return " and ".join([NAMES[row.clause], *(NAMES[c["clause"]].lower() for c in row.further)])


def _csv_row(row: queries.ReleaseRow) -> list[object]:
    return [
        row.reference, row.title, row.status, " and ".join([row.clause, *(c["clause"] for c in row.further)]), row.version, row.lines, row.quantity, row.ordered,
        amount_cell(row.value, row.currency), row.currency,
        row.published_at.isoformat(timespec="seconds") if row.published_at else "",
    ]  # fmt: skip


# -- a new one -------------------------------------------------------------------------------------------


@router.get("/new")
async def new(visit: WritesReleases) -> Response:
    """Title, use and a preset; ``?add=part|site|condition`` brings a stock line along."""
    return await _new(visit, Form({"use_class": "non_capital_spare", "add": visit.asked("add")}))


async def _new(visit: Visit, form: Form) -> Response:
    starts = starting_points(published_of(await queries.clause_versions(visit.session)))
    presets = [(start.name, start.title, start.when) for start in starts.values()]
    usual = next(iter(starts), "")
    return visit.show("releases/new.html", form=form, presets=presets, usual=usual, uses=USES)


def published_of(rows: Sequence[tuple[str, int, str, str]]) -> set[tuple[str, int]]:
    """The (clause, version) of published clauses."""
    return {(clause, version) for clause, version, *_ in rows}


@router.post("")
async def make(request: Request, sent: SentForm, now: Now) -> Response:
    """Makes the draft with the preset's terms, for all partners, and the stock line it was begun from."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        fields = sent.fields()
        title = fields.text("title", "Title", most=120)
        starts = starting_points(published_of(await queries.clause_versions(session)))
        start = starts.get(fields.one_of("preset", "how you keep access", starts))
        use = fields.one_of("use_class", "what partners buy them for", [value for value, _, _ in USES])
        fields.check()
        assert start is not None  # noqa: S101 - check() has raised otherwise
        made = await service.draft(
            session,
            actor,
            title=title,
            clause=start.first.clause,
            version=start.first.version,
            terms=start.first.terms,
            use_class=use,
            further=start.further,
        )
        if chosen := fields.many("add"):
            terms = start.terms(use_class=use)[0]
            await service.add_lines(session, actor, made, await lines_from_stock(session, actor, chosen, terms, 60))
        return made

    async def again(visit: Visit, form: Form) -> Response:
        return await _new(visit, form)

    return await submit(
        request, sent, "release.write", act, now=now, to=lambda made: f"/releases/{made}/terms", again=again
    )


# -- one of them -----------------------------------------------------------------------------------------


async def own(visit: Visit, release_id: UUID) -> queries.ReleaseRow:
    """One of the company's own postings. Raises ``release.not_found`` also for somebody else's."""
    return await queries.own_release(visit.session, visit.actor.company_id, release_id)


def crumbs(release: queries.ReleaseRow) -> list[tuple[str, str]]:
    """The way to a page below a posting."""
    return [("Surplus postings", "/releases"), (release.reference, f"/releases/{release.id}")]


def steps(release: queries.ReleaseRow) -> list[tuple[str, str]]:
    """The steps of the editor with their addresses."""
    base = f"/releases/{release.id}"
    return [
        ("Terms and audience", f"{base}/terms"),
        ("Units and prices", f"{base}/lines"),
        ("Publish", f"{base}/publish"),
    ]


async def in_words(visit: Visit, release: queries.ReleaseRow, lines: Sequence[queries.ListingRow]) -> dict[str, Any]:
    """Badge and sentences of a posting, told by its first line."""
    worded = Worded(visit.today, visit.zone, visit.actor.company_id)
    first = lines[0] if lines else None
    return {
        "example": first,
        "clause": worded.clause(first, first.quantity) if first else None,
        "audience": _who_sees_it(await queries.whole_audience(visit.session, release), visit.zone),
    }


def _who_sees_it(told: Sequence[queries.WindowRow], zone: str) -> str:
    """'Named partners: A, B', or stage by stage: 'Inner circle (group); all partners from 2 Dec 2026, 09:00 CST'."""
    if all(w.partner_id is not None and w.opens_at is None for w in told):
        return f"Named partners: {', '.join(w.name for w in told)}"
    stages = []
    for opens, some in groupby(told, key=lambda w: w.opens_at):
        names = [
            "all partners"
            if w.partner_id is None and w.group_id is None
            else f"{w.name} (group)"
            if w.group_id
            else w.name
            for w in some
        ]
        stages.append(", ".join(names) + (f" from {exact(opens, zone)}" if opens else ""))
    words = "; ".join(stages)
    return words[:1].upper() + words[1:]


@router.get("/{release_id}")
async def release(visit: ReadsListings, release_id: UUID) -> Response:
    """One posting: its owner sees lines and orders, whoever prepares a draft goes on to the editor, partners go to what they may buy."""
    row = await queries.release(visit.session, release_id)
    if row.company_id != visit.actor.company_id:
        return await offered_page(visit, row, Form())
    visit.actor.require("release.read")
    may_write = visit.actor.may("release.write")
    if row.status == "draft" and may_write:
        return RedirectResponse(f"/releases/{release_id}/{'lines' if row.lines else 'terms'}", 303)
    lines = await queries.lines(visit.session, release_id)
    return visit.show(
        "releases/release.html",
        release=row,
        lines=lines,
        may_write=may_write,
        view=TableView.of(visit.request, LINE_COLUMNS),
        price=lambda line: Money(line.unit_price, line.currency),
        value=Money(row.value, row.currency).rounded(),
        done=DONE.get(visit.asked("done")),
        price_due=price_due(wording.clauses_of(row.clause, row.version, row.terms, row.further), row.payment_days),
        **await in_words(visit, row, lines),
    )


# -- publish, reduce, close ------------------------------------------------------------------------------


async def _publish_page(visit: Visit, release_id: UUID, form: Form) -> Response:
    row = await own(visit, release_id)
    lines = await queries.lines(visit.session, release_id)
    terms = wording.clauses_of(row.clause, row.version, row.terms, row.further)
    whose = await queries.whose_law(visit.session, row)
    law = await queries.law_of_terms(visit.session, visit.actor.company_id, terms, whose, visit.today)
    books = await queries.books_of_lines(visit.session, visit.actor.company_id, terms, lines, visit.today)
    limit = await queries.release_limit(visit.session, visit.actor.company_id)
    above = limit is not None and row.value > limit
    asked = await queries.approvals(visit.session, visit.actor.company_id, release_id) if above else []
    current = await service.is_current(visit.session, row, asked[0]) if asked else False
    return visit.show(
        "releases/publish.html",
        above=above,
        limit=Money(limit, row.currency) if limit is not None else None,
        asked=asked[0] if asked else None,
        current=current,
        release=row,
        lines=lines,
        steps=steps(row),
        crumbs=crumbs(row),
        form=form,
        value=Money(row.value, row.currency).rounded(),
        **shown(books, law),
        **await in_words(visit, row, lines),
    )


@router.get("/{release_id}/publish")
async def publish_page(visit: WritesReleases, release_id: UUID) -> Response:
    """What publishing will do."""
    return await _publish_page(visit, release_id, Form())


@router.post("/{release_id}/publish")
async def publish(request: Request, release_id: UUID, sent: SentForm, now: Now) -> Response:
    """Puts the draft out."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.publish(session, actor, release_id, now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _publish_page(visit, release_id, form)

    async def confirm(visit: Visit, form: Form, _outcome: object) -> Response:
        return await _publish_page(visit, release_id, form)

    to = f"/releases/{release_id}?done=published"
    return await submit(request, sent, "release.write", act, now=now, to=to, again=again, confirm=confirm)


async def _close_page(visit: Visit, release_id: UUID, form: Form) -> Response:
    row = await own(visit, release_id)
    return visit.show("releases/close.html", release=row, crumbs=crumbs(row), form=form)


@router.post("/{release_id}/approval")
async def ask_approval(request: Request, release_id: UUID, sent: SentForm, now: Now) -> Response:
    """Asks another person to approve the draft as it is."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        return await service.ask_approval(session, actor, release_id, now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _publish_page(visit, release_id, form)

    return await submit(request, sent, "release.write", act, now=now, to=f"/releases/{release_id}/publish", again=again)


@router.post("/{release_id}/approval/answer")
async def answer_approval(request: Request, release_id: UUID, sent: SentForm, now: Now) -> Response:
    """Another person's word on it."""
    said = sent.form()

    async def act(session: WriteSession, actor: Actor) -> None:
        approved = said.value("say") == "yes"
        await service.answer_approval(
            session, actor, release_id, approved=approved, reason=said.value("reason"), now=now
        )

    async def again(visit: Visit, form: Form) -> Response:
        return await _publish_page(visit, release_id, form)

    return await submit(request, sent, "release.write", act, now=now, to=f"/releases/{release_id}/publish", again=again)


@router.get("/{release_id}/close")
async def close_page(visit: WritesReleases, release_id: UUID) -> Response:
    """What withdrawing (or deleting a draft) will do."""
    return await _close_page(visit, release_id, Form())


@router.post("/{release_id}/close")
async def close(request: Request, release_id: UUID, sent: SentForm, now: Now) -> Response:
    """Withdraws everything unsold; a draft is deleted."""

    async def act(session: WriteSession, actor: Actor) -> str:
        before = await queries.release(session, release_id)
        await service.close(session, actor, release_id, now)
        return before.status

    async def again(visit: Visit, form: Form) -> Response:
        return await _close_page(visit, release_id, form)

    async def confirm(visit: Visit, form: Form, _outcome: object) -> Response:
        return await _close_page(visit, release_id, form)

    def to(before: Any) -> str:
        return "/releases" if before == "draft" else f"/releases/{release_id}?done=closed"

    return await submit(request, sent, "release.write", act, now=now, to=to, again=again, confirm=confirm)


async def _reduce_page(visit: Visit, release_id: UUID, listing_id: UUID, form: Form) -> Response:
    row = await own(visit, release_id)
    line = next((x for x in await queries.lines(visit.session, release_id) if x.id == listing_id), None)
    if line is None:
        raise missing("listing.not_found", "No such line in this posting.")
    if not form.values:
        form = Form({"quantity": str(line.ordered)})
    return visit.show("releases/reduce.html", release=row, line=line, crumbs=crumbs(row), form=form)


@router.get("/{release_id}/lines/{listing_id}/reduce")
async def reduce_page(visit: WritesReleases, release_id: UUID, listing_id: UUID) -> Response:
    """How many to go on offering of one line; none more than ordered withdraws it."""
    return await _reduce_page(visit, release_id, listing_id, Form())


@router.post("/{release_id}/lines/{listing_id}/reduce")
async def reduce(request: Request, release_id: UUID, listing_id: UUID, sent: SentForm, now: Now) -> Response:
    """Offers fewer of one line."""

    async def act(session: WriteSession, actor: Actor) -> None:
        fields = sent.fields()
        quantity = fields.whole("quantity", "Quantity")
        fields.check()
        await service.reduce(session, actor, listing_id, quantity)

    async def again(visit: Visit, form: Form) -> Response:
        return await _reduce_page(visit, release_id, listing_id, form)

    async def confirm(visit: Visit, form: Form, _outcome: object) -> Response:
        return await _reduce_page(visit, release_id, listing_id, form)

    to = f"/releases/{release_id}?done=reduced"
    return await submit(request, sent, "release.write", act, now=now, to=to, again=again, confirm=confirm)
