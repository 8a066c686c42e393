"""An order's way: several shipments, receipts with differences, returns, cancelling the rest. In every step every unit is somewhere, and
what is refused changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from pypdf import PdfReader

from marketplace.ledger.service.reconciling import look_at_lots
from tests.agreed import rows_of
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

OWN = {"own_transport": True}
TABLES = (
    "purchase_order", "order_line", "order_unit", "order_shipment", "order_difference", "order_difference_unit", "order_difference_part", "order_return",
    "order_return_unit", "order_cancellation", "order_event", "movement", "position", "open_hold", "settlement_line",
)  # fmt: skip


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(world, stack)


class Way:
    """An order of the world, with short words for its steps."""

    def __init__(self, job: Job) -> None:
        self.job, self.url = job, f"{API}/orders/{job.order}"

    async def ship(self, *lines: tuple[int, int], **more: Any) -> str:
        body = {**OWN, "lines": [{"line_no": n, "quantity": q} for n, q in lines], **more}
        return str((await ok(self.job.planner.post(f"{self.url}/ship", json=body)))["id"])

    async def receive(self, shipment: str | None = None, **line: Any) -> None:
        body = {"lines": [{"line_no": 1, **line}] if line else [], "shipment_id": shipment}
        await ok(self.job.buyer.post(f"{self.url}/receive", json=body))

    async def detail(self) -> dict[str, Any]:
        return dict(await ok(self.job.buyer.get(self.url)))

    async def answer(self, answer: str, kind: str, **more: Any) -> None:
        found = next(d for d in (await self.detail())["differences"] if d["kind"] == kind)
        await ok(self.job.planner.post(f"{self.url}/differences/{found['id']}/answer", json={"answer": answer, **more}))

    async def stands(self) -> dict[str, int]:
        """Where the world's units stand: how many by owner, holder, whether on their way and under an agreement; sinks by name. Every
        unit is somewhere, and the ledger's own checks find nothing."""
        job = self.job
        rows = await job.world.owner.fetch(
            "SELECT owner_id = $2 AS bought, holder_id = $2 AS there, site_id IS NULL AS way, agreement_id IS NOT NULL AS bound, "
            "sum(quantity)::int AS n FROM position WHERE part_id = $1 AND quantity > 0 GROUP BY 1, 2, 3, 4",
            job.world.part, job.world.buyer.id,
        )  # fmt: skip
        names = {
            (False, False, False, False): "shelf", (False, False, True, False): "way", (True, True, False, True): "bought",
            (False, True, False, False): "custody", (True, True, True, True): "back", (False, True, True, False): "back",
        }  # fmt: skip
        found: dict[str, int] = {}
        for r in rows:
            name = names[r["bought"], r["there"], r["way"], r["bound"]]
            found[name] = found.get(name, 0) + r["n"]
        gone = await job.world.owner.fetch(
            "SELECT m.kind, sum(m.quantity)::int AS n FROM movement m JOIN lot l USING (lot_id) WHERE l.part_id = $1 "
            "AND m.kind IN ('lose', 'scrap') GROUP BY 1",
            job.world.part,
        )
        found |= {r["kind"]: r["n"] for r in gone}
        assert sum(found.values()) == 10, f"a unit is nowhere, or twice: {found}"
        lots = [
            r["lot_id"]
            for r in await job.world.owner.fetch("SELECT lot_id FROM lot WHERE part_id = $1", job.world.part)
        ]
        async with job.world.db.read(job.world.maker.tenant) as session:
            for key, (findings, _) in (await look_at_lots(session, lots)).items():
                assert not findings, (key, findings)
        return found


async def way(job: Job, quantity: int = 6, **released: Any) -> Way:
    await job.released(10, **released)
    await job.ordered(quantity)
    await job.signed()
    return Way(job)


async def sales(job: Job) -> Decimal:
    found = (await ok(job.buyer.get(f"{API}/settlement")))["items"]
    return sum((Decimal(x["amount"]) for x in found if x["kind"] == "sale_price"), Decimal(0))


async def test_an_order_ships_in_parts_and_both_sides_see_how_far_it_is(job: Job) -> None:
    order = await way(job)
    first = await order.ship((1, 2), packages=1, weight_grams=2600, origin="US", note="Box 1")
    assert await order.stands() == {"shelf": 8, "way": 2}
    for who in (job.buyer, job.planner):
        seen = await ok(who.get(order.url))
        assert (seen["shown_status"], seen["shipped"], seen["shipments"], seen["arrived"]) == ("signed", 2, 1, 0)
    await order.receive(first)
    assert await order.stands() == {"shelf": 8, "bought": 2}
    assert await sales(job) == 160, "what arrived is owed, the rest is not"
    second = await order.ship()
    seen = await order.detail()
    assert (seen["shown_status"], seen["shipped"], seen["shipments"]) == ("shipped", 6, 2)
    assert [(s["number"], s["units"], s["packages"], s["origin"]) for s in seen["sent"]] == [
        (1, 2, 1, "US"),
        (2, 4, None, None),
    ]
    await order.receive(second, good=4)
    assert await order.stands() == {"shelf": 4, "bought": 6}
    assert await sales(job) == 480
    seen = await order.detail()
    assert (seen["shown_status"], seen["arrived"], seen["line_items"][0]["good"]) == ("received", 6, 6)
    held = await job.world.owner.fetchval("SELECT count(*) FROM open_hold WHERE cause_id = $1", UUID(job.order))
    assert held == 0


async def test_what_does_not_fit_is_refused_and_changes_nothing(job: Job) -> None:
    order = await way(job)
    first = await order.ship((1, 2))
    second = await order.ship((1, 1))
    before = await rows_of(job.world, *TABLES)
    post = job.planner.post
    for body, code in (
        ({"lines": [{"line_no": 1, "quantity": 4}]}, "shipment.not_left"),
        ({"lines": [{"line_no": 2, "quantity": 1}]}, "shipment.lines"),
        ({"lines": [{"line_no": 1, "quantity": 0}]}, "shipment.empty"),
        ({"lines": [{"line_no": 1, "quantity": 1, "serials": ["A"]}]}, "shipment.serial"),
        ({"packages": 0}, "shipment.packed"),
        ({"origin": "us"}, "shipment.packed"),
    ):
        await refused(post(f"{order.url}/ship", json={**OWN, **body}), code)
    receive = f"{order.url}/receive"
    await refused(job.buyer.post(receive, json={"lines": []}), "order.which_shipment")
    await refused(job.buyer.post(receive, json={"lines": [], "shipment_id": str(uuid4())}), "shipment.not_found")
    line = {"line_no": 1, "good": 1, "damaged": 1, "note": "dent", "reasons": {"damaged": "mood"}}
    await refused(job.buyer.post(receive, json={"lines": [line], "shipment_id": first}), "order.receipt_reason")
    await refused(job.outsider.post(receive, json={"lines": [], "shipment_id": first}), "order.not_found")
    assert await rows_of(job.world, *TABLES) == before
    await order.receive(first)
    before = await rows_of(job.world, *TABLES)
    await refused(job.buyer.post(receive, json={"lines": [], "shipment_id": first}), "shipment.received")
    await refused(job.buyer.post(f"{order.url}/cancel", json={}), "order.signed")
    assert await rows_of(job.world, *TABLES) == before
    await order.receive(second)


async def test_two_people_ship_the_same_last_units_and_one_is_told(job: Job) -> None:
    order = await way(job)
    await order.ship((1, 4))
    body = {**OWN, "lines": [{"line_no": 1, "quantity": 2}]}
    answers = await asyncio.gather(*(job.planner.post(f"{order.url}/ship", json=body) for _ in range(6)))
    assert sorted(a.status_code for a in answers) == [200, *[409] * 5]
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"order.state"}
    assert await order.stands() == {"shelf": 4, "way": 6}
    assert (await order.detail())["shipments"] == 2


async def test_two_people_ship_what_is_left_at_once(job: Job) -> None:
    """Four of six each: one wins, the others are told that two are left."""
    order = await way(job)
    body = {**OWN, "lines": [{"line_no": 1, "quantity": 4}]}
    answers = await asyncio.gather(*(job.planner.post(f"{order.url}/ship", json=body) for _ in range(4)))
    lost = [a.json() for a in answers if a.status_code == 409]
    assert len(lost) == 3
    assert {(x["code"], x["facts"]["left"]) for x in lost} == {("shipment.not_left", 2)}
    assert await order.stands() == {"shelf": 6, "way": 4}


async def test_of_serial_numbered_units_it_is_said_which_travel(job: Job) -> None:
    order = await way(job, 3, serial=True)
    serials = (await order.detail())["line_items"][0]["serials"]
    before = await rows_of(job.world, *TABLES)
    part = {"line_no": 1, "quantity": 1}
    await refused(job.planner.post(f"{order.url}/ship", json={**OWN, "lines": [part]}), "shipment.which")
    assert await rows_of(job.world, *TABLES) == before
    made = await ok(job.planner.post(f"{order.url}/ship", json={**OWN, "lines": [{**part, "serials": [serials[1]]}]}))
    seen = await order.detail()
    assert seen["sent"][0]["lines"] == [{"line_no": 1, "quantity": 1, "serials": [serials[1]]}]
    await order.receive(str(made["id"]))
    await order.ship()
    await order.receive(
        good=1, short=1, note="not in the box", units={"short": [serials[2]]}, reasons={"short": "not_in_package"}
    )
    assert await order.stands() == {"shelf": 7, "way": 1, "bought": 2}
    await order.answer("ship_again", "short")
    assert await order.stands() == {"shelf": 8, "bought": 2}
    await order.ship()
    await order.receive()
    assert await order.stands() == {"shelf": 7, "bought": 3}
    assert (await order.detail())["shown_status"] == "received"


@pytest.mark.parametrize(
    ("answer", "then"),
    [
        ("lost", {"shelf": 4, "bought": 4, "lose": 2}),
        ("never_left", {"shelf": 6, "bought": 4}),
        ("ship_again", {"shelf": 6, "bought": 4}),
    ],
)
async def test_missing_units_stay_on_their_way_until_the_seller_says_what_became_of_them(
    job: Job, answer: str, then: dict[str, int]
) -> None:
    order = await way(job)
    await order.ship()
    await order.receive(good=4, short=2, note="two boxes fewer", reasons={"short": "package_missing"})
    assert await order.stands() == {"shelf": 4, "way": 2, "bought": 4}
    (found,) = (await order.detail())["differences"]
    assert (found["kind"], found["quantity"], found["reason_code"], found["status"]) == (
        "short",
        2,
        "package_missing",
        "open",
    )
    url = f"{order.url}/differences/{found['id']}/answer"
    before = await rows_of(job.world, *TABLES)
    await refused(job.planner.post(url, json={"answer": "scrap"}), "difference.answer")
    await refused(job.planner.post(url, json={"answer": "dispute"}), "difference.note")
    await refused(job.buyer.post(url, json={"answer": "lost"}), "actor.role")
    assert await rows_of(job.world, *TABLES) == before
    await ok(job.planner.post(url, json={"answer": "dispute", "note": "Six were in the box."}))
    assert (await order.detail())["differences"][0]["status"] == "disputed"
    await ok(job.planner.post(url, json={"answer": answer}))
    assert await order.stands() == then
    assert await sales(job) == 320
    before = await rows_of(job.world, *TABLES)
    await refused(job.planner.post(url, json={"answer": "lost"}), "difference.settled")
    assert await rows_of(job.world, *TABLES) == before
    seen = await order.detail()
    assert seen["shown_status"] == ("signed" if answer == "ship_again" else "received")
    line = (await ok(job.buyer.get(f"{API}/agreements/{job.agreement}")))["schedule"][0]
    assert line["not_accepted"] == (0 if answer == "ship_again" else 2)
    if answer == "ship_again":
        await order.ship()
        await order.receive()
        assert await order.stands() == {"shelf": 4, "bought": 6}
        assert await sales(job) == 480


async def test_missing_units_turn_up_and_are_owed_then(job: Job) -> None:
    order = await way(job)
    await order.ship()
    await order.receive(good=4, short=2, note="late")
    (found,) = (await order.detail())["differences"]
    await ok(job.buyer.post(f"{order.url}/differences/{found['id']}/take", json={"note": "a day later"}))
    assert await order.stands() == {"shelf": 4, "bought": 6}
    assert await sales(job) == 480
    seen = await order.detail()
    assert (seen["line_items"][0]["good"], seen["missing"], seen["differences"][0]["settled_as"]) == (6, 0, "taken")
    assert [e["kind"] for e in seen["events"]][-2:] == ["received", "difference_settled"]


async def test_damaged_and_wrong_units_go_back_or_are_scrapped_or_kept(job: Job) -> None:
    order = await way(job)
    await order.ship()
    await order.receive(
        good=3, damaged=2, wrong=1, note="wet; another part", reasons={"damaged": "in_transport", "wrong": "other_part"}
    )
    assert await order.stands() == {"shelf": 4, "bought": 3, "custody": 3}
    await order.answer("scrap", "wrong")
    assert await order.stands() == {"shelf": 4, "bought": 3, "custody": 2, "scrap": 1}
    await order.answer("send_back", "damaged", note="We pay the freight.")
    (back,) = (await order.detail())["returns"]
    assert (back["status"], back["of_units"], back["units"], back["to_site"] is not None) == (
        "agreed",
        "not_accepted",
        2,
        True,
    )
    url = f"{order.url}/returns/{back['id']}"
    before = await rows_of(job.world, *TABLES)
    await refused(job.planner.post(f"{url}/receive", json={}), "return.state")
    await refused(job.buyer.post(f"{url}/withdraw", json={}), "return.state")
    assert await rows_of(job.world, *TABLES) == before
    await ok(job.buyer.post(f"{url}/ship", json=OWN))
    assert await order.stands() == {"shelf": 4, "bought": 3, "back": 2, "scrap": 1}
    await ok(job.planner.post(f"{url}/receive", json={}))
    assert await order.stands() == {"shelf": 6, "bought": 3, "scrap": 1}
    assert await sales(job) == 240


async def test_too_many_arrived_and_go_back(job: Job) -> None:
    order = await way(job)
    await order.ship()
    await order.receive(good=6, over=2, note="eight in the box", reasons={"over": "more_in_package"})
    assert await order.stands() == {"shelf": 4, "bought": 6}
    await order.answer("send_back", "over")
    assert await order.stands() == {"shelf": 2, "bought": 6, "custody": 2}
    (back,) = (await order.detail())["returns"]
    await ok(job.buyer.post(f"{order.url}/returns/{back['id']}/ship", json=OWN))
    await ok(job.planner.post(f"{order.url}/returns/{back['id']}/receive", json={}))
    assert await order.stands() == {"shelf": 4, "bought": 6}


async def test_more_too_many_than_the_seller_has_is_counted_first_and_the_buyer_may_have_miscounted(job: Job) -> None:
    order = await way(job)
    await order.ship()
    await order.receive(good=6, over=5, note="eleven in the box")
    (found,) = (await order.detail())["differences"]
    url = f"{order.url}/differences/{found['id']}"
    before = await rows_of(job.world, *TABLES)
    await refused(job.planner.post(f"{url}/answer", json={"answer": "send_back"}), "difference.stock")
    assert await rows_of(job.world, *TABLES) == before
    await ok(job.buyer.post(f"{url}/take", json={}))
    assert (await order.detail())["differences"][0]["settled_as"] == "withdrawn"
    assert await order.stands() == {"shelf": 4, "bought": 6}


async def test_bought_units_are_returned_within_the_agreement(job: Job) -> None:
    order = await way(job)
    await order.ship()
    await order.receive()
    url = f"{order.url}/returns"
    body = {"lines": [{"line_no": 1, "quantity": 2}], "reason": "ordered_wrong", "note": ""}
    before = await rows_of(job.world, *TABLES)
    await refused(job.buyer.post(url, json={**body, "reason": "mood"}), "return.reason")
    await refused(job.buyer.post(url, json={**body, "reason": "other"}), "return.reason")
    await refused(job.buyer.post(url, json={**body, "lines": []}), "return.empty")
    more = {**body, "lines": [{"line_no": 1, "quantity": 7}]}
    assert (await refused(job.buyer.post(url, json=more), "return.too_many"))["facts"]["possible"] == 6
    await refused(job.planner.post(url, json=body), "actor.role")
    assert await rows_of(job.world, *TABLES) == before
    asked = (await ok(job.buyer.post(url, json=body), 201))["id"]
    assert (await refused(job.buyer.post(url, json=more), "return.too_many"))["facts"]["possible"] == 4, (
        "two are asked for already"
    )
    await refused(job.buyer.post(f"{url}/{asked}/ship", json=OWN), "return.state")
    await refused(job.planner.post(f"{url}/{asked}/answer", json={"agree": False, "reason": "mood"}), "return.refuse")
    await refused(
        job.planner.post(f"{url}/{asked}/answer", json={"agree": True, "credit_percent": 101}), "return.credit"
    )
    await ok(job.planner.post(f"{url}/{asked}/answer", json={"agree": True, "credit_percent": 90}))
    await ok(job.buyer.post(f"{url}/{asked}/ship", json={"carrier": "UPS", "tracking": "1Z9"}))
    assert await order.stands() == {"shelf": 4, "bought": 4, "back": 2}
    await ok(job.planner.post(f"{url}/{asked}/receive", json={"site_id": str(job.world.maker.sites[1])}))
    assert await order.stands() == {"shelf": 6, "bought": 4}
    (row,) = (await order.detail())["returns"]
    assert (row["status"], Decimal(row["credited"]), row["what"].startswith("2 of ")) == (
        "received",
        Decimal(144),
        True,
    )
    found = (await ok(job.buyer.get(f"{API}/settlement")))["items"]
    assert [Decimal(x["amount"]) for x in found if x["kind"] == "credit"] == [Decimal(144)]
    line = (await ok(job.buyer.get(f"{API}/agreements/{job.agreement}")))["schedule"][0]
    assert (line["taken_back"], line["remaining"]) == (2, 4)
    before = await rows_of(job.world, *TABLES)
    await refused(job.planner.post(f"{url}/{asked}/receive", json={}), "return.state")
    assert await rows_of(job.world, *TABLES) == before


async def test_what_was_refused_withdrawn_or_ordered_back_meanwhile_does_not_return(job: Job) -> None:
    order = await way(job)
    await order.ship()
    await order.receive()
    url = f"{order.url}/returns"
    body = {"lines": [{"line_no": 1, "quantity": 6}], "reason": "not_needed", "note": ""}
    first = (await ok(job.buyer.post(url, json=body), 201))["id"]
    await ok(job.planner.post(f"{url}/{first}/answer", json={"agree": False, "reason": "no_use"}))
    second = (await ok(job.buyer.post(url, json=body), 201))["id"]
    await ok(job.buyer.post(f"{url}/{second}/withdraw", json={}))
    third = (await ok(job.buyer.post(url, json=body), 201))["id"]
    await ok(job.planner.post(f"{url}/{third}/answer", json={"agree": True}))
    await job.called(1)
    before = await rows_of(job.world, *TABLES)
    await refused(job.buyer.post(f"{url}/{third}/ship", json=OWN), "return.not_there")
    assert await rows_of(job.world, *TABLES) == before
    assert [r["status"] for r in (await order.detail())["returns"]] == ["refused", "withdrawn", "agreed"]


async def test_nothing_returns_under_an_agreement_that_has_ended(job: Job) -> None:
    order = await way(job)
    await order.ship()
    await order.receive()
    await job.world.owner.execute("UPDATE agreement SET status = 'closed' WHERE id = $1", UUID(job.agreement))
    before = await rows_of(job.world, *TABLES)
    body = {"lines": [{"line_no": 1, "quantity": 1}], "reason": "not_needed", "note": ""}
    await refused(job.buyer.post(f"{order.url}/returns", json=body), "return.ended")
    assert await rows_of(job.world, *TABLES) == before
    await job.world.owner.execute("UPDATE agreement SET status = 'active' WHERE id = $1", UUID(job.agreement))


async def test_the_rest_is_cancelled_when_both_agree(job: Job) -> None:
    order = await way(job)
    first = await order.ship((1, 2))
    rule = (await order.detail())["may_cancel"]
    assert rule["how"] == "ask"
    url, why = f"{order.url}/cancellation", {"reason": "too_late", "note": ""}
    before = await rows_of(job.world, *TABLES)
    await refused(job.buyer.post(f"{url}/answer", json={"answer": "agree"}), "order.cancel_not_asked")
    await refused(job.buyer.post(url, json={"reason": "mood"}), "order.cancel_reason")
    await refused(job.outsider.post(url, json=why), "order.not_found")
    assert await rows_of(job.world, *TABLES) == before
    await ok(job.buyer.post(url, json=why))
    await refused(job.planner.post(url, json=why), "order.cancel_asked")
    await refused(job.buyer.post(f"{url}/answer", json={"answer": "agree"}), "order.cancel_yours")
    await ok(job.planner.post(f"{url}/answer", json={"answer": "refuse", "note": "It ships tomorrow."}))
    await ok(job.planner.post(url, json={"reason": "not_on_shelf"}))
    await ok(job.buyer.post(f"{url}/answer", json={"answer": "agree"}))
    assert await order.stands() == {"shelf": 8, "way": 2}
    seen = await order.detail()
    assert (seen["shown_status"], seen["units"], seen["left_out"][0]["left_out"]) == ("shipped", 2, 4)
    assert seen["left_out"][0]["left_out_reason"] == "not_on_shelf"
    row = await job.world.owner.fetchrow("SELECT ordered, quantity FROM listing WHERE id = $1", UUID(job.listing))
    assert tuple(row) == (2, 10), "what is free is on offer again"
    await order.receive(first)
    assert (await order.detail())["shown_status"] == "received"
    line = (await ok(job.buyer.get(f"{API}/agreements/{job.agreement}")))["schedule"][0]
    assert (line["not_accepted"], line["remaining"]) == (4, 2)
    assert (await order.detail())["may_cancel"]["how"] == "never"


async def test_until_both_have_signed_either_side_cancels_alone_with_a_reason(job: Job) -> None:
    await job.released(10)
    await job.ordered(4)
    url = f"{API}/orders/{job.order}"
    assert (await ok(job.planner.get(url)))["may_cancel"]["how"] == "never", "the seller declines instead"
    assert (await ok(job.buyer.get(url)))["may_cancel"]["how"] == "alone"
    await refused(job.planner.post(f"{url}/take-back", json={"reason": "not_on_shelf"}), "order.state")
    await ok(job.planner.post(f"{url}/accept"))
    before = await rows_of(job.world, *TABLES)
    await refused(job.planner.post(f"{url}/take-back", json={"reason": "other"}), "order.cancel_reason")
    assert await rows_of(job.world, *TABLES) == before
    await ok(job.planner.post(f"{url}/take-back", json={"reason": "not_on_shelf", "note": "Sold twice."}))
    seen = await ok(job.buyer.get(url))
    assert (seen["shown_status"], seen["reason_code"], seen["note"]) == ("cancelled", "not_on_shelf", "Sold twice.")
    await job.ordered(4)
    await job.signed()
    seen = await ok(job.buyer.get(f"{API}/orders/{job.order}"))
    assert seen["may_cancel"]["how"] == "end_agreement"


async def test_packing_list_and_label_are_papers_for_the_two_sides(job: Job) -> None:
    order = await way(job, 3, serial=True)
    serials = (await order.detail())["line_items"][0]["serials"]
    made = await order.ship(
        packages=2, weight_grams=4200, origin="DE", carrier="UPS", tracking="1Z77", own_transport=False
    )
    for who in (job.buyer, job.planner):
        answer = await who.get(f"{API}/orders/shipments/{made}/packing-list.pdf")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/pdf"
    said = " ".join(page.extract_text() for page in PdfReader(BytesIO(answer.content)).pages)
    seen = await order.detail()
    for words in (
        seen["reference"],
        "PO-1",
        "1Z77",
        "4.2 kg",
        "3.6 kg",
        "DE",
        "buy-back version",
        seen["agreement_reference"],
        *serials,
    ):
        assert words in said, words
    label = await job.planner.get(f"{API}/orders/shipments/{made}/label.pdf")
    said = " ".join(page.extract_text() for page in PdfReader(BytesIO(label.content)).pages)
    assert f"/shipments/{made}" in said.replace("\n", "").replace(" ", "")
    assert job.world.buyer.name in said
    await refused(job.outsider.get(f"{API}/orders/shipments/{made}/label.pdf"), "shipment.not_found")
