"""Quotes as both sides see them: the list, one of them with its history, asking for one, and the steps of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.agreements.changes import Difference, differences_of_all
from marketplace.agreements.terms import Terms, dump_terms
from marketplace.agreements.together import NamedClause
from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.errors import conflict
from marketplace.kit.money import Money, price_cell
from marketplace.kit.pages import cut, read_bookmark
from marketplace.listings import queries as listings
from marketplace.listings.wording import clauses_of
from marketplace.orders import queries, service
from marketplace.orders.quoting import REASONS, WORDS
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.parts import queries as parts
from web.clause_forms import ClausesForm, named_clauses
from web.exports import list_csv, wants_csv
from web.forms import Form, Value
from web.quote_words import history, next_words, relation
from web.session import Sent, SentForm, Visit, submit, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/quotes", include_in_schema=False)
ReadsOrders = Annotated[Visit, visits("order.read")]
PlacesOrders = Annotated[Visit, visits("order.place")]
AnswersQuotes = Annotated[Visit, visits("quote.answer")]
PER_PAGE: Final = 50
MESSAGES: Final = 100
MOST_OFFERED: Final = 50
COLUMNS: Final = (
    Column("quote", "Request"), Column("other", "With"), Column("part", "Part"), Column("quantity", "Quantity", "end"),
    Column("status", "Status"), Column("asked", "Asked"),
)  # fmt: skip
CSV_HEADER: Final = (
    "Quote", "We are", "With", "Part number", "Description", "Quantity", "Unit", "Status", "Version", "Asked", "Offer holds until", "PO number", "Order",
    "Reason", "Reason in words",
)  # fmt: skip
STATES: Final = {"": "All", "waits": "Wait for us", "open": "Open", "ended": "Ended"}
HOURS: Final = (("24", "1 day"), ("72", "3 days"), ("168", "7 days"), ("336", "14 days"), ("720", "30 days"))
DONE: Final = {
    "asked": ("Asked for a quote.", "The seller was told; its offer stands here."),
    "offered": ("Offer made.", "The other side was told. Until it answers you may make another one or withdraw it."),
    "declined": ("Declined.", "The other side was told why; nothing is reserved."),
    "withdrawn": ("Withdrawn.", "The other side was told; nothing is reserved."),
}
VERB: Final = {True: "order.decide", False: "order.place"}


@router.get("")
async def quotes(visit: ReadsOrders) -> Response:
    """The company's quotes, newest first: ``?side=``, ``?state=``."""
    state = visit.choice("state", STATES)
    side = visit.choice("side", {"buying", "selling"}) or None

    async def some(session: ReadSession, after: str | None, many: int) -> tuple[Sequence[queries.QuoteRow], str | None]:
        mark = read_bookmark(after, visit.secret, UUID)
        found = await queries.quotes(
            session,
            visit.actor.company_id,
            now=visit.now,
            side=side,
            state=state or None,
            after=mark[0] if mark else None,
            limit=many + 1,
        )
        page = cut(found, many, lambda r: [r.id], visit.secret)
        return page.items, page.next

    if wants_csv(visit):
        return list_csv(visit, "quotes", CSV_HEADER, some, lambda r: _csv_row(visit, r))
    rows, following = await some(visit.session, visit.asked("after") or None, PER_PAGE)
    query = f"&side={side}" if side else ""
    tabs = [
        (key, words, f"/quotes?state={key}{query}" if key or side else "/quotes", None) for key, words in STATES.items()
    ]
    view = TableView.of(visit.request, COLUMNS).with_next(following)
    return visit.show(
        "quotes/list.html",
        rows=rows,
        view=view,
        tabs=tabs,
        state=state,
        shown=lambda r: r.shown_status(visit.now),
    )


def _csv_row(visit: Visit, r: queries.QuoteRow) -> list[object]:
    selling = r.seller_id == visit.actor.company_id
    return [
        r.reference, "selling" if selling else "buying", r.buyer if selling else r.seller, r.part_number, r.description, r.quantity, r.uom,
        r.shown_status(visit.now), r.last_version, r.asked_at.isoformat(timespec="seconds"),
        r.expires_at.isoformat(timespec="seconds") if r.expires_at else "", r.po_number, r.order_reference or "", r.reason_code or "", r.reason_text or "",
    ]  # fmt: skip


# -- asking ----------------------------------------------------------------------------------------------


@router.get("/new")
async def new(visit: PlacesOrders) -> Response:
    """The form: ``?listing=`` or ``?part=``, ``?quantity=``."""
    return await _new(visit, Form({name: visit.asked(name) for name in ("listing", "part", "quantity")}))


async def _new(visit: Visit, form: Form) -> Response:
    listing_id, part_id = (_id(form.value(name)) for name in ("listing", "part"))
    row = await listings.listing(visit.session, listing_id) if listing_id else None
    part = None if row else await parts.part(visit.session, part_id or UUID(int=0))
    return visit.show(
        "quotes/new.html", form=form, row=row, part=part, sites=await parties.sites(visit.session, visit.actor),
        home_id=str(visit.home.id) if visit.home else "",
    )  # fmt: skip


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@router.post("/new")
async def ask(request: Request, sent: SentForm, now: Now) -> Response:
    """Asks the seller."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        fields = sent.fields()
        quantity = fields.whole("quantity", "Quantity", low=1)
        ship_to = fields.id("ship_to", "ship to")
        needed_by = fields.day("needed_by", "Needed by")
        note = fields.text("note", "What you say to the seller", required=False, most=1_000)
        number = fields.text("po_number", "Purchase order number", required=False, most=60)
        fields.check()
        listing_id = _id(sent.form().value("listing"))
        return await service.request_quote(
            session, actor, listing_id=listing_id, part_id=None if listing_id else _id(sent.form().value("part")), quantity=quantity,
            needed_by=needed_by, ship_to_site_id=ship_to, note=note, po_number=number, now=now,
        )  # fmt: skip

    return await submit(
        request, sent, "order.place", act, now=now, to=lambda made: f"/quotes/{made}?done=asked", again=_new
    )


# -- one quote -------------------------------------------------------------------------------------------


async def _detail(visit: Visit, quote_id: UUID) -> dict[str, Any]:
    quote = await queries.quote(visit.session, quote_id)
    selling = quote.side_of(visit.actor.company_id) == "seller"
    versions = await queries.versions(visit.session, quote_id)
    may = visit.actor.may(VERB[selling]) and visit.actor.may("quote.answer")
    side = quote.side_of(visit.actor.company_id)
    return {
        "quote": quote, "selling": selling, "other": quote.buyer if selling else quote.seller, "versions": versions,
        "last": versions[-1] if versions else None, "status": quote.shown_status(visit.now),
        "acts": {a for a in ("offer", "accept", "decline", "withdraw") if may and quote.standing.may(a, side, visit.now)},
        "price": lambda v, x: Money(x.unit_price, v.currency), "total": lambda v: Money(v.total, v.currency),
        "relation": lambda x: relation(x.relation, quote.part_number),
        "crumbs": [("Orders", "/orders"), ("Quotes", "/quotes"), (quote.reference, f"/quotes/{quote_id}")],
    }  # fmt: skip


@router.get("/{quote_id}")
async def quote(visit: ReadsOrders, quote_id: UUID) -> Response:
    """One quote: what was asked, what is offered now, what was offered before, what was written."""
    return await _show(visit, quote_id, Form())


async def _show(visit: Visit, quote_id: UUID, form: Form) -> Response:
    found = await _detail(visit, quote_id)
    row: queries.QuoteRow = found["quote"]
    said = await queries.latest_messages(
        visit.session, order_id=row.order_id, quote_id=quote_id, before=visit.id("before"), limit=MESSAGES + 1
    )
    return visit.show(
        "quotes/quote.html", **found, form=form, events=history(row, found["versions"], said[-MESSAGES:], visit.zone),
        site=await parties.site_seen(visit.session, row.ship_to_site_id),
        earlier=f"/quotes/{quote_id}?before={said[1].id}" if len(said) > MESSAGES else None,
        next_words=next_words(row, found["selling"], visit.now), terms=await _other_terms(visit, found["last"]),
        writes=visit.actor.may("order.message"), done=DONE.get(visit.asked("done")),
    )  # fmt: skip


async def _other_terms(visit: Visit, version: queries.VersionRow | None) -> tuple[Difference, ...]:
    """What a version would change of the posting's terms."""
    if version is None or version.clauses is None:
        return ()
    rows = await listings.seen(visit.session, [x.listing_id for x in version.lines if x.listing_id])
    if not rows:
        return ()
    return differences_of_all(_as_used(rows[0]), _parsed(version.clauses))


def _parsed(clauses: list[dict[str, Any]]) -> tuple[Terms, ...]:
    return clauses_of(clauses[0]["clause"], clauses[0]["version"], clauses[0]["terms"], clauses[1:])


def _as_used(row: listings.ListingRow) -> tuple[Terms, ...]:
    """The posting's terms for what its units are sold for."""
    further = [{**c, "terms": {**c["terms"], "use_class": row.use_class}} for c in row.further]
    return clauses_of(row.clause, row.version, {**row.terms, "use_class": row.use_class}, further)


@router.post("/{quote_id}/messages")
async def write(request: Request, sent: SentForm, quote_id: UUID, now: Now) -> Response:
    """Adds a message; a refused one is shown again under the thread."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        text = str(sent.values.get("text", "")).replace("\r\n", "\n")
        return await service.write_message(session, actor, text, now, quote_id=quote_id)

    async def again(visit: Visit, form: Form) -> Response:
        return await _show(visit, quote_id, form)

    return await submit(request, sent, "order.message", act, now=now, to=f"/quotes/{quote_id}#write", again=again)


# -- offering --------------------------------------------------------------------------------------------


async def _candidates(visit: Visit, quote: queries.QuoteRow) -> Sequence[listings.ListingRow]:
    """What the seller has posted of the part that was asked for, of what replaces it, and of its alternates; as the reader sees it."""
    known = [r.other_id for r in await parts.related(visit.session, [quote.part_id]) if r.relation != "supersedes"]
    wanted = listings.Wanted(part_ids=(quote.part_id, *known), sellers=(quote.seller_id,))
    rows = await listings.offers(visit.session, wanted, limit=MOST_OFFERED)
    # The listing that was asked about first, then the part itself.
    return sorted(rows, key=lambda r: (r.id != quote.listing_id, r.part_id != quote.part_id, r.part_number))


@router.get("/{quote_id}/offer")
async def offer_page(visit: AnswersQuotes, quote_id: UUID) -> Response:
    """The figures of the last version (or of the posting), to be changed."""
    found = await _detail(visit, quote_id)
    _possible(found, "offer")
    rows = await _candidates(visit, found["quote"])
    last: queries.VersionRow | None = found["last"]
    values: dict[str, Value] = {"hours": "72", "answers": str(found["quote"].last_version)}
    for i, row in enumerate(rows):
        values[f"p_{row.id}"] = price_cell(row.unit_price, row.currency)
        if last is None and i == 0:
            values[f"q_{row.id}"] = str(min(found["quote"].quantity, row.available))
    for x in last.lines if last else ():
        values |= {
            f"q_{x.listing_id}": str(x.quantity),
            f"p_{x.listing_id}": price_cell(x.unit_price, last.currency if last else ""),
        }
    if last and last.clauses:
        values["other_terms"] = "yes"
    clauses = _clauses_now(rows, last)
    if clauses:
        values |= ClausesForm.of([(t.clause, t.version) for t in clauses]).values([dump_terms(t) for t in clauses])
    return await _offer(visit, quote_id, Form(values))


def _clauses_now(rows: Sequence[listings.ListingRow], last: queries.VersionRow | None) -> tuple[Terms, ...]:
    if last and last.clauses:
        return _parsed(last.clauses)
    return _as_used(rows[0]) if rows else ()


async def _offer(visit: Visit, quote_id: UUID, form: Form) -> Response:
    found = await _detail(visit, quote_id)
    rows = await _candidates(visit, found["quote"])
    now_terms = _clauses_now(rows, found["last"])
    clauses = ClausesForm.sent(form, (now_terms[0].clause, now_terms[0].version)) if now_terms else None
    labels = {
        f"{k}_{r.id}": f"{r.part_number}, {what}" for r in rows for k, what in (("q", "quantity"), ("p", "price"))
    }
    return visit.show(
        "quotes/offer.html", **found, form=form, rows=rows, clauses=clauses, labels=labels | (clauses.labels if clauses else {}),
        hours=HOURS, money=lambda r: Money(r.unit_price, r.currency),
        relation_of=lambda r: "" if r.part_id == found["quote"].part_id else f"in place of {found['quote'].part_number}",
    )  # fmt: skip


def _possible(found: dict[str, Any], act: str) -> None:
    if act not in found["acts"]:
        raise conflict("quote.state", f"This request is {WORDS[found['status']]}; this step is not yours now.")


@router.post("/{quote_id}/offer")
async def offer(request: Request, quote_id: UUID, sent: SentForm, now: Now) -> Response:
    """Makes the offer."""

    async def act(session: WriteSession, actor: Actor) -> int:
        form, fields = sent.form(), sent.fields()
        lines = []
        for name in sent.values:
            listing = _id(name.removeprefix("q_")) if name.startswith("q_") else None
            quantity = fields.whole(name, "Quantity", empty=0) if listing else 0
            if listing and quantity:
                lines.append(service.OfferedLine(listing, quantity, fields.amount(f"p_{listing}", "Price")))
        hours = fields.whole("hours", "How long it holds", low=1)
        note = fields.text("note", "What you say with it", required=False, most=1_000)
        number = fields.text("po_number", "Purchase order number", required=False, most=60)
        answers = fields.whole("answers", "Version")
        clauses: tuple[NamedClause, ...] = ()
        if fields.yes("other_terms") and lines:
            row = await _posted(session, lines[0].listing_id)
            clauses = named_clauses(ClausesForm.sent(form, (row.clause, row.version)).read(fields, row.use_class))
        fields.check()
        return await service.make_offer(
            session, actor, quote_id, answers=answers, lines=lines, hours=hours, note=note, reserve=fields.yes("reserve"),
            clauses=clauses, po_number=number, now=now,
        )  # fmt: skip

    async def again(visit: Visit, form: Form) -> Response:
        return await _offer(visit, quote_id, form)

    return await submit(request, sent, "quote.answer", act, now=now, to=f"/quotes/{quote_id}?done=offered", again=again)


async def _posted(session: WriteSession, listing_id: UUID) -> listings.ListingRow:
    return await listings.listing(session, listing_id)


# -- answering -------------------------------------------------------------------------------------------


async def _answer_page(visit: Visit, quote_id: UUID, act: str, form: Form) -> Response:
    found = await _detail(visit, quote_id)
    if not form.bad:
        _possible(found, act)
    return visit.show(
        f"quotes/{act}.html", **found, form=form, reasons=list(REASONS.items()), terms=await _other_terms(visit, found["last"]),
        site=await parties.site_seen(visit.session, found["quote"].ship_to_site_id),
    )  # fmt: skip


def _answer(act: str, carry_out: Any) -> None:
    """Registers the page of an answer (GET) and the answer itself (POST)."""

    async def page(visit: AnswersQuotes, quote_id: UUID) -> Response:
        return await _answer_page(visit, quote_id, act, Form())

    async def done(request: Request, quote_id: UUID, sent: SentForm, now: Now) -> Response:
        hold_hours = int(request.app.state.settings.order_hold_hours)

        async def run(session: WriteSession, actor: Actor) -> Any:
            fields = sent.fields()
            version = fields.whole("version", "Version")
            note = fields.text("note", "Note", required=False, most=1_000)
            fields.check()
            return await carry_out(session, actor, quote_id, sent, version, note, now, hold_hours)

        async def again(visit: Visit, form: Form) -> Response:
            return await _answer_page(visit, quote_id, act, form)

        said = {"accept": "accepted", "decline": "declined", "withdraw": "withdrawn"}[act]
        return await submit(
            request, sent, "quote.answer", run, now=now, again=again,
            to=lambda made: f"/orders/{made}?done=agreed" if act == "accept" else f"/quotes/{quote_id}?done={said}",
        )  # fmt: skip

    router.add_api_route(f"/{{quote_id}}/{act}", page, methods=["GET"], name=f"quote-{act}")
    router.add_api_route(f"/{{quote_id}}/{act}", done, methods=["POST"], name=f"quote-{act}-done")


async def _accept(
    session: WriteSession, actor: Actor, quote_id: UUID, sent: Sent, version: int, _note: str, now: Any, hold_hours: int
) -> UUID:
    number = sent.form().value("po_number")[:60]
    return await service.accept_offer(
        session, actor, quote_id, version=version, po_number=number, now=now, hold_hours=hold_hours
    )


async def _decline(
    session: WriteSession, actor: Actor, quote_id: UUID, sent: Sent, version: int, note: str, now: Any, _hours: int
) -> None:
    fields = sent.fields()
    reason = fields.one_of("reason", "a reason", REASONS)
    fields.check()
    await service.decline_offer(session, actor, quote_id, version=version, reason=reason, note=note, now=now)


async def _withdraw(
    session: WriteSession, actor: Actor, quote_id: UUID, _sent: Sent, version: int, note: str, now: Any, _hours: int
) -> None:
    await service.withdraw_offer(session, actor, quote_id, version=version, note=note, now=now)


_answer("accept", _accept)
_answer("decline", _decline)
_answer("withdraw", _withdraw)
