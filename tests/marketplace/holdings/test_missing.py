"""Units missing from under an agreement: found short by a count, used without leave, lost; what is owed, once, up to its cap.

Ten units of 100 each, of which four are to be kept; counts tolerate one in ten; breach costs all of the price paid, up to the
price of the minimum; a loss costs a fifth."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.agreements.combinations import BUY_BACK, FIRST_REFUSAL
from marketplace.agreements.missing import (
    BREACH,
    BREACHES,
    COUNTING,
    LOSS,
    LOSSES,
    TAKEN_OUT,
    Became,
    owed_for,
    shortage,
)
from marketplace.agreements.outcomes import Act
from marketplace.agreements.presets import PRESETS
from marketplace.agreements.service import answer_notice, give_notice
from marketplace.agreements.terms import Terms, parse_terms
from marketplace.db.session import Database, execute
from marketplace.holdings import queries
from marketplace.holdings.service import Counted, WhatBecame, conclude_shortage, correct, count, say_what_became
from marketplace.kit.errors import DomainError
from marketplace.kit.money import Money
from marketplace.ledger.entries import Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import CHECKS, verify
from marketplace.outbox.service import Event
from marketplace.settlement.tasks import listeners
from tests import second
from tests.agreed import NOW, agreed, agreed_on, clock, delivered, person, rows_of
from tests.marketplace.agreements.builders import facts
from tests.world import Party, World

owner, db, worker_db = second.FIXTURES

TERMS = {**BUY_BACK, "minimum_to_keep": 4, "count_tolerance_bp": 1_000, "report_within_days": 14}
TABLES = ("shortage", "missing_units", "withdrawal", "movement", "permit", "settlement_line", "agreement_event")
ROOT = Path(__file__).resolve().parents[3]


def test_the_section_on_counts_is_the_one_that_is_named() -> None:
    for clause in ("buy-back/v2", "access-back/v2", "title-kept/v1", "first-refusal/v1"):
        section, _, number = COUNTING.partition(".")
        text = (ROOT / "contracts" / clause / "clause.md").read_text().split(f"\n## {section}. ")[1]
        assert f"\n{number}. A shortage of up to {{{{ count_tolerance_bp }}}}" in text, clause
        whole = (ROOT / "contracts" / clause / "clause.md").read_text()
        for named, begins in (
            (BREACH, "For each unit that is missing from the minimum"),
            (LOSS, "Where they fall on the Holder"),
        ):
            section, _, number = named.partition(".")
            assert f"\n{number}. {begins}" in whole.split(f"\n## {section}. ")[1].split("\n## ")[0], clause
    section, _, number = TAKEN_OUT.partition(".")
    kept = (ROOT / "contracts" / "title-kept/v1" / "clause.md").read_text().split(f"\n## {section}. ")[1]
    assert f"\n{number}. A unit that was used, sold or scrapped without leave counts as taken out" in kept


@given(
    sold=st.integers(1, 12), keep=st.integers(0, 12), gone=st.lists(st.sampled_from(sorted(Became)), max_size=12),
    share=st.integers(0, 15_000), cap=st.integers(1, 15_000),
)  # fmt: skip
@settings(max_examples=120)
def test_no_unit_is_paid_twice_and_no_cap_is_passed(
    sold: int, keep: int, gone: list[Became], share: int, cap: int
) -> None:
    """Units go one by one, for whatever reason: paid are those missing from the minimum, each once, breach up to its cap."""
    terms = parse_terms(
        "buy-back",
        2,
        {**TERMS, "minimum_to_keep": keep, "breach_share_bp": share, "breach_cap_bp": cap if share else None},
    )
    at = facts(quantity_sold=sold, remaining=sold, minimum_to_keep=min(keep, sold))
    charged, paid_units = Money(Decimal(0), "USD"), 0
    left = sold
    for became in gone:
        if not left or became not in BREACHES | LOSSES:
            continue
        owed = owed_for([terms], facts(
            quantity_sold=sold, remaining=left, minimum_to_keep=min(keep, sold)
        ), became, 1, date(2026, 1, 1), charged)  # fmt: skip
        left -= 1
        paid_units += owed.below
        if became in BREACHES:
            charged += owed.amount
        assert (owed.kind is None) == (owed.amount.amount == 0)
    assert paid_units == max(min(keep, sold) - left, 0)
    assert charged.amount <= (at.sale_price * min(keep, sold)).share(cap, terms.rounding).amount


def test_units_reserved_for_an_order_make_up_for_none_of_the_minimum() -> None:
    """Section 7.2: they are not counted. Under a right that reaches only the minimum, those drawn are of it."""
    every = parse_terms("buy-back", 2, TERMS)
    floor = parse_terms("buy-back", 2, {**TERMS, "applies_to": "floor"})

    def below(terms: Terms, became: Became, quantity: int, **how: int) -> tuple[int, Decimal]:
        at = facts(quantity_sold=10, **{"remaining": 10, **how})
        owed = owed_for([terms], at, became, quantity, date(2027, 1, 1))
        return owed.below, owed.amount.amount / at.sale_price.amount

    fifth = Decimal("0.2")
    for became, each in ((Became.GIVEN_AWAY, Decimal(1)), (Became.LOST, fifth)):
        for terms, gone, held, above, missing in (
            (every, 1, 5, 0, 0), (every, 2, 5, 0, 1), (every, 5, 5, 0, 4), (every, 7, 5, 0, 4), (every, 10, 5, 0, 4),
            # More is ordered than leaves the minimum: what is left is kept, and no more is missing.
            (every, 2, 8, 0, 2), (every, 10, 10, 0, 0),
            # Three of the minimum are drawn, and one is left of it; or all that is reserved lies above it.
            (floor, 6, 3, 0, 0), (floor, 7, 3, 0, 1), (floor, 10, 3, 0, 4), (floor, 5, 5, 5, 4), (floor, 7, 5, 5, 4),
        ):  # fmt: skip
            found = below(terms, became, gone, held=held, held_above=above)
            assert found == (missing, missing * each), (terms.applies_to, became, gone, held)
    # Until the window ends the holder keeps it: its last day, five years on, and the day after.
    for day, missing in ((date(2031, 11, 30), 2), (date(2031, 12, 1), 0)):
        for became in (Became.GIVEN_AWAY, Became.LOST):
            assert owed_for([every], facts(), became, 8, day).below == missing
    counted = shortage([every], facts(quantity_sold=10, remaining=10, held=6), 1, NOW)
    assert counted is not None
    assert (counted.result.breach, counted.result.below_minimum, counted.at_stake.amount) == (
        True,
        1,
        Decimal("412.10"),
    )


def test_the_strictest_clause_says_what_a_count_is() -> None:
    strict = parse_terms("buy-back", 2, {**TERMS, "count_tolerance_bp": 0})
    lenient = parse_terms("buy-back", 2, TERMS)
    first = parse_terms("buy-back", 1, PRESETS["standard-buy-back"].values)
    at = facts(quantity_sold=10, remaining=10)
    both = shortage([lenient, strict], at, 1, NOW)
    assert both is not None
    assert both.result.breach
    assert shortage([first], at, 9, NOW) is None


# -- in the database ------------------------------------------------------------------------------------


async def counts(world: World, counted: int, **how: Any) -> Counted:
    async with world.db.write(world.buyer.tenant) as session:
        return await count(session, person(world.buyer), world.buyer.site, world.part, counted, now=clock(), **how)


async def says(
    world: World,
    agreement_id: UUID,
    became: Became,
    quantity: int,
    *,
    note: str = "As the count of May says.",
    **how: Any,
) -> queries.MissingRow:
    at = {"part_id": world.part, "site_id": world.buyer.site, "agreement_id": agreement_id, **how}
    async with world.db.write(world.buyer.tenant) as session:
        said = WhatBecame(became=became, quantity=quantity, note=note, **at)
        return await say_what_became(session, person(world.buyer), said, now=clock())


async def remaining(world: World, agreement_id: UUID) -> int:
    return int(
        await world.owner.fetchval(
            "SELECT coalesce(sum(quantity), 0) FROM position WHERE agreement_id = $1", agreement_id
        )
    )


async def lines(world: World, worker: Database) -> list[tuple[Any, ...]]:
    """What became of units is told to settlement, twice at once; the lines of this world."""
    told = await world.owner.fetch("SELECT id FROM missing_units WHERE maker_id = $1 ORDER BY id", world.maker.id)
    missing = listeners(worker)["holding.missing"]
    for r in told:
        event = Event(1, "holding.missing", "missing_units", r["id"], {}, (), 0)
        await asyncio.gather(missing(event), missing(event))
    rows = await world.owner.fetch(
        "SELECT kind, amount::numeric(16,2) AS amount, payer_id = $2 AS by_holder, words FROM settlement_line "
        "WHERE payee_id = $1 ORDER BY id",
        world.maker.id, world.buyer.id,
    )  # fmt: skip
    return [tuple(r) for r in rows]


async def open_shortages(world: World) -> list[Any]:
    return list(
        await world.owner.fetch("SELECT * FROM shortage WHERE maker_id = $1 AND status = 'open'", world.maker.id)
    )


async def test_few_enough_put_the_record_right_and_more_are_a_breach_that_is_said_at_once(
    world: World, worker_db: Database
) -> None:
    agreement_id = await agreed_on(world, [("buy-back", 2, TERMS)])
    await delivered(world, agreement_id, 10)
    done = await counts(world, 9)
    assert (done.put_right, done.withdrawn, done.breaches, done.explain_by) == (1, 0, (), None)
    assert "the clause tolerates that" in done.words
    assert await remaining(world, agreement_id) == 9
    done = await counts(world, 3)
    assert (done.put_right, done.withdrawn) == (0, 6)
    (words,) = done.breaches
    assert "section 10.2" in words
    assert "At stake" in words
    assert "100.00" in words
    (short,) = await open_shortages(world)
    assert (short["recorded"], short["missing"], short["tolerated"], short["below_minimum"]) == (9, 6, 0, 1)
    assert short["explain_by"] == done.explain_by
    assert done.explain_by is not None
    assert done.explain_by > clock() + timedelta(days=13)
    mail = await world.owner.fetchval(
        "SELECT payload->'mail'->>'text' FROM outbox_event WHERE aggregate_id = $1 AND name = 'holding.shortage'",
        short["id"],
    )
    assert "section 10.2" in mail
    # Counted again: two were behind the rack. The date stays, the shortage is for the others.
    await counts(world, 5)
    (again,) = await open_shortages(world)
    assert (again["missing"], again["below_minimum"], again["explain_by"]) == (4, 0, short["explain_by"])
    assert await remaining(world, agreement_id) == 9, "nothing leaves the record before somebody says why"
    # And once more: all are there.
    done = await counts(world, 9)
    assert (done.resolved, done.breaches) == (1, ())
    assert not await open_shortages(world)
    assert await lines(world, worker_db) == []


async def test_who_says_where_they_are_ends_the_shortage_and_owes_for_what_is_missing_from_the_minimum(
    world: World, worker_db: Database
) -> None:
    agreement_id = await agreed_on(world, [("buy-back", 2, TERMS)])
    await delivered(world, agreement_id, 10)
    await counts(world, 0)
    (short,) = await open_shortages(world)
    other = world.buyer.sites[1]
    found = await says(world, agreement_id, Became.FOUND, 1, note="")
    moved = await says(world, agreement_id, Became.MOVED, 1, to_site=other, note="")
    assert (found.owed.amount, moved.owed.amount) == (0, 0)
    used = await says(world, agreement_id, Became.USED, 4)
    assert (used.without_leave, used.below_minimum, used.line_kind) == (0, 0, None), (
        "free above the minimum: reported late"
    )
    gone = await says(world, agreement_id, Became.GIVEN_AWAY, 2)
    assert (gone.without_leave, gone.below_minimum, gone.line_kind) == (2, 0, None)
    sold = await says(world, agreement_id, Became.SOLD, 1)
    assert (sold.without_leave, sold.below_minimum, sold.owed) == (1, 1, Money(Decimal(100), "USD"))
    (half,) = await open_shortages(world)
    assert (half["answered"], half["missing"]) == (9, 10)
    lost = await says(world, agreement_id, Became.LOST, 1)
    assert (lost.shortage_id, lost.below_minimum, lost.owed) == (short["id"], 1, Money(Decimal(20), "USD"))
    assert not await open_shortages(world)
    assert await remaining(world, agreement_id) == 2
    written = await lines(world, worker_db)
    assert [(kind, amount, by) for kind, amount, by, _ in written] == [
        ("breach", Decimal("100.00"), True), ("loss_compensation", Decimal("20.00"), True),
    ]  # fmt: skip
    assert "1 unit short at 100 %" in written[0][3]
    searched = await world.owner.fetchval(
        "SELECT count(*) FROM withdrawal WHERE holder_id = $1 AND resolved_at IS NULL", world.buyer.id
    )
    assert searched == 0
    kinds = await world.owner.fetch(
        "SELECT kind, reason_code, sum(quantity)::int AS units FROM movement WHERE agreement_id = $1 AND kind <> 'register' "
        "GROUP BY 1, 2 ORDER BY 1, 2", agreement_id,
    )  # fmt: skip
    assert [tuple(r) for r in kinds] == [
        ("lose", "given_away", 2),
        ("lose", "lost", 1),
        ("lose", "sold", 1),
        ("move", "moved", 1),
        ("use_up", "used", 4),
    ]
    async with world.db.read(world.maker.tenant) as session:
        seen = await queries.missing_units(session, person(world.maker), secret="x", agreement_id=agreement_id)
        assert [r.became for r in seen.items] == ["lost", "sold", "given_away", "used", "moved", "found"]
    async with world.db.read(world.other.tenant) as session:
        assert not (await queries.missing_units(session, person(world.other), secret="x")).items
        assert not (await queries.shortages(session, person(world.other), secret="x")).items
    for check in CHECKS:
        async with worker_db.read() as session:
            assert not [x for x in await verify(session, check) if str(agreement_id) in str(x)], check


async def test_breach_is_owed_up_to_its_cap_for_all_of_it_together(world: World, worker_db: Database) -> None:
    """All four of the minimum, one after the other, at once, at a cap of 250."""
    agreement_id = await agreed_on(world, [("buy-back", 2, {**TERMS, "breach_cap_bp": 6_250})])
    await delivered(world, agreement_id, 10)
    await says(world, agreement_id, Became.SCRAPPED, 6)
    done = await asyncio.gather(*(says(world, agreement_id, Became.USED, 1) for _ in range(4)))
    assert sorted(d.amount for d in done) == [0, 50, 100, 100]
    assert sum(amount for _, amount, _, _ in await lines(world, worker_db)) == 250
    assert await remaining(world, agreement_id) == 0


async def test_what_happened_is_written_down_whatever_stands_against_it(world: World) -> None:
    """Under legal hold, on quality hold, reserved for an order: it has been used all the same, and earlier."""
    agreement_id = await agreed_on(world, [("buy-back", 2, TERMS)])
    lot = await delivered(world, agreement_id, 10)
    order = uuid4()
    await world.run(world.maker, Step(Kind.HOLD, lot, 8, 1))
    await world.owner.execute("UPDATE open_hold SET cause_kind = 'call', cause_id = $2 WHERE lot_id = $1", lot, order)
    row = await says(world, agreement_id, Became.USED, 5, happened_at=None)
    assert (row.quantity, row.below_minimum) == (5, 2), (
        "the two that nobody had ordered were all that was left of the minimum"
    )
    assert await world.positions(lot) == {1: (5, 5)}, "the free ones first, then out of the reservation"
    told = await world.owner.fetchval(
        "SELECT payload->'calls' FROM outbox_event WHERE aggregate_id = $1 AND name = 'holding.missing'", row.id
    )
    assert str(order) in told
    await world.run(world.maker, Step(Kind.FREEZE, lot, 1, 1))
    await world.owner.execute("UPDATE agreement SET legal_hold = true WHERE id = $1", agreement_id)
    row = await says(world, agreement_id, Became.USED, 1)
    assert (row.without_leave, row.below_minimum) == (1, 0)
    assert await world.positions(lot) == {1: (4, 0)}, "what is on quality hold cannot be reserved again"
    last = await world.owner.fetchval(
        "SELECT kind FROM movement WHERE lot_id = $1 AND reason_code = 'used' ORDER BY seq DESC", lot
    )
    assert last == "lose", "the ledger uses nothing that is on quality hold"


async def test_a_loss_costs_only_who_bears_it_and_the_first_library_knows_losses_too(
    world: World, worker_db: Database
) -> None:
    borne = await agreed_on(world, [("buy-back", 2, {**TERMS, "loss_bearer": "manufacturer"})])
    await delivered(world, borne, 10)
    row = await says(world, borne, Became.DESTROYED, 10)
    assert (row.below_minimum, row.line_kind) == (4, None)
    assert "manufacturer" in row.words
    old = await agreed(
        world, use_class="non_capital_spare", minimum=3, loss_bearer="holder", loss_compensation_bp=1_000
    )
    await delivered(world, old, 10)
    assert (await counts(world, 0)).breaches == ()
    row = await says(world, old, Became.LOST, 8)
    assert (row.below_minimum, row.owed) == (1, Money(Decimal(10), "USD"))
    row = await says(world, old, Became.SOLD, 1)
    assert (row.below_minimum, row.line_kind) == (1, None)
    assert "states no amount" in row.words
    assert [x[:2] for x in await lines(world, worker_db)] == [("loss_compensation", Decimal("10.00"))]


async def offered(world: World, agreement_id: UUID, quantity: int, now: datetime) -> UUID:
    """Units offered to the manufacturer before they go to a company that is nobody's partner here, and let go."""
    async with world.db.write(world.buyer.tenant) as session:
        made = await give_notice(
            session, person(world.buyer), agreement_id, world.part, Act.RESELL, quantity, now,
            offer=Decimal(140), offered_by="Harbor Machine Works",
        )  # fmt: skip
    async with world.db.write(world.maker.tenant) as session:
        await answer_notice(
            session, person(world.maker), agreement_id, made.id, agree=True, words="Sell them.", now=now
        )
    return made.id


async def test_what_was_offered_and_let_go_is_sold_with_leave_to_whoever_is_no_partner(
    world: World, worker_db: Database
) -> None:
    """Section 7.8 of first-refusal: from the consent on the holder may act, with as many units as the notice has left."""
    terms = {**FIRST_REFUSAL, "minimum_to_keep": 4, "breach_share_bp": 10_000, "breach_cap_bp": 10_000}
    agreement_id = await agreed_on(world, [("first-refusal", 1, terms)])
    await delivered(world, agreement_id, 10)
    assert (await says(world, agreement_id, Became.SOLD, 1)).without_leave == 1, "nothing was offered"
    before = clock()
    notice = await offered(world, agreement_id, 3, clock())
    early = await says(world, agreement_id, Became.SOLD, 1, happened_at=before)
    assert early.without_leave == 1, "sold before it was let go"
    row = await says(world, agreement_id, Became.SOLD, 2)
    assert (row.without_leave, row.below_minimum, row.line_kind) == (0, 0, None)
    assert row.words == "Sold as the agreement lets the holder: nothing is owed."
    used = "SELECT used FROM notice WHERE id = $1"
    assert await world.owner.fetchval(used, notice) == 2
    more = await says(world, agreement_id, Became.SOLD, 3)
    assert (more.without_leave, more.below_minimum) == (2, 1), (
        "one was left of the notice, and none of the minimum let go"
    )
    assert await world.owner.fetchval(used, notice) == 3
    assert [x[:2] for x in await lines(world, worker_db)] == [("breach", Decimal("100.00"))]


async def test_no_sale_to_an_outsider_has_leave_where_the_right_stays_on_the_unit(world: World) -> None:
    terms = {**TERMS, "minimum_to_keep": 0, "resale": "offer_first"}
    stays = await agreed_on(world, [("buy-back", 2, terms)])
    await delivered(world, stays, 5)
    notice = await offered(world, stays, 2, clock())
    assert (await says(world, stays, Became.SOLD, 2)).without_leave == 2
    assert await world.owner.fetchval("SELECT used FROM notice WHERE id = $1", notice) == 0
    free = await agreed_on(world, [("buy-back", 2, {**terms, "resale": "free", "runs_with_the_unit": False})])
    await delivered(world, free, 5)
    assert (await says(world, free, Became.SOLD, 2)).without_leave == 0


@pytest.mark.parametrize(
    ("became", "quantity", "how", "code"),
    [
        (Became.LOST, 0, {}, "missing.quantity"),
        (Became.LOST, 1, {"note": " "}, "missing.note"),
        (Became.INSTALLED, 1, {}, "missing.machine"),
        (Became.MOVED, 1, {}, "missing.to_site"),
        (Became.LOST, 1, {"happened_at": NOW + timedelta(days=1)}, "missing.when"),
        (Became.LOST, 11, {}, "missing.not_enough"),
        (Became.FOUND, 1, {}, "missing.not_searched"),
        (Became.LOST, 4, {}, "missing.which"),
        (Became.LOST, 1, {"agreement_id": UUID(int=7)}, "agreement.not_found"),
    ],
)  # fmt: skip
async def test_what_cannot_be_so_changes_nothing(
    world: World, became: Became, quantity: int, how: dict[str, Any], code: str
) -> None:
    agreement_id = await agreed_on(world, [("buy-back", 2, TERMS)])
    await delivered(world, agreement_id, 3)
    for serial in ("1", "2"):
        await delivered(world, agreement_id, 1, serial=f"{world.tag}-{serial}")
    before = await rows_of(world, *TABLES)
    given_id = how.pop("agreement_id", agreement_id)
    with pytest.raises(DomainError) as refused:
        await says(world, given_id, became, quantity, **how)
    assert refused.value.code == code
    assert await rows_of(world, *TABLES) == before


async def test_a_slip_is_corrected_unless_it_is_owed_for(world: World) -> None:
    agreement_id = await agreed_on(world, [("buy-back", 2, TERMS)])
    lot = await delivered(world, agreement_id, 10)
    await says(world, agreement_id, Became.SCRAPPED, 6)
    await says(world, agreement_id, Became.SCRAPPED, 1)
    slips = await world.owner.fetch("SELECT seq FROM movement WHERE lot_id = $1 AND kind = 'scrap' ORDER BY seq", lot)
    before = await rows_of(world, *TABLES)

    async def corrects(seq: int) -> None:
        async with world.db.write(world.buyer.tenant) as session:
            await correct(session, person(world.buyer), lot, seq, "Typed wrongly.", now=clock())

    with pytest.raises(DomainError) as refused:
        await corrects(slips[1]["seq"])
    assert refused.value.code == "holding.correct_owed"
    assert await rows_of(world, *TABLES) == before
    await corrects(slips[0]["seq"])
    assert await remaining(world, agreement_id) == 9


async def test_one_unit_is_named_by_its_serial_number(world: World) -> None:
    agreement_id = await agreed_on(world, [("buy-back", 2, TERMS)])
    for serial in ("1", "2"):
        await delivered(world, agreement_id, 1, serial=f"{world.tag}-{serial}")
    row = await says(world, agreement_id, Became.DESTROYED, 1, serial=f"{world.tag}-2")
    assert row.below_minimum == 1
    left = await world.owner.fetch(
        "SELECT l.serial FROM lot l JOIN position p USING (lot_id) WHERE p.agreement_id = $1 AND p.quantity > 0",
        agreement_id,
    )
    assert [r["serial"] for r in left] == [f"{world.tag}-1"]


async def test_what_nobody_explains_the_manufacturer_concludes_once_its_time_has_run(
    world: World, worker_db: Database
) -> None:
    agreement_id = await agreed_on(world, [("buy-back", 2, {**TERMS, "cure_days": 5})])
    for serial in range(5):
        await delivered(world, agreement_id, 1, serial=f"{world.tag}-{serial}")
    await counts(world, 2)
    (short,) = await open_shortages(world)

    async def concludes(party: Party, now: datetime) -> queries.MissingRow:
        async with world.db.write(party.tenant) as session:
            return await conclude_shortage(session, person(party), short["id"], now)

    before = await rows_of(world, *TABLES)
    # Five whole days to make good follow the last one of the deadline.
    late = short["explain_by"] + timedelta(days=5, hours=2)
    for party, now, code in (
        (world.other, late, "shortage.not_found"), (world.buyer, late, "shortage.not_maker"),
        (world.maker, late - timedelta(hours=3), "shortage.in_time"),
    ):  # fmt: skip
        with pytest.raises(DomainError) as refused:
            await concludes(party, now)
        assert refused.value.code == code
    assert await rows_of(world, *TABLES) == before
    done = await asyncio.gather(*(concludes(world.maker, late) for _ in range(2)), return_exceptions=True)
    (row,) = [d for d in done if isinstance(d, queries.MissingRow)]
    assert (row.company_id, row.quantity, row.below_minimum, row.owed.amount) == (world.maker.id, 3, 2, 200)
    assert await remaining(world, agreement_id) == 2
    assert not await open_shortages(world)
    assert [x[:3] for x in await lines(world, worker_db)] == [("breach", Decimal("200.00"), True)]
    told = await world.owner.fetchval(
        "SELECT payload->'mail'->>'to' FROM outbox_event WHERE aggregate_id = $1 AND name = 'holding.missing'", row.id
    )
    assert world.buyer.code.lower() in told


async def test_what_was_said_is_only_added(world: World) -> None:
    for statement in (
        "UPDATE missing_units SET amount = 0", "DELETE FROM missing_units", "UPDATE shortage SET explain_by = now()",
        "DELETE FROM shortage",
    ):  # fmt: skip
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with world.db.write(world.buyer.tenant) as session:
                await execute(session, statement)
