"""What prices follow: index values, as the operator takes them over from who publishes them, and what one side states that a
unit cost or is worth."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import asyncpg

from marketplace.agreements import queries
from marketplace.agreements.index_file import IndexRow
from marketplace.agreements.service.standing import note, party_lock
from marketplace.db.session import WriteSession, fetch_value
from marketplace.kit.clock import ELSEWHERE
from marketplace.kit.errors import conflict, forbidden, invalid, missing
from marketplace.parties.actor import By

VALUE_KINDS = ("cost", "inbound_freight", "market")


async def keep_index_values(connection: asyncpg.Connection, rows: Sequence[IndexRow]) -> int:
    """Keeps published values, all or none; what is known already changes nothing. Returns how many are new. Needs the owner
    role: both sides of every agreement read the same values. Raises ``index.other_value`` where another value is on record as
    published at the same moment."""
    async with connection.transaction():
        columns = (
            [r.series for r in rows],
            [r.month for r in rows],
            [r.published_at for r in rows],
            [r.value for r in rows],
        )
        other = await connection.fetchrow(
            "SELECT v.series, v.month, v.value FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::numeric[]) "
            "AS n (series, month, published_at, value) JOIN index_value v USING (series, month, published_at) "
            "WHERE v.value IS DISTINCT FROM n.value LIMIT 1",
            *columns,
        )
        if other is not None:
            raise conflict(
                "index.other_value",
                f"{other['series']} of {other['month']} is on record as {other['value'] or 'ended'}, published at that moment. A "
                "correction has a moment of its own. Nothing was kept.",
            )
        before: int = await connection.fetchval("SELECT count(*) FROM index_value")
        await connection.execute(
            "INSERT INTO index_value (series, month, published_at, value, source) SELECT * FROM "
            "unnest($1::text[], $2::text[], $3::timestamptz[], $4::numeric[], $5::text[]) ON CONFLICT DO NOTHING",
            *columns,
            [r.source for r in rows],
        )
        after: int = await connection.fetchval("SELECT count(*) FROM index_value")
        return after - before


async def state_value(
    session: WriteSession,
    actor: By,
    agreement_id: UUID,
    part_id: UUID,
    *,
    kind: str,
    amount: Decimal,
    source: str,
    valued_on: date,
    now: datetime,
) -> UUID:
    """States what a unit cost the holder, what it paid to receive it, or what it is worth, in the currency of the sale; the
    newest statement of a kind counts. Returns its id. Raises ``value.kind``, ``value.amount``, ``value.source``, ``value.day`` for
    a day to come, ``value.not_holder``, ``agreement.not_found``."""
    found = await party_lock(session, agreement_id, actor)
    covered = await queries.terms_and_facts(session, [(agreement_id, part_id)])
    if (agreement_id, part_id) not in covered:
        raise missing("agreement.not_found", "The agreement does not cover this part.")
    if kind not in VALUE_KINDS:
        raise invalid("value.kind", f"Choose one of: {', '.join(VALUE_KINDS)}.", field="kind")
    # Whoever pays by a value cannot set it: the manufacturer sees it before it orders.
    if actor.company_id != found.holder_id:
        raise forbidden(
            "value.not_holder",
            "What a unit cost, the freight to receive it and what it is worth the holder states, and shows on request (section "
            "6.4 of the clauses). If you think that it is wrong, order nothing by it, or propose another price.",
        )
    if amount < 0:
        raise invalid("value.amount", "An amount is zero or more.", field="amount")
    if not source.strip() or len(source) > 200:
        raise invalid("value.source", "Name the evidence or source, in at most 200 characters.", field="source")
    if valued_on > now.date() + ELSEWHERE:
        raise invalid("value.day", "The day of a value is not in the future.", field="valued_on")
    made: UUID = await fetch_value(
        session,
        "INSERT INTO unit_value (agreement_id, part_id, maker_id, holder_id, kind, amount, source, valued_on, company_id, user_id, at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id",
        agreement_id, part_id, found.maker_id, found.holder_id, kind, amount, source.strip(), valued_on, actor.company_id,
        actor.user_id, now,
    )  # fmt: skip
    detail = {"kind": kind, "part_id": part_id, "amount": amount, "source": source.strip(), "valued_on": valued_on}
    await note(session, agreement_id, (found.maker_id, found.holder_id), "value_stated", actor, now, detail)
    return made
