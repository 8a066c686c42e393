"""The framework agreements that a schedule hangs on: one for the pair of companies and each clause version, signed with the
first schedule under it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from marketplace.agreements import phrases, queries
from marketplace.agreements.queries import ClauseRow
from marketplace.agreements.terms import Terms
from marketplace.agreements.together import NamedClause
from marketplace.db.session import WriteSession, execute, fetch_one
from marketplace.kit.errors import busy, conflict
from marketplace.kit.ids import short_reference

_ATTEMPTS = 5


class Signed(NamedTuple):
    """A signature given for one side: by whom and when; both None where the clause gave leave beforehand."""

    by: UUID | None
    at: datetime | None


class Frameworks(NamedTuple):
    """The frameworks of a schedule, one for each clause in their order."""

    ids: tuple[UUID, ...]
    references: tuple[str, ...]

    @property
    def first(self) -> UUID:
        """That of the first clause, under which the schedule is kept."""
        return self.ids[0]

    @property
    def named(self) -> str:
        """'FRM-7F3K2Q and FRM-8G4M3R'."""
        return phrases.listed(self.references)


async def clause_texts(session: WriteSession, clauses: Sequence[Terms]) -> list[ClauseRow]:
    """The published versions of clauses, in their order. Raises ``clause.not_found``."""
    return [await queries.clause_version(session, terms.clause, terms.version) for terms in clauses]


async def require_texts(session: WriteSession, named: Sequence[NamedClause]) -> None:
    """That whoever states the hash of a clause's text has read the text that is published. Raises ``clause.not_found``,
    ``clause.other_text``."""
    for one in named:
        if one.sha256 is None:
            continue
        published = await queries.clause_version(session, one.clause, one.version)
        if published.sha256.hex() != one.sha256.lower():
            raise conflict(
                "clause.other_text",
                f"The text of {one.clause}, version {one.version}, has another hash than the one stated "
                f"({published.sha256.hex()}): read that text, and leave the hash out or state that one.",
                field="further",
            )


async def frameworks_of(
    session: WriteSession, maker_id: UUID, holder_id: UUID, published: Sequence[ClauseRow]
) -> Frameworks:
    """The framework agreements of the pair for these clause versions; made, unsigned, where there is none."""
    made = [await _framework_of(session, maker_id, holder_id, text) for text in published]
    return Frameworks(tuple(found for found, _ in made), tuple(reference for _, reference in made))


async def _framework_of(
    session: WriteSession, maker_id: UUID, holder_id: UUID, published: ClauseRow
) -> tuple[UUID, str]:
    for _ in range(_ATTEMPTS):
        await execute(
            session,
            "INSERT INTO framework (reference, maker_id, holder_id, clause, version, clause_sha256) "
            "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            short_reference("FRM"), maker_id, holder_id, published.clause, published.version, published.sha256,
        )  # fmt: skip
        row = await fetch_one(
            session,
            "SELECT id, reference FROM framework WHERE maker_id = $1 AND holder_id = $2 AND clause = $3 AND version = $4",
            maker_id, holder_id, published.clause, published.version,
        )  # fmt: skip
        if row is not None:
            return row["id"], row["reference"]
    raise busy("agreement.reference", "No free reference was found. Nothing was changed; try again.")


async def sign_both(session: WriteSession, frameworks: Frameworks, maker: Signed, holder: Signed) -> None:
    """Signs frameworks for both sides; a signature that came first stays."""
    await queries.frameworks_for_update(session, frameworks.ids)
    await execute(
        session,
        "UPDATE framework SET maker_signed_by = coalesce(maker_signed_by, $2), "
        "maker_signed_at = coalesce(maker_signed_at, $3), holder_signed_by = coalesce(holder_signed_by, $4), "
        "holder_signed_at = coalesce(holder_signed_at, $5) WHERE id = ANY($1::uuid[])",
        list(frameworks.ids), maker.by, maker.at, holder.by, holder.at,
    )  # fmt: skip
