"""What the paper of an agreement is made of."""

from __future__ import annotations

from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.printed import SIDES, Framework, PrintedAgreement, Signature
from marketplace.agreements.queries.facts import read_terms
from marketplace.db.session import fetch_one
from marketplace.kit.errors import missing
from marketplace.parties.actor import Actor

_PAPER = """
SELECT a.reference, a.status, a.status_reason, a.legal_hold, a.zone, a.clause, a.version, a.terms::text, a.wording,
       a.wording_sha256, a.created_at, c.title, m.name AS maker, h.name AS holder,
       a.maker_signed_at, mu.name AS maker_signed_by, a.holder_signed_at, hu.name AS holder_signed_by,
       f.reference AS framework, f.clause_sha256, f.maker_signed_at AS f_maker_signed_at,
       fmu.name AS f_maker_signed_by, f.holder_signed_at AS f_holder_signed_at, fhu.name AS f_holder_signed_by
FROM agreement a JOIN framework f ON f.id = a.framework_id
JOIN company m ON m.id = a.maker_id JOIN company h ON h.id = a.holder_id
JOIN clause_version c ON c.clause = a.clause AND c.version = a.version
LEFT JOIN user_account mu ON mu.id = a.maker_signed_by LEFT JOIN user_account hu ON hu.id = a.holder_signed_by
LEFT JOIN user_account fmu ON fmu.id = f.maker_signed_by LEFT JOIN user_account fhu ON fhu.id = f.holder_signed_by
WHERE a.id = $1 AND (a.maker_id = $2 OR a.holder_id = $2)
"""


async def printed_agreement(session: AsyncSession, actor: Actor, agreement_id: UUID) -> PrintedAgreement:
    """An agreement of the actor's company, as its paper needs it. Raises ``agreement.not_found``, to a delegate of the
    maker too: it is no party. The name of a signer is known to the signer's company only, as on pages."""
    row = await fetch_one(session, _PAPER, agreement_id, actor.company_id)
    if row is None:
        raise missing("agreement.not_found", "No such agreement.")
    return PrintedAgreement(
        reference=row["reference"],
        title=row["title"],
        status=row["status"],
        status_reason=row["status_reason"],
        legal_hold=row["legal_hold"],
        zone=row["zone"],
        terms=read_terms(row["clause"], row["version"], row["terms"]),
        wording=row["wording"],
        wording_sha256=row["wording_sha256"].hex(),
        offered_at=row["created_at"],
        signatures=_signatures(row, ""),
        framework=Framework(
            row["framework"], row["clause"], row["version"], row["clause_sha256"].hex(), _signatures(row, "f_")
        ),
    )


def _signatures(row: asyncpg.Record, of: str) -> tuple[Signature, ...]:
    return tuple(
        Signature(side, row[side], row[f"{of}{side}_signed_at"], row[f"{of}{side}_signed_by"]) for side in SIDES
    )
