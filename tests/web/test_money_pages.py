"""The pages of money: what is owed, a payment over several lines, set-offs, a file of payments; nothing of it needs a
script."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from marketplace.settlement import service
from tests.agreed import NOW, agreed, person, rows_of, usd
from tests.counting import counted
from tests.marketplace.settlement.owed import line_of, owes
from tests.web.job import Site, fields_of, open_site, send
from tests.web.test_waiting import agree
from tests.world import World

TABLES = ("settlement_line", "payment", "payment_allocation")
NEW, FILE, OFF = "/settlement/payments/new", "/settlement/payments/file", "/settlement/set-off"


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with open_site(world) as found:
        await agreed(world)
        yield found


async def both(site: Site) -> tuple[httpx.AsyncClient, httpx.AsyncClient]:
    """The maker's planner and the buyer's buyer."""
    world = site.world
    return await site.browser(world.maker, "planner"), await site.browser(world.buyer, "buyer")


async def post(client: httpx.AsyncClient, action: str, page: httpx.Response, **changed: object) -> httpx.Response:
    """As ``send``, with several values for ticked boxes."""
    return await client.post(action, data={**fields_of(page.text, action), **changed})


async def test_a_payment_over_two_lines_is_recorded_confirmed_and_asked_back(world: World, site: Site) -> None:
    planner, buyer = await both(site)
    early = await owes(world, due_on=NOW.date() - timedelta(days=3))
    late = await owes(world)
    listed = await planner.get("/settlement")
    assert listed.text.count("270.30") >= 2
    assert "540.60" in listed.text
    assert "270.30 USD overdue" in listed.text
    assert (await line_of(world, early)).reference in (await planner.get("/settlement?state=overdue")).text
    assert (await line_of(world, late)).reference not in (await planner.get("/settlement?state=overdue")).text
    page = await planner.get(f"{NEW}?line={early}&line={late}")
    assert 'value="540.60"' in page.text, "what the ticked lines come to"
    before = await rows_of(world, *TABLES)
    for changed, words in (
        ({"amount": ""}, "Amount is missing"), ({"paid_on": ""}, "Paid on is missing"),
        ({f"amount-{early}": "300"}, "270.30 USD of"), ({"amount": "0.001"}, "can be paid"),
    ):  # fmt: skip
        wrong = await post(planner, NEW, page, line=[str(early), str(late)], **changed)
        assert wrong.status_code in {409, 422}, wrong.text
        assert words in wrong.text
        assert f'value="{early}" checked' in wrong.text
    assert await rows_of(world, *TABLES) == before
    done = await post(
        planner, NEW, page, line=[str(early), str(late)], amount="300", bank_reference="WIRE 88",
        **{f"amount-{early}": "270.30"},
    )  # fmt: skip
    assert done.status_code == 303, done.text
    at = done.headers["location"].partition("?")[0]
    told = (await planner.get(done.headers["location"])).text
    assert "The other side was told" in told
    assert "29.70" in told
    assert (await agree(buyer))["payment waits for your word"] == 1
    theirs = await buyer.get(at)
    assert "WIRE 88" in theirs.text
    assert (await send(buyer, f"{at}/confirm", theirs)).status_code == 303
    assert await agree(buyer) == {}
    assert (await line_of(world, early)).settled
    shown = (await buyer.get(f"/settlement/{late}")).text
    assert "Part paid" in shown
    assert "confirmed PAY-" in shown
    # Both have said so: taking it back needs both.
    asked = await send(planner, f"{at}/reverse", await planner.get(at), reason="The bank returned it.")
    assert asked.status_code == 303
    assert (await line_of(world, early)).settled
    back = re.search(r'href="(/settlement/payments/[0-9a-f-]{36})">Agree to it', (await buyer.get(at)).text)
    assert back
    assert (await agree(buyer))["payment is to be taken back"] == 1
    assert (await send(buyer, f"{back[1]}/confirm", await buyer.get(back[1]))).status_code == 303
    assert (await line_of(world, early)).paid == 0
    assert "is taken back" in (await planner.get(f"/settlement/{early}")).text
    for address in ("/settlement/payments", "/settlement", "/settlement/balances"):
        file = await planner.get(address, params={"format": "csv"})
        assert file.headers["content-type"].startswith("text/csv"), address


async def test_what_was_received_without_a_line_is_used_for_one_later(world: World, site: Site) -> None:
    planner, buyer = await both(site)
    chooser = await buyer.get(NEW)
    assert world.maker.name in chooser.text
    page = await buyer.get(f"{NEW}?direction=received&other={world.maker.id}&currency=usd")
    assert "No line is open" in page.text
    done = await post(buyer, NEW, page, amount="50")
    at = done.headers["location"].partition("?")[0]
    line = await owes(world)
    rest = await buyer.get(at)
    assert "is not for a line yet" in rest.text
    used = await post(buyer, f"{at}/allocate", rest, line=[str(line)])
    assert used.status_code == 303, used.text
    assert (await line_of(world, line)).allocated == 50
    refused = await send(planner, f"{at}/reverse", await planner.get(at), reason="")
    assert refused.status_code == 422
    assert (await send(planner, f"{at}/reverse", await planner.get(at), reason="Never sent.")).status_code == 303
    assert (await line_of(world, line)).allocated == 0
    assert "Taken back" in (await buyer.get(at)).text


async def test_what_both_owe_is_set_off_by_both(world: World, site: Site) -> None:
    planner, buyer = await both(site)
    ours = await owes(world)  # 270.30
    theirs = await owes(
        world, by=world.buyer, payer_id=world.buyer.id, payee_id=world.maker.id, kind="late_damages", quantity=1,
        unit_price=usd("100"), words="Late.",
    )  # fmt: skip
    balances = await planner.get("/settlement/balances")
    assert "170.30" in balances.text
    address = f"{OFF}?other={world.buyer.id}&currency=USD"
    assert address.replace("&", "&amp;") in balances.text
    page = await planner.get(address)
    ticked = [str(ours), str(theirs)]
    nothing = await post(planner, OFF, page, line=[str(ours)])
    assert nothing.status_code == 409
    before = await rows_of(world, *TABLES)
    shown = await post(planner, OFF, page, line=ticked)
    assert "Propose to set off 100.00 USD" in shown.text
    assert await rows_of(world, *TABLES) == before, "shown, not done"
    done = await post(planner, OFF, shown, line=ticked)
    assert done.status_code == 303, done.text
    at = done.headers["location"].partition("?")[0]
    assert (await agree(buyer))["set-off waits for your word"] == 1
    assert (await send(buyer, f"{at}/confirm", await buyer.get(at))).status_code == 303
    assert (await line_of(world, theirs)).settled
    assert (await line_of(world, ours)).paid == 100
    assert "agreed to the set-off" in (await planner.get(f"/settlement/{ours}")).text


async def test_a_file_of_payments_is_looked_at_before_it_is_recorded(world: World, site: Site) -> None:
    planner, buyer = await both(site)
    line = await line_of(world, await owes(world))
    text = f"reference,amount,date,lines\nW 1,200.00,{NOW.date()},{line.reference}\nW 2,many,{NOW.date()},SET-NONE22\n"
    before = await rows_of(world, *TABLES)
    empty = await planner.post("/settlement/payments/upload", data={"text": ""})
    assert empty.status_code == 422
    bad = await planner.post("/settlement/payments/upload", files={"file": ("p.csv", b"a,b\n1,2\n")})
    assert bad.status_code == 422
    assert "has no column" in bad.text
    seen = await planner.post("/settlement/payments/upload", files={"file": ("p.csv", text.encode())})
    assert seen.status_code == 200, seen.text
    assert "is not an amount" in seen.text
    assert "Record 1 payment" in seen.text
    assert await rows_of(world, *TABLES) == before
    done = await send(planner, FILE, seen)
    assert done.headers["location"] == "/settlement/payments?done=imported"
    assert (await line_of(world, line.id)).allocated == 200
    again = await planner.post("/settlement/payments/upload", data={"text": text})
    assert "Recorded before" in again.text
    assert FILE not in again.text
    waits = await buyer.get("/settlement/payments?state=waiting&kind=payment")
    assert "W 1" in waits.text
    auditor = await site.browser(world.buyer, "auditor")
    assert (await auditor.get("/settlement/payments")).status_code == 200
    assert (await auditor.get(NEW)).status_code == 403
    assert (await auditor.post("/settlement/payments/upload", data={"text": text})).status_code == 403


async def test_a_credit_is_given_on_the_lines_page(world: World, site: Site) -> None:
    planner, buyer = await both(site)
    line = await owes(world)
    at = f"/settlement/{line}"
    assert f"{at}/credit" not in (await planner.get(at)).text
    page = await buyer.get(at)
    over = await send(buyer, f"{at}/credit", page, amount="300", words="Too much.")
    assert over.status_code == 422
    done = await send(buyer, f"{at}/credit", page, amount="30", words="A seal was missing.")
    assert done.status_code == 303
    assert "A seal was missing." in (await planner.get(at)).text
    assert (await line_of(world, line)).credited == 30


async def test_others_see_none_of_it(world: World, site: Site) -> None:
    line = await owes(world)
    async with world.db.write(world.maker.tenant) as session:
        paid = await service.record(
            session, person(world.maker), from_id=world.maker.id, to_id=world.buyer.id, amount=usd("10"),
            paid_on=NOW.date(), wanted={line: None}, now=NOW,
        )  # fmt: skip
    stranger = await site.browser(world.other, "buyer")
    for address in (
        f"/settlement/{line}",
        f"/settlement/payments/{paid.id}",
        f"{NEW}?line={line}",
        f"{OFF}?other={world.buyer.id}&currency=USD",
    ):
        assert (await stranger.get(address)).status_code == 404, address
    for address in ("/settlement?state=all", "/settlement/payments", "/settlement/balances"):
        assert world.buyer.name not in (await stranger.get(address)).text, address


@pytest.mark.parametrize("address", ["/settlement?state=all", "/settlement/payments", "/settlement/balances"])
async def test_lists_take_the_same_statements_however_long(world: World, site: Site, address: str) -> None:
    planner, _ = await both(site)

    async def some() -> UUID:
        line = await owes(world)
        async with world.db.write(world.maker.tenant) as session:
            await service.mark(session, person(world.maker), line, NOW)
        return line

    await some()
    await planner.get(address)
    with counted(world.db) as few:
        await planner.get(address)
    for _ in range(4):
        await some()
    with counted(world.db) as many:
        await planner.get(address)
    assert len(few) == len(many)


async def test_a_credit_is_no_payment_on_pages_and_in_the_file(world: World, site: Site) -> None:
    planner, buyer = await both(site)
    line = await owes(world)
    premium = await owes(world, kind="premium", quantity=None, unit_price=usd("70"))
    page = await buyer.get(f"/settlement/{line}")
    done = await post(buyer, f"/settlement/{line}/credit", page, amount="50", words="A seal was missing.")
    assert done.status_code == 303, done.text
    shown = (await planner.get(f"/settlement/{line}")).text
    assert "Part credited" in shown
    assert "Taken back; no payment" in shown
    assert "Part paid" not in shown.split("<main", 1)[1]
    listed = (await planner.get("/settlement?state=credited")).text
    assert "50.00" in listed
    assert (await line_of(world, line)).reference in listed
    # A premium counts nothing by the unit: no quantity, no unit, no price of one.
    shown = (await planner.get(f"/settlement/{premium}")).text.split("<main", 1)[1]
    assert "Price each" not in shown
    assert "EA" not in re.findall(r'class="unit">([^<]*)<', shown)
    file = await planner.get("/settlement?state=all&format=csv")
    rows = {r["Line"]: r for r in csv.DictReader(io.StringIO(file.text.lstrip("\ufeff")))}
    one, lump = rows[(await line_of(world, line)).reference], rows[(await line_of(world, premium)).reference]
    assert (one["State"], one["Paid"], one["Credited"]) == ("Part credited", "0.00", "50.00")
    assert (lump["Quantity"], lump["Unit"], lump["Price each"], lump["Amount"]) == ("", "", "", "70.00")
