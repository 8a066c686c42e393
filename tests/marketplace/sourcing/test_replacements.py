"""Drawn units: replaced in kind in time, or bought; and what silence at inspection comes to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from marketplace.db.session import Database
from marketplace.kit.clock import end_of_day, local_day
from marketplace.kit.errors import conflict
from marketplace.outbox.service import deliver_waiting
from marketplace.settings import Settings
from marketplace.sourcing import service, tasks
from marketplace.worker import handlers, tick
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

CLOCK = UUID(int=0)
FEE, PRICE = Decimal("2.40"), Decimal(120)
"""3 % of what was paid, and the list price."""
CARRIER = {"carrier": "UPS", "tracking": "1Z9"}


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(world, stack)


async def drawn(job: Job, quantity: int = 2, *, serial: bool = False) -> None:
    """Of ten units six were sold; so many of them were drawn, received and accepted."""
    await job.sold(6, preset="wide-access", serial=serial)
    await job.called(quantity)
    await job.came_back(quantity)


async def call_now(job: Job) -> dict[str, Any]:
    return dict(await ok(job.technician.get(f"{API}/sourcing/calls/{job.call}")))


async def send(job: Job, quantity: int = 1, **changed: Any) -> str:
    body = {"quantity": quantity, "site_id": str(job.world.maker.site), "condition": "new", **CARRIER, **changed}
    made = await ok(job.planner.post(f"{API}/sourcing/calls/{job.call}/replacements", json=body))
    return str(made["id"])


async def owed(job: Job) -> dict[str, tuple[int, Decimal, str]]:
    """What the call has come to: quantity, amount and payer by kind of line."""
    rows = await job.world.owner.fetch(
        "SELECT kind, quantity, amount, payer_id FROM settlement_line WHERE cause_id = $1", UUID(job.call)
    )
    names = {job.world.maker.id: "maker", job.world.buyer.id: "buyer"}
    return {r["kind"]: (r["quantity"], r["amount"], names[r["payer_id"]]) for r in rows}


async def stands(job: Job) -> dict[str, int]:
    """Units by owner, holder and right."""
    rows = await job.world.owner.fetch(
        "SELECT owner_id, holder_id, agreement_id IS NOT NULL AS bound, site_id IS NULL AS away, sum(quantity)::int AS n "
        'FROM "position" WHERE part_id = $1 AND quantity > 0 GROUP BY 1, 2, 3, 4',
        job.world.part,
    )
    names = {job.world.maker.id: "maker", job.world.buyer.id: "buyer"}
    return {
        f"{names[r['owner_id']]}/{names[r['holder_id']]}{'*' if r['bound'] else ''}{' away' if r['away'] else ''}": r[
            "n"
        ]
        for r in rows
    }


async def snapshot(job: Job) -> list[Any]:
    """Everything that a refusal must leave as it is."""
    owner = job.world.owner
    return [
        await owner.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")
        for table in (
            '"position"',
            "movement",
            "call",
            "replacement",
            "replacement_unit",
            "settlement_line",
            "outbox_event",
        )
    ]


async def ends(job: Job, column: str, *, days_ago: float = 0.5) -> datetime:
    """Lets the call's deadline be past, as if time had gone by."""
    moment = datetime.now(UTC) - timedelta(days=days_ago)
    await job.world.owner.execute(f"UPDATE call SET {column} = $2 WHERE id = $1", UUID(job.call), moment)
    return moment


async def buys(job: Job, worker_db: Database, now: datetime) -> int:
    """What the clock does with this draw at ``now``: how many units it buys."""
    async with worker_db.write() as session:
        return await service.buy_unreplaced(session, CLOCK, UUID(job.call), now)


async def accepts(job: Job, worker_db: Database, now: datetime) -> bool:
    """What the clock does with what was received: whether it counts as accepted."""
    async with worker_db.write() as session:
        return await service.accept_uninspected(session, CLOCK, UUID(job.call), now)


async def test_a_drawn_unit_is_replaced_and_only_the_fee_is_owed(job: Job, worker_db: Database, tmp_path: Path) -> None:
    await drawn(job)
    call = await call_now(job)
    assert (call["status"], call["to_replace"], call["replaced"], call["bought"]) == ("inspected", 2, 0, 0)
    assert (Decimal(call["draw_fee"]), Decimal(call["unit_price"])) == (FEE, PRICE)
    zone = await job.world.owner.fetchval("SELECT zone FROM agreement WHERE id = $1", UUID(job.agreement))
    received = await job.world.owner.fetchval("SELECT received_at FROM call WHERE id = $1", UUID(job.call))
    due = end_of_day(local_day(received, zone) + timedelta(days=90), zone)
    assert datetime.fromisoformat(call["replace_by"]) == due
    assert await owed(job) == {"draw_fee": (2, FEE * 2, "maker")}

    equal = await ok(job.planner.get(f"{API}/sourcing/calls/{job.call}/equal-stock"))
    assert [(x["site_id"], x["condition"], x["free"]) for x in equal] == [(str(job.world.maker.site), "new", 4)]
    replacement = await send(job, 2)
    assert (await call_now(job))["replacing"] == 2
    # The units that were drawn are for the parts request, which is still open: they are not sent back.
    own = await job.world.owner.fetch(
        "SELECT shipped_lot_id FROM call_unit WHERE call_id = $1 AND shipped_lot_id IN "
        "(SELECT parent_lot_id FROM lot l JOIN replacement_unit u ON u.lot_id = l.lot_id)", UUID(job.call),
    )  # fmt: skip
    assert own == []
    assert await stands(job) == {"buyer/buyer*": 4, "maker/maker": 4, "maker/maker away": 2}
    (seen,) = await ok(job.buyer.get(f"{API}/sourcing/calls/{job.call}/replacements"))
    assert (seen["id"], seen["quantity"], seen["tracking"], seen["good"]) == (replacement, 2, "1Z9", None)
    await ok(job.buyer.post(f"{API}/sourcing/replacements/{replacement}/receive", json={"good": 2}))

    assert await stands(job) == {"buyer/buyer*": 6, "maker/maker": 4}
    call = await call_now(job)
    assert (call["status"], call["to_replace"], call["replacing"], call["replaced"]) == ("priced", 0, 0, 2)
    taken = "SELECT taken_back FROM agreement_line WHERE agreement_id = $1"
    assert await job.world.owner.fetchval(taken, UUID(job.agreement)) == 0
    # What came back stands under the right like what was drawn, and can be called again.
    assert sum(c["callable"] for c in await job.candidates() if c["kind"] == "access_draw") == 6
    (line,) = await job.owed(job.buyer)
    for side in (job.planner, job.buyer):
        await ok(side.post(f"{API}/settlement/{line['id']}/mark"))
    await deliver_waiting(worker_db, handlers(Settings(data_dir=tmp_path), worker_db), lambda: datetime.now(UTC))
    assert (await call_now(job))["status"] == "settled"


async def test_what_is_not_replaced_in_time_is_bought_once_however_late(
    job: Job, worker_db: Database, tmp_path: Path
) -> None:
    await drawn(job, 3)
    replacement = await send(job, 1)
    await ok(job.buyer.post(f"{API}/sourcing/replacements/{replacement}/receive", json={"good": 1}))
    assert await buys(job, worker_db, datetime.now(UTC)) == 0
    deadline = datetime.fromisoformat((await call_now(job))["replace_by"])
    assert await buys(job, worker_db, deadline - timedelta(microseconds=1)) == 0
    late = deadline + timedelta(days=400)
    assert sum(await asyncio.gather(*(buys(job, worker_db, late) for _ in range(4)))) == 2
    assert await buys(job, worker_db, late) == 0
    call = await call_now(job)
    assert (call["status"], call["to_replace"], call["replaced"], call["bought"]) == ("priced", 0, 1, 2)
    assert await owed(job) == {"draw_fee": (3, FEE * 3, "maker"), "draw_purchase": (2, PRICE * 2, "maker")}
    row = await job.world.owner.fetchrow(
        "SELECT due_on, words FROM settlement_line WHERE cause_id = $1 AND kind = 'draw_purchase'", UUID(job.call)
    )
    zone = await job.world.owner.fetchval("SELECT zone FROM agreement WHERE id = $1", UUID(job.agreement))
    # Thirty days after the last day for replacing, not after the clock was looked at.
    assert row["due_on"] == local_day(deadline - timedelta(seconds=1), zone) + timedelta(days=30)
    assert row["words"].startswith("Not replaced by the end of ")
    # Settled once both lines are, not before.
    lines = await job.owed(job.buyer)
    for n, line in enumerate(lines):
        for side in (job.planner, job.buyer):
            await ok(side.post(f"{API}/settlement/{line['id']}/mark"))
        await deliver_waiting(worker_db, handlers(Settings(data_dir=tmp_path), worker_db), lambda: datetime.now(UTC))
        assert (await call_now(job))["status"] == ("settled" if n == len(lines) - 1 else "priced")


async def test_after_the_time_nothing_can_be_sent(job: Job, worker_db: Database) -> None:
    await drawn(job)
    await ends(job, "replace_by")
    before = await snapshot(job)
    body = {"quantity": 1, "site_id": str(job.world.maker.site), "condition": "new", **CARRIER}
    path = f"{API}/sourcing/calls/{job.call}/replacements"
    said = await refused(job.planner.post(path, json=body), "replacement.bought")
    assert "they are bought" in said["detail"]
    assert await snapshot(job) == before
    assert await buys(job, worker_db, datetime.now(UTC)) == 2
    before = await snapshot(job)
    await refused(job.planner.post(path, json=body), "replacement.quantity")
    assert await snapshot(job) == before


@pytest.mark.parametrize("clock_first", [True, False])
async def test_a_late_replacement_that_is_accepted_undoes_the_purchase(
    job: Job, worker_db: Database, clock_first: bool
) -> None:
    await drawn(job)
    replacement = await send(job, 2)
    await ends(job, "replace_by")
    if clock_first:
        assert await buys(job, worker_db, datetime.now(UTC)) == 2
    await ok(
        job.buyer.post(f"{API}/sourcing/replacements/{replacement}/receive", json={"good": 1, "note": "one too late"})
    )
    assert await buys(job, worker_db, datetime.now(UTC)) == 0
    call = await call_now(job)
    assert (call["status"], call["to_replace"], call["replaced"], call["bought"]) == ("priced", 0, 1, 1)
    assert await owed(job) == {
        "draw_fee": (2, FEE * 2, "maker"),
        "draw_purchase": (2, PRICE * 2, "maker"),
        "draw_undone": (1, PRICE, "buyer"),
    }
    # The one that is not accepted stays the maker's, in the holder's custody, and nobody is promised it.
    assert await stands(job) == {"buyer/buyer*": 5, "maker/buyer": 1, "maker/maker": 4}


@pytest.mark.parametrize("clock_first", [True, False])
async def test_what_arrived_in_time_and_is_recorded_late_was_in_time(
    job: Job, worker_db: Database, clock_first: bool
) -> None:
    await drawn(job)
    replacement = await send(job, 1)
    zone = await job.world.owner.fetchval("SELECT zone FROM agreement WHERE id = $1", UUID(job.agreement))
    await job.world.owner.execute(
        "UPDATE replacement SET shipped_at = shipped_at - interval '5 days' WHERE id = $1", UUID(replacement)
    )
    await ends(job, "replace_by", days_ago=1.5)
    if clock_first:
        assert await buys(job, worker_db, datetime.now(UTC)) == 2
    path = f"{API}/sourcing/replacements/{replacement}/receive"
    today = local_day(datetime.now(UTC), zone)
    before = await snapshot(job)
    for days in (6, -1):
        body = {"good": 1, "arrived_on": (today - timedelta(days=days)).isoformat()}
        await refused(job.buyer.post(path, json=body), "replacement.arrived")
    assert await snapshot(job) == before
    await ok(job.buyer.post(path, json={"good": 1, "arrived_on": (today - timedelta(days=4)).isoformat()}))
    call = await call_now(job)
    assert (call["replaced"], call["bought"], call["status"]) == (1, 1, "priced")
    expected = {"draw_fee": (2, FEE * 2, "maker")}
    if clock_first:
        expected |= {"draw_purchase": (2, PRICE * 2, "maker"), "draw_undone": (1, PRICE, "buyer")}
    else:
        expected |= {"draw_purchase": (1, PRICE, "maker")}
    assert await owed(job) == expected


async def test_what_is_missing_or_not_accepted_is_still_to_be_replaced(job: Job) -> None:
    await drawn(job, 3)
    replacement = await send(job, 3)
    path = f"{API}/sourcing/replacements/{replacement}/receive"
    before = await snapshot(job)
    await refused(job.buyer.post(path, json={"good": 1, "missing": 1}), "replacement.note")
    await refused(job.buyer.post(path, json={"good": 3, "missing": 1}), "replacement.count")
    await refused(job.buyer.post(path, json={"good": -1, "missing": 1}), "replacement.count")
    await refused(job.outsider.post(path, json={"good": 3}), "replacement.not_found")
    await refused(job.planner.post(path, json={"good": 3}), "actor.role")
    assert await snapshot(job) == before
    await ok(job.buyer.post(path, json={"good": 1, "missing": 1, "note": "one crushed, one not in the box"}))
    assert await stands(job) == {"buyer/buyer*": 4, "maker/buyer": 1, "maker/maker": 4}
    call = await call_now(job)
    assert (call["status"], call["to_replace"], call["replacing"], call["replaced"]) == ("inspected", 2, 0, 1)
    before = await snapshot(job)
    await refused(job.buyer.post(path, json={"good": 1}), "replacement.received")
    assert await snapshot(job) == before
    await send(job, 1)


async def test_refusals_of_a_replacement_change_nothing(job: Job) -> None:
    await drawn(job)
    path = f"{API}/sourcing/calls/{job.call}/replacements"
    body = {"quantity": 1, "site_id": str(job.world.maker.site), "condition": "new", **CARRIER}
    before = await snapshot(job)
    for wrong in (0, -1, 3):
        await refused(job.planner.post(path, json={**body, "quantity": wrong}), "replacement.quantity")
    for wrong in ({"site_id": str(job.world.maker.sites[1])}, {"condition": "used"}):
        await refused(job.planner.post(path, json={**body, **wrong}), "replacement.stock")
    await refused(job.planner.post(path, json={**body, "tracking": ""}), "shipment.incomplete")
    await refused(job.buyer.post(path, json=body), "actor.role")
    await refused(job.outsider.get(f"{API}/sourcing/calls/{job.call}/replacements"), "call.not_found")
    assert await snapshot(job) == before


async def test_stock_in_worse_condition_is_no_equal_unit(job: Job) -> None:
    await drawn(job)
    await job.world.owner.execute(
        "UPDATE \"position\" SET condition = 'used' WHERE part_id = $1 AND owner_id = $2",
        job.world.part,
        job.world.maker.id,
    )
    assert await ok(job.planner.get(f"{API}/sourcing/calls/{job.call}/equal-stock")) == []
    before = await snapshot(job)
    body = {"quantity": 1, "site_id": str(job.world.maker.site), "condition": "used", **CARRIER}
    said = await refused(
        job.planner.post(f"{API}/sourcing/calls/{job.call}/replacements", json=body), "replacement.stock"
    )
    assert "new or better" in said["detail"]
    assert await snapshot(job) == before


async def test_serial_numbered_units_are_named(job: Job) -> None:
    await drawn(job, 2, serial=True)
    (place,) = await ok(job.planner.get(f"{API}/sourcing/calls/{job.call}/equal-stock"))
    assert (place["free"], len(place["serials"])) == (4, 4)
    chosen = sorted(place["serials"])[:2]
    (drawn_one, *_) = [
        r[0]
        for r in await job.world.owner.fetch(
            "SELECT l.serial FROM call_unit u JOIN lot l ON l.lot_id = u.shipped_lot_id WHERE u.call_id = $1",
            UUID(job.call),
        )
    ]
    path = f"{API}/sourcing/calls/{job.call}/replacements"
    body = {"quantity": 2, "site_id": str(job.world.maker.site), "condition": "new", **CARRIER}
    before = await snapshot(job)
    for wrong in ([], chosen[:1], [*chosen, sorted(place["serials"])[2]], [chosen[0], "NONE"], [chosen[0], drawn_one]):
        await refused(job.planner.post(path, json={**body, "serials": wrong}), "replacement.which")
    assert await snapshot(job) == before
    replacement = await send(job, 2, serials=chosen)
    path = f"{API}/sourcing/replacements/{replacement}/receive"
    before = await snapshot(job)
    await refused(job.buyer.post(path, json={"good": 1, "note": "dented"}), "replacement.count_which")
    assert await snapshot(job) == before
    await ok(job.buyer.post(path, json={"good": 1, "note": "dented", "units": {"refused": [chosen[0]]}}))
    owners = {
        r["serial"]: r["owner_id"]
        for r in await job.world.owner.fetch(
            'SELECT l.serial, p.owner_id FROM lot l JOIN "position" p ON p.lot_id = l.lot_id AND p.quantity > 0 '
            "WHERE l.serial = ANY($1)",
            chosen,
        )
    }
    assert owners == {chosen[0]: job.world.maker.id, chosen[1]: job.world.buyer.id}


async def test_fitting_says_when_units_have_gone(job: Job) -> None:
    await drawn(job, 2)
    await job.world.owner.execute(
        'UPDATE "position" SET held = 1 WHERE lot_id IN (SELECT shipped_lot_id FROM call_unit WHERE call_id = $1) '
        "AND quantity > 0 AND owner_id = $2", UUID(job.call), job.world.maker.id,
    )  # fmt: skip
    finish = f"{API}/sourcing/requests/{job.requisition}/finish"
    before = await snapshot(job)
    said = await refused(job.technician.post(finish, json={"outcome": "fitted"}), "requisition.gone")
    assert "Of 2 received 1 can be fitted" in said["detail"]
    assert await snapshot(job) == before
    await job.world.owner.execute('UPDATE "position" SET held = 0 WHERE part_id = $1', job.world.part)
    await ok(job.technician.post(finish, json={"outcome": "received"}))
    # Kept in stock: now they are as good as any other.
    (place,) = await ok(job.planner.get(f"{API}/sourcing/calls/{job.call}/equal-stock"))
    assert place["free"] == 6


async def test_receipt_and_clock_at_once_agree(job: Job, worker_db: Database) -> None:
    """Whoever comes first: of two drawn units each is replaced or bought, and money says the same."""
    await drawn(job)
    replacement = await send(job, 1)
    await ends(job, "replace_by", days_ago=0.001)
    now = datetime.now(UTC)
    await asyncio.gather(
        ok(job.buyer.post(f"{API}/sourcing/replacements/{replacement}/receive", json={"good": 1})),
        *(buys(job, worker_db, now) for _ in range(3)),
    )
    call = await call_now(job)
    assert (call["replaced"], call["bought"], call["to_replace"], call["replacing"]) == (1, 1, 0, 0)
    lines = await owed(job)
    assert lines["draw_purchase"][0] - lines.get("draw_undone", (0,))[0] == 1


async def test_the_same_unit_is_not_sent_twice_at_once(job: Job) -> None:
    await drawn(job, 1)
    path = f"{API}/sourcing/calls/{job.call}/replacements"
    body = {"quantity": 1, "site_id": str(job.world.maker.site), "condition": "new", **CARRIER}
    answers = await asyncio.gather(*(job.planner.post(path, json=body) for _ in range(4)))
    assert sorted(a.status_code for a in answers) == [200, 422, 422, 422]
    assert (await call_now(job))["replacing"] == 1
    assert await job.world.owner.fetchval("SELECT count(*) FROM replacement WHERE call_id = $1", UUID(job.call)) == 1


# -- inspection ------------------------------------------------------------------------------------------


async def received(job: Job, quantity: int = 2, preset: str = "standard-buy-back") -> None:
    await job.sold(6, preset=preset)
    await job.called(quantity)
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/ship", json=CARRIER))
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/receive"))


async def test_what_is_not_rejected_in_time_is_accepted(job: Job, worker_db: Database) -> None:
    await received(job)
    call = await call_now(job)
    zone = await job.world.owner.fetchval("SELECT zone FROM agreement WHERE id = $1", UUID(job.agreement))
    ends_at = datetime.fromisoformat(call["inspect_by"])
    assert ends_at == end_of_day(local_day(datetime.now(UTC), zone) + timedelta(days=10), zone)
    assert await accepts(job, worker_db, ends_at - timedelta(microseconds=1)) == 0
    late = ends_at + timedelta(days=40)
    assert sum(await asyncio.gather(*(accepts(job, worker_db, late) for _ in range(3)))) == 1
    call = await call_now(job)
    assert (call["status"], call["inspected_good"]) == ("priced", 2)
    row = await job.world.owner.fetchrow(
        "SELECT kind, quantity, due_on FROM settlement_line WHERE cause_id = $1", UUID(job.call)
    )
    # Payment runs from the end of the inspection, not from when the clock was looked at.
    assert tuple(row) == ("call_price", 2, local_day(ends_at, zone) + timedelta(days=30))
    assert (await stands(job))["maker/maker"] == 6
    kinds = await job.world.owner.fetch("SELECT kind FROM call_event WHERE call_id = $1 ORDER BY id", UUID(job.call))
    assert [r[0] for r in kinds][-1] == "silent_inspected"


async def test_rejecting_after_the_time_for_it_is_refused(job: Job) -> None:
    await received(job)
    await ends(job, "inspect_by", days_ago=3)
    before = await snapshot(job)
    said = await refused(
        job.technician.post(f"{API}/sourcing/calls/{job.call}/inspect", json={"good": 1, "note": "cracked"}),
        "call.inspect_late",
    )
    assert "Accept all 2" in said["detail"]
    assert await snapshot(job) == before
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/inspect", json={"good": 2}))
    assert (await call_now(job))["status"] == "priced"


async def test_a_worker_that_was_away_accepts_and_then_buys(job: Job, worker_db: Database) -> None:
    await received(job, preset="wide-access")
    late = datetime.now(UTC) + timedelta(days=200)
    done = await tick(worker_db, late)
    assert done["inspections_lapsed"] >= 1
    assert done["draws_bought"] >= 2
    assert (
        await tasks.accept_uninspected(worker_db, CLOCK, late),
        await tasks.buy_unreplaced(worker_db, CLOCK, late),
    ) == (0, 0)
    call = await call_now(job)
    assert (call["status"], call["inspected_good"], call["bought"]) == ("priced", 2, 2)
    assert await owed(job) == {"draw_fee": (2, FEE * 2, "maker"), "draw_purchase": (2, PRICE * 2, "maker")}


async def test_of_a_partly_rejected_draw_only_the_accepted_are_replaced(job: Job) -> None:
    await received(job, preset="wide-access")
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/inspect", json={"good": 1, "note": "cracked"}))
    call = await call_now(job)
    assert (call["status"], call["to_replace"]) == ("disputed", 1)
    assert await owed(job) == {"draw_fee": (1, FEE, "maker")}
    replacement = await send(job, 1)
    await ok(job.buyer.post(f"{API}/sourcing/replacements/{replacement}/receive", json={"good": 1}))
    call = await call_now(job)
    assert (call["status"], call["to_replace"], call["replaced"]) == ("disputed", 0, 1)


async def test_a_quality_hold_stops_use_and_neither_acceptance_nor_the_clock(job: Job, worker_db: Database) -> None:
    """A maker's hold on what it received does not put off what it owes; and what fails for one order is no other's."""
    await received(job)
    await ok(job.planner.post(f"{API}/holdings/freeze", json={"part_id": str(job.world.part), "reason": "crack"}), 201)
    assert await job.world.owner.fetchval("SELECT bool_or(frozen) FROM lot WHERE part_id = $1", job.world.part)
    await ends(job, "inspect_by", days_ago=3)
    assert await accepts(job, worker_db, datetime.now(UTC))
    call = await call_now(job)
    assert (call["status"], call["inspected_good"]) == ("priced", 2)


async def test_a_replacement_on_quality_hold_is_received_and_stays_on_hold(job: Job) -> None:
    await drawn(job)
    replacement = await send(job, 1)
    await ok(job.planner.post(f"{API}/holdings/freeze", json={"part_id": str(job.world.part), "reason": "crack"}), 201)
    await ok(job.buyer.post(f"{API}/sourcing/replacements/{replacement}/receive", json={"good": 1}))
    assert (await call_now(job))["replaced"] == 1
    lot = await job.world.owner.fetchrow(
        "SELECT l.frozen, p.owner_id FROM replacement_unit u JOIN lot l ON l.lot_id = u.lot_id "
        'JOIN "position" p ON p.lot_id = l.lot_id AND p.quantity > 0 WHERE u.replacement_id = $1', UUID(replacement),
    )  # fmt: skip
    assert tuple(lot) == (True, job.world.buyer.id)


async def test_what_cannot_be_done_for_one_order_holds_up_no_other(
    job: Job, worker_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await received(job)
    first = job.call
    await job.called(1)
    for step, body in (("accept", {}), ("ship", CARRIER)):
        await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/{step}", json=body))
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/receive"))
    await ends(job, "inspect_by", days_ago=3)
    second, job.call = job.call, first
    await ends(job, "inspect_by", days_ago=4)
    real = service.accept_uninspected

    async def poisoned(session: Any, actor: UUID, call_id: UUID, now: datetime) -> bool:
        if call_id == UUID(first):
            raise conflict("ledger.frozen", "Not now.")
        return await real(session, actor, call_id, now)

    monkeypatch.setattr(service, "accept_uninspected", poisoned)
    await tick(worker_db, datetime.now(UTC))
    status = "SELECT status FROM call WHERE id = $1"
    assert await job.world.owner.fetchval(status, UUID(first)) == "received"
    assert await job.world.owner.fetchval(status, UUID(second)) == "priced"


async def test_a_step_of_the_clock_that_fails_stops_no_other(
    job: Job, worker_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await drawn(job)
    await ends(job, "replace_by")

    async def broken(*_: Any) -> int:
        raise RuntimeError("a defect")

    monkeypatch.setattr(tasks, "accept_uninspected", broken)
    with pytest.raises(ExceptionGroup, match="the others were done"):
        await tick(worker_db, datetime.now(UTC))
    assert (await call_now(job))["bought"] == 2


async def test_cancelling_what_waited_for_approval_opens_the_request_again(job: Job) -> None:
    await job.sold(6)
    await job.world.owner.execute(
        "UPDATE user_account SET order_limit_amount = 10 WHERE id = $1", job.world.maker.users["technician"]
    )
    await job.called(2)
    request = f"{API}/sourcing/requests/{job.requisition}"
    assert (await ok(job.technician.get(request)))["status"] == "awaiting_approval"
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/cancel"))
    assert (await ok(job.technician.get(request)))["status"] == "open"
    await refused(job.planner.post(f"{request}/approve"), "requisition.state")
