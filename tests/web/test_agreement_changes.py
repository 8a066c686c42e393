"""Changing and ending agreements on pages: other terms are looked at, proposed, answered and signed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.agreed import rows_of
from tests.web.job import Site, fields_of, open_site, send
from tests.web.test_waiting import agree
from tests.world import World

WAITS = "change of an agreement is proposed to you"
TABLES = ("agreement", "agreement_proposal", "movement")


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with open_site(world) as opened:
        yield opened


async def test_other_terms_are_looked_at_proposed_answered_and_signed(site: Site) -> None:
    job, world = site.job, site.world
    await job.sold(4, offered=4)
    home = f"/agreements/{job.agreement}"
    planner, buyer = await site.browser(world.maker, "planner"), await site.browser(world.buyer, "buyer")
    clerk = await site.browser(world.buyer, "warehouse")
    assert f"{home}/standing" in (await planner.get(home)).text
    assert (await clerk.get(f"{home}/standing")).status_code == 403
    assert (await clerk.get(f"{home}/change")).status_code == 403

    form = await planner.get(f"{home}/change")
    assert "Nothing yet: these are the terms as they are." in form.text
    before = await rows_of(world, *TABLES)
    same = await send(planner, f"{home}/change", form)
    assert same.status_code == 422
    assert "Change at least one of them." in same.text
    wrong = await send(planner, f"{home}/change", form, t_window_end_months="0", note="Kept while I mend it.")
    assert wrong.status_code == 422
    assert "Kept while I mend it." in wrong.text
    looked = await planner.post(
        f"{home}/change/preview", data={**fields_of(form.text, f"{home}/change"), "t_window_end_months": "72"}
    )
    assert "72 months" in looked.text
    assert "Right ends after" in looked.text
    checked = await send(planner, f"{home}/change", form, t_window_end_months="72", note="One more year.")
    assert checked.status_code == 200
    assert "Sign and propose" in checked.text
    assert await rows_of(world, *TABLES) == before, "looking at it proposes nothing"
    fields = fields_of(checked.text, f"{home}/change")
    for _ in range(2):
        done = await planner.post(f"{home}/change", data=fields)
        assert done.headers["location"] == f"{home}?done=proposed#changes"
    assert (
        await world.owner.fetchval("SELECT count(*) FROM agreement_proposal WHERE maker_id = $1", world.maker.id) == 1
    )
    assert WAITS not in await agree(planner)

    assert (await agree(buyer))[WAITS] == 1
    page = await buyer.get(home)
    assert "proposes other terms." in page.text
    assert "One more year." in page.text
    first = await world.owner.fetchval("SELECT id FROM agreement_proposal WHERE maker_id = $1", world.maker.id)
    counter = await buyer.get(f"{home}/change?answer={first}")
    assert 'value="72"' in counter.text, "the terms of the other side are filled in"
    done = await send(buyer, f"{home}/change", counter, t_notice_days_stock="30", confirmed="yes")
    assert done.headers["location"] == f"{home}?done=proposed#changes"
    assert (await agree(planner))[WAITS] == 1

    second = await world.owner.fetchval(
        "SELECT id FROM agreement_proposal WHERE maker_id = $1 AND status = 'open'", world.maker.id
    )
    offer = await planner.get(f"{home}/proposals/{second}")
    for words in ("Right ends after", "72 months", "Stock order: ship within", "30 days", "Sign for"):
        assert words in offer.text
    assert "Sign for" not in (await buyer.get(f"{home}/proposals/{second}")).text, "nobody signs its own proposal"
    nothing = await send(planner, f"{home}/proposals/{second}", offer, answer="decline", reason="")
    assert nothing.status_code == 422
    signed = await send(planner, f"{home}/proposals/{second}", offer, answer="sign")
    assert signed.headers["location"].endswith("?done=changed")
    new = await planner.get(signed.headers["location"])
    assert "Signed by both: this agreement holds from now on." in new.text
    assert "It took the place of" in new.text
    old = await buyer.get(home)
    assert "Replaced by another agreement." in old.text
    assert "Answered with other terms" in old.text
    again = await send(planner, f"{home}/proposals/{second}", offer, answer="sign")
    assert again.status_code in {303, 409}
    assert await world.owner.fetchval("SELECT count(*) FROM agreement WHERE maker_id = $1", world.maker.id) == 2


async def test_an_end_is_proposed_taken_back_declined_and_signed(site: Site) -> None:
    job, world = site.job, site.world
    await job.sold(4, offered=4)
    home = f"/agreements/{job.agreement}"
    planner, buyer = await site.browser(world.maker, "planner"), await site.browser(world.buyer, "buyer")
    page = await buyer.get(f"{home}/standing")
    assert "End by agreement" in page.text
    wrong = await send(buyer, f"{home}/standing", page, act="end", reason=" ")
    assert wrong.status_code == 422

    async def propose() -> str:
        done = await send(buyer, f"{home}/standing", await buyer.get(f"{home}/standing"), act="end", reason="We move.")
        assert done.headers["location"] == f"{home}?done=end_proposed"
        found: str = str(
            await world.owner.fetchval(
                "SELECT id FROM agreement_proposal WHERE maker_id = $1 AND status = 'open'", world.maker.id
            )
        )
        return f"{home}/proposals/{found}"

    at = await propose()
    done = await send(buyer, at, await buyer.get(at), answer="decline")
    assert done.headers["location"] == f"{home}?done=declined#changes"
    at = await propose()
    offer = await planner.get(at)
    assert "wants to end this agreement." in (await planner.get(home)).text
    declined = await send(planner, at, offer, answer="decline", reason="Not before spring.")
    assert declined.status_code == 303
    assert "Not before spring." in (await buyer.get(at)).text
    at = await propose()
    ended = await send(planner, at, await planner.get(at), answer="sign")
    assert ended.headers["location"] == f"{home}?done=ended"
    page = await buyer.get(home)
    assert "Ended by both sides" in page.text
    assert f"{home}/standing" not in page.text


async def test_suspension_and_legal_hold_on_the_page(site: Site) -> None:
    job, world = site.job, site.world
    await job.sold(4, offered=4)
    home = f"/agreements/{job.agreement}"
    planner, buyer = await site.browser(world.maker, "planner"), await site.browser(world.buyer, "buyer")

    async def do(who: object, act: str, **more: str) -> str:
        page = await who.get(f"{home}/standing")  # type: ignore[attr-defined]
        done = await send(who, f"{home}/standing", page, act=act, **more)  # type: ignore[arg-type]
        return str(done.headers.get("location") or done.text)

    assert await do(planner, "suspend", reason="Under review.") == f"{home}?done=suspend"
    page = (await buyer.get(home)).text
    assert "Under review." in page
    assert "4 not now (agreement suspended)" in page, "the units are there all the same"
    assert "only it can resume it" in await do(buyer, "resume")
    assert await do(planner, "resume") == f"{home}?done=resume"
    assert await do(planner, "hold", reason="A court order.", basis="Order 26-118") == f"{home}?done=hold"
    assert "It rests on: Order 26-118" in (await buyer.get(home)).text
    rows = (await buyer.get("/agreements")).text.split("<tbody>")[1]
    assert "On legal hold" in rows
    assert "Active" not in rows
    assert "only it can lift it" in await do(buyer, "lift", reason="Please.")
    # The other side's stands beside it, on its own.
    assert await do(buyer, "hold", reason="Sanctions screening.", basis="List of 3 May") == f"{home}?done=hold"
    page = (await planner.get(home)).text
    assert (
        f"Set by {world.maker.name}: Order 26-118; {world.buyer.name}: List of 3 May. Each side lifts its own." in page
    )
    assert "Put under legal hold" not in (await planner.get(f"{home}/standing")).text
    assert await do(planner, "lift", reason="Lifted by the court.") == f"{home}?done=lift"
    page = (await planner.get(home)).text
    assert f"Set by {world.buyer.name}: List of 3 May." in page
    assert "lifted its legal hold; another one stands" in page
    assert "Lift your legal hold" not in (await planner.get(f"{home}/standing")).text
    assert await do(buyer, "lift", reason="No hit.") == f"{home}?done=lift"
    assert "On legal hold" not in (await buyer.get(home)).text


async def test_the_rights_of_a_chosen_day(site: Site) -> None:
    job, world = site.job, site.world
    await job.sold(4, offered=4)
    home = f"/agreements/{job.agreement}"
    planner = await site.browser(world.maker, "planner")
    assert "4 units could be ordered back" in (await planner.get(home)).text
    late = await planner.get(f"{home}?on=2060-01-01")
    assert "No unit could be ordered back." in late.text
    assert "The right ended on" in late.text
    for odd, callable_then, why in (
        ("on=abc", True, "is no day: shown is today."), ("on=2027-02-30", True, "is no day: shown is today."),
        ("at=-3", True, "is no day: shown is today."), ("on=0001-01-01", None, "is before the schedule date: shown is that date."),
        ("on=2099-01-01", False, "is after the right has ended: shown is the day after its end"),
        ("on=9999-12-31", False, "is after the right has ended"), ("on=", True, ""), ("", True, ""),
    ):  # fmt: skip
        for at in (home, f"{home}/on-day"):
            page = (await planner.get(f"{at}?{odd}")).text
            assert why in page, odd
            assert ("shown is" in page) == bool(why), odd
            if callable_then is not None:
                assert ("4 units could be ordered back" in page) == callable_then, odd


async def test_a_draw_is_told_as_one_on_a_chosen_day(site: Site) -> None:
    await site.job.sold(6, preset="wide-access")
    planner = await site.browser(site.world.maker, "planner")
    page = (await planner.get(f"/agreements/{site.job.agreement}")).text
    assert "6 units could be drawn; what is not replaced is bought at 120.00 USD each." in page
