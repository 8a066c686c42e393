"""What is due as each side, a delegate and a stranger see it, over the API."""

from __future__ import annotations

import csv
import io
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from marketplace.db.session import Database
from marketplace.obligations.kinds import ObligationKind
from tests.agreed import rows_of
from tests.clients import app_for, client_for, token_for
from tests.counting import counted
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

OBLIGATIONS = f"{API}/obligations"


async def due(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    return list((await ok(client.get(OBLIGATIONS, params=query)))["items"])


async def kinds(client: httpx.AsyncClient, **query: Any) -> dict[str, bool]:
    """ObligationKind -> whether it is ours to do."""
    return {row["kind"]: row["mine"] for row in await due(client, **query)}


async def test_an_offer_a_shipment_a_difference_and_a_return_are_due_from_one_side(world: World) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.released(10)
        site, needed = str(world.buyer.site), (datetime.now(UTC) + timedelta(days=9)).date()
        wish_line = {"listing_id": job.listing, "quantity": 2}
        wish = {**wish_line, "ship_to_site_id": site, "po_number": "Q"}
        quote = (await ok(job.buyer.post(f"{API}/quotes", json=wish), 201))["id"]
        offer = {"answers": 0, "lines": [{**wish_line, "unit_price": "70.00"}], "hours": 72}
        await ok(job.planner.post(f"{API}/quotes/{quote}/offers", json=offer))
        (mine,) = await due(job.buyer, side="mine")
        assert (mine["kind"], mine["record_id"], mine["owed"]) == ("answer_offer", quote, world.maker.name)
        assert await kinds(job.planner) == {"answer_offer": False}
        await ok(job.buyer.post(f"{API}/quotes/{quote}/decline", json={"version": 1, "reason": "price"}))
        assert await due(job.buyer) == await due(job.planner) == []

        line = {"listing_id": job.listing, "quantity": 6}
        body = {"lines": [line], "po_number": "P", "ship_to_site_id": site, "requested_on": needed.isoformat()}
        job.order = (await ok(job.buyer.post(f"{API}/orders", json=body), 201))["id"]
        assert "ship_order" not in await kinds(job.planner), "nothing is to be shipped before both have signed"
        await job.signed()
        (row,) = await due(job.planner, kind="ship_order")
        assert (row["mine"], row["quantity"], row["owed"]) == (True, 6, world.buyer.name)
        assert (await kinds(job.buyer, kind="ship_order")) == {"ship_order": False}
        url, own = f"{API}/orders/{job.order}", {"own_transport": True}
        await ok(job.planner.post(f"{url}/ship", json={**own, "lines": [{"line_no": 1, "quantity": 4}]}))
        (row,) = await due(job.planner, kind="ship_order")
        assert row["quantity"] == 2, "what has left is not to be shipped"
        lines = [{"line_no": 1, "good": 1, "short": 3, "note": "three fewer"}]
        await ok(job.buyer.post(f"{url}/receive", json={"lines": lines}))
        (row,) = await due(job.planner, kind="answer_difference")
        found = (await ok(job.buyer.get(url)))["differences"][0]
        assert (row["mine"], row["quantity"], row["due"]) == (True, 3, found["answer_by"])
        answer = {"answer": "lost", "quantity": 1}
        await ok(job.planner.post(f"{url}/differences/{found['id']}/answer", json=answer))
        assert [r["quantity"] for r in await due(job.buyer, kind="answer_difference")] == [2]
        await ok(job.planner.post(f"{url}/differences/{found['id']}/answer", json={"answer": "lost"}))
        assert not await due(job.planner, kind="answer_difference")

        wanted = {"lines": [{"line_no": 1, "quantity": 1}], "reason": "not_needed", "note": ""}
        back = (await ok(job.buyer.post(f"{url}/returns", json=wanted), 201))["id"]
        assert await kinds(job.planner, kind="answer_return") == {"answer_return": True}
        assert await kinds(job.buyer, kind="answer_return") == {"answer_return": False}
        await ok(job.planner.post(f"{url}/returns/{back}/answer", json={"agree": True}))
        assert not await due(job.planner, kind="answer_return")
        (row,) = await due(job.buyer, kind="send_return", side="mine")
        assert (row["quantity"], row["due"]) == (1, (await ok(job.buyer.get(url)))["returns"][0]["send_by"])
        await ok(job.buyer.post(f"{url}/returns/{back}/ship", json=own))
        assert not await due(job.buyer, kind="send_return")


async def test_each_step_of_the_job_is_due_from_one_side(world: World) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.released(4)
        await job.ordered()
        assert await kinds(job.planner) == {"answer_order": True}
        assert await kinds(job.buyer) == {"answer_order": False}
        assert await kinds(job.outsider) == {}

        world.part = await world.make_part(f"{world.tag}-DUE")
        await job.sold(4)
        await job.called()
        mine = {row["kind"]: row for row in await due(job.buyer, side="mine")}
        assert set(mine) == {"answer_call", "settle"}, "the price of the units is to be paid"
        answer = mine["answer_call"]
        stored = await world.owner.fetchrow("SELECT respond_by, silence FROM call WHERE id = $1::uuid", job.call)
        assert datetime.fromisoformat(answer["due"]) == stored["respond_by"]
        assert ("commitment" in answer["otherwise"]) == (stored["silence"] == "accepted")
        assert (answer["owes"], answer["owed"]) == (world.buyer.name, world.maker.name)
        seen = await kinds(job.planner)
        assert seen["answer_call"] is False
        assert seen["window_closes"] is True
        assert (await kinds(job.buyer))["window_closes"] is False

        await job.came_back()
        mine_now = await kinds(job.planner, side="mine")
        assert mine_now["settle"] is True
        assert (await kinds(job.buyer))["settle"] is False
        line = await world.owner.fetchrow(
            "SELECT l.due_on, a.zone FROM settlement_line l JOIN agreement a ON a.id = l.agreement_id WHERE payer_id = $1",
            world.maker.id,
        )
        settle = next(r for r in await due(job.planner, kind="settle"))
        assert settle["by"].startswith(f"by the end of {line['due_on'].day} ")
        assert settle["zone"] == line["zone"]


async def test_a_notice_is_due_for_both(world: World) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold(4)
        notice = {"part_id": str(world.part), "act": "scrap", "quantity": 1}
        await ok(job.buyer.post(f"{API}/agreements/{job.agreement}/notices", json=notice), 201)
        maker, holder = await kinds(job.planner), await kinds(job.buyer)
        assert (maker["order_noticed"], maker["act_on_notice"]) == (True, False)
        assert (holder["order_noticed"], holder["act_on_notice"]) == (False, True)
        rows = await due(job.buyer, agreement_id=job.agreement)
        assert {r["kind"] for r in rows} >= {"order_noticed", "act_on_notice", "window_closes"}
        assert await due(job.outsider, agreement_id=job.agreement) == []


async def test_answers_to_proposals_freight_and_disputes_are_due(world: World) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold(4)
        await job.called()
        await job.came_back()
        made = await ok(
            job.planner.post(
                f"{API}/agreements/{job.agreement}/proposals", json={"ends": True, "note": "We both want to."}
            ),
            201,
        )
        for client, mine in ((job.buyer, True), (job.planner, False)):
            (row,) = await due(client, kind="answer_proposal")
            assert row["mine"] is mine
            assert (row["owes"], row["owed"]) == (world.buyer.name, world.maker.name)
            assert datetime.fromisoformat(row["due"]) == datetime.fromisoformat(made["valid_until"])
            assert "lapses" in row["otherwise"]
        assert await due(job.outsider, kind="answer_proposal") == []
        declined = await job.buyer.post(f"{API}/agreements/proposals/{made['id']}/decline", json={"reason": "No."})
        assert declined.status_code == 204
        assert await due(job.buyer, kind="answer_proposal") == []

        await ok(
            job.buyer.post(
                f"{API}/sourcing/calls/{job.call}/freight",
                json={"trip": "there", "amount": "80.00", "currency": "USD", "document": "CMR 1"},
            )
        )
        (row,) = await due(job.planner, kind="object")
        assert (row["mine"], row["amount"]) == (True, "80.0000")
        (line,) = [x for x in (await ok(job.planner.get(f"{API}/settlement")))["items"] if x["kind"] == "freight"]
        await ok(
            job.planner.post(
                f"{API}/settlement/{line['id']}/dispute",
                json={"amount": "80.00", "offer": "0.00", "reason": "price", "words": "Paid by us."},
            ),
            201,
        )
        assert await due(job.planner, kind="object") == []
        (row,) = await due(job.buyer, kind="answer_dispute")
        assert (row["mine"], row["owes"]) == (True, world.buyer.name)
        (theirs,) = await due(job.planner, kind="answer_dispute")
        assert theirs["mine"] is False


async def test_pages_follow_each_other_in_order_and_filters_narrow_them(world: World) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold(6)
        for _ in range(3):
            await job.called(1)
        whole = await due(job.buyer)
        assert [r["due"] for r in whole] == sorted(r["due"] for r in whole)
        paged, after = [], None
        while True:
            page = await ok(job.buyer.get(OBLIGATIONS, params={"limit": 2, **({"after": after} if after else {})}))
            paged += page["items"]
            after = page["next"]
            if after is None:
                break
        assert paged == whole
        bound = whole[0]["due"]
        assert all(r["due"] > bound for r in await due(job.buyer, due_after=bound))
        assert all(r["due"] <= bound for r in await due(job.buyer, due_until=bound))
        assert await due(job.buyer, overdue=True) == []
        await world.owner.execute(
            "UPDATE call SET status = 'accepted', accepted_at = now() - interval '9 days', ship_by = now() - interval '2 days' "
            "WHERE id = $1::uuid",
            job.call,
        )
        late = await due(job.buyer, overdue=True)
        assert [(r["kind"], r["record_id"]) for r in late] == [("ship_call", job.call)]
        await refused(job.buyer.get(OBLIGATIONS, params={"kind": "nonsense"}), "request.invalid")


async def test_the_file_holds_the_list(world: World) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold(4)
        await job.called()
        answer = await job.buyer.get(f"{OBLIGATIONS}.csv", params={"side": "mine"})
        rows = list(csv.DictReader(io.StringIO(answer.text.lstrip("\ufeff"))))
        assert [(r["Kind"], r["Who"], r["To whom"]) for r in rows] == [
            ("answer_call", world.buyer.name, world.maker.name), ("settle", world.buyer.name, world.maker.name),
        ]  # fmt: skip


async def test_a_role_sees_only_the_kinds_of_records_it_may_see(world: World) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold(4)
        await job.called()
        await job.came_back()
        token = await token_for(world.owner, world.buyer.users["warehouse"], world.buyer.id)
        warehouse = await stack.enter_async_context(client_for(app_for(world.db), token))
        assert "settle" in await kinds(job.buyer)
        assert "settle" not in await kinds(warehouse)


@pytest.mark.parametrize("masked", [False, True])
async def test_a_delegate_is_told_of_its_own_orders_and_of_no_agreement(world: World, masked: bool) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold(4)
        await world.owner.execute("UPDATE company SET mask_holders = $2 WHERE id = $1", world.maker.id, masked)
        await world.owner.execute(
            "INSERT INTO delegation (maker_id, company_id, max_quantity, max_value_amount, currency, valid_from) "
            "VALUES ($1, $2, 50, 100000, 'USD', now() - interval '1 day')",
            world.maker.id, world.other.id,
        )  # fmt: skip
        token = await token_for(world.owner, world.other.users["technician"], world.other.id)
        delegate = await stack.enter_async_context(client_for(app_for(world.db), token))
        assert await due(delegate) == []
        await world.owner.execute(
            "UPDATE user_account SET order_limit_amount = NULL WHERE company_id = $1", world.other.id
        )
        place = next(c for c in await job.candidates(delegate) if c["callable"] and c["kind"] != "own_stock")
        body = {**job.need(1), "destination_site_id": str(world.other.site), "key": place["key"]}
        made = await ok(delegate.post(f"{API}/sourcing/order-back", json=body), 201)
        rows = await due(delegate)
        assert [(r["kind"], r["mine"], r["record_id"]) for r in rows] == [("answer_call", False, made["calls"][0])]
        # The order back is sent, so it names its holder; the agreement it rests on it never names.
        assert rows[0]["owes"] == world.buyer.name
        assert (rows[0]["agreement"], rows[0]["agreement_id"]) == (None, None)
        assert job.agreement not in (await delegate.get(OBLIGATIONS)).text
        assert await due(delegate, agreement_id=job.agreement) == []
        # Whom holders are hidden from, agreements are closed to: none of theirs is due for them either.
        told = await kinds(job.technician)
        assert "answer_call" in told
        assert ("window_closes" in told) is not masked


async def test_it_is_one_statement_however_much_is_due(world: World, db: Database) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold(6)
        await job.called(1)
        await due(job.buyer)
        with counted(db) as few:
            one = await due(job.buyer)
        for _ in range(3):
            await job.called(1)
        with counted(db) as many:
            more = await due(job.buyer)
        assert len(more) == len(one) + 3
        assert len(many) == len(few)
        assert sum("UNION ALL" in s for s in many) == 1


async def test_the_setting_is_the_companys_and_refused_outside_of_its_bounds(
    world: World, owner: asyncpg.Connection
) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        token = await token_for(owner, world.buyer.users["admin"], world.buyer.id)
        admin = await stack.enter_async_context(client_for(app_for(world.db), token))
        usual = {"hours_before": 24, "days_before": 7, "mails": True}
        assert await ok(job.buyer.get(f"{OBLIGATIONS}/reminders")) == usual
        before = await rows_of(world, "reminder_setting", company=world.buyer)
        await refused(job.buyer.put(f"{OBLIGATIONS}/reminders", json=usual), "actor.role")
        await refused(admin.put(f"{OBLIGATIONS}/reminders", json={**usual, "days_before": 61}), "request.invalid")
        assert await rows_of(world, "reminder_setting", company=world.buyer) == before
        changed = {"hours_before": 6, "days_before": 14, "mails": False}
        assert await ok(admin.put(f"{OBLIGATIONS}/reminders", json=changed)) == changed
        assert await ok(job.buyer.get(f"{OBLIGATIONS}/reminders")) == changed
        assert await ok(job.planner.get(f"{OBLIGATIONS}/reminders")) == usual


def test_every_kind_is_in_the_description() -> None:
    spec = app_for(object()).openapi()  # type: ignore[arg-type]
    assert set(spec["components"]["schemas"]["ObligationKind"]["enum"]) == {k.value for k in ObligationKind}


def test_now_is_long_before_the_far_end() -> None:
    from marketplace.obligations.queries import FAR, FIRST

    assert FIRST < datetime.now(UTC) - timedelta(days=10_000) < FAR
