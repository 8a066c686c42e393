"""F4: every command sent one to five times, some of them at once, some with another body under the same key."""

from __future__ import annotations

import random
from collections import Counter
from uuid import UUID, uuid4

from marketplace.db.embedded import Credentials
from marketplace.ledger.entries import Step
from marketplace.ledger.kinds import Kind
from tests.concurrency.racing import crowd, gaps, race
from tests.concurrency.test_races import attempt, register_many
from tests.faulting import report, seed_of, sized
from tests.world import World


async def test_f4_one_effect_however_often_it_is_sent(world: World, cluster: Credentials, database_name: str) -> None:
    seed = seed_of("F4")
    chance = random.Random(seed)
    lots = await register_many(world, 10, 10_000)
    expected: Counter[UUID] = Counter()
    foreign = 0
    async with crowd(cluster, database_name, 8) as database:
        for _ in range(sized(60, 5_000)):
            key = uuid4()
            # Not in lot order: a repeated answer must still name the same entries in the same order.
            chosen = chance.sample(lots, 3)
            steps = [Step(Kind.SCRAP, lot, chance.randint(1, 3), 1) for lot in chosen]
            other = [Step(Kind.SCRAP, lot, 4, 1) for lot in chosen]
            tries = [attempt(database, world, *steps, key=key) for _ in range(chance.randint(1, 5))]
            strange = chance.random() < 0.3
            if strange:
                tries.insert(chance.randrange(len(tries) + 1), attempt(database, world, *other, key=key))
            won, lost = await race(tries)
            again, _ = await race([attempt(database, world, *steps, key=key)])
            first = [a for a in won if not a.replayed]
            assert len(first) == 1
            assert all(a.entries == first[0].entries for a in won), "a repeated answer differs from the first"
            if strange:
                # Whichever body came first is the command; the others are told, and of which field.
                foreign += 1
                assert set(lost) <= {"ledger.command_reused"}
                assert len(lost) == 1
            else:
                assert not lost
            quantity = {e.lot_id: e.quantity for e in first[0].entries}
            if quantity == {s.lot_id: s.quantity for s in steps}:
                assert again[0].replayed
                assert again[0].entries == first[0].entries
            expected.update(quantity)
    assert foreign > 3
    rows = await world.owner.fetch("SELECT lot_id, quantity FROM position WHERE lot_id = ANY($1::uuid[])", lots)
    assert {r["lot_id"]: 10_000 - r["quantity"] for r in rows if r["quantity"] < 10_000} == dict(expected)
    assert not await gaps(world.owner, lots)
    report("F4", "each command sent up to five times at once, some with another body under the same key", seed=seed,
           commands=sized(60, 5_000), with_another_body=foreign, effects_each=1)  # fmt: skip


async def test_a_replayed_answer_is_the_first_answer(world: World) -> None:
    """Expiries met on the way, splits and partial posts make a command write more rows than it has steps: the
    answer to a repetition names them in the order of the first answer all the same."""
    from datetime import UTC, datetime, timedelta

    now = datetime.now(UTC)
    lots = await register_many(world, 3, 10)
    seqs = {}
    for lot in lots:
        held = await world.run(world.maker, Step(Kind.HOLD, lot, 3, 1), now=now)
        seqs[lot] = held.entries[0].seq
        await world.run(world.maker, Step(Kind.HOLD, lot, 2, 1, expires_at=now + timedelta(minutes=1)), now=now)
    steps = []
    for lot in sorted(lots, reverse=True):
        steps.append(Step(Kind.POST, lot, 2, 1, purpose=Kind.SCRAP, resolves=seqs[lot], keep_rest=True))
        steps.append(Step(Kind.SPLIT, lot, 1, 1, child=uuid4()))
    key = uuid4()
    later = now + timedelta(minutes=2)
    first = await world.run(world.maker, *steps, command_id=key, now=later)
    assert len(first.entries) == 3 * (1 + 2 + 2)
    again = await world.run(world.maker, *steps, command_id=key, now=later)
    assert again.replayed
    assert again.entries == first.entries
