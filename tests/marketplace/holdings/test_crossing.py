"""A holder's own move across a border: controlled units go with a licence or not at all (section 13.1)."""

from __future__ import annotations

from uuid import UUID

import pytest

from marketplace.agreements.combinations import BUY_BACK
from marketplace.agreements.service import accept_proposal, propose_change
from marketplace.holdings.service import AtSite, Done, move
from marketplace.kit.errors import DomainError
from tests import second
from tests.agreed import agreed_on, clock, delivered, person, rows_of
from tests.world import World

owner, db, worker_db = second.FIXTURES
TABLES = ("movement", "agreement_event", "command")


async def test_controlled_units_cross_a_border_between_own_sites_only_with_a_licence(world: World) -> None:
    """Of units under no agreement, and within a country, none is asked for."""
    agreement_id = await agreed_on(world, [("buy-back", 2, {**BUY_BACK, "export_class": "ECCN 1C350"})])
    bound = await delivered(world, agreement_id, 5)
    await world.register(world.buyer, 1)
    other = world.buyer.sites[1]

    async def lies_in(country: str) -> None:
        for place, code in ((world.buyer.site, "US"), (other, country)):
            await world.owner.execute("UPDATE site SET country = $2 WHERE id = $1", place, code)

    async def moves(quantity: int, **how: object) -> Done:
        async with world.db.write(world.buyer.tenant) as session:
            at = AtSite(world.part, world.buyer.site)
            return await move(session, person(world.buyer), at, quantity, other, now=clock(), **how)  # type: ignore[arg-type]

    await lies_in("CA")
    await moves(1)
    before = await rows_of(world, *TABLES)
    for how, code in (
        ({}, "licence.missing"),
        ({"licence": " "}, "licence.missing"),
        ({"licence": "D" * 101}, "licence.number"),
    ):
        with pytest.raises(DomainError) as no:
            await moves(2, **how)
        assert no.value.code == code
        if code == "licence.missing":
            assert "would leave US for CA" in no.value.message
            assert "section 13.1" in no.value.message
    assert await rows_of(world, *TABLES) == before
    await moves(2, licence=" D 77 ", note="By truck.")
    await lies_in("US")
    await moves(1)
    notes = await world.owner.fetch(
        "SELECT n.note FROM movement m LEFT JOIN movement_note n USING (lot_id, seq) WHERE m.lot_id = $1 AND m.kind = 'move' "
        "ORDER BY m.seq",
        bound,
    )
    assert [r["note"] for r in notes] == ["Export licence D 77. By truck.", None]


async def test_a_right_comes_to_no_place_whose_law_cuts_it_short(world: World) -> None:
    """Signed for units elsewhere: six years stand there, and not in France. What is there already may be moved within it."""
    agreement_id = await agreed_on(world, [("buy-back", 2, {**BUY_BACK, "window_end_months": 72})])
    await delivered(world, agreement_id, 5)
    await world.register(world.buyer, 1)
    other = world.buyer.sites[1]

    async def lies_in(*countries: str) -> None:
        for place, code in zip((world.buyer.site, other), countries, strict=True):
            await world.owner.execute("UPDATE site SET country = $2, region = '' WHERE id = $1", place, code)

    async def moves(quantity: int) -> Done:
        async with world.db.write(world.buyer.tenant) as session:
            at = AtSite(world.part, world.buyer.site)
            return await move(session, person(world.buyer), at, quantity, other, now=clock())

    await lies_in("US", "FR")
    await moves(1)
    before = await rows_of(world, *TABLES)
    with pytest.raises(DomainError) as no:
        await moves(2)
    assert no.value.code == "law.blocked"
    assert "five years" in no.value.message
    assert "Move them to a site elsewhere, or agree with" in no.value.message
    assert await rows_of(world, *TABLES) == before
    await lies_in("FR", "FR")
    await moves(1)
    await lies_in("FR", "CA")
    await moves(1)


async def test_a_right_is_not_lengthened_where_the_law_would_have_kept_its_units_out(world: World) -> None:
    """Four years may stand in France; once units lie there, six are neither proposed nor signed."""
    short, long = ({**BUY_BACK, "window_end_months": months} for months in (48, 72))
    agreement_id = await agreed_on(world, [("buy-back", 2, short)])
    await delivered(world, agreement_id, 5)
    await world.register(world.buyer, 1)
    for place, code in ((world.buyer.site, "US"), (world.buyer.sites[1], "FR")):
        await world.owner.execute("UPDATE site SET country = $2, region = '' WHERE id = $1", place, code)

    async def proposes() -> UUID:
        async with world.db.write(world.maker.tenant) as session:
            made = await propose_change(
                session, person(world.maker), agreement_id, clause="buy-back", version=2, terms=long, minimums={}, text="",
                now=clock(),
            )  # fmt: skip
        return made.id

    made = await proposes()
    async with world.db.write(world.buyer.tenant) as session:
        await move(
            session, person(world.buyer), AtSite(world.part, world.buyer.site), 3, world.buyer.sites[1], now=clock()
        )
    before = await rows_of(world, *TABLES, "agreement_proposal", "agreement")
    with pytest.raises(DomainError) as no:
        async with world.db.write(world.buyer.tenant) as session:
            await accept_proposal(session, person(world.buyer), made, clock())
    assert (no.value.code, "five years" in no.value.message) == ("law.blocked", True)
    with pytest.raises(DomainError) as no:
        await proposes()
    assert no.value.code == "law.blocked"
    assert await rows_of(world, *TABLES, "agreement_proposal", "agreement") == before
