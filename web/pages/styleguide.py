"""The style guide: every component once, with realistic content, and the lines a page writes to get it.

Everything shown here is an example and touches no data.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import JSONResponse, Response

from marketplace.kit.errors import FieldError, invalid_fields
from marketplace.kit.money import Money
from web.errors import EXPLANATIONS, error_page
from web.forms import Form
from web.rendering import render
from web.shell import Shell
from web.tables import Column, TableView

router = APIRouter(prefix="/styleguide", include_in_schema=False)

NOW: Final = datetime(2026, 11, 22, 15, 4, tzinfo=UTC)
EXAMPLE_SHELL: Final = Shell(
    user_name="Dana Whitfield",
    company_name="Cottonwood Equipment Supply",
    roles=frozenset({"planner", "buyer", "technician", "warehouse", "auditor"}),
    counters={"calls": 3, "orders": 1, "requests": 12},
    zone="America/Chicago",
)


@dataclass(frozen=True, slots=True)
class ExampleRow:
    """One line of the example table."""

    id: str
    number: str
    description: str
    condition: str
    quantity: int
    price: Money | None
    seller: str
    place: str
    distance: float | None
    clause: str
    sentence: str
    callable: bool
    notice_days: int | None
    seen: datetime
    remark: tuple[tuple[str, str], str] | None = None
    """Tone and icon of a notice, and its words."""


def _usd(amount: str) -> Money:
    return Money(Decimal(amount), "USD")


ROWS: Final = (
    ExampleRow(
        "row-1",
        "2520-01-196-3871",
        "TRANSMISSION, MECHANICAL",
        "new_old_stock",
        10,
        _usd("4180.00"),
        "Northfield Machinery",
        "Adamsville, AL",
        12.4,
        "Buy-back · until Nov 2034",
        "May be bought back until 22 Nov 2034 at 85 % of the schedule's price, notice 24 hours (machine down) to 10 days (stock); keep 3 of 10.",
        True,
        10,
        NOW - timedelta(hours=2),
    ),
    ExampleRow(
        "row-2",
        "2815-00-178-9268",
        "ENGINE, DIESEL",
        "remanufactured",
        2,
        _usd("21750.00"),
        "Northfield Machinery",
        "Billings, MT",
        1904,
        "Access-back · replace in 60 days",
        "One unit may be drawn at 5 days' notice; it is replaced within 60 days, or paid at list price.",
        True,
        5,
        NOW - timedelta(days=3),
        (("info", "replace"), "Supersedes 2815-00-178-9267"),
    ),
    ExampleRow(
        "row-3",
        "1630-00-256-8842",
        "BRAKE, MULTIPLE DISK",
        "used_tested",
        144,
        None,
        "Ridgeline Parts Exchange",
        "Las Cruces, NM",
        0.4,
        "No strings",
        "Yours once paid: nobody has a right to call these units back.",
        False,
        None,
        NOW - timedelta(days=45),
        (("warn", "clock-exclamation"), "Count is 45 days old"),
    ),
)
COLUMNS: Final = (
    Column("number", "Part", sortable=True),
    Column("condition", "Condition"),
    Column("quantity", "Available", "end", sortable=True),
    Column("price", "Price", "end", sortable=True),
    Column("distance", "Seller and place", sortable=True),
    Column("clause", "Clause"),
    Column("seen", "Counted"),
    Column("act", "Actions", "end", hidden_label=True),
)
MAP_COLUMNS: Final = (
    Column("number", "Part"),
    Column("where", "Where"),
    Column("quantity", "Available", "end"),
    Column("notice", "Notice", "end"),
)
TIMELINE: Final[tuple[dict[str, Any], ...]] = (
    {
        "at": datetime(2011, 5, 3, 14, 0, tzinfo=UTC),
        "title": "Made by Northfield Machinery, Dayton, OH",
        "text": "Serial 0004417, certificate of conformity 88-1204.",
        "icon": "building-factory-2",
        "actor": None,
        "tone": None,
        "known_at": None,
    },
    {
        "at": datetime(2024, 11, 22, 9, 30, tzinfo=UTC),
        "title": "Sold to Cottonwood Equipment Supply under buy-back",
        "text": "4,180.00 USD. Northfield may buy it back until 22 Nov 2034 at 85 %.",
        "icon": "contract",
        "actor": "Priya Raman, planner",
        "tone": "info",
        "known_at": None,
    },
    {
        "at": datetime(2026, 11, 18, 20, 15, tzinfo=UTC),
        "title": "Moved from Huntsville, AL to Adamsville, AL",
        "text": None,
        "icon": "truck",
        "actor": "Cottonwood warehouse",
        "tone": None,
        "known_at": datetime(2026, 11, 20, 8, 0, tzinfo=UTC),
    },
    {
        "at": NOW - timedelta(hours=3),
        "title": "Ordered back by Northfield Machinery, machine down",
        "text": "CALL-7F3K2Q. Answer by 22 Nov 2026, 18:04 CST.",
        "icon": "arrow-back-up",
        "actor": "Luis Ortega, technician",
        "tone": "warn",
        "known_at": None,
    },
)
STATS: Final[tuple[dict[str, Any], ...]] = (
    {"label": "Cash released", "value": "1,284,600 USD", "href": "/styleguide#tables", "note": "since Jan 2026"},
    {"label": "Units with partners", "value": "8,412", "href": "/styleguide#tables"},
    {"label": "Still reachable", "value": "71 %", "href": "/styleguide#tables", "note": "5,973 units", "tone": "good"},
    {
        "label": "Rights that lapse in 90 days",
        "value": "37",
        "href": "/styleguide#tables",
        "note": "9 of the last unit",
        "tone": "warn",
    },
    {
        "label": "Open buy-back orders",
        "value": "12",
        "href": "/styleguide#tables",
        "note": "2 past their deadline",
        "tone": "bad",
    },
)
PLACES: Final = (
    ("Adamsville, AL", -86.956, 33.600, "10 units, callable", "row-1"),
    ("Billings, MT", -108.500, 45.783, "2 units, callable", "row-2"),
    ("Las Cruces, NM", -106.778, 32.312, "144 units, nobody may call", "row-3"),
    ("Birmingham, AL", -86.802, 33.521, "4 units", ""),
    ("Bessemer, AL", -86.954, 33.402, "1 unit", ""),
)


@router.get("")
async def styleguide(request: Request) -> Response:
    """Every component. ``?visitor=1`` shows the frame of somebody who is not signed in."""
    bad = Form.rejected(
        {"po_number": "PO 88-120", "quantity_ordered": "0", "offer": "12,5x"},
        invalid_fields(
            "order.invalid",
            "The order could not be placed.",
            (
                FieldError("quantity_ordered", "order.quantity", "Order at least 1; the seller has 10."),
                FieldError("offer", "money.amount", "'12,5x' is not an amount. Write it like 1234.50."),
            ),
        ),
    )
    view = TableView.of(request, COLUMNS, default_sort="distance").with_next("example")
    empty = TableView(request.url.path, COLUMNS, (("condition", "new"),))
    return render(
        request,
        "styleguide.html",
        shell=Shell() if request.query_params.get("visitor") else EXAMPLE_SHELL,
        now=NOW,
        view=view,
        empty_view=empty,
        map_view=TableView(request.url.path, MAP_COLUMNS),
        rows=ROWS,
        form=Form({"quantity": "4", "urgency": "machine_down", "ship_to": "adamsville", "requested": "2026-12-01"}),
        bad=bad,
        events=TIMELINE,
        stats=STATS,
        sold_on=date(2024, 11, 22),
        deadlines=(NOW + timedelta(days=6), NOW + timedelta(hours=4, minutes=10), NOW - timedelta(days=2, hours=1)),
        price=_usd("4180.00"),
        small_price=_usd("0.0425"),
        statuses=sorted(EXPLANATIONS),
    )


@router.get("/places.geojson")
async def places() -> Response:
    """The example map's points."""
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [east, north]},
            "properties": {"title": title, "text": text, "href": "/styleguide#maps", "row": row},
        }
        for title, east, north, text, row in PLACES
    ]
    return JSONResponse({"type": "FeatureCollection", "features": features}, media_type="application/geo+json")


@router.get("/errors/{status}")
async def example_error(request: Request, status: int) -> Response:
    """An error page as it would be shown."""
    if status not in EXPLANATIONS:
        raise HTTPException(404)
    return error_page(request, status, code="example.error")
