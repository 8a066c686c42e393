"""What a holder does with its units: with units of its own, and with units somebody has a right in."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from marketplace.agreements.outcomes import Act
from marketplace.agreements.service import give_notice, set_legal_hold, suspend
from marketplace.holdings.service import AtSite, Done, ExactLine, correct, install, move, scrap, use_up
from marketplace.kit.errors import DomainError
from marketplace.ledger.entries import Step
from marketplace.ledger.kinds import Kind
from marketplace.sourcing.service.closing import close_site
from tests.agreed import NOW, agreed, clock, delivered, person, rows_of, under
from tests.world import World


def here(world: World) -> AtSite:
    return AtSite(world.part, world.buyer.site)


async def uses(world: World, quantity: int, **how: object) -> Done:
    async with world.db.write(world.buyer.tenant) as session:
        return await use_up(session, person(world.buyer), here(world), quantity, now=clock(), **how)  # type: ignore[arg-type]


async def refused(world: World, code: str, *lots: UUID, quantity: int = 1, act: object = None) -> DomainError:
    """The act is refused with this code, and nothing has changed."""
    before = await world.snapshot(*lots), await rows_of(world, "agreement_event", "withdrawal", "stock_count")
    with pytest.raises(DomainError) as no:
        await (act(quantity) if callable(act) else uses(world, quantity))
    assert no.value.code == code
    assert (await world.snapshot(*lots), await rows_of(world, "agreement_event", "withdrawal", "stock_count")) == before
    return no.value


async def test_units_nobody_has_a_right_in_go_first(world: World) -> None:
    agreement_id = await agreed(world, quantity=10, minimum=3, preset="access-first")
    bound = await delivered(world, agreement_id, 10)
    own = await world.register(world.buyer, 4)
    done = await uses(world, 6)
    assert [(t.lot_id, t.quantity, t.agreement_id) for t in done.taken] == [(own, 4, None), (bound, 2, agreement_id)]
    assert done.taken[1].agreement.startswith("AGR-")  # type: ignore[union-attr]
    assert done.left_here == 8
    assert [(s.remaining, s.minimum_to_keep) for s in done.schedules] == [(8, 3)]
    assert await world.positions(own) == {1: (0, 0)}
    assert await world.positions(bound) == {1: (8, 0)}
    permits = await world.owner.fetch("SELECT kind, quantity FROM permit WHERE lot_id = $1", bound)
    assert [(p["kind"], p["quantity"]) for p in permits] == [("use_up", 2)]


async def test_each_agreement_that_refuses_is_named_the_one_that_lets_most_first(world: World) -> None:
    lots, made = [], []
    for keep in (8, 3):
        made.append(await agreed(world, quantity=10, minimum=keep, preset="access-first"))
        lots.append(await delivered(world, made[-1], 10))
    names = [await world.owner.fetchval("SELECT reference FROM agreement WHERE id = $1", one) for one in made]
    no = await refused(world, "agreement.below_minimum", *lots, quantity=12)
    assert no.extra["available"] == 9
    assert no.message.startswith(f"{names[1]}: 3 of 10 units must be kept")
    assert f"{names[0]}: 8 of 10 units must be kept" in no.message
    await uses(world, 9)


async def test_what_expires_first_goes_first(world: World) -> None:
    later, sooner = [await world.register(world.buyer, 2) for _ in range(2)]
    await world.owner.execute("UPDATE lot SET expires_on = '2030-01-01' WHERE lot_id = $1", later)
    await world.owner.execute("UPDATE lot SET expires_on = '2028-01-01' WHERE lot_id = $1", sooner)
    done = await uses(world, 3)
    assert [(t.lot_id, t.quantity) for t in done.taken] == [(sooner, 2), (later, 1)]


async def test_the_minimum_to_keep_is_kept(world: World) -> None:
    agreement_id = await agreed(world, quantity=10, minimum=3, preset="access-first")
    bound = await delivered(world, agreement_id, 10)
    no = await refused(world, "agreement.below_minimum", bound, quantity=8)
    assert no.extra["available"] == 7
    assert "3 of 10 units must be kept" in no.message
    assert "at most 7 may be used up in production; 8 were asked for. Take 7 or fewer." in no.message
    await uses(world, 7)
    no = await refused(world, "agreement.below_minimum", bound, quantity=1)
    assert no.message.startswith(
        "At least 3 units must be kept and 3 units are left: none may be used up in production."
    )
    assert "ring the manufacturer" in no.message


async def test_two_acts_at_once_cannot_both_take_the_last_above_the_minimum(world: World) -> None:
    agreement_id = await agreed(world, quantity=10, minimum=3, preset="access-first")
    # Two lots at two sites: the lots are locked apart, the agreement is what both must wait for.
    lots = [await delivered(world, agreement_id, 5, site=site) for site in world.buyer.sites]

    async def one(site: UUID, lot: UUID) -> Done:
        async with world.db.write(world.buyer.tenant) as session:
            return await use_up(session, person(world.buyer), ExactLine(lot, 1), 5, now=clock())

    outcomes = await asyncio.gather(
        *(one(s, lot) for s, lot in zip(world.buyer.sites, lots, strict=True)), return_exceptions=True
    )
    assert sorted(type(o).__name__ for o in outcomes) == ["DomainError", "Done"]
    left = await world.owner.fetchval("SELECT sum(quantity) FROM position WHERE agreement_id = $1", agreement_id)
    assert left == 5


async def test_reserved_units_are_not_used(world: World) -> None:
    own = await world.register(world.buyer, 5)
    await world.run(world.buyer, Step(Kind.HOLD, own, 3, 1))
    no = await refused(world, "holding.not_enough", own, quantity=3)
    assert no.extra["available"] == 2
    assert "3 of them reserved" in no.message
    await world.run(world.buyer, Step(Kind.HOLD, own, 1, 1, expires_at=clock() + timedelta(seconds=1)))
    async with world.db.write(world.buyer.tenant) as session:
        done = await use_up(session, person(world.buyer), here(world), 2, now=clock() + timedelta(minutes=1))
    assert done.quantity == 2, "a reservation whose time is up no longer holds anything"


@pytest.mark.parametrize("quantity", [0, -1])
async def test_quantities_that_cannot_be(world: World, quantity: int) -> None:
    own = await world.register(world.buyer, 5)
    await refused(world, "holding.quantity", own, quantity=quantity)


async def test_foreign_units_and_sites_are_not_found(world: World) -> None:
    theirs = await world.register(world.maker, 5)
    mine = await world.register(world.buyer, 5)
    actor = person(world.buyer)

    async def exact(quantity: int) -> Done:
        async with world.db.write(world.buyer.tenant) as session:
            return await use_up(session, actor, ExactLine(theirs, 1), quantity, now=clock())

    async def at_their_site(quantity: int) -> Done:
        async with world.db.write(world.buyer.tenant) as session:
            return await use_up(session, actor, AtSite(world.part, world.maker.site), quantity, now=clock())

    async def to_their_site(quantity: int) -> Done:
        async with world.db.write(world.buyer.tenant) as session:
            return await move(session, actor, ExactLine(mine, 1), quantity, world.maker.site, now=clock())

    for act, code in (
        (exact, "ledger.not_found"),
        (at_their_site, "site.not_found"),
        (to_their_site, "site.not_found"),
    ):
        await refused(world, code, theirs, mine, act=act)
    await refused(world, "holding.not_enough", mine, quantity=6)


async def test_moving_takes_the_right_along(world: World) -> None:
    agreement_id = await agreed(world)
    bound = await delivered(world, agreement_id, 4)
    other = world.buyer.sites[1]
    async with world.db.write(world.buyer.tenant) as session:
        done = await move(session, person(world.buyer), here(world), 3, other, now=clock(), note="to the new shelf")
    assert [(t.lot_id, t.quantity) for t in done.taken] == [(bound, 3)]
    moved = await world.owner.fetchrow("SELECT * FROM position WHERE lot_id = $1 AND position_id = 2", bound)
    assert (moved["site_id"], moved["agreement_id"], moved["beneficiary_id"], moved["quantity"]) == (
        other, agreement_id, world.maker.id, 3,
    )  # fmt: skip

    async def again(quantity: int) -> Done:
        async with world.db.write(world.buyer.tenant) as session:
            return await move(session, person(world.buyer), AtSite(world.part, other), quantity, other, now=clock())

    await refused(world, "holding.there", bound, act=again)


async def test_fitting_names_the_machine(world: World) -> None:
    unit = await world.register(world.buyer, serial="S-007")

    async def fit(machine: str) -> Done:
        target = AtSite(world.part, world.buyer.site, serial="s-007")
        async with world.db.write(world.buyer.tenant) as session:
            return await install(session, person(world.buyer), target, 1, machine, now=clock())

    await refused(world, "holding.machine", unit, act=lambda _: fit(" "))
    done = await fit("320D SN FAL00123")
    assert [(t.serial, t.quantity) for t in done.taken] == [("S-007", 1)]
    machine = await world.owner.fetchval("SELECT machine FROM movement WHERE lot_id = $1 AND kind = 'install'", unit)
    assert machine == "320D SN FAL00123"
    await refused(world, "holding.not_enough", unit, act=lambda _: fit("320D SN FAL00123"))


async def test_what_the_units_were_not_bought_for(world: World) -> None:
    agreement_id = await agreed(world, preset="standard-buy-back")
    bound = await delivered(world, agreement_id, 4)
    spare = await agreed(world, preset="declining-buy-back", use_class="non_capital_spare")
    assert spare != agreement_id
    async with world.db.write(world.maker.tenant) as session:
        await suspend(session, agreement_id, person(world.maker), "report overdue", NOW)
    await refused(world, "agreement.suspended", bound)
    other = await delivered(world, spare, 2)
    async with world.db.write(world.maker.tenant) as session:
        await set_legal_hold(session, spare, person(world.maker), True, "insolvency", NOW)

    async def moves(quantity: int) -> Done:
        async with world.db.write(world.buyer.tenant) as session:
            return await move(
                session, person(world.buyer), ExactLine(other, 1), quantity, world.buyer.sites[1], now=clock()
            )

    await refused(world, "agreement.legal_hold", other, act=moves)


async def test_scrapping_is_offered_first(world: World) -> None:
    agreement_id = await agreed(world)
    bound = await delivered(world, agreement_id, 4)
    actor = person(world.buyer)

    async def scraps(quantity: int, days: int = 0) -> Done:
        async with world.db.write(world.buyer.tenant) as session:
            return await scrap(session, actor, here(world), quantity, "corroded", now=clock() + timedelta(days=days))

    no = await refused(world, "agreement.ask_first", bound, quantity=2, act=scraps)
    assert no.extra["needs"] == "offer"
    async with world.db.write(world.buyer.tenant) as session:
        answer = await give_notice(session, actor, agreement_id, world.part, Act.SCRAP, 2, NOW)
    assert answer.clear_from is not None
    await refused(world, "agreement.ask_first", bound, quantity=2, act=scraps)
    cleared = (answer.clear_from - NOW).days + 1
    # Only what was offered is cleared.
    await refused(world, "agreement.ask_first", bound, quantity=3, act=lambda q: scraps(q, cleared))
    done = await scraps(2, cleared)
    assert done.quantity == 2
    await refused(world, "agreement.ask_first", bound, quantity=1, act=lambda q: scraps(q, cleared))
    async with world.db.write(world.buyer.tenant) as session:
        with pytest.raises(DomainError) as needless:
            await give_notice(session, actor, agreement_id, world.part, Act.USE, 1, NOW)
    assert needless.value.code == "agreement.notice_needless"


async def test_a_late_report_is_dated_when_it_happened(world: World) -> None:
    own = await world.register(world.buyer, 5, occurred_at=NOW - timedelta(days=9))
    await uses(world, 2, occurred_at=NOW - timedelta(days=3))
    at = await world.owner.fetchval("SELECT occurred_at FROM movement WHERE lot_id = $1 AND kind = 'use_up'", own)
    assert at == NOW - timedelta(days=3)


async def test_units_whose_title_has_not_come_are_not_used(world: World) -> None:
    place = replace(world.place(world.buyer), owner=world.maker.id)
    lot = await world.register(world.maker, 3, place=place)

    async def exact(quantity: int) -> Done:
        async with world.db.write(world.buyer.tenant) as session:
            return await use_up(session, person(world.buyer), ExactLine(lot, 1), quantity, now=clock())

    await refused(world, "holding.not_owned", lot, act=exact)
    await refused(world, "holding.not_enough", lot)


async def test_corrections_compensate_and_only_ones_own(world: World) -> None:
    agreement_id = await agreed(world)
    bound = await delivered(world, agreement_id, 6)
    await uses(world, 4)
    seq = await world.owner.fetchval("SELECT seq FROM movement WHERE lot_id = $1 AND kind = 'use_up'", bound)

    async def corrects(by: object, number: int, lot: UUID = bound) -> None:
        async with world.db.write(by.tenant) as session:  # type: ignore[attr-defined]
            await correct(session, person(by), lot, number, "typed twice", now=clock())  # type: ignore[arg-type]

    for party, number, lot, code in (
        (world.maker, seq, bound, "holding.correct_other"),
        (world.other, seq, bound, "ledger.not_found"),
        (world.buyer, 99, bound, "ledger.not_found"),
        (world.buyer, 1, uuid4(), "ledger.not_found"),
    ):
        await refused(world, code, bound, act=lambda _, p=party, n=number, x=lot: corrects(p, n, x))
    await corrects(world.buyer, seq)
    assert await world.positions(bound) == {1: (6, 0)}
    await refused(world, "ledger.corrected", bound, act=lambda _: corrects(world.buyer, seq))
    await world.run(world.buyer, Step(Kind.HOLD, bound, 1, 1))
    held = await world.owner.fetchval("SELECT max(seq) FROM movement WHERE lot_id = $1", bound)
    await refused(world, "holding.correct_kind", bound, act=lambda _: corrects(world.buyer, held))
    assert under(world, agreement_id).beneficiary == world.maker.id


async def test_a_correction_brings_no_units_back_to_a_site_that_was_closed_meanwhile(world: World) -> None:
    first, second = world.buyer.sites[:2]
    lot = await world.register(world.buyer, 5, site=first)
    async with world.db.write(world.buyer.tenant) as session:
        await move(session, person(world.buyer), AtSite(world.part, first), 5, second, now=clock())
    seq = await world.owner.fetchval("SELECT seq FROM movement WHERE lot_id = $1 AND kind = 'move'", lot)
    async with world.db.write(world.buyer.tenant) as session:
        await close_site(session, person(world.buyer), first, clock())

    async def corrects(_: object = None) -> None:
        async with world.db.write(world.buyer.tenant) as session:
            await correct(session, person(world.buyer), lot, seq, "wrong shelf", now=clock())

    error = await refused(world, "holding.correct_closed", lot, act=corrects)
    assert "bring 5 EA back to" in error.message
    assert "Open it again under Company" in error.message
    await world.owner.execute("UPDATE site SET closed_at = NULL WHERE id = $1", first)
    await corrects()
    assert await world.positions(lot) == {1: (5, 0), 2: (0, 0)}


async def test_a_correction_and_the_closing_of_its_site_at_once_leave_no_units_behind(world: World) -> None:
    for _ in range(8):
        first, second = world.buyer.sites[:2]
        lot = await world.register(world.buyer, 1, site=first)
        async with world.db.write(world.buyer.tenant) as session:
            await move(session, person(world.buyer), ExactLine(lot, 1), 1, second, now=clock())

        async def corrects(lot: UUID = lot) -> None:
            async with world.db.write(world.buyer.tenant) as session:
                await correct(session, person(world.buyer), lot, 2, "wrong shelf", now=clock())

        async def closes(first: UUID = first) -> None:
            async with world.db.write(world.buyer.tenant) as session:
                await close_site(session, person(world.buyer), first, clock())

        done = await asyncio.gather(corrects(), closes(), return_exceptions=True)
        codes = sorted(e.code for e in done if isinstance(e, DomainError))
        assert codes in (["holding.correct_closed"], ["site.in_use"]), done
        await world.owner.execute("UPDATE site SET closed_at = NULL WHERE id = $1", first)
        if codes == ["site.in_use"]:
            async with world.db.write(world.buyer.tenant) as session:
                await move(session, person(world.buyer), ExactLine(lot, 1), 1, second, now=clock())
