"""A difference and a return are settled in parts: what is settled of them stays settled, the rest is open, and every unit is somewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import pytest

from tests.agreed import rows_of
from tests.marketplace.main_job import API, Job, ok, refused
from tests.marketplace.orders.test_deliveries import OWN, TABLES, Way, sales, way
from tests.world import World


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(world, stack)


async def short(job: Job, **released: Any) -> tuple[Way, str]:
    """Six shipped, of which five are said to be missing: the order and the difference's address."""
    order = await way(job, **released)
    await order.ship()
    await order.receive(good=1, short=5, note="one box of six", reasons={"short": "package_missing"})
    (found,) = (await order.detail())["differences"]
    return order, f"{order.url}/differences/{found['id']}"


async def test_of_five_said_short_three_are_accepted_and_two_are_disputed_with_a_reason(job: Job) -> None:
    order, url = await short(job)
    before = await rows_of(job.world, *TABLES)
    some: dict[str, Any] = {"answer": "lost", "quantity": 3}
    for body, code in (
        ({**some, "quantity": 0}, "difference.quantity"),
        ({**some, "quantity": -1}, "difference.quantity"),
        ({**some, "open": 4}, "difference.changed"),
        ({**some, "serials": ["A"]}, "difference.which"),
        ({**some, "reason": "mood"}, "difference.reason"),
        ({**some, "reason": "other"}, "difference.note"),
        ({**some, "quantity": 5, "reason": "counted"}, "difference.reason"),
        ({"answer": "dispute", "quantity": 2, "reason": "counted"}, "difference.quantity"),
        ({"answer": "dispute", "reason": "left_whole"}, "difference.reason"),
    ):
        await refused(job.planner.post(f"{url}/answer", json=body), code)
    more = await refused(job.planner.post(f"{url}/answer", json={**some, "quantity": 6}), "difference.too_many")
    assert more["facts"]["open"] == 5
    assert await rows_of(job.world, *TABLES) == before

    body = {**some, "open": 5, "reason": "counted", "note": "Two were scanned twice."}
    await ok(job.planner.post(f"{url}/answer", json=body))
    assert await order.stands() == {"shelf": 4, "bought": 1, "lose": 3, "way": 2}
    for who in (job.buyer, job.planner):
        (seen,) = (await ok(who.get(order.url)))["differences"]
        assert (seen["status"], seen["quantity"], seen["open"], seen["settled_as"]) == ("disputed", 5, 2, None)
        assert (seen["answer_code"], seen["answer_note"]) == ("counted", "Two were scanned twice.")
        assert [(p["quantity"], p["settled_as"]) for p in seen["parts"]] == [(3, "lost")]
    story = [(e["kind"], e["detail"].get("quantity")) for e in (await order.detail())["events"]]
    assert story[-2:] == [("difference_settled", 3), ("difference_disputed", 2)]
    assert await sales(job) == 80, "only what was received well is owed"

    # The buyer gives in for the rest: its price is owed.
    await ok(job.buyer.post(f"{url}/take", json={"quantity": 1}))
    assert await order.stands() == {"shelf": 4, "bought": 2, "lose": 3, "way": 1}
    assert await sales(job) == 160
    before = await rows_of(job.world, *TABLES)
    await refused(job.buyer.post(f"{url}/take", json={"quantity": 2}), "difference.too_many")
    await refused(job.buyer.post(f"{url}/take", json={"quantity": 0}), "difference.quantity")
    await refused(job.buyer.post(f"{url}/take", json={"open": 2}), "difference.changed")
    await refused(job.planner.post(f"{url}/answer", json={"answer": "dispute", "note": "No."}), "difference.disputed")
    assert await rows_of(job.world, *TABLES) == before
    await ok(job.planner.post(f"{url}/answer", json={"answer": "lost"}))
    (seen,) = (await order.detail())["differences"]
    assert (seen["status"], seen["open"], seen["settled_as"]) == ("settled", 0, "in_parts")
    assert [(p["number"], p["quantity"], p["settled_as"]) for p in seen["parts"]] == [
        (1, 3, "lost"), (2, 1, "taken"), (3, 1, "lost"),
    ]  # fmt: skip
    assert await order.stands() == {"shelf": 4, "bought": 2, "lose": 4}
    line = (await ok(job.buyer.get(f"{API}/agreements/{job.agreement}")))["schedule"][0]
    assert (line["not_accepted"], line["remaining"]) == (4, 2)
    seen = await order.detail()
    assert (seen["line_items"][0]["good"], seen["line_items"][0]["short"], seen["missing"]) == (2, 4, 4)


async def test_found_units_ship_again_in_two_goes_and_the_rest_is_left_out(job: Job) -> None:
    order, url = await short(job)
    await ok(job.planner.post(f"{url}/answer", json={"answer": "ship_again", "quantity": 2}))
    assert await order.stands() == {"shelf": 6, "bought": 1, "way": 3}
    await ok(job.planner.post(f"{url}/answer", json={"answer": "ship_again", "quantity": 1}))
    await ok(job.planner.post(f"{url}/answer", json={"answer": "never_left"}))
    assert await order.stands() == {"shelf": 9, "bought": 1}
    assert (await order.detail())["shown_status"] == "signed"
    await order.ship()
    await order.receive()
    assert await order.stands() == {"shelf": 6, "bought": 4}
    assert await sales(job) == 320
    assert (await order.detail())["shown_status"] == "received"


async def test_damaged_units_go_back_in_part_are_scrapped_in_part_and_kept_in_part(job: Job) -> None:
    order = await way(job)
    await order.ship()
    await order.receive(good=1, damaged=5, note="wet", reasons={"damaged": "in_transport"})
    (found,) = (await order.detail())["differences"]
    url = f"{order.url}/differences/{found['id']}"
    await ok(job.planner.post(f"{url}/answer", json={"answer": "send_back", "quantity": 2}))
    await ok(
        job.planner.post(f"{url}/answer", json={"answer": "scrap", "quantity": 1, "note": "Not worth the freight."})
    )
    await ok(job.planner.post(f"{url}/answer", json={"answer": "send_back", "quantity": 1}))
    await ok(job.buyer.post(f"{url}/take", json={"note": "We dry it."}))
    assert await order.stands() == {"shelf": 4, "bought": 2, "custody": 3, "scrap": 1}
    for back in (await order.detail())["returns"]:
        await ok(job.buyer.post(f"{order.url}/returns/{back['id']}/ship", json=OWN))
        await ok(job.planner.post(f"{order.url}/returns/{back['id']}/receive", json={}))
    assert await order.stands() == {"shelf": 7, "bought": 2, "scrap": 1}
    assert await sales(job) == 160
    parts = (await order.detail())["differences"][0]["parts"]
    assert [bool(p["return_id"]) for p in parts] == [True, False, True, False]


async def test_too_many_are_taken_back_in_part(job: Job) -> None:
    order = await way(job)
    await order.ship()
    await order.receive(good=6, over=3, note="nine in the box", reasons={"over": "more_in_package"})
    (found,) = (await order.detail())["differences"]
    url = f"{order.url}/differences/{found['id']}"
    await ok(job.planner.post(f"{url}/answer", json={"answer": "send_back", "quantity": 1, "reason": "counted"}))
    await ok(job.buyer.post(f"{url}/take", json={"quantity": 1, "note": "Counted again."}))
    await ok(job.planner.post(f"{url}/answer", json={"answer": "send_back"}))
    assert await order.stands() == {"shelf": 2, "bought": 6, "custody": 2}
    (seen,) = (await order.detail())["differences"]
    assert [(p["settled_as"], p["quantity"]) for p in seen["parts"]] == [
        ("send_back", 1), ("withdrawn", 1), ("send_back", 1),
    ]  # fmt: skip


async def test_of_serial_numbered_units_it_is_said_which_are_settled(job: Job) -> None:
    order = await way(job, 3, serial=True)
    await order.ship()
    serials = (await order.detail())["line_items"][0]["serials"]
    await order.receive(good=0, short=3, note="no box", units={"short": serials}, reasons={"short": "package_missing"})
    (found,) = (await order.detail())["differences"]
    url = f"{order.url}/differences/{found['id']}"
    some = {"answer": "lost", "quantity": 1}
    before = await rows_of(job.world, *TABLES)
    await refused(job.planner.post(f"{url}/answer", json=some), "difference.which")
    await refused(job.planner.post(f"{url}/answer", json={**some, "serials": serials[:2]}), "difference.which")
    assert await rows_of(job.world, *TABLES) == before
    await ok(job.planner.post(f"{url}/answer", json={**some, "serials": serials[1:2]}))
    await refused(job.planner.post(f"{url}/answer", json={**some, "serials": serials[1:2]}), "difference.which")
    (seen,) = (await order.detail())["differences"]
    assert (seen["open_serials"], seen["parts"][0]["serials"]) == ([serials[0], serials[2]], [serials[1]])
    await ok(job.planner.post(f"{url}/answer", json={**some, "answer": "ship_again", "serials": serials[2:]}))
    await ok(job.buyer.post(f"{url}/take", json={}))
    assert await order.stands() == {"shelf": 8, "bought": 1, "lose": 1}


async def test_a_part_answered_by_two_people_at_once_is_settled_once(job: Job) -> None:
    order, url = await short(job)
    body = {"answer": "lost", "quantity": 2, "open": 5}
    answers = await asyncio.gather(*(job.planner.post(f"{url}/answer", json=body) for _ in range(4)))
    assert sorted(a.status_code for a in answers) == [200, 409, 409, 409]
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"difference.changed"}
    assert await order.stands() == {"shelf": 4, "bought": 1, "way": 3, "lose": 2}


async def test_the_seller_answers_while_the_buyer_takes(job: Job) -> None:
    """Two of five and four of five: whoever comes second is told that too few are open."""
    order, url = await short(job)
    answers = await asyncio.gather(
        job.planner.post(f"{url}/answer", json={"answer": "lost", "quantity": 2}),
        job.buyer.post(f"{url}/take", json={"quantity": 4}),
    )
    assert sorted(a.status_code for a in answers) == [200, 409]
    assert next(a.json()["code"] for a in answers if a.status_code == 409) == "difference.too_many"
    assert await order.stands() in (
        {"shelf": 4, "bought": 1, "way": 3, "lose": 2},
        {"shelf": 4, "bought": 5, "way": 1},
    )


async def returned(job: Job, **released: Any) -> tuple[Way, str]:
    """Six bought, of which four are asked to go back: the order and the return's address."""
    order = await way(job, **released)
    await order.ship()
    await order.receive()
    body: dict[str, Any] = {"lines": [{"line_no": 1, "quantity": 4}], "reason": "not_needed", "note": ""}
    if released.get("serial"):
        body["lines"][0]["serials"] = (await order.detail())["line_items"][0]["serials"][:4]
    return order, f"{order.url}/returns/{(await ok(job.buyer.post(f'{order.url}/returns', json=body), 201))['id']}"


async def test_a_return_of_four_is_agreed_to_for_two(job: Job) -> None:
    order, url = await returned(job)
    two = {"agree": True, "lines": [{"line_no": 1, "quantity": 2}], "credit_percent": 90}
    before = await rows_of(job.world, *TABLES)
    for body, code in (
        (two, "return.refuse"),
        ({**two, "reason": "mood"}, "return.refuse"),
        ({**two, "reason": "other"}, "return.refuse"),
        ({**two, "lines": [{"line_no": 1, "quantity": 0}], "reason": "condition"}, "return.empty"),
        ({**two, "lines": [{"line_no": 2, "quantity": 1}], "reason": "condition"}, "return.empty"),
        ({**two, "lines": [{"line_no": 1, "quantity": 1}] * 2, "reason": "condition"}, "return.empty"),
        ({**two, "lines": [{"line_no": 1, "quantity": 4}], "reason": "condition"}, "return.refuse"),
    ):
        await refused(job.planner.post(f"{url}/answer", json=body), code)
    five = {**two, "lines": [{"line_no": 1, "quantity": 5}]}
    assert (await refused(job.planner.post(f"{url}/answer", json=five), "return.too_many"))["facts"]["possible"] == 4
    assert await rows_of(job.world, *TABLES) == before

    body = {**two, "reason": "condition", "note": "Two were opened."}
    answers = await asyncio.gather(*(job.planner.post(f"{url}/answer", json=body) for _ in range(3)))
    assert sorted(a.status_code for a in answers) == [200, 409, 409]
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"return.state"}
    for who in (job.buyer, job.planner):
        (seen,) = (await ok(who.get(order.url)))["returns"]
        assert (seen["status"], seen["asked"], seen["units"], seen["answer_code"]) == ("agreed", 4, 2, "condition")
        assert seen["what"].startswith("2 of ")
        assert seen["left_here"].startswith("2 of ")
    # What was not taken may be asked for again.
    again = {"lines": [{"line_no": 1, "quantity": 5}], "reason": "quality", "note": ""}
    possible = await refused(job.buyer.post(f"{order.url}/returns", json=again), "return.too_many")
    assert possible["facts"]["possible"] == 4
    await ok(job.buyer.post(f"{url}/ship", json=OWN))
    assert await order.stands() == {"shelf": 4, "bought": 4, "back": 2}
    await ok(job.planner.post(f"{url}/receive", json={}))
    assert await order.stands() == {"shelf": 6, "bought": 4}
    assert Decimal((await order.detail())["returns"][0]["credited"]) == Decimal(144)
    line = (await ok(job.buyer.get(f"{API}/agreements/{job.agreement}")))["schedule"][0]
    assert (line["taken_back"], line["remaining"]) == (2, 4)


async def test_of_serial_numbered_units_it_is_said_which_are_taken_back(job: Job) -> None:
    order, url = await returned(job, serial=True)
    serials = (await order.detail())["line_items"][0]["serials"]
    body: dict[str, Any] = {"agree": True, "lines": [{"line_no": 1, "quantity": 1}], "reason": "condition"}
    await refused(job.planner.post(f"{url}/answer", json=body), "return.which")
    body["lines"][0]["serials"] = [serials[5]]
    await refused(job.planner.post(f"{url}/answer", json=body), "return.which")
    body["lines"][0]["serials"] = [serials[2]]
    await ok(job.planner.post(f"{url}/answer", json=body))
    (seen,) = (await order.detail())["returns"]
    assert f"({serials[2]})" in seen["what"]
    assert seen["left_here"].endswith(f"({serials[0]}, {serials[1]}, {serials[3]})")
    await ok(job.buyer.post(f"{url}/ship", json=OWN))
    await ok(job.planner.post(f"{url}/receive", json={}))
    assert await order.stands() == {"shelf": 5, "bought": 5}
