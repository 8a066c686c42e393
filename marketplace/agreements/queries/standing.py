"""Whether an agreement stands still now, and when it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.holds import KINDS, HoldEvent, standing
from marketplace.agreements.stops import EVENTS
from marketplace.agreements.suspensions import KINDS as SUSPENSION_KINDS
from marketplace.agreements.suspensions import SuspensionEvent, last_ended
from marketplace.agreements.suspensions import standing as suspensions_standing
from marketplace.agreements.terms import TERMS_TYPES
from marketplace.db.session import WriteSession, fetch, fetch_one, fetch_value


@dataclass(frozen=True, slots=True)
class Still:
    """Why nothing may be done under an agreement now: 'suspended' or 'legal_hold', by which company (or both); ``ends_at``: when a
    suspension ends by itself."""

    why: str
    reference: str
    by: str | None
    ends_at: datetime | None
    zone: str
    sides: int = 1
    """How many have suspended it, or have a legal hold on it."""


_FIRST: Final = ", ".join(f"('{c}', {v})" for (c, v), terms in TERMS_TYPES.items() if terms.generation == 1)
SECOND: Final = f"(a.clause, a.version) NOT IN ({_FIRST})"
"""Of an agreement a: under the second library. What may stand beside a clause is of the second library itself."""

_STILL = """
SELECT a.reference, a.status, a.legal_hold, a.suspension_ends_at, a.zone, now() AS at FROM agreement a WHERE a.id = $1
"""


async def stands_still(session: AsyncSession, agreement_id: UUID) -> Still | None:
    """What stops an agreement now, if anything does."""
    row = await fetch_one(session, _STILL, agreement_id)
    if row is None or not (row["legal_hold"] or row["status"] == "suspended"):
        return None
    if not row["legal_hold"]:
        said = suspensions_standing(await suspension_events(session, agreement_id), row["at"])
        sides = dict.fromkeys(x.company for x in said)
        by = " and ".join(sides) or None
        return Still("suspended", row["reference"], by, row["suspension_ends_at"], row["zone"], max(len(sides), 1))
    holds = standing((await hold_events(session, [agreement_id])).get(agreement_id, ()))
    names = dict.fromkeys(h.company for h in holds)
    return Still("legal_hold", row["reference"], " and ".join(names) or None, None, row["zone"], len(names))


async def stands_still_for_share(session: WriteSession, agreement_id: UUID) -> Still | None:
    """As ``stands_still``; it stays so until this transaction ends. Lots are locked before."""
    await fetch(session, "SELECT id FROM agreement WHERE id = $1 FOR SHARE", agreement_id)
    return await stands_still(session, agreement_id)


@dataclass(frozen=True, slots=True)
class Living:
    """An agreement that is offered or in force, or has units to finish. ``held``: under legal hold."""

    id: UUID
    reference: str
    held: bool


LIVING = ("offered", "active", "suspended", "renewed", "expiring", "run_off")
"""Also what is offered: it must not be signed and shipped under while a legal hold is on the others."""
_LIVING = "SELECT id, reference, legal_hold AS held FROM agreement WHERE id = ANY($1::uuid[]) ORDER BY id"


async def living_with_for_update(session: WriteSession, maker_id: UUID, holder_id: UUID) -> Sequence[Living]:
    """Locks all agreements of a maker with a holder that are not over, in id order, then reads them. No lot is locked
    after it: whoever ships locks lots first and then asks the agreement, and finds it as this transaction leaves it."""
    rows = await fetch(
        session,
        "SELECT id FROM agreement WHERE maker_id = $1 AND holder_id = $2 AND status = ANY($3::text[]) "
        "ORDER BY id FOR NO KEY UPDATE",
        maker_id,
        holder_id,
        list(LIVING),
    )
    return [Living(**dict(r)) for r in await fetch(session, _LIVING, [r["id"] for r in rows])]


async def living_for_update(session: WriteSession, ids: Sequence[UUID]) -> Sequence[Living]:
    """As ``living_with_for_update``, of these agreements whatever has become of them."""
    await fetch(
        session, "SELECT id FROM agreement WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE", sorted(ids)
    )
    return [Living(**dict(r)) for r in await fetch(session, _LIVING, list(ids))]


async def hold_events(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, list[HoldEvent]]:
    """What was said of legal holds under these agreements, in order: for ``holds.standing``. One statement."""
    rows = await fetch(
        session,
        "SELECT e.subject_id, e.kind, e.at, e.company_id, c.name AS company, (e.detail ->> 'insolvency')::uuid AS record, "
        "e.detail ->> 'basis' AS basis FROM agreement_event e JOIN company c ON c.id = e.company_id "
        "WHERE e.subject_id = ANY($1::uuid[]) AND e.kind = ANY($2::text[]) ORDER BY e.id",
        list(ids),
        list(KINDS),
    )
    found: dict[UUID, list[HoldEvent]] = {}
    for r in rows:
        found.setdefault(r["subject_id"], []).append(HoldEvent(*tuple(r)[1:]))
    return found


async def insolvency_over_hold(session: AsyncSession, agreement_id: UUID) -> bool:
    """Whether the record of an insolvency stands that found the agreement held already. Asked under the agreement's lock."""
    last = await fetch_value(
        session,
        "SELECT kind FROM agreement_event WHERE subject_id = $1 AND kind IN ('insolvency','insolvency_lifted') "
        "ORDER BY id DESC LIMIT 1",
        agreement_id,
    )
    return bool(last == "insolvency")


async def stops(session: AsyncSession, agreement_id: UUID) -> Sequence[tuple[str, datetime]]:
    """When an agreement was suspended or held and went on, as (event, when) in order: for ``stopped_between``."""
    return (await stops_of(session, [agreement_id])).get(agreement_id, [])


async def stops_of(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, list[tuple[str, datetime]]]:
    """As ``stops``, of many agreements in one statement."""
    rows = await fetch(
        session,
        "SELECT subject_id, kind, at FROM agreement_event WHERE subject_id = ANY($1::uuid[]) AND kind = ANY($2::text[]) "
        "ORDER BY id",
        list(ids),
        list(EVENTS),
    )
    found: dict[UUID, list[tuple[str, datetime]]] = {}
    for r in rows:
        found.setdefault(r["subject_id"], []).append((r["kind"], r["at"]))
    return found


async def second_library(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Of these agreements those under the second library, with their time zones."""
    rows = await fetch(
        session, f"SELECT a.id, a.zone FROM agreement a WHERE a.id = ANY($1::uuid[]) AND {SECOND}", list(ids)
    )
    return {r["id"]: r["zone"] for r in rows}


@dataclass(frozen=True, slots=True)
class Overdue:
    """A suspension that has ended by itself and is still on record, of an agreement that is locked."""

    id: UUID
    reference: str
    maker_id: UUID
    holder_id: UUID
    zone: str
    suspended_on: date
    suspended_by: UUID
    ended_at: datetime


async def overdue_suspensions(session: WriteSession, ids: Sequence[UUID], now: datetime) -> Sequence[Overdue]:
    """Of these agreements, which are locked, those whose suspension has ended by itself by ``now``."""
    rows = await fetch(
        session,
        "SELECT id, reference, maker_id, holder_id, zone, suspended_on, suspended_by, suspension_ends_at AS ended_at "
        "FROM agreement WHERE id = ANY($1::uuid[]) AND suspension_ends_at <= $2 ORDER BY id",
        list(ids),
        now,
    )
    return [Overdue(**dict(r)) for r in rows]


async def suspensions_over(session: AsyncSession, now: datetime, *, limit: int = 500) -> Sequence[UUID]:
    """Agreements whose suspension has ended by itself (worker), the longest over first."""
    rows = await fetch(
        session,
        "SELECT id FROM agreement WHERE suspension_ends_at IS NOT NULL AND suspension_ends_at <= $1 "
        "ORDER BY suspension_ends_at LIMIT $2",
        now,
        limit,
    )
    return [r["id"] for r in rows]


_SUSPENSIONS: Final = (
    "SELECT e.subject_id, e.kind, e.at, e.company_id, c.name AS company, e.detail ->> 'reason' AS reason, "
    "(e.detail ->> 'ends_at')::timestamptz AS ends_at FROM agreement_event e JOIN company c ON c.id = e.company_id"
)


async def suspension_events(session: AsyncSession, agreement_id: UUID) -> Sequence[SuspensionEvent]:
    """What was said of suspensions of an agreement, in order: for ``suspensions.standing``."""
    rows = await fetch(
        session,
        f"{_SUSPENSIONS} WHERE e.subject_id = $1 AND e.kind = ANY($2::text[]) ORDER BY e.id",
        agreement_id,
        list(SUSPENSION_KINDS),
    )
    return [SuspensionEvent(*tuple(r)[1:]) for r in rows]


async def last_suspension(
    session: WriteSession, agreement_id: UUID, company_id: UUID, now: datetime
) -> datetime | None:
    """When the last suspension that a party stated had ended by ``now``, under an agreement (which is locked) or what it took the
    place of; None where there was none."""
    rows = await fetch(
        session,
        "WITH RECURSIVE chain AS (SELECT id, replaces_id FROM agreement WHERE id = $1 UNION ALL "
        "SELECT a.id, a.replaces_id FROM chain c JOIN agreement a ON a.id = c.replaces_id) "
        f"{_SUSPENSIONS} JOIN chain x ON x.id = e.subject_id WHERE e.kind = ANY($2::text[]) ORDER BY e.id",
        agreement_id,
        list(SUSPENSION_KINDS),
    )
    by: dict[UUID, list[SuspensionEvent]] = {}
    for r in rows:
        by.setdefault(r["subject_id"], []).append(SuspensionEvent(*tuple(r)[1:]))
    return max((at for said in by.values() if (at := last_ended(said, company_id, now)) is not None), default=None)
