"""What an agreement says about units as they stand, gathered for many units at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from marketplace.agreements import queries
from marketplace.agreements.evaluation import Entitled, Refused, evaluate_call, split
from marketplace.agreements.queries import facts as gathering
from marketplace.agreements.service import note_given_back, permits_for_return
from marketplace.agreements.terms import BuyBackV1
from marketplace.db.session import Tenant
from marketplace.kit.errors import DomainError
from marketplace.ledger.entries import Step
from marketplace.ledger.kinds import Kind
from tests.agreed import NOW, agreed, delivered, offered, rows_of, under, usd
from tests.world import World

ORDER = UUID(int=22)


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The statements that gathering sends."""
    sent: list[str] = []
    real = gathering.fetch

    async def spy(session: Any, sql: str, *arguments: object) -> Any:
        sent.append(sql)
        return await real(session, sql, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(gathering, "fetch", spy)
        yield sent


async def test_facts_tell_apart_what_is_reserved_and_on_hold_and_leave_out_what_is_on_the_way(world: World) -> None:
    agreement_id = await agreed(world, quantity=20, minimum=3, preset="access-first")
    pair = (agreement_id, world.part)
    loose = await delivered(world, agreement_id, 8)
    reserved = await delivered(world, agreement_id, 5)
    road = await delivered(world, agreement_id, 4)
    cracked = await delivered(world, agreement_id, 3)
    await world.run(world.buyer, Step(Kind.HOLD, reserved, 2, 1))
    transit = replace(under(world, agreement_id), site=None)
    await world.run(world.buyer, Step(Kind.SHIP, road, 4, 1, to=transit))
    await world.run(world.maker, Step(Kind.FREEZE, cracked, 3, 1))
    async with world.db.read(world.maker.tenant) as session:
        found = (await queries.terms_and_facts(session, [pair]))[pair]
    facts = found.facts
    assert (facts.quantity_sold, facts.remaining, facts.held, facts.in_transit, facts.quality_held) == (20, 16, 2, 0, 3)
    assert (facts.sale_price, facts.list_price, facts.minimum_to_keep) == (usd("100.0000"), usd("120.0000"), 3)
    assert isinstance(found.terms, BuyBackV1)
    assert split(found.terms, facts, NOW).callable == 11
    assert found.badge.short.startswith("Buy-back · until ")
    assert "keep 3 of 20" in found.badge.sentence
    assert any("the manufacturer may order back" in s for s in found.summary)
    answer = evaluate_call(found.terms, replace(facts, requested=4), NOW)
    assert isinstance(answer, Entitled)
    assert answer.unit_price == usd("90.10")
    assert await world.positions(loose) == {1: (8, 0)}


async def test_statements_do_not_grow_with_the_units(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = []
    for _ in range(6):
        agreement_id = await agreed(world)
        await delivered(world, agreement_id, 2)
        pairs.append((agreement_id, world.part))
    async with world.db.read(world.maker.tenant) as session:
        with counted(monkeypatch) as first:
            one = await queries.terms_and_facts(session, pairs[:1])
        with counted(monkeypatch) as many:
            all_of_them = await queries.terms_and_facts(session, pairs * 50)
        with counted(monkeypatch) as again:
            await queries.terms_and_facts(session, pairs)
        with counted(monkeypatch) as none:
            assert await queries.terms_and_facts(session, []) == {}
    assert len(one) == 1
    assert set(all_of_them) == set(pairs)
    assert len(first) == len(many) == len(again) == 1, (
        "signed terms never change: they are parsed once, as they are stored"
    )
    assert not none


async def test_who_may_see_the_facts(world: World) -> None:
    agreement_id = await agreed(world)
    await delivered(world, agreement_id)
    pair = (agreement_id, world.part)
    for tenant, sees in (
        (world.maker.tenant, True),
        (world.buyer.tenant, True),
        (world.other.tenant, False),
        (Tenant(world.other.id, (world.maker.id,)), True),
        (Tenant(None), False),
    ):
        async with world.db.read(tenant) as session:
            found = await queries.terms_and_facts(session, [pair])
        assert (pair in found) is sees
        if sees:
            assert found[pair].facts.remaining == 10


async def test_an_offer_not_signed_gives_no_right(world: World) -> None:
    agreement_id = await offered(world)
    await delivered(world, agreement_id)
    pair = (agreement_id, world.part)
    async with world.db.read(world.maker.tenant) as session:
        found = (await queries.terms_and_facts(session, [pair]))[pair]
    assert isinstance(evaluate_call(found.terms, replace(found.facts, requested=1), NOW), Refused)


async def test_units_found_beyond_what_was_sold_are_out_of_reach(world: World) -> None:
    agreement_id = await agreed(world, quantity=4)
    lot = await delivered(world, agreement_id, 7)
    await world.run(world.buyer, Step(Kind.HOLD, lot, 6, 1))
    pair = (agreement_id, world.part)
    async with world.db.read(world.buyer.tenant) as session:
        facts = (await queries.terms_and_facts(session, [pair]))[pair].facts
    assert (facts.remaining, facts.held) == (4, 4)


async def test_a_return_by_permits_and_what_it_leaves(world: World) -> None:
    """Ship, receive, title, encumbrance lifted: each step once, by its own permit."""
    agreement_id = await agreed(world, quantity=10, minimum=4, preset="standard-access")
    pair = (agreement_id, world.part)
    lot = await delivered(world, agreement_id, 3)
    place = under(world, agreement_id)
    transit = replace(place, site=None)
    await world.run(world.buyer, Step(Kind.SHIP, lot, 3, 1, to=transit))
    async with world.db.write(world.maker.tenant) as session:
        permits = await permits_for_return(
            session,
            agreement_id=agreement_id,
            maker_id=world.maker.id,
            holder_id=world.buyer.id,
            lots=[(lot, 3)],
            reason="CALL-TEST22",
            now=NOW,
            order_id=ORDER,
        )
    assert set(permits) == {lot}
    assert set(permits[lot]) == {Kind.RECEIVE, Kind.TITLE, Kind.REPOINT}
    here = replace(place, holder=world.maker.id, site=world.maker.site)
    mine = replace(here, owner=world.maker.id)
    bare = replace(mine, agreement=None, beneficiary=None)
    before = await world.snapshot(lot)
    for step, code in (
        (Step(Kind.RECEIVE, lot, 3, 2, to=here), "ledger.permit_missing"),
        (Step(Kind.RECEIVE, lot, 3, 2, to=here, permit=permits[lot][Kind.TITLE]), "ledger.permit_invalid"),
    ):
        with pytest.raises(DomainError) as refused:
            await world.run(world.maker, step)
        assert refused.value.code == code
    assert await world.snapshot(lot) == before
    await world.run(
        world.maker,
        Step(Kind.RECEIVE, lot, 3, 2, to=here, permit=permits[lot][Kind.RECEIVE]),
        Step(Kind.TITLE, lot, 3, 3, to=mine, permit=permits[lot][Kind.TITLE]),
        Step(Kind.REPOINT, lot, 3, 4, to=bare, permit=permits[lot][Kind.REPOINT]),
    )
    async with world.db.read(world.buyer.tenant) as session:
        facts = (await queries.terms_and_facts(session, [pair]))[pair].facts
    assert (facts.remaining, facts.taken_back) == (0, 3)
    async with world.db.write(world.maker.tenant) as session:
        await note_given_back(session, agreement_id=agreement_id, part_id=world.part, quantity=2, order_id=ORDER)
        assert (await queries.terms_and_facts(session, [pair]))[pair].facts.taken_back == 1


async def test_a_permit_is_used_once(world: World) -> None:
    agreement_id = await agreed(world)
    lot = await delivered(world, agreement_id, 4)
    place = under(world, agreement_id)
    await world.run(world.buyer, Step(Kind.SHIP, lot, 4, 1, to=replace(place, site=None)))
    async with world.db.write(world.maker.tenant) as session:
        permits = await permits_for_return(
            session, agreement_id=agreement_id, maker_id=world.maker.id, holder_id=world.buyer.id, lots=[(lot, 4)],
            reason="CALL-TEST22", now=NOW, order_id=ORDER,
        )  # fmt: skip
    here = replace(place, holder=world.maker.id, site=world.maker.site)
    receive = Step(Kind.RECEIVE, lot, 2, 2, to=here, permit=permits[lot][Kind.RECEIVE])
    await world.run(world.maker, receive)
    before = await world.snapshot(lot)
    with pytest.raises(DomainError) as again:
        await world.run(world.maker, receive)
    assert again.value.code == "ledger.permit_invalid"
    with pytest.raises(DomainError) as late:
        await world.run(
            world.maker,
            Step(Kind.TITLE, lot, 2, 3, to=replace(here, owner=world.maker.id), permit=permits[lot][Kind.TITLE]),
            now=NOW + timedelta(days=4_000),
        )
    assert late.value.code == "ledger.permit_invalid"
    assert await world.snapshot(lot) == before


async def test_refused_returns_write_no_permit(world: World) -> None:
    agreement_id = await agreed(world)
    lot = await delivered(world, agreement_id, 4)
    tables = ("permit", "agreement_line")
    before = await rows_of(world, *tables)
    for tenant, lots, code in (
        (world.maker.tenant, [], "agreement.lots"),
        (world.maker.tenant, [(lot, 0)], "agreement.lots"),
        (world.maker.tenant, [(lot, 1), (lot, 1)], "agreement.lots"),
        (world.maker.tenant, [(world.part, 1)], "ledger.not_found"),
        (world.other.tenant, [(lot, 1)], "ledger.not_found"),
    ):
        with pytest.raises(DomainError) as refused:
            async with world.db.write(tenant) as session:
                await permits_for_return(
                    session, agreement_id=agreement_id, maker_id=world.maker.id, holder_id=world.buyer.id, lots=lots,
                    reason="x", now=NOW, order_id=ORDER,
                )  # fmt: skip
        assert refused.value.code == code
    assert await rows_of(world, *tables) == before
