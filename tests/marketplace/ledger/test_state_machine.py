"""F9: the ledger on a real database against a plain model of it, under commands Hypothesis thinks up: good ones and
bad ones, late reports, corrections, reservations that run out, permits, splits, a clock that jumps back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from marketplace.db.embedded import OWNER, WORKER, Credentials
from marketplace.db.session import Database, ReadSession
from marketplace.kit.errors import DomainError
from marketplace.ledger import queries
from marketplace.ledger.entries import Command, NewLot, Place, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import add_permits, carry_out
from marketplace.parties.actor import Actor
from tests.agreed import person
from tests.faulting import FULL, report
from tests.marketplace.ledger.model import MOVES_NOTHING, Act, Event, Leave, Lot, Model, Refused, Spot
from tests.world import World

AGREEMENTS = (UUID(int=0xA1), UUID(int=0xA2))
MOVING = (
    "move", "ship", "receive", "title", "repoint", "use_up", "install", "remove", "repair", "regrade", "scrap",
    "lose", "find", "count_adjust", "split",
)  # fmt: skip

spots = st.builds(
    lambda owner, holder, site, condition, agreement: (owner, holder, site, condition, agreement),
    st.integers(0, 1), st.integers(0, 1), st.integers(0, 2), st.sampled_from(["new", "used"]),
    st.sampled_from([None, 0, 0, 1]),
)  # fmt: skip
choice = st.integers(0, 1_000)


class Machine(RuleBasedStateMachine):
    """Each rule sends one command to both; they must agree on whether it may be done and on what is so after it."""

    runner: asyncio.Runner
    database: Database
    world: World

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.numbers: dict[tuple[UUID, Spot], int] = {}
        self.now = datetime(2026, 3, 1, 8, tzinfo=UTC)
        self.moments = [self.now]
        self.done = 0

    # -- choosing ----------------------------------------------------------------------------------------

    def spot(self, picked: tuple[int, int, int, str, int | None]) -> Spot:
        owner, holder, site, condition, agreement = picked
        parties = (self.world.maker.id, self.world.buyer.id)
        sites = (None, *self.world.maker.sites)
        given = None if agreement is None else AGREEMENTS[agreement]
        return Spot(parties[owner], parties[holder], sites[site], condition, given, parties[0] if given else None)

    def lot_id(self, pick: int) -> UUID:
        return list(self.model.lots)[pick % len(self.model.lots)]

    def source(self, lot: Lot, pick: int) -> Spot:
        """Usually a place that has units, sometimes an emptied one."""
        full = list(lot.balances()) or list(lot.seen())
        every = sorted(lot.seen(), key=str)
        return every[pick % len(every)] if pick % 7 == 0 else full[pick % len(full)]

    def target(self, kind: str, source: Spot | None, wild: Spot, free: bool) -> Spot | None:
        """A place that fits the kind; ``free`` leaves it wild, so that refusals are met too."""
        if kind in ("use_up", "install", "scrap", "lose", "split"):
            return wild if free else None
        if source is None or free:
            return wild
        fitting = {
            "move": {"site": wild.site or self.world.maker.sites[0]}, "ship": {"site": None},
            "receive": {"site": wild.site or self.world.maker.sites[1], "holder": wild.holder},
            "title": {"owner": wild.owner},
            "repoint": {"agreement": wild.agreement, "beneficiary": wild.beneficiary},
            "repair": {"condition": wild.condition}, "regrade": {"condition": wild.condition},
        }  # fmt: skip
        return source._replace(**fitting.get(kind, {}))

    # -- doing -------------------------------------------------------------------------------------------

    def send(self, acts: list[Act]) -> None:
        """The command to both."""
        steps = tuple(self.step(a) for a in acts)
        command = Command(uuid4(), self.world.maker.id, self.world.maker.actor, steps, "test")
        expected: set[str] | None = None
        try:
            self.model.carry_out(acts, self.now)
        except Refused as refusal:
            expected = refusal.codes
        got: str | None = None
        try:
            self.runner.run(self.commit(command))
        except DomainError as refusal:
            got = refusal.code
        if expected is None:
            assert got is None, f"the ledger refused ({got}) what the model did: {acts}"
            self.done += 1
            self.moments.append(self.now)
        else:
            assert got in expected, f"the ledger said {got}, the model {expected}: {acts}"

    async def commit(self, command: Command) -> None:
        async with self.database.write(self.world.maker.tenant) as session:
            await carry_out(session, command, self.now)

    def step(self, act: Act) -> Step:
        place = Place(*act.target) if act.target is not None else None
        new = None
        if act.kind == "register":
            new = NewLot(act.lot, self.world.part, "EA", serial=str(act.lot) if act.serialised else None)
        return Step(
            Kind(act.kind), act.lot, act.quantity, at=Place(*act.source) if act.source is not None else None, to=place,
            purpose=Kind(act.purpose) if act.purpose else None, resolves=act.resolves, keep_rest=act.keep_rest,
            expires_at=act.expires, permit=act.permit, child=act.child, corrects=act.corrects, new_lot=new,
            occurred_at=act.occurred,
        )  # fmt: skip

    def leave(self, lot_id: UUID, kind: str, source: Spot, quantity: int, mode: int) -> UUID | None:
        """Mostly the permit that is needed; sometimes none, one too small, one too old, or one already there."""
        if source.agreement is None or kind not in {"receive", "title", "use_up", "install", "scrap", "repoint"}:
            return uuid4() if mode == 19 else None
        if mode == 0:
            return None
        if mode == 1 and self.model.leaves:
            return next(iter(self.model.leaves))
        permit, expires = uuid4(), self.now + timedelta(hours=-1 if mode == 2 else 1)
        size = max(1, quantity - 1) if mode == 3 else quantity
        self.runner.run(self.write_permit(lot_id, permit, kind, size, source.agreement, expires))
        self.model.leaves[permit] = Leave(lot_id, source.agreement, kind, size, expires)
        return permit

    async def write_permit(
        self, lot: UUID, permit: UUID, kind: str, quantity: int, agreement: UUID, expires: datetime
    ) -> None:
        async with self.database.write(self.world.maker.tenant) as session:
            await add_permits(
                session, agreement_id=agreement, company_id=self.world.buyer.id, maker_id=self.world.maker.id,
                permits=[(lot, permit, Kind(kind), quantity)], expires_at=expires, reason="test",
            )  # fmt: skip

    # -- rules -------------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        """One counted lot and one unit with a serial number, of a part of their own: what is asked of it is compared with all
        that this machine did."""
        self.world.part = self.runner.run(self.world.make_part(f"{self.world.tag}-{uuid4()}"))
        home = self.spot((0, 0, 1, "new", None))
        self.send([Act("register", uuid4(), 6, target=home), Act("register", uuid4(), 1, target=home, serialised=True)])

    @rule(minutes=st.sampled_from([0, 1, 1, 30, 1_500, -2]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @precondition(lambda self: len(self.model.lots) < 5)
    @rule(serialised=st.booleans(), quantity=st.integers(1, 4), where=spots, ago=st.sampled_from([None, 60, 3_000]))
    def register(self, serialised: bool, quantity: int, where: Any, ago: int | None) -> None:
        at = self.now - timedelta(minutes=ago) if ago else None
        act = Act("register", uuid4(), 1 if serialised else quantity, target=self.spot(where), serialised=serialised)
        act.occurred = at
        self.send([act])

    @rule(
        pick=choice, at=choice, kind=st.sampled_from(MOVING), quantity=st.sampled_from([1, 1, 1, 2, 3, 7, 0]),
        where=spots, free=st.sampled_from([False] * 6 + [True]), permit=st.integers(0, 19),
        ago=st.sampled_from([None] * 6 + [5, 40, 1_600]), down=st.booleans(),
    )  # fmt: skip
    def transfer(
        self, pick: int, at: int, kind: str, quantity: int, where: Any, free: bool, permit: int, ago: int | None,
        down: bool,
    ) -> None:  # fmt: skip
        self.send([self.moving(pick, at, kind, quantity, where, free, permit, ago, down)])

    def moving(
        self, pick: int, at: int, kind: str, quantity: int, where: Any, free: bool, permit: int, ago: int | None,
        down: bool,
    ) -> Act:  # fmt: skip
        lot_id = self.lot_id(pick)
        lot = self.model.lots[lot_id]
        source: Spot | None = self.source(lot, at)
        target = self.target(kind, source, self.spot(where), free)
        if kind in ("remove", "find"):
            source, target = None, self.spot(where)
        elif kind == "count_adjust":
            source, target = (source, None) if down else (None, self.spot(where))
            if free:
                source = target = None
        given = self.leave(lot_id, kind, source, quantity, permit) if source and quantity else None
        return Act(
            kind, lot_id, quantity, source, target, permit=given,
            child=uuid4() if kind == "split" else None,
            occurred=self.now - timedelta(minutes=ago) if ago else None,
        )  # fmt: skip

    @rule(
        first=st.tuples(choice, choice, st.sampled_from(MOVING), st.integers(1, 3), spots),
        second=st.tuples(choice, choice, st.sampled_from(MOVING), st.integers(1, 3), spots),
        ago=st.sampled_from([None, None, 3, 90]),
    )
    def two_at_once(self, first: Any, second: Any, ago: int | None) -> None:
        """One command with two acts, the second perhaps dated before the first: both or neither."""
        self.send([self.moving(*first, False, 5, None, True), self.moving(*second, False, 5, ago, True)])

    @rule(pick=choice, at=choice, quantity=st.integers(1, 4), minutes=st.sampled_from([None, 1, 45]))
    def hold(self, pick: int, at: int, quantity: int, minutes: int | None) -> None:
        lot_id = self.lot_id(pick)
        source = self.source(self.model.lots[lot_id], at)
        ends = self.now + timedelta(minutes=minutes) if minutes else None
        self.send([Act("hold", lot_id, quantity, source, expires=ends)])

    def any_hold(self, pick: int) -> tuple[UUID, int, Spot, int] | None:
        """Mostly an open reservation, sometimes one that was answered."""
        every = [
            (lot_id, e.seq, e.source, e.quantity, e.seq in lot.holds())
            for lot_id, lot in self.model.lots.items()
            for e in lot.events
            if e.kind == "hold" and e.source is not None
        ]
        every = [h for h in every if h[4] or pick % 5 == 0] or every
        if not every:
            return None
        lot_id, seq, spot, quantity, _ = every[pick % len(every)]
        return lot_id, seq, spot, quantity

    @rule(pick=choice, kind=st.sampled_from(["void", "void", "expire"]))
    def answer(self, pick: int, kind: str) -> None:
        found = self.any_hold(pick)
        if found:
            lot_id, seq, spot, quantity = found
            self.send([Act(kind, lot_id, quantity, spot, resolves=seq)])

    @rule(
        pick=choice, kind=st.sampled_from([k for k in MOVING if k not in ("remove", "find", "count_adjust")]),
        less=st.integers(0, 2), keep=st.booleans(), where=spots, permit=st.integers(0, 19),
    )  # fmt: skip
    def post(self, pick: int, kind: str, less: int, keep: bool, where: Any, permit: int) -> None:
        found = self.any_hold(pick)
        if not found:
            return
        lot_id, seq, spot, reserved = found
        quantity = max(1, reserved - less)
        self.send([
            Act(
                "post", lot_id, quantity, spot, self.target(kind, spot, self.spot(where), free=False), purpose=kind,
                resolves=seq, keep_rest=keep, permit=self.leave(lot_id, kind, spot, quantity, permit),
                child=uuid4() if kind == "split" else None,
            )
        ])  # fmt: skip

    @rule(pick=choice, back=choice)
    def correct(self, pick: int, back: int) -> None:
        lot_id = self.lot_id(pick)
        events = self.model.lots[lot_id].events
        # Rather something recent: old transactions are mostly built upon.
        past = events[-1 - back % min(len(events), 4)]
        self.send([Act("correct", lot_id, past.quantity, corrects=past.seq)])

    @rule(pick=choice, at=choice, kind=st.sampled_from(["freeze", "lift", "lift"]))
    def quality(self, pick: int, at: int, kind: str) -> None:
        lot_id = self.lot_id(pick)
        self.send([Act(kind, lot_id, 1, self.source(self.model.lots[lot_id], at))])

    # -- comparing ---------------------------------------------------------------------------------------

    @invariant()
    def same_positions_and_holds(self) -> None:
        self.runner.run(self.compare())

    async def compare(self) -> None:
        rows = await self.world.owner.fetch(
            "SELECT lot_id, owner_id, holder_id, site_id, condition, agreement_id, beneficiary_id, quantity, held "
            "FROM position WHERE lot_id = ANY($1::uuid[]) AND quantity > 0",
            list(self.model.lots),
        )
        there = {(r[0], Spot(*list(r)[1:7])): (r[7], r[8]) for r in rows}
        expected = {
            (i, spot): (n, lot.held(spot)) for i, lot in self.model.lots.items() for spot, n in lot.balances().items()
        }
        assert there == expected
        holds = await self.world.owner.fetch(
            "SELECT lot_id, hold_seq, quantity, expires_at FROM open_hold WHERE lot_id = ANY($1::uuid[])",
            list(self.model.lots),
        )
        assert {tuple(r) for r in holds} == {
            (i, h.seq, h.quantity, h.expires) for i, lot in self.model.lots.items() for h in lot.holds().values()
        }

    def teardown(self) -> None:
        if self.model.lots:
            self.runner.run(self.compare_history())

    async def compare_history(self) -> None:
        """Every movement, as-of at several moments, and the ledger's own checks."""
        rows = await self.world.owner.fetch(
            "SELECT lot_id, seq, kind, quantity, occurred_at, recorded_at, resolves, corrects FROM movement "
            "WHERE lot_id = ANY($1::uuid[])",
            list(self.model.lots),
        )
        assert {tuple(r) for r in rows} == {
            (i, e.seq, e.kind, e.quantity, e.occurred, e.recorded, e.resolves, e.corrects)
            for i, lot in self.model.lots.items()
            for e in lot.events
        }
        reader = person(self.world.maker)
        async with self.database.read(self.world.maker.tenant) as session:
            for at in self.moments[:: max(1, len(self.moments) // 4)]:
                for known_at in (at, self.moments[-1] + timedelta(days=1)):
                    for lot_id, lot in self.model.lots.items():
                        found = await queries.as_of(
                            session, reader, queries.AsOf(at, known_at), queries.Scope(lot_id=lot_id)
                        )
                        assert sum(r.quantity for r in found) == sum(lot.balances(at=at, known_at=known_at).values())
                        assert sorted(r.quantity for r in found) == sorted(
                            lot.balances(at=at, known_at=known_at).values()
                        )
            await self.compare_differences(session, reader)
            for check in queries.CHECKS:
                assert not await queries.verify(session, check), check

    async def compare_differences(self, session: ReadSession, reader: Actor) -> None:
        """Between any two views of the past: what was there, and what came and went, is what is there; and the stock
        transactions named for it are those that only one of the views has."""
        scope = queries.Scope(part_id=self.world.part)
        last = self.moments[-1] + timedelta(days=1)
        some = self.moments[:: max(1, len(self.moments) // 3)]
        views = [queries.AsOf(at, known) for at in some for known in {at, last}]
        for since, until in zip(views, views[1:] + views[:1], strict=True):
            places = []
            for view in (since, until):
                rows = await queries.sums(session, reader, view, scope, limit=10_000)
                places.append({_place(r): r.quantity for r in rows})
                kept = [lot.balances(at=view.at, known_at=view.known_at) for lot in self.model.lots.values()]
                assert sum(places[-1].values()) == sum(n for balances in kept for n in balances.values())
            found = await queries.differences(session, reader, since, until, scope, limit=10_000)
            changed = {_place(r): r.flow for r in found}
            assert len(changed) == len(found)
            for place in {*places[0], *places[1], *changed}:
                before, after = (p.get(place, 0) for p in places)
                flow = changed.get(place)
                assert before == after if flow is None else (flow.before, flow.after) == (before, after)
                assert flow is None or flow.adds_up, flow
            whole = await queries.difference_in_all(session, reader, since, until, scope)
            assert (whole.before, whole.after) == (sum(places[0].values()), sum(places[1].values()))
            assert whole.adds_up, whole
            named = await queries.changes(session, reader, since, until, scope, limit=10_000)
            assert {(c.movement.lot_id, c.movement.seq, c.counts) for c in named} == {
                (i, e.seq, has)
                for i, lot in self.model.lots.items()
                for e in lot.events
                if e.kind not in MOVES_NOTHING and (has := _has(e, until) - _has(e, since))
            }


def _place(row: queries.PlaceSum | queries.PlaceChange) -> tuple[object, ...]:
    return row.owner, row.holder, row.site, row.condition, row.agreement_id


def _has(event: Event, view: queries.AsOf) -> int:
    return int(event.occurred <= view.at and event.recorded <= view.known_at)


async def _world(dsn: str, database: Database) -> World:
    return await World.make(await asyncpg.connect(dsn), database)


@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
def test_the_ledger_does_what_the_model_does(cluster: Credentials, database_name: str) -> None:
    with asyncio.Runner() as runner:
        database = Database(cluster.dsn(WORKER, database_name), pool_size=2)
        world = runner.run(_world(cluster.dsn(OWNER, database_name), database))
        done: list[int] = []

        class Bound(Machine):
            def teardown(self) -> None:
                super().teardown()
                done.append(self.done)

        Bound.runner, Bound.database, Bound.world = runner, database, world
        try:
            run_state_machine_as_test(
                Bound,
                settings=settings(
                    max_examples=1_000 if FULL else 40,
                    stateful_step_count=60 if FULL else 30,
                    deadline=None,
                    derandomize=not FULL,
                    print_blob=True,
                    # Shrinking on a real database takes minutes: BACKSTOCK_FULL_TESTS=1 does it.
                    phases=tuple(Phase) if FULL else (Phase.explicit, Phase.generate),
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(world.owner.close())
            runner.run(database.close())
    # A machine whose every command is refused proves nothing.
    assert sum(done) > len(done) * 5, "too few commands were carried out"
    report(
        "F9",
        "commands that Hypothesis thinks up, against a plain model",
        runs=len(done),
        commands_carried_out=sum(done),
        mismatches=0,
    )
