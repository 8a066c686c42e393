"""Source it back: where units of a part are, which can be ordered back, and ordering one; the list of parts requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.clock import end_of_day
from marketplace.kit.errors import DomainError, conflict
from marketplace.kit.pages import cut, read_bookmark
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.sourcing import queries, service
from marketplace.sourcing.freight import near_text
from marketplace.sourcing.queries import NumberPlaces, PartPlaces
from marketplace.sourcing.schemas.places import KIND_WORDS as KINDS
from marketplace.sourcing.schemas.places import PLACES_HEADER, places_rows
from web.availability import (
    FILTERS,
    MANY,
    PLACES_SHOWN,
    URGENCIES,
    Need,
    Turned,
    candidate,
    geojson,
    look,
    narrowings,
    need_of,
    numbers_in,
    own_sites_first,
)
from web.exports import csv_file, list_csv, wants_csv
from web.forms import Form
from web.saving import Saving
from web.session import Sent, SentForm, Visit, submit, uuid_of, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/requests", include_in_schema=False)
Sources = Annotated[Visit, visits("sourcing.read")]
Requests = Annotated[Visit, visits("sourcing.request")]

PER_PAGE: Final = 50
LONGEST_ADDRESS: Final = 1500
"""A longer list of numbers is answered where it was sent to, without an address of its own."""
COLUMNS: Final = (
    Column("request", "Request"),
    Column("what", "What"),
    Column("quantity", "Quantity", "end"),
    Column("where", "Where to"),
    Column("needed", "Needed by"),
    Column("status", "Status"),
)
STATUSES: Final[Mapping[str, tuple[str, tuple[str, ...] | None]]] = {
    "": ("Running", ("open", "awaiting_approval", "ordered", "received")),
    "short": ("Needs another source", ("open", "ordered")),
    "approval": ("Waits for approval", ("awaiting_approval",)),
    "received": ("Received", ("received",)),
    "closed": ("Closed", ("closed",)),
    "cancelled": ("Cancelled", ("cancelled",)),
    "all": ("All", None),
}
REQUEST_CSV: Final = (
    "Request", "Status", "Part number", "Description", "Quantity", "Unit", "Ordered", "On the way", "Received",
    "Where to", "Needed by", "Urgency", "Machine", "Machine serial", "Job", "Company", "Raised", "Closed", "Outcome",
)  # fmt: skip


@router.get("")
async def source_back(visit: Sources) -> Response:
    """Without numbers: the search and the requests. ``?q=``: where units are, ``?urgency=``, ``?site=``,
    ``?needed_by=``, ``?quantity=``."""
    given = _in_address(visit)
    return await show_places(visit, given) if given.get("q") else await _list(visit, given)


# The form first: it is kept where the session has ended (web/kept.py).
@router.post("/where")
async def where(sent: SentForm, visit: Sources) -> Response:
    """The search as its form sends it: short ones get an address that can be kept and shared. One that says where the person is
    never does: the position goes with this one request and is kept nowhere. ``drop``: a filter to take off; ``turn``: the page of a
    part's places."""
    form = sent.form()
    given = {name: form.value(name).strip() for name in sent.values if form.value(name).strip()}
    dropped = given.pop("drop", "")
    for name in FILTERS if dropped == "all" else (dropped,):
        given.pop(name, None)
    kept = given.get("near") or len(given.get("q", "")) > LONGEST_ADDRESS
    if not given.get("q") or not kept:
        given.pop("turn", None)
        return RedirectResponse(f"/requests?{urlencode(given)}" if given else "/requests", status_code=303)
    return await show_places(visit, given, sent_only=True)


def _in_address(visit: Visit) -> dict[str, str]:
    """What the address asks for. Where somebody is stands in no address, which browsers and servers write down."""
    return {k: v for k, v in visit.request.query_params.items() if v.strip() and k != "near"}


async def _need(visit: Visit, session: ReadSession, given: Mapping[str, str]) -> Need:
    return await need_of(session, visit.actor, given, visit.home, visit.zone, visit.now)


async def _form_context(visit: Visit, given: Mapping[str, str]) -> dict[str, Any]:
    """What the search form shows."""
    need = await _need(visit, visit.session, given)
    _say_left_out(visit, need, given)
    sites = await parties.sites(visit.session, visit.actor)
    return {
        "given": given,
        "need": need,
        "quantity": given.get("quantity", "1") if given.get("quantity", "1").isdecimal() else "1",
        "urgencies": URGENCIES,
        "sites": own_sites_first(sites, visit.home.id if visit.home else None),
        "kinds": KINDS,
        "may_source": visit.actor.may_source,
    }


def _say_left_out(visit: Visit, need: Need, given: Mapping[str, str]) -> None:
    """What of the address does not count: the search is then for what is usual."""
    visit.choice("urgency", {value for value, _, _ in URGENCIES})
    quantity = visit.asked("quantity")
    if not (quantity.isdecimal() and len(quantity) < 10 and int(quantity)):
        visit.set_aside("quantity")
    if visit.asked("needed_by") != need.needed_on.isoformat():
        visit.set_aside("needed_by")
    if need.site is None or visit.asked("site") != str(need.site.id):
        visit.set_aside("site")
    for name in FILTERS:
        if given.get(name) and getattr(need.filters, name) is None:
            visit.set_aside(name)


async def show_places(visit: Visit, given: Mapping[str, str], *, sent_only: bool = False) -> Response:
    """Where units are. ``sent_only``: the search has no address of its own."""
    q = given["q"]
    near_wrong = None
    try:
        near_text(given.get("near", "0,0"))
    except DomainError as error:
        near_wrong = error
        given = {k: v for k, v in given.items() if k != "near"}
    context = await _form_context(visit, given)
    need: Need = context["need"]
    as_file = given.get("format") == "csv"
    turned = _turned_by(given["turn"]) if given.get("turn") else _turned(visit)
    try:
        if near_wrong:
            raise near_wrong
        asked = await numbers_in(visit.session, q)
        # The file reads for itself; whether anything may be looked up at all one number tells.
        looked = await look(
            visit.session, visit.actor, asked[:1] if as_file else asked, need, visit.now, alone=len(asked) == 1
        )
    except DomainError as error:
        form = Form.rejected({"q": q[:200]}, error)
        return visit.show("requests/refused.html", status_code=422, form=form, **context)
    if as_file:
        return _availability_csv(visit, asked, need)
    kept = {k: given[k] for k in (*_ASKED, *FILTERS) if given.get(k)}
    answers = looked.answers
    # The map asks for its places by address, which says nothing of where the person is: of many numbers others would be nearest.
    mapped = len(q) <= LONGEST_ADDRESS and not (need.near and looked.farther)
    pins = len(geojson(answers)["features"]) if mapped else 0
    facets = looked.facets()
    return visit.show(
        "requests/availability.html",
        at=visit.now,
        answers=answers,
        serials=looked.serials,
        turned=turned,
        q=q,
        many=len(asked) >= MANY,
        places="" if not pins else f"/requests/places.geojson?{urlencode(kept)}",
        sent_only=sent_only,
        export="" if sent_only else f"/requests?{urlencode({**kept, 'format': 'csv'})}",
        missing=[a for a in answers if not a.step],
        alone=len(asked) == 1,
        facets=facets,
        farther=looked.farther,
        narrowings=narrowings(facets, need.filters),
        near=given.get("near", ""),
        long=len(q) > LONGEST_ADDRESS,
        saved_as=Saving(
            "units",
            q,
            {k: given[k] for k in FILTERS if given.get(k)},
            need.urgency,
            str(need.site.id if need.site else ""),
        ),
        asked_as={k: given[k] for k in (*_ASKED, "near") if given.get(k)},
        alone_href=lambda part: f"/requests?{urlencode({**kept, 'q': part.number})}",
        page_href=lambda p, ready, blocked: _page_href(kept, p, ready, blocked),
        per_page=PLACES_SHOWN,
        order_href=lambda part, c: _order_href(context, part.id, c.key if c else ""),
        can_request=visit.actor.may("sourcing.request"),
        **context,
    )


_ASKED: Final = ("q", "urgency", "site", "needed_by", "quantity", "notice")


def _turned(visit: Visit) -> Turned:
    return Turned(visit.id("of"), _place_at(visit, "from"), _place_at(visit, "blocked"))


def _turned_by(text: str) -> Turned:
    """The page that a button asks for: 'part:from:blocked'."""
    part, ready, blocked = [*text.split(":"), "", ""][:3]
    at = [int(t) if t.isascii() and t.isdecimal() and len(t) < 7 else 0 for t in (ready, blocked)]
    return Turned(uuid_of(part), *at)


def _place_at(visit: Visit, name: str) -> int:
    """The place a page of places begins with; what is no number is set aside."""
    text = visit.asked(name)
    if text.isascii() and text.isdecimal() and len(text) < 7:
        return int(text)
    visit.set_aside(name)
    return 0


def _page_href(kept: Mapping[str, str], p: PartPlaces, ready: int, blocked: int) -> str:
    """The address of another page of a part's places."""
    at = {name: value for name, value in (("from", ready), ("blocked", blocked)) if value}
    return f"/requests?{urlencode({**kept, 'of': p.part.id, **at})}"


def _order_href(context: Mapping[str, Any], part_id: UUID, key: str) -> str:
    need: Need = context["need"]
    query = {
        "part": part_id, "key": key, "urgency": need.urgency, "site": need.site.id if need.site else "",
        "needed_by": need.needed_on.isoformat(), "quantity": context["quantity"], "notice": need.notice or "",
    }  # fmt: skip
    return f"/requests/new?{urlencode({k: v for k, v in query.items() if v})}"


IN_FILE: Final = 20
"""Numbers whose places are read at a time for a file: all the places of each."""


def _availability_csv(visit: Visit, asked: Sequence[Any], need: Need) -> Response:
    async def more(session: ReadSession, mark: str | None) -> tuple[Sequence[Sequence[object]], str | None]:
        start = int(mark or 0)
        some = await look(
            session, visit.actor, asked[start : start + IN_FILE], need, visit.now, in_full=True, alone=len(asked) == 1
        )
        return places_rows(some.answers), str(start + IN_FILE) if start + IN_FILE < len(asked) else None

    return csv_file(visit, "where-units-are", PLACES_HEADER, more)


@router.get("/places.geojson")
async def places(visit: Sources) -> Response:
    """The places of a search as points for the map; masked holders have none."""
    given = _in_address(visit)
    need = await _need(visit, visit.session, given)
    answers: tuple[NumberPlaces, ...] = ()
    if given.get("q"):
        asked = await numbers_in(visit.session, given["q"])
        answers = (await look(visit.session, visit.actor, asked, need, visit.now)).answers
    return JSONResponse(geojson(answers), media_type="application/geo+json")


# -- the list --------------------------------------------------------------------------------------------


async def _list(visit: Visit, given: Mapping[str, str]) -> Response:
    status = given.get("status", "") if given.get("status", "") in STATUSES else ""
    mine = visit.actor.user_id if given.get("whose") == "mine" else None

    async def page(
        session: ReadSession, mark: str | None, rows: int
    ) -> tuple[Sequence[queries.RequisitionRow], str | None]:
        key = read_bookmark(mark, visit.secret, UUID)
        found = await queries.requisitions(
            session, visit.actor.company_id, statuses=STATUSES[status][1], mine=mine, short=status == "short",
            after=key[0] if key else None, limit=rows + 1,
        )  # fmt: skip
        some = cut(found, rows, lambda row: [row.id], visit.secret)
        return some.items, some.next

    if wants_csv(visit):
        return list_csv(visit, "parts-requests", REQUEST_CSV, page, _request_csv)
    rows, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    kept = {"whose": "mine"} if mine else {}
    tabs = [(key, words, _list_href({**kept, "status": key}), None) for key, (words, _) in STATUSES.items()]
    return visit.show(
        "requests/list.html",
        rows=rows,
        view=TableView.of(visit.request, COLUMNS).with_next(following),
        tabs=tabs,
        status=status,
        raised=int(visit.asked("raised"))
        if visit.asked("raised").isascii() and visit.asked("raised").isdecimal()
        else 0,
        **await _form_context(visit, given),
    )


def _list_href(query: Mapping[str, str]) -> str:
    kept = {name: value for name, value in query.items() if value}
    return f"/requests?{urlencode(kept)}" if kept else "/requests"


def _request_csv(row: queries.RequisitionRow) -> list[object]:
    return [
        row.reference, row.status, row.part_number, row.description, row.quantity, row.uom, row.ordered,
        row.on_the_way, row.received, row.destination or "", row.needed_by.isoformat(timespec="minutes"), row.urgency,
        row.machine_model, row.machine_serial, row.job_number, row.company,
        row.created_at.isoformat(timespec="minutes"),
        row.closed_at.isoformat(timespec="minutes") if row.closed_at else "", row.outcome or "",
    ]  # fmt: skip


# -- a new request, from one place or by the best plan ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The form, read: what is asked for, from which place (empty: by plan)."""

    asked: service.Asked
    key: str
    notice_id: UUID | None


def _wanted(sent: Sent, zone: str) -> _Wanted:
    fields = sent.fields()
    part = fields.id("part", "part")
    quantity = fields.whole("quantity", "Quantity", low=1, high=1_000_000)
    site = fields.id("site", "where to")
    urgency = fields.one_of("urgency", "how urgent it is", [u[0] for u in URGENCIES])
    day = fields.day("needed_by", "Needed by", required=True)
    model = fields.text("machine_model", "Machine", required=False, most=120)
    serial = fields.text("machine_serial", "Machine serial", required=False, most=120)
    job = fields.text("job_number", "Job number", required=False, most=120)
    key = fields.text("key", "Place", required=False, most=40)
    fields.check("requisition.invalid", "The parts request could not be raised.")
    assert day is not None  # noqa: S101 - required, so check has refused its absence
    asked = service.Asked(
        part, quantity, site, end_of_day(day, zone), urgency, model, serial, job, fields.yes("substitutes")
    )
    return _Wanted(asked, key, uuid_of(sent.form().value("notice")))


@router.get("/new")
async def new(visit: Requests) -> Response:
    """The form: ``?part=`` and, to order from one place, ``?key=``."""
    values = {k: v for k, v in visit.request.query_params.items() if v.strip()}
    return await _new_page(visit, Form(values))


async def _new_page(visit: Visit, form: Form, template: str = "requests/new.html", **more: Any) -> Response:
    part_id = uuid_of(form.value("part"))
    if part_id is None:
        return RedirectResponse("/requests", status_code=303)
    given = {name: form.value(name) for name in form.values}
    context = await _form_context(visit, given)
    place, part, own = await candidate(
        visit.session, visit.actor, part_id, form.value("key"), context["need"], visit.now
    )
    # Ordered back from a partner though own stock would do: said before it is ordered.
    sooner = own if place and own and place.kind != "own_stock" else None
    if form.value("key") and (place is None or not place.callable) and not form.bad:
        words = " ".join(b.words for b in place.blocked) if place else ""
        refusal = conflict("requests.gone", f"Nothing can be ordered from this place now. {words}".strip())
        form = Form.rejected(form.values, refusal)
    back = f"/requests?{urlencode({'q': part.number, **{k: v for k, v in given.items() if k in {'urgency', 'site', 'needed_by', 'quantity', 'notice'}}})}"
    return visit.show(
        template, form=form, part=part, place=place, sooner=sooner, back=back, at=visit.now, **context, **more
    )


@router.post("/new")
async def raise_request(request: Request, sent: SentForm, now: Now) -> Response:
    """Shows what ordering will do; once confirmed, orders. Without a place the request is raised and planned."""

    async def act(session: WriteSession, actor: Actor) -> dict[str, Any]:
        site = await parties.home_site(session, actor)
        wanted = _wanted(sent, site.timezone if site else "UTC")
        if not wanted.key:
            return {"id": str(await service.raise_request(session, actor, wanted.asked, now)), "done": "raised"}
        made, done = await service.order_back(session, actor, wanted.asked, wanted.key, now, notice_id=wanted.notice_id)
        return {"id": str(made), "done": "reserved" if done.awaiting_approval else "ordered"}

    async def again(visit: Visit, form: Form) -> Response:
        return await _new_page(visit, form)

    async def confirm(visit: Visit, form: Form, outcome: dict[str, Any]) -> Response:
        wanted = _wanted(sent, visit.zone)
        site = await parties.own_site(visit.session, visit.actor, wanted.asked.destination_site_id)
        return await _new_page(visit, form, "requests/order.html", asked=wanted.asked, to_site=site, outcome=outcome)

    by_plan = not sent.form().value("key")
    return await submit(
        request,
        sent,
        "sourcing.request",
        act,
        now=now,
        to=lambda made: f"/requests/{made['id']}?done={made['done']}",
        again=again,
        confirm=None if by_plan else confirm,
    )
