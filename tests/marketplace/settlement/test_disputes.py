"""Disputes about lines: the disputed part is not due, the rest is; they end by agreement on an amount, or are withdrawn."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from marketplace.kit.errors import DomainError
from marketplace.settlement import queries, service
from marketplace.settlement.queries import DisputeRow
from marketplace.settlement.states import LineState
from tests.agreed import NOW, person, rows_of
from tests.marketplace.settlement.owed import line_of, marks, owes
from tests.marketplace.settlement.test_payments import confirms, pays
from tests.world import Party, World

TABLES = ("settlement_line", "payment", "payment_allocation", "dispute", "dispute_statement", "outbox_event")


async def disputes(
    world: World, line: UUID, amount: str = "100", by: Party | None = None, **changed: Any
) -> DisputeRow:
    party = by or world.maker
    usual: dict[str, Any] = {"offer": Decimal(0), "reason": "damaged", "words": "Cracked.", "now": NOW}
    async with world.db.write(party.tenant) as session:
        return await service.dispute_line(session, person(party), line, amount=Decimal(amount), **{**usual, **changed})


async def act(world: World, party: Party, verb: Any, dispute: UUID, *args: Any, **how: Any) -> Any:
    async with world.db.write(party.tenant) as session:
        return await verb(session, person(party), dispute, *args, now=NOW, **how)


async def test_the_disputed_part_is_not_due(world: World) -> None:
    line = await owes(world, due_on=NOW.date() - timedelta(days=2))  # 270.30
    made = await disputes(world, line)
    row = await line_of(world, line)
    assert (row.disputed, row.due_amount, row.state) == (Decimal(100), Decimal("170.30"), LineState.DUE)
    assert row.overdue(NOW.date())
    with pytest.raises(DomainError) as refused:
        await marks(world, world.maker, line)
    assert refused.value.code == "settlement.disputed"
    await confirms(world, world.buyer, (await pays(world, "170.30", {line: "170.30"})).id)
    row = await line_of(world, line)
    assert (row.state, row.due_amount) == (LineState.DISPUTED, 0)
    assert not row.overdue(NOW.date())
    await act(world, world.buyer, service.propose, made.id, amount=Decimal(60), quantity=None, words="A bit.")
    ended = await act(world, world.maker, service.agree, made.id)
    assert (ended.status, ended.agreed_amount, ended.waits_for) == ("agreed", 60, None)
    row = await line_of(world, line)
    assert (row.disputed, row.paid, row.credited, row.due_amount) == (0, Decimal("170.30"), 40, 60)
    async with world.db.read(world.buyer.tenant) as session:
        (counter,) = await queries.counters_of(session, line)
        assert (counter.kind, counter.amount, counter.settled) == ("credit", 40, True)
        assert (await queries.waiting(session, world.buyer.id)).disputes == 0


async def test_a_withdrawn_dispute_leaves_all_of_it_due(world: World) -> None:
    line = await owes(world)
    made = await disputes(world, line, offer=Decimal(50))
    before = await rows_of(world, *TABLES)
    with pytest.raises(DomainError) as refused:
        await act(world, world.buyer, service.withdraw, made.id)
    assert refused.value.code == "dispute.opener"
    assert await rows_of(world, *TABLES) == before
    await act(world, world.maker, service.withdraw, made.id)
    assert (await line_of(world, line)).due_amount == Decimal("270.30")
    again = await disputes(world, line)
    assert again.id != made.id, "it can be disputed again"
    agreed = await act(world, world.buyer, service.agree, again.id)
    assert agreed.agreed_amount == 0
    assert (await line_of(world, line)).due_amount == Decimal("170.30")


@pytest.mark.parametrize(
    ("amount", "changed", "code"),
    [
        ("270.31", {}, "dispute.amount"), ("0", {}, "dispute.amount"), ("1.001", {}, "dispute.amount"),
        ("10", {"offer": Decimal(11)}, "dispute.amount"), ("10", {"reason": "mood"}, "dispute.reason"),
        ("10", {"words": "  "}, "dispute.words"), ("10", {"by": "buyer"}, "dispute.side"),
        ("10", {"by": "other"}, "settlement.not_found"),
    ],
)  # fmt: skip
async def test_refusals_change_nothing(world: World, amount: str, changed: dict[str, Any], code: str) -> None:
    line = await owes(world)
    given = {**changed, **({"by": getattr(world, changed["by"])} if "by" in changed else {})}
    before = await rows_of(world, *TABLES)
    with pytest.raises(DomainError) as refused:
        await disputes(world, line, amount, **given)
    assert refused.value.code == code
    assert await rows_of(world, *TABLES) == before


async def test_once_at_a_time_and_never_after_the_time_to_object(world: World) -> None:
    line = await owes(world, object_by=NOW + timedelta(days=1), document="CMR 1")
    await disputes(world, line)
    before = await rows_of(world, *TABLES)
    with pytest.raises(DomainError) as refused:
        await disputes(world, line)
    assert refused.value.code == "dispute.open"
    late = await owes(world, object_by=NOW)
    before = await rows_of(world, *TABLES)
    with pytest.raises(DomainError) as refused:
        await disputes(world, late)
    assert refused.value.code == "dispute.late"
    paid = await owes(world)
    await marks(world, world.maker, paid)
    await marks(world, world.buyer, paid)
    with pytest.raises(DomainError) as refused:
        await disputes(world, paid)
    assert refused.value.code == "dispute.paid"
    assert len(await rows_of(world, "dispute")) == len([r for r in before if r[0] == "dispute"])


async def test_an_answer_meets_the_proposal_that_stands(world: World) -> None:
    line = await owes(world)
    made = await disputes(world, line, offer=Decimal(10))
    await act(world, world.buyer, service.say, made.id, "We shipped it whole.")
    with pytest.raises(DomainError) as refused:
        await act(world, world.maker, service.agree, made.id)
    assert refused.value.code == "dispute.nothing"
    await act(world, world.buyer, service.propose, made.id, amount=Decimal(80), quantity=None, words="")
    await act(world, world.maker, service.propose, made.id, amount=Decimal(30), quantity=None, words="")
    ended = await act(world, world.buyer, service.agree, made.id)
    assert ended.agreed_amount == 30
