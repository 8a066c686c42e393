"""Saying what became of units under an agreement that are not there any more: used, sold or scrapped without leave, lost,
damaged beyond use, or found again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from marketplace.agreements import phrases
from marketplace.agreements import queries as agreements
from marketplace.agreements.missing import BECAME_WORDS, LOSSES, STILL_THERE, Became
from marketplace.db.session import ReadSession, WriteSession
from marketplace.holdings import queries, service
from marketplace.holdings.endpoints.missing import MISSING_HEADER, SHORTAGES_HEADER, missing_cells, shortage_cells
from marketplace.holdings.queries import MissingRow, ShortageRow
from marketplace.holdings.service import WhatBecame
from marketplace.kit.errors import missing
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.parts import queries as parts
from web.exports import list_csv, wants_csv
from web.forms import Form
from web.session import Sent, SentForm, Visit, submit, uuid_of, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/holdings", include_in_schema=False)
Acts = Annotated[Visit, visits("holding.act")]
ReadsAgreements = Annotated[Visit, visits("agreement.read")]
Signs = Annotated[Visit, visits("agreement.sign")]
LABELS: Final = {
    "became": "What became of them", "quantity": "Quantity", "day": "When it happened", "note": "What happened, and how you know",
    "serial": "Serial number", "machine": "Machine", "to_site": "Where they are",
}  # fmt: skip
CHOICES: Final = tuple((b.value, words[0].upper() + words[1:]) for b, words in BECAME_WORDS.items())
MOST_TOLD: Final = 50
PER_PAGE: Final = 50
TABS: Final = (("", "Not found by a count"), ("explain", "To account for"), ("conclude", "May be concluded"))
WAITS: Final[Mapping[str, queries.Waits]] = {"explain": "explain", "conclude": "conclude"}
SHORT_COLUMNS: Final = (
    Column("units", "Units"), Column("place", "Where"), Column("missing", "Missing", "end"), Column("stake", "At stake", "end"),
    Column("until", "Say where they are"), Column("status", "Status"), Column("act", "Actions", "end", hidden_label=True),
)  # fmt: skip
GONE_COLUMNS: Final = (
    Column("units", "Units"), Column("place", "Where"), Column("when", "When"), Column("words", "What the agreement says"),
    Column("owed", "Owed", "end"),
)  # fmt: skip
NOTHING_MISSING: Final[Mapping[str, Any]] = {"shortages": (), "gone": (), "became_words": {}}
"""To who is no side of the agreement."""


async def missing_under(visit: Visit, agreement_id: UUID) -> Mapping[str, Any]:
    """What an agreement's page says of units that are missing: shortages, and what became of units."""
    short = await queries.shortages(
        visit.session, visit.actor, secret=visit.secret, agreement_id=agreement_id, limit=MOST_TOLD
    )
    gone = await queries.missing_units(
        visit.session, visit.actor, secret=visit.secret, agreement_id=agreement_id, limit=MOST_TOLD
    )
    found: dict[str, tuple[ShortageRow, ...] | tuple[MissingRow, ...] | Mapping[str, str]] = {
        "shortages": tuple(short.items), "gone": tuple(gone.items), "became_words": {b.value: w for b, w in BECAME_WORDS.items()},
    }  # fmt: skip
    return found


@router.get("/shortages")
async def shortages_list(visit: ReadsAgreements) -> Response:
    """``?waits=`` a tab: to explain, or to conclude."""
    waits = WAITS.get(visit.choice("waits", WAITS))

    async def page(session: ReadSession, after: str | None, rows: int) -> tuple[Sequence[ShortageRow], str | None]:
        found = await queries.shortages(
            session, visit.actor, secret=visit.secret, waits=waits, now=visit.now, after=after, limit=rows
        )
        return found.items, found.next

    if wants_csv(visit):
        return list_csv(visit, "shortages", SHORTAGES_HEADER, page, shortage_cells)
    rows, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    return visit.show(
        "holdings/shortages.html", rows=rows, view=TableView.of(visit.request, SHORT_COLUMNS).with_next(following),
        tab=waits or "", tabs=[(k, words, f"/holdings/shortages?waits={k}" if k else "/holdings/shortages", None) for k, words in TABS],
        may_act=visit.actor.may("holding.act"), may_conclude=visit.actor.may("agreement.sign"), at=visit.now,
        done=visit.asked("done"),
    )  # fmt: skip


@router.get("/missing-units")
async def missing_list(visit: ReadsAgreements) -> Response:
    """What became of units, newest first."""

    async def page(session: ReadSession, after: str | None, rows: int) -> tuple[Sequence[MissingRow], str | None]:
        found = await queries.missing_units(session, visit.actor, secret=visit.secret, after=after, limit=rows)
        return found.items, found.next

    if wants_csv(visit):
        return list_csv(visit, "missing-units", MISSING_HEADER, page, missing_cells)
    rows, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    return visit.show(
        "holdings/missing_units.html", rows=rows, view=TableView.of(visit.request, GONE_COLUMNS).with_next(following),
        became_words={b.value: w for b, w in BECAME_WORDS.items()},
    )  # fmt: skip


@router.get("/missing")
async def missing_page(visit: Acts) -> Response:
    """The form: ``?agreement=``, ``?part=``, ``?site=``, ``?became=``."""
    return await _page(visit, Form({k: v for k, v in visit.request.query_params.items() if v.strip()}))


async def _page(visit: Visit, form: Form, template: str = "holdings/missing.html", **more: Any) -> Response:
    agreement_id, part_id, site_id = (uuid_of(form.value(name)) for name in ("agreement", "part", "site"))
    if agreement_id is None or part_id is None or site_id is None:
        return RedirectResponse("/holdings", status_code=303)
    part = await parts.part(visit.session, part_id)
    site = await parties.own_site(visit.session, visit.actor, site_id)
    known = (await agreements.terms_and_facts(visit.session, [(agreement_id, part_id)])).get((agreement_id, part_id))
    if known is None or known.holder_id != visit.actor.company_id:
        raise missing("agreement.not_found", "No such agreement under which your company holds units of this part.")
    short = await queries.shortages(
        visit.session, visit.actor, secret=visit.secret, still_open=True, agreement_id=agreement_id, limit=MOST_TOLD
    )
    return visit.show(
        template, form=form, labels=LABELS, part=part, site=site, known=known, choices=CHOICES, became_words=BECAME_WORDS,
        others=[s for s in await parties.sites(visit.session, visit.actor) if s.id != site_id],
        short=next((s for s in short.items if s.part_id == part_id and s.site_id == site_id), None),
        back=f"/agreements/{agreement_id}#missing", **more,
    )  # fmt: skip


async def _say(session: WriteSession, actor: Actor, sent: Sent, now: datetime) -> dict[str, Any]:
    fields, form = sent.fields(), sent.form()
    became = fields.one_of("became", "what became of them", [b.value for b in Became])
    ids = {name: fields.id(name, name) for name in ("agreement", "part", "site")}
    quantity = fields.whole("quantity", LABELS["quantity"], low=1)
    day = fields.day("day", LABELS["day"])
    still = became in {b.value for b in STILL_THERE}
    note = fields.text("note", LABELS["note"], required=not still, most=1_000)
    machine = fields.text("machine", LABELS["machine"], required=became == Became.INSTALLED, most=200)
    to_site = fields.id("to_site", LABELS["to_site"]) if became == Became.MOVED else None
    fields.check("missing.invalid", "Nothing was recorded.")
    row = await service.say_what_became(
        session,
        actor,
        WhatBecame(
            agreement_id=ids["agreement"], part_id=ids["part"], site_id=ids["site"], became=Became(became),
            quantity=quantity, note=note, serial=form.value("serial").strip() or None,
            machine=machine if became == Became.INSTALLED else None, to_site=to_site,
            happened_at=_moment(day, now) if day is not None else None,
        ),
        now=now,
    )  # fmt: skip
    return {
        "words": row.words, "owed": str(row.owed), "owes": row.line_kind is not None, "without": row.without_leave,
        "price": row.price and row.price.words,
        "due": row.due_on.isoformat(), "due_day": phrases.day(row.due_on), "loss": Became(became) in LOSSES,
    }  # fmt: skip


def _moment(day: Any, now: datetime) -> datetime:
    """A day as a moment: noon, and of today what it is now."""
    noon = datetime.combine(day, time(12), UTC)
    return now if day == now.date() else noon


@router.post("/missing")
async def say(request: Request, sent: SentForm, now: Now) -> Response:
    """Shows what follows; once confirmed, writes it down."""

    async def act(session: WriteSession, actor: Actor) -> dict[str, Any]:
        return await _say(session, actor, sent, now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _page(visit, form)

    async def confirm(visit: Visit, form: Form, outcome: dict[str, Any]) -> Response:
        return await _page(visit, form, "holdings/missing_confirm.html", outcome=outcome)

    to = f"/agreements/{uuid_of(sent.form().value('agreement')) or ''}?done=missing#missing"
    return await submit(request, sent, "holding.act", act, now=now, to=to, again=again, confirm=confirm)


async def _conclude_page(visit: Visit, shortage_id: UUID, form: Form) -> Response:
    short = await queries.shortage(visit.session, visit.actor.company_id, shortage_id)
    if short.maker_id != visit.actor.company_id or not short.left:
        raise missing("shortage.not_found", "No such shortage that your company could conclude.")
    return visit.show(
        "holdings/conclude.html", form=form, short=short, back=f"/agreements/{short.stands_under}#missing"
    )


@router.get("/shortages/{shortage_id}/conclude")
async def conclude_page(visit: Signs, shortage_id: UUID) -> Response:
    """What it means that nobody has said where units are."""
    return await _conclude_page(visit, shortage_id, Form())


@router.post("/shortages/{shortage_id}/conclude")
async def conclude(request: Request, shortage_id: UUID, sent: SentForm, now: Now) -> Response:
    """They are taken to be gone without leave; what the clause has the holder pay is owed."""

    async def act(session: WriteSession, actor: Actor) -> dict[str, Any]:
        row = await service.conclude_shortage(session, actor, shortage_id, now)
        return {"agreement": str(row.agreement_id)}

    async def again(visit: Visit, form: Form) -> Response:
        return await _conclude_page(visit, shortage_id, form)

    return await submit(
        request, sent, "agreement.sign", act, now=now, to=lambda d: f"/agreements/{d['agreement']}?done=missing#missing",
        again=again,
    )  # fmt: skip
