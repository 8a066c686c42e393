"""Offering, signing, withdrawing, suspending: on a real database, with two companies and an outsider."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import asyncpg
import pytest

from marketplace.agreements import queries
from marketplace.agreements.service import (
    Exercise,
    OfferLine,
    SignedState,
    note_exercises,
    resume,
    set_legal_hold,
    sign,
    suspend,
    undo_exercise,
    withdraw,
)
from marketplace.db.session import Tenant, execute
from marketplace.kit.errors import DomainError
from tests.agreed import NOW, agreed, offered, person, rows_of, signed
from tests.world import Party, World

TABLES = ("agreement", "agreement_line", "agreement_event", "framework", "counterparty", "outbox_event")


async def signs(world: World, party: Party, agreement_id: UUID, **more: str) -> SignedState:
    async with world.db.write(party.tenant) as session:
        return await sign(session, person(party), agreement_id, NOW, **more)


async def test_the_offer_writes_the_whole_paper(world: World) -> None:
    agreement_id = await offered(world, quantity=10, minimum=3, preset="access-first")
    async with world.db.read(world.buyer.tenant) as session:
        found = await queries.agreement(session, person(world.maker), agreement_id)
    assert found.row.reference.startswith("AGR-")
    assert found.row.status == "offered"
    assert found.row.waiting_for == ("maker", "holder")
    assert found.row.window_opens_at < found.row.window_closes_at
    assert found.wording_sha256 == hashlib.sha256(found.wording.encode()).hexdigest()
    assert "{{" not in found.wording
    for stated in (world.maker.name, world.buyer.name, "## Schedule of units", "10 EA", "100.00 USD", "120.00 USD"):
        assert stated in found.wording
    assert found.row.reference.replace("-", "\\-") in found.wording
    assert [(line.quantity_sold, line.minimum_to_keep) for line in found.lines] == [(10, 3)]
    assert [e.kind for e in found.events] == ["offered"]


async def test_both_sign_once_and_the_framework_goes_with_it(world: World) -> None:
    agreement_id = await offered(world)
    first = await signs(world, world.buyer, agreement_id)
    assert (first.status, first.side, first.waiting_for, first.framework_signed) == (
        "offered", "holder", world.maker.id, True,
    )  # fmt: skip
    second = await signs(world, world.maker, agreement_id)
    assert second.active
    assert second.waiting_for is None
    async with world.db.read(world.maker.tenant) as session:
        found = await queries.agreement(session, person(world.maker), agreement_id)
    assert [e.kind for e in found.events] == ["offered", "signed", "signed", "active"]
    assert {e.detail["wording_sha256"] for e in found.events if e.kind == "signed"} == {found.wording_sha256}
    assert found.frameworks[0].maker_signed_at is not None
    assert found.frameworks[0].holder_signed_at is not None
    assert found.maker_signed_by == f"admin of {world.maker.code}"
    assert found.holder_signed_by == f"admin of {world.buyer.code}", "a contract names who signed it"
    known = await world.owner.fetchval(
        "SELECT count(*) FROM counterparty WHERE company_id = ANY($1::uuid[]) AND other_id = ANY($1::uuid[])",
        [world.maker.id, world.buyer.id],
    )
    assert known == 2
    # The second schedule of the pair hangs on the same framework, which is signed already.
    later = await offered(world)
    assert not (await signs(world, world.maker, later)).framework_signed
    frameworks = await world.owner.fetchval("SELECT count(*) FROM framework WHERE maker_id = $1", world.maker.id)
    assert frameworks == 1


async def test_both_signing_at_once_makes_it_active_exactly_once(world: World) -> None:
    for _ in range(10):
        agreement_id = await offered(world)
        states = await asyncio.gather(signs(world, world.maker, agreement_id), signs(world, world.buyer, agreement_id))
        assert sorted(s.active for s in states) == [False, True]
        active = await world.owner.fetchval(
            "SELECT count(*) FROM agreement_event WHERE subject_id = $1 AND kind = 'active'", agreement_id
        )
        assert active == 1


async def test_one_side_signing_twice_at_once_signs_once(world: World) -> None:
    agreement_id = await offered(world)
    outcomes = await asyncio.gather(
        *(signs(world, world.buyer, agreement_id) for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(o, SignedState) for o in outcomes) == 1
    assert {o.code for o in outcomes if isinstance(o, DomainError)} == {"agreement.signed_already"}


async def test_refused_signatures_change_nothing(world: World) -> None:
    agreement_id = await offered(world)
    await signs(world, world.buyer, agreement_id)
    before = await rows_of(world, *TABLES)
    for party, more, code in (
        (world.other, {}, "agreement.not_found"),
        (world.buyer, {}, "agreement.signed_already"),
        (world.maker, {"wording_sha256": "00" * 32}, "agreement.other_text"),
    ):
        with pytest.raises(DomainError) as refused:
            await signs(world, party, agreement_id, **more)
        assert refused.value.code == code
    # A delegate of the maker sees the agreement but is no party to it.
    with pytest.raises(DomainError) as delegate:
        async with world.db.write(Tenant(world.other.id, (world.maker.id,))) as session:
            await sign(session, person(world.other), agreement_id, NOW)
    assert delegate.value.code == "agreement.not_found"
    assert await rows_of(world, *TABLES) == before


async def test_a_withdrawn_offer_cannot_be_signed_and_a_signed_one_not_withdrawn(world: World) -> None:
    gone = await offered(world)
    async with world.db.write(world.maker.tenant) as session:
        await withdraw(session, gone, person(world.maker), "order declined", NOW)
    before = await rows_of(world, *TABLES)
    with pytest.raises(DomainError) as refused:
        await signs(world, world.buyer, gone)
    assert refused.value.code == "agreement.withdrawn"
    assert await rows_of(world, *TABLES) == before
    active = await agreed(world)
    before = await rows_of(world, *TABLES)
    for target in (active, gone):
        with pytest.raises(DomainError) as refused:
            async with world.db.write(world.maker.tenant) as session:
                await withdraw(session, target, person(world.maker), "changed my mind", NOW)
        assert refused.value.code == "agreement.state"
    assert await rows_of(world, *TABLES) == before


async def test_refused_offers_write_nothing(world: World) -> None:
    order = uuid4()
    await offered(world, order_id=order)
    before = await rows_of(world, *TABLES)
    part = world.part
    for how, code in (
        ({"order_id": order}, "agreement.exists"),
        ({"use_class": "resale"}, "agreement.use_class"),
        ({"lines": []}, "agreement.lines"),
        ({"lines": [OfferLine(part, 0, Decimal(1))]}, "agreement.lines"),
        ({"lines": [OfferLine(part, 2, Decimal(-1))]}, "agreement.lines"),
        ({"lines": [OfferLine(part, 2, Decimal(1), None, 3)]}, "agreement.lines"),
        ({"lines": [OfferLine(part, 2, Decimal(1)), OfferLine(part, 1, Decimal(1))]}, "agreement.lines"),
        ({"lines": [OfferLine(uuid4(), 2, Decimal(1))]}, "part.not_found"),
        ({"preset": "standard-access", "lines": [OfferLine(part, 2, Decimal(1), None, 0)]}, "agreement.lines"),
        ({"window_end_months": 9_999}, "terms.invalid"),
    ):
        with pytest.raises(DomainError) as refused:
            await offered(world, **how)
        assert refused.value.code == code, how
    assert await rows_of(world, *TABLES) == before


async def test_signed_terms_cannot_be_updated_by_the_serving_role(world: World) -> None:
    agreement_id = await agreed(world)
    for column in ("terms = '{}'", "wording = 'x'", "holder_id = maker_id", "window_opens_at = now()"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with world.db.write(world.maker.tenant) as session:
                await execute(session, f"UPDATE agreement SET {column} WHERE id = $1", agreement_id)


async def test_suspension_stops_calls_and_lengthens_the_window(world: World) -> None:
    agreement_id = await agreed(world)
    pair = (agreement_id, world.part)
    before = await world.owner.fetchval("SELECT window_closes_at FROM agreement WHERE id = $1", agreement_id)
    async with world.db.write(world.maker.tenant) as session:
        await suspend(session, agreement_id, person(world.maker), "report overdue", NOW)
        assert (await queries.terms_and_facts(session, [pair]))[pair].facts.suspended
    with pytest.raises(DomainError) as refused:
        async with world.db.write(world.buyer.tenant) as session:
            await resume(session, agreement_id, person(world.buyer), NOW + timedelta(days=9))
    assert refused.value.code == "agreement.suspended_by_other"
    async with world.db.write(world.maker.tenant) as session:
        await resume(session, agreement_id, person(world.maker), NOW + timedelta(days=10))
        facts = (await queries.terms_and_facts(session, [pair]))[pair].facts
    assert (facts.suspended, facts.tolled_days) == (False, 10)
    after = await world.owner.fetchval("SELECT window_closes_at FROM agreement WHERE id = $1", agreement_id)
    assert timedelta(days=9, hours=22) < after - before < timedelta(days=10, hours=2)
    with pytest.raises(DomainError) as again:
        async with world.db.write(world.maker.tenant) as session:
            await resume(session, agreement_id, person(world.maker), NOW)
    assert again.value.code == "agreement.state"


async def test_legal_hold_is_lifted_by_who_set_it(world: World) -> None:
    agreement_id = await agreed(world)
    pair = (agreement_id, world.part)
    async with world.db.write(world.maker.tenant) as session:
        await set_legal_hold(session, agreement_id, person(world.maker), True, "holder insolvent", NOW)
        assert (await queries.terms_and_facts(session, [pair]))[pair].facts.legal_hold
    with pytest.raises(DomainError) as refused:
        async with world.db.write(world.buyer.tenant) as session:
            await set_legal_hold(session, agreement_id, person(world.buyer), False, "we are fine", NOW)
    assert refused.value.code == "agreement.held_by_other"
    async with world.db.write(world.maker.tenant) as session:
        await set_legal_hold(session, agreement_id, person(world.maker), False, "estate agreed", NOW)
    with pytest.raises(DomainError) as again:
        async with world.db.write(world.maker.tenant) as session:
            await set_legal_hold(session, agreement_id, person(world.maker), False, "twice", NOW)
    assert again.value.code == "agreement.state"


async def test_exercises_are_counted_under_concurrency(world: World) -> None:
    agreement_id = await agreed(world)

    async def once(number: int) -> None:
        async with world.db.write(world.maker.tenant) as session:
            await note_exercises(session, [Exercise(calls[number], agreement_id, world.part, 1)], NOW)

    calls = [uuid4() for _ in range(8)]
    await asyncio.gather(*(once(number) for number in range(8)))
    async with world.db.write(world.maker.tenant) as session:
        assert await undo_exercise(session, agreement_id, call_id=calls[0], now=NOW) == 7
    with pytest.raises(DomainError) as refused:
        async with world.db.write(world.other.tenant) as session:
            await note_exercises(session, [Exercise(uuid4(), agreement_id, world.part, 1)], NOW)
    assert refused.value.code == "agreement.not_found"


async def test_lists_show_parties_only(world: World) -> None:
    mine = [await offered(world) for _ in range(3)]
    await signed(world, mine[0])
    for party, expected in ((world.maker, 3), (world.buyer, 3), (world.other, 0)):
        async with world.db.read(party.tenant) as session:
            page = await queries.agreements(session, person(party), queries.AgreementFilter(), limit=2, secret="s")
            rest = await queries.agreements(
                session, person(party), queries.AgreementFilter(), after=page.next, limit=2, secret="s"
            )
            waiting = await queries.waiting_for_signature(session, person(party))
        assert (
            [r.id for r in page.items] == list(reversed(mine))[:2][: expected or None] if expected else not page.items
        )
        assert len(page.items) + (len(rest.items) if page.next else 0) == expected
        assert waiting == (2 if expected else 0)
    async with world.db.read(world.buyer.tenant) as session:
        found = await queries.agreements(
            session, person(world.buyer), queries.AgreementFilter(waiting=True, part_id=world.part), secret="s"
        )
    assert {r.id for r in found.items} == set(mine[1:])
