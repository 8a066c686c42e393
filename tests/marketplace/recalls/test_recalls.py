"""A maker stops a part, a batch or serial numbers at every holder; each says what it found; lifting says what becomes of them."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from marketplace.db.session import Database
from marketplace.holdings.service import AtSite, ExactLine, Selection, freeze, install, lift, use_up
from marketplace.kit.errors import DomainError
from marketplace.ledger.entries import Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import CHECKS, verify
from marketplace.obligations import queries as obligations
from marketplace.obligations.kinds import ObligationKind
from marketplace.obligations.queries.lists import ObligationFilter
from marketplace.recalls import queries, service, tasks
from marketplace.recalls.scope import Answer, Scope, check_answer, progress, scope_of
from marketplace.worker import tick
from tests.agreed import agreed, clock, delivered, person, under
from tests.importing import Importing
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import Party, World, make_company

TABLES = ("recall", "recall_lot", "recall_holder", "recall_answer", "recall_lift", "recall_lift_lot")


async def put(world: World, scope: Scope | None = None, *, kind: str = "recall", **more: Any) -> service.InForce:
    async with world.db.write(world.maker.tenant) as session:
        return await service.put_in_force(
            session, person(world.maker), part_id=world.part, scope=scope or Scope(), kind=kind, reason="Weld seam.",
            instruction="Set aside.", document="CAPA-1", answer_by=clock() + timedelta(days=9), now=clock(), **more,
        )  # fmt: skip


async def ended(world: World, recall: UUID, scope: Scope | None = None, how: str = "released") -> int:
    async with world.db.write(world.maker.tenant) as session:
        return await service.lift(
            session, person(world.maker), recall, scope or Scope(), disposition=how, reason="Tested.", now=clock()
        )


async def uses(world: World, party: Party, serial: str) -> None:
    async with world.db.write(party.tenant) as session:
        await use_up(session, person(party), AtSite(world.part, party.site, serial=serial), 1, now=clock())


async def uses_line(world: World, party: Party, lot: UUID, position: int) -> None:
    async with world.db.write(party.tenant) as session:
        await use_up(session, person(party), ExactLine(lot, position), 1, now=clock())


async def frozen(world: World, *lots: UUID) -> list[bool]:
    return [await world.owner.fetchval("SELECT frozen FROM lot WHERE lot_id = $1", lot) for lot in lots]


async def recall_rows(world: World) -> list[tuple[object, ...]]:
    return [tuple(r) for t in TABLES for r in await world.owner.fetch(f"SELECT * FROM {t} ORDER BY 1, 2")]


def test_scopes_and_answers_are_checked() -> None:
    assert scope_of(" B ", None, None, [" a1 ", "A1"]) == Scope("B", None, None, ("A1",))
    assert scope_of(None, "a9", "A10", None).serial_to == "A10"
    assert Scope(serial_from="A9", serial_to="A10").words == "serial numbers A9 to A10"
    for bad in (
        (None, "A10", "A9", None),
        (None, "A", None, ["B"]),
        (None, None, None, [f"S{n}" for n in range(10_001)]),
        # What came out empty is not everything.
        (None, None, None, []), (None, None, None, ["", " "]), (" ", None, None, None), (None, "", None, None), (None, None, " ", None),
    ):  # fmt: skip
        with pytest.raises(DomainError, match=r"recall\.scope"):
            scope_of(*bad)
    today = date(2026, 11, 30)
    check_answer(Answer(3, 2, 1, today, 2), 5, today)
    for wrong, field in (
        (Answer(1, 2, 0, None, 4), "set_aside"), (Answer(3, 3, 1, today, 0), "not_here"), (Answer(3, 3, 2, None, 0), "used_on"),
        (Answer(3, 3, 2, today + timedelta(days=1), 0), "used_on"),
    ):  # fmt: skip
        with pytest.raises(DomainError) as said:
            check_answer(wrong, 5, today)
        assert said.value.fields[0].field == field
    now = datetime.now(UTC)
    how = {"answered_at": None, "read_at": None, "answer_by": now + timedelta(days=1), "asked": 2, "now": now}
    assert progress(**how) == "waiting"
    assert progress(**{**how, "asked": 0}) == "nothing_here"
    assert progress(**{**how, "read_at": now}) == "read"
    assert progress(**{**how, "read_at": now, "answer_by": now}) == "overdue"
    assert progress(**{**how, "answered_at": now, "answer_by": now}) == "answered"


async def test_it_reaches_every_holder_also_those_the_maker_cannot_see(world: World) -> None:
    """Under an agreement, in a machine, at home, and at a company with which the maker has nothing to do."""
    agreement = await agreed(world)
    # Capitals or not: a serial number is typed by many hands.
    lots = {s: await delivered(world, agreement, 1, serial=s) for s in ("A8", "A9", "a10", "A11")}
    home = await world.register(world.maker, serial="A12")
    foreign = await world.register(world.other, serial="A13")
    own = AtSite(world.part, world.buyer.site, serial="A11")
    async with world.db.write(world.buyer.tenant) as session:
        await install(session, person(world.buyer), own, 1, "EX-200 no 7", now=clock())
    scope = scope_of(None, "A9", "A99", None)
    async with world.db.write(world.maker.tenant) as session:
        seen = await service.look_ahead(session, person(world.maker), world.part, scope)
    made = await put(world, scope)
    assert (made.holders, made.reach) == seen
    assert (made.holders, made.reach.units, made.reach.installed, made.reach.lots) == (3, 4, 1, 5)
    assert made.reach.sites == 3
    # Shorter serial numbers come first: A8 is before A9, and A10 after it.
    assert await frozen(world, *lots.values(), home, foreign) == [False, True, True, True, True, True]


async def test_only_its_maker_and_only_with_words(world: World) -> None:
    lot = await world.register(world.buyer, serial="A1")
    before = (await recall_rows(world), await world.snapshot(lot))
    for party, more, code in (
        (world.buyer, {}, "recall.not_maker"), (world.maker, {"reason": " "}, "recall.words"),
        (world.maker, {"instruction": "x" * 1_001}, "recall.words"), (world.maker, {"answer_by": clock()}, "recall.answer_by"),
    ):  # fmt: skip
        given = {
            "part_id": world.part, "scope": Scope(), "kind": "recall", "reason": "r", "instruction": "i", "document": "",
            "answer_by": clock() + timedelta(days=1), **more,
        }  # fmt: skip
        with pytest.raises(DomainError) as said:
            async with world.db.write(party.tenant) as session:
                await service.put_in_force(session, person(party), **given, now=clock())
        assert said.value.code == code
    assert (await recall_rows(world), await world.snapshot(lot)) == before


async def test_stopped_units_go_nowhere_and_the_refusal_says_by_what(world: World) -> None:
    agreement = await agreed(world)
    lot = await delivered(world, agreement, 1, serial="A1")
    other = await delivered(world, agreement, 1, serial="B1")
    made = await put(world, Scope(serials=("A1",)))
    before = await world.snapshot(lot)
    for act in (
        lambda: uses(world, world.buyer, "A1"),
        lambda: world.run(world.buyer, Step(Kind.HOLD, lot, 1, 1)),
        lambda: world.run(world.buyer, Step(Kind.SCRAP, lot, 1, 1)),
    ):
        with pytest.raises(DomainError) as said:
            await act()
        assert (said.value.code, said.value.extra["hold"]) == ("ledger.frozen", made.reference)
        assert f"Recall {made.reference} of {world.maker.name}" in said.value.message
        assert "Set aside." in said.value.message
    with pytest.raises(DomainError) as by_hand:
        async with world.db.write(world.maker.tenant) as session:
            await lift(session, person(world.maker), Selection(lot_ids=(lot,)), now=clock())
    assert by_hand.value.code == "holding.under_recall"
    assert await world.snapshot(lot) == before
    # Moving it aside is what it is for.
    await world.run(world.buyer, Step(Kind.MOVE, lot, 1, 1, to=under(world, agreement, site=world.buyer.sites[1])))
    # With all of the agreement's units stopped its clause says no first: the hold is named all the same.
    await put(world, Scope(serials=("B1",)))
    before = await world.snapshot(other)
    with pytest.raises(DomainError) as said:
        await uses_line(world, world.buyer, other, 1)
    assert (said.value.code, "Set aside." in said.value.message) == ("ledger.frozen", True)
    assert await world.snapshot(other) == before


async def test_what_comes_later_is_stopped_too_and_its_holder_asked(world: World, worker_db: Database) -> None:
    """Registered later, out of a machine, and received by a company that had none: each comes under the hold."""
    on_road = await world.register(world.maker, serial="A1")
    place = world.place(world.maker)
    await world.run(world.maker, Step(Kind.SHIP, on_road, 1, 1, to=replace(place, site=None)))
    fitted = await world.register(world.buyer, serial="A2")
    await world.run(world.buyer, Step(Kind.INSTALL, fitted, 1, 1, machine="EX"))
    made = await put(world, scope_of(None, "A1", "A9", None))
    assert (made.reach.under_way, made.reach.installed) == (1, 1)
    later = await world.register(world.other, serial="A3")
    beyond = await world.register(world.other, serial="B3")
    await world.run(world.buyer, Step(Kind.REMOVE, fitted, 1, to=world.place(world.buyer)))
    there = replace(place, holder=world.other.id, site=world.other.site)
    await world.run(world.maker, Step(Kind.RECEIVE, on_road, 1, 2, to=there))
    assert await frozen(world, on_road, fitted, later, beyond) == [True, True, True, False]
    rows = await world.owner.fetch("SELECT holder_id FROM recall_holder WHERE recall_id = $1", made.id)
    assert {r["holder_id"] for r in rows} == {world.maker.id, world.buyer.id, world.other.id}
    with pytest.raises(DomainError) as said:
        await uses(world, world.other, "A3")
    assert said.value.code == "ledger.frozen"
    # Each is told once, by mail and event, however often the clock looks.
    now = clock()
    assert await tasks.tell(worker_db, now) >= 3
    assert await tasks.tell(worker_db, now) == 0
    told = await world.owner.fetch(
        "SELECT company_ids, payload -> 'mail' ->> 'link' AS link FROM outbox_event WHERE name = 'recall.told' "
        "AND payload ->> 'recall_id' = $1", str(made.id),
    )  # fmt: skip
    assert sorted(r["company_ids"][0] for r in told) == sorted((world.maker.id, world.buyer.id, world.other.id))
    assert {r["link"] for r in told} == {f"/recalls/{made.id}"}
    # What was let go stays free when it comes on record only then.
    await ended(world, made.id, Scope(serials=("A3",)))
    assert await frozen(world, await world.register(world.other, serial="A4"), later) == [True, False]
    assert await frozen(world, await world.register(world.buyer, serial="a3")) == [False]
    for check in CHECKS:
        async with worker_db.read() as session:
            assert not [m for m in await verify(session, check) if m.lot_id in {on_road, fitted, later}]


async def test_what_lands_with_a_file_is_stopped_too(world: World, tmp_path: Path) -> None:
    number = await world.owner.fetchval("SELECT number FROM part WHERE id = $1", world.part)
    await put(world, Scope(serials=("A1",)))
    files = Importing(world, world.db, tmp_path)
    job = await files.landed(f"Part number,Qty,Serial\n{number},1,A1\n{number},1,B1\n")
    assert job.lots_new == 2, job
    rows = await world.owner.fetch("SELECT serial, frozen FROM lot WHERE part_id = $1 ORDER BY serial", world.part)
    assert [tuple(r) for r in rows] == [("A1", True), ("B1", False)]


async def test_each_says_what_it_found_and_sees_itself_alone(world: World, worker_db: Database) -> None:
    agreement = await agreed(world)
    await delivered(world, agreement, 6)
    await world.register(world.other, 4)
    made = await put(world)
    async with world.db.write(world.buyer.tenant) as session:
        await service.note_read(session, person(world.buyer), made.id, clock())
        await service.note_read(session, person(world.buyer), made.id, clock())
    async with world.db.read(world.buyer.tenant) as session:
        (mine,) = await queries.holders(session, person(world.buyer), made.id, secret="s")
        row = await queries.recall(session, person(world.buyer), made.id, clock())
        (due,) = [
            o for o in (await obligations.obligations(session, person(world.buyer), ObligationFilter(), clock(), secret="s")).items
            if o.kind is ObligationKind.ANSWER_RECALL
        ]  # fmt: skip
    assert (mine.reach.asked, row.holders, row.waits, due.mine, due.path) == (6, 1, True, True, f"/recalls/{made.id}")
    before = await recall_rows(world)
    for party, given, code in (
        (world.buyer, Answer(5, 5, 0, None, 0), "recall.answer"),
        (await _stranger(world), Answer(0, 0, 0, None, 0), "recall.not_found"),
    ):
        with pytest.raises(DomainError) as said:
            async with world.db.write(party.tenant) as session:
                await service.answer(session, person(party), made.id, given, now=clock())
        assert said.value.code == code
    assert await recall_rows(world) == before
    async with world.db.write(world.buyer.tenant) as session:
        await service.answer(session, person(world.buyer), made.id, Answer(5, 4, 0, None, 1), now=clock())
    async with world.db.read(world.maker.tenant) as session:
        rows = {h.holder: h for h in await queries.holders(session, person(world.maker), made.id, secret="s")}
        late = clock() + timedelta(days=10)
        assert rows[world.buyer.name].progress(late) == "answered"
        # With whom the maker has nothing to do names itself by answering, and not before.
        assert rows["A partner in US"].progress(late) == "overdue"
    async with worker_db.read() as session:
        told = await obligations.to_remind(session, late, limit=5_000)
    reminded = {(o.company_id, o.row.owes_id, o.step.value) for o in told if o.row.record_id == made.id}
    assert (world.other.id, world.other.id, "overdue") in reminded
    assert (world.maker.id, world.other.id, "overdue") not in reminded
    async with world.db.read(world.maker.tenant) as session:
        assert (await queries.recall(session, person(world.maker), made.id, late)).overdue == 1
    async with world.db.write(world.other.tenant) as session:
        await service.answer(session, person(world.other), made.id, Answer(4, 4, 0, None, 0), now=clock())
        assert await queries.waiting(session, world.other.id) == 0
    async with world.db.read(world.maker.tenant) as session:
        assert world.other.name in {
            h.holder for h in await queries.holders(session, person(world.maker), made.id, secret="s")
        }


async def test_what_is_told_of_counts_and_places_is_all_of_it(world: World) -> None:
    """A lot that lies in several places is collected from each of them; and nobody's number breaks the others' page."""
    agreement = await agreed(world)
    await delivered(world, agreement, 1)
    for party in (world.other, world.maker):
        await world.register(party, 1)
    lot = await world.register(world.buyer, 6)
    await world.run(world.buyer, Step(Kind.MOVE, lot, 2, 1, to=world.place(world.buyer, site=world.buyer.sites[1])))
    made = await put(world)
    async with world.db.read(world.buyer.tenant) as session:
        rows = await queries.units(session, person(world.buyer), made.id)
        assert sorted(r.quantity for r in rows if r.lot_id == lot) == [2, 4]
        assert len({r.site for r in rows if r.lot_id == lot}) == 2
        paged, mark = [], None
        while found := await queries.units(session, person(world.buyer), made.id, after=mark, limit=1):
            paged += found
            mark = (found[0].lot_id, found[0].place)
        assert paged == list(rows)
    for party in (world.buyer, world.other, world.maker):
        async with world.db.write(party.tenant) as session:
            await service.answer(session, person(party), made.id, Answer(10**9, 0, 0, None, 0), now=clock())
    async with world.db.read(world.maker.tenant) as session:
        assert (await queries.answers_in_sum(session, made.id)).found == 3 * 10**9


async def _stranger(world: World) -> Party:
    return await make_company(world.owner, f"ST{world.tag}", manufacturer=False)


async def test_lifting_frees_what_nothing_else_stops(world: World, worker_db: Database) -> None:
    lots = {s: await world.register(world.buyer, serial=s) for s in ("A1", "A2", "A3", "A4")}
    async with world.db.write(world.buyer.tenant) as session:
        await freeze(session, person(world.buyer), Selection(lot_ids=(lots["A4"],)), "our own doubt", now=clock())
    first = await put(world, scope_of(None, "A1", "A4", None))
    second = await put(world, Scope(serials=("A2",)), kind="quality_hold")
    assert await ended(world, first.id, Scope(serials=("A1", "A2"))) == 2
    assert await frozen(world, *lots.values()) == [False, True, True, True]
    before = (await recall_rows(world), await world.snapshot(*lots.values()))
    with pytest.raises(DomainError, match=r"recall\.nothing"):
        await ended(world, first.id, Scope(serials=("A1",)))
    with pytest.raises(DomainError, match=r"recall\.not_yours"):
        async with world.db.write(world.buyer.tenant) as session:
            await service.lift(
                session, person(world.buyer), first.id, Scope(), disposition="released", reason="x", now=clock()
            )
    assert (await recall_rows(world), await world.snapshot(*lots.values())) == before
    assert await ended(world, first.id, how="returned") == 2
    # Its owner's own hold stays; so does the second of the maker.
    assert await frozen(world, *lots.values()) == [False, True, False, True]
    assert await ended(world, second.id) == 1
    assert await frozen(world, lots["A2"]) == [False]
    with pytest.raises(DomainError, match=r"recall\.lifted"):
        await ended(world, first.id)
    again = await world.register(world.buyer, serial="A0")
    assert await frozen(world, again) == [False]
    await tasks.tell(worker_db, clock())
    told = await world.owner.fetch(
        "SELECT payload -> 'mail' ->> 'text' AS text FROM outbox_event WHERE name = 'recall.ended' AND $1 = ANY (company_ids) "
        "ORDER BY id", world.buyer.id,
    )  # fmt: skip
    assert len(told) == 3
    assert any("Sent back to the manufacturer" in r["text"] for r in told)


async def test_a_shipment_and_a_hold_race_and_one_wins(world: World) -> None:
    """Round after round: the unit has left before the hold, or it never leaves; what is registered meanwhile is stopped."""
    for number in range(12):
        batch = [await world.register(world.maker, serial=f"R{number}-{n}") for n in range(4)]
        scope = Scope(serials=tuple(f"R{number}-{n}" for n in range(5)))
        place = world.place(world.maker)

        async def ship(lot: UUID, place: Any = place) -> str:
            try:
                await world.run(world.maker, Step(Kind.SHIP, lot, 1, 1, to=replace(place, site=None)))
            except DomainError as refusal:
                return refusal.code
            return "shipped"

        made, late, *done = await asyncio.gather(
            put(world, scope), world.register(world.buyer, serial=f"R{number}-4"), *(ship(lot) for lot in batch)
        )
        assert set(done) <= {"shipped", "ledger.frozen"}
        assert await frozen(world, *batch, late) == [True] * 5
        for lot, outcome in zip(batch, done, strict=True):
            kinds = [
                r["kind"]
                for r in await world.owner.fetch("SELECT kind FROM movement WHERE lot_id = $1 ORDER BY seq", lot)
            ]
            assert kinds == ["register", *(["ship"] if outcome == "shipped" else []), "freeze"]
            assert await ship(lot) in {"ledger.frozen", "ledger.not_enough", "ledger.in_transit"}
        assert made.holders >= 1


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(world, stack)


async def test_no_clock_runs_for_what_cannot_be_shipped(job: Job, worker_db: Database) -> None:
    """An order back whose units are stopped: not late, not in default; its dates move by the time it was stopped."""
    await job.sold(4)
    await job.called(1)
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
    dates = "SELECT ship_by, default_from FROM call WHERE id = $1::uuid"
    first = await job.world.owner.fetchrow(dates, job.call)
    body = {
        "part_id": str(job.world.part), "kind": "recall", "reason": "Seam.", "instruction": "Wait.",
        "answer_by": (datetime.now(UTC) + timedelta(days=9)).isoformat(),
    }  # fmt: skip
    seen = await ok(job.planner.post(f"{API}/recalls/preview", json={"part_id": str(job.world.part)}))
    assert (seen["reach"]["reserved"], seen["holders"]) == (1, 2)
    made = await ok(job.planner.post(f"{API}/recalls", json=body), 201)
    said = await refused(
        job.buyer.post(f"{API}/sourcing/calls/{job.call}/ship", json={"carrier": "UPS", "tracking": "1Z"}),
        "ledger.frozen",
    )
    assert made["reference"] in said["detail"]
    for c in await job.candidates():
        assert c["callable"] == 0
        assert any("quality hold" in b["words"] for b in c["blocked"])
    await tick(worker_db, datetime.now(UTC) + timedelta(days=400))
    assert await job.world.owner.fetchval("SELECT status FROM call WHERE id = $1::uuid", job.call) == "accepted"
    # As if it had stood for three days. What was before it moves along: the ledger's order is one of its checks, for every test.
    await job.world.owner.execute(
        "UPDATE movement SET occurred_at = occurred_at - interval '3 days', recorded_at = recorded_at - interval '3 days' "
        "WHERE lot_id IN (SELECT lot_id FROM movement WHERE kind = 'freeze' AND cause_id = $1::uuid)", made["id"],
    )  # fmt: skip
    await job.world.owner.execute(
        "UPDATE call SET noticed_at = noticed_at - interval '4 days' WHERE id = $1::uuid", job.call
    )
    done = await ok(
        job.planner.post(f"{API}/recalls/{made['id']}/lift", json={"disposition": "released", "reason": "Sound."})
    )
    assert (done["stands"], done["standing"], done["lifts"][0]["lots"]) == (False, 0, made["lots"])
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/ship", json={"carrier": "UPS", "tracking": "1Z"}))
    moved = await job.world.owner.fetchrow(dates, job.call)
    assert timedelta(days=2, hours=23) <= moved["ship_by"] - first["ship_by"] <= timedelta(days=4)


async def test_over_http_with_files(job: Job) -> None:
    await job.sold(4)
    body = {
        "part_id": str(job.world.part), "kind": "quality_hold", "reason": "Seam.", "instruction": "Wait.",
        "answer_by": (datetime.now(UTC) + timedelta(days=9)).isoformat(),
    }  # fmt: skip
    key = {"Idempotency-Key": str(uuid4())}
    made = await ok(job.planner.post(f"{API}/recalls", json=body, headers=key), 201)
    assert await ok(job.planner.post(f"{API}/recalls", json=body, headers=key), 201) == made
    at = f"{API}/recalls/{made['id']}"
    await refused(job.outsider.get(at), "recall.not_found")
    await refused(job.technician.post(f"{at}/lift", json={"disposition": "released", "reason": "x"}), "actor.role")
    before = await recall_rows(job.world)
    for narrowed in ({"serials": []}, {"serials": [" "]}, {"batch": ""}):
        end = {"disposition": "released", "reason": "x", **narrowed}
        await refused(job.planner.post(f"{at}/lift", json=end), "recall.scope")
        await refused(job.planner.post(f"{API}/recalls", json={**body, **narrowed}), "recall.scope")
    assert await recall_rows(job.world) == before
    given = {"found": 4, "set_aside": 4}
    said = await ok(job.buyer.post(f"{at}/answers", json=given), 201)
    assert (said["own"]["progress"], said["own"]["answer"]["found"], said["mine"]) == ("answered", 4, False)
    rows = (await ok(job.planner.get(f"{at}/holders")))["items"]
    # Page by page each comes once, and a bookmark, which anybody can read, does not name who the holder is.
    first = await ok(job.planner.get(f"{at}/holders?limit=1"))
    rest = await ok(job.planner.get(f"{at}/holders", params={"limit": 1, "after": first["next"]}))
    assert [*first["items"], *rest["items"]] == rows
    mark = urlsafe_b64decode(first["next"] + "==").decode(errors="replace")
    assert not any(str(c) in mark for c in (job.world.buyer.id, job.world.maker.id))
    assert {r["holder"]: r["progress"] for r in rows} == {
        job.world.buyer.name: "answered",
        job.world.maker.name: "waiting",
    }
    listed = (await ok(job.buyer.get(f"{API}/recalls?waits=false")))["items"]
    assert [r["id"] for r in listed] == [made["id"]]
    for name, words in (
        (f"{API}/recalls.csv", made["reference"]),
        (f"{at}/holders.csv", job.world.buyer.name),
        (f"{at}/units.csv", "3"),
    ):
        file = await job.planner.get(name)
        assert file.status_code == 200
        assert words in file.text
    assert job.world.maker.name not in (await job.buyer.get(f"{at}/holders.csv")).text
