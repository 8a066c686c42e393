"""Agreements for tests: the clause library published, a schedule offered and signed, units delivered under it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from marketplace.agreements.library import digest_clause, read_released
from marketplace.agreements.presets import PRESETS
from marketplace.agreements.service import OfferLine, offer, publish_library, sign
from marketplace.agreements.service.publishing import Published
from marketplace.agreements.terms import dump_terms, parse_terms
from marketplace.kit.clock import local_day
from marketplace.kit.money import Money
from marketplace.ledger.entries import Place
from marketplace.parties.actor import Actor
from tests.world import Party, World

CONTRACTS = Path(__file__).resolve().parents[1] / "contracts"
NOW = datetime.now(UTC)


def clock() -> datetime:
    """The present moment: acts on one lot follow each other in time."""
    return datetime.now(UTC)


def usd(amount: str) -> Money:
    """An amount in US dollars."""
    return Money(Decimal(amount), "USD")


async def publish(owner: asyncpg.Connection) -> list[Published]:
    """The clause library in the test database; again changes nothing."""
    return await publish_library(owner, CONTRACTS)


def person(party: Party, *roles: str, sources: tuple[UUID, ...] = ()) -> Actor:
    """Somebody of a company who holds these roles (its admin unless said otherwise)."""
    wanted = roles or ("admin",)
    return Actor(
        user_id=party.users.get(wanted[0], party.actor),
        company_id=party.id,
        user_name=f"{wanted[0]} of {party.code}",
        company_name=party.name,
        company_code=party.code,
        is_manufacturer=party.code.startswith("MK"),
        is_partner=not party.code.startswith("MK"),
        currency="USD",
        roles=frozenset(wanted),
        sources=sources,
    )


async def offered(
    world: World,
    *,
    preset: str = "standard-buy-back",
    quantity: int = 10,
    lines: Sequence[OfferLine] | None = None,
    order_id: UUID | None = None,
    use_class: str = "intermediate_good",
    schedule_date: date | None = None,
    minimum: int | None = None,
    now: datetime = NOW,
    **changed: Any,
) -> UUID:
    """A schedule offered by the maker to the buyer, of ten units of the world's part unless said otherwise."""
    await publish(world.owner)
    chosen = PRESETS[preset]
    usual = [OfferLine(world.part, quantity, Decimal(100), Decimal(120), minimum)]
    async with world.db.write(world.maker.tenant) as session:
        return await offer(
            session,
            actor_id=world.maker.actor,
            order_id=order_id or uuid4(),
            order_reference="ORD-TEST22",
            maker_id=world.maker.id,
            holder_id=world.buyer.id,
            clause=chosen.clause,
            version=chosen.version,
            terms={**chosen.values, **changed},
            use_class=use_class,
            currency="USD",
            zone="America/Chicago",
            schedule_date=schedule_date or local_day(now, "America/Chicago"),
            lines=usual if lines is None else lines,
            now=now,
        )


async def signed(world: World, agreement_id: UUID, now: datetime = NOW) -> UUID:
    """The agreement, signed by both."""
    for party in (world.maker, world.buyer):
        async with world.db.write(party.tenant) as session:
            await sign(session, person(party), agreement_id, now)
    return agreement_id


async def agreed(world: World, **how: Any) -> UUID:
    """An active agreement; takes what ``offered`` takes."""
    return await signed(world, await offered(world, **how), how.get("now", NOW))


async def publish_all(owner: asyncpg.Connection) -> None:
    """Every version of the library in the test database, released or not: as the publishing service would write it."""
    await publish(owner)
    released = read_released((CONTRACTS / "released.toml").read_bytes())
    for folder in sorted(CONTRACTS.glob("*/v*")):
        clause, version = folder.parent.name, int(folder.name[1:])
        if (clause, version) in released:
            continue
        files = {f.name: f.read_bytes() for f in folder.iterdir() if f.is_file()}
        wording = files["clause.md"].decode()
        await owner.execute(
            "INSERT INTO clause_version (clause, version, title, sha256, wording, terms_schema) "
            "VALUES ($1, $2, $3, $4, $5, $6::jsonb) ON CONFLICT DO NOTHING",
            clause, version, wording.splitlines()[0].removeprefix("# "), bytes.fromhex(digest_clause(files)), wording,
            files["terms.schema.json"].decode(),
        )  # fmt: skip


async def agreed_on(
    world: World,
    clauses: Sequence[tuple[str, int, Mapping[str, Any]]],
    *,
    quantity: int = 10,
    list_price: Decimal | None = Decimal(120),
    use_class: str = "non_capital_spare",
    schedule_date: date | None = None,
    now: datetime = NOW,
) -> UUID:
    """An active agreement under terms of the second library, of units of the world's part; clauses beside the first one are
    written to its row as the service that offers them does."""
    await publish_all(world.owner)
    (clause, version, terms), *more = clauses
    async with world.db.write(world.maker.tenant) as session:
        made = await offer(
            session, actor_id=world.maker.actor, order_id=uuid4(), order_reference="ORD-TEST22", maker_id=world.maker.id,
            holder_id=world.buyer.id, clause=clause, version=version, terms=terms, use_class=use_class, currency="USD",
            zone="America/Chicago", schedule_date=schedule_date or local_day(now, "America/Chicago"),
            lines=[OfferLine(world.part, quantity, Decimal(100), list_price, None)], now=now,
        )  # fmt: skip
    further = [{"clause": c, "version": v, "terms": dump_terms(parse_terms(c, v, t))} for c, v, t in more]
    await world.owner.execute("UPDATE agreement SET further = $2::jsonb WHERE id = $1", made, json.dumps(further))
    return await signed(world, made, now)


def under(world: World, agreement_id: UUID, *, site: UUID | None = None, condition: str = "new") -> Place:
    """The buyer's place for units under an agreement."""
    party = world.buyer
    return Place(party.id, party.id, site or party.site, condition, agreement_id, world.maker.id)


async def delivered(
    world: World,
    agreement_id: UUID,
    quantity: int = 10,
    *,
    serial: str | None = None,
    site: UUID | None = None,
    part: UUID | None = None,
) -> UUID:
    """A lot at the buyer under the agreement."""
    return await world.register(
        world.buyer, quantity, serial=serial, part=part, place=under(world, agreement_id, site=site)
    )


async def rows_of(world: World, *tables: str, company: Party | None = None) -> list[tuple[object, ...]]:
    """Every row of these tables that names a company of this world, as text: equal before and after means that
    nothing changed."""
    found: list[tuple[object, ...]] = []
    for table in tables:
        rows = await world.owner.fetch(
            f"SELECT to_jsonb(t)::text AS row FROM {table} t WHERE to_jsonb(t)::text LIKE '%' || $1 || '%' ORDER BY 1",
            str((company or world.maker).id),
        )
        found += [(table, r["row"]) for r in rows]
    return found
