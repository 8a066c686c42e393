"""A holder refuses an order, or a part of it, for the reasons that its clause names (section 5.2), and for no other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import pytest

from marketplace.agreements.combinations import BUY_BACK
from marketplace.agreements.terms import Terms
from marketplace.resales.queries import Shelf, shelves
from marketplace.sourcing.refusals import REFUSALS, WITHDRAWING, grounds
from tests import second as library
from tests.agreed import agreed, agreed_on, delivered, rows_of
from tests.marketplace.agreements.builders import terms
from tests.marketplace.agreements.second import second
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

owner, db, worker_db = library.FIXTURES
TABLES = ("call", "call_event", "call_unit", "movement", "open_hold", "withdrawal", "requisition", "agreement")


@pytest.fixture(params=[1, 2])
async def job(world: World, request: pytest.FixtureRequest) -> AsyncIterator[Job]:
    """Ten units under buy-back of either library, six of them ordered back."""
    async with AsyncExitStack() as stack:
        made = await Job.begin(world, stack)
        second_one = request.param == 2
        one = await (agreed_on(world, [("buy-back", 2, BUY_BACK)]) if second_one else agreed(world))
        await delivered(world, one, 10)
        made.agreement = str(one)
        await made.called(6)
        yield made


@pytest.mark.parametrize(
    ("clauses", "kind", "unasked", "in_place", "section"),
    [
        ([terms()], "buy_back", False, False, "buy-back version 1, section 5.2"),
        ([terms("standard-access")], "access_draw", False, False, "access-back version 1, section 5.2"),
        ([second("access-back")], "access_draw", False, False, "access-back version 2, section 5.2"),
        ([second("buy-back")], "put", False, False, "buy-back version 2, section 2.5"),
        ([second("buy-back")], "buy_back", True, True, "buy-back version 2, section 9.6"),
        ([second("first-refusal")], "buy_back", True, False, "first-refusal version 1, section 4.4"),
        (
            [second("buy-back"), second("first-refusal")],
            "buy_back",
            True,
            False,
            "first-refusal version 1, section 4.4",
        ),
        ([second("buy-back"), second("first-refusal")], "buy_back", False, False, "buy-back version 2, section 5.2"),
        ([second("title-kept"), second("first-refusal")], "buy_back", True, False, "title-kept version 1, section 4.1"),
    ],
)
def test_every_clause_names_its_section(
    clauses: list[Terms], kind: str, unasked: bool, in_place: bool, section: str
) -> None:
    found = grounds(clauses, kind=kind, unasked=unasked, in_place=in_place)
    assert section in found.words
    assert set(found.codes) == WITHDRAWING
    assert found.answered == section.endswith("5.2")


def test_of_units_under_no_agreement_anything_can_be_said() -> None:
    found = grounds([], kind="own_stock", unasked=False, in_place=False)
    assert (set(found.codes), found.words) == (set(REFUSALS), "")


async def _unchanged(job: Job, path: str, body: dict[str, Any], code: str) -> str:
    before = await rows_of(job.world, *TABLES)
    said = await refused(job.buyer.post(f"{API}/sourcing/calls/{job.call}/{path}", json=body), code)
    assert await rows_of(job.world, *TABLES) == before
    return str(said["detail"])


async def test_no_other_reason_counts_before_and_after_accepting(job: Job) -> None:
    other = {"code": "other", "note": "We need them ourselves."}
    for accepted in (False, True):
        said = await _unchanged(job, "refuse", other, "call.no_refusal")
        assert "section 5.2" in said
        assert "not on the shelf" in said
        await _unchanged(job, "refuse", {"code": "tired"}, "call.reason")
        if not accepted:
            await _unchanged(job, "accept", {"quantity": 2}, "call.reason")
            await _unchanged(job, "accept", {"quantity": 2, **other}, "call.no_refusal")
            await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
    damaged = {"code": "damaged", "note": "Wet."}
    said = await _unchanged(job, "refuse", damaged, "call.bound")
    assert "this one was accepted: it is not refused any more" in said
    assert "missing units" in said
    assert "to cancel it" in said
    await job.world.owner.execute("UPDATE call SET status = 'defaulted' WHERE id = $1", UUID(job.call))
    await _unchanged(job, "refuse", damaged, "call.bound")


async def _act(job: Job, act: str, quantity: int) -> str:
    """The act refused with what it says, with nothing changed."""
    before = await rows_of(job.world, *TABLES)
    said = await refused(job.buyer.post(f"{API}/{act}", json=_body(job, act, quantity)), ANY[act])
    assert await rows_of(job.world, *TABLES) == before
    return str(said["detail"])


ANY = {"holdings/installs": "holding.not_enough", "holdings/moves": "holding.not_enough", "resales": "resale.units"}


def _body(job: Job, act: str, quantity: int) -> dict[str, Any]:
    world = job.world
    body: dict[str, Any] = {"part_id": str(world.part), "site_id": str(world.buyer.site), "quantity": quantity}
    if act == "holdings/installs":
        return {**body, "machine": "D6 SN 1"}
    if act == "holdings/moves":
        return {**body, "to_site_id": str(world.buyer.sites[1])}
    return {**body, "agreement_id": job.agreement, "buyer_id": str(world.other.id), "minimum_passed_on": 0, "note": ""}


async def test_what_is_said_not_to_be_there_is_not_used_before_a_count_finds_it(job: Job) -> None:
    world = job.world
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/refuse", json={"code": "not_on_shelf"}))
    for act in ANY:
        assert "4 of these units are free" in (said := await _act(job, act, 5)) or "6 being looked for" in said
    await ok(job.buyer.post(f"{API}/holdings/installs", json=_body(job, "holdings/installs", 1)), 201)
    (shelf,) = [s for s in await _shelves(job) if s.site_id == world.buyer.site]
    assert shelf.free == 3
    lot, position = await world.owner.fetchrow(
        "SELECT lot_id, position_id FROM position WHERE agreement_id = $1 AND quantity = 9", UUID(job.agreement)
    )
    exact = {"lot_id": str(lot), "position_id": position, "quantity": 4, "reason": "Rust"}
    before = await rows_of(world, *TABLES)
    await refused(job.buyer.post(f"{API}/holdings/scraps", json=exact), "holding.not_enough")
    assert await rows_of(world, *TABLES) == before
    count = {"part_id": str(world.part), "site_id": str(world.buyer.site), "counted": 9}
    await ok(job.buyer.post(f"{API}/holdings/counts", json=count), 201)
    await ok(job.buyer.post(f"{API}/holdings/moves", json=_body(job, "holdings/moves", 9)), 201)


async def _shelves(job: Job) -> Sequence[Shelf]:
    async with job.world.db.read(job.world.buyer.tenant) as session:
        return await shelves(session, UUID(job.agreement), job.world.buyer.id)


async def test_a_part_is_refused_for_a_reason_and_waits_for_a_count(job: Job) -> None:
    body = {"quantity": 4, "code": "not_on_shelf", "note": "Bin 7 is empty."}
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json=body))
    call = await ok(job.planner.get(f"{API}/sourcing/calls/{job.call}"))
    assert (call["status"], call["quantity"]) == ("accepted", 4)
    owner = job.world.owner
    assert await owner.fetchval("SELECT sum(quantity) FROM withdrawal WHERE cause_id = $1", UUID(job.call)) == 2
    assert await owner.fetchval("SELECT sum(quantity) FROM open_hold WHERE cause_id = $1", UUID(job.call)) == 4
    assert await owner.fetchval("SELECT sum(quantity) FROM call_unit WHERE call_id = $1", UUID(job.call)) == 4
    there = next(c for c in await job.candidates() if c["kind"] == "buy_back")
    assert there["callable"] == 4, "of six that are free, two are said not to be there"
    detail = await owner.fetchval(
        "SELECT detail FROM call_event WHERE call_id = $1 AND kind = 'accepted'", UUID(job.call)
    )
    assert "Bin 7 is empty." in str(detail)
