"""When an order back comes to nothing the next best source is proposed, or ordered by itself where the maker wants that: within its
limits, once, and whoever asked is told either way."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from marketplace.agreements.combinations import BUY_BACK
from marketplace.db.session import Database
from marketplace.outbox.service import Event
from marketplace.sourcing import many, service
from marketplace.sourcing.tasks import FELL_SHORT, lapse_approvals, listeners
from tests import second
from tests.agreed import agreed_on, delivered, rows_of
from tests.clients import app_for, client_for, token_for
from tests.counting import counted
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import Party, World, make_company

owner, db, worker_db = second.FIXTURES

CLOCK = UUID(int=0)
RULES = f"{API}/sourcing/cascade"
TABLES = (
    "call",
    "call_event",
    "open_hold",
    "requisition",
    "cascade",
    "cascade_outcome",
    "cascade_rule",
    "outbox_event",
)


@dataclass
class Pool:
    """Three holders of units: near in price (100 and 110), and dear (150)."""

    job: Job
    admin: httpx.AsyncClient
    holders: list[tuple[Party, httpx.AsyncClient]]
    worker: Database

    async def told(self) -> list[tuple[str, str]]:
        """Mails about parts requests and orders that went on, to the maker's own people: (subject, text)."""
        rows = await self.job.world.owner.fetch(
            "SELECT payload -> 'mail' ->> 'subject' AS s, payload -> 'mail' ->> 'text' AS t FROM outbox_event "
            "WHERE $1 = ANY(company_ids) AND payload -> 'mail' -> 'to' ? $2 AND name <> 'call.noticed' ORDER BY id",
            self.job.world.maker.id, f"technician@{self.job.world.maker.code}.example".lower(),
        )  # fmt: skip
        return [(r["s"], r["t"]) for r in rows]

    async def react(self) -> list[str | None]:
        """The worker takes every event by which it goes on, each twice, as it may."""
        rows = await self.job.world.owner.fetch(
            "SELECT id, aggregate_id, payload FROM outbox_event WHERE name = $1 AND $2 = ANY(company_ids) ORDER BY id",
            FELL_SHORT, self.job.world.maker.id,
        )  # fmt: skip
        handler = listeners(self.worker)[FELL_SHORT]
        for r in [*rows, *rows]:
            await handler(Event(r["id"], FELL_SHORT, "requisition", r["aggregate_id"], json.loads(r["payload"]), (), 1))
        return [
            r["outcome"]
            for r in await self.job.world.owner.fetch(
                "SELECT o.outcome FROM cascade c LEFT JOIN cascade_outcome o ON o.cascade_id = c.id WHERE c.maker_id = $1 ORDER BY c.id",
                self.job.world.maker.id,
            )
        ]

    async def at_once(self, percent: int = 20, days: int = 30, urgency: str = "urgent") -> None:
        rule = {"at_once": True, "most_more_bp": percent * 100, "most_later_days": days}
        await ok(self.admin.put(f"{RULES}/{urgency}", json=rule))

    async def ordered(self, quantity: int = 1, **need: Any) -> str:
        """A technician's request, ordered as the plan says. The order."""
        asked = await ok(
            self.job.technician.post(f"{API}/sourcing/requests", json=self.job.need(quantity, **need)), 201
        )
        self.job.requisition = asked["id"]
        done = await ok(self.job.technician.post(f"{API}/sourcing/requests/{asked['id']}/confirm", json={}))
        self.job.call = done["calls"][0]
        return str(self.job.call)

    async def calls(self) -> list[tuple[str, str, int]]:
        """Orders of the request: (holder's code, status, quantity)."""
        rows = await self.job.world.owner.fetch(
            "SELECT h.code, k.status, k.quantity FROM call k JOIN company h ON h.id = k.holder_id "
            "WHERE k.requisition_id = $1 ORDER BY k.id", UUID(self.job.requisition),
        )  # fmt: skip
        return [tuple(r) for r in rows]

    async def row(self) -> Any:
        """The request."""
        return await self.job.world.owner.fetchrow(
            "SELECT * FROM requisition WHERE id = $1", UUID(self.job.requisition)
        )

    async def newest(self) -> tuple[str, httpx.AsyncClient]:
        """The newest order, and its holder's buyer."""
        row = await self.job.world.owner.fetchrow(
            "SELECT id, holder_id FROM call WHERE maker_id = $1 ORDER BY id DESC LIMIT 1", self.job.world.maker.id
        )
        return str(row["id"]), next(client for party, client in self.holders if party.id == row["holder_id"])

    async def refuse(self) -> None:
        call, buyer = await self.newest()
        await ok(buyer.post(f"{API}/sourcing/calls/{call}/refuse", json={"code": "not_on_shelf", "note": ""}))

    async def chain(self) -> list[dict[str, Any]]:
        return list(await ok(self.job.technician.get(f"{API}/sourcing/requests/{self.job.requisition}/cascade")))


async def pool_of(world: World, stack: AsyncExitStack, worker: Database, units: int = 3) -> Pool:
    job = await Job.begin(world, stack)
    app = app_for(world.db)
    holders = []
    for n, percent in enumerate((10_000, 11_000, 15_000)):
        party = (
            [world.buyer, world.other][n]
            if n < 2
            else await make_company(world.owner, f"TH{world.tag}", manufacturer=False)
        )
        there = replace(world, buyer=party)
        terms = {**BUY_BACK, "handling_bp": 0, "price": {"kind": "percent_of_sale", "percent_bp": percent}}
        agreement = await agreed_on(there, [("buy-back", 2, terms)], quantity=units)
        await delivered(there, agreement, units)
        client = await stack.enter_async_context(
            client_for(app, await token_for(world.owner, party.users["buyer"], party.id))
        )
        holders.append((party, client))
    admin = await stack.enter_async_context(
        client_for(app, await token_for(world.owner, world.maker.users["admin"], world.maker.id))
    )
    return Pool(job, admin, holders, worker)


@pytest.fixture
async def pool(world: World, worker_db: Database) -> AsyncIterator[Pool]:
    async with AsyncExitStack() as stack:
        yield await pool_of(world, stack, worker_db)


def codes(pool: Pool) -> list[str]:
    return [party.code for party, _ in pool.holders]


async def test_without_a_rule_the_next_best_is_proposed_and_nothing_is_ordered(pool: Pool) -> None:
    near, next_near, _ = codes(pool)
    await pool.ordered()
    await pool.refuse()
    assert await pool.react() == ["proposed"]
    assert await pool.calls() == [(near, "refused", 1)]
    ((subject, text),) = await pool.told()
    assert "refused" in subject
    assert text.startswith(f"Next best: 1 from Company {next_near}")
    [step] = await pool.chain()
    assert (step["cause"], step["outcome"], step["calls"], step["by_itself"]) == ("refused", "proposed", [], False)
    assert (await ok(pool.admin.get(RULES)))[0]["words"] == "The next best source is proposed; somebody orders it."


async def test_within_the_limits_the_next_best_is_ordered_once_and_beyond_them_proposed(pool: Pool) -> None:
    near, next_near, dear = codes(pool)
    await pool.at_once(percent=40)
    await pool.ordered()
    await pool.refuse()
    assert await pool.told() == [], "of what follows within a moment nobody is told twice"
    assert await pool.react() == ["ordered"]
    assert await pool.calls() == [(near, "refused", 1), (next_near, "noticed", 1)]
    ((subject, text),) = await pool.told()
    assert "refused" in subject
    assert f"Ordered instead: 1 from Company {next_near}, arriving " in text
    assert "110.00 USD a unit, 10 % more than the first order." in text
    # The next is half as dear again as the first order, a third more than the second; the first holder is not asked again, though it has units.
    await pool.refuse()
    assert await pool.react() == ["ordered", "proposed"]
    assert len(await pool.calls()) == 2
    text = (await pool.told())[1][1]
    assert f"Proposed, not ordered: 1 from Company {dear}" in text
    assert "It costs 50 % more a unit; by itself at most 40 % more is ordered." in text
    assert [(s["outcome"], s["calls"]) for s in await pool.chain()] == [
        ("ordered", [(await pool.newest())[0]]), ("proposed", []),
    ]  # fmt: skip
    # Somebody looks at it and orders all the same.
    await ok(pool.job.planner.post(f"{API}/sourcing/requests/{pool.job.requisition}/confirm", json={"choices": None}))
    assert (await pool.calls())[2:] == [(dear, "noticed", 1)], "what was proposed, not the cheapest, who refused"


async def test_a_plan_takes_from_others_before_it_asks_again_who_refused(pool: Pool) -> None:
    """Request, plan of many and order say the same as the mail; who refused is asked again only once nobody else can give any."""
    near, next_near, dear = codes(pool)
    await pool.ordered()
    await pool.refuse()
    asked = {"requests": [pool.job.requisition], "dry_run": True}
    [line] = (await ok(pool.job.planner.post(f"{API}/sourcing/plans", json=asked), 201))["requests"]
    assert [c["holder"] for c in line["chosen"]] == [f"Company {next_near}"]
    [left] = [n for n in line["not_callable"] if any(w["code"] == "asked_before" for w in n["why"])]
    assert left["holder"] == f"Company {near}"
    confirm = f"{API}/sourcing/requests/{pool.job.requisition}/confirm"
    for holder in (next_near, dear, near):
        if holder == near:
            [line] = (await ok(pool.job.planner.post(f"{API}/sourcing/plans", json=asked), 201))["requests"]
            assert [c["again"] for c in line["chosen"]] == [many.AGAIN], "said, where it is asked again"
            shown = await ok(pool.job.planner.get(f"{API}/sourcing/requests/{pool.job.requisition}/plan"))
            assert [c["again"] for c in shown["chosen"]] == [many.AGAIN]
        else:
            assert [c["again"] for c in line["chosen"]] == [""]
        await ok(pool.job.technician.post(confirm, json={}))
        assert (await pool.calls())[-1] == (holder, "noticed", 1)
        await pool.refuse()


async def test_of_its_own_sites_only_the_one_that_said_so_is_passed_over(pool: Pool) -> None:
    """A maker has a shelf here and a shelf there: that one of them was empty says nothing about the other."""
    world, job = pool.job.world, pool.job
    here, there = world.maker.sites
    for site in (here, there):
        await world.register(world.maker, site=site)
    await pool.at_once()
    await pool.ordered()
    await ok(pool.admin.post(f"{API}/sourcing/calls/{job.call}/refuse", json={"code": "not_on_shelf", "note": ""}))
    assert await pool.react() == ["ordered"]
    rows = await world.owner.fetch(
        "SELECT kind, site_id, status FROM call WHERE requisition_id = $1 ORDER BY id", UUID(job.requisition)
    )
    assert [tuple(r) for r in rows] == [("own_stock", here, "refused"), ("own_stock", there, "noticed")]


async def test_it_ends_when_nobody_is_left_and_says_so(pool: Pool) -> None:
    await pool.at_once(percent=100)
    await pool.ordered()
    for turn in range(3):
        await pool.refuse()
        outcomes = await pool.react()
        assert outcomes == ["ordered"] * min(turn + 1, 2) + ["nothing"] * (turn == 2)
    assert [s for _, s, _ in await pool.calls()] == ["refused"] * 3
    last = (await pool.told())[-1][1]
    assert "Nobody else can give 1 now of this number, and the request allows no substitutes" in last


async def test_what_comes_too_late_is_proposed(pool: Pool) -> None:
    await pool.at_once(percent=100, days=0)
    call = await pool.ordered()
    await pool.job.world.owner.execute(
        "UPDATE call SET expected_at = expected_at - interval '36 hours' WHERE id = $1::uuid", call
    )
    await pool.refuse()
    assert await pool.react() == ["proposed"]
    assert "It would come 2 days later; by itself at most 0 days later is ordered." in (await pool.told())[-1][1]
    assert len(await pool.calls()) == 1


@pytest.mark.parametrize("approved", [True, False])
async def test_above_the_limit_of_whoever_asked_it_is_reserved_and_an_approver_is_told(
    pool: Pool, *, approved: bool
) -> None:
    world = pool.job.world
    await pool.at_once()
    await pool.ordered()
    await world.owner.execute(
        "UPDATE user_account SET order_limit_amount = 105 WHERE id = $1", world.maker.users["technician"]
    )
    await pool.refuse()
    assert await pool.react() == ["reserved"]
    assert (await pool.calls())[1][1:] == ("allocated", 1)
    status = "SELECT status FROM requisition WHERE id = $1"
    assert await world.owner.fetchval(status, UUID(pool.job.requisition)) == "awaiting_approval"
    told = await world.owner.fetchval(
        "SELECT count(*) FROM outbox_event WHERE name = 'requisition.approval' AND aggregate_id = $1",
        UUID(pool.job.requisition),
    )
    assert told == 1
    assert "Reserved for 30 minutes until an approver agrees" in (await pool.told())[-1][1]
    if approved:
        await ok(pool.job.planner.post(f"{API}/sourcing/requests/{pool.job.requisition}/approve"))
        assert (await pool.calls())[1][1:] == ("noticed", 1)
        return
    late = datetime.now(UTC) + timedelta(minutes=31)
    assert await lapse_approvals(pool.worker, CLOCK, late) >= 1
    assert await lapse_approvals(pool.worker, CLOCK, late) == 0
    assert (await pool.calls())[1][1:] == ("cancelled", 1)
    assert [s for s, _ in await pool.told()][1:] == [f"{(await pool.row())['reference']} was not approved in time"]


async def act(pool: Pool, cause: str, call: str) -> None:
    """Something by which the order comes to nothing."""
    world, now = pool.job.world, datetime.now(UTC)
    buyer, path = pool.holders[0][1], f"{API}/sourcing/calls/{call}"
    if cause == "silent":
        await world.owner.execute("UPDATE call SET silence = 'refused' WHERE id = $1::uuid", call)
        async with pool.worker.write() as session:
            assert await service.act_on_silence(session, CLOCK, UUID(call), now + timedelta(days=400)) == "refused"
        return
    if cause == "in_part":
        body = {"quantity": 1, "code": "short", "note": ""}
        await ok(buyer.post(f"{path}/accept", json=body))
        return
    await ok(buyer.post(f"{path}/accept", json={}))
    if cause == "defaulted":
        async with pool.worker.write() as session:
            assert await service.act_on_default(session, CLOCK, UUID(call), now + timedelta(days=400))
        return
    await ok(buyer.post(f"{path}/ship", json={"carrier": "UPS", "tracking": "1Z1"}))
    await ok(buyer.post(f"{path}/lost", json={"note": "The truck burnt."}))


@pytest.mark.parametrize("cause", ["silent", "in_part", "defaulted", "lost"])
async def test_every_way_to_nothing_goes_on(pool: Pool, cause: str) -> None:
    await pool.at_once()
    call = await pool.ordered(2)
    await act(pool, cause, call)
    assert await pool.react() == ["ordered"]
    lacking = 1 if cause == "in_part" else 2
    assert (await pool.calls())[1] == (codes(pool)[1], "noticed", lacking)
    [step] = await pool.chain()
    assert (step["cause"], step["lacking"]) == (cause, lacking)
    assert "Ordered instead" in (await pool.told())[-1][1]


async def test_what_was_ordered_meanwhile_or_cannot_be_is_said(pool: Pool) -> None:
    world = pool.job.world
    await pool.at_once()
    await pool.ordered()
    await pool.refuse()
    await ok(pool.job.planner.post(f"{API}/sourcing/requests/{pool.job.requisition}/confirm", json={}))
    before = await rows_of(world, "call", "open_hold")
    assert await pool.react() == ["enough"]
    assert await rows_of(world, "call", "open_hold") == before
    await pool.ordered()
    await pool.refuse()
    await world.owner.execute("UPDATE user_account SET active = false WHERE id = $1", world.maker.users["technician"])
    before = await rows_of(world, "call", "open_hold")
    assert await pool.react() == ["enough", "proposed"]
    assert await rows_of(world, "call", "open_hold") == before


async def test_rules_are_a_makers_and_stated_by_its_admin(pool: Pool) -> None:
    rule = {"at_once": True, "most_more_bp": 1_000, "most_later_days": 3}
    before = await rows_of(pool.job.world, *TABLES)
    await refused(pool.job.planner.put(f"{RULES}/urgent", json=rule), "actor.role")
    assert (await pool.admin.put(f"{RULES}/whenever", json=rule)).status_code == 422
    assert (await pool.admin.put(f"{RULES}/urgent", json={**rule, "most_more_bp": -1})).status_code == 422
    async with AsyncExitStack() as stack:
        world = pool.job.world
        token = await token_for(world.owner, world.other.users["admin"], world.other.id)
        partner = await stack.enter_async_context(client_for(app_for(world.db), token))
        await refused(partner.put(f"{RULES}/urgent", json=rule), "cascade.maker")
    assert await rows_of(pool.job.world, *TABLES) == before
    await ok(pool.admin.put(f"{RULES}/urgent", json=rule))
    rules = {r["urgency"]: r for r in await ok(pool.job.technician.get(RULES))}
    assert list(rules) == ["machine_down", "urgent", "stock_order"]
    assert not rules["machine_down"]["at_once"]
    assert rules["urgent"]["words"] == (
        "The next best source is ordered at once where it costs at most 10 % more a unit and comes at most 3 days later than the "
        "order that somebody gave; else it is proposed."
    )


async def test_a_chain_is_read_in_one_statement_and_by_its_companies_only(pool: Pool) -> None:
    await pool.ordered()
    path = f"{API}/sourcing/requests/{pool.job.requisition}/cascade"
    with counted(pool.job.world.db) as few:
        await ok(pool.job.technician.get(path))
    await pool.refuse()
    with counted(pool.job.world.db) as more:
        assert len(await ok(pool.job.technician.get(path))) == 1
    assert len(few) == len(more)
    assert (await pool.holders[0][1].get(path)).status_code in (403, 404)
