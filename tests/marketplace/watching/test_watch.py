"""The watch on a small ledger: rights that end, a minimum in danger, a holder that is fast, too little covered; told once, ended when
it no longer holds, and made a parts request of with one press."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np
import pytest

from marketplace.advising.rights import pieces, reached, right
from marketplace.advising.using import learn
from marketplace.agreements import service as agreements
from marketplace.agreements.service import OfferLine
from marketplace.db.session import Database
from marketplace.holdings import service as holdings
from marketplace.holdings.service import AtSite
from marketplace.kit.clock import months_between
from marketplace.kit.errors import DomainError
from marketplace.sourcing import service as sourcing
from marketplace.sourcing.service import Asked
from marketplace.watching import queries, service, tasks
from marketplace.watching.queries import RowFilter, RunRow
from marketplace.watching.reckoning import Found, Level, Setting
from marketplace.watching.telling import kinds
from tests.agreed import agreed, person, rows_of, under
from tests.counting import counted
from tests.world import World

NOW = datetime.now(UTC)


def _ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


async def _placed(
    world: World,
    part: UUID,
    quantity: int,
    *,
    months: int,
    days: int,
    minimum: int = 0,
    preset: str = "standard-buy-back",
) -> UUID:
    """Units of a part with the buyer since so many days, under a right of so many months."""
    agreement = await agreed(
        world, preset=preset, lines=[OfferLine(part, quantity, Decimal(100), Decimal(120), minimum)], window_end_months=months,
        schedule_date=_ago(days).date(), now=_ago(days),
    )  # fmt: skip
    await world.register(world.buyer, quantity, part=part, place=under(world, agreement), occurred_at=_ago(days - 1))
    return agreement


async def _asked(world: World, part: UUID, days: float, quantity: int = 1) -> None:
    async with world.db.write(world.maker.tenant) as session:
        await sourcing.raise_request(
            session, person(world.maker, "planner"), Asked(part, quantity, world.maker.site, _ago(days - 20), "urgent"), _ago(days)
        )  # fmt: skip


async def _look(world: World, worker: Database) -> RunRow:
    async with world.db.write(world.maker.tenant) as session:
        made = await service.start_watch(session, person(world.maker, "planner"), NOW)
    await service.make_watch(worker, run_id=made, company_id=world.maker.id, clock=lambda: NOW)
    async with world.db.read(world.maker.tenant) as session:
        found = await queries.run(session, world.maker.id, made)
    assert (found.state, found.error) == ("done", None)
    return found


async def _rows(world: World, run: RunRow, **wanted: object) -> dict[UUID, queries.PartRow]:
    async with world.db.read(world.maker.tenant) as session:
        found = await queries.rows(session, world.maker.id, run.id, RowFilter(**wanted), limit=100)  # type: ignore[arg-type]
    return {r.part_id: r for r in found}


async def _told(owner: asyncpg.Connection, world: World) -> list[dict[str, object]]:
    rows = await owner.fetch(
        "SELECT payload::text AS p FROM outbox_event WHERE name = 'watch.found' AND company_ids @> ARRAY[$1::uuid] ORDER BY id", world.maker.id
    )  # fmt: skip
    return [json.loads(r["p"]) for r in rows]


async def test_a_lapse_a_fast_user_and_too_little_are_found_told_once_and_end(
    world: World, worker_db: Database, owner: asyncpg.Connection
) -> None:
    ending = await world.make_part(f"{world.tag}-ENDING")
    drained = await world.make_part(f"{world.tag}-DRAINED")
    calm = await world.make_part(f"{world.tag}-CALM")
    right_of_ending = await _placed(world, ending, 6, months=12, days=200)
    await _placed(world, drained, 20, months=120, days=400)
    for days in (300, 200, 100, 50):
        async with world.db.write(world.buyer.tenant) as session:
            await holdings.use_up(session, person(world.buyer), AtSite(drained, world.buyer.site), 3, now=_ago(days))
    await world.register(world.maker, 40, part=calm)
    for days in (700, 420, 150):
        await _asked(world, ending, days)
    await _asked(world, drained, 500)
    async with world.db.write(world.maker.tenant) as session:
        planner = person(world.maker, "planner")
        await service.state_levels(session, planner, [ending], Level.VITAL, NOW)
    run = await _look(world, worker_db)
    found = await _rows(world, run)
    assert kinds(found[ending].flags) == ["lapse", "fast", "coverage"]
    assert "fast" in kinds(found[drained].flags)
    assert "lapse" not in kinds(found[drained].flags)
    assert calm not in found
    assert calm in await _rows(world, run, everything=True)
    row = found[ending]
    assert (row.pool, row.firm_pool, row.lapsing, row.level, row.holders, row.own) == (6, 6, 6, 2, 1, 0)
    assert row.lapses_in == pytest.approx(165 / 365.25, abs=0.01)
    # Without the one holder nothing is there; calling everything home is what helps, at the clause's price.
    assert row.alone_10 < row.sure < row.call_sure
    assert row.call_units > 0
    assert row.call_cost == pytest.approx(row.call_units * row.call_price)
    async with world.db.read(world.maker.tenant) as session:
        (holder,) = await queries.holders(session, world.maker.id, run.id)
    assert (holder.holder_id, holder.used, holder.fast) == (world.buyer.id, 12, True)
    lain = 20 * 399 - 3 * (300 + 200 + 100 + 50) + 6 * 199
    assert holder.unit_years == pytest.approx(lain / 365.25, rel=0.01)
    assert holder.assumed == pytest.approx(0.1)
    assert holder.learnt == pytest.approx((0.1 * 10 + 12) / (10 + holder.unit_years), rel=0.01)

    # Told in one mail, with what is most at stake; a second look tells nothing again.
    (told,) = await _told(owner, world)
    assert told["new"] == {k: run.totals["findings"][k] for k in told["new"]}
    assert f"{world.tag}-ENDING" in told["mail"]["text"]
    second = await _look(world, worker_db)
    assert second.totals["new"] == dict.fromkeys(("lapse", "floor", "fast", "coverage"), 0)
    assert len(await _told(owner, world)) == 1

    # One press makes a parts request, once; of the newest run alone.
    async with world.db.write(world.maker.tenant) as session:
        with pytest.raises(DomainError, match="looked again"):
            await service.request_call(session, planner, run.id, ending, NOW)
    async with world.db.write(world.maker.tenant) as session:
        made = await service.request_call(session, planner, second.id, ending, NOW)
    asked = await owner.fetchrow("SELECT quantity, urgency, part_id FROM requisition WHERE id = $1", made)
    assert tuple(asked) == (row.call_units, "stock_order", ending)
    before = await rows_of(world, "requisition", "watch_request")
    for part in (ending, calm):
        async with world.db.write(world.maker.tenant) as session:
            with pytest.raises(DomainError) as refused:
                await service.request_call(session, planner, second.id, part, NOW)
        assert refused.value.code in ("watch.requested", "watch.proposal")
    assert await rows_of(world, "requisition", "watch_request") == before

    # A legal hold: nothing of it is firm, and nothing is proposed to be called under it.
    async with world.db.write(world.maker.tenant) as session:
        await agreements.set_legal_hold(
            session, right_of_ending, person(world.maker), True, "Insolvency of the holder.", NOW
        )
    held = await _look(world, worker_db)
    row = (await _rows(world, held))[ending]
    assert (row.pool, row.firm_pool, row.call_units) == (6, 0, 0)
    assert row.firm_1 < row.cover_1

    # Somebody lowers what is asked for: that finding ends by itself.
    async with world.db.write(world.maker.tenant) as session:
        await service.set_watch(session, planner, Setting(5, (None, None, None), 1), NOW)
    last = await _look(world, worker_db)
    assert (last.totals["findings"]["coverage"], last.totals["findings"]["lapse"]) == (0, 0)
    assert last.totals["resolved"] >= 2
    async with world.db.read(world.maker.tenant) as session:
        told_of = await queries.findings_of(session, world.maker.id, ending)
    assert {f.kind for f in told_of if f.resolved_at is not None} == {"lapse", "coverage"}
    # Rows of the newest two are kept; another company sees none of it.
    assert (
        await owner.fetchval("SELECT count(DISTINCT run_id) FROM watch_row WHERE company_id = $1", world.maker.id) == 2
    )
    async with world.db.read(world.other.tenant) as session:
        assert not await queries.rows(session, world.other.id, last.id, RowFilter(everything=True))
        assert await queries.latest(session, world.other.id) is None


async def test_a_run_that_is_killed_leaves_nothing_and_many_parts_take_no_more_statements(
    world: World, worker_db: Database, owner: asyncpg.Connection
) -> None:
    part = await world.make_part(f"{world.tag}-ONE")
    await _placed(world, part, 4, months=60, days=100)
    await _look(world, worker_db)
    with counted(worker_db) as few:
        await _look(world, worker_db)
    more = [await world.make_part(f"{world.tag}-M{n}") for n in range(6)]
    for each in more:
        await _placed(world, each, 3, months=60, days=90)
    with counted(worker_db) as many:
        await _look(world, worker_db)
    assert len(many) == len(few)
    assert await tasks.look_everywhere(worker_db, NOW) >= 1
    waiting = await owner.fetchval(
        "SELECT id FROM watch_run WHERE company_id = $1 AND state = 'waiting'", world.maker.id
    )
    async with world.db.write(world.maker.tenant) as session:
        with pytest.raises(DomainError, match="at work"):
            await service.start_watch(session, person(world.maker, "planner"), NOW)
    async with world.db.write(world.buyer.tenant) as session:
        with pytest.raises(DomainError, match="for manufacturers"):
            await service.start_watch(session, person(world.buyer), NOW)
    assert await owner.fetchval("SELECT count(*) FROM watch_row WHERE run_id = $1", waiting) == 0
    for wrong in (Setting(horizon=3), Setting(least=(0.5, 1.5, None)), Setting(lapse_months=0)):
        async with world.db.write(world.maker.tenant) as session:
            with pytest.raises(DomainError):
                await service.set_watch(session, person(world.maker, "planner"), wrong, NOW)
    assert await owner.fetchval("SELECT count(*) FROM watch_setting WHERE company_id = $1", world.maker.id) == 0


ROW: dict[str, Any] = {
    "id": UUID(int=1), "holder_id": UUID(int=2), "legal_hold": False, "suspended": False, "window_opens_at": _ago(1), "schedule_date": _ago(800).date(),
    "window_closes_at": NOW + timedelta(days=731), "currency": "USD", "version": 2, "renewals": 0, "decide_by": NOW + timedelta(days=600), "refused": False,
}  # fmt: skip


def test_use_is_learnt_and_rights_are_read() -> None:
    found = learn(np.array([0.0, 1, 12, 3]), np.array([0.0, 1, 20, 300]), np.array([0.1, 0.1, 0.1, 0.1]), np.ones(4))
    assert found.learnt[0] == 0.1
    assert list(found.fast) == [False, False, True, False]
    assert found.learnt[3] < 0.1
    schedule = {
        "kind": "schedule", "shape": "step", "declining": True,
        "points": [{"after_months": 0, "percent_bp": 9000}, {"after_months": 24, "percent_bp": 7000}],
    }  # fmt: skip
    allowance = {"kind": "share_of_sold", "share_bp": 2000, "period_months": 12}
    terms = {"price": schedule, "handling_bp": 200, "applies_to": "floor", "use_allowance": allowance}
    found_ = right(ROW, [("first-refusal", {}), ("buy-back", terms)], NOW)
    assert (found_.applies_to, found_.price.of(100.0), found_.firm) == ("floor", pytest.approx(71.4), True)
    assert found_.years == found_.renewed == pytest.approx(731 / 365.25)
    assert found_.allowed == pytest.approx(-np.log(0.8))
    assert right(ROW, [("first-refusal", {})], NOW).applies_to == "none"
    assert [reached(kind, 10, 3, 2) for kind in ("all", "floor", "free", "none")] == [(8, 3), (3, 3), (5, 0), (0, 0)]
    assert kinds(Found.LAPSE | Found.FAST) == ["lapse", "fast"]


@pytest.mark.parametrize(
    ("terms", "paid", "costs"),
    [
        ({"price": {"kind": "percent_of_sale", "percent_bp": 8500}, "handling_bp": 600}, 100.0, 90.1),
        ({"price": {"kind": "percent_of_sale", "percent_bp": 8500}, "price_floor_bp": 9000}, 100.0, 90.0),
        ({"price": {"kind": "percent_of_sale", "percent_bp": 8500}, "price_cap_bp": 5000}, 100.0, 50.0),
        ({"price": {"kind": "fixed", "amount": "70.00"}, "handling_bp": 1000}, 100.0, 77.0),
        ({"price": {"kind": "fixed", "amount": "70.00"}, "price_cap_bp": 5000}, 100.0, 50.0),
    ],
)
def test_a_call_costs_what_the_clause_says(terms: dict[str, object], paid: float, costs: float) -> None:
    assert right(ROW, [("buy-back", terms)], NOW).price.of(paid) == pytest.approx(costs)


def test_a_price_moves_evenly_where_the_clause_says_so_and_a_draw_is_paid() -> None:
    points = [{"after_months": 0, "percent_bp": 10_000}, {"after_months": 52, "percent_bp": 4_800}]
    linear = {"kind": "schedule", "shape": "linear", "declining": True, "points": points}
    months = months_between(ROW["schedule_date"], NOW.date())
    assert right(ROW, [("buy-back", {"price": linear})], NOW).price.of(100.0) == pytest.approx(100 - months)
    drawn = {"draw_fee_bp": 500, "price": {"kind": "percent_of_sale", "percent_bp": 9000}}
    assert right(ROW, [("access-back", drawn)], NOW).price.of(100.0) == pytest.approx(95.0)
    first = right({**ROW, "version": 1}, [("access-back", {"draw_fee_bp": 500, "purchase_percent_bp": 9500})], NOW)
    assert first.price.of(200.0) == pytest.approx(200.0)
    assert right(ROW, [("title-kept", {"recall_fee_bp": 300})], NOW).price.of(100.0) == pytest.approx(3.0)
    # What follows something else is not known without it: never the price paid in silence.
    assert np.isnan(right(ROW, [("buy-back", {"price": {"kind": "indexed"}})], NOW).price.of(100.0))


def test_renewals_and_declining_minimums_are_looked_ahead_at() -> None:
    renewing = {
        "renewal": "automatic",
        "renewal_months": 24,
        "max_renewals": 3,
        "price": {"kind": "percent_of_sale", "percent_bp": 9000},
    }
    found = right({**ROW, "renewals": 1}, [("buy-back", renewing)], NOW)
    assert (found.renewal, found.renewed - found.years) == ("automatic", pytest.approx(4.0))
    for refused in ({"refused": True}, {"decide_by": None}, {"renewals": 3}):
        ended = right({**ROW, **refused}, [("buy-back", renewing)], NOW)
        assert (ended.renewal, ended.renewed) == ("none", ended.years)
    agreed_ = right(ROW, [("buy-back", {**renewing, "renewal": "by_agreement"})], NOW)
    assert (agreed_.renewal, agreed_.renewed) == ("by_agreement", agreed_.years)

    steps = [{"after_months": 12, "percent_bp": 5000}, {"after_months": 36, "percent_bp": 2000}]
    for kind, wanted in (
        # Ten to keep at first, five since a year, two in ten months: of the seven there two are the holder's to use from today on.
        ("all", [(7, 2)]), ("floor", [(3, 3), (2, 2)]), ("free", [(2, 0)]),
    ):  # fmt: skip
        one = right(ROW, [("buy-back", {**renewing, "applies_to": kind, "minimum_steps": steps})], NOW)
        assert (one.kept(10), one.kept(10, 1.5), one.kept(0)) == (5, 2, 0)
        parts = pieces(one, 7, 10, 0, 0, one.years)
        assert [(p.units, p.floor) for p in parts] == wanted
        assert parts[-1].years == one.years
    assert parts[0].years == one.years
    # Where nothing declines, and of a minimum that orders have used up.
    plain = right(ROW, [("buy-back", {**renewing, "applies_to": "floor"})], NOW)
    assert pieces(plain, 7, 4, 1, 2, plain.years) == [(3, 3, plain.years)]
