"""Proposals to change or to end an agreement, and which agreement stands in an older one's place."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.queries.facts import read_terms
from marketplace.agreements.queries.lists import LineRow, lines_of
from marketplace.agreements.terms import Terms, parse_terms
from marketplace.agreements.together import read_further
from marketplace.db.session import WriteSession, fetch, fetch_one, fetch_value
from marketplace.kit.errors import missing
from marketplace.ledger.entries import Place
from marketplace.parties.actor import Actor


@dataclass(frozen=True, slots=True)
class ProposalRow:
    """A proposal. ``kind``: 'change' (with ``terms`` and, by part, ``minimums`` to keep) or 'end'. ``standing``: open,
    accepted, declined, withdrawn, countered, lapsed."""

    id: UUID
    agreement_id: UUID
    maker_id: UUID
    holder_id: UUID
    kind: str
    answers_id: UUID | None
    reference: str | None
    terms: Terms | None
    further: tuple[Terms, ...]
    minimums: dict[UUID, int]
    wording: str
    wording_sha256: bytes
    note: str
    proposed_by: UUID
    proposer: str
    proposed_by_user: UUID
    proposed_at: datetime
    valid_until: datetime
    status: str
    answered_at: datetime | None
    reason: str | None

    @property
    def clauses(self) -> tuple[Terms, ...]:
        """The terms of every clause that is proposed; none where the agreement is to end."""
        return () if self.terms is None else (self.terms, *self.further)

    def standing(self, now: datetime) -> str:
        """As ``status``; one that nobody answered in time has lapsed, whether or not the clock has said so."""
        return "lapsed" if self.status == "open" and now >= self.valid_until else self.status


_COLUMNS = """
p.id, p.agreement_id, p.maker_id, p.holder_id, p.kind, p.answers_id, p.reference, p.clause, p.version, p.terms::text, p.further::text,
p.minimums::text, p.wording, p.wording_sha256, p.note, p.proposed_by, c.name AS proposer, p.proposed_by_user,
p.proposed_at, p.valid_until, p.status, p.answered_at, p.reason
"""
_OVER = frozenset({"terminated", "closed", "withdrawn"})
MOST_TOLD = 100
"""So many proposals of one agreement are told, the newest."""


def _row(raw: Any) -> ProposalRow:
    found = dict(raw)
    clause, version = found.pop("clause"), found.pop("version")
    terms, further = found.pop("terms"), read_further(found.pop("further"))
    minimums = json.loads(found.pop("minimums") or "{}")
    return ProposalRow(
        **found,
        terms=None if terms is None else parse_terms(clause, version, json.loads(terms)),
        further=further,
        minimums={UUID(part): int(keep) for part, keep in minimums.items()},
    )


async def proposals(session: AsyncSession, actor: Actor, agreement_id: UUID) -> Sequence[ProposalRow]:
    """Proposals about an agreement of the actor's company, newest first."""
    rows = await fetch(
        session,
        f"SELECT {_COLUMNS} FROM agreement_proposal p JOIN company c ON c.id = p.proposed_by "
        "WHERE p.agreement_id = $1 AND (p.maker_id = $2 OR p.holder_id = $2) ORDER BY p.id DESC LIMIT $3",
        agreement_id,
        actor.company_id,
        MOST_TOLD,
    )
    return [_row(r) for r in rows]


async def proposal_for_update(session: WriteSession, company_id: UUID, proposal_id: UUID) -> ProposalRow:
    """Locks a proposal of a company's agreement, then reads it. The agreement was locked before. Raises
    ``proposal.not_found``."""
    await fetch(session, "SELECT id FROM agreement_proposal WHERE id = $1 FOR NO KEY UPDATE", proposal_id)
    row = await fetch_one(
        session,
        f"SELECT {_COLUMNS} FROM agreement_proposal p JOIN company c ON c.id = p.proposed_by "
        "WHERE p.id = $1 AND (p.maker_id = $2 OR p.holder_id = $2)",
        proposal_id,
        company_id,
    )
    if row is None:
        raise missing("proposal.not_found", "No such proposal.")
    return _row(row)


async def proposal_ends(session: AsyncSession, proposal_id: UUID) -> bool:
    """Whether a proposal is to end its agreement."""
    return bool(await fetch_value(session, "SELECT kind = 'end' FROM agreement_proposal WHERE id = $1", proposal_id))


async def agreement_of_proposal(session: AsyncSession, company_id: UUID, proposal_id: UUID) -> UUID:
    """Which agreement a proposal is about. Raises ``proposal.not_found``."""
    found: UUID | None = await fetch_value(
        session,
        "SELECT agreement_id FROM agreement_proposal WHERE id = $1 AND (maker_id = $2 OR holder_id = $2)",
        proposal_id,
        company_id,
    )
    if found is None:
        raise missing("proposal.not_found", "No such proposal.")
    return found


@dataclass(frozen=True, slots=True)
class AgreementText:
    """What a proposal starts from: the terms and the schedule as signed."""

    terms: Terms
    further: tuple[Terms, ...]
    use_class: str
    currency: str
    order_named: str
    """What the text says of the order."""
    lines: tuple[LineRow, ...]

    @property
    def clauses(self) -> tuple[Terms, ...]:
        """The terms of every clause, the first one first."""
        return (self.terms, *self.further)


async def agreement_text(session: AsyncSession, agreement_id: UUID) -> AgreementText:
    """The terms and lines of an agreement that the tenant may see. Raises ``agreement.not_found``."""
    row = await fetch_one(
        session,
        "SELECT clause, version, terms::text AS terms, further::text AS further, use_class, currency, "
        "substring(wording FROM '[*]{2}Order:[*]{2} ([^\n]*)') AS order_named FROM agreement WHERE id = $1",
        agreement_id,
    )
    if row is None:
        raise missing("agreement.not_found", "No such agreement.")
    return AgreementText(
        read_terms(row["clause"], row["version"], row["terms"]), read_further(row["further"]),
        row["use_class"], row["currency"], (row["order_named"] or "").replace("\\", ""),
        await lines_of(session, agreement_id),
    )  # fmt: skip


async def open_terms(session: AsyncSession, agreement_id: UUID, now: datetime) -> UUID | None:
    """The terms that are proposed for an agreement that not both have signed, where some are."""
    found: UUID | None = await fetch_value(
        session,
        "SELECT id FROM agreement_proposal WHERE agreement_id = $1 AND kind = 'terms' AND status = 'open' "
        "AND valid_until > $2",
        agreement_id,
        now,
    )
    return found


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The agreements before and after one that was changed: (id, reference)."""

    replaces: tuple[UUID, str] | None
    replaced_by: tuple[UUID, str] | None


async def neighbours(session: AsyncSession, agreement_id: UUID) -> Neighbours:
    """What an agreement replaces, and what replaced it."""
    row = await fetch_one(
        session,
        "SELECT o.id AS old, o.reference AS old_reference, n.id AS new, n.reference AS new_reference FROM agreement a "
        "LEFT JOIN agreement o ON o.id = a.replaces_id LEFT JOIN agreement n ON n.replaces_id = a.id WHERE a.id = $1",
        agreement_id,
    )
    if row is None:
        return Neighbours(None, None)
    return Neighbours(
        (row["old"], row["old_reference"]) if row["old"] else None,
        (row["new"], row["new_reference"]) if row["new"] else None,
    )


async def in_place_of_for_share(session: WriteSession, agreement_id: UUID) -> UUID | None:
    """The agreement under which units come that were promised under ``agreement_id``: itself, or the one that replaced
    it; None where it has ended, so that they come free. It stays so until this transaction ends; lots are locked before.
    """
    at: UUID | None = agreement_id
    while at is not None:
        row = await fetch_one(session, "SELECT status FROM agreement WHERE id = $1 FOR SHARE", at)
        if row is None or row["status"] in _OVER:
            return None
        if row["status"] != "superseded":
            return at
        at = await fetch_value(session, "SELECT id FROM agreement WHERE replaces_id = $1", at)
    return None


@dataclass(frozen=True, slots=True)
class Under:
    """Units that stand under an agreement, at one place."""

    lot_id: UUID
    position_id: int
    part_id: UUID
    quantity: int
    held: int
    place: Place


async def units_for_update(session: WriteSession, agreement_id: UUID) -> Sequence[Under]:
    """Locks the lots with units under an agreement, in lot order, then reads where the units stand. To be asked before
    the agreement is locked."""
    await fetch(
        session,
        "SELECT lot_id FROM lot WHERE lot_id IN "
        "(SELECT lot_id FROM position WHERE agreement_id = $1 AND quantity > 0) ORDER BY lot_id FOR NO KEY UPDATE",
        agreement_id,
    )
    return await units_under(session, agreement_id)


async def units_under(session: AsyncSession, agreement_id: UUID) -> Sequence[Under]:
    """Where units under an agreement stand, by lot."""
    rows = await fetch(
        session,
        "SELECT lot_id, position_id, part_id, quantity, held, owner_id, holder_id, site_id, condition, beneficiary_id "
        "FROM position WHERE agreement_id = $1 AND quantity > 0 ORDER BY lot_id, position_id",
        agreement_id,
    )
    return [
        Under(
            r["lot_id"], r["position_id"], r["part_id"], r["quantity"], r["held"],
            Place(r["owner_id"], r["holder_id"], r["site_id"], r["condition"], agreement_id, r["beneficiary_id"]),
        )
        for r in rows
    ]  # fmt: skip


async def ending(session: AsyncSession, now: datetime, soon: datetime, *, limit: int = 500) -> Sequence[UUID]:
    """Agreements in force whose right ends before ``soon`` and that do not say so yet, or has ended by ``now``; none that
    renews by itself, nor whose right grows longer with each day of the legal hold that it is under."""
    rows = await fetch(
        session,
        "SELECT id FROM agreement WHERE status IN ('active','expiring') AND window_closes_at <= $1 AND NOT hold_adds_days "
        "AND (status = 'active' OR window_closes_at <= $2) AND (decide_by IS NULL OR non_renewal_at IS NOT NULL "
        "OR terms ->> 'renewal' <> 'automatic') ORDER BY window_closes_at, id LIMIT $3",
        soon,
        now,
        limit,
    )
    return [r["id"] for r in rows]
