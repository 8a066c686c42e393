"""An agreement is ended for breach: the other side is in default with an order, a payment, or units that left without leave.
Here, because only the topmost domain sees all of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements import phrases
from marketplace.agreements import queries as agreed
from marketplace.agreements import service as agreements
from marketplace.agreements.missing import LEFT_WORDS, Became
from marketplace.agreements.queries import AgreementDetail, Locked
from marketplace.agreements.states import CALL_WORDS, CallState
from marketplace.db.session import WriteSession, acting_for
from marketplace.holdings import queries as holdings
from marketplace.kit.clock import end_of_day, local_day
from marketplace.kit.errors import busy, conflict, missing
from marketplace.kit.money import Money
from marketplace.parties.actor import Actor, OnBehalf
from marketplace.resales import queries as resales
from marketplace.resales import service as resale_service
from marketplace.resales.queries import ResaleRow
from marketplace.settlement import queries as settlement
from marketplace.sourcing import queries
from marketplace.sourcing.defaults import Cause, Default, Own, default_since, own_side
from marketplace.sourcing.queries import CallRow
from marketplace.sourcing.service.ordering import free_units
from marketplace.sourcing.service.shared import announce, reopen, set_status, tell
from marketplace.sourcing.service.standing_in import end_reservations


@dataclass(frozen=True, slots=True)
class Breach:
    """What an end for breach would rest on and end: defaults of the other side; units that the holder has and that come free;
    units on their way, which finish; orders that end; what is owed and stays so, by who owes it. ``own``: what the reader's own
    side has missed, for which the other could end it, now or once the time to make it good has run."""

    defaults: Sequence[Default]
    units: int
    on_the_way: int
    orders: Sequence[str]
    owed: Sequence[tuple[UUID, Money]]
    own: Sequence[Own]


@dataclass(frozen=True, slots=True)
class Ended:
    """An agreement that was ended for breach: how many units are free of the right, and which orders ended."""

    agreement_id: UUID
    reference: str
    units: int
    orders: Sequence[str]


async def breach_of(session: AsyncSession, actor: Actor, agreement_id: UUID, now: datetime) -> Breach:
    """What the actor's company could end an agreement for, and what would end, as things stand. Raises
    ``agreement.not_found``."""
    found = await agreed.agreement(session, actor, agreement_id)
    chain = await holdings.with_those_before(session, agreement_id)
    units = await agreed.units_under(session, agreement_id)
    rest = sum(u.quantity for u in units if u.place.site is not None and u.place.holder == found.row.holder_id)
    calls = await queries.unshipped(session, agreement_id)
    row = found.row
    other = row.holder if actor.company_id == row.maker_id else row.maker
    missed = await _missed(session, found, now)
    return Breach(
        [d for d in missed if d.since <= now and d.by_id != actor.company_id],
        rest,
        sum(u.quantity for u in units) - rest,
        [c.reference for c in calls if c.noticed_at or actor.company_id == c.maker_id],
        await settlement.open_under(session, list(chain)),
        [own_side(d, found.terms, other, row.zone, now) for d in missed if d.by_id == actor.company_id],
    )


async def end_for_breach(
    session: WriteSession, actor: Actor, agreement_id: UUID, *, cause: Cause, reference: str, reason: str, now: datetime
) -> Ended:
    """Ends an agreement by notice that names a default of the other side: the right, and orders whose units are not yet with the
    carrier, end at once; what is on its way finishes, what is owed stays owed.

    Raises ``agreement.not_found``, ``agreement.state``, ``agreement.legal_hold``, ``breach.first_library``,
    ``breach.own_default``, ``breach.not_found`` for what is not under this agreement, ``breach.no_default`` for what is in time
    or was made good, ``agreement.reason``, ``agreement.units_busy``, ``agreement.units_kept``."""
    detail = await agreed.agreement(session, actor, agreement_id)
    row = detail.row
    # Order of locks: orders back, requests to sell on, lines, lots, the agreement.
    async with acting_for(session, row.maker_id):
        waiting = await _waiting_for_update(session, agreement_id)
    if cause is Cause.PAYMENT and (line := (await settlement.lines_by_reference(session, [reference])).get(reference)):
        await settlement.lines_for_update(session, [line.id])
    before = await agreed.units_for_update(session, agreement_id)
    found = await agreed.agreement_for_update(session, agreement_id)
    await agreements.may_be_broken(session, found)
    default = await _named(session, actor, detail, cause, reference, now)
    async with acting_for(session, row.maker_id):
        await _end_waiting(session, actor, found, waiting, now, "ended_for_breach")
        await end_reservations(session, actor, found.id, found.holder_id, now)
    units = await agreements.end_for_breach(session, actor, found, before, default.words, reason, now)
    for call in waiting.calls:
        if call.noticed_at:
            await _tell_ended(session, call, f"{found.reference} was ended for breach")
    return Ended(agreement_id, found.reference, units, [c.reference for c in waiting.calls])


async def sign_proposal(
    session: WriteSession, actor: Actor, proposal_id: UUID, now: datetime, *, wording_sha256: str | None = None
) -> agreements.Accepted:
    """The other side's signature under a proposal. Under one that ends the agreement what waits ends with it: orders back whose
    units are not with the carrier, and requests to sell units on. A consignment that is under way is finished first.

    Raises what ``agreements.service.accept_proposal`` refuses; then nothing has ended."""
    agreement_id = await agreed.agreement_of_proposal(session, actor.company_id, proposal_id)
    if not await agreed.proposal_ends(session, proposal_id):
        return await agreements.accept_proposal(session, actor, proposal_id, now, wording_sha256=wording_sha256)
    row = (await agreed.agreement(session, actor, agreement_id)).row
    async with acting_for(session, row.maker_id):
        waiting = await _waiting_for_update(session, agreement_id)
        await agreed.units_for_update(session, agreement_id)
        found = await agreed.agreement_for_update(session, agreement_id)
        await _end_waiting(session, actor, found, waiting, now, "ended_with_agreement")
    done = await agreements.accept_proposal(session, actor, proposal_id, now, wording_sha256=wording_sha256)
    for call in waiting.calls:
        if call.noticed_at:
            await _tell_ended(session, call, f"{found.reference} was ended by both sides")
    return done


@dataclass(frozen=True, slots=True)
class _Waiting:
    """What ends with an agreement, locked: orders back that have not shipped, and requests to sell on."""

    calls: Sequence[CallRow]
    resales: Sequence[ResaleRow]

    @property
    def ids(self) -> set[UUID]:
        return {c.id for c in self.calls} | {r.id for r in self.resales}


async def _waiting_for_update(session: WriteSession, agreement_id: UUID) -> _Waiting:
    """Before lots and the agreement are; acts for the maker, who sees both."""
    calls = await queries.unshipped_for_update(session, agreement_id)
    return _Waiting(calls, await resales.requests_under_for_update(session, agreement_id))


async def _end_waiting(
    session: WriteSession, actor: Actor, found: Locked, waiting: _Waiting, now: datetime, why: str
) -> None:
    """Under the agreement's lock, which everything new takes first. Acts for the maker. Raises ``agreement.units_moved``."""
    now_waiting = _Waiting(await queries.unshipped(session, found.id), await resales.requests_under(session, found.id))
    if now_waiting.ids != waiting.ids:
        raise busy("agreement.units_moved", "Something was asked for just now. Nothing was changed; try again.")
    await _end_orders(session, actor, found, waiting.calls, now, why)
    by = OnBehalf(actor.user_id, found.maker_id)
    await resale_service.end_with_agreement(session, by, waiting.resales, found.reference, now)


async def _missed(session: AsyncSession, found: AgreementDetail, now: datetime) -> list[Default]:
    """Defaults of either side, and what will be one once the time to make it good has run, as the reader may see them; three
    statements and what the stops of the agreement are."""
    row, zone = found.row, found.row.zone
    if found.terms.generation == 1:
        return []
    chain = list(await holdings.with_those_before(session, row.id))
    events = await agreed.stops(session, row.id)
    today = local_day(now, zone)
    made: list[Default] = []
    for call in await queries.unshipped(session, row.id):
        if call.status == "defaulted" and call.default_from is not None:
            words = f"{row.holder} did not ship {phrases.count(call.quantity, 'unit')} of {call.part_number} for {call.reference} in time."
            made.append(Default(Cause.ORDER, call.reference, call.id, row.holder_id, call.default_from, words))
        elif _is_late(call, now) and call.default_from is not None:
            words = f"{row.holder} has not shipped {phrases.count(call.quantity, 'unit')} of {call.part_number} for {call.reference}, due by "
            words += f"{phrases.deadline(call.ship_by or now, zone)}."
            made.append(Default(Cause.ORDER, call.reference, call.id, row.holder_id, call.default_from, words))
    for side in (row.maker_id, row.holder_id):
        for line in await settlement.due_under(session, chain, side, today):
            since = default_since(found.clauses, line.due_on, zone, events, end_of_day(line.due_on, zone), now)
            owed = Money(line.due_amount, line.currency)
            words = f"{line.payer} has not paid {owed} of {line.reference}, due on {phrases.day(line.due_on)}."
            made.append(Default(Cause.PAYMENT, line.reference, line.id, side, since, words))
    for gone in await holdings.breaches(session, chain):
        since = default_since(found.clauses, local_day(gone.at, zone), zone, events, gone.at, now)
        what = LEFT_WORDS[Became(gone.became)]
        words = f"{phrases.count(gone.without_leave, 'unit')} of {gone.number} left {row.holder}'s hands without leave{what}."
        made.append(Default(Cause.MISSING, str(gone.id), gone.id, row.holder_id, since, words))
    return made


def _is_late(call: CallRow, now: datetime) -> bool:
    """Accepted and not shipped in time, while it can still be made good; a default is one once the clock has said so."""
    waits = call.licence_asked_at is not None and call.licence is None
    late = call.status in ("accepted", "picked") and not waits and call.ship_by is not None and call.ship_by <= now
    return late and call.default_from is not None and call.default_from > now


async def _named(
    session: WriteSession, actor: Actor, found: AgreementDetail, cause: Cause, reference: str, now: datetime
) -> Default:
    """The default that is named, decided on what is locked."""
    default = next(
        (
            d
            for d in await _missed(session, found, now)
            if d.since <= now and (d.cause, d.reference) == (cause, reference)
        ),
        None,
    )
    if default is None:
        raise await _no_default(session, found, cause, reference)
    if default.by_id == actor.company_id:
        raise conflict(
            "breach.own_default",
            f"{default.words} That is your company's own default; only the other side ends the agreement for it.",
        )
    return default


async def _no_default(session: WriteSession, found: AgreementDetail, cause: Cause, reference: str) -> Exception:
    chain = await holdings.with_those_before(session, found.row.id)
    more = "No default comes before the time to make it good has run, nor once it was made good."
    if cause is Cause.ORDER:
        call = await queries.call_of_reference(session, reference)
        if call is not None and call.agreement_id in chain:
            return conflict("breach.no_default", f"{reference} is {CALL_WORDS[CallState(call.status)]}. {more}")
    elif cause is Cause.PAYMENT:
        line = (await settlement.lines_by_reference(session, [reference])).get(reference)
        if line is not None and line.agreement_id in chain:
            left = Money(line.due_amount, line.currency)
            return conflict("breach.no_default", f"{reference}: {left} due by {phrases.day(line.due_on)}. {more}")
    elif any(str(m.id) == reference for m in await holdings.said_under(session, chain)):
        return conflict("breach.no_default", f"These units are no default, or not yet. {more}")
    return missing("breach.not_found", f"No such order, line or missing units under {found.row.reference}.")


async def _end_orders(
    session: WriteSession, actor: Actor, found: Locked, calls: Sequence[CallRow], now: datetime, why: str
) -> None:
    """On behalf of the maker, whose reservations they are. ``why``: the kind of the event."""
    by = OnBehalf(actor.user_id, found.maker_id)
    for call in calls:
        await free_units(session, by, call, "ended", now)
        in_default = call.status == "defaulted"
        if call.noticed_at and call.kind != "put" and not in_default:
            await agreements.undo_exercise(session, found.id, call_id=call.id, now=now)
        await set_status(session, call, "closed" if in_default else "cancelled", ended_at=now, note=why)
        await reopen(session, call)
        await tell(session, by, call, why, {"was": call.status, "ended_by": actor.company_id}, now)


async def _tell_ended(session: WriteSession, call: CallRow, ended: str) -> None:
    words = f"{ended} before the units were with the carrier."
    for company, roles in ((call.holder_id, ("buyer", "warehouse")), (call.company_id, ("technician", "planner"))):
        await announce(
            session, "call.answered", call, company, roles, f"{call.reference} ended with its agreement", words
        )
