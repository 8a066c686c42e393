"""Records by the number that somebody has on paper: a reference, a purchase order number, a job number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch
from marketplace.parties.actor import Actor

MOST_RECORDS: Final = 20
"""Records of one number that are told; a longer list says that there are more."""
LONGEST: Final = 120
"""No number that is looked for is longer."""
READ_BY: Final = {
    "order": "order.read", "posting": "listing.read", "agreement": "agreement.read", "call": "call.read",
    "request": "sourcing.read", "settlement": "settlement.read",
}  # fmt: skip
"""The verb that opens each kind of record."""


@dataclass(frozen=True, slots=True)
class RecordRow:
    """A record that bears a number. ``by``: reference, po_number or job_number; ``about``: the other company, or the
    part."""

    kind: str
    id: UUID
    reference: str
    by: str
    about: str


# Every branch looks its number up in an index; equality of texts is leakproof, so row level security keeps it so.
_RECORDS = """
WITH x AS MATERIALIZED (SELECT upper($1::text) AS n)
SELECT * FROM (
    SELECT 'order' AS kind, o.id, o.reference, 'reference' AS by, c.name AS about
    FROM x JOIN purchase_order o ON o.reference = x.n
    JOIN company c ON c.id = CASE WHEN o.seller_id = $2 THEN o.buyer_id ELSE o.seller_id END
    WHERE o.seller_id = $2 OR o.buyer_id = $2
    UNION ALL
    SELECT 'order', o.id, o.reference, 'po_number', c.name FROM x JOIN purchase_order o ON o.po_upper = x.n
    JOIN company c ON c.id = CASE WHEN o.seller_id = $2 THEN o.buyer_id ELSE o.seller_id END
    WHERE (o.seller_id = $2 OR o.buyer_id = $2) AND o.reference <> x.n
    UNION ALL
    SELECT 'posting', r.id, r.reference, 'reference', r.title FROM x JOIN release_seen r ON r.reference = x.n
    UNION ALL
    SELECT 'agreement', a.id, a.reference, 'reference', c.name FROM x JOIN agreement a ON a.reference = x.n
    JOIN company c ON c.id = CASE WHEN a.maker_id = $2 THEN a.holder_id ELSE a.maker_id END
    WHERE a.maker_id = $2 OR a.holder_id = $2
    UNION ALL
    SELECT 'call', k.id, k.reference, 'reference', p.number FROM x JOIN call k ON k.reference = x.n
    JOIN part p ON p.id = k.part_id
    WHERE k.company_id = $2 OR k.maker_id = $2 OR k.holder_id = $2 AND k.noticed_at IS NOT NULL
    UNION ALL
    SELECT 'request', q.id, q.reference, 'reference', p.number FROM x JOIN requisition q ON q.reference = x.n
    JOIN part p ON p.id = q.part_id WHERE q.company_id = $2 OR q.maker_id = $2
    UNION ALL
    SELECT 'request', q.id, q.reference, 'job_number', p.number
    FROM x JOIN requisition q ON q.job_upper = x.n AND q.job_upper <> ''
    JOIN part p ON p.id = q.part_id WHERE (q.company_id = $2 OR q.maker_id = $2) AND q.reference <> x.n
    UNION ALL
    SELECT 'settlement', s.id, s.reference, 'reference', c.name FROM x JOIN settlement_line s ON s.reference = x.n
    JOIN company c ON c.id = CASE WHEN s.payer_id = $2 THEN s.payee_id ELSE s.payer_id END
    WHERE s.payer_id = $2 OR s.payee_id = $2
) found WHERE found.kind = ANY($3::text[]) ORDER BY found.by <> 'reference', found.id DESC LIMIT $4
"""


async def by_number(session: AsyncSession, actor: Actor, number: str) -> Sequence[RecordRow]:
    """The records of the actor's company that bear exactly this number, whatever its case, newest first: orders (by their
    reference or the buyer's own number), postings, agreements, buy-back orders, parts requests (also by job number)
    and settlement lines. Only kinds that the actor may read; one more than ``MOST_RECORDS`` where there are more. One
    statement."""
    number = number.strip()
    kinds = [kind for kind, verb in READ_BY.items() if actor.may(verb)]
    if not number or len(number) > LONGEST or not kinds:
        return []
    rows = await fetch(session, _RECORDS, number, actor.company_id, kinds, MOST_RECORDS + 1)
    return [RecordRow(**dict(r)) for r in rows]
