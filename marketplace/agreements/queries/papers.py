"""What the paper of an agreement is made of."""

from __future__ import annotations

from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.printed import SIDES, Framework, PrintedAgreement, Signature
from marketplace.agreements.queries.facts import read_terms
from marketplace.agreements.queries.frameworks import CLAUSES_OF
from marketplace.agreements.together import read_further
from marketplace.db.session import fetch, fetch_one
from marketplace.kit.errors import missing
from marketplace.parties.actor import Actor

_PAPER = """
SELECT a.reference, a.status, a.status_reason, a.legal_hold, a.zone, a.clause, a.version, a.terms::text, a.further::text, a.wording,
       a.wording_sha256, a.created_at, m.name AS maker, h.name AS holder,
       a.maker_signed_at, agreement_signer(a.id, 'maker') AS maker_signed_by, a.holder_signed_at,
       agreement_signer(a.id, 'holder') AS holder_signed_by
FROM agreement a JOIN company m ON m.id = a.maker_id JOIN company h ON h.id = a.holder_id
WHERE a.id = $1 AND (a.maker_id = $2 OR a.holder_id = $2)
"""
_FRAMEWORKS = f"""
SELECT f.reference, v.title, f.clause, f.version, f.clause_sha256, m.name AS maker, h.name AS holder, f.maker_signed_at,
       framework_signer(f.id, 'maker') AS maker_signed_by, f.holder_signed_at, framework_signer(f.id, 'holder') AS holder_signed_by
FROM agreement a JOIN framework f ON f.maker_id = a.maker_id AND f.holder_id = a.holder_id
JOIN ({CLAUSES_OF}) c ON f.clause = c.clause AND f.version = c.version
JOIN clause_version v ON v.clause = f.clause AND v.version = f.version
JOIN company m ON m.id = f.maker_id JOIN company h ON h.id = f.holder_id
WHERE a.id = $1 ORDER BY c.n
"""


async def printed_agreement(session: AsyncSession, actor: Actor, agreement_id: UUID) -> PrintedAgreement:
    """An agreement of the actor's company, as its paper needs it. Raises ``agreement.not_found``, to a delegate of the
    maker too: it is no party. The names of those who signed are told to both parties, as on pages."""
    row = await fetch_one(session, _PAPER, agreement_id, actor.company_id)
    if row is None:
        raise missing("agreement.not_found", "No such agreement.")
    frameworks = await fetch(session, _FRAMEWORKS, agreement_id)
    return PrintedAgreement(
        reference=row["reference"],
        title=" and ".join(f["title"] for f in frameworks),
        status=row["status"],
        status_reason=row["status_reason"],
        legal_hold=row["legal_hold"],
        zone=row["zone"],
        clauses=(
            read_terms(row["clause"], row["version"], row["terms"]),
            *read_further(row["further"]),
        ),
        wording=row["wording"],
        wording_sha256=row["wording_sha256"].hex(),
        offered_at=row["created_at"],
        signatures=_signatures(row),
        frameworks=tuple(
            Framework(f["reference"], f["clause"], f["version"], f["clause_sha256"].hex(), _signatures(f))
            for f in frameworks
        ),
    )


def _signatures(row: asyncpg.Record) -> tuple[Signature, ...]:
    return tuple(Signature(side, row[side], row[f"{side}_signed_at"], row[f"{side}_signed_by"]) for side in SIDES)
