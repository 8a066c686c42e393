"""Plans over many parts requests: made without side effects, kept, and confirmed in one transaction."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, acting_for, execute, fetch_value
from marketplace.kit.canonical import encode
from marketplace.kit.errors import conflict, invalid
from marketplace.kit.ids import short_reference
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parts import queries as parts
from marketplace.sourcing import many, queries
from marketplace.sourcing.allocation import choose
from marketplace.sourcing.candidates import Candidate
from marketplace.sourcing.freight import Point
from marketplace.sourcing.many import Asking, WhatIf
from marketplace.sourcing.needs import days_late
from marketplace.sourcing.service.ordering import Picked, order_picked, require_delegation, wants_approval

MOST_REQUESTS = 1_000
IN_THREAD = 200
"""From so many places on the solver leaves the loop to others while it works."""


async def plan_many(
    session: AsyncSession, actor: Actor, ids: Sequence[UUID], asked: WhatIf, now: datetime
) -> dict[str, Any]:
    """The best set of units for what these requests lack, as ``many.shown`` says it. Changes nothing; a constant number of
    statements. Raises ``plan.empty``, ``plan.too_many``, ``plan.requests`` naming those that cannot be planned."""
    rows = await queries.requisitions_of(session, _checked(ids))
    found, _ = await _plan(session, actor, _plannable(rows, ids, actor), asked, now, explain=False)
    return found


def _checked(ids: Sequence[UUID]) -> list[UUID]:
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        raise invalid("plan.empty", "Choose at least one parts request to plan.", field="requests")
    if len(wanted) > MOST_REQUESTS:
        raise invalid(
            "plan.too_many", f"At most {MOST_REQUESTS:,} parts requests in one plan; choose fewer.", field="requests"
        )
    return wanted


def _plannable(
    rows: Sequence[queries.RequisitionRow], ids: Sequence[UUID], actor: Actor
) -> list[queries.RequisitionRow]:
    """Those that lack something, in the order asked for. Raises ``plan.requests`` where one is none of the actor's."""
    by_id = {r.id: r for r in rows if actor.company_id in (r.company_id, r.maker_id)}
    unknown = [i for i in dict.fromkeys(ids) if i not in by_id]
    if unknown:
        raise invalid("plan.requests", f"{len(unknown)} of these are no parts requests of yours.", field="requests")
    live = [r for i in dict.fromkeys(ids) if (r := by_id[i]).status in ("open", "ordered") and r.ordered < r.quantity]
    if not live:
        raise conflict("plan.nothing", "Nothing is lacking: these requests are ordered in full, or have ended.")
    return live


async def _plan(
    session: AsyncSession,
    actor: Actor,
    rows: Sequence[queries.RequisitionRow],
    asked: WhatIf,
    now: datetime,
    *,
    explain: bool,
) -> tuple[dict[str, Any], dict[UUID, dict[str, Candidate]]]:
    sites = await parties.sites_seen(session, {r.destination_site_id for r in rows})

    def point(site_id: UUID) -> Point:
        # The maker no longer sees the site of a company whose delegation has ended: then distances are not known.
        site = sites.get(site_id)
        return Point(site.lat, site.lon, site.country) if site else Point(None, None, "")

    wanted = [queries.Wanted(r.part_id, point(r.destination_site_id), r.urgency, r.substitutes) for r in rows]
    located = await queries.locate_many(session, actor, wanted, now, explain=explain)
    currency = actor.currency
    rates = await queries.newest_rates(session, actor.company_id, currency, now.date())
    before: dict[UUID, list[tuple[UUID, UUID | None]]] = {}
    for one, holder, place in await queries.passed_over(session, [r.id for r in rows]):
        before.setdefault(one, []).append((holder, place))
    asking = [
        Asking(
            r.id, r.reference, r.part_id, r.part_number, r.description, r.uom, r.quantity - r.ordered, r.needed_by, r.urgency,
            r.destination, r.complete_only, r.kit, tuple((rank, c) for rank, c in places if c.part_id),
            tuple(before.get(r.id, ())),
        )
        for r, places in zip(rows, located, strict=True)
    ]  # fmt: skip
    needs, sources, places = many.problem(asking, asked, currency, rates, now.date())
    if len(sources) < IN_THREAD:
        plan = choose(needs, sources, asked.rules)
    else:
        plan = await asyncio.to_thread(choose, needs, sources, asked.rules)
    masked = any(r.maker_id in actor.masked for r in rows)
    shown = many.shown(plan, asking, places, asked, currency, rates, now, masked=masked)
    return shown, {i: {c.key: c for c in some} for i, some in places.items()}


async def make_plan(
    session: WriteSession, actor: Actor, ids: Sequence[UUID], asked: WhatIf, now: datetime
) -> tuple[UUID, dict[str, Any]]:
    """As ``plan_many``, kept as it was shown, for confirming; nothing is reserved by it."""
    shown = await plan_many(session, actor, ids, asked, now)
    made: UUID = await fetch_value(
        session,
        "INSERT INTO sourcing_plan (reference, company_id, made_by, made_at, requests, rules, shown, currency, total_minor, units, "
        "unmet) VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb, $8, $9, $10, $11) RETURNING id",
        short_reference("PLAN"), actor.company_id, actor.user_id, now, _checked(ids), encode(shown["rules"]).decode(),
        encode(shown).decode(), shown["currency"], shown["total_minor"], shown["units"], shown["unmet"],
    )  # fmt: skip
    return made, shown


async def confirm_plan(session: WriteSession, actor: Actor, plan_id: UUID, now: datetime) -> dict[str, Any]:
    """Orders everything that a kept plan says, in one transaction with all reservations, or nothing of it.

    Every request and every unit in question is locked before it is looked at anew. What was shown is ordered exactly, at the prices
    that were shown; where it cannot be had like that any more the refusal (``plan.changed``) carries the plan as it would be now. Above the technician's
    limit the orders of a request wait for an approver, as single ones do. Raises ``plan.not_found``, ``plan.confirmed``,
    ``plan.nothing``, ``requisition.delegation``.
    """
    kept = await queries.kept_plan(session, plan_id)
    # Two that confirm one plan want the same requests: the second finds it confirmed once it has their locks.
    rows = await queries.requisitions_for_update(session, kept.requests)
    kept = await queries.kept_plan(session, plan_id)
    if kept.confirmed_at is not None:
        raise conflict(
            "plan.confirmed",
            f"{kept.reference} was confirmed before. Its orders are on their way; nothing was ordered twice.",
        )
    assert kept.shown is not None  # noqa: S101 - read whole
    chosen = many.choices(kept.shown)
    if not chosen:
        raise conflict(
            "plan.nothing_to_order", "This plan orders nothing: no place can give any. It says why for each request."
        )
    by_id = {r.id: r for r in rows}
    asked = many.rules_of(kept.rules)
    # A delegate's plan may be about several makers; each sees its own units only, so they are locked one maker after the other.
    for maker in sorted({r.maker_id for r in rows}):
        mine = [r for r in rows if r.maker_id == maker]
        async with acting_for(session, maker):
            related = await parts.related(session, {r.part_id for r in mine if r.substitutes})
            supply = {*(r.part_id for r in mine), *(o.other_id for o in related)}
            await queries.supply_for_update(session, supply, maker)
    live = _plannable(rows, kept.requests, actor)
    # Each order keeps why its clause allows it.
    again, places = await _plan(session, actor, live, asked, now, explain=True)
    as_now: dict[str, Any] = json.loads(encode(again))
    alike = many.asked_alike(kept.shown, as_now)
    if not (alike and _still(chosen, places, live, asked)):
        what = (
            "What this plan would order cannot be had like that any more"
            if alike
            else "A parts request has changed since this plan"
        )
        raise conflict(
            "plan.changed",
            f"{what}; nothing was ordered. This is the plan as it is now: look at it, and confirm that one.",
            plan=as_now,
        )
    calls: list[UUID] = []
    waiting = 0
    picks: dict[UUID, list[tuple[Candidate, int]]] = {}
    for c in chosen:
        picks.setdefault(c.request, []).append((places[c.request][c.key], c.quantity))
    before = await queries.ordered_worth(session, list(picks))
    of_maker: dict[UUID, list[Picked]] = {}
    for request, places_of in picks.items():
        row = by_id[request]
        owed = before[request].owed + sum((c.unit_price.amount * n for c, n in places_of if c.unit_price), Decimal(0))
        approval = await wants_approval(session, actor, owed, places_of, now)
        of_maker.setdefault(row.maker_id, []).append(Picked(row, places_of, approval, owed))
        waiting += len(places_of) if approval else 0
    for maker, picked in sorted(of_maker.items()):
        async with acting_for(session, maker):
            # The limit is for a request: the largest tells whether any is beyond it.
            most = max(
                before[p.request.id].worth + sum((c.worth.amount * n for c, n in p.places if c.worth), Decimal(0))
                for p in picked
            )
            await require_delegation(session, actor, maker, most)
            calls += await order_picked(session, actor, picked, now)
    await execute(
        session,
        "INSERT INTO sourcing_plan_confirmed (plan_id, company_id, confirmed_by, confirmed_at, calls, waiting) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        plan_id, actor.company_id, actor.user_id, now, calls, waiting,
    )  # fmt: skip
    return {"plan_id": plan_id, "calls": calls, "waiting": waiting}


def _still(
    chosen: Sequence[many.Choice],
    places: dict[UUID, dict[str, Candidate]],
    live: Sequence[queries.RequisitionRow],
    asked: WhatIf,
) -> bool:
    """Whether all of it can be had as it was chosen: of every place at its price, of every right, in sizes that agreements allow, no
    later after the day it is needed than was shown, and no more than is lacking."""
    lacking = {r.id: r.quantity - r.ordered for r in live}
    needed = {r.id: r.needed_by + timedelta(days=asked.shift_days) for r in live}
    by_place: dict[str, int] = {}
    by_right: dict[str, int] = {}
    by_request: dict[UUID, int] = {}
    by_deed: dict[UUID, int] = {}
    for request, key, count, price, late in chosen:
        c = places.get(request, {}).get(key)
        if c is None or c.unit_price != price or c.arrives is None or days_late(c.arrives, needed[request]) > late:
            return False
        by_place[key] = by_place.get(key, 0) + count
        by_right[c.group] = by_right.get(c.group, 0) + count
        by_request[request] = by_request.get(request, 0) + count
        if c.agreement_id is not None:
            by_deed[c.agreement_id] = by_deed.get(c.agreement_id, 0) + 1
            if c.orders_left is not None and by_deed[c.agreement_id] > c.orders_left:
                return False
        if by_place[key] > c.callable or by_right[c.group] > c.group_cap or not c.takes(count):
            return False
    return all(n <= lacking.get(request, 0) for request, n in by_request.items())


async def record_rate(
    session: WriteSession,
    actor: Actor,
    *,
    currency: str,
    into: str,
    day: date,
    rate: Decimal,
    source: str,
    now: datetime,
) -> UUID:
    """A rate of one day, as an administrator states it; a later one for the same day counts instead. Raises ``rate.currency``,
    ``rate.rate``, ``rate.day``, ``rate.source``."""
    for name, code in (("currency", currency), ("into", into)):
        if len(code) != 3 or not code.isascii() or not code.isalpha() or not code.isupper():
            raise invalid(
                "rate.currency", f"'{code}' is no currency code: write three capital letters, as USD.", field=name
            )
    if currency == into:
        raise invalid("rate.currency", "A currency needs no rate into itself.", field="into")
    if not Decimal(0) < rate < Decimal(10**8):
        raise invalid("rate.rate", "A rate is more than 0.", field="rate")
    if day > now.date():
        raise invalid("rate.day", "That day has not come yet: a rate is a fact.", field="day")
    if not source.strip():
        raise invalid("rate.source", "Say whose rate it is, as 'ECB reference rate'.", field="source")
    made: UUID = await fetch_value(
        session,
        'INSERT INTO currency_rate (company_id, currency, "into", day, rate, source, recorded_by, recorded_at) '
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
        actor.company_id, currency, into, day, rate, source.strip(), actor.user_id, now,
    )  # fmt: skip
    return made
