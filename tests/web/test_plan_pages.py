"""Many parts requests on pages: pasted or uploaded with every row's fate shown first, planned, asked what-if, confirmed."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from openpyxl import Workbook

from marketplace.kit.clock import end_of_day
from tests.web.job import Site, fields_of, open_site, send
from tests.world import World
from web.formats import day_words


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with open_site(world) as opened:
        await opened.job.sold(4, offered=4)
        await world.register(world.maker, 2)
        yield opened


def day(days: int = 60) -> str:
    return str((datetime.now(UTC) + timedelta(days=days)).date())


async def requests_of(site: Site) -> int:
    return int(
        await site.world.owner.fetchval("SELECT count(*) FROM requisition WHERE maker_id = $1", site.world.maker.id)
    )


async def test_a_pasted_list_shows_every_row_before_anything_is_stored(site: Site) -> None:
    planner = await site.browser(site.world.maker, "planner")
    number = await site.number()
    form = await planner.get("/requests/bulk")
    bad = f"{number}\t2\t{day()}\n{number}\tmany\t01/02/2027\nNOT-A-NUMBER-HERE\t1\t{day()}\tsometime\n"
    before = await requests_of(site)
    refused = await send(planner, "/requests/bulk", form, table=bad, site=str(site.world.maker.site))
    assert refused.status_code == 422
    for words in (
        "2 rows of 3 cannot become a parts request", "&#39;many&#39; is not a whole number", "&#39;01/02/2027&#39; is not a day",
        "No part has exactly the number", "&#39;sometime&#39; is no urgency", "A new parts request",
    ):  # fmt: skip
        assert words in refused.text, words
    assert "NOT-A-NUMBER-HERE" in refused.text, "what was pasted is still there"
    assert await requests_of(site) == before
    # The good row alone, and the others as a file that can be sent again once it is mended.
    left = await planner.post("/requests/bulk/left.csv", data={"table": bad, "site": str(site.world.maker.site)})
    assert left.headers["content-disposition"].startswith("attachment")
    mended = left.text.lstrip("\ufeff").replace("many", "3").replace("01/02/2027", day())
    assert "No part has exactly the number" in left.text
    only_bad = await send(planner, "/requests/bulk", form, table=mended, site=str(site.world.maker.site))
    assert "1 row of 2 cannot become a parts request" in only_bad.text
    assert "Raise the good rows" in only_bad.text
    assert only_bad.text.count("1 of 2 rows cannot become a parts request; nothing was stored") == 1, "said once"
    assert await requests_of(site) == before
    fields = {"table": bad, "site": str(site.world.maker.site), "good_rows": "yes", "confirmed": "yes"}
    some = await planner.post("/requests/bulk", data={**fields_of(refused.text, "/requests/bulk"), **fields})
    assert some.status_code == 303, some.text
    assert await requests_of(site) == before + 1
    before += 1
    good = f"qty;part number;needed by;priority;kit\n3;{number.lower()};{day()};urgent;K1\n1;{number};{day()};;\n"
    shown = await send(planner, "/requests/bulk", form, table=good, site=str(site.world.maker.site))
    assert shown.status_code == 200, shown.text
    assert "kit K1" in shown.text
    assert day_words(date.fromisoformat(day())) in shown.text, "the day that was written, not the midnight after it"
    assert await requests_of(site) == before
    done = await send(planner, "/requests/bulk", shown)
    assert done.status_code == 303, done.text
    assert await requests_of(site) == before + 2
    assert "2 parts requests were raised." in (await planner.get(done.headers["location"])).text


async def test_a_workbook_is_read_as_a_pasted_list(site: Site) -> None:
    planner = await site.browser(site.world.maker, "planner")
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Part number", "Quantity", "Needed by"])
    sheet.append([await site.number(), 2, datetime.fromisoformat(day())])
    content = io.BytesIO()
    book.save(content)
    fields = {
        **fields_of((await planner.get("/requests/bulk")).text, "/requests/bulk"),
        "site": str(site.world.maker.site),
    }
    shown = await planner.post("/requests/bulk", data=fields, files={"file": ("list.xlsx", content.getvalue())})
    assert shown.status_code == 200, shown.text
    assert "Raise 1 parts request" in shown.text
    broken = await planner.post("/requests/bulk", data=fields, files={"file": ("list.xlsx", b"PK\x03\x04nothing")})
    assert broken.status_code == 422
    assert await requests_of(site) == 0


async def raised(site: Site, *quantities: int) -> list[str]:
    number = await site.number()
    planner = await site.browser(site.world.maker, "planner")
    form = await planner.get("/requests/bulk")
    table = "".join(f"{number}\t{n}\t{day()}\n" for n in quantities)
    shown = await send(planner, "/requests/bulk", form, table=table, site=str(site.world.maker.site))
    assert (await send(planner, "/requests/bulk", shown)).status_code == 303
    rows = await site.world.owner.fetch(
        "SELECT id FROM requisition WHERE maker_id = $1 ORDER BY id", site.world.maker.id
    )
    return [str(r["id"]) for r in rows]


async def test_a_plan_is_explained_asked_what_if_kept_and_confirmed(site: Site) -> None:
    await raised(site, 3, 2, 4)
    planner = await site.browser(site.world.maker, "planner")
    looked = await planner.get("/plans/new")
    for words in (
        f", by {day_words(date.fromisoformat(day()))}",
        "6 of 9",
        "Own stock comes first.",
        "What stays unmet, and why",
        "No cheaper plan keeps these rules.",
    ):
        assert words in looked.text, words
    assert (
        await site.world.owner.fetchval("SELECT count(*) FROM sourcing_plan WHERE company_id = $1", site.world.maker.id)
        == 0
    )
    kept = await send(planner, "/plans/new", looked)
    assert kept.status_code == 303, kept.text
    at = kept.headers["location"].split("?")[0]
    # The map says what the table says; it names no place to whom the maker hides its holders.
    assert f'data-map-src="{at}/places.geojson"' in (await planner.get(at)).text
    points = (await planner.get(f"{at}/places.geojson")).json()["features"]
    assert sum(int(p["properties"]["text"].split()[0]) for p in points) == 6
    assert {p["properties"]["title"].split(",")[0] for p in points} == {"Own stock", site.world.buyer.name}
    await site.world.owner.execute("UPDATE company SET mask_holders = true WHERE id = $1", site.world.maker.id)
    technician = await site.browser(site.world.maker, "technician")
    hidden = (await technician.get(f"{at}/places.geojson")).json()["features"]
    assert {p["properties"]["title"].split(",")[0] for p in hidden} == {"Own stock"}
    await site.world.owner.execute("UPDATE company SET mask_holders = false WHERE id = $1", site.world.maker.id)
    other = await planner.get(at, params={"first": "pool", "holder_orders": "1"})
    assert other.status_code == 200
    assert "What would change" in other.text
    assert (
        "This plan sends no holder more than 1 order."
        in (await planner.get("/plans/new", params={"holder_orders": "1"})).text
    )
    wrong = await planner.get(at, params={"holder_orders": "none", "budget": "-4"})
    assert wrong.status_code == 422
    assert "is not a whole number" in wrong.text
    lines = list(csv.reader(io.StringIO((await planner.get(f"{at}?format=csv")).text.removeprefix("\ufeff"))))
    assert len(lines) > 3
    assert {"Why", "Next best", "More per unit"} <= set(lines[0])
    checked = await send(planner, f"{at}/confirm", await planner.get(at))
    assert checked.status_code == 200, checked.text
    assert "Reserve 6 units at once" in checked.text
    done = await send(planner, f"{at}/confirm", checked)
    assert done.status_code == 303, done.text
    assert "Everything that the plan says is ordered." in (await planner.get(done.headers["location"])).text
    assert re.search(r"Ordered.*\d orders?", (await planner.get("/plans")).text, re.DOTALL)
    again = await send(planner, f"{at}/confirm", checked, idempotency_key="another-tab")
    assert again.status_code == 409
    assert "was confirmed before" in again.text
    assert "the plan as it is now" not in again.text, "there is none below"


async def test_a_plan_whose_units_are_gone_is_shown_as_it_is_now(site: Site) -> None:
    await raised(site, 3, 3)
    planner = await site.browser(site.world.maker, "planner")
    plans = []
    for _ in range(2):
        kept = await send(planner, "/plans/new", await planner.get("/plans/new"))
        plans.append(kept.headers["location"].split("?")[0])
    [one] = (await raised(site, 1))[-1:]
    page = await planner.get(f"/requests/{one}/confirm")
    assert (await send(planner, f"/requests/{one}/confirm", page)).status_code == 303
    before = await site.world.owner.fetchval("SELECT count(*) FROM call WHERE maker_id = $1", site.world.maker.id)
    gone = await send(planner, f"{plans[0]}/confirm", await planner.get(plans[0]))
    assert gone.status_code == 409
    assert "nothing was ordered" in gone.text
    assert "1 more unit unmet." in gone.text
    assert (
        await site.world.owner.fetchval("SELECT count(*) FROM call WHERE maker_id = $1", site.world.maker.id) == before
    )
    outsider = await site.browser(site.world.other, "admin")
    assert (await outsider.get(plans[0])).status_code == 404


async def test_changing_a_request_shows_what_it_does_before_it_does_it(site: Site) -> None:
    [one] = await raised(site, 2)
    planner = await site.browser(site.world.maker, "planner")
    form = await planner.get(f"/requests/{one}/change")
    assert "Change it" in (await planner.get(f"/requests/{one}")).text
    checked = await send(planner, f"/requests/{one}/change", form, quantity="5", job_number="WO-9")
    assert checked.status_code == 200, checked.text
    assert "5 are to be ordered then" in checked.text
    assert await site.world.owner.fetchval("SELECT quantity FROM requisition WHERE id = $1", UUID(one)) == 2
    done = await send(planner, f"/requests/{one}/change", checked)
    assert done.status_code == 303, done.text
    assert "The request was changed." in (await planner.get(done.headers["location"])).text
    row = await site.world.owner.fetchrow("SELECT quantity, job_number FROM requisition WHERE id = $1", UUID(one))
    assert tuple(row.values()) == (5, "WO-9")
    # The day in the form is the one that was asked for, and the day after it is another one.
    form = await planner.get(f"/requests/{one}/change")
    assert fields_of(form.text, f"/requests/{one}/change")["needed_by"] == day()
    later = await send(planner, f"/requests/{one}/change", form, needed_by=day(61))
    assert (await send(planner, f"/requests/{one}/change", later)).status_code == 303
    told = (await planner.get(f"/requests/{one}")).text
    assert all(day_words(date.fromisoformat(day(n))) in told for n in (60, 61)), "before and after"
    assert await site.world.owner.fetchval("SELECT needed_by FROM requisition WHERE id = $1", UUID(one)) == end_of_day(
        date.fromisoformat(day(61)), "America/Chicago"
    )
    wrong = await send(planner, f"/requests/{one}/change", form, quantity="0")
    assert wrong.status_code == 422
