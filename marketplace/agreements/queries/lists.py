"""Lists and details of agreements and of the clause library, as pages show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.holds import Hold, standing
from marketplace.agreements.law import Finding, found_again
from marketplace.agreements.paper import ScheduleLine
from marketplace.agreements.queries.facts import read_terms
from marketplace.agreements.queries.frameworks import FrameworkPaper, framework_papers
from marketplace.agreements.queries.standing import hold_events, suspension_events
from marketplace.agreements.suspensions import Suspension, stated
from marketplace.agreements.terms import Terms
from marketplace.agreements.together import read_further
from marketplace.db.session import fetch, fetch_one, fetch_value
from marketplace.kit.errors import missing
from marketplace.kit.money import Money
from marketplace.kit.pages import Page, cut, read_bookmark
from marketplace.parties.actor import Actor


@dataclass(frozen=True, slots=True)
class ClauseRow:
    """A published clause version."""

    clause: str
    version: int
    title: str
    sha256: bytes
    wording: str
    terms_schema: dict[str, Any]


async def clause_version(session: AsyncSession, clause: str, version: int) -> ClauseRow:
    """One published clause version. Raises ``clause.not_found``."""
    row = await fetch_one(
        session,
        "SELECT clause, version, title, sha256, wording, terms_schema FROM clause_version "
        "WHERE clause = $1 AND version = $2",
        clause,
        version,
    )
    if row is None:
        raise missing("clause.not_found", f"The clause {clause}/v{version} has not been published here.")
    return ClauseRow(**dict(row))


async def clause_versions(session: AsyncSession) -> Sequence[ClauseRow]:
    """Every published clause version, by name."""
    rows = await fetch(
        session,
        "SELECT clause, version, title, sha256, wording, terms_schema FROM clause_version ORDER BY clause, version",
    )
    return [ClauseRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """An agreement in a list. ``quantity_sold`` and ``value`` as signed; of those ``not_accepted`` on receipt, and
    ``remaining`` with the holder now. ``waiting_for`` names who has not signed yet (maker, holder)."""

    id: UUID
    reference: str
    maker_id: UUID
    maker: str
    holder_id: UUID
    holder: str
    order_id: UUID | None
    clause: str
    version: int
    further: list[dict[str, Any]]
    """Clauses beside the first, as they are kept."""
    title: str
    """Of all clauses."""
    currency: str
    use_class: str
    zone: str
    counted_from: date
    """The schedule date; as long as there is none, the day of the offer."""
    dated_by_signature: bool
    """The text says that the day of the second signature is the schedule date."""
    status: str
    status_reason: str | None
    legal_hold: bool
    suspension_ends_at: datetime | None
    for_breach: bool
    """It was ended for breach."""
    exercises: int
    window_opens_at: datetime
    window_closes_at: datetime
    maker_signed_at: datetime | None
    holder_signed_at: datetime | None
    lines: int
    quantity_sold: int
    not_accepted: int
    remaining: int
    value: Decimal

    @property
    def schedule_date(self) -> date | None:
        """None as long as not both have signed what says that the second signature gives it its day."""
        both = self.maker_signed_at is not None and self.holder_signed_at is not None
        return self.counted_from if both or not self.dated_by_signature else None

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """Sides whose signature is missing while the agreement is offered."""
        if self.status != "offered":
            return ()
        signed = (("maker", self.maker_signed_at), ("holder", self.holder_signed_at))
        return tuple(side for side, at in signed if at is None)


_AGREEMENT = """
SELECT a.id, a.reference, a.maker_id, m.name AS maker, a.holder_id, h.name AS holder, a.order_id, a.clause, a.version,
       a.further, c.title || coalesce((SELECT string_agg(' and ' || f.title, '' ORDER BY x.n)
           FROM jsonb_array_elements(a.further) WITH ORDINALITY AS x (one, n) JOIN clause_version f
           ON f.clause = x.one ->> 'clause' AND f.version = (x.one ->> 'version')::int), '') AS title, a.currency, a.use_class, a.zone, a.schedule_date AS counted_from, a.dated_by_signature, a.status, a.status_reason, a.legal_hold, a.suspension_ends_at,
       a.status = 'terminated' AND EXISTS (SELECT FROM agreement_event e WHERE e.subject_id = a.id AND e.kind = 'ended_for_breach')
           AS for_breach, a.exercises,
       a.window_opens_at, a.window_closes_at, a.maker_signed_at, a.holder_signed_at, l.lines, l.quantity_sold,
       l.not_accepted, l.value,
       coalesce((SELECT sum(p.quantity) FROM position p WHERE p.agreement_id = a.id AND p.holder_id = a.holder_id
                 AND p.site_id IS NOT NULL AND p.quantity > 0), 0)::bigint AS remaining
FROM agreement a JOIN company m ON m.id = a.maker_id JOIN company h ON h.id = a.holder_id
JOIN clause_version c ON c.clause = a.clause AND c.version = a.version
CROSS JOIN LATERAL (
    SELECT count(*)::int AS lines, coalesce(sum(quantity_sold), 0)::bigint AS quantity_sold,
           coalesce(sum(not_accepted), 0)::bigint AS not_accepted,
           coalesce(sum(quantity_sold * sale_price), 0) AS value
    FROM agreement_line WHERE agreement_id = a.id
) l
"""


@dataclass(frozen=True, slots=True)
class AgreementFilter:
    """Which agreements to list; None = any. ``waiting``: only those that wait for the actor's own signature;
    ``proposed_at``: only those with a proposal of the other side that can be answered at that moment;
    ``ids``: only these; ``in_force``: active, renewed or near their end; ``closes_from``, ``closes_before``: the moment the right
    ends; ``dated_from``, ``dated_before``: the schedule date; each span without its second end."""

    status: str | None = None
    clause: str | None = None
    other_id: UUID | None = None
    reference: str | None = None
    part_id: UUID | None = None
    in_force: bool = False
    closes_from: datetime | None = None
    closes_before: datetime | None = None
    dated_from: date | None = None
    dated_before: date | None = None
    waiting: bool = False
    proposed_at: datetime | None = None
    ids: tuple[UUID, ...] | None = None


async def agreements(
    session: AsyncSession,
    actor: Actor,
    wanted: AgreementFilter,
    *,
    after: str | None = None,
    limit: int = 50,
    secret: str,
) -> Page[AgreementRow]:
    """Agreements the actor's company is a party of, newest first."""
    key = read_bookmark(after, secret, UUID)
    rows = await fetch(
        session,
        _AGREEMENT
        + """
        WHERE (a.maker_id = $1 OR a.holder_id = $1) AND ($2::text IS NULL OR a.status = $2)
          AND ($3::text IS NULL OR a.clause = $3
               OR a.further @> jsonb_build_array(jsonb_build_object('clause', $3))) AND ($4::uuid IS NULL OR a.maker_id = $4 OR a.holder_id = $4)
          AND ($5::text IS NULL OR a.reference = upper($5)) AND ($6::timestamptz IS NULL OR a.window_closes_at < $6)
          AND (NOT $7 OR a.status = 'offered' AND
               (a.maker_id = $1 AND a.maker_signed_at IS NULL OR a.holder_id = $1 AND a.holder_signed_at IS NULL))
          AND ($8::uuid IS NULL OR EXISTS (
              SELECT 1 FROM agreement_line x WHERE x.agreement_id = a.id AND x.part_id = $8))
          AND ($9::uuid IS NULL OR a.id < $9)
          AND ($11::timestamptz IS NULL OR a.id IN (
              SELECT q.agreement_id FROM agreement_proposal q WHERE q.status = 'open' AND q.proposed_by <> $1
              AND (q.maker_id = $1 OR q.holder_id = $1) AND q.valid_until > $11))
          AND ($12::uuid[] IS NULL OR a.id = ANY($12))
          AND (NOT $13 OR a.status IN ('active', 'renewed', 'expiring')) AND ($14::timestamptz IS NULL OR a.window_closes_at >= $14)
          AND ($15::date IS NULL OR a.schedule_date >= $15) AND ($16::date IS NULL OR a.schedule_date < $16)
        ORDER BY a.id DESC LIMIT $10
        """,
        actor.company_id,
        wanted.status,
        wanted.clause,
        wanted.other_id,
        wanted.reference,
        wanted.closes_before,
        wanted.waiting,
        wanted.part_id,
        key[0] if key else None,
        limit + 1,
        wanted.proposed_at,
        None if wanted.ids is None else list(wanted.ids),
        wanted.in_force,
        wanted.closes_from,
        wanted.dated_from,
        wanted.dated_before,
    )
    return cut([AgreementRow(**dict(r)) for r in rows], limit, lambda r: [r.id], secret)


async def waiting_for_signature(session: AsyncSession, actor: Actor) -> int:
    """How many agreements wait for the actor's company to sign."""
    count: int = await fetch_value(
        session,
        "SELECT count(*) FROM agreement WHERE status = 'offered' AND (maker_id = $1 AND maker_signed_at IS NULL "
        "OR holder_id = $1 AND holder_signed_at IS NULL)",
        actor.company_id,
    )
    return count


@dataclass(frozen=True, slots=True)
class LineRow:
    """One part of a schedule."""

    part_id: UUID
    number: str
    description: str
    uom: str
    quantity_sold: int
    sale_price: Decimal
    list_price: Decimal | None
    minimum_to_keep: int
    """As signed; evaluation never asks for more than was accepted."""
    taken_back: int
    not_accepted: int
    minimum_passed_on: int
    """Of the minimum: kept by buyers of units sold on."""

    def signed(self, currency: str) -> ScheduleLine:
        """The line as the text has it."""
        listed = None if self.list_price is None else Money(self.list_price, currency)
        return ScheduleLine(
            self.number, self.description, self.uom, self.quantity_sold, Money(self.sale_price, currency), listed,
            self.minimum_to_keep,
        )  # fmt: skip

    @property
    def accepted(self) -> int:
        """What became the holder's of what was signed for."""
        return self.quantity_sold - self.not_accepted

    @property
    def kept(self) -> int:
        """The minimum to keep that can be asked for."""
        return min(self.minimum_to_keep - self.minimum_passed_on, self.accepted)


@dataclass(frozen=True, slots=True)
class EventRow:
    """One thing that happened to an agreement or its framework."""

    id: int
    kind: str
    detail: dict[str, Any]
    company: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AgreementDetail:
    """An agreement with its text, schedule, framework and history."""

    row: AgreementRow
    terms: Terms
    further: tuple[Terms, ...]
    wording: str
    wording_sha256: str
    frameworks: tuple[FrameworkPaper, ...]
    """One for each clause, in their order."""
    maker_signed_by: str | None
    holder_signed_by: str | None
    lines: tuple[LineRow, ...]
    events: tuple[EventRow, ...]
    holds: tuple[Hold, ...]
    """Legal holds that stand."""
    suspensions: tuple[Suspension, ...]
    """Of a suspended agreement those that nobody has lifted: each ends by itself at its own moment."""

    @property
    def clauses(self) -> tuple[Terms, ...]:
        """The terms of every clause, the first one first."""
        return (self.terms, *self.further)

    @property
    def framework_reference(self) -> str | None:
        """The number of the first clause's framework."""
        return self.frameworks[0].reference if self.frameworks else None

    @property
    def law(self) -> tuple[Finding, ...]:
        """What the legal limits said when it was offered; nothing to a delegate, who sees no events."""
        offered = next((event for event in self.events if event.kind == "offered"), None)
        return tuple(found_again(raw) for raw in offered.detail.get("law", ())) if offered else ()


async def agreement(session: AsyncSession, actor: Actor, agreement_id: UUID) -> AgreementDetail:
    """One agreement of the actor's company. Raises ``agreement.not_found``, also to a maker's delegate: row level security
    shows it the agreement, since plans are made with its terms, but it is no party and reads no paper of it. The names of those who signed are told to both parties."""
    row = await fetch_one(session, _AGREEMENT + "WHERE a.id = $1", agreement_id)
    if row is None or actor.company_id not in (row["maker_id"], row["holder_id"]):
        raise missing("agreement.not_found", "No such agreement.")
    more = await fetch_one(
        session,
        "SELECT a.terms::text, a.further::text, a.wording, a.wording_sha256, "
        "agreement_signer(a.id, 'maker') AS maker_signed_by, agreement_signer(a.id, 'holder') AS holder_signed_by "
        "FROM agreement a WHERE a.id = $1",
        agreement_id,
    )
    assert more is not None  # noqa: S101 - the row was there in the statement before
    lines = await lines_of(session, agreement_id)
    events = await fetch(
        session,
        "SELECT e.id, e.kind, e.detail, c.name AS company, e.at FROM agreement_event e "
        "JOIN company c ON c.id = e.company_id WHERE e.subject_id = $1 ORDER BY e.id",
        agreement_id,
    )
    return AgreementDetail(
        row=AgreementRow(**dict(row)),
        terms=read_terms(row["clause"], row["version"], more["terms"]),
        further=read_further(more["further"]),
        wording=more["wording"],
        wording_sha256=more["wording_sha256"].hex(),
        frameworks=await framework_papers(session, agreement_id),
        maker_signed_by=more["maker_signed_by"],
        holder_signed_by=more["holder_signed_by"],
        lines=lines,
        events=tuple(EventRow(**dict(r)) for r in events),
        holds=tuple(standing((await hold_events(session, [agreement_id])).get(agreement_id, ())))
        if row["legal_hold"]
        else (),
        suspensions=tuple(s for s in stated(await suspension_events(session, agreement_id)) if s.ended is None)
        if row["status"] == "suspended"
        else (),
    )


async def lines_of(session: AsyncSession, agreement_id: UUID) -> tuple[LineRow, ...]:
    """The lines of a schedule by part number."""
    rows = await fetch(
        session,
        "SELECT l.part_id, p.number, p.description, p.uom, l.quantity_sold, l.sale_price, l.list_price, "
        "l.minimum_to_keep, l.taken_back, l.not_accepted, l.minimum_passed_on FROM agreement_line l JOIN part p ON p.id = l.part_id "
        "WHERE l.agreement_id = $1 ORDER BY p.number_norm, p.id",
        agreement_id,
    )
    return tuple(LineRow(**dict(r)) for r in rows)


async def agreement_of_order(session: AsyncSession, order_id: UUID) -> UUID | None:
    """The agreement an order led to, where there is one."""
    found: UUID | None = await fetch_value(session, "SELECT id FROM agreement WHERE order_id = $1", order_id)
    return found


async def ends_by_quarter(session: AsyncSession, holder_id: UUID, now: datetime) -> Sequence[tuple[str, int]]:
    """(quarter, agreements) of the rights in what a company holds, by the quarter in which they end: the next twelve with any."""
    rows = await fetch(
        session,
        "SELECT to_char(date_trunc('quarter', a.window_closes_at), 'YYYY-\"Q\"Q') AS quarter, count(*)::int AS n FROM agreement a "
        "WHERE a.holder_id = $1 AND a.status IN ('active', 'expiring') AND a.window_closes_at > $2 GROUP BY 1 ORDER BY 1 LIMIT 12",
        holder_id, now,
    )  # fmt: skip
    return [(r["quarter"], r["n"]) for r in rows]
