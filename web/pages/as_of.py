"""Where units sat at a date as known at a date: of a part, with a holder, under an agreement, or all; beside a map. And what
changed between two dates, with the stock transactions behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from marketplace.agreements import queries as agreements
from marketplace.db.requests import database
from marketplace.db.session import ReadSession
from marketplace.holdings import queries
from marketplace.holdings.endpoints.as_of import DIFFERENCE_HEADER, difference_cells
from marketplace.kit.clock import end_of_day
from marketplace.kit.errors import DomainError, invalid
from marketplace.ledger import queries as ledger
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.ledger.queries import AsOf, Scope
from marketplace.parties import queries as parties
from marketplace.parts import queries as parts
from marketplace.parts.numbers import Match, parse_list
from marketplace.sourcing import queries as sourcing
from web.exports import list_csv, streamed, wants_csv
from web.session import Visit, uuid_of, visits
from web.tables import Column, TableView
from web.unit_words import sentence

router = APIRouter(prefix="/units/as-of", include_in_schema=False)
ReadsUnits = Annotated[Visit, visits("stock.read")]

PER_PAGE: Final = 50
MOST_CHOICES: Final = 8
_PART, _WHERE = Column("part", "Part"), Column("place", "Where")
COLUMNS: Final[Mapping[str, tuple[Column, ...]]] = {
    "places": (_PART, _WHERE, Column("quantity", "Quantity", "end")),
    "units": (Column("unit", "Unit"), _WHERE, Column("quantity", "Quantity", "end")),
    "difference": (
        _PART, _WHERE, Column("before", "Before", "end"), Column("flow", "What came and went"), Column("after", "After", "end"),
        Column("act", "Actions", "end", hidden_label=True),
    ),
    "changes": (Column("what", "What happened"), Column("unit", "Unit"), Column("known", "Recorded")),
}  # fmt: skip
VIEWS: Final = {"places": "By place", "units": "Every unit"}
COMPARED: Final = {"difference": "Difference", "changes": "Stock transactions"}
PLACES_CSV: Final = (
    "Part number", "Description", "Quantity", "Unit", "Lots", "Held by", "Place", "Condition", "Owned by", "Agreement",
)  # fmt: skip
CHANGES_CSV: Final = (
    "Part number", "Serial", "Happened", "Recorded", "What", "Kind", "Quantity", "Counts", "From holder", "From place", "To holder",
    "To place", "Recorded by", "Corrects", "Lot", "Entry",
)  # fmt: skip
# In one view, and not in the other any more: said of what a correction took back.
FLOW_WORDS: Final = {
    "registered": ("registered", "registered"), "came": ("came", "come"), "found": ("found again", "found again"),
    "removed": ("taken out of machines", "taken out of machines"), "left": ("left", "left"), "used": ("used up", "used up"),
    "fitted": ("fitted", "fitted"), "scrapped": ("scrapped", "scrapped"), "lost": ("lost", "lost"),
}  # fmt: skip


def flow_words(flow: ledger.Flow) -> str:
    """What came and went, in words: '4 came, 1 used up'."""
    words = []
    for f in fields(flow):
        count = getattr(flow, f.name)
        if count and f.name in FLOW_WORDS:
            did, done = FLOW_WORDS[f.name]
            words.append(f"{count:,} {did}" if count > 0 else f"{-count:,} not {done} after all")
    if flow.counted:
        words.append(f"a count found {abs(flow.counted):,} {'more' if flow.counted > 0 else 'fewer'}")
    return ", ".join(words) or "as many came as went"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks. ``named``: how the scope is called; ``q`` and ``held``: what stands in the fields. ``choices``:
    several parts that the number may mean. ``wrong``: what was not found, in words."""

    scope: Scope
    until: AsOf
    since: AsOf | None
    named: str
    q: str = ""
    held: str = ""
    choices: tuple[parts.PartRow, ...] = ()
    wrong: str = ""


def _end(visit: Visit, name: str) -> datetime | None:
    """The last moment of the day in the address."""
    day = visit.day(name)
    try:
        return end_of_day(day, visit.zone) - timedelta(microseconds=1) if day else None
    except OverflowError:
        visit.set_aside(name)
        return None


async def _asked(visit: Visit) -> Asked:
    at, known = _end(visit, "at") or visit.now, _end(visit, "known") or visit.now
    before = _end(visit, "since")
    since = AsOf(before or at, _end(visit, "since_known") or known) if before or visit.asked("since_known") else None
    q, held = visit.asked("q")[:80], visit.asked("held")[:120]
    part, agreement, holder = visit.id("part"), visit.id("agreement"), visit.id("holder")
    named: list[str] = []
    wrong: list[str] = []
    choices: tuple[parts.PartRow, ...] = ()
    if part is None and agreement is None and q:
        part, agreement, choices = await _looked_up(visit, q)
        if part is None and agreement is None and not choices:
            wrong.append(f"Neither a part nor an agreement of yours is called {q}.")
    if part:
        row = await parts.part(visit.session, part)
        q = row.number
        named.append(q)
    if agreement:
        found = await agreements.agreement(visit.session, visit.actor, agreement)
        q = q if part else found.row.reference
        named.append(f"agreement {found.row.reference}")
    if holder is None and held:
        some = await parties.companies(visit.session, search=held, limit=MOST_CHOICES)
        some = [c for c in some if held.casefold() in {c.name.casefold(), c.code.casefold()}] or list(some)
        holder = some[0].id if len(some) == 1 else None
        if holder is None:
            names = ", ".join(c.name for c in some)
            wrong.append(f"Several companies are called so: {names}." if some else f"No company is called {held}.")
    if holder:
        held = (await parties.company(visit.session, holder)).name
        named.append(f"units held by {held}")
    scope = Scope(part_id=part, holder_id=holder, agreement_id=agreement)
    ledger.check_scope(visit.actor, scope)
    words = ", ".join(named) or f"all that {visit.actor.company_name} may see"
    return Asked(scope, AsOf(at, known), since, words, q, held, choices, " ".join(wrong))


async def _looked_up(visit: Visit, q: str) -> tuple[UUID | None, UUID | None, tuple[parts.PartRow, ...]]:
    """The part or the agreement of this name, or the parts that it may be."""
    try:
        lines = parse_list(q)[:1]
    except DomainError:
        lines = ()
    hits = [h for found in (await parts.find(visit.session, lines)).hits.values() for h in found] if lines else []
    near = list(dict.fromkeys(h.part_id for h in hits if h.step in {Match.EXACT, Match.PREFIX}))
    if len(near) == 1:
        return near[0], None, ()
    if near:
        rows = await parts.parts(visit.session, near[:MOST_CHOICES])
        return None, None, tuple(sorted(rows.values(), key=lambda row: row.number))
    records = await sourcing.by_number(visit.session, visit.actor, q) if visit.actor.may("agreement.read") else []
    bound = next((r.id for r in records if r.kind == "agreement"), None)
    return None, bound, ()


def _address(visit: Visit, **changed: str) -> str:
    """This page with something of its address changed; always from the first row."""
    kept = {k: v for k, v in visit.request.query_params.items() if v and k not in {"after", "format"}} | changed
    query = urlencode({k: v for k, v in kept.items() if v})
    return f"{router.prefix}?{query}" if query else router.prefix


def _place(visit: Visit) -> tuple[UUID, int] | None:
    """The place in the address: a stock line that stands there."""
    lot, _, number = visit.asked("place").partition(".")
    found = uuid_of(lot)
    if found is None or not (number.isascii() and number.isdigit() and 0 < int(number[:12]) < 1 << 31):
        visit.set_aside("place")
        return None
    return found, int(number)


@router.get("")
async def as_of(visit: ReadsUnits) -> Response:
    """``?q=`` a part number or an agreement, ``?held=`` a company, ``?at=`` and ``?known=`` days; ``?since=`` and
    ``?since_known=`` the days to compare with; ``?view=`` places, units, difference or changes."""
    asked = await _asked(visit)
    views = {**COMPARED, **VIEWS} if asked.since else dict(VIEWS)
    view = visit.choice("view", views) or next(iter(views))
    # What is not found is said, and is not everything.
    nothing = bool(asked.choices or asked.wrong)
    page, header, cells = _list(visit, asked, view)
    if wants_csv(visit):
        if nothing:
            words = asked.wrong or f"Several parts begin with {asked.q}: give the whole number."
            raise invalid("filter.unknown", f"{words} No file was made.")
        if view == "units":
            return streamed(
                visit, "units-as-of",
                ledger.as_of_file(database(visit.request), visit.tenant, visit.actor, asked.until, asked.scope),
            )  # fmt: skip
        return list_csv(visit, f"units-{view}", header, page, cells)
    rows, following = ([], None) if nothing else await page(visit.session, visit.asked("after") or None, PER_PAGE)
    flow = None
    if asked.since and view == "difference" and not nothing and not asked.scope.everything:
        flow = await ledger.difference_in_all(visit.session, visit.actor, asked.since, asked.until, asked.scope)
    return visit.show(
        "units/as_of.html", asked=asked, rows=rows, current=view, nothing=nothing,
        view=TableView.of(visit.request, COLUMNS[view]).with_next(following),
        tabs=[(key, words, _address(visit, view=key, place=""), None) for key, words in views.items()],
        tiles=_tiles(flow) if flow else [], flow_words=flow_words, sentence=sentence, link=lambda **to: _address(visit, **to),
        places=_address(visit, view="").replace(router.prefix, f"{router.prefix}/places.geojson") if view == "places" and rows else "",
        known=visit.asked("known") != "", since_known=visit.asked("since_known") != "", place=bool(visit.asked("place")),
    )  # fmt: skip


def _list(visit: Visit, asked: Asked, view: str) -> tuple[Any, Sequence[str], Any]:
    """A view as pages, and its file."""
    actor, secret, scope, until = visit.actor, visit.secret, asked.scope, asked.until
    place = _place(visit) if view == "changes" and visit.asked("place") else None

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[Any], str | None]:
        more: dict[str, Any] = {"after": mark, "limit": rows, "secret": secret}
        found: Any
        if view == "units":
            found = await queries.units_then(session, actor, until, scope, **more)
        elif view == "places" or asked.since is None:
            found = await queries.places_then(session, actor, until, scope, **more)
        elif view == "difference":
            found = await queries.places_changed(session, actor, asked.since, until, scope, **more)
        else:
            found = await queries.what_changed(session, actor, asked.since, until, scope, place=place, **more)
        return found.items, found.next

    files: Mapping[str, tuple[Sequence[str], Any]] = {
        "places": (PLACES_CSV, _place_row), "difference": (DIFFERENCE_HEADER, difference_cells),
        "changes": (CHANGES_CSV, _change_row), "units": ((), None),
    }  # fmt: skip
    return page, *files[view]


def _tiles(flow: ledger.Flow) -> list[dict[str, Any]]:
    """The difference of the whole scope as figures; what nothing happened to has none."""
    tiles = [{"label": "Before", "value": f"{flow.before:,}", "href": None}]
    for f in fields(flow):
        count = getattr(flow, f.name)
        if count and f.name not in {"before", "after"}:
            word = FLOW_WORDS[f.name][0] if f.name in FLOW_WORDS else "more after counts"
            tiles.append({"label": word.capitalize(), "value": f"{count:,}".replace("-", "\u2212"), "href": None})
    return [*tiles, {"label": "After", "value": f"{flow.after:,}", "href": None}]


@router.get("/places.geojson")
async def places(visit: ReadsUnits) -> Response:
    """The same places as points for the map; those whose site is not told have none."""
    asked = await _asked(visit)
    nothing = asked.choices or asked.wrong
    pins = [] if nothing else await ledger.pins(visit.session, visit.actor, asked.until, asked.scope)
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [pin.lon, pin.lat]},
            "properties": {
                "title": f"{pin.holder}, {pin.site}",
                "text": f"{pin.quantity:,} {'unit' if pin.quantity == 1 else 'units'}",
            },
        }
        for pin in pins
    ]
    return JSONResponse({"type": "FeatureCollection", "features": features}, media_type="application/geo+json")


def _place_row(row: ledger.PlaceSum) -> list[object]:
    return [
        row.part_number, row.description, row.quantity, row.uom, row.lots, row.holder, row.site or "in transit",
        CONDITION_WORDS[row.condition], row.owner, row.agreement_id or "",
    ]  # fmt: skip


def _change_row(row: ledger.ChangeRow) -> list[object]:
    m = row.movement
    return [
        row.part_number, row.serial or "", m.occurred_at.isoformat(timespec="seconds"),
        m.recorded_at.isoformat(timespec="seconds"), sentence(m, row.uom), m.purpose or m.kind, m.quantity, row.counts,
        m.from_holder or "", m.from_site or "", m.to_holder or "", m.to_site or "", m.company, m.corrects or "", m.lot_id, m.seq,
    ]  # fmt: skip
