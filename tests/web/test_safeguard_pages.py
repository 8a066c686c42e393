"""Insolvencies and security interests through the pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.agreed import rows_of
from tests.web.job import open_site, send
from tests.world import World

TABLES = ("insolvency", "insolvency_lifted", "security_interest", "security_interest_end", "agreement")


async def test_an_insolvency_is_recorded_added_to_and_lifted(world: World) -> None:
    async with open_site(world) as site:
        await site.job.sold(3, offered=3)
        home = f"/agreements/{site.job.agreement}"
        planner, buyer = await site.browser(world.maker, "planner"), await site.browser(world.buyer, "buyer")
        auditor = await site.browser(world.maker, "auditor")
        link = f"/insolvencies/new?company={world.buyer.id}"
        assert link.replace("&", "&amp;") in (await planner.get(home)).text
        assert "/insolvencies" not in (await buyer.get(home)).text
        assert "Insolvencies" in (await planner.get("/agreements")).text
        assert "Insolvencies" not in (await buyer.get("/agreements")).text
        form = await planner.get(link)
        assert world.buyer.name in form.text
        before = await rows_of(world, *TABLES)
        empty = await send(planner, "/insolvencies/new", form, reason="", source="", opened_on="")
        assert empty.status_code == 422
        assert "What happened is missing" in empty.text
        assert await rows_of(world, *TABLES) == before
        done = await send(
            planner, "/insolvencies/new", form, company=str(world.buyer.id), reason="Petition filed.", source="Case 26-1",
            opened_on="2026-11-02", administrator="",
        )  # fmt: skip
        at = done.headers["location"].partition("?")[0]
        page = await planner.get(at)
        assert "1 legal hold" in page.text
        assert "not known yet" in page.text
        assert "is on record as insolvent since" in (await planner.get(home)).text
        theirs = (await buyer.get(home)).text
        assert "On legal hold" in theirs
        assert "Insolvency: Petition filed." in theirs
        assert "Case 26-1" not in theirs
        assert (await buyer.get(at)).status_code == 404
        assert "Lift it" not in (await auditor.get(at)).text
        await send(planner, f"{at}/note", page, note="Trustee appointed.", administrator="J. Ortiz")
        page = await planner.get(at)
        assert "Trustee appointed." in page.text
        before = await rows_of(world, *TABLES)
        no = await send(planner, f"{at}/lift", page, lift_reason="")
        assert no.status_code == 422
        assert await rows_of(world, *TABLES) == before
        await send(planner, f"{at}/lift", page, lift_reason="Dismissed.")
        assert "On legal hold" not in (await buyer.get(home)).text
        assert "Case 26-1" in (await planner.get("/insolvencies?format=csv&stands=no")).text
        assert "None on record" in (await planner.get("/insolvencies?stands=yes")).text


async def test_a_security_interest_is_recorded_on_an_agreement_continued_and_ended(world: World) -> None:
    async with open_site(world) as site:
        await site.job.sold(3, offered=3)
        home = f"/agreements/{site.job.agreement}"
        planner, buyer = await site.browser(world.maker, "planner"), await site.browser(world.buyer, "buyer")
        address = f"/security-interests/new?agreement={site.job.agreement}"
        assert address in (await planner.get(home)).text
        assert "security-interests" not in (await buyer.get(home)).text
        form = await planner.get(address)
        before = await rows_of(world, *TABLES)
        wrong = await send(planner, "/security-interests/new", form, kind="ucc1", number="26-1", filed_on="")
        assert wrong.status_code == 422
        assert await rows_of(world, *TABLES) == before
        last = (datetime.now(UTC) + timedelta(days=20)).date().isoformat()
        done = await send(
            planner, "/security-interests/new", form, kind="ucc1", filed_with="Texas SOS", number="26-1",
            filed_on="2021-12-01", expires_on=last, note="",
        )  # fmt: skip
        at = done.headers["location"].partition("?")[0]
        assert "Texas SOS" in (await planner.get(home)).text
        assert "Continue security interest 26-1" in (await planner.get("/")).text
        form = await planner.get(f"/security-interests/new?continues={at.rpartition('/')[2]}")
        assert "In place of 26-1" in form.text
        done = await send(
            planner, "/security-interests/new", form, kind="ucc1", filed_with="Texas SOS", number="26-2",
            filed_on="2026-11-02", expires_on="2031-11-02", note="",
        )  # fmt: skip
        new = done.headers["location"].partition("?")[0]
        assert "Continued as 26-2" in (await planner.get(at)).text
        page = await planner.get(new)
        assert "What it continues" in page.text
        await send(planner, f"{new}/end", page, reason="Released.")
        assert "Released." in (await planner.get(new)).text
        assert (await buyer.get(new)).status_code == 404
        assert "26-2" in (await planner.get("/security-interests?format=csv&standing=ended")).text
