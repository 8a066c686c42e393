"""What prices follow: published indexes, and what a side states that a unit under an agreement cost or is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.agreements import queries, service
from marketplace.agreements.price_kinds import CostPlus, IndexedPrice, MarketMinus
from marketplace.agreements.queries import AgreementDetail, IndexSeries, IndexValue
from marketplace.agreements.terms import Terms
from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.errors import missing
from marketplace.kit.money import Money
from marketplace.kit.pages import cut, read_bookmark
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from web.charts import chart
from web.exports import list_csv, wants_csv
from web.forms import Form, Value
from web.session import SentForm, Visit, submit, visits
from web.tables import Column, TableView

router = APIRouter(include_in_schema=False)
Reads = Annotated[Visit, visits("agreement.read")]
States = Annotated[Visit, visits("holding.act")]

PER_PAGE: Final = 60
KINDS: Final = {
    "cost": ("Cost", "What a unit cost us"),
    "inbound_freight": ("Freight in", "What we paid to receive a unit"),
    "market": ("Market value", "What a unit is worth on the market"),
}
LABELS: Final = {
    "part_id": "Part", "kind": "What is stated", "amount": "Amount", "source": "Evidence or source", "valued_on": "As of",
}  # fmt: skip
INDEX_COLUMNS: Final = (
    Column("series", "Index"),
    Column("months", "Months known", "end"),
    Column("month", "Newest month"),
    Column("value", "Value", "end"),
    Column("published", "Published"),
)
VALUE_COLUMNS: Final = (
    Column("month", "Month"),
    Column("value", "Value", "end"),
    Column("published", "Published"),
    Column("source", "From"),
)
INDEX_HEADER: Final = ("Index", "Months known", "Newest month", "Value", "Published", "From", "No longer published")
VALUE_HEADER: Final = ("Index", "Month", "Value", "Published", "From")


@router.get("/indexes")
async def indexes(visit: Reads) -> Response:
    """Indexes on record, by name."""

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[IndexSeries], str | None]:
        at = read_bookmark(mark, visit.secret, str)
        found = await queries.index_series(session, after=at[0] if at else "", limit=rows + 1)
        told = cut(found, rows, lambda row: [row.series], visit.secret)
        return told.items, told.next

    if wants_csv(visit):
        return list_csv(
            visit, "indexes", INDEX_HEADER, page,
            lambda r: [r.series, r.months, r.month, _plain(r.value), r.published_at.isoformat(timespec="seconds"), r.source, "yes" if r.ended else "no"],
        )  # fmt: skip
    rows, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    return visit.show(
        "values/indexes.html", rows=rows, view=TableView.of(visit.request, INDEX_COLUMNS).with_next(following)
    )


def _plain(value: Decimal | None) -> str:
    return "" if value is None else f"{value.normalize():f}"


@router.get("/indexes/{series:path}")
async def index(visit: Reads, series: str) -> Response:
    """One index: its months as a line and as a table, newest first; corrections stand beside what they correct."""

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[IndexValue], str | None]:
        at = read_bookmark(mark, visit.secret, str, str)
        found = await queries.index_values(session, series, before=(at[0], at[1]) if at else None, limit=rows + 1)
        told = cut(found, rows, lambda row: [row.month, row.published_at.isoformat()], visit.secret)
        return told.items, told.next

    if wants_csv(visit):
        return list_csv(
            visit, "index", VALUE_HEADER, page,
            lambda r: [series, r.month, _plain(r.value), r.published_at.isoformat(timespec="seconds"), r.source],
        )  # fmt: skip
    rows, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    if not rows:
        raise missing(
            "index.not_found", f"No index of the name {series} is on record. The operator takes indexes over."
        )
    drawn = await queries.index_line(visit.session, series)
    return visit.show(
        "values/index.html", rows=rows, view=TableView.of(visit.request, VALUE_COLUMNS).with_next(following),
        series=series, drawn=chart(drawn, steps=False, from_zero=False), ended=any(r.value is None for r in rows),
    )  # fmt: skip


def follows(clauses: Sequence[Terms]) -> Mapping[str, Sequence[str]]:
    """What prices of an agreement follow: kinds of statements with the sources that count (none named: any), and indexes."""
    kinds: dict[str, list[str]] = {}
    for price in (getattr(terms, "price", None) for terms in clauses):
        if isinstance(price, IndexedPrice):
            kinds.setdefault("index", []).append(price.series)
        elif isinstance(price, MarketMinus):
            kinds.setdefault("market", []).append(price.source)
        elif isinstance(price, CostPlus):
            if price.basis == "stated_cost":
                kinds.setdefault("cost", [])
            if price.inbound_freight:
                kinds.setdefault("inbound_freight", [])
    return kinds


def may_state(visit: Visit, found: AgreementDetail) -> list[str]:
    """The kinds of values that count under the agreement and that the actor's company may state."""
    actor, row = visit.actor, found.row
    if actor.company_id != row.holder_id or not actor.may("holding.act"):
        return []
    return [kind for kind in follows(found.clauses) if kind in KINDS]


async def _page(visit: Visit, agreement_id: UUID, form: Form) -> Response:
    found = await queries.agreement(visit.session, visit.actor, agreement_id)
    kinds, followed = may_state(visit, found), follows(found.clauses)
    context: dict[str, Any] = {
        "row": found.row,
        "values": await queries.stated_values(visit.session, agreement_id),
        "numbers": {line.part_id: line.number for line in found.lines},
        "money": lambda amount: Money(amount, found.row.currency),
    }
    return visit.show(
        "values/values.html", **context, form=form, labels=LABELS, kinds=[(kind, KINDS[kind][1]) for kind in kinds],
        names=KINDS, parts=[(str(line.part_id), line.number) for line in found.lines], followed=followed,
        sources=followed.get("market", ()), done=visit.asked("done"),
    )  # fmt: skip


@router.get("/agreements/{agreement_id}/values")
async def values(visit: Reads, agreement_id: UUID) -> Response:
    """What was stated of the agreement's units, newest first, and a form for more."""
    found = await queries.agreement(visit.session, visit.actor, agreement_id)
    start: dict[str, Value] = {"part_id": str(found.lines[0].part_id), "valued_on": visit.today.isoformat()}
    if sources := follows(found.clauses).get("market"):
        start["source"] = sources[0]
    return await _page(visit, agreement_id, Form(start))


@router.post("/agreements/{agreement_id}/values")
async def state(request: Request, agreement_id: UUID, sent: SentForm, now: Now) -> Response:
    """States one."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        fields = sent.fields()
        part_id = fields.id("part_id", LABELS["part_id"])
        kind = fields.one_of("kind", LABELS["kind"], KINDS)
        amount = fields.amount("amount", LABELS["amount"])
        source = fields.text("source", LABELS["source"], most=200)
        valued_on = fields.day("valued_on", LABELS["valued_on"], required=True)
        fields.check("value.invalid", "Nothing was stated.")
        assert valued_on is not None  # noqa: S101 - checked above
        return await service.state_value(
            session, actor, agreement_id, part_id, kind=kind, amount=amount, source=source, valued_on=valued_on, now=now
        )

    async def again(visit: Visit, form: Form) -> Response:
        return await _page(visit, agreement_id, form)

    return await submit(
        request, sent, "holding.act", act, now=now, to=f"/agreements/{agreement_id}/values?done=stated", again=again
    )
