"""Own stock: what is there, what of it is free, reserved or listed, and releasing it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Final

from fastapi import APIRouter
from starlette.responses import Response

from marketplace.db.session import ReadSession
from marketplace.kit.clock import add_months
from marketplace.kit.money import Money, price_cell
from marketplace.kit.pages import cut, read_bookmark
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.listings import queries
from marketplace.parties import queries as parties
from marketplace.parts.numbers import normalise
from web.exports import list_csv, wants_csv
from web.released_stock import stock_key
from web.session import Visit, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/stock", include_in_schema=False)
ReadsStock = Annotated[Visit, visits("stock.read")]

PER_PAGE: Final = 50
IDLE: Final = {"12": "No issue for 1 year", "24": "No issue for 2 years", "36": "No issue for 3 years"}
COLUMNS: Final = (
    Column("part", "Part"),
    Column("site", "Site and condition"),
    Column("quantity", "Quantity", "end"),
    Column("free", "Free to offer", "end"),
    Column("listed", "Listed", "end"),
    Column("issue", "Last issue"),
    Column("price", "List price", "end"),
    Column("act", "Actions", "end", hidden_label=True),
)
CSV_HEADER: Final = (
    "Part number", "Description", "Site", "Condition", "Quantity", "Unit", "Free to offer", "Reserved", "Listed", "Protected",
    "Last issue", "Usage 12 months", "Unit cost", "List price", "Package",
)  # fmt: skip


def stock_filter(visit: Visit, today: date) -> queries.StockFilter:
    """``?search=`` (a number's beginning, or words), ``?site=``, ``?idle=`` months without an issue."""
    search, idle = visit.asked("search"), visit.choice("idle", IDLE)
    number = normalise(search)
    return queries.StockFilter(
        site_id=visit.id("site"),
        number=number or None,
        words=search or None,
        idle_since=add_months(today, -int(idle)) if idle else None,
    )


@router.get("")
async def stock(visit: ReadsStock) -> Response:
    """The company's own stock under no agreement, by part number."""
    wanted, company_id = stock_filter(visit, visit.today), visit.actor.company_id

    async def page(
        session: ReadSession, mark: str | None, rows: int
    ) -> tuple[Sequence[queries.Releasable], str | None]:
        after = read_bookmark(mark, visit.secret, *queries.RELEASABLE_KINDS)
        found = await queries.releasable(session, company_id, wanted, after=after, limit=rows + 1)
        some = cut(found, rows, lambda row: row.key, visit.secret)
        return some.items, some.next

    if wants_csv(visit):
        return list_csv(visit, "stock", CSV_HEADER, page, lambda row: _csv_row(row, visit.actor.currency))
    rows, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    currency = visit.actor.currency
    return visit.show(
        "stock/list.html",
        rows=rows,
        view=TableView.of(visit.request, COLUMNS).with_next(following),
        sites=[(str(site.id), site.name) for site in await parties.sites(visit.session, visit.actor)],
        idle=list(IDLE.items()),
        key=stock_key,
        list_price=lambda row: Money(row.list_price, currency) if row.list_price is not None else None,
        may_release=visit.actor.is_manufacturer and visit.actor.may("release.write"),
    )


def _csv_row(row: queries.Releasable, currency: str) -> list[object]:
    return [
        row.part_number, row.description, row.site, CONDITION_WORDS[row.condition], row.quantity, row.uom, row.left,
        row.quantity - row.free, row.listed, "yes" if row.protected else "no",
        row.last_issue_on.isoformat() if row.last_issue_on else "", row.usage_12,
        price_cell(row.unit_cost, currency),
        price_cell(row.list_price, currency), row.package_quantity,
    ]  # fmt: skip
