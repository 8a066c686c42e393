"""Counts and lists say what row level security shows, whichever way they are found: among the newest, or looked up by the filters."""

from __future__ import annotations

import importlib
import json
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from marketplace.db.session import Database
from marketplace.listings import queries
from marketplace.listings.facets import clause_keys
from tests import own_database
from tests.web.trade import Market, open_market
from tests.world import Party, World, make_company

# What it posts stands under terms that nobody could read: no other test is to find it.
name, owner, db, worker_db = own_database.FIXTURES

CONDITIONS, COUNTRIES, USES = (
    ("new", "used", "refurbished"),
    ("US", "DE", "FR"),
    ("non_capital_spare", "intermediate_good"),
)
CLAUSES = ("buy-back", "access-back", "first-refusal", "title-kept")
# Under which the newest never fill a page, mostly do, and always do.
SIZES = ((3, 2, 4), (40, 6, 10), (100_000, 10, 10))


async def fill(world: World, market: Market, chance: random.Random, groups: list[UUID]) -> None:
    """Postings for all, for some, later, under one clause or several, and lines of them; some are ordered, some are controlled."""
    soon = datetime.now(UTC) + timedelta(hours=1)
    for n in range(14):
        audience = chance.choice(("all", "all", "all", "named", "later", "group"))
        further = chance.sample(CLAUSES, chance.choice((0, 0, 1, 2)))
        release = await world.owner.fetchval(
            "INSERT INTO release (reference, company_id, title, clause, version, terms, further, use_class, currency, audience, "
            "audience_ids, open_from, status, created_by, published_at) SELECT reference || '-' || $2::text, company_id, title, $3, version, "
            "terms, $4::jsonb, $5, currency, CASE WHEN $6 = 'all' THEN 'all' ELSE 'named' END, $7, $8, 'published', created_by, now() "
            "FROM release WHERE id = $1 RETURNING id",
            market.release, str(n), chance.choice(CLAUSES), json.dumps([{"clause": c} for c in further]), chance.choice(USES), audience,
            [world.buyer.id] if audience == "named" else [], soon if audience == "later" else None,
        )  # fmt: skip
        if audience == "group":
            await world.owner.execute(
                "INSERT INTO release_window (release_id, company_id, group_id) VALUES ($1, $2, $3)",
                release, world.maker.id, chance.choice(groups),
            )  # fmt: skip
        for _ in range(chance.randint(3, 14)):
            await world.owner.execute(
                "INSERT INTO listing (release_id, company_id, part_id, site_id, place, region, country, condition, quantity, ordered, "
                "unit_price, published, audience_ids, open_from, controlled) SELECT $1, $2, $3, $4, 'Town', 'RG', $5, $6, $7, $8, $9, true, "
                "CASE WHEN r.audience = 'all' THEN NULL ELSE r.audience_ids END, r.open_from, $10 FROM release r WHERE r.id = $1",
                release, world.maker.id, world.part, world.maker.site, chance.choice(COUNTRIES), chance.choice(CONDITIONS), 5,
                chance.choice((0, 0, 0, 5)), Decimal(chance.randint(1, 200)), chance.random() < 0.1,
            )  # fmt: skip


def fits(row: asyncpg.Record, wanted: queries.Wanted, but: str | None = None) -> bool:
    """Whether a row fits all filters but one, said anew."""
    chosen = {
        "condition": (wanted.conditions, {row["condition"]}), "country": (wanted.countries, {row["country"]}),
        "use": (wanted.uses, {row["use_class"]}), "clause": (wanted.clauses, set(row["clauses"])), "seller": (wanted.sellers, {row["company_id"]}),
    }  # fmt: skip
    return all(name == but or not asked or here & set(asked) for name, (asked, here) in chosen.items())


async def compare(db: Database, reader: Party, rows: list[asyncpg.Record], wanted: queries.Wanted) -> None:
    """The list page by page, and every count, against the rows that the reader sees."""
    expected = sorted((r["id"] for r in rows if fits(r, wanted)), reverse=True)
    got: list[UUID] = []
    async with db.read(reader.tenant) as session:
        mark: list[object] | None = None
        while page := await queries.browse(session, wanted, after=mark, limit=7):
            got += [r.id for r in page]
            mark = queries.browse_key(page[-1], "newest")
        told = await queries.facets(session, wanted)
    assert got == expected
    assert told.listings <= len(expected)
    assert told.at_least or told.listings == len(expected)
    for facet in told.facets:
        if facet.name in ("price", "quantity", "class", "maker", "seller"):
            continue
        column = {"use": "use_class", "clause": "clauses"}.get(facet.name, facet.name)
        count: dict[str, int] = {}
        for r in rows:
            if fits(r, wanted, facet.name):
                for value in set(r[column]) if column == "clauses" else [r[column]]:
                    count[value] = count.get(value, 0) + 1
        shown = {c.value: c.listings for c in facet.choices if c.listings}
        assert shown.items() <= count.items() or facet.at_least, (facet, count)
        assert facet.at_least or shown == count, (facet, count)
        assert all(n <= count[v] for v, n in shown.items()), (facet, count)


async def test_whichever_way_it_is_found_it_is_what_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    market = await open_market(world)
    chance = random.Random(21)
    grouped = await make_company(world.owner, f"GR{world.tag}", manufacturer=False)
    blocked = await make_company(world.owner, f"BL{world.tag}", manufacturer=False)
    group = await world.owner.fetchval(
        "INSERT INTO partner_group (company_id, name, made_by, made_at) VALUES ($1, 'G', $1, now()) RETURNING id", world.maker.id
    )  # fmt: skip
    await world.owner.execute("INSERT INTO partner_group_member VALUES ($1, $2, $3)", group, grouped.id, world.maker.id)
    await world.owner.execute(
        "INSERT INTO partner_block (company_id, partner_id, reason, recorded_by, recorded_at) VALUES ($1, $2, 'x', $1, now())",
        world.maker.id, blocked.id,
    )  # fmt: skip
    await world.owner.execute(
        "INSERT INTO export_clearance (company_id, partner_id, reference, valid_until, recorded_by, recorded_at) "
        "VALUES ($1, $2, 'x', current_date + 9, $1, now())",
        world.maker.id, world.buyer.id,
    )  # fmt: skip
    await fill(world, market, chance, [group])
    # What a posting is changed to, its lines follow.
    await world.owner.execute(
        "UPDATE release SET clause = 'title-kept', further = '[{\"clause\": \"buy-back\"}]' WHERE reference LIKE "
        "(SELECT reference || '-1%' FROM release WHERE id = $1)", market.release,
    )  # fmt: skip
    modules: list[Any] = [importlib.import_module(f"marketplace.listings.queries.{m}") for m in ("offers", "facets")]
    saw = set()
    for reader in (world.maker, world.buyer, grouped, world.other, blocked):
        rows = await world.visible(
            reader, "SELECT * FROM listing WHERE published AND ordered < quantity AND company_id = $1", world.maker.id
        )
        saw.add(len(rows))
        for walked, enough, counted in SIZES:
            for module in modules:
                monkeypatch.setattr(module, "WALKED", walked)
            monkeypatch.setattr(modules[1], "ENOUGH", enough)
            monkeypatch.setattr(modules[1], "COUNTED", counted)
            for _ in range(3):
                await compare(
                    world.db, reader, rows,
                    queries.Wanted(
                        sellers=(world.maker.id,), conditions=tuple(chance.sample(CONDITIONS, chance.randint(0, 2))),
                        countries=tuple(chance.sample(COUNTRIES, chance.randint(0, 2))), uses=tuple(chance.sample(USES, chance.randint(0, 1))),
                        clauses=tuple(chance.sample(CLAUSES, chance.randint(0, 2))),
                    ),
                )  # fmt: skip
    assert 0 in saw, "the blocked one sees nothing"
    assert len(saw) >= 4, "readers see different numbers of offers"


def test_a_set_of_clauses_is_found_by_each_of_them() -> None:
    assert "buy-back+first-refusal" in clause_keys(["first-refusal"])
    assert "buy-back" not in clause_keys(["first-refusal"])
    assert all("unheard-of" in key.split("+") for key in clause_keys(["unheard-of"]))
