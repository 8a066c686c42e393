"""The pages of an import over HTTP: what becomes of each row, what is not used, before anything lands."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from marketplace.ledger.entries import Step
from marketplace.ledger.kinds import Kind
from marketplace.settings import Settings
from tests.counting import counted
from tests.web.job import Site, open_site, send
from tests.world import World

HEAD = "Part No,Description,Qty,Site,Bin,List price,Colour\n"


@pytest.fixture
async def site(world: World, tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(world) as opened:
        opened.app.state.settings = Settings(demo=False, secret_key="for tests", data_dir=tmp_path)
        yield opened


async def uploaded(client: httpx.AsyncClient, world: World, day: str, body: str, named: str = "stock.csv") -> str:
    """The address of a file's import."""
    data = {"maker": f"MK{world.tag}", "snapshot_on": day}
    sent = await client.post("/imports", data=data, files={"file": (named, (HEAD + body).encode(), "text/csv")})
    assert sent.status_code == 303, sent.text
    return sent.headers["location"]


async def checked(client: httpx.AsyncClient, address: str) -> httpx.Response:
    await send(client, f"{address}/mapping", await client.get(address), save="yes")
    return await client.get(address)


async def two_days(client: httpx.AsyncClient, world: World) -> str:
    """The address of today's file, checked, where yesterday's has landed."""
    t = world.tag
    first = await uploaded(
        client, world, "2026-11-20",
        f"{t}-SAME,SEAL,5,S1,A1,10,red\n{t}-MORE,PUMP,5,S1,A2,10,red\n{t}-GONE,HOSE,7,S1,A4,10,red\n",
    )  # fmt: skip
    await checked(client, first)
    await send(client, f"{first}/apply", await client.get(f"{first}/apply"), mode="good_rows")
    today = await uploaded(
        client, world, "2026-11-21",
        f"{t}-SAME,SEAL,5,S1,B9,12.5,red\n{t}-MORE,<b>PUMP</b>,8,S1,A2,10,red\n{t}-BAD,VALVE,none,S1,,10,red\n"
        f"{t}-NEW,@SUM(1),3,S1,C1,10,red\n",
    )  # fmt: skip
    await checked(client, today)
    return today


async def test_each_figure_leads_to_its_rows(site: Site) -> None:
    t = site.world.tag
    planner = await site.browser(site.world.maker, "planner")
    address = await two_days(planner, site.world)
    shown = (await planner.get(address)).text
    tiles = dict(
        re.findall(r'<a href="([^"]+)"><span class="stat-label">[^<]+</span><span class="stat-value">(\d+)<', shown)
    )
    assert tiles == {
        f"{address}/rows?fate=good": "3", f"{address}/rows?fate=new": "1", f"{address}/rows?fate=changed": "1",
        f"{address}/rows?fate=same": "1", f"{address}/rows?fate=vanished": "1", f"{address}/issues": "1",
    }  # fmt: skip
    named = {
        "good": {"SAME", "MORE", "NEW"},
        "new": {"NEW"},
        "changed": {"MORE"},
        "same": {"SAME"},
        "vanished": {"GONE"},
    }
    for fate, numbers in named.items():
        page = (await planner.get(f"{address}/rows?fate={fate}")).text
        assert set(re.findall(rf"\b{t}-([A-Z]+)", page)) == numbers, fate
        assert f'href="{address}/rows?fate={fate}" aria-current="page"' in page
    changed = (await planner.get(f"{address}/rows?fate=changed")).text
    assert "&lt;b&gt;PUMP&lt;/b&gt;" in changed
    said = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", changed)).replace("&nbsp;", " ")
    assert "Quantity: 5 EA → 8 EA proposed" in said
    same = re.sub(r"<[^>]+>", "", (await planner.get(f"{address}/rows?fate=same")).text).replace("&nbsp;", " ")
    assert "Bin: A1 → B9" in same
    assert "List price: 10.00 USD → 12.50 USD" in same
    # A fate that is none is set aside; the bad rows have the same tabs.
    assert f"{t}-SAME" in (await planner.get(f"{address}/rows?fate=lost")).text
    assert f'href="{address}/rows?fate=new"' in (await planner.get(f"{address}/issues")).text
    assert (await planner.get(f"{address}/rows?fate=good&after=junk")).status_code == 422
    outsider = await site.browser(site.world.other, "admin")
    assert (await outsider.get(f"{address}/rows?fate=good")).status_code == 404
    # Nothing was landed by looking.
    left = "SELECT sum(quantity)::int FROM position WHERE holder_id = $1"
    assert await site.world.owner.fetchval(left, site.world.maker.id) == 17


async def test_once_landed_the_figures_lead_to_what_became_of_the_rows(site: Site) -> None:
    t = site.world.tag
    planner = await site.browser(site.world.maker, "planner")
    address = await two_days(planner, site.world)
    await send(planner, f"{address}/apply", await planner.get(f"{address}/apply"), mode="good_rows")
    shown = (await planner.get(address)).text
    assert f"{address}/rows" not in shown
    # What landed has no list of its own: these are figures, and all own stock is called that.
    tiles = shown[shown.index('aria-label="What the file does"') :]
    tiles = tiles[: tiles.index("</ul>")]
    assert set(re.findall(r'href="([^"]+)"', tiles)) == {
        f"{address}/proposals?show=changed", f"{address}/proposals?show=gone", f"{address}/issues",
    }  # fmt: skip
    assert len(re.findall(r'class="stat-value">\d+<', tiles)) == 6
    assert re.findall(r'<a [^>]*href="/stock"[^>]*>(?:<svg.*?</svg>)?([^<]+)</a>', shown[shown.index(tiles) :]) == [
        "See all own stock"
    ]
    gone = await planner.get(f"{address}/rows?fate=good")
    assert gone.status_code == 410
    assert "What landed stands in the stock" in gone.text
    assert f"{address}/rows" not in (await planner.get(f"{address}/issues")).text
    for show, number in (("changed", f"{t}-MORE"), ("gone", f"{t}-GONE")):
        assert f'href="{address}/proposals?show={show}"' in shown
        page = (await planner.get(f"{address}/proposals?show={show}")).text
        assert set(re.findall(rf"\b{t}-[A-Z]+", page)) == {number}
    # Also once they are decided.
    all_of_them = await planner.get(f"{address}/proposals/all?verdict=dismiss_all")
    await send(planner, f"{address}/proposals", all_of_them, verdict="dismiss_all")
    assert f"{t}-GONE" in (await planner.get(f"{address}/proposals?show=gone")).text


async def test_only_what_was_changed_is_chosen_by_you(site: Site) -> None:
    t = site.world.tag
    planner = await site.browser(site.world.maker, "planner")
    address = await uploaded(planner, site.world, "2026-11-20", f"{t}-A,SEAL,5,S1,A1,10,red\n")

    async def why() -> dict[str, str]:
        rows = re.findall(r'id="c-(\w+)".*?</td>', page := (await planner.get(address)).text, re.DOTALL)
        told = {}
        for name in rows:
            cell = page[page.index(f'id="c-{name}"') :]
            found = re.search(r'<span class="fine">([^<]+)', cell[: cell.index("</td>")])
            if found:
                told[name] = found[1]
        return told

    proposed = await why()
    assert set(proposed.values()) == {"recognised by its heading"}
    # Confirmed as proposed: nothing was chosen.
    await send(planner, f"{address}/mapping", await planner.get(address), save="yes")
    assert await why() == proposed
    # One column more is the person's own choice, the others go on resting on what they did.
    await send(planner, f"{address}/mapping", await planner.get(address), c_unit_cost="5", c_list_price="", save="yes")
    changed = await why()
    assert changed.pop("unit_cost") == "chosen by you"
    assert changed == {name: words for name, words in proposed.items() if name != "list_price"}
    # And stays it when it is confirmed again.
    await send(planner, f"{address}/mapping", await planner.get(address), save="yes")
    assert (await why())["unit_cost"] == "chosen by you"


async def test_blank_conditions_are_said_with_their_number(site: Site) -> None:
    t = site.world.tag
    planner = await site.browser(site.world.maker, "planner")
    head, rows = (
        "Part No,Description,Qty,Site,Condition\n",
        f"{t}-A,SEAL,5,S1,\n{t}-B,SEAL,5,S1,\n{t}-C,SEAL,5,S1,used\n",
    )
    for body, said in (
        (head + rows, "In 2 good rows the condition is blank: taken as new."),
        (head + f"{t}-C,SEAL,5,S1,used\n", None),
        (
            "Part No,Description,Qty,Site\n" + f"{t}-D,SEAL,5,S1\n",
            "No column says a condition: 1 good row is taken as new.",
        ),
    ):
        data = {"maker": f"MK{t}", "snapshot_on": "2026-11-20"}
        sent = await planner.post("/imports", data=data, files={"file": ("stock.csv", body.encode(), "text/csv")})
        page = await checked(planner, sent.headers["location"])
        told = re.sub(r"<[^>]+>", "", page.text)
        assert said is None or said in told
        assert ("taken as new" in told) == bool(said)


async def test_landing_says_only_what_it_will_do(site: Site) -> None:
    t = site.world.tag
    planner = await site.browser(site.world.maker, "planner")

    async def effects(address: str) -> list[str]:
        page = (await planner.get(f"{address}/apply")).text
        found = re.search(r'<ul class="effects">(.*?)</ul>', page, re.DOTALL)
        assert found, page
        return [re.sub(r"<[^>]+>", "", line).strip() for line in re.findall(r"<li>(.*?)</li>", found[1], re.DOTALL)]

    first = await uploaded(planner, site.world, "2026-11-19", f"{t}-ONE,SEAL,5,S1,A1,10,red\n")
    await checked(planner, first)
    assert await effects(first) == [
        "Register 1 new line as your own stock, in the ledger.", "Change no quantity that is on record.",
    ]  # fmt: skip
    await send(planner, f"{first}/apply", await planner.get(f"{first}/apply"), mode="good_rows")
    same = await uploaded(planner, site.world, "2026-11-20", f"{t}-ONE,SEAL,5,S1,A1,11,red\n")
    await checked(planner, same)
    assert await effects(same) == [
        "Register nothing new: every good row is on record.", "Change no quantity: the file and the record agree.",
    ]  # fmt: skip
    other = await uploaded(
        planner, site.world, "2026-11-21", f"{t}-ONE,SEAL,4,S1,A1,11,red\n{t}-TWO,SEAL,none,S1,A1,11,red\n"
    )
    await checked(planner, other)
    assert await effects(other) == [
        "Register nothing new: every good row is on record.",
        "Turn 1 difference from what is on record into a proposal that you accept or dismiss.",
        "Touch nothing that is listed, reserved or under agreement: a shortage is only shown.",
        "Leave 1 bad row out, or land nothing at all, as you choose below.",
    ]


async def test_a_difference_that_later_movements_overtook_is_called_that(site: Site) -> None:
    t = site.world.tag
    planner = await site.browser(site.world.maker, "planner")
    address = await two_days(planner, site.world)
    await send(planner, f"{address}/apply", await planner.get(f"{address}/apply"), mode="good_rows")
    lot = await site.world.owner.fetchval(
        "SELECT lot_id FROM import_proposal JOIN part ON part.id = part_id WHERE kind = 'vanished' AND number = $1",
        f"{t}-GONE",
    )
    await site.world.run(site.world.maker, Step(Kind.USE_UP, lot, 7, 1))
    page = await planner.get(f"{address}/proposals/all?verdict=accept_all&kind=vanished")
    done = await send(planner, f"{address}/proposals", page, verdict="accept_all")
    shown = (await planner.get(done.headers["location"])).text
    assert "or their units have left since" in shown
    told = (await planner.get(f"{address}/proposals?show=gone")).text
    assert "overtaken: its units have left since" in told
    assert await site.world.owner.fetchval("SELECT count(*) FROM movement WHERE lot_id = $1", lot) == 2


async def test_a_fate_is_downloaded_whole_and_safe(site: Site) -> None:
    t = site.world.tag
    planner = await site.browser(site.world.maker, "planner")
    address = await two_days(planner, site.world)
    file = await planner.get(f"{address}/rows?fate=good&format=csv")
    assert "rows-good-" in file.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(file.text.lstrip("\ufeff"))))
    assert [(r["Row"], r["Fate"], r["Part number"], r["Quantity"], r["Quantity on record"]) for r in rows] == [
        ("2", "As on record", f"{t}-SAME", "5", ""), ("3", "Changed", f"{t}-MORE", "8", "5"), ("5", "New", f"{t}-NEW", "3", ""),
    ]  # fmt: skip
    assert rows[0]["Bin on record"] == "A1"
    assert rows[2]["Description"] == "'@SUM(1)"
    gone = (await planner.get(f"{address}/rows?fate=vanished&format=csv")).text
    (line,) = csv.DictReader(io.StringIO(gone.lstrip("\ufeff")))
    assert (line["Row"], line["Fate"], line["Part number"], line["Quantity"]) == (
        "",
        "Not in the file",
        f"{t}-GONE",
        "7",
    )


async def test_pages_of_rows_take_as_many_statements_as_one_row(site: Site) -> None:
    t = site.world.tag
    planner = await site.browser(site.world.maker, "planner")
    sent, addresses = [], []
    for day, rows in (("2026-11-20", 1), ("2026-11-21", 60)):
        body = "".join(f"{t}-P-{n:02},PUMP,5,S1,A1,10,red\n" for n in range(rows))
        addresses.append(await uploaded(planner, site.world, day, body))
        await checked(planner, addresses[-1])
        await planner.get(f"{addresses[-1]}/rows?fate=new")
        with counted(site.world.db) as statements:
            page = await planner.get(f"{addresses[-1]}/rows?fate=new")
        sent.append(len(statements))
    assert sent[0] == sent[1]
    first = re.findall(rf"\b{t}-P-\d\d", page.text)
    following = re.search(r'rel="next" href="([^"]+)"', page.text)
    assert following
    rest = re.findall(rf"\b{t}-P-\d\d", (await planner.get(following[1].replace("&amp;", "&"))).text)
    assert (len(set(first)), len(set(rest)), len(set(first) | set(rest))) == (50, 10, 60)


async def test_columns_that_nothing_is_read_from_are_named(site: Site) -> None:
    planner = await site.browser(site.world.maker, "planner")
    address = await uploaded(planner, site.world, "2026-11-20", f"{site.world.tag}-A,PUMP,5,S1,A1,10,red\n")
    said = re.sub(r"<[^>]+>", "", (await planner.get(address)).text)
    assert "Not used: Colour (G)." in said
    # Where it is chosen for something, nothing is left over.
    page = await planner.get(address)
    await send(planner, f"{address}/mapping", page, c_batch="6", save="yes")
    said = re.sub(r"<[^>]+>", "", (await planner.get(address)).text)
    assert "Not used" not in said
    assert "Every column of the file is used." in said


async def test_a_word_for_a_condition_is_proposed_in_a_file_with_other_headings(site: Site) -> None:
    world = site.world
    planner = await site.browser(world.maker, "planner")

    async def page_of(heads: str, part: str) -> tuple[str, httpx.Response]:
        body = f"{heads}\n{world.tag}-{part},5,A1,S1\n"
        files = {"file": ("words.csv", body.encode(), "text/csv")}
        address = (await planner.post("/imports", data={"maker": f"MK{world.tag}"}, files=files)).headers["location"]
        return address, await planner.get(address)

    first, page = await page_of("Part No,Qty,Condition,Site", "A")
    # Words of the first rows can be given a meaning before the file is read.
    assert "As we read it: New" in page.text
    await send(planner, f"{first}/mapping", page, means_0="new_old_stock", save="yes")
    second, page = await page_of("Item,Count,Grade,Plant", "B")
    assert "as in your other files" in page.text
    await send(planner, f"{second}/mapping", page, save="yes")
    condition = "SELECT r.condition FROM import_row r JOIN import_job j ON j.id = r.job_id WHERE j.id = $1"
    assert await world.owner.fetchval(condition, second[9:]) == "new_old_stock"
    page = await planner.get(second)
    assert "as in your other files" in page.text
    await send(planner, f"{second}/mapping", page, means_0="", save="yes")
    assert await world.owner.fetchval(condition, second[9:]) == "new"
    assert await world.owner.fetchval(condition, first[9:]) == "new_old_stock"


async def test_own_stock_says_which_file_it_is_known_by(site: Site) -> None:
    world, t = site.world, site.world.tag
    planner = await site.browser(world.maker, "planner")
    address = await uploaded(planner, world, "2026-11-20", f"{t}-SEAL,SEAL,5,S1,A1,10,red\n")
    await checked(planner, address)
    await send(planner, f"{address}/apply", await planner.get(f"{address}/apply"), mode="good_rows")

    async def shown() -> list[str]:
        """The own stock's line on either page."""
        technician = await site.browser(world.maker, "technician")
        pages = [
            await technician.get("/requests", params={"q": f"{t}-SEAL"}),
            await planner.get(f"/holdings?number={t}-SEAL"),
        ]
        return [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text)) for page in pages]

    where, held = await shown()
    assert "per file of 20 Nov 2026" in where
    assert "never counted" not in where
    assert "per file of 20 Nov 2026" in held
    file = await planner.get("/holdings", params={"number": f"{t}-SEAL", "format": "csv"})
    (line,) = csv.DictReader(io.StringIO(file.text.lstrip("\ufeff")))
    assert (line["Last counted"], line["Stock file of"]) == ("", "2026-11-20")
    # A count of a later day is newer than the file; one of an earlier day is not.
    counted = "INSERT INTO stock_count (holder_id, site_id, part_id, counted_at, counted, expected, counted_by, beneficiaries) SELECT company_id, site_id, part_id, $2, 5, 5, $3, '{}' FROM stock_line WHERE company_id = $1 ON CONFLICT (holder_id, site_id, part_id) DO UPDATE SET counted_at = excluded.counted_at"  # fmt: skip
    await world.owner.execute(
        counted, world.maker.id, datetime(2026, 11, 21, 9, tzinfo=UTC), world.maker.users["warehouse"]
    )
    assert not any("per file of" in page for page in await shown())
    await world.owner.execute(
        counted, world.maker.id, datetime(2026, 11, 19, 9, tzinfo=UTC), world.maker.users["warehouse"]
    )
    assert all("per file of 20 Nov 2026" in page for page in await shown())
    # What the last file did not name is known by none.
    await world.owner.execute("DELETE FROM stock_count WHERE holder_id = $1", world.maker.id)
    await world.owner.execute("UPDATE stock_line SET vanished_on = '2026-11-21' WHERE company_id = $1", world.maker.id)
    assert "never counted" in (await shown())[0]


async def test_a_word_for_a_site_is_said_on_the_page(site: Site) -> None:
    t = site.world.tag
    planner = await site.browser(site.world.maker, "planner")
    body = f"Part No,Description,Qty,Site\n{t}-A,SEAL,5,Lager Nord\n{t}-B,SEAL,5,Lager Nord\n"
    data = {"maker": f"MK{t}", "snapshot_on": "2026-11-20"}
    sent = await planner.post("/imports", data=data, files={"file": ("stock.csv", body.encode(), "text/csv")})
    address = sent.headers["location"]
    page = await checked(planner, address)
    assert "What your words for sites mean" in page.text
    assert "Lager Nord" in page.text
    assert "we do not know this word" in page.text
    meant = str(site.world.maker.sites[1])
    await send(planner, f"{address}/mapping", page, site_0=meant, save="yes")
    page = await checked(planner, address)
    assert "we do not know this word" not in page.text
    assert "0 rows cannot land" in re.sub(r"<[^>]+>", "", page.text) or "cannot land" not in page.text
    chosen = re.search(r'name="site_0">.*?</select>', page.text, re.DOTALL)
    assert chosen
    assert f'value="{meant}" selected' in chosen[0]
    assert "Forget this word" in chosen[0]
    # Left as it is, a word stays; forgotten, its rows are bad again.
    await send(planner, f"{address}/mapping", page, save="yes")
    page = await checked(planner, address)
    assert f'value="{meant}" selected' in page.text
    await send(planner, f"{address}/mapping", page, site_0="", save="yes")
    assert "we do not know this word" in (await checked(planner, address)).text


async def test_an_import_that_the_worker_has_shows_how_far_it_is_and_asks_for_nothing(site: Site) -> None:
    t = site.world.tag
    planner = await site.browser(site.world.maker, "planner")
    address = await uploaded(planner, site.world, "2026-11-19", f"{t}-ONE,SEAL,5,S1,A1,10,red\n")
    await checked(planner, address)
    job = UUID(address.split("?", maxsplit=1)[0].rsplit("/", 1)[1])
    owner = site.world.owner

    async def told(phase: str, done: int, total: int, silent: int) -> tuple[str, str]:
        await owner.execute(
            "INSERT INTO import_progress (job_id, company_id, phase, done, total, began_at, told_at) "
            "VALUES ($1, $2, $3, $4, $5, now() - interval '40 s', now() - make_interval(secs => $6)) ON CONFLICT (job_id) "
            "DO UPDATE SET phase = $3, done = $4, total = $5, told_at = excluded.told_at",
            job, site.world.maker.id, phase, done, total, silent,
        )  # fmt: skip
        piece = await planner.get(f"/imports/{job}/progress")
        assert "HX-Refresh" not in piece.headers
        return re.sub(r"<[^>]+>", "", piece.text), (await planner.get(f"/imports/{job}")).text

    words, page = await told("landing", 350_000, 1_000_000, 0)
    assert "350,000 of 1,000,000 rows" in words
    assert "Landing rows" in words
    assert "You can leave this page" in words
    assert "Land it" not in page
    assert "Check every row" not in page
    words, _ = await told("comparing", 0, 0, 1)
    assert re.search(r"for 4\d s", words)
    words, _ = await told("checking", 0, 0, 90)
    assert re.search(r"No sign of it for 9\d s", words)
    words, _ = await told("waiting", 0, 0, 90)
    assert "No sign" not in words
    await owner.execute("DELETE FROM import_progress WHERE job_id = $1", job)
    assert (await planner.get(f"/imports/{job}/progress")).headers["HX-Refresh"] == "true"
    assert "Land it" in (await planner.get(f"/imports/{job}")).text
