"""Parts requests and their plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from marketplace.db.session import ReadSession, WriteSession, acting_for, execute, fetch_value
from marketplace.kit.canonical import loose
from marketplace.kit.errors import conflict, invalid, missing
from marketplace.kit.ids import short_reference
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parts import queries as parts
from marketplace.sourcing import many, queries
from marketplace.sourcing.allocation import Need, Plan, choose
from marketplace.sourcing.candidates import URGENCIES, Blocked, Candidate
from marketplace.sourcing.freight import Point
from marketplace.sourcing.rates import Rate, in_minor, usable

MAX_QUANTITY = 1_000_000
_TOLD = 20
"""So many places that were not chosen, and that cannot be called, are kept with a plan."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A need as somebody states it."""

    part_id: UUID
    quantity: int
    destination_site_id: UUID
    needed_by: datetime
    urgency: str
    machine_model: str = ""
    machine_serial: str = ""
    job_number: str = ""
    substitutes: bool = False
    complete_only: bool = False
    kit: str = ""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with what it was made from: the allocation, and every candidate by key. ``explained``: a candidate with the clause's
    reasons, which a plan over many places leaves out and an order keeps."""

    allocation: Plan
    candidates: dict[str, Candidate]
    shown: dict[str, Any]
    explained: Callable[[Candidate], Candidate]


async def raise_request(session: WriteSession, actor: Actor, asked: Asked, now: datetime) -> UUID:
    """A new parts request. Raises ``requisition.*`` naming the field that is wrong."""
    who = await queries.scope(session, actor)
    part = await parts.part(session, asked.part_id)
    maker = part.maker_company_id
    if maker is None or maker not in who.makers:
        raise missing(
            "requisition.part",
            f"{part.number} is not a part you can source back: its maker has not let you.",
            field="part_id",
        )
    if not 0 < asked.quantity <= MAX_QUANTITY:
        raise invalid("requisition.quantity", f"Ask for 1 to {MAX_QUANTITY:,} {part.uom}.", field="quantity")
    if asked.urgency not in URGENCIES:
        raise invalid("requisition.urgency", f"Choose an urgency: {', '.join(URGENCIES)}.", field="urgency")
    if asked.needed_by < now - timedelta(hours=1):
        raise invalid("requisition.needed_by", "The time it is needed by lies in the past.", field="needed_by")
    await parties.site_for_share(session, actor, asked.destination_site_id)
    limit = who.limits.get(maker)
    if limit and asked.quantity > limit.quantity:
        raise conflict(
            "requisition.delegation",
            f"Your delegation from this maker allows at most {limit.quantity} units a request.",
            field="quantity",
            available=limit.quantity,
        )
    made: UUID = await fetch_value(
        session,
        "INSERT INTO requisition (reference, company_id, maker_id, requested_by, part_id, quantity, destination_site_id, "
        "needed_by, urgency, machine_model, machine_serial, job_number, substitutes, status, created_at, complete_only, kit) "
        "VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,'open',$14,$15,$16) RETURNING id",
        short_reference("REQ"), actor.company_id, maker, actor.user_id, asked.part_id, asked.quantity,
        asked.destination_site_id, asked.needed_by, asked.urgency, asked.machine_model.strip(),
        asked.machine_serial.strip(), asked.job_number.strip(), asked.substitutes, now, asked.complete_only, asked.kit.strip(),
    )  # fmt: skip
    return made


async def plan(
    session: ReadSession,
    actor: Actor,
    requisition: queries.RequisitionRow,
    now: datetime,
    *,
    exclude: Sequence[str] = (),
    without: many.Before = (),
    notice: UUID | None = None,
    everywhere: bool = False,
) -> Planned:
    """The best set of units for what a request still lacks. Changes nothing; ``exclude`` candidates by key. ``notice``: the one
    that an order would answer. ``everywhere``: also places that can give nothing are among the candidates, all of them; otherwise as many
    as are told of."""
    # The maker no longer sees the site of a company whose delegation has ended: then distances are not known.
    site = await parties.site_seen(session, requisition.destination_site_id)
    destination = Point(site.lat, site.lon, site.country) if site else Point(None, None, "")
    located = await queries.locate(
        session, actor, [requisition.part_id], destination=destination, urgency=requisition.urgency, now=now,
        with_related=requisition.substitutes, notice=notice, explain=False,
        told=None if everywhere else _TOLD,
    )  # fmt: skip
    wanted = [requisition.part_id]
    if requisition.substitutes:
        wanted += [r.other_id for r in located.related if r.relation in ("superseded_by", "alternate")]
    every = [c for p in wanted for c in located.candidates[p]]
    lacking = max(requisition.quantity - requisition.ordered, 0)
    currency = actor.currency
    rates = await _rates(session, actor, [c for c in every if c.callable], now)
    every = [_sized(c, lacking) for c in every]
    # What no rate compares is not planned with; who names that very place can order from it all the same.
    comparable = many.comparable(every, currency, rates, now.date())
    before = [(o.holder_id, o.site_id) for o in await queries.passed_over(session, [requisition.id])]
    if before:
        comparable = many.others_first(comparable, before, least=lacking if requisition.complete_only else 1)
    possible = [
        c for c in comparable if c.most(lacking) > 0 and c.key not in set(exclude) and not many.passed_over(c, without)
    ]
    need = Need("need", tuple(wanted), lacking, requisition.needed_by, requisition.urgency, requisition.complete_only)
    sources = [
        replace(many.source_of("need", c, price), capacity=c.most(lacking))
        for c in possible
        if c.unit_price is not None and (price := in_minor(c.unit_price, currency, rates)) is not None
    ]
    allocation = choose([need], sources) if lacking else choose([], [])
    by_key = {c.key: c for c in every}
    used = {c.unit_price.currency for c in possible if c.unit_price is not None} & rates.keys()
    shown = _shown(allocation, {c.key: c for c in comparable}, before, lacking, now)
    shown |= {
        "substitutes": requisition.substitutes,
        "currency": currency,
        "rates": [rates[c].words for c in sorted(used)],
    }
    masked = requisition.maker_id in actor.masked
    return Planned(allocation, by_key, {**shown, "masked": masked}, located.explained)


async def _rates(session: ReadSession, actor: Actor, places: Sequence[Candidate], now: datetime) -> Mapping[str, Rate]:
    """By which prices are compared with the actor's currency; none are looked up where all are in it."""
    if all(c.unit_price is None or c.unit_price.currency == actor.currency for c in places):
        return {}
    # Also where the plan is made on behalf of a maker: the rates are those of the company that plans.
    async with acting_for(session, actor.company_id):
        return usable(await queries.newest_rates(session, actor.company_id, actor.currency, now.date()), now.date())


def _sized(c: Candidate, lacking: int) -> Candidate:
    """With the words for why nothing of it can be ordered where so few are lacking that no order would be of a size that the
    agreement allows."""
    if not lacking or not c.callable or c.most(lacking):
        return c
    words = f"{c.size_words} This request lacks {lacking:,}."
    return c._replace(blocked=(*c.blocked, Blocked(c.callable, "below_partial_minimum", words)))


def _shown(
    allocation: Plan, candidates: dict[str, Candidate], before: many.Before, lacking: int, now: datetime
) -> dict[str, Any]:
    """The plan as it is kept and shown: JSON-able, money in minor units of its ``currency``. ``masked`` beside it says
    whether it was made for somebody to whom the maker does not name its holders."""
    return {
        "made_at": now,
        "lacking": lacking,
        "unmet": sum(allocation.unmet.values()),
        "total_minor": allocation.total,
        "chosen": [
            {**many.taken(c), **many.described(candidates[c.source]), "again": many.why_again(candidates[c.source], before)}
            for c in allocation.chosen
        ],
        "not_chosen": [
            {"key": n.source, "more_minor": n.more, "why": n.words, **many.described(candidates[n.source])}
            for n in allocation.not_chosen[:_TOLD]
        ],
        "not_callable": [
            {**many.described(c), **many.blocked(c)} for c in islice((c for c in candidates.values() if c.blocked), _TOLD)
        ],
    }  # fmt: skip


async def keep_plan(session: WriteSession, requisition_id: UUID, shown: dict[str, Any], now: datetime) -> None:
    """Stores the plan with its request."""
    await execute(
        session,
        "UPDATE requisition SET plan = $2::jsonb, planned_at = $3 WHERE id = $1",
        requisition_id,
        loose(shown),
        now,
    )


async def own_request(session: WriteSession, actor: Actor, requisition_id: UUID) -> queries.RequisitionRow:
    """The request locked, if it is the actor's company's or for its parts. Raises ``requisition.not_found``."""
    found = await queries.requisition_for_update(session, requisition_id)
    if actor.company_id not in (found.company_id, found.maker_id):
        raise missing("requisition.not_found", "No such parts request.")
    return found


async def next_best(
    session: WriteSession, requisition_id: UUID | None, maker: UUID, without: many.Before, now: datetime
) -> dict[str, Any] | None:
    """After a refusal, silence or a more urgent need: the plan for what is lacking now, without those places,
    kept with the request.
    Works on behalf of the maker, since it may run in the holder's request or by the clock. None when nothing is
    lacking, and for what a holder sells back, which nobody asked for."""
    if requisition_id is None:
        return None
    async with acting_for(session, maker):
        requisition = await queries.requisition(session, requisition_id)
        if requisition.ordered >= requisition.quantity or requisition.status in ("closed", "cancelled"):
            return None
        company = await parties.company(session, maker)
        on_behalf = Actor(
            user_id=requisition.requested_by, company_id=maker, user_name="", company_name=company.name,
            company_code=company.code, is_manufacturer=True, is_partner=company.is_partner, currency=company.currency,
            masking=frozenset({maker}) if company.mask_holders else frozenset(),
            # The plan is kept and mailed to whoever asked: it says what the one may know who may know least.
            roles=frozenset({"technician"}),
        )  # fmt: skip
        planned = await plan(session, on_behalf, requisition, now, without=without)
        await keep_plan(session, requisition_id, planned.shown, now)
        if requisition.status == "ordered" and requisition.ordered == 0:
            await execute(session, "UPDATE requisition SET status = 'open' WHERE id = $1", requisition_id)
        return planned.shown
