"""Selling units on through the pages: three companies, each at its step."""

from __future__ import annotations

import pytest
from markupsafe import escape

from marketplace.agreements.combinations import BUY_BACK, FIRST_REFUSAL
from tests.agreed import agreed_on, delivered, rows_of
from tests.web.job import open_site, send
from tests.web.test_waiting import agree
from tests.world import World


@pytest.mark.parametrize(
    ("clause", "rule", "says", "never"),
    [
        ("first-refusal", "offer_first", "by giving notice of a sale: it has 15 days to order them", "consent or refuse"),
        ("buy-back", "accession", "is not asked again: the terms give its consent", "No answer is no consent"),
        ("buy-back", "consent", "has 15 days to consent or refuse. No answer is no consent.", "giving notice"),
    ],
)  # fmt: skip
async def test_who_sells_on_reads_what_its_terms_ask_for(
    second_world: World, clause: str, rule: str, says: str, never: str
) -> None:
    terms = FIRST_REFUSAL if clause == "first-refusal" else BUY_BACK
    version = 1 if clause == "first-refusal" else 2
    agreement_id = await agreed_on(second_world, [(clause, version, {**terms, "resale": rule})])
    await delivered(second_world, agreement_id, 3)
    async with open_site(second_world) as site:
        seller = await site.browser(second_world.buyer, "admin")
        page = await seller.get(f"/resales/ask?agreement={agreement_id}")
        assert says in page.text
        assert never not in page.text


async def test_units_are_sold_on_by_three_companies(world: World) -> None:
    async with open_site(world) as site:
        job = site.job
        await job.sold(4, offered=4, preset="access-first")
        await world.owner.execute("UPDATE company SET is_partner = true WHERE id = $1", world.other.id)
        seller, planner = await site.browser(world.buyer, "admin"), await site.browser(world.maker, "planner")
        third = await site.browser(world.other, "admin")
        home = f"/agreements/{job.agreement}"
        address = f"/resales/ask?agreement={job.agreement}"
        assert address in (await seller.get(home)).text
        assert address not in (await planner.get(home)).text
        form = await seller.get(address)
        assert "4 EA free" in form.text
        before = await rows_of(world, "resale", "movement")
        wrong = await send(seller, "/resales/ask", form, quantity="9", buyer=str(world.other.id))
        assert wrong.status_code == 409
        assert "4 of these units are free" in wrong.text
        nobody = await send(seller, "/resales/ask", form, quantity="2", buyer="")
        assert nobody.status_code == 422
        assert await rows_of(world, "resale", "movement") == before
        done = await send(
            seller, "/resales/ask", form, quantity="2", buyer=str(world.other.id), note="They run longer."
        )
        at = done.headers["location"].partition("?")[0]

        assert (await agree(planner))["resale waits for your consent"] == 1
        assert "resale waits for your signature" not in await agree(third)
        page = await planner.get(at)
        assert "They run longer." in page.text
        assert "Keep your right on them" in page.text
        no = await send(planner, f"{at}/refuse", page, reason="")
        assert no.status_code == 422
        await send(planner, f"{at}/consent", page)

        assert (await agree(third))["resale waits for your signature"] == 1
        page = await third.get(at)
        assert "as if it had bought them under the schedule" in page.text
        assert home not in page.text, "the buyer is no party of the seller's agreement"
        signed = await send(third, f"{at}/join", page)
        assert signed.headers["location"] == f"{at}?done=join"

        assert (await agree(seller))["resale is to be shipped"] == 1
        page = await seller.get(at)
        assert "as if it had bought them" not in page.text, "the seller does not see what the buyer signed"
        lost = await send(seller, f"{at}/ship", page)
        assert lost.status_code == 422
        await send(seller, f"{at}/ship", page, carrier="UPS", tracking="1Z7")

        assert (await agree(third))["resale is on its way to you"] == 1
        page = await third.get(at)
        assert "1Z7" in page.text
        await send(third, f"{at}/receive", page)
        page = await third.get(at)
        assert "Received" in page.text
        child = await world.owner.fetchval("SELECT child_id FROM resale WHERE maker_id = $1", world.maker.id)
        assert f"/agreements/{child}" in page.text
        assert (await third.get(f"/agreements/{child}")).status_code == 200
        # The agreement that the units left tells of it, to both of its parties.
        reference = await world.owner.fetchval("SELECT child_reference FROM resale WHERE maker_id = $1", world.maker.id)
        for party in (seller, planner):
            history = (await party.get(home)).text
            for words in (
                f"{world.buyer.name} asked to sell 2 units of", "consented: 2 units of", f"{world.other.name} joined with an agreement",
                f"{world.buyer.name} shipped 2 units of", f"{world.other.name} received units sold on: 2", reference,
            ):  # fmt: skip
                assert escape(words) in history, words
        assert "sold on:" not in (await third.get(f"/agreements/{child}")).text
        listed = await planner.get("/resales?format=csv")
        assert "RSL-" in listed.text
        stranger = await site.browser(world.buyer, "warehouse")
        assert (await stranger.get(address)).status_code == 403
