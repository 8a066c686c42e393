"""Two people act on the same units or the same order back at the same moment, in either order: one wins, the other is told why, and
nothing is half done.

Both are held at a row that a third transaction has locked until both wait for it; then it lets go, and PostgreSQL serves them in the
order in which they came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from marketplace.agreements.combinations import BUY_BACK
from marketplace.db.embedded import OWNER, Credentials
from marketplace.db.session import Database
from marketplace.sourcing import service
from tests import second
from tests.agreed import agreed_on, delivered, rows_of
from tests.clients import app_for, client_for, token_for
from tests.marketplace.main_job import API, Job, ok
from tests.world import World

owner, db, worker_db = second.FIXTURES
Act = Callable[[], Awaitable[httpx.Response]]
CLOCK = UUID(int=0)


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(world, stack)


@pytest.fixture
async def gate(world: World, cluster: Credentials) -> AsyncIterator[Gate]:
    name = await world.owner.fetchval("SELECT current_database()")
    connection = await asyncpg.connect(cluster.dsn(OWNER, name))
    yield Gate(connection, world.owner)
    await connection.close()


class Gate:
    """A transaction that holds rows until as many wait for them as are to meet there."""

    def __init__(self, holding: asyncpg.Connection, watching: asyncpg.Connection) -> None:
        self.holding, self.watching = holding, watching

    async def race(self, rows: str, argument: Any, acts: Sequence[Act]) -> list[httpx.Response]:
        """What came of each act; they reach the rows in this order."""
        transaction = self.holding.transaction()
        await transaction.start()
        await self.holding.fetch(rows, argument)
        running: list[asyncio.Task[httpx.Response]] = []
        try:
            for number, act in enumerate(acts, 1):
                running.append(asyncio.ensure_future(act()))
                async with asyncio.timeout(30):
                    while await self._waiting() < number:
                        assert not running[-1].done(), running[-1].result().text
                        await asyncio.sleep(0.01)
        finally:
            await transaction.rollback()
        return list(await asyncio.gather(*running))

    async def _waiting(self) -> int:
        waiting: int = await self.watching.fetchval(
            "SELECT count(DISTINCT l.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid "
            "WHERE NOT l.granted AND a.datname = current_database()"
        )
        return waiting


LOTS = "SELECT lot_id FROM lot WHERE part_id = $1 ORDER BY lot_id FOR UPDATE"
CALL = "SELECT id FROM call WHERE id = $1::uuid FOR UPDATE"
ENDED = ("refused", "cancelled", "settled", "priced", "lost", "closed")


async def whole(job: Job) -> None:
    """Every reservation is that of an order which stands, as many units as it is for; units are where the last transaction left them,
    and none came or went unrecorded."""
    world = job.world
    odd = await world.owner.fetch(
        "SELECT k.reference, k.status, k.quantity, coalesce(h.n, 0) AS held, coalesce(u.n, 0) AS units FROM call k "
        "LEFT JOIN LATERAL (SELECT sum(quantity) AS n FROM open_hold WHERE cause_id = k.id) h ON true "
        "LEFT JOIN LATERAL (SELECT sum(quantity) AS n FROM call_unit WHERE call_id = k.id) u ON true WHERE k.maker_id = $1 "
        "AND coalesce(h.n, 0) <> CASE WHEN k.status IN ('allocated', 'noticed', 'accepted') THEN k.quantity ELSE 0 END",
        world.maker.id,
    )
    assert not odd, [dict(r) for r in odd]
    wrong = await world.owner.fetch(
        "SELECT p.lot_id FROM position p LEFT JOIN LATERAL (SELECT sum(quantity) AS n FROM open_hold h WHERE h.lot_id = p.lot_id "
        "AND h.position_id = p.position_id) h ON true WHERE p.part_id = $1 AND (p.held <> coalesce(h.n, 0) OR p.held > p.quantity)",
        world.part,
    )
    assert not wrong
    lacking = await world.owner.fetchval(
        "SELECT count(*) FROM requisition r WHERE r.maker_id = $1 AND r.status = 'open' AND NOT EXISTS (SELECT FROM call k "
        "WHERE k.requisition_id = r.id)", world.maker.id,
    )  # fmt: skip
    assert lacking == 0, "a request that was refused with its order is not there"


def outcomes(answers: Sequence[httpx.Response]) -> list[str]:
    return ["won" if a.status_code < 300 else a.json()["code"] for a in answers]


# -- the holder does something with a unit while it is ordered back ----------------------------------------


async def acting(job: Job, stack: AsyncExitStack, act: str) -> Act:
    """What the holder does with its only unit."""
    world = job.world
    which = {"part_id": str(world.part), "site_id": str(world.buyer.site), "quantity": 1}
    if act == "sells":
        await world.owner.execute("UPDATE company SET is_partner = true WHERE id = $1", world.other.id)
        sale = {
            "agreement_id": job.agreement, "part_id": str(world.part), "site_id": str(world.buyer.site),
            "buyer_id": str(world.other.id), "quantity": 1, "note": "Theirs run longer.",
        }  # fmt: skip
        resale = (await ok(job.buyer.post(f"{API}/resales", json=sale), 201))["id"]
        await ok(job.planner.post(f"{API}/resales/{resale}/consent"))
        token = await token_for(world.owner, world.other.users["admin"], world.other.id)
        third = await stack.enter_async_context(client_for(app_for(world.db), token))
        signed = {"wording_sha256": (await ok(third.get(f"{API}/resales/{resale}")))["wording_sha256"]}
        return lambda: third.post(f"{API}/resales/{resale}/join", json=signed)
    path, more = {
        "uses": ("uses", {"note": "job 1"}), "fits": ("installs", {"machine": "EX-1"}), "scraps": ("scraps", {"reason": "worn out"}),
    }[act]  # fmt: skip
    return lambda: job.buyer.post(f"{API}/holdings/{path}", json={**which, **more})


@pytest.mark.parametrize("first", ["holder", "maker"])
@pytest.mark.parametrize("act", ["uses", "fits", "scraps", "sells"])
async def test_a_unit_that_is_used_or_sold_while_it_is_ordered_back(job: Job, gate: Gate, act: str, first: str) -> None:
    async with AsyncExitStack() as stack:
        await _used_or_sold(job, stack, gate, act, first)


async def _used_or_sold(job: Job, stack: AsyncExitStack, gate: Gate, act: str, first: str) -> None:
    world = job.world
    use = "non_capital_spare" if act == "fits" else "intermediate_good"
    terms = {
        **BUY_BACK, "minimum_to_keep": 0, "scrap_rule": "free", "resale": "consent", "runs_with_the_unit": True,
    }  # fmt: skip
    job.agreement = str(await agreed_on(world, [("buy-back", 2, terms)], quantity=1, use_class=use))
    await delivered(world, UUID(job.agreement), 1)
    theirs = await acting(job, stack, act)
    key = next(c["key"] for c in await job.candidates() if c["kind"] == "buy_back")
    body = {**job.need(1), "key": key}

    def ours() -> Awaitable[httpx.Response]:
        return job.technician.post(f"{API}/sourcing/order-back", json=body)

    came = outcomes(await gate.race(LOTS, job.world.part, [theirs, ours] if first == "holder" else [ours, theirs]))
    calls = await job.world.owner.fetchval("SELECT count(*) FROM call WHERE maker_id = $1", job.world.maker.id)
    if first == "holder":
        assert came[0] == "won"
        assert came[1] in ("requisition.place", "requisition.not_enough", "requisition.held"), came
        assert calls == 0
    else:
        assert came[0] == "won"
        assert came[1] == ("agreement.held" if act == "sells" else "holding.not_enough"), came
        assert calls == 1
    await whole(job)


# -- one order, two people ---------------------------------------------------------------------------------


def call_acts(job: Job) -> dict[str, Act]:
    path = f"{API}/sourcing/calls/{job.call}"
    return {
        "cancel": lambda: job.technician.post(f"{path}/cancel", json={}),
        "ship": lambda: job.buyer.post(f"{path}/ship", json={"carrier": "UPS", "tracking": "1Z"}),
        "refuse": lambda: job.buyer.post(f"{path}/refuse", json={"code": "not_on_shelf", "note": ""}),
        "accept": lambda: job.buyer.post(f"{path}/accept", json={}),
    }


@pytest.mark.parametrize(
    ("pair", "accepted"),
    [(("cancel", "ship"), True), (("ship", "cancel"), True), (("accept", "refuse"), False), (("refuse", "accept"), False),
     (("cancel", "accept"), False), (("accept", "cancel"), False), (("cancel", "refuse"), False), (("refuse", "cancel"), False)],
    ids=lambda v: "-".join(v) if isinstance(v, tuple) else "",
)  # fmt: skip
async def test_one_order_ends_one_way(job: Job, gate: Gate, pair: tuple[str, str], *, accepted: bool) -> None:
    await job.sold(2, offered=2)
    await job.called(1)
    acts = call_acts(job)
    if accepted:
        await ok(acts["accept"]())
    came = outcomes(await gate.race(CALL, job.call, [acts[name] for name in pair]))
    if pair == ("accept", "cancel"):
        # Accepting leaves the maker of an order under the first library free to take it back.
        assert came == ["won", "won"]
        pair = ("cancel", "accept")
    else:
        assert came == ["won", "call.bound" if pair == ("accept", "refuse") else "call.state"], came
    status = await job.world.owner.fetchval("SELECT status FROM call WHERE id = $1::uuid", job.call)
    assert status == {"cancel": "cancelled", "ship": "shipped", "refuse": "refused", "accept": "accepted"}[pair[0]]
    ends = await job.world.owner.fetch(
        "SELECT kind FROM call_event WHERE call_id = $1::uuid AND kind IN ('cancelled', 'shipped', 'refused')", job.call
    )
    assert [e["kind"] for e in ends] == ([] if status == "accepted" else [status])
    withdrawn = await job.world.owner.fetchval("SELECT count(*) FROM withdrawal WHERE cause_id = $1::uuid", job.call)
    assert withdrawn == (pair[0] == "refuse")
    await whole(job)


@pytest.mark.parametrize("pair", [("refuse", "ship"), ("ship", "refuse")], ids="-".join)
async def test_units_are_shipped_or_said_not_to_be_there(job: Job, gate: Gate, pair: tuple[str, str]) -> None:
    """Of an order to one's own warehouse, which binds it to nothing: two people there, one packs, the other finds an empty shelf."""
    world = job.world
    await world.register(world.maker, 2)
    key = next(c["key"] for c in await job.candidates() if c["kind"] == "own_stock")
    made = await ok(job.technician.post(f"{API}/sourcing/order-back", json={**job.need(1), "key": key}), 201)
    job.call = made["calls"][0]
    async with AsyncExitStack() as stack:
        token = await token_for(world.owner, world.maker.users["warehouse"], world.maker.id)
        job.buyer = await stack.enter_async_context(client_for(app_for(world.db), token))
        acts = call_acts(job)
        await ok(acts["accept"]())
        assert outcomes(await gate.race(CALL, job.call, [acts[name] for name in pair])) == ["won", "call.state"]
    shipped = await world.owner.fetchval(
        "SELECT count(*) FROM movement m JOIN lot l USING (lot_id) WHERE l.part_id = $1 AND m.kind = 'ship'", world.part
    )
    withdrawn = await world.owner.fetchval("SELECT count(*) FROM withdrawal WHERE cause_id = $1::uuid", job.call)
    assert (shipped, withdrawn) == ((1, 0) if pair[0] == "ship" else (0, 1))
    await whole(job)


@pytest.mark.parametrize("first", ["accepts", "rejects"])
@pytest.mark.parametrize("other", ["person", "clock"])
async def test_an_inspection_comes_to_one_thing(
    job: Job, gate: Gate, worker_db: Database, first: str, other: str
) -> None:
    """One says that the units are good (or nobody said otherwise in time), another rejects them, which opens a dispute."""
    await job.sold(2, offered=2)
    await job.called(2)
    acts = call_acts(job)
    await ok(acts["accept"]())
    await ok(acts["ship"]())
    path = f"{API}/sourcing/calls/{job.call}"
    await ok(job.technician.post(f"{path}/receive"))

    async def clock() -> httpx.Response:
        async with worker_db.write() as session:
            late = datetime.now(UTC) + timedelta(days=400)
            done = await service.accept_uninspected(session, CLOCK, UUID(job.call), late)
        return httpx.Response(200 if done else 409, json={"code": "call.state"})

    def accepts() -> Awaitable[httpx.Response]:
        return clock() if other == "clock" else job.planner.post(f"{path}/inspect", json={"good": 2})

    def rejects() -> Awaitable[httpx.Response]:
        return job.technician.post(f"{path}/inspect", json={"good": 0, "note": "Cracked.", "reason": "damaged"})

    before = await rows_of(job.world, "settlement_line")
    acts_now = [accepts, rejects] if first == "accepts" else [rejects, accepts]
    came = outcomes(await gate.race(CALL, job.call, acts_now))
    assert came == ["won", "call.state"], came
    status = await job.world.owner.fetchval("SELECT status FROM call WHERE id = $1::uuid", job.call)
    lines = await rows_of(job.world, "settlement_line")
    if first == "accepts":
        assert status in ("priced", "settled")
        assert len(lines) == len(before) + 1
    else:
        assert status == "disputed"
        assert lines == before, "nothing is owed for what was rejected"
