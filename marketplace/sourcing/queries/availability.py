"""Where units of a part are, on whose behalf they are looked for, and what may be called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements import queries as agreements
from marketplace.agreements.covered import IN_FORCE, Right
from marketplace.db.session import fetch
from marketplace.kit.errors import forbidden
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parts import queries as parts
from marketplace.sourcing.candidates import (
    URGENCIES,
    Candidate,
    Limit,
    StockRow,
    answering,
    assemble,
    standing,
    worth_weighing,
)
from marketplace.sourcing.freight import ROUGH, Point, rough

# Units of one part at one place: $1 parts, $2 makers, $3 now.
_PLACES = f"""
    SELECT p.part_id, p.owner_id, p.holder_id, p.site_id, p.condition, p.agreement_id, p.beneficiary_id,
           sum(p.quantity)::bigint AS quantity,
           sum(CASE WHEN l.frozen THEN 0 ELSE greatest(p.held - coalesce(o.overdue, 0), 0) END)::bigint AS held,
           sum(CASE WHEN l.frozen THEN p.quantity ELSE 0 END)::bigint AS frozen,
           sum(CASE WHEN l.frozen THEN 0 ELSE coalesce(w.quantity, 0) END)::bigint AS withdrawn,
           sum(p.held)::bigint AS reserved,
           sum(CASE WHEN l.frozen THEN p.quantity - p.held ELSE 0 END)::bigint AS unreserved_frozen,
           coalesce(sum(p.quantity) FILTER (WHERE {agreements.BACK}), 0)::bigint AS back
    FROM position p
    JOIN lot l ON l.lot_id = p.lot_id
    LEFT JOIN LATERAL (
        SELECT sum(x.quantity) AS overdue FROM open_hold x
        WHERE p.held > 0 AND x.lot_id = p.lot_id AND x.position_id = p.position_id AND x.expires_at <= $3
    ) o ON true
    LEFT JOIN LATERAL (
        SELECT least(coalesce(sum(x.quantity), 0), p.quantity - p.held) AS quantity FROM withdrawal x
        WHERE x.lot_id = p.lot_id AND x.position_id = p.position_id AND x.resolved_at IS NULL
    ) w ON true
    WHERE p.part_id = ANY($1::uuid[]) AND p.quantity > 0
      AND (p.beneficiary_id = ANY($2::uuid[])
           OR (p.agreement_id IS NULL AND p.owner_id = ANY($2::uuid[])))
    GROUP BY p.part_id, p.owner_id, p.holder_id, p.site_id, p.condition, p.agreement_id, p.beneficiary_id
"""
# Whether a right `b` is one under which something can be called; where there is none, nothing hinders. As `reach.blocked` begins.
_STANDS = f"""(b.id IS NULL OR b.status IN ({", ".join(f"'{s}'" for s in sorted(IN_FORCE))}) AND NOT b.legal_hold
                AND b.window_opens_at <= $3 AND b.window_closes_at > $3)"""
# Of each part the places of the nearest rights, those with free units first, until $4 places are reached; a right over
# several sites is whole or left out, and what is under no right always comes. $5, $6: where units should come to; $7:
# makers whose holders are to be found only as `freight.rough` tells them. A number may have thousands of places, of which
# a search for many numbers wants a few: what is left out is never sent, named or evaluated.
_NEAREST = f"""
SELECT g.*, g.rivals - count(*) OVER (PARTITION BY g.part_id, g.bound) AS farther FROM (
    SELECT r.*, count(*) OVER (PARTITION BY r.part_id, r.bound) AS rivals,
           count(*) OVER (
               PARTITION BY r.part_id, r.bound ORDER BY NOT r.gives, r.way NULLS LAST, r.agreement_id
               GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
           ) AS nearer
    FROM (
        SELECT d.*, d.agreement_id IS NOT NULL AS bound, bool_or(d.open) OVER one AS gives,
               CASE WHEN bool_or(d.open) OVER one THEN min(d.h) FILTER (WHERE d.open) OVER one
                    ELSE min(d.h) OVER one END AS way
        FROM (
            SELECT p.*, p.site_id IS NOT NULL
                        AND (p.holder_id = p.owner_id
                             OR p.owner_id = p.beneficiary_id AND b.holder_id = p.holder_id) AND {_STANDS}
                        AND p.quantity - p.held - p.frozen - p.withdrawn > 0 AS open,
                   power(sind((a.lat - $5::float8) / 2), 2)
                   + cosd($5::float8) * cosd(a.lat) * power(sind((a.lon - $6::float8) / 2), 2) AS h
            FROM ({_PLACES}) p LEFT JOIN site s ON s.id = p.site_id LEFT JOIN agreement b ON b.id = p.agreement_id
            CROSS JOIN LATERAL (
                SELECT CASE WHEN m.veiled THEN floor(s.lat / {ROUGH}) * {ROUGH} + {ROUGH} / 2 ELSE s.lat END AS lat,
                       CASE WHEN m.veiled THEN floor(s.lon / {ROUGH}) * {ROUGH} + {ROUGH} / 2 ELSE s.lon END AS lon
                FROM (SELECT coalesce(p.beneficiary_id, p.owner_id) = ANY($7::uuid[])
                             AND coalesce(p.beneficiary_id, p.owner_id) <> p.holder_id AS veiled) m
            ) a
        ) d
        WINDOW one AS (PARTITION BY d.part_id, d.agreement_id)
    ) r
) g WHERE g.nearer < $4 OR NOT g.bound
"""


def _told(places: str, farther: str, gives: str) -> str:
    """Names, points and counts are looked up after the sums, so that the rows to be sorted stay narrow."""
    return f"""
SELECT g.part_id, g.owner_id, g.holder_id, h.name AS holder, g.site_id, s.name AS site, s.region, g.condition,
       g.agreement_id, g.beneficiary_id, g.quantity, g.held, g.frozen, g.withdrawn, c.counted_at,
       g.reserved, g.unreserved_frozen, g.back, s.lat, s.lon, coalesce(s.country, h.country) AS country, f.snapshot_on,
       g.owner_id = g.beneficiary_id AND b.holder_id = g.holder_id AS at_holder,
       {_STANDS} AS stands, {farther} AS farther, {gives} AS gives
FROM ({places}) g
JOIN company h ON h.id = g.holder_id
LEFT JOIN site s ON s.id = g.site_id
LEFT JOIN agreement b ON b.id = g.agreement_id
LEFT JOIN stock_count c ON c.holder_id = g.holder_id AND c.site_id = g.site_id AND c.part_id = g.part_id
LEFT JOIN LATERAL (
    SELECT max(y.snapshot_on) AS snapshot_on FROM stock_line y
    WHERE g.agreement_id IS NULL AND g.owner_id = g.holder_id AND y.company_id = g.holder_id AND y.part_id = g.part_id
      AND y.site_id = g.site_id AND y.condition = g.condition AND y.vanished_on IS NULL
) f ON true
"""


_ALL_TOLD = _told(_PLACES, "0", "true")
# Rows that are no right's are never left out, and say so.
_NEAREST_TOLD = _told(_NEAREST, "CASE WHEN g.bound THEN g.farther ELSE 0 END", "g.gives")


async def stock(
    session: AsyncSession, part_ids: Iterable[UUID], makers: Iterable[UUID], now: datetime
) -> list[StockRow]:
    """Every place with units of these parts that the makers own and hold or may call; one statement."""
    rows = await fetch(session, _ALL_TOLD, list(part_ids), list(makers), now)
    return [_row(r) for r in rows]


async def nearest_stock(
    session: AsyncSession,
    part_ids: Iterable[UUID],
    makers: Iterable[UUID],
    now: datetime,
    *,
    destination: Point,
    most: int,
    mask: frozenset[UUID],
) -> tuple[list[StockRow], dict[UUID, int], set[UUID]]:
    """As ``stock``, of each part so many places as are worth a look when many parts are asked for at once, and by part
    how many more there are, and of which parts some of those may give units. Own stock always; then the rights, whole, those with free units first and the nearest
    first, until ``most`` places are reached."""
    rows = await fetch(
        session, _NEAREST_TOLD, list(part_ids), list(makers), now, most, destination.lat, destination.lon, list(mask)
    )
    # What may give comes first: where what may not is among those that came, all the others may not either.
    shut = {r["part_id"] for r in rows if r["agreement_id"] is not None and not r["gives"]}
    farther = {r["part_id"]: r["farther"] for r in rows if r["farther"]}
    return [_row(r) for r in rows], farther, farther.keys() - shut


def _row(r: asyncpg.Record) -> StockRow:
    *row, lat, lon, country, told, kept, stands, _, _ = r
    return StockRow._make((*row, Point(lat, lon, country), told, bool(kept), stands))


@dataclass(frozen=True, slots=True)
class Sourcing:
    """On whose behalf an actor sources: the makers, its limits as their delegate, and who masks its holders."""

    makers: frozenset[UUID]
    limits: dict[UUID, Limit]
    mask: frozenset[UUID]
    currencies: dict[UUID, str]


async def scope(session: AsyncSession, actor: Actor) -> Sourcing:
    """Raises ``sourcing.nothing`` for a company that neither makes parts nor is a maker's delegate."""
    makers = set(actor.sources) | ({actor.company_id} if actor.is_manufacturer else set())
    if not makers:
        raise forbidden(
            "sourcing.nothing",
            "Your company sources no maker's parts. A manufacturer can let you do so with a delegation; "
            "to buy parts, use Find parts.",
        )
    rows = await fetch(
        session,
        "SELECT c.id, c.currency, d.max_quantity, d.max_value_amount FROM company c "
        "LEFT JOIN LATERAL (SELECT max(max_quantity) AS max_quantity, max(max_value_amount) AS max_value_amount "
        "FROM delegation d WHERE d.maker_id = c.id AND d.company_id = $2 AND d.revoked_at IS NULL "
        "AND (d.valid_until IS NULL OR d.valid_until > now())) d ON c.id <> $2 WHERE c.id = ANY($1::uuid[])",
        list(makers),
        actor.company_id,
    )
    return Sourcing(
        frozenset(makers),
        {r["id"]: Limit(r["max_quantity"], r["max_value_amount"], r["currency"]) for r in rows if r["max_quantity"]},
        actor.masked,
        {r["id"]: r["currency"] for r in rows},
    )


@dataclass(frozen=True, slots=True)
class Located:
    """Where units of the asked parts (and of those that may stand in) are."""

    candidates: dict[UUID, list[Candidate]]
    catalogue: dict[UUID, parts.PartRow]
    related: Sequence[parts.Related]
    destination: Point
    farther: dict[UUID, int]
    """By part how many more places there are that were not looked at."""
    explained: Callable[[Candidate], Candidate]
    """A candidate of these with the clause's reasons, where they were left out."""


async def locate(
    session: AsyncSession,
    actor: Actor,
    part_ids: Sequence[UUID],
    *,
    destination: Point,
    urgency: str,
    now: datetime,
    with_related: bool = True,
    explain: bool = True,
    most: int | None = None,
    notice: UUID | None = None,
    told: int | None = None,
    near: Point | None = None,
) -> Located:
    """Availability of parts for the actor; a constant number of statements for any number of parts.

    Without ``explain`` the clause's reasons for what can be called are left out; why the rest cannot is always told.
    ``most``: look at so many places of a part, the nearest with free units; at all of them where none of those can
    give any, so that a part is never said to be out of reach because of it. ``notice``: what the order would answer, of
    several that run under an agreement. ``told``: of places under rights that do not stand so many are enough, the nearest.
    ``near``: where the searcher is, that distance and order count from.
    """
    who = await scope(session, actor)
    related = await parts.related(session, part_ids) if with_related else []
    wanted = list(dict.fromkeys([*part_ids, *(r.other_id for r in related)]))
    known = await parts.parts(session, wanted)
    farther: dict[UUID, int] = {}
    may_give: set[UUID] = set()
    if most is None:
        rows = await stock(session, wanted, who.makers, now)
    else:
        rows, farther, may_give = await nearest_stock(
            session, wanted, who.makers, now, destination=near or destination, most=most, mask=who.mask
        )
    weights = {p.id: p.weight_grams for p in known.values()}

    looked: list[tuple[Sequence[StockRow], Mapping[tuple[UUID, UUID], Right]]] = []

    def assembled(
        at: Iterable[StockRow], rights: Mapping[tuple[UUID, UUID], Right], *, explain: bool
    ) -> list[Candidate]:
        return assemble(
            at, rights, makers=who.makers, destination=destination, urgency=urgency, weights=weights, currencies=who.currencies,
            list_prices={p.id: p.list_price for p in known.values()}, limits=who.limits,
            mask=who.mask, now=now, explain=explain, near=near,
        )  # fmt: skip

    def explained(one: Candidate) -> Candidate:
        for rows, rights in reversed(looked):
            of_right = [r for r in rows if (r.agreement_id, r.part_id) == (one.agreement_id, one.part_id)]
            for again in assembled(of_right, rights, explain=True):
                if again.key == one.key:
                    return one._replace(reasons=again.reasons)
        return one

    async def look(at: Sequence[StockRow]) -> list[Candidate]:
        if who.mask:
            at = [row._replace(point=rough(row.point)) if row.masked(who.mask) else row for row in at]
        if told is not None:
            at = worth_weighing(at, destination, weights, told)
        rights = await agreements.rights(session, standing(at), requested=1, urgency=URGENCIES[urgency])
        if notice is not None:
            rights = {key: answering(right, notice) for key, right in rights.items()}
        looked.append((at, rights))
        return assembled(at, rights, explain=explain)

    found: dict[UUID, list[Candidate]] = {p: [] for p in wanted}
    for candidate in await look(rows):
        found[candidate.part_id].append(candidate)
    if bare := [p for p in may_give if not any(c.callable for c in found[p])]:
        for p in bare:
            found[p] = []
            del farther[p]
        for candidate in await look(await stock(session, bare, who.makers, now)):
            found[candidate.part_id].append(candidate)
    return Located(found, known, related, destination, farther, explained)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One of many needs: a part (with ``related`` also what may stand in), where to, how urgent."""

    part_id: UUID
    destination: Point
    urgency: str
    related: bool


async def locate_many(
    session: AsyncSession, actor: Actor, wanted: Sequence[Wanted], now: datetime, *, explain: bool
) -> list[list[tuple[int, Candidate]]]:
    """As ``locate``, for needs that go to different places in different urgency: by need every place, with the rank of its part
    (0 = the one asked for). A constant number of statements for any number of needs; needs that differ in nothing but how
    many share one look."""
    who = await scope(session, actor)
    related = await parts.related(session, list({w.part_id for w in wanted if w.related}))
    stands_in: dict[UUID, list[UUID]] = {}
    for r in related:
        if r.relation in ("superseded_by", "alternate"):
            stands_in.setdefault(r.part_id, []).append(r.other_id)
    every = list({w.part_id for w in wanted} | {o for others in stands_in.values() for o in others})
    known = await parts.parts(session, every)
    rows = await stock(session, every, who.makers, now)
    if who.mask:
        rows = [row._replace(point=rough(row.point)) if row.masked(who.mask) else row for row in rows]
    # The urgency is put in where each need is looked at.
    rights = await agreements.rights(session, standing(rows), requested=1, urgency=URGENCIES["stock_order"])
    by_part: dict[UUID, list[StockRow]] = {}
    for row in rows:
        by_part.setdefault(row.part_id, []).append(row)
    weights = {p.id: p.weight_grams for p in known.values()}
    prices = {p.id: p.list_price for p in known.values()}
    looked: dict[tuple[UUID, Point, str], list[Candidate]] = {}

    def look(part: UUID, to: Point, urgency: str) -> list[Candidate]:
        key = (part, to, urgency)
        if key not in looked:
            looked[key] = assemble(
                by_part.get(part, []), rights, makers=who.makers, destination=to, urgency=urgency, weights=weights,
                currencies=who.currencies, list_prices=prices, limits=who.limits, mask=who.mask, now=now, explain=explain,
            )  # fmt: skip
        return looked[key]

    return [
        [
            (rank, c)
            for rank, part in enumerate([w.part_id, *(stands_in.get(w.part_id, []) if w.related else [])])
            for c in look(part, w.destination, w.urgency)
        ]
        for w in wanted
    ]


async def destination_of(session: AsyncSession, actor: Actor, site_id: UUID | None) -> tuple[UUID | None, Point]:
    """The place units should come to: the named site, else the actor's own, else the company's first."""
    if site_id is None:
        site_id = actor.site_id
    if site_id is None:
        own = await parties.sites(session, actor, limit=1)
        site_id = own[0].id if own else None
    if site_id is None:
        return None, Point(None, None, "")
    site = await parties.own_site(session, actor, site_id)
    return site_id, Point(site.lat, site.lon, site.country)
