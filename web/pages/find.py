"""Finding parts: one number, a pasted list of up to 500, words, or browsing what is on offer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from marketplace.db.session import ReadSession
from marketplace.kit.errors import DomainError
from marketplace.kit.money import price_cell
from marketplace.kit.pages import cut, read_bookmark
from marketplace.ledger import queries as ledger
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.listings import queries as listings
from marketplace.parts import queries as parts
from marketplace.parts.numbers import Asked, Match, parse_list, repeats
from marketplace.sourcing import queries as sourcing
from marketplace.sourcing.searches import OFFER_FILTERS
from web.clauses import NAMES
from web.exports import csv_file, list_csv, wants_csv
from web.forms import Fields, Form, Value
from web.found import Looked, Offer, Worded, look_up
from web.saving import Saving
from web.seen import recently
from web.session import Sent, SentForm, Visit, uuid_of, visits
from web.tables import Column, TableView

router = APIRouter(include_in_schema=False)
FindsParts = Annotated[Visit, visits("listing.read")]

PER_PAGE: Final = 50
LONGEST_ADDRESS: Final = 1500
"""A longer list travels in the body of the form (search.js knows the same number)."""
USES: Final = (("intermediate_good", "Use up in own production"), ("non_capital_spare", "Spares for machines"))
SORTS: Final[tuple[tuple[str, str], ...]] = (
    ("newest", "Newest first"),
    ("price", "Lowest price"),
    ("-price", "Highest price"),
    ("distance", "Nearest"),
)
COLUMNS: Final = (
    Column("part", "Part"),
    Column("available", "Available", "end"),
    Column("price", "Price", "end"),
    Column("seller", "Seller and place"),
    Column("clause", "Clause and notice"),
    Column("posted", "Posted"),
    Column("act", "Actions", "end", hidden_label=True),
)
CSV_HEADER: Final = (
    "Asked for", "Found by", "Part number", "Description", "Maker", "Relation", "Condition", "Available", "Unit",
    "Price", "Currency", "Seller", "Place", "Region", "Country", "Kilometres by road", "Clause", "Notice days",
    "Smallest order", "Package", "Posted", "Listing",
)  # fmt: skip
_KIND_WORDS: Final = {
    "order": "Order", "posting": "Surplus posting", "agreement": "Agreement", "call": "Order back",
    "request": "Parts request", "settlement": "Settlement line",
}  # fmt: skip
_PAGES: Final = {
    "order": "orders", "posting": "releases", "agreement": "agreements", "call": "calls", "request": "requests",
    "settlement": "settlement",
}  # fmt: skip
MOST_BESIDE: Final = 20
"""Parts of the catalogue that are shown when nothing with the words is on offer."""
_SEVERAL: Final = ("class", "condition", "clause", "use", "seller", "maker", "country")
_FILTERS: Final = (*_SEVERAL, "max_price", "min_quantity", "within", "offered")
_FACET_LABELS: Final = {
    "class": "Class", "condition": "Condition", "clause": "Clause", "use": "Bought for", "seller": "Seller", "maker": "Maker",
    "country": "Country",
}  # fmt: skip
_BANDS: Final = {
    "price": ("max_price", "up to "),
    "quantity": ("min_quantity", "from "),
    "within": ("within", "within "),
}


@router.get("/find")
async def find(visit: FindsParts) -> Response:
    """The page for a short search, or for none."""
    asked = visit.request.query_params
    return await show_found(visit, _joined({name: asked.getlist(name) for name in asked}))


# The form first: it is kept where the session has ended (web/kept.py).
@router.post("/find")
async def find_many(sent: SentForm, visit: FindsParts) -> Response:
    """The same for a pasted list too long for an address."""
    return await show_found(visit, _texts(sent))


def _texts(sent: Sent) -> dict[str, str]:
    form = Form(sent.values)
    return _joined({name: form.chosen(name) for name in sent.values})


def _joined(sent: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """One text for each field: what is ticked with commas between, of anything else the last that is not blank (the button of a
    band comes after the box that it stands for)."""
    found = {}
    for name, values in sent.items():
        told = [value for value in values if value.strip()]
        if told:
            found[name] = ",".join(told) if name in _SEVERAL else told[-1]
    return found


async def show_found(visit: Visit, given: Mapping[str, str]) -> Response:
    """What is on offer of numbers, of words, or of anything."""
    q = given.get("q", "").strip()
    wanted, wrong = _wanted(visit, given)
    if not q:
        return await _browse(visit, given, wanted, wrong, words=None)
    try:
        lines = parse_list(q)
        asked = await parts.told_apart(visit.session, lines)
    except DomainError as error:
        values: dict[str, Value] = {"q": q}
        return visit.show("find/too_many.html", status_code=422, form=Form.rejected(values, error), search=q[:200])
    single = "\n" not in q
    records = await sourcing.by_number(visit.session, visit.actor, q) if single and not wants_csv(visit) else []
    if len(records) == 1 and records[0].by == "reference":
        return RedirectResponse(_address(records[0]), 303)
    looked = await _look_up(visit, visit.session, asked, wanted)
    # Words: one line without a digit, unless the catalogue has exactly that as a number; or a line of several words
    # that is no number at all.
    if len(records) == 1 and not looked.count(Match.EXACT) and not await ledger.by_serial(visit.session, q, limit=1):
        return RedirectResponse(_address(records[0]), 303)
    wordy = single and not any(c.isdigit() for c in q) and not looked.count(Match.EXACT)
    wordy = wordy or (single and " " in q and not looked.count(*Match) and await _described(visit, q))
    if wordy and not records:
        return await _browse(visit, given, wanted, wrong, words=q)
    if given.get("format") == "csv":
        return _numbers_csv(visit, asked, wanted)
    exact = looked.count(Match.EXACT)
    serials = [] if len(asked) != 1 or exact else await ledger.by_serial(visit.session, asked[0].written)
    return visit.show(
        "find/numbers.html",
        q=q,
        search=q,
        looked=looked,
        shown=[a for a in looked.answers if not given.get("offered") or a.offers],
        serials=serials,
        records=_named(records),
        more_records=len(records) > sourcing.MOST_RECORDS,
        repeated=repeats(q, len(lines)),
        Match=Match,
        may_source=visit.actor.may_source,
        method="post" if len(q) > LONGEST_ADDRESS else "get",
        **await _filter_context(visit, given, wrong, replace(wanted, part_ids=looked.part_ids)),
    )


async def _described(visit: Visit, words: str) -> bool:
    """Whether any description holds all the words."""
    return bool(await parts.find_words(visit.session, words, limit=1))


def _address(record: sourcing.RecordRow) -> str:
    """The page of a record."""
    return f"/{_PAGES[record.kind]}/{record.id}"


def _named(records: Sequence[sourcing.RecordRow]) -> list[tuple[str, str, str]]:
    """Records that bear the number as links: (what, address, about)."""
    return [(f"{_KIND_WORDS[r.kind]} {r.reference}", _address(r), r.about) for r in records[: sourcing.MOST_RECORDS]]


def _wanted(visit: Visit, given: Mapping[str, str]) -> tuple[listings.Wanted, list[str]]:
    """The filters, and what of them could not be read, in words; that is left out of the search and said."""
    fields = Fields(given)
    price = fields.amount("max_price", "Highest price") if given.get("max_price") else None
    least = fields.whole("min_quantity", "Quantity at least", low=1) if given.get("min_quantity") else None
    within = fields.whole("within", "Within km", low=1, high=25_000) if given.get("within") else None
    bad = {wrong.field for wrong in fields.errors}
    words = [wrong.message for wrong in fields.errors]
    if within is not None and visit.near is None:
        words.append("Distances are not known: none of your sites has coordinates.")
    ids = {name: [uuid_of(value) for value in several(given, name)] for name in ("seller", "maker")}
    for name, values in ids.items():
        if None in values:
            words.append(f"The address names a {name} that there is not.")
    wanted = listings.Wanted(
        classes=several(given, "class"),
        conditions=several(given, "condition"),
        clauses=several(given, "clause"),
        uses=several(given, "use"),
        sellers=tuple(i for i in ids["seller"] if i),
        makers=tuple(i for i in ids["maker"] if i),
        countries=several(given, "country"),
        maximum_price=None if "max_price" in bad else price,
        minimum_quantity=None if "min_quantity" in bad else least,
        within_km=None if "within" in bad or visit.near is None else within,
        near=visit.near,
    )
    return wanted, words


def several(given: Mapping[str, str], name: str) -> tuple[str, ...]:
    """The values of a filter: several stand with commas between them, so that a search has one text to be kept by."""
    return tuple(dict.fromkeys(value for value in given.get(name, "").split(",") if value))


async def _filter_context(
    visit: Visit, given: Mapping[str, str], wrong: Sequence[str], wanted: listings.Wanted
) -> dict[str, Any]:
    """The facets with their counts, and what of them is in force."""
    told = await listings.facets(visit.session, wanted)
    facets = []
    named: dict[str, dict[str, str]] = {}
    for facet in told.facets:
        if facet.name not in _FACET_LABELS:
            continue
        words = {"condition": CONDITION_WORDS, "clause": NAMES, "use": dict(USES)}.get(facet.name, {})
        named[facet.name] = {c.value: c.label or words.get(c.value, c.value) for c in facet.choices}
        chosen = several(given, facet.name)
        choices = [(c.value, named[facet.name][c.value], c.listings, c.value in chosen) for c in facet.choices]
        if len(choices) > 1 or chosen:
            facets.append((facet.name, _FACET_LABELS[facet.name], choices, facet.at_least, facet.more))
    bands = {
        field: [
            (c.value, f"{words}{Decimal(c.value):,}{' km' if name == 'within' else ''}", c.listings)
            for c in facet.choices
        ]
        for name, (field, words) in _BANDS.items()
        for facet in told.facets
        if facet.name == name
    }
    chips = []
    for name in _FILTERS:
        values = several(given, name) if name in _SEVERAL else ((given[name],) if given.get(name) else ())
        for value in values:
            others = ",".join(v for v in values if v != value)
            kept = {k: v for k, v in given.items() if k not in {name, "after", "format"}} | (
                {name: others} if others else {}
            )
            chips.append((_chip(name, value, named), f"/find?{urlencode(kept)}" if kept else "/find"))
    kept = {name: given[name] for name in OFFER_FILTERS if given.get(name)}
    return {
        "given": given,
        "saved_as": Saving("offers", given.get("q", "").strip(), kept) if kept or given.get("q", "").strip() else None,
        "wrong": wrong,
        "found_count": (told.listings, told.at_least),
        "facets": facets,
        "bands": bands,
        "chips": chips,
        "columns": COLUMNS,
        "near": visit.home if visit.near else None,
    }


def _chip(name: str, value: str, named: Mapping[str, Mapping[str, str]]) -> str:
    if name in named:
        return named[name].get(value, value)
    return {
        "max_price": f"At most {value} a unit",
        "min_quantity": f"At least {value}",
        "within": f"Within {value} km",
        "offered": "Only what is on offer",
    }[name]


async def _look_up(visit: Visit, session: ReadSession, asked: Sequence[Asked], wanted: listings.Wanted) -> Looked:
    today = visit.today
    return await look_up(session, asked, wanted, Worded(today, visit.zone, visit.actor.company_id), today)


# -- browsing --------------------------------------------------------------------------------------------


async def _browse(
    visit: Visit, given: Mapping[str, str], wanted: listings.Wanted, wrong: Sequence[str], *, words: str | None
) -> Response:
    """What is on offer, by filters or by words of the description."""
    sort: str = given.get("sort", "newest")
    if sort not in listings.SORTS - (set() if visit.near else {"distance"}):
        sort = "newest"
    wanted = replace(wanted, words=words)
    worded = Worded(visit.today, visit.zone, visit.actor.company_id)

    async def page(
        session: ReadSession, mark: str | None, rows: int
    ) -> tuple[Sequence[listings.ListingRow], str | None]:
        after = read_bookmark(mark, visit.secret, *listings.browse_kinds(sort))
        found = await listings.browse(session, wanted, sort=sort, after=after, limit=rows + 1)
        some = cut(found, rows, lambda row: listings.browse_key(row, sort), visit.secret)
        return some.items, some.next

    if wants_csv(visit):
        return list_csv(visit, "on-offer", CSV_HEADER, page, lambda row: _csv_row("", "", "", worded.offer(row)))
    rows, following = await page(visit.session, given.get("after"), PER_PAGE)
    catalogue = []
    if words and not rows:
        ids = await parts.find_words(visit.session, words, limit=MOST_BESIDE + 1)
        catalogue = list((await parts.parts(visit.session, ids)).values()) if ids else []
    return visit.show(
        "find/browse.html",
        q=words or "",
        words=words,
        search=words or "",
        # The sort is chosen in the filter form, not by a heading, yet every link must keep it.
        view=replace(
            TableView.of(visit.request, COLUMNS).with_next(following),
            sort=sort.removeprefix("-"),
            descending=sort.startswith("-"),
        ),
        rows=[worded.offer(row) for row in rows],
        recent=[worded.offer(row) for row in await recently(visit)] if not words and not given else [],
        catalogue=sorted(catalogue, key=lambda part: part.number)[:MOST_BESIDE],
        more_in_catalogue=len(catalogue) > MOST_BESIDE,
        sort=sort,
        sorts=[s for s in SORTS if s[0] != "distance" or visit.near],
        method="get",
        **await _filter_context(visit, given, wrong, wanted),
    )


# -- export ----------------------------------------------------------------------------------------------


def _numbers_csv(visit: Visit, asked: Sequence[Asked], wanted: listings.Wanted) -> Response:
    async def more(session: ReadSession, _mark: str | None) -> tuple[Sequence[Sequence[object]], str | None]:
        looked = await _look_up(visit, session, asked, wanted)
        rows: list[Sequence[object]] = []
        for answer in looked.answers:
            if not answer.found:
                rows.append([answer.asked.written, answer.words, *[""] * (len(CSV_HEADER) - 2)])
            for found in answer.found:
                start = answer.asked.written, answer.words, found.relation or ""
                rows += [_csv_row(*start, offer) for offer in found.offers]
                if not found.offers:
                    part = found.part
                    known = [start[0], start[1], part.number, part.description, part.maker, start[2]]
                    rows.append([*known, "", 0, part.uom, *[""] * (len(CSV_HEADER) - 9)])
        return rows, None

    return csv_file(visit, "found", CSV_HEADER, more)


def _csv_row(asked: str, found_by: str, relation: str, offer: Offer) -> list[object]:
    row = offer.row
    return [
        asked, found_by, row.part_number, row.description, row.maker, relation, CONDITION_WORDS[row.condition],
        row.available, row.uom, price_cell(row.unit_price, row.currency), row.currency, row.seller, row.place, row.region,
        row.country, "" if row.distance_km is None else round(row.distance_km), offer.badge.sentence,
        offer.notice_days, row.minimum_quantity, row.package_quantity,
        row.published_at.date().isoformat() if row.published_at else "", f"/listings/{row.id}",
    ]  # fmt: skip
