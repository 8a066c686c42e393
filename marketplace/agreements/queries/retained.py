"""Units that stay the manufacturer's until they are paid or taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.queries.facts import read_terms
from marketplace.agreements.terms import Terms
from marketplace.agreements.together import read_further
from marketplace.db.session import WriteSession, fetch, fetch_one, fetch_value


@dataclass(frozen=True, slots=True)
class Retained:
    """So many free units of a lot that the holder has and does not own yet; ``reserved`` of it are not free."""

    lot_id: UUID
    position_id: int
    free: int
    reserved: int


@dataclass(frozen=True, slots=True)
class Retaining:
    """An agreement whose terms keep the title until the price is paid. ``placed``: its units are paid when they are taken
    out, and free of the agreement from then on."""

    agreement_id: UUID
    maker_id: UUID
    holder_id: UUID
    placed: bool

    @property
    def sides(self) -> tuple[UUID, UUID]:
        """(maker, holder)."""
        return self.maker_id, self.holder_id

    @property
    def acts(self) -> UUID:
        """Who passes title: the maker, or the holder where the units are then under no agreement with the maker any more."""
        return self.holder_id if self.placed else self.maker_id


async def retaining(session: AsyncSession, agreement_id: UUID) -> Retaining | None:
    """The agreement, or what was put in its place by a change, where its terms keep the title until the price is paid; None
    for any other."""
    row = await fetch_one(
        session,
        "WITH RECURSIVE chain AS (SELECT id, 0 AS n FROM agreement WHERE id = $1 UNION ALL "
        "SELECT a.id, c.n + 1 FROM chain c JOIN agreement a ON a.replaces_id = c.id) "
        "SELECT a.id AS agreement_id, a.maker_id, a.holder_id, a.clause = 'title-kept' AS placed, "
        "a.terms ->> 'title' = 'retained_until_paid' AS retains FROM chain c JOIN agreement a ON a.id = c.id ORDER BY c.n DESC LIMIT 1",
        agreement_id,
    )  # fmt: skip
    if row is None or not row["retains"]:
        return None
    return Retaining(row["agreement_id"], row["maker_id"], row["holder_id"], row["placed"])


async def clauses_of_agreement(session: AsyncSession, agreement_id: UUID) -> tuple[Terms, ...]:
    """The terms of each clause of an agreement, the first one first; () for one that is not there."""
    row = await fetch_one(
        session, "SELECT clause, version, terms::text, further::text FROM agreement WHERE id = $1", agreement_id
    )
    if row is None:
        return ()
    return (read_terms(row["clause"], row["version"], row["terms"]), *read_further(row["further"]))


async def title_passed(session: WriteSession, command_id: UUID) -> bool:
    """Whether the ledger has carried out this command already."""
    return bool(await fetch_value(session, "SELECT true FROM command WHERE command_id = $1", command_id))


async def retained_for_update(
    session: WriteSession, agreement_id: UUID, part_id: UUID, maker_id: UUID
) -> Sequence[Retained]:
    """Units of a part under an agreement that are the maker's still and not on their way back to it; their lots are locked
    in their order, before they are read."""
    await fetch(
        session,
        "SELECT lot_id FROM lot WHERE lot_id IN (SELECT p.lot_id FROM position p WHERE p.agreement_id = $1 AND p.part_id = $2 "
        "AND p.owner_id = $3 AND p.quantity > 0) ORDER BY lot_id FOR NO KEY UPDATE",
        agreement_id, part_id, maker_id,
    )  # fmt: skip
    rows = await fetch(
        session,
        "SELECT p.lot_id, p.position_id, p.quantity - p.held AS free, p.held AS reserved FROM position p "
        "JOIN agreement a ON a.id = p.agreement_id WHERE p.agreement_id = $1 AND p.part_id = $2 AND p.owner_id = $3 "
        "AND p.holder_id = a.holder_id AND p.site_id IS NOT NULL AND p.quantity > 0 ORDER BY p.lot_id, p.position_id",
        agreement_id, part_id, maker_id,
    )  # fmt: skip
    return [Retained(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Title to ``left`` units of a part waits until they are free: they are paid. ``cause_id``: the line that was."""

    cause_id: UUID
    agreement_id: UUID
    part_id: UUID
    left: int


async def titles_due(session: AsyncSession, now_free: int = 200) -> Sequence[UUID]:
    """Causes (settlement lines) of which title to paid units still waits, where such units are free now (worker)."""
    rows = await fetch(
        session,
        "SELECT t.cause_id FROM title_due t WHERE t.passed < t.quantity AND EXISTS (SELECT FROM position p "
        "WHERE p.agreement_id = t.agreement_id AND p.part_id = t.part_id AND p.owner_id = t.maker_id "
        "AND p.holder_id = t.holder_id AND p.site_id IS NOT NULL AND p.quantity > p.held) ORDER BY t.cause_id LIMIT $1",
        now_free,
    )
    return [r["cause_id"] for r in rows]


async def title_due(session: AsyncSession, cause_id: UUID) -> Waiting | None:
    """What waits for this cause, read without a lock: which lots to lock first."""
    row = await fetch_one(
        session,
        "SELECT cause_id, agreement_id, part_id, quantity - passed AS left FROM title_due WHERE cause_id = $1",
        cause_id,
    )
    return Waiting(**dict(row)) if row else None


async def title_due_for_update(session: WriteSession, cause_id: UUID) -> int:
    """How many units of this cause still wait, under its lock; lots are locked before."""
    left: int | None = await fetch_value(
        session, "SELECT quantity - passed FROM title_due WHERE cause_id = $1 FOR NO KEY UPDATE", cause_id
    )
    return left or 0


@dataclass(frozen=True, slots=True)
class TakenRow:
    """Units that were taken out; see ``models.TakingOut``. ``undone``: so many of them were taken back as recorded wrongly."""

    id: UUID
    agreement_id: UUID
    agreement: str
    maker_id: UUID
    holder_id: UUID
    part_id: UUID
    part_number: str
    quantity: int
    unit_price: Decimal
    currency: str
    why: str
    on_payment: bool
    taken_at: datetime
    due_on: date
    command_id: UUID | None
    undoes_id: UUID | None
    undone: int


_TAKEN = """
SELECT t.id, t.agreement_id, a.reference AS agreement, t.maker_id, t.holder_id, t.part_id, p.number AS part_number, t.quantity,
       t.unit_price, a.currency, t.why, t.on_payment, t.taken_at, t.due_on, t.command_id, t.undoes_id,
       coalesce((SELECT sum(u.quantity) FROM taking_out u WHERE u.undoes_id = t.id), 0)::int AS undone
FROM taking_out t JOIN agreement a ON a.id = t.agreement_id JOIN part p ON p.id = t.part_id
"""


async def taken(session: AsyncSession, taking_id: UUID) -> TakenRow | None:
    """One taking out."""
    row = await fetch_one(session, _TAKEN + "WHERE t.id = $1", taking_id)
    return TakenRow(**dict(row)) if row else None


async def taken_by_command(session: AsyncSession, command_id: UUID, part_id: UUID) -> TakenRow | None:
    """What a holder's act took out of a part, by the act's command; None where it took nothing out."""
    row = await fetch_one(session, _TAKEN + "WHERE t.command_id = $1 AND t.part_id = $2", command_id, part_id)
    return TakenRow(**dict(row)) if row else None


async def taken_by_act(session: AsyncSession, act_id: UUID) -> Sequence[TakenRow]:
    """All that one act of a holder took out."""
    rows = await fetch(session, _TAKEN + "WHERE t.command_id = $1 ORDER BY t.id", act_id)
    return [TakenRow(**dict(r)) for r in rows]


async def taken_under(
    session: AsyncSession, agreement_id: UUID, *, after: UUID | None = None, limit: int = 51
) -> Sequence[TakenRow]:
    """What was taken out under an agreement, newest first."""
    rows = await fetch(
        session,
        _TAKEN + "WHERE t.agreement_id = $1 AND t.undoes_id IS NULL AND ($2::uuid IS NULL OR t.id < $2) "
        "ORDER BY t.id DESC LIMIT $3",
        agreement_id,
        after,
        limit,
    )
    return [TakenRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class WhoseRow:
    """Of the units of a part under an agreement that its holder has: how many are still the maker's, and how many of these
    count as taken out and wait for their payment."""

    part_id: UUID
    part_number: str
    uom: str
    makers: int
    bought: int
    holders: int


async def whose(session: AsyncSession, agreement_id: UUID) -> Sequence[WhoseRow]:
    """Whose the units under an agreement are, by part number; one statement."""
    rows = await fetch(
        session,
        "SELECT l.part_id, t.number AS part_number, t.uom, l.bought, "
        "coalesce(sum(p.quantity) FILTER (WHERE p.owner_id = l.maker_id), 0)::int AS makers, "
        "coalesce(sum(p.quantity) FILTER (WHERE p.owner_id = l.holder_id), 0)::int AS holders "
        "FROM agreement_line l JOIN part t ON t.id = l.part_id LEFT JOIN position p ON p.agreement_id = l.agreement_id "
        "AND p.part_id = l.part_id AND p.holder_id = l.holder_id AND p.quantity > 0 "
        "WHERE l.agreement_id = $1 GROUP BY l.part_id, t.number, t.uom, l.bought, t.number_norm ORDER BY t.number_norm",
        agreement_id,
    )
    return [WhoseRow(**dict(r)) for r in rows]


async def ends(session: AsyncSession, agreement_id: UUID) -> tuple[datetime | None, datetime | None]:
    """(from when what is left counts as taken out, until when it has gone back), as stored."""
    row = await fetch_one(session, "SELECT counts_out_at, return_by FROM agreement WHERE id = $1", agreement_id)
    return (row["counts_out_at"], row["return_by"]) if row else (None, None)


async def counting_out(session: AsyncSession, now: datetime, *, limit: int = 200) -> Sequence[UUID]:
    """Agreements under which units count as taken out by now and do not stand so yet (worker); none that stands still."""
    rows = await fetch(
        session,
        "SELECT a.id FROM agreement a WHERE a.status IN ('active','expiring','run_off') AND a.counts_out_at <= $1 "
        "AND NOT a.legal_hold AND EXISTS (SELECT FROM agreement_line l WHERE l.agreement_id = a.id AND l.bought < "
        "(SELECT coalesce(sum(p.quantity - p.held), 0) FROM position p WHERE p.agreement_id = a.id AND p.part_id = l.part_id "
        "AND p.owner_id = a.maker_id AND p.holder_id = a.holder_id AND p.site_id IS NOT NULL AND p.quantity > 0)) "
        "ORDER BY a.counts_out_at, a.id LIMIT $2",
        now,
        limit,
    )
    return [r["id"] for r in rows]
