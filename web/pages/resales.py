"""Selling units on: asking, the maker's consent, the buyer's signature, shipping and receiving."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.agreements import queries as agreements
from marketplace.agreements.queries import AgreementDetail
from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.errors import missing
from marketplace.kit.pages import cut, read_bookmark
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.resales import queries, service
from marketplace.resales.queries import WAITS_FOR, ResaleRow
from web.clauses import html
from web.exports import list_csv, wants_csv
from web.formats import plural
from web.forms import Form
from web.session import SentForm, Visit, submit, uuid_of, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/resales", include_in_schema=False)
ReadsResales = Annotated[Visit, visits("agreement.read")]
Signs = Annotated[Visit, visits("agreement.sign")]

PER_PAGE: Final = 50
MOST_CHOICES: Final = 1_000
COLUMNS: Final = (
    Column("resale", "Resale"),
    Column("from", "From"),
    Column("to", "To"),
    Column("units", "Units", "end"),
    Column("status", "Status"),
    Column("asked", "Asked"),
)
TABS: Final = (
    ("", "All"), ("consent", "Waits for our consent"), ("accede", "Waits for our signature"), ("ship", "To ship"),
    ("receive", "On its way to us"),
)  # fmt: skip
CSV_HEADER: Final = (
    "Resale", "Status", "Part number", "Description", "Quantity", "Unit", "Manufacturer", "Seller", "Buyer", "Agreement",
    "Right stays", "Minimum taken over", "Asked", "Consented", "Signed", "Shipped", "Received", "Arrived",
)  # fmt: skip
EVENTS: Final = {
    "asked": ("{company} asked to sell the units on", "send", "info"),
    "consented": ("{company} consented", "certificate", "good"),
    "refused": ("{company} refused", "x", "bad"),
    "acceded": ("{company} signed", "certificate", "good"),
    "shipped": ("{company} shipped", "truck", "info"),
    "received": ("{company} received the units", "package-import", "good"),
    "cancelled": ("{company} called it off", "x", None),
}
LABELS: Final = {"reason": "Reason", "note": "Note", "buyer": "Buyer", "place": "Part and site", "missing": "Missing"}


@router.get("")
async def resales(visit: ReadsResales) -> Response:
    """``?waits=`` a tab."""
    waits = visit.choice("waits", set(WAITS_FOR)) or None

    async def page(session: ReadSession, after: str | None, rows: int) -> tuple[Sequence[ResaleRow], str | None]:
        mark = read_bookmark(after, visit.secret, UUID)
        found = await queries.resales(
            session, visit.actor.company_id, waits=waits, after=mark[0] if mark else None, limit=rows + 1
        )
        some = cut(found, rows, lambda r: [r.id], visit.secret)
        return some.items, some.next

    if wants_csv(visit):
        return list_csv(visit, "resales", CSV_HEADER, page, lambda r: _csv_row(r, visit))
    rows, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    return visit.show(
        "resales/list.html", rows=rows, view=TableView.of(visit.request, COLUMNS).with_next(following), tab=waits or "",
        tabs=[(key, words, f"/resales?waits={key}" if key else "/resales", None) for key, words in TABS],
    )  # fmt: skip


def _csv_row(r: ResaleRow, visit: Visit) -> list[object]:
    moments = (r.asked_at, r.consented_at, r.acceded_at, r.shipped_at, r.received_at)
    return [
        r.reference, r.status, r.part_number, r.description, r.quantity, r.uom, r.maker, r.holder, r.buyer,
        "" if r.side(visit.actor.company_id) == "buyer" else r.agreement or "", "yes" if r.runs else "no",
        r.minimum_passed_on, *[m.isoformat(timespec="seconds") if m else "" for m in moments],
        "" if r.good is None else r.good,
    ]  # fmt: skip


# -- asking --------------------------------------------------------------------------------------------------


async def _ask_page(visit: Visit, agreement_id: UUID, form: Form) -> Response:
    found = await agreements.agreement(visit.session, visit.actor, agreement_id)
    if found.row.holder_id != visit.actor.company_id:
        raise missing("agreement.not_found", "No such agreement under which you hold units.")
    shelves = await queries.shelves(visit.session, agreement_id, visit.actor.company_id)
    partners = await parties.companies(visit.session, partners_only=True, limit=MOST_CHOICES + 1)
    taken = {visit.actor.company_id, found.row.maker_id}
    return visit.show(
        "resales/ask.html", form=form, row=found.row, labels=LABELS, terms=found.terms,
        shelves=[(f"{s.part_id}/{s.site_id}", f"{s.part_number} at {s.site}: {s.free:,} {s.uom} free") for s in shelves],
        partners=[(str(c.id), c.name) for c in partners[:MOST_CHOICES] if c.id not in taken],
        keeps=max((line.kept for line in found.lines), default=0), asks=_asks(found),
    )  # fmt: skip


def _asks(found: AgreementDetail) -> str:
    """How the maker is asked, and what no answer comes to."""
    maker, second = found.row.maker, [terms for terms in found.clauses if terms.generation == 2]
    # The first library states no time, and asks for consent.
    days = max((terms.resale_notice_days for terms in second), default=0)
    rules = {str(terms.resale) for terms in second} or {"consent"}
    if "consent" in rules:
        given = second and all(terms.silence_on_consent == "given" for terms in second)
        silence = "No answer in time counts as consent." if given else "No answer is no consent."
        time = f"has {plural(days, 'day')} to consent or refuse" if days else "consents or refuses"
        return f"{maker} {time}. {silence}"
    if "offer_first" in rules:
        return (
            f"Offer the units to {maker} first, by giving notice of a sale: it has {plural(days, 'day')} to order them. Once it has let "
            "them go, it is not asked again here."
        )
    return f"{maker} is not asked again: the terms give its consent."


@router.get("/ask")
async def ask_page(visit: Signs) -> Response:
    """``?agreement=``: units under it, to whom, how many."""
    agreement_id = uuid_of(visit.asked("agreement"))
    if agreement_id is None:
        raise missing("agreement.not_found", "Choose the agreement that the units are under.")
    return await _ask_page(visit, agreement_id, Form())


@router.post("/ask")
async def ask(request: Request, sent: SentForm, now: Now) -> Response:
    """Asks the maker."""
    agreement_id = uuid_of(sent.form().value("agreement"))
    if agreement_id is None:
        raise missing("agreement.not_found", "Choose the agreement that the units are under.")

    async def act(session: WriteSession, actor: Actor) -> UUID:
        fields = sent.fields()
        part, _, site = fields.text("place", LABELS["place"]).partition("/")
        part_id, site_id = uuid_of(part), uuid_of(site)
        buyer_id = uuid_of(fields.text("buyer", LABELS["buyer"]))
        quantity = fields.whole("quantity", "Quantity", low=1)
        over = fields.whole("minimum_passed_on", "Minimum taken over", low=0)
        note = fields.text("note", LABELS["note"], required=False, most=500)
        if part_id is None or site_id is None:
            fields.wrong("place", "Choose the part and where it is.")
        if buyer_id is None:
            fields.wrong("buyer", "Choose the company that buys them.")
        fields.check("resale.invalid", "Nothing was asked.")
        assert part_id is not None  # noqa: S101 - checked above
        assert site_id is not None  # noqa: S101
        assert buyer_id is not None  # noqa: S101
        return await service.ask(
            session, actor, agreement_id=agreement_id, part_id=part_id, site_id=site_id, buyer_id=buyer_id,
            quantity=quantity, minimum_passed_on=over, text=note, now=now,
        )  # fmt: skip

    async def again(visit: Visit, form: Form) -> Response:
        return await _ask_page(visit, agreement_id, form)

    return await submit(
        request, sent, "agreement.sign", act, now=now, to=lambda made: f"/resales/{made}?done=asked", again=again
    )


# -- one resale ----------------------------------------------------------------------------------------------


def _may(row: ResaleRow, actor: Actor) -> dict[str, bool]:
    side = row.side(actor.company_id)
    signs = actor.may("agreement.sign")
    return {
        "consent": side == "maker" and row.status == "asked" and signs,
        "join": side == "buyer" and row.status == "consented" and signs,
        "ship": side == "holder" and row.status == "acceded" and actor.may("call.answer"),
        "receive": side == "buyer" and row.status == "shipped" and actor.may("order.receive"),
        "cancel": side != "maker" and row.status in {"asked", "consented", "acceded"} and signs,
    }


@router.get("/{resale_id}")
async def resale(visit: ReadsResales, resale_id: UUID) -> Response:
    """One resale: how it stands, the next step, the text that the buyer signs, what happened."""
    return await _page(visit, resale_id, Form())


async def _page(visit: Visit, resale_id: UUID, form: Form) -> Response:
    row = await queries.resale(visit.session, visit.actor.company_id, resale_id)
    side = row.side(visit.actor.company_id)
    sites = await parties.sites(visit.session, visit.actor, limit=200) if side == "buyer" else []
    events = []
    for e in await queries.events(visit.session, resale_id):
        title, icon, tone = EVENTS[e.kind]
        events.append(
            {"at": e.at, "title": title.replace("{company}", e.company), "text": e.note, "icon": icon, "actor": None,
             "tone": tone, "known_at": None}
        )  # fmt: skip
    paper: Any = html(row.wording) if row.wording and side != "holder" else None
    return visit.show(
        "resales/resale.html", form=form, row=row, side=side, may=_may(row, visit.actor), events=events, paper=paper,
        sites=[(str(s.id), s.name) for s in sites], home=str(visit.home.id) if visit.home else "", labels=LABELS,
        done=visit.asked("done"), silence=service.silence_words(row),
    )  # fmt: skip


@router.post("/{resale_id}/{step}")
async def act_on(request: Request, resale_id: UUID, step: str, sent: SentForm, now: Now) -> Response:
    """consent, refuse, join, cancel, ship, receive."""
    verbs = {"ship": "call.answer", "receive": "order.receive"}
    if step not in {"consent", "refuse", "join", "cancel", "ship", "receive"}:
        raise missing("page.not_found", "There is no such page.")

    async def act(session: WriteSession, actor: Actor) -> str:
        fields = sent.fields()
        if step == "consent":
            await service.consent(session, actor, resale_id, now)
        elif step in {"refuse", "cancel"}:
            reason = fields.text("reason", LABELS["reason"], most=500)
            fields.check("resale.reason", "Nothing was done.")
            ends = service.refuse if step == "refuse" else service.cancel
            await ends(session, actor, resale_id, reason, now)
        elif step == "join":
            text = sent.form().value("wording_sha256") or None
            await service.join(session, actor, resale_id, now, wording_sha256=text)
        elif step == "ship":
            consignment = fields.consignment()
            fields.check("shipment.incomplete", "Nothing was shipped.")
            await service.ship(session, actor, resale_id, consignment, now)
        else:
            site_id = uuid_of(fields.text("site", "Site"))
            lost = fields.whole("missing", LABELS["missing"], low=0)
            note = fields.text("note", LABELS["note"], required=False, most=500)
            if site_id is None:
                fields.wrong("site", "Choose where they are now.")
            fields.check("resale.invalid", "Nothing was received.")
            assert site_id is not None  # noqa: S101 - checked above
            await service.receive(session, actor, resale_id, site_id=site_id, missing_units=lost, text=note, now=now)
        return step

    async def again(visit: Visit, form: Form) -> Response:
        return await _page(visit, resale_id, form)

    return await submit(
        request, sent, verbs.get(step, "agreement.sign"), act, now=now,
        to=lambda done: f"/resales/{resale_id}?done={done}", again=again,
    )  # fmt: skip
