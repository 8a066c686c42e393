"""The verbs of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from uuid import UUID

from asyncpg import ForeignKeyViolationError, UniqueViolationError

from marketplace.db.session import WriteSession, execute, fetch_one, fetch_value
from marketplace.kit.errors import conflict, forbidden, invalid, missing
from marketplace.parties.actor import Actor
from marketplace.parts import queries
from marketplace.parts.chains import Link, closes_a_circle
from marketplace.parts.numbers import MAX_LENGTH, normalise


async def create_maker(session: WriteSession, *, code: str, name: str, company_id: UUID | None) -> UUID:
    """A new maker. Its code is permanent: ids of serial-numbered units are computed from it."""
    try:
        made: UUID = await fetch_value(
            session,
            "INSERT INTO maker (code, name, company_id) VALUES ($1, $2, $3) RETURNING id",
            code,
            name,
            company_id,
        )
    except UniqueViolationError:
        raise conflict("maker.code", f"There is a maker with the code {code} already.", field="code") from None
    return made


async def create_part(
    session: WriteSession,
    actor: Actor,
    *,
    maker_id: UUID,
    number: str,
    description: str,
    uom: str,
    class_code: str | None = None,
    weight_grams: int | None = None,
    list_price: Decimal | None = None,
    currency: str | None = None,
    other_numbers: Sequence[tuple[str, str]] = (),
) -> UUID:
    """A new part of one of the actor's makers, with ``other_numbers`` as (scheme, number)."""
    await _own_maker(session, actor, maker_id)
    norm = normalise(number)
    if not norm or len(number) > MAX_LENGTH:
        raise invalid(
            "part.number", f"A part number has letters or digits, at most {MAX_LENGTH} characters.", field="number"
        )
    if list_price is not None and list_price < 0:
        raise invalid("part.price", "A list price is zero or more.", field="list_price")
    try:
        made: UUID = await fetch_value(
            session,
            "INSERT INTO part (maker_id, number, number_norm, description, class_code, uom, weight_grams, list_price, "
            "currency) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9) RETURNING id",
            maker_id, number.strip(), norm, description, class_code, uom, weight_grams, list_price,
            currency or (actor.currency if list_price is not None else None),
        )  # fmt: skip
    except UniqueViolationError:
        raise conflict("part.number", f"This maker has a part {number} already.", field="number") from None
    except ForeignKeyViolationError:
        raise invalid("part.uom", "Unknown unit of measure or class. Use EA for single pieces.", field="uom") from None
    for scheme, other in (("maker", number), *other_numbers):
        await execute(
            session,
            "INSERT INTO part_number (part_id, number, number_norm, scheme) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            made, other.strip(), normalise(other), scheme,
        )  # fmt: skip
    return made


async def supersede(
    session: WriteSession, actor: Actor, *, old: UUID, new: UUID, effective_on: date, note: str = ""
) -> None:
    """``old`` is replaced by ``new`` from a date on. Raises ``supersession.circle`` when that leads back."""
    for part_id in (old, new):
        found = await queries.part(session, part_id)
        if found.maker_company_id != actor.company_id:
            raise missing("part.not_found", "No such part of yours.")
    links = [Link(*row) for row in await queries.supersessions_for_update(session)]
    if closes_a_circle(links, old, new):
        raise conflict(
            "supersession.circle",
            "That would lead in a circle: the new number is itself replaced, step by step, by the old one.",
            field="new",
        )
    await execute(
        session,
        "INSERT INTO supersession (from_part_id, to_part_id, effective_on, note) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (from_part_id, to_part_id) DO UPDATE SET effective_on = excluded.effective_on, note = excluded.note",
        old, new, effective_on, note,
    )  # fmt: skip


async def add_alternate(
    session: WriteSession, actor: Actor, *, part_id: UUID, alternate: UUID, both_ways: bool, note: str = ""
) -> None:
    """``alternate`` may stand in for ``part_id``; ``both_ways`` says so for the reverse too, which only the maker of both
    may. Raises ``part.not_found``, ``part.foreign``, ``alternate.self``."""
    if part_id == alternate:
        raise invalid("alternate.self", "A part cannot stand in for itself.", field="alternate")
    found = await queries.part(session, part_id)
    other_part = await queries.part(session, alternate)
    if found.maker_company_id != actor.company_id:
        raise missing("part.not_found", "No such part of yours.")
    if both_ways and other_part.maker_company_id != actor.company_id:
        raise forbidden(
            "part.foreign",
            "The alternate is another maker's part: only that maker says what may stand in for it. Leave out 'both_ways'.",
        )
    pairs = [(part_id, alternate)] + ([(alternate, part_id)] if both_ways else [])
    for one, other in pairs:
        await execute(
            session,
            "INSERT INTO alternate (part_id, alternate_part_id, note) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            one, other, note,
        )  # fmt: skip


async def convert(session: WriteSession, part_id: UUID, quantity: int, uom: str) -> int:
    """``quantity`` of ``uom`` in the part's base unit. Raises ``part.no_factor`` where none is stated, and
    ``part.fraction`` where it is not a whole number: nothing is rounded."""
    found = await queries.factor(session, part_id, uom)
    if found is None:
        raise invalid(
            "part.no_factor",
            f"No factor is stated between {uom} and this part's unit. Give the quantity in its own unit.",
            field="uom",
        )
    total, rest = divmod(quantity * found[0], found[1])
    if rest:
        raise invalid("part.fraction", f"{quantity} {uom} is not a whole number of this part's unit.", field="quantity")
    return total


async def _own_maker(session: WriteSession, actor: Actor, maker_id: UUID) -> None:
    row = await fetch_one(session, "SELECT company_id FROM maker WHERE id = $1", maker_id)
    if row is None or row["company_id"] != actor.company_id:
        raise missing("maker.not_found", "No such maker of yours.")
