"""Whom a company lets see what, and at which price.

Every verb locks the company's market first (``queries.market_for_update``). An order holds it shared while it is placed and reads
once more what its buyer may see and pays, so that nothing is ordered past a block, a clearance or a price that came first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from marketplace.db.session import WriteSession, execute, fetch, fetch_value
from marketplace.kit.errors import conflict, invalid, missing
from marketplace.listings import queries
from marketplace.listings.windows import MOST_WHO, Window, checked
from marketplace.outbox.service import emit
from marketplace.parties.actor import Actor
from marketplace.safeguards.service import refuse_insolvent

MOST_GROUPS = 200
LONGEST_REASON = 500


async def _partners(session: WriteSession, actor: Actor, ids: Sequence[UUID], field: str) -> None:
    known = await fetch_value(
        session,
        "SELECT count(*) FROM company WHERE id = ANY($1::uuid[]) AND is_partner AND id <> $2",
        list(ids),
        actor.company_id,
    )
    if known != len(set(ids)):
        raise missing("company.not_found", "One of these partners does not exist.", field=field)


def _seller(actor: Actor) -> None:
    if not actor.is_manufacturer:
        raise invalid("release.company", "Only a manufacturer posts surplus, so only it says who sees it.")


# -- groups ------------------------------------------------------------------------------------------------


def _name(name: str) -> str:
    plain = " ".join(name.split())
    if not 0 < len(plain) <= 80:
        raise invalid("group.name", "Give the group a name of at most 80 characters.", field="name")
    return plain


async def _free_name(session: WriteSession, actor: Actor, name: str, besides: UUID | None) -> None:
    if await fetch_value(
        session,
        "SELECT EXISTS (SELECT 1 FROM partner_group WHERE company_id = $1 AND lower(name) = lower($2) AND id IS DISTINCT FROM $3)",
        actor.company_id, name, besides,
    ):  # fmt: skip
        raise conflict(
            "group.name_taken",
            f"You have a group '{name}' already: change that one, or choose another name.",
            field="name",
        )


async def make_group(
    session: WriteSession, actor: Actor, name: str, partner_ids: Sequence[UUID], now: datetime
) -> UUID:
    """A group of partners. Raises ``group.name``, ``group.name_taken``, ``group.too_many``, ``company.not_found``."""
    _seller(actor)
    await queries.market_for_update(session, actor.company_id)
    plain = _name(name)
    await _free_name(session, actor, plain, None)
    if (
        await fetch_value(session, "SELECT count(*) FROM partner_group WHERE company_id = $1", actor.company_id)
        >= MOST_GROUPS
    ):
        raise invalid("group.too_many", f"A company keeps at most {MOST_GROUPS} groups. Delete one that nothing uses.")
    made: UUID = await fetch_value(
        session, "INSERT INTO partner_group (company_id, name, made_by, made_at) VALUES ($1, $2, $3, $4) RETURNING id",
        actor.company_id, plain, actor.user_id, now,
    )  # fmt: skip
    await _set_members(session, actor, made, partner_ids)
    return made


async def change_group(
    session: WriteSession, actor: Actor, group_id: UUID, name: str, partner_ids: Sequence[UUID]
) -> None:
    """Another name, other members: from this moment on they see and pay what the group sees and pays."""
    await queries.market_for_update(session, actor.company_id)
    await queries.group_for_update(session, actor.company_id, group_id)
    plain = _name(name)
    await _free_name(session, actor, plain, group_id)
    await execute(session, "UPDATE partner_group SET name = $2 WHERE id = $1", group_id, plain)
    await execute(session, "DELETE FROM partner_group_member WHERE group_id = $1", group_id)
    await _set_members(session, actor, group_id, partner_ids)


async def _set_members(session: WriteSession, actor: Actor, group_id: UUID, partner_ids: Sequence[UUID]) -> None:
    if len(partner_ids) > MOST_WHO:
        raise invalid("group.members", f"A group has at most {MOST_WHO} partners.", field="partner_ids")
    await _partners(session, actor, partner_ids, "partner_ids")
    await execute(
        session,
        "INSERT INTO partner_group_member (group_id, partner_id, company_id) SELECT $1, x, $2 FROM unnest($3::uuid[]) AS x GROUP BY x",
        group_id, actor.company_id, list(partner_ids),
    )  # fmt: skip


async def delete_group(session: WriteSession, actor: Actor, group_id: UUID) -> str:
    """Its name. Raises ``group.in_use`` while a posting or a price names it."""
    await queries.market_for_update(session, actor.company_id)
    name = await queries.group_for_update(session, actor.company_id, group_id)
    used = await fetch_value(
        session,
        "SELECT EXISTS (SELECT 1 FROM release_window WHERE group_id = $1) OR EXISTS (SELECT 1 FROM partner_price WHERE group_id = $1)",
        group_id,
    )
    if used:
        raise conflict(
            "group.in_use",
            f"A posting or a price names the group '{name}', so it stays on record. Take its partners out instead.",
        )
    await execute(session, "DELETE FROM partner_group WHERE id = $1", group_id)
    return name


# -- blocks, clearances, controlled parts ------------------------------------------------------------------


async def block(session: WriteSession, actor: Actor, partner_id: UUID, reason: str, now: datetime) -> UUID:
    """The partner sees nothing of the company's postings from now on; orders that exist go on. Raises ``block.reason``,
    ``block.exists``, ``company.not_found``."""
    _seller(actor)
    await queries.market_for_update(session, actor.company_id)
    if not 0 < len(reason.strip()) <= LONGEST_REASON:
        raise invalid(
            "block.reason",
            f"Say why, in at most {LONGEST_REASON} characters. Only your company reads it.",
            field="reason",
        )
    await _partners(session, actor, [partner_id], "partner_id")
    if await fetch_value(
        session, "SELECT EXISTS (SELECT 1 FROM partner_block WHERE company_id = $1 AND partner_id = $2 AND lifted_at IS NULL)",
        actor.company_id, partner_id,
    ):  # fmt: skip
        raise conflict("block.exists", "This partner is blocked already.", field="partner_id")
    made: UUID = await fetch_value(
        session,
        "INSERT INTO partner_block (company_id, partner_id, reason, recorded_by, recorded_at) VALUES ($1, $2, $3, $4, $5) RETURNING id",
        actor.company_id, partner_id, reason.strip(), actor.user_id, now,
    )  # fmt: skip
    return made


async def lift_block(session: WriteSession, actor: Actor, block_id: UUID, now: datetime) -> None:
    """The partner sees again what postings offer to it. Raises ``block.not_found``."""
    await queries.market_for_update(session, actor.company_id)
    done = await fetch(
        session,
        "UPDATE partner_block SET lifted_by = $3, lifted_at = $4 WHERE company_id = $1 AND id = $2 AND lifted_at IS NULL RETURNING id",
        actor.company_id, block_id, actor.user_id, now,
    )  # fmt: skip
    if not done:
        raise missing("block.not_found", "No such block of yours is in force.")


async def clear(
    session: WriteSession, actor: Actor, partner_id: UUID, reference: str, valid_until: date, now: datetime
) -> UUID:
    """The partner may see and buy controlled parts until the end of that day (UTC). Raises ``clearance.reference``,
    ``clearance.until``, ``company.not_found``."""
    _seller(actor)
    await queries.market_for_update(session, actor.company_id)
    if not 0 < len(reference.strip()) <= 120:
        raise invalid(
            "clearance.reference", "Name the licence or screening, in at most 120 characters.", field="reference"
        )
    if valid_until < now.astimezone(UTC).date():
        raise invalid("clearance.until", "Choose a last day from today on.", field="valid_until")
    await _partners(session, actor, [partner_id], "partner_id")
    made: UUID = await fetch_value(
        session,
        "INSERT INTO export_clearance (company_id, partner_id, reference, valid_until, recorded_by, recorded_at) "
        "VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
        actor.company_id, partner_id, reference.strip(), valid_until, actor.user_id, now,
    )  # fmt: skip
    return made


async def withdraw_clearance(session: WriteSession, actor: Actor, clearance_id: UUID, now: datetime) -> None:
    """Raises ``clearance.not_found``."""
    await queries.market_for_update(session, actor.company_id)
    done = await fetch(
        session,
        "UPDATE export_clearance SET withdrawn_by = $3, withdrawn_at = $4 WHERE company_id = $1 AND id = $2 AND withdrawn_at IS NULL "
        "RETURNING id",
        actor.company_id, clearance_id, actor.user_id, now,
    )  # fmt: skip
    if not done:
        raise missing("clearance.not_found", "No such clearance of yours is in force.")


CONTROLLED = (
    "(r.terms ->> 'export_class' IS NOT NULL OR jsonb_path_exists(r.further, '$[*].terms.export_class ? (@ != null)') "
    "OR EXISTS (SELECT 1 FROM controlled_part k WHERE k.company_id = l.company_id AND k.part_id = l.part_id))"
)
"""A line is controlled where the terms of its posting give a classification, or the seller holds its part to be controlled."""


async def control_part(session: WriteSession, actor: Actor, part_id: UUID, classification: str, now: datetime) -> None:
    """From now on only cleared partners see the company's lines of this part. Raises ``controlled.classification``,
    ``controlled.exists``, ``part.not_found``."""
    _seller(actor)
    await queries.market_for_update(session, actor.company_id)
    if not 0 < len(classification.strip()) <= 40:
        raise invalid(
            "controlled.classification",
            "Give the classification, in at most 40 characters, such as 9A610.x.",
            field="classification",
        )
    if not await queries.known_parts(session, [part_id]):
        raise missing("part.not_found", "No such part. Find its id by its number first.", field="part_id")
    made = await fetch(
        session,
        "INSERT INTO controlled_part (company_id, part_id, classification, recorded_by, recorded_at) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT DO NOTHING RETURNING part_id",
        actor.company_id, part_id, classification.strip(), actor.user_id, now,
    )  # fmt: skip
    if not made:
        raise conflict("controlled.exists", "This part is on your list already.", field="part_id")
    await _mark(session, actor, part_id)


async def free_part(session: WriteSession, actor: Actor, part_id: UUID) -> None:
    """The part is no longer held to be controlled; lines whose terms say so stay controlled. Raises ``controlled.not_found``."""
    await queries.market_for_update(session, actor.company_id)
    gone = await fetch(
        session,
        "DELETE FROM controlled_part WHERE company_id = $1 AND part_id = $2 RETURNING part_id",
        actor.company_id,
        part_id,
    )
    if not gone:
        raise missing("controlled.not_found", "This part is not on your list of controlled parts.")
    await _mark(session, actor, part_id)


async def _mark(session: WriteSession, actor: Actor, part_id: UUID) -> None:
    await execute(
        session,
        f"UPDATE listing l SET controlled = {CONTROLLED} FROM release r WHERE r.id = l.release_id AND l.company_id = $1 AND l.part_id = $2",
        actor.company_id, part_id,
    )  # fmt: skip


# -- windows -----------------------------------------------------------------------------------------------


async def set_audience(session: WriteSession, actor: Actor, release_id: UUID, wanted: Sequence[Window]) -> None:
    """Says who sees a posting from when on, in place of what was said before; also while it is out. Nothing else of it changes, and
    orders go on. Raises ``release.audience``, ``release.windows``, ``release.closed``, ``company.not_found``, ``group.not_found``,
    ``company.insolvent``."""
    await queries.market_for_update(session, actor.company_id)
    release = await queries.release_for_update(session, release_id, actor.company_id)
    if release.status == "closed":
        raise conflict("release.closed", "This posting is closed: nobody orders from it any more.")
    said = checked(wanted)
    named = {p for w in said for p in w.partner_ids}
    await _partners(session, actor, list(named), "windows")
    groups = {g for w in said for g in w.group_ids}
    if len(await queries.group_names(session, actor.company_id, list(groups))) != len(groups):
        raise missing("group.not_found", "One of these groups is not yours.", field="windows")
    await refuse_insolvent(
        session,
        actor.company_id,
        sorted(named),
        "What it orders could not be accepted. Take it off the named partners.",
    )
    everyone = [w for w in said if w.everyone]
    at_once = any(w.opens_at is None for w in everyone)
    open_from = min((w.opens_at for w in everyone if w.opens_at is not None), default=None)
    first = sorted({p for w in said if w.opens_at is None for p in w.partner_ids})
    audience = "all" if at_once else "named"
    await execute(
        session, "UPDATE release SET audience = $2, audience_ids = $3, open_from = $4 WHERE id = $1",
        release_id, audience, [] if at_once else first, open_from,
    )  # fmt: skip
    await execute(session, "DELETE FROM release_window WHERE release_id = $1", release_id)
    later = [] if at_once else [
        (w.opens_at, partner, group)
        for w in said
        for partner, group in (*((None, g) for g in w.group_ids), *((p, None) for p in w.partner_ids if w.opens_at is not None))
    ]  # fmt: skip
    await execute(
        session,
        "INSERT INTO release_window (release_id, company_id, opens_at, partner_id, group_id) "
        "SELECT $1, $2, x.at, x.partner, x.grp FROM unnest($3::timestamptz[], $4::uuid[], $5::uuid[]) AS x (at, partner, grp)",
        release_id, actor.company_id, [x[0] for x in later], [x[1] for x in later], [x[2] for x in later],
    )  # fmt: skip
    await execute(
        session, "UPDATE listing SET audience_ids = $2, open_from = $3 WHERE release_id = $1",
        release_id, None if at_once else first, open_from,
    )  # fmt: skip
    if release.status == "published":
        await emit(
            session, "release.audience", "release", release_id, [actor.company_id], {"reference": release.reference}
        )


# -- prices ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewPrice:
    """For one partner or one group: so many basis points off everything (no posting), a posting or a line; or an amount a unit of
    a line."""

    partner_id: UUID | None = None
    group_id: UUID | None = None
    release_id: UUID | None = None
    listing_id: UUID | None = None
    off_bp: int | None = None
    unit_price: Decimal | None = None


async def set_price(session: WriteSession, actor: Actor, new: NewPrice, now: datetime) -> UUID:
    """A price beside those there are; the lowest that applies counts. Raises ``price.who``, ``price.what``, ``price.off``,
    ``price.amount``, ``release.not_found``, ``listing.not_found``, ``group.not_found``, ``company.not_found``."""
    _seller(actor)
    await queries.market_for_update(session, actor.company_id)
    if (new.partner_id is None) == (new.group_id is None):
        raise invalid("price.who", "A price is for one partner or for one group.", field="partner_id")
    if (new.off_bp is None) == (new.unit_price is None):
        raise invalid(
            "price.what", "Give a share off the posted price, or an amount a unit of one line.", field="off_bp"
        )
    if new.off_bp is not None and not 1 <= new.off_bp <= 10_000:
        raise invalid("price.off", "A share off is more than 0 and at most 100 percent.", field="off_bp")
    if new.unit_price is not None and (new.listing_id is None or new.unit_price < 0):
        raise invalid("price.amount", "An amount is zero or more, and for one line of a posting.", field="unit_price")
    if new.partner_id is not None:
        await _partners(session, actor, [new.partner_id], "partner_id")
    elif new.group_id is not None and not await queries.group_names(session, actor.company_id, [new.group_id]):
        raise missing("group.not_found", "No such group of yours.", field="group_id")
    release_id = new.release_id
    if new.listing_id is not None:
        of = await fetch_value(
            session,
            "SELECT release_id FROM listing WHERE id = $1 AND company_id = $2",
            new.listing_id,
            actor.company_id,
        )
        if of is None or release_id not in (None, of):
            raise missing("listing.not_found", "No such line of a posting of yours.", field="listing_id")
        release_id = of
    elif release_id is not None:
        await queries.release_for_update(session, release_id, actor.company_id)
    made: UUID = await fetch_value(
        session,
        "INSERT INTO partner_price (company_id, release_id, listing_id, partner_id, group_id, off_bp, unit_price, recorded_by, recorded_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id",
        actor.company_id, release_id, new.listing_id, new.partner_id, new.group_id, new.off_bp, new.unit_price, actor.user_id, now,
    )  # fmt: skip
    await _repriced(session, actor, release_id, new.listing_id)
    return made


async def end_price(session: WriteSession, actor: Actor, price_id: UUID, now: datetime) -> None:
    """It applies to no order from now on. Raises ``price.not_found``."""
    await queries.market_for_update(session, actor.company_id)
    done = await fetch(
        session,
        "UPDATE partner_price SET ended_by = $3, ended_at = $4 WHERE company_id = $1 AND id = $2 AND ended_at IS NULL RETURNING id",
        actor.company_id, price_id, actor.user_id, now,
    )  # fmt: skip
    if not done:
        raise missing("price.not_found", "No such price of yours is in force.")


async def reprice(session: WriteSession, actor: Actor, listing_id: UUID, unit_price: Decimal, now: datetime) -> None:
    """Another posted price for what is not ordered yet. Raises ``listing.not_found``, ``release.price``."""
    await queries.market_for_update(session, actor.company_id)
    rows = await queries.listings_for_update(session, [listing_id])
    if not rows or rows[0].seller_id != actor.company_id:
        raise missing("listing.not_found", "No such listing of yours.")
    if unit_price < 0:
        raise invalid("release.price", "A price is zero or more.", field="unit_price")
    line = rows[0]
    if unit_price == line.unit_price:
        return
    await execute(session, "UPDATE listing SET unit_price = $2 WHERE id = $1", listing_id, unit_price)
    if line.published:
        await _repriced(session, actor, line.release_id, listing_id, before=line.unit_price, after=unit_price, at=now)


async def _repriced(
    session: WriteSession, actor: Actor, release_id: UUID | None, listing_id: UUID | None, **told: object
) -> None:
    """Tells that prices may be lower now: whose want list that touches is looked up by who listens."""
    await emit(
        session, "listing.repriced", "release", release_id or actor.company_id, [actor.company_id],
        {"company_id": str(actor.company_id), "release_id": release_id and str(release_id), "listing_id": listing_id and str(listing_id),
         **{name: str(value) for name, value in told.items()}},
    )  # fmt: skip
