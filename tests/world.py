"""A small world for one test: companies, sites, users and parts with ids of their own, so that tests that
commit for real never meet each other."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg

from marketplace.db.session import Database, Tenant, fetch
from marketplace.kit.ids import serial_lot_id
from marketplace.ledger.entries import Applied, Command, NewLot, Place, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import carry_out


@dataclass
class Party:
    """A company of the world, with its first site and its people by role."""

    id: UUID
    code: str
    name: str
    site: UUID
    users: dict[str, UUID] = field(default_factory=dict)
    sites: list[UUID] = field(default_factory=list)

    @property
    def tenant(self) -> Tenant:
        return Tenant(self.id)

    @property
    def actor(self) -> UUID:
        return next(iter(self.users.values()))


@dataclass
class World:
    """maker (manufacturer), buyer and other (partners), a part of the maker."""

    owner: asyncpg.Connection
    db: Database
    maker: Party
    buyer: Party
    other: Party
    maker_row: UUID
    part: UUID
    tag: str

    @classmethod
    async def make(cls, owner: asyncpg.Connection, db: Database) -> World:
        tag = secrets.token_hex(4)
        maker = await make_company(owner, f"MK{tag}", manufacturer=True)
        buyer = await make_company(owner, f"BU{tag}", manufacturer=False)
        other = await make_company(owner, f"OT{tag}", manufacturer=False)
        await owner.execute(
            "INSERT INTO unit_of_measure (code, name) VALUES ('EA', 'Each'), ('HD', 'Hundred') ON CONFLICT DO NOTHING"
        )
        maker_row = await owner.fetchval(
            "INSERT INTO maker (code, name, company_id) VALUES ($1, $2, $3) RETURNING id",
            f"MK{tag}",
            f"Maker {tag}",
            maker.id,
        )
        world = cls(owner, db, maker, buyer, other, maker_row, uuid4(), tag)
        world.part = await world.make_part(f"{tag}-100-A")
        return world

    async def make_part(self, number: str, *, uom: str = "EA", list_price: str | None = "120.00") -> UUID:
        norm = "".join(c for c in number.upper() if c.isalnum())
        part = await self.owner.fetchval(
            "INSERT INTO part (maker_id, number, number_norm, description, uom, weight_grams, list_price, currency) "
            "VALUES ($1, $2, $3, 'HYDRAULIC PUMP', $4, 1200, $5::text::numeric, CASE WHEN $5::text IS NULL THEN NULL ELSE 'USD' END) "
            "RETURNING id",
            self.maker_row,
            number,
            norm,
            uom,
            list_price,
        )
        await self.owner.execute(
            "INSERT INTO part_number (part_id, number, number_norm, scheme) VALUES ($1, $2, $3, 'maker')",
            part,
            number,
            norm,
        )
        return part

    def place(self, party: Party, *, site: UUID | None = None, condition: str = "new") -> Place:
        return Place(party.id, party.id, site or party.site, condition)

    async def run(
        self, party: Party, *steps: Step, command_id: UUID | None = None, now: datetime | None = None
    ) -> Applied:
        """Carries out steps as ``party``, committed."""
        command = Command(command_id or uuid4(), party.id, party.actor, steps, "test")
        async with self.db.write(party.tenant) as session:
            return await carry_out(session, command, now or datetime.now(UTC))

    async def register(
        self,
        party: Party,
        quantity: int = 1,
        *,
        serial: str | None = None,
        part: UUID | None = None,
        site: UUID | None = None,
        occurred_at: datetime | None = None,
        place: Place | None = None,
    ) -> UUID:
        """A registered lot's id."""
        part = part or self.part
        lot = serial_lot_id(party.code, str(part), serial) if serial else uuid4()
        new = NewLot(lot, part, "EA", serial=serial)
        step = Step(
            Kind.REGISTER, lot, quantity, to=place or self.place(party, site=site), new_lot=new, occurred_at=occurred_at
        )
        await self.run(party, step)
        return lot

    async def snapshot(self, *lots: UUID) -> list[tuple[object, ...]]:
        """Every row of these lots in every ledger table: equal before and after means that nothing changed."""
        rows: list[tuple[object, ...]] = []
        for table in ("lot", '"position"', "movement", "open_hold", "permit"):
            rows += [
                tuple(r)
                for r in await self.owner.fetch(
                    f"SELECT * FROM {table} WHERE lot_id = ANY($1::uuid[]) ORDER BY 1, 2", list(lots)
                )
            ]
        return rows

    async def positions(self, lot: UUID) -> dict[int, tuple[int, int]]:
        """Position number -> (quantity, held)."""
        rows = await self.owner.fetch(
            "SELECT position_id, quantity, held FROM position WHERE lot_id = $1 ORDER BY 1", lot
        )
        return {r[0]: (r[1], r[2]) for r in rows}

    async def visible(self, party: Party, sql: str, *args: object) -> list[asyncpg.Record]:
        """What a statement returns to ``party``."""
        async with self.db.read(party.tenant) as session:
            return list(await fetch(session, sql, *args))


async def make_company(owner: asyncpg.Connection, code: str, *, manufacturer: bool) -> Party:
    company = await owner.fetchval(
        "INSERT INTO company (code, name, is_manufacturer, is_partner, currency, country) "
        "VALUES ($1, $2, $3, $4, 'USD', 'US') RETURNING id",
        code,
        f"Company {code}",
        manufacturer,
        not manufacturer,
    )
    party = Party(company, code, f"Company {code}", uuid4())
    for number in (1, 2):
        site = await owner.fetchval(
            "INSERT INTO site (company_id, code, name, place, region, country, lat, lon, timezone) "
            "VALUES ($1, $2, $3, 'Adamsville', 'AL', 'US', $4, $5, 'America/Chicago') RETURNING id",
            company,
            f"S{number}",
            f"Adamsville, AL - {code} {number}",
            33.6 + number / 10,
            -86.9,
        )
        party.sites.append(site)
    party.site = party.sites[0]
    roles = (
        ["planner", "technician", "warehouse", "admin", "auditor"]
        if manufacturer
        else ["buyer", "warehouse", "technician", "admin", "auditor"]
    )
    for role in roles:
        party.users[role] = await owner.fetchval(
            "INSERT INTO user_account (company_id, email, name, password_hash, roles) VALUES ($1, $2, $3, 'x', $4) RETURNING id",
            company,
            f"{role}@{code}.example".lower(),
            f"{role} of {code}",
            [role],
        )
    return party
