"""Finding, comparing, covering and wanting: what a buyer does on the market, and whom a seller lets do it, on pages without script."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode
from uuid import UUID

from marketplace.agreements.presets import PRESETS
from marketplace.db.session import Database
from marketplace.listings import service as listings
from marketplace.sourcing import tasks
from tests.counting import counted
from tests.web.trade import Market, key_of, open_market, person
from tests.world import World


async def another(market: Market, quantity: int, price: str, *, package: int = 1, part: UUID | None = None) -> UUID:
    """One more posting of the part, by the same maker, of units that are registered for it."""
    world = market.world
    planner = person(world.maker, "planner")
    part = part or world.part
    await world.register(world.maker, quantity, part=part, site=world.maker.sites[1])
    async with world.db.write(world.maker.tenant) as session:
        preset = PRESETS["wide-access"]
        release = await listings.draft(
            session, planner, title=f"More {world.tag}", clause=preset.clause, version=preset.version, terms=preset.values,
            use_class="non_capital_spare",
        )  # fmt: skip
        line = listings.NewLine(part, world.maker.sites[1], "new", quantity, Decimal(price), package, package)
        (made,) = await listings.add_lines(session, planner, release, [line])
        await listings.publish(session, planner, release, datetime.now(UTC))
    return made


async def test_facets_take_several_values_and_offers_stand_side_by_side(world: World) -> None:
    market = await open_market(world)
    second = await another(market, 6, "55.00")
    await world.owner.execute("UPDATE part SET class_code = NULL WHERE id = $1", world.part)
    async with market.client(world.buyer, "buyer") as buyer:
        asked = [("q", market.number), ("clause", "buy-back"), ("clause", "access-back"), ("condition", "new")]
        both = await buyer.get(f"/find?{urlencode(asked)}")
        assert "2 offers fit" in both.text
        for clause in ("buy-back", "access-back"):
            assert f'name="clause" value="{clause}" checked' in both.text
        # What one choice leaves is told with the other facets in force and without its own.
        one = await buyer.get(f"/find?{urlencode([*asked[:2], ('max_price', '58')])}")
        assert "0 offers fit" in one.text
        assert f"/listings/{second}" not in one.text
        compared = await buyer.get(f"/compare?id={market.listing}&id={second}&id={market.listing}&quantity=4")
        assert compared.status_code == 200
        for words in ("Terms that differ", "60.00", "55.00", "240.00", "220.00"):
            assert words in compared.text, words
        # What was looked at stands on the find page as long as it is offered.
        await buyer.get(f"/listings/{second}")
        assert f'class="chip" href="/listings/{second}"' in (await buyer.get("/find")).text
        await world.owner.execute("UPDATE listing SET published = false WHERE id = $1", second)
        assert f"/listings/{second}" not in (await buyer.get("/find")).text
        await world.owner.execute("UPDATE listing SET published = true WHERE id = $1", second)
        gone = await buyer.get(f"/compare?id={market.listing}&id={world.maker.id}")
        assert "no longer offered to you" in gone.text
        five = "&".join(f"id={i}" for i in (market.listing, second, world.maker.id, world.buyer.id, world.other.id))
        most = await buyer.get(f"/compare?{five}")
        assert most.status_code == 200
        assert "1 offer more was chosen and left out" in most.text
    # The same number of statements for one offer as for two.
    async with market.client(world.buyer, "buyer") as buyer:
        with counted(world.db) as few:
            await buyer.get(f"/find?q={market.number}&max_price=58")
        with counted(world.db) as many:
            await buyer.get(f"/find?q={market.number}")
        assert len(many) == len(few)


async def test_a_list_is_covered_and_ordered_whole_or_not_at_all(world: World) -> None:
    market = await open_market(world)  # 20 at 60, from 4 on, in twos
    cheap = await another(market, 6, "55.00", package=3)
    pumps = await world.owner.fetchval("SELECT number FROM part WHERE id = $1", market.pump)
    table = f"number\tquantity\n{market.number}\t10\n{pumps}\t5\nNO-SUCH-{world.tag}\t1\n"
    async with market.client(world.buyer, "buyer") as buyer:
        shown = await buyer.post("/cover", data={"list": table, "currency": "USD"})
        # 6 at 55 and the smallest order of the other, 4 at 60; then both pumps, of five.
        assert "1,070.00" in shown.text
        assert "No more is on offer." in shown.text
        assert "The catalogue knows no such number." in shown.text
        basket = f"{cheap} 6 55.0000\n{market.listing} 4 60.0000"
        order = {
            "basket": basket,
            "list": table,
            "currency": "USD",
            "po_number": "PO-9",
            "ship_to": str(world.buyer.site),
        }
        review = await buyer.post("/cover/order", data={**order, "idempotency_key": key_of(shown.text)})
        assert "Place 2 orders for" in review.text
        sure = {**order, "confirmed": "yes"}
        planner = person(world.maker, "planner")
        async with world.db.write(world.maker.tenant) as session:
            await listings.reprice(session, planner, market.listing, Decimal(61), datetime.now(UTC))
        refused = await buyer.post("/cover/order", data={**sure, "idempotency_key": key_of(review.text)})
        assert refused.status_code == 409
        assert "61.00" in refused.text
        # Neither of the two orders: all or nothing.
        assert not await world.owner.fetchval("SELECT count(*) FROM purchase_order WHERE buyer_id = $1", world.buyer.id)
        assert not await world.owner.fetchval("SELECT sum(ordered) FROM listing WHERE company_id = $1", world.maker.id)
        sure["basket"] = basket.replace("60.0000", "61.0000")
        placed = await buyer.post("/cover/order", data={**sure, "idempotency_key": "other-" + key_of(review.text)})
        assert placed.status_code == 303, placed.text
    rows = await world.owner.fetch(
        "SELECT l.quantity, l.unit_price FROM purchase_order o JOIN order_line l ON l.order_id = o.id "
        "WHERE o.buyer_id = $1 ORDER BY l.unit_price", world.buyer.id,
    )  # fmt: skip
    assert [tuple(r) for r in rows] == [(6, Decimal(55)), (4, Decimal(61))]


async def test_a_want_list_tells_once_and_only_what_its_company_may_see(world: World, worker_db: Database) -> None:
    market = await open_market(world)
    newer, newer_id = (
        market.newer_number,
        await world.owner.fetchval("SELECT id FROM part WHERE number = $1", market.newer_number),
    )

    hours = itertools.count(1)

    async def told() -> list[str]:
        """Subjects of what was told, newest last, an hour after the look before."""
        await tasks.tell_wants(worker_db, datetime.now(UTC) + timedelta(hours=next(hours)))
        rows = await world.owner.fetch(
            "SELECT payload -> 'mail' ->> 'subject' AS s FROM outbox_event WHERE name = 'search.found' AND company_ids = ARRAY[$1::uuid] ORDER BY id",
            world.buyer.id,
        )  # fmt: skip
        return [r["s"] for r in rows]

    async with market.client(world.buyer, "buyer") as buyer:
        search = {"name": "Wanted", "kind": "offers", "numbers": f"{newer}\n{market.number}", "notify": "yes"}
        saved = await buyer.post("/searches", data=search)
        assert saved.status_code == 303, saved.text
        # What is on offer already is not told.
        assert await told() == []
        made = await another(market, 6, "80.00", part=newer_id)
        assert await told() == ["Wanted: 1 new offer"]
        assert len(await told()) == 1, "once"
        planner = person(world.maker, "planner")
        async with world.db.write(world.maker.tenant) as session:
            await listings.reprice(session, planner, made, Decimal(90), datetime.now(UTC))
        assert len(await told()) == 1, "dearer is no news"
        async with world.db.write(world.maker.tenant) as session:
            await listings.reprice(session, planner, made, Decimal(70), datetime.now(UTC))
        assert (await told())[1:] == ["Wanted: 1 cheaper offer"]
        # A block comes before what is new.
        async with world.db.write(world.maker.tenant) as session:
            await listings.block(session, planner, world.buyer.id, "Does not pay.", datetime.now(UTC))
        await another(market, 3, "10.00", part=newer_id)
        assert len(await told()) == 2
        page = await buyer.get("/searches")
        assert "Stop telling me" in page.text


async def test_a_seller_says_who_sees_it_on_a_page(world: World) -> None:
    market = await open_market(world)
    async with market.client(world.maker, "planner") as planner:
        page = await planner.get("/audiences")
        group = {"name": "Inner circle", "members": str(world.other.id), "idempotency_key": key_of(page.text)}
        assert (await planner.post("/audiences/groups", data=group)).status_code == 303
        known = await planner.post("/audiences/groups", data={**group, "idempotency_key": "k2"})
        assert known.status_code == 409
        assert "already" in known.text
        made = await world.owner.fetchval("SELECT id FROM partner_group WHERE company_id = $1", world.maker.id)
        path = f"/releases/{market.release}/audience"
        nobody = await planner.post(path, data={"idempotency_key": "k3"})
        assert nobody.status_code == 422
        staged = {"groups1": str(made), "at2": "2031-01-15T08:00", "everyone2": "yes", "idempotency_key": "k4"}
        assert (await planner.post(path, data=staged)).status_code == 303
        shown = await planner.get(path)
        assert "Inner circle" in shown.text
        assert 'value="2031-01-15T08:00"' in shown.text
        # The posting's own page, and the list, tell the stages and no list of names that is empty.
        one = (await planner.get(f"/releases/{market.release}")).text
        assert "Inner circle (group); all partners from 15 Jan 2031" in one
        assert "Named partners" not in one
        assert "in stages" in (await planner.get("/releases")).text
        blocked = {"blocked": str(world.buyer.id), "reason": "Does not pay.", "idempotency_key": "k5"}
        assert (await planner.post("/audiences/blocks", data=blocked)).status_code == 303
        assert "Does not pay." in (await planner.get("/audiences")).text
    async with market.client(world.buyer, "buyer") as buyer:
        assert (await buyer.get("/audiences")).status_code in (403, 404)
        assert (await buyer.get(f"/listings/{market.listing}")).status_code == 404
    async with market.client(world.other, "buyer") as other:
        assert (await other.get(f"/listings/{market.listing}")).status_code == 200
