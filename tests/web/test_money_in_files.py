"""Money in every CSV file: in the currency's digits; only a unit price that has more of them keeps them."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal

import pytest

from marketplace.kit.money import amount_cell, price_cell
from tests.marketplace.main_job import API, ok
from tests.web.job import open_site
from tests.world import World

PRICES = {"Price each", "Unit price", "Price", "Unit cost", "List price"}
SUMS = {"Amount", "Value", "Sold for, as signed"}


@pytest.mark.parametrize(
    ("amount", "currency", "price", "paid"),
    [
        ("80.0000", "USD", "80.00", "80.00"), ("84.5", "USD", "84.50", "84.50"), ("0.0425", "USD", "0.0425", "0.04"),
        ("1250.0000", "JPY", "1250", "1250"), ("12.5", "KWD", "12.500", "12.500"), ("-1204.5", "EUR", "-1204.50", "-1204.50"),
    ],
)  # fmt: skip
def test_cells(amount: str, currency: str, price: str, paid: str) -> None:
    assert price_cell(Decimal(amount), currency) == price
    assert amount_cell(Decimal(amount), currency) == paid
    assert price_cell(None, currency) == amount_cell(None, None) == ""


async def test_every_file_writes_money_as_money(world: World) -> None:
    async with open_site(world) as site:
        job = site.job
        await job.released(10, unit_price="80.0125")
        await job.ordered(4)
        await job.signed()
        await job.delivered(4)
        await job.called(1)
        for path, body in (("accept", {}), ("ship", {"own_transport": True})):
            await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/{path}", json=body))
        await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/receive"))
        await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/inspect", json={"good": 1}))
        planner, buyer = await site.browser(world.maker, "planner"), await site.browser(world.buyer, "buyer")
        number = await site.number()
        await world.owner.execute("UPDATE part SET list_price = 91.5, currency = 'USD' WHERE id = $1", world.part)
        files = [
            await planner.get(f"/{page}{'&' if '?' in page else '?'}format=csv")
            for page in ("orders", "agreements", "settlement?state=all", "releases", "stock", f"requests?q={number}", "calls?side=maker&status=all")
        ]  # fmt: skip
        files += [
            await buyer.get(f"/{page}") for page in ("holdings?format=csv", f"find?seller={world.maker.id}&format=csv")
        ]
        files += [
            await job.buyer.get(f"{API}/{path}") for path in ("orders/export.csv", "settlement.csv", "holdings.csv")
        ]
    seen: dict[str, set[str]] = {}
    for file in files:
        assert file.status_code == 200, file.text
        rows = list(csv.DictReader(io.StringIO(file.text.lstrip("\ufeff"))))
        assert rows, file.request.url
        for row in rows:
            for column in row.keys() & (PRICES | SUMS):
                seen.setdefault(column, set()).add(row[column])
                digits = r"\d+\.\d{2}(?:\d\d)?" if column in PRICES else r"\d+\.\d{2}"
                assert not row[column] or re.fullmatch(digits, row[column]), (
                    str(file.request.url),
                    column,
                    row[column],
                )
    assert "80.0125" in seen["Price each"] | seen["Price"]
    assert "91.50" in seen["List price"]
    assert "320.05" in seen["Amount"], "four of them"
