"""The pages of the records over HTTP on a real database: unit history, what we hold, agreements, imports, scanner."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from marketplace.ledger.entries import Step
from marketplace.ledger.kinds import Kind
from marketplace.settings import Settings
from tests.codes import read_code
from tests.counting import counted
from tests.marketplace.main_job import API, ok
from tests.web.job import Site, fields_of, open_site, send
from tests.world import World


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with open_site(world) as opened:
        yield opened


async def unit_of(site: Site) -> str:
    """A lot in the buyer's hands."""
    return str(
        await site.world.owner.fetchval(
            "SELECT lot_id FROM position WHERE holder_id = $1 AND quantity > 0 LIMIT 1", site.world.buyer.id
        )
    )


async def test_a_units_history_reads_aloud_and_goes_back_in_time(site: Site) -> None:
    await site.job.sold(1, offered=1, serial=True)
    auditor = await site.browser(site.world.maker, "auditor")
    lot = await unit_of(site)
    page = await auditor.get(f"/units/{lot}")
    assert page.status_code == 200, page.text
    for words in ("registered at", "shipped 1 EA from", "received 1 EA at", "An agreement now covers 1 EA"):
        assert words in page.text, words
    assert f"{site.world.maker.name}: May be bought back until" in page.text
    past = await auditor.get(f"/units/{lot}", params={"at": "2020-01-01"})
    assert "it was not registered yet" in past.text
    assert "shipped 1 EA" not in past.text
    file = await auditor.get(f"/units/{lot}", params={"format": "csv"})
    kinds = [r["Kind"] for r in csv.DictReader(io.StringIO(file.text.lstrip("\ufeff")))]
    assert kinds[0] == "register"
    assert {"ship", "receive", "title", "repoint"} <= set(kinds)
    found = await auditor.get("/units", params={"q": f"SN-{site.world.tag}-000"})
    assert f"/units/{lot}" in found.text
    then = await auditor.get("/units", params={"q": await site.number(), "at": "2020-01-01"})
    assert "Nothing was there" in then.text


async def test_a_quality_hold_is_set_and_lifted_by_the_maker_only(site: Site) -> None:
    await site.job.sold(1, offered=1, serial=True)
    planner, buyer = await site.browser(site.world.maker, "planner"), await site.browser(site.world.buyer, "admin")
    lot = await unit_of(site)
    frozen = "SELECT frozen FROM lot WHERE lot_id = $1::text::uuid"
    assert f"/units/{lot}/freeze" in (await planner.get(f"/units/{lot}")).text
    page = await planner.get(f"/units/{lot}/freeze")
    assert (await send(planner, f"/units/{lot}/freeze", page, reason="")).status_code == 422
    assert await site.world.owner.fetchval(frozen, lot) is False
    assert (await send(planner, f"/units/{lot}/freeze", page, reason="Seal batch 12")).status_code == 303
    assert await site.world.owner.fetchval(frozen, lot) is True
    refused = await send(buyer, f"/units/{lot}/lift", await buyer.get(f"/units/{lot}/lift"))
    assert refused.status_code == 403
    assert await site.world.owner.fetchval(frozen, lot) is True
    lifted = await send(planner, f"/units/{lot}/lift", await planner.get(f"/units/{lot}/lift"))
    assert lifted.status_code == 303
    assert await site.world.owner.fetchval(frozen, lot) is False


async def test_recording_an_act_leads_back_to_the_rows_one_came_from(site: Site) -> None:
    await site.job.sold(4, offered=4)
    buyer = await site.browser(site.world.buyer, "warehouse")
    rows = {"number": await site.number(), "right": "yes"}
    held = await buyer.get("/holdings", params=rows)
    link = re.search(r'href="(/holdings/act\?[^"]+)"', held.text)
    assert link, held.text
    form = await buyer.get(link[1].replace("&amp;", "&"))
    assert f'href="/holdings?number={rows["number"]}&amp;right=yes">Back' in form.text
    for given, back in (({}, f"number={rows['number']}&right=yes&"), ({"back": "x=//evil.example&site="}, "")):
        checked = await send(buyer, "/holdings/act", form, act="fit", quantity="1", machine="EX-200 77", **given)
        assert checked.status_code == 200, checked.text
        done = await buyer.post("/holdings/act", data=fields_of(checked.text, "/holdings/act"))
        assert done.headers["location"] == f"/holdings?{back}done=fit"


async def test_a_holder_records_a_fitting_after_seeing_what_it_does(site: Site) -> None:
    await site.job.sold(4, offered=4)
    world = site.world
    buyer = await site.browser(world.buyer, "warehouse")
    held = await buyer.get("/holdings")
    link = re.search(r'href="(/holdings/act\?[^"]+)"', held.text)
    assert link, held.text
    assert "May be bought back until" in held.text
    form = await buyer.get(link[1].replace("&amp;", "&"))
    total = "SELECT coalesce(sum(quantity), 0) FROM position WHERE holder_id = $1"
    spares = await send(buyer, "/holdings/act", form, act="use", quantity="1")
    assert spares.status_code == 409
    assert "may not be used up in production" in spares.text
    too_many = await send(buyer, "/holdings/act", form, act="fit", quantity="5", machine="EX-200 77")
    assert too_many.status_code == 409
    assert await world.owner.fetchval(total, world.buyer.id) == 4
    checked = await send(buyer, "/holdings/act", form, act="fit", quantity="1", machine="EX-200 77")
    assert checked.status_code == 200, checked.text
    assert "Fit in EX-200 77: 1 EA" in checked.text
    assert await world.owner.fetchval(total, world.buyer.id) == 4
    fields = fields_of(checked.text, "/holdings/act")
    assert (await buyer.post("/holdings/act", data=fields)).status_code == 303
    assert (await buyer.post("/holdings/act", data=fields)).status_code == 303
    assert await world.owner.fetchval(total, world.buyer.id) == 3
    counting = await send(buyer, "/holdings/act", form, act="count", quantity="3", condition="")
    assert "Counted 3, as on record." in counting.text
    scrap = await send(buyer, "/holdings/act", form, act="scrap", quantity="1", reason="")
    assert scrap.status_code == 422
    assert "Reason is missing." in scrap.text


async def test_an_agreement_is_read_and_signed_once(site: Site) -> None:
    job = site.job
    await job.released()
    await job.ordered(4)
    accepted = await job.planner.post(f"/api/v1/orders/{job.order}/accept")
    agreement = f"/agreements/{accepted.json()['id']}"
    buyer = await site.browser(site.world.buyer, "buyer")
    waiting = await buyer.get("/agreements", params={"status": "waiting"})
    assert f'href="{agreement}"' in waiting.text
    before = (await buyer.get(agreement)).text
    assert "the day of the second signature" in before
    assert before.count(", if signed today") == 2
    page = await buyer.get(f"{agreement}/sign")
    assert "today is its schedule date" in page.text
    other = await send(buyer, f"{agreement}/sign", page, wording_sha256="0" * 64)
    assert other.status_code == 409
    assert (await buyer.get(f"{agreement}/sign")).status_code == 200
    assert (await send(buyer, f"{agreement}/sign", page)).status_code == 303
    assert (await buyer.get(f"{agreement}/sign")).status_code == 409
    shown = await buyer.get(agreement)
    assert "buyer of" in shown.text
    assert "if signed today" not in shown.text
    assert f'href="{agreement}/paper.pdf"' in shown.text
    paper = await buyer.get(f"{agreement}/paper.pdf")
    assert (paper.status_code, paper.headers["content-type"]) == (200, "application/pdf")
    assert re.fullmatch('attachment; filename="AGR-[0-9A-Z]+.pdf"', paper.headers["content-disposition"])
    assert paper.headers["cache-control"] == "no-store"
    assert paper.content.startswith(b"%PDF-")
    stranger = await site.browser(site.world.other, "buyer")
    missing = await stranger.get(f"{agreement}/paper.pdf")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "text/html; charset=utf-8")
    file = await buyer.get("/agreements", params={"format": "csv"})
    assert len(list(csv.DictReader(io.StringIO(file.text.lstrip("\ufeff"))))) == 1


async def test_an_unknown_word_for_a_condition_is_given_its_meaning(site: Site, tmp_path: Path) -> None:
    world = site.world
    site.app.state.settings = Settings(demo=False, secret_key="for tests", data_dir=tmp_path)
    planner = await site.browser(world.maker, "planner")
    body = f"Part No,Qty,Condition\n{world.tag}-G-1,5,Grade <A>\n{world.tag}-G-2,3,NOS\n".encode()
    files = {"file": ("graded.csv", body, "text/csv")}
    sent = await planner.post("/imports", data={"site": str(world.maker.site), "maker": f"MK{world.tag}"}, files=files)
    address = sent.headers["location"]
    await send(planner, f"{address}/mapping", await planner.get(address), save="yes")
    shown = await planner.get(address)
    assert "Grade &lt;A&gt;" in shown.text
    assert "we do not know this word" in shown.text
    assert "As we read it: New old stock" in shown.text
    await send(planner, f"{address}/mapping", shown, save="yes", means_0="core")
    checked = await planner.get(address)
    assert "we do not know this word" not in checked.text
    assert await world.owner.fetchval("SELECT rows_bad FROM import_job WHERE file_name = 'graded.csv'") == 0
    # Taken back, the word is unknown again.
    await send(planner, f"{address}/mapping", checked, save="yes", means_0="")
    assert await world.owner.fetchval("SELECT rows_bad FROM import_job WHERE file_name = 'graded.csv'") == 1


async def test_all_differences_are_decided_at_once_after_a_look_at_what_that_does(site: Site, tmp_path: Path) -> None:
    world = site.world
    site.app.state.settings = Settings(demo=False, secret_key="for tests", data_dir=tmp_path)
    planner = await site.browser(world.maker, "planner")
    address = ""
    for day, numbers in (("2026-11-20", range(60)), ("2026-11-21", range(2))):
        body = "Part No,Qty\n" + "".join(f"{world.tag}-V-{n},5\n" for n in numbers)
        sent = await planner.post(
            "/imports",
            data={"site": str(world.maker.site), "maker": f"MK{world.tag}", "snapshot_on": day},
            files={"file": ("vanish.csv", body.encode(), "text/csv")},
        )
        address = sent.headers["location"]
        await send(planner, f"{address}/mapping", await planner.get(address), save="yes", covers="all")
        asked = await planner.get(f"{address}/apply")
        if numbers == range(2):
            # 58 of 60 lines are not in it: it does not land before somebody has said what it tells of.
            assert "58 lines on record are not in this file" in asked.text
            refused = await send(planner, f"{address}/apply", asked, mode="good_rows")
            assert refused.status_code == 422
            assert "What does the file tell of?</a>: Choose one" in refused.text
            assert await world.owner.fetchval("SELECT step FROM import_job WHERE id = $1", address[9:]) == "validated"
            asked = refused
        await send(planner, f"{address}/apply", asked, mode="good_rows", covers="all")
    landed = await planner.get(address)
    assert (
        "Of 2 good rows: 0 new on record, 2 as on record, 0 different. 58 lines on record are not in the file"
        in landed.text
    )
    waiting = await planner.get("/imports?waiting=differences")
    assert waiting.text.count("58 differences to decide") == 1
    shown = await planner.get(f"{address}/proposals")
    assert "Accept all 58" in shown.text
    look = await planner.get(f"{address}/proposals/all", params={"verdict": "accept_all"})
    assert "Accept 58 differences" in look.text
    count = "SELECT count(*) FILTER (WHERE decided IS NULL) FROM import_proposal WHERE company_id = $1"
    assert await world.owner.fetchval(count, world.maker.id) == 58
    done = await send(planner, f"{address}/proposals", look, verdict="accept_all")
    assert done.status_code == 303, done.text
    assert await world.owner.fetchval(count, world.maker.id) == 0
    assert "vanish.csv" not in (await planner.get("/imports?waiting=differences")).text
    left = "SELECT sum(quantity)::int FROM position p JOIN part t ON t.id = p.part_id WHERE t.number LIKE $1"
    assert await world.owner.fetchval(left, f"{world.tag}-V-%") == 10


async def test_a_file_is_matched_checked_and_landed(site: Site, tmp_path: Path) -> None:
    world = site.world
    site.app.state.settings = Settings(demo=False, secret_key="for tests", data_dir=tmp_path)
    planner = await site.browser(world.maker, "planner")
    bad = await planner.post("/imports", data={"site": ""}, files={"file": ("empty.csv", b"", "text/csv")})
    assert bad.status_code == 422
    assert 'role="alert"' in bad.text
    body = f"Part No,Menge,Qty,Description\n{world.tag}-NEW-1,x,5,<b>PUMP</b>\n{world.tag}-NEW-2,x,-3,SEAL\n".encode()
    files = {"file": ("stock.csv", body, "text/csv")}
    sent = await planner.post("/imports", data={"site": str(world.maker.site), "maker": f"MK{world.tag}"}, files=files)
    assert sent.status_code == 303, sent.text
    address = sent.headers["location"]
    again = await planner.post("/imports", data={"site": str(world.maker.site), "maker": f"MK{world.tag}"}, files=files)
    assert again.headers["location"] == f"{address}?done=repeated"
    page = await planner.get(address)
    assert "Check every row" in page.text
    checked = await send(planner, f"{address}/mapping", page, save="yes")
    assert checked.status_code == 303, checked.text
    shown = await planner.get(address)
    assert "Land it" in shown.text, shown.text
    assert await world.owner.fetchval("SELECT count(*) FROM part WHERE maker_id = $1", world.maker_row) == 1
    issues = await planner.get(f"{address}/issues")
    assert "-3" in issues.text
    rows = (await planner.get(f"{address}/issues", params={"format": "csv"})).text
    assert f"{world.tag}-NEW-2" in rows
    landing = await planner.get(f"{address}/apply")
    nothing = await send(planner, f"{address}/apply", landing, mode="all_or_nothing")
    assert nothing.status_code == 303
    assert "Nothing landed" in (await planner.get(address)).text
    assert await world.owner.fetchval("SELECT count(*) FROM lot WHERE registered_by = $1", world.maker.id) == 0
    landed = await send(planner, f"{address}/apply", await planner.get(f"{address}/apply"), mode="good_rows")
    assert landed.status_code == 303
    assert await world.owner.fetchval("SELECT sum(quantity) FROM position WHERE holder_id = $1", world.maker.id) == 5
    assert "&lt;b&gt;PUMP" in (await planner.get("/units")).text
    outsider = await site.browser(world.other, "admin")
    assert (await outsider.get(address)).status_code == 404
    assert (await outsider.get(f"{address}/issues")).status_code == 404


async def test_the_scanner_leads_somewhere_without_script(site: Site) -> None:
    await site.job.sold(1, offered=1, serial=True)
    technician = await site.browser(site.world.maker, "technician")
    lot = await unit_of(site)
    unit = await technician.get("/scan", params={"q": f"sn-{site.world.tag}-000"})
    assert unit.headers["location"] == f"/units/{lot}"
    number = await site.number()
    part = await technician.get("/scan", params={"q": number})
    assert part.headers["location"].startswith("/requests?q=")
    unknown = await technician.get("/scan", params={"q": "NOSUCHTHING"})
    assert unknown.status_code == 200
    assert "is no serial that you may see" in unknown.text
    label = await technician.get("/scan", params={"q": f"(240){number}(21)SN-{site.world.tag}-000"})
    assert label.headers["location"] == f"/units/{lot}"
    other = await technician.get("/scan", params={"q": f"(240){number}(21)NONE"})
    assert f"Read: part {number}, serial NONE." in other.text
    assert "No unit with serial NONE of this part" in other.text
    misread = await technician.get("/scan", params={"q": "(01)09521234543214(21)A7"})
    assert (misread.status_code, "the code was misread" in misread.text) == (422, True)
    none = await technician.get("/scan", params={"q": "(240)NO-SUCH(21)A7"})
    assert "No part here has such a number." in none.text


async def test_a_label_is_printed_scanned_and_receives_the_unit(site: Site) -> None:
    """The code on the label, read from the picture as a camera would, leads to the unit; on its way, to its receipt."""
    job, world = site.job, site.world
    await job.sold(1, offered=1, serial=True)
    await job.called(1)
    technician, holder = await site.browser(world.maker, "technician"), await site.browser(world.buyer, "warehouse")
    lot = await unit_of(site)
    page = await holder.get(f"/calls/{job.call}/labels")
    svg = re.search(r"<svg[^>]*segno.*?</svg>", page.text, re.DOTALL)
    assert svg
    assert read_code(svg[0]) == f"{Settings().base_url}/units/{lot}"
    assert f"SN-{world.tag}-000" in page.text
    assert (await (await site.browser(world.other, "buyer")).get(f"/calls/{job.call}/labels")).status_code == 404
    assert (await (await site.browser(world.other, "admin")).get(f"/units/{lot}/label")).status_code == 404
    alone = await technician.get(f"/units/{lot}/label")
    assert "Maker " in alone.text
    scanned = {"q": f"{Settings().base_url}/units/{lot}"}
    assert (await technician.get("/scan", params=scanned)).headers["location"] == f"/units/{lot}"
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/ship", json={"carrier": "UPS", "tracking": "1Z"}))
    here = await technician.get("/scan", params=scanned)
    assert "On its way to you" in here.text
    assert f"/calls/{job.call}/receive" in here.text
    assert f"/calls/{job.call}/receive" not in (await holder.get("/scan", params=scanned)).text
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/receive"))
    assert (await technician.get("/scan", params=scanned)).headers["location"] == f"/units/{lot}"


async def test_a_units_whole_chain_is_one_story_on_each_of_its_pages(site: Site) -> None:
    """Ten units, four sold and one of those ordered back: three lots, one timeline."""
    world, job = site.world, site.job
    await job.released(10)
    first = str(job.lot)
    auditor = await site.browser(world.maker, "auditor")
    await auditor.get(f"/units/{first}")
    with counted(world.db) as alone:
        page = await auditor.get(f"/units/{first}")
    assert "New lot" not in page.text
    await job.ordered(4)
    await job.signed()
    await job.delivered(4)
    second = await unit_of(site)
    await job.called()
    await job.came_back()
    third = str(await world.owner.fetchval("SELECT lot_id FROM lot WHERE parent_lot_id = $1::text::uuid", second))
    story = ["10 EA registered at", "4 EA split off", "received 4 EA at", "Ownership of 4 EA passed from", "1 EA split off",
             "received 1 EA at", "Ownership of 1 EA passed from"]  # fmt: skip
    for lot in (first, second, third):
        with counted(world.db) as chained:
            page = await auditor.get(f"/units/{lot}")
        told = page.text.partition('<ol class="timeline"')[2].partition("</ol>")[0]
        places = [told.find(words) for words in story]
        assert places == sorted(places), (lot, places)
        assert min(places) >= 0, (lot, places)
        assert told.count("4 EA split off") == 1, "a split stands in both lots and is told once"
        assert told.count("New lot") == 2
        assert told.count("New owner") == 2
        assert f'href="/units/{lot}"' not in told
        file = await auditor.get(f"/units/{lot}", params={"format": "csv"})
        assert {r["Lot"] for r in csv.DictReader(io.StringIO(file.text.lstrip("\ufeff")))} == {first, second, third}
        # The page of a lot under an agreement also reads its clause.
        if lot == first:
            assert len(chained) == len(alone)
    assert "4 EA split off" not in (await auditor.get(f"/units/{third}", params={"at": "2020-01-01"})).text

    # What the maker had before is none of the buyer's business.
    buyer = await site.browser(world.buyer, "buyer")
    page = (await buyer.get(f"/units/{third}")).text
    assert "Ownership of 1 EA passed from" in page
    assert "received 4 EA at" in page
    assert "10 EA registered" not in page
    other = await site.browser(world.other, "buyer")
    assert (await other.get(f"/units/{third}")).status_code == 404


async def test_of_an_older_lot_only_what_led_here_is_told(site: Site) -> None:
    world, job = site.world, site.job
    await job.released(10)
    await job.ordered(4)
    await job.signed()
    await job.delivered(4)
    second = await unit_of(site)
    await world.run(world.maker, Step(Kind.SCRAP, job.lot, 3, 1))
    auditor = await site.browser(world.maker, "auditor")
    assert "scrapped 3 EA" in (await auditor.get(f"/units/{job.lot}")).text
    assert "scrapped 3 EA" not in (await auditor.get(f"/units/{second}")).text


async def test_the_list_of_agreements_tells_units_as_signed_and_as_they_stand(site: Site) -> None:
    job = site.job
    await job.released(10)
    await job.ordered(4)
    await job.signed()
    await job.delivered(3, damaged=1, note="dented")
    await job.called()
    await job.came_back()
    planner = await site.browser(site.world.maker, "planner")
    page = (await planner.get("/agreements")).text
    for words in ("4 signed", "1 not accepted", "2 held now"):
        assert words in page, words
    row = next(csv.DictReader(io.StringIO((await planner.get("/agreements?format=csv")).text.lstrip("\ufeff"))))
    assert [row[n] for n in ("Units signed", "Not accepted", "With the holder now")] == ["4", "1", "2"]
    told = (await ok(job.planner.get(f"{API}/agreements")))["items"][0]
    assert (told["quantity_sold"], told["not_accepted"], told["remaining"]) == (4, 1, 2)
