"""The verbs of a resale: ask, consent or refuse, join, ship, receive, cancel. Locks: the resale, then lots, then agreements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from marketplace.agreements import phrases
from marketplace.agreements import queries as agreement_queries
from marketplace.agreements import service as agreements
from marketplace.agreements.claims import Claim
from marketplace.agreements.law import Jurisdiction
from marketplace.agreements.outcomes import Act
from marketplace.agreements.queries.retained import clauses_of_agreement
from marketplace.agreements.stops import moved_by, stopped_between
from marketplace.agreements.title import kept_by
from marketplace.db.session import WriteSession, acting_for, execute, fetch_value
from marketplace.holdings import queries as holdings
from marketplace.holdings.proposal import Line, Take, propose
from marketplace.kit.consignment import Consignment
from marketplace.kit.errors import DomainError, busy, conflict, forbidden, invalid
from marketplace.kit.ids import command_id, short_reference
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import places
from marketplace.ledger.service import carry_out
from marketplace.outbox.service import emit
from marketplace.parties import queries as parties
from marketplace.parties.actor import VERBS, Actor, By, OnBehalf
from marketplace.parties.service import know_each_other
from marketplace.resales import queries
from marketplace.resales.queries import ResaleRow
from marketplace.resales.states import WORDS, Rank, State, goes_first, require
from marketplace.safeguards.service import refuse_insolvent

_ATTEMPTS = 5
_NOTE = 500


async def ask(
    session: WriteSession,
    actor: Actor,
    *,
    agreement_id: UUID,
    part_id: UUID,
    site_id: UUID,
    buyer_id: UUID,
    quantity: int,
    minimum_passed_on: int,
    text: str,
    now: datetime,
) -> UUID:
    """The holder asks to sell units on. Where the clause wants the maker's consent it waits for that; where the right stays
    on the units, the text that the buyer will sign is written now. Nothing is reserved before the buyer has signed.

    Raises ``resale.quantity``, ``resale.buyer``, ``resale.minimum``, ``resale.units`` (not so many at the site),
    ``resale.promised`` (other requests or notices go first), and what the evaluator, the schedule and the law refuse. Returns the resale's id."""
    if quantity < 1:
        raise invalid("resale.quantity", "Give a quantity of at least one unit.", field="quantity")
    if len(text) > _NOTE:
        raise invalid("resale.note", f"At most {_NOTE} characters.", field="note")
    site = await parties.own_site(session, actor, site_id)
    there = _there(await _lines(session, actor.company_id, part_id, site.id, now), agreement_id)
    if sum(line.free for line in there) < quantity:
        raise conflict(
            "resale.units",
            f"At {site.name} {sum(line.free for line in there):,} of these units are free under the agreement; "
            f"{quantity:,} were given.",
            field="quantity",
        )
    first = await _first(session, agreement_id, part_id)
    leave = await agreements.may_resell(session, actor, agreement_id, part_id, quantity, minimum_passed_on, now, first)
    maker_id: UUID = await fetch_value(session, "SELECT maker_id FROM agreement WHERE id = $1", agreement_id)
    if buyer_id in (actor.company_id, maker_id):
        raise invalid(
            "resale.buyer", "Choose another company: these units are yours." if buyer_id == actor.company_id
            else "Choose another company: the maker orders its units back, it does not buy them here.", field="buyer_id",
        )  # fmt: skip
    buyer = await parties.company(session, buyer_id)
    if not buyer.is_partner:
        raise invalid(
            "resale.buyer", f"{buyer.name} does not hold parts here. Choose a partner company.", field="buyer_id"
        )
    for _ in range(_ATTEMPTS):
        reference = short_reference("RSL")
        child = short_reference("AGR") if leave.runs else None
        taken = child and await fetch_value(session, "SELECT id FROM agreement WHERE reference = $1", child)
        if taken:
            continue
        wording, digest = None, None
        if child:
            wording, digest = await agreements.draft_accession(
                session, agreement_id=agreement_id, buyer_id=buyer_id, part_id=part_id, quantity=quantity,
                passed_on=minimum_passed_on, reference=child, now=now,
            )  # fmt: skip
        made: UUID | None = await fetch_value(
            session,
            "INSERT INTO resale (reference, agreement_id, maker_id, holder_id, buyer_id, part_id, site_id, quantity, "
            "minimum_passed_on, runs, child_reference, wording, wording_sha256, note, status, asked_by, asked_at, "
            "consented_at, answer_by, silence_consents, sign_by) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21) "
            "ON CONFLICT DO NOTHING RETURNING id",
            reference, agreement_id, maker_id, actor.company_id, buyer_id, part_id, site_id, quantity, minimum_passed_on,
            leave.runs, child, wording, digest, text.strip(), State.ASKED if leave.consent else State.CONSENTED,
            actor.user_id, now, None if leave.consent else now, leave.answer_by, leave.silence_consents,
            None if leave.consent else leave.sign_by(now),
        )  # fmt: skip
        if made is not None:
            break
    else:
        raise busy("resale.reference", "No free reference was found. Nothing was changed; try again.")
    row = await queries.resale(session, actor.company_id, made)
    units = f"{phrases.count(quantity, 'unit')} of {row.part_number}"
    if leave.consent:
        await _tell(
            session, actor, row, "asked", now, (row.maker_id,), f"{row.reference}: {row.holder} wants to sell units on",
            f"{units} to {row.buyer}. {silence_words(row)}",
        )  # fmt: skip
    else:
        await _tell(
            session, actor, row, "asked", now, (row.buyer_id,), f"{row.reference}: {row.holder} offers you {units}",
            "Confirm that you take them.",
        )  # fmt: skip
    return made


async def consent(session: WriteSession, actor: Actor, resale_id: UUID, now: datetime) -> None:
    """The maker consents, which is its signature under what the buyer will join. Raises ``resale.state``, and again what
    the agreement refuses."""
    row = await _of(session, actor, resale_id, "maker")
    require(row.status, State.CONSENTED)
    await refuse_insolvent(
        session, row.maker_id, [row.buyer_id],
        "What it buys would be its estate's. Refuse the resale; or lift the record under Agreements, Insolvencies, and then "
        "consent.",
    )  # fmt: skip
    await _consent(session, actor, row, now, now)


def silence_words(row: ResaleRow) -> str:
    """What no answer of the maker comes to."""
    return "No answer in time counts as consent." if row.silence_consents else "No answer is no consent."


async def _consent(session: WriteSession, actor: By, row: ResaleRow, since: datetime, now: datetime) -> None:
    """``since``: from when the consent counts, by which the buyer's time to sign runs."""
    seller = OnBehalf(actor.user_id, row.holder_id)
    async with acting_for(session, row.holder_id):
        first = await _first(session, row.agreement_id, row.part_id, row)
        leave = await agreements.may_resell(
            session, seller, row.agreement_id, row.part_id, row.quantity, row.minimum_passed_on, now, first
        )
    await execute(
        session, "UPDATE resale SET status = 'consented', consented_by = $2, consented_at = $3, sign_by = $4 WHERE id = $1",
        row.id, actor.user_id, now, leave.sign_by(since),
    )  # fmt: skip
    words = "Read and sign: the manufacturer's right stays on the units." if row.runs else "Confirm that you take them."
    await _tell(
        session, actor, row, "consented", now, (row.buyer_id,),
        f"{row.reference}: {row.holder} sells you {phrases.count(row.quantity, 'unit')} of {row.part_number}", words,
    )  # fmt: skip


async def lapse(session: WriteSession, actor_id: UUID, resale_id: UUID, now: datetime) -> bool:
    """What the stored moment means once it has passed (worker): no answer of the maker is no consent, or one where the clause
    says so; a buyer that has not signed lets it go. No time runs while the agreement stands still. False: nothing was due."""
    row = await queries.any_for_update(session, resale_id)
    due = None if row is None else {State.ASKED: row.answer_by, State.CONSENTED: row.sign_by}.get(State(row.status))
    if row is None or due is None or due > now:
        return False
    if await agreement_queries.stands_still(session, row.agreement_id) is not None:
        return False
    begun = row.asked_at if row.status == State.ASKED else row.consented_at or row.asked_at
    events = await agreement_queries.stops(session, row.agreement_id)
    zone = (await agreement_queries.second_library(session, [row.agreement_id])).get(row.agreement_id)
    due = moved_by(due, stopped_between(events, begun, now), zone or "UTC", exact=zone is None)
    if due > now:
        return False
    clock = OnBehalf(actor_id, row.maker_id)
    if row.status == State.CONSENTED:
        await _end(session, clock, row, State.CANCELLED, "The buyer did not sign in time.", now, row.holder_id)
        return True
    if row.silence_consents:
        try:
            async with session.begin_nested():
                # A deadline is the midnight after its last day.
                await _consent(session, clock, row, due - timedelta(microseconds=1), now)
            return True
        except DomainError as error:
            reason = f"No answer counts as consent, but it is not possible any more: {error.message}"
            await _end(session, clock, row, State.CANCELLED, reason[:_NOTE], now, row.holder_id)
            return True
    await _end(session, clock, row, State.REFUSED, "No answer in time, which is no consent.", now, row.holder_id)
    return True


async def refuse(session: WriteSession, actor: Actor, resale_id: UUID, reason: str, now: datetime) -> None:
    """The maker says no, with a reason. Everything stays as it is. Raises ``resale.state``, ``resale.reason``."""
    row = await _of(session, actor, resale_id, "maker")
    require(row.status, State.REFUSED)
    await _end(session, actor, row, State.REFUSED, _reason(reason), now, row.holder_id)


async def cancel(session: WriteSession, actor: Actor, resale_id: UUID, reason: str, now: datetime) -> None:
    """Seller or buyer calls it off before it ships: reserved units are free again, and what the buyer had signed ends.
    Raises ``resale.state``, ``resale.reason``."""
    row = await queries.resale_for_update(session, actor.company_id, resale_id)
    if actor.company_id == row.maker_id:
        raise forbidden("resale.side", "The seller or the buyer calls a resale off; the maker consents or refuses.")
    require(row.status, State.CANCELLED)
    words = _reason(reason)
    if row.status == State.ACCEDED:
        units = await queries.units(session, row.id)
        async with acting_for(session, row.holder_id):
            steps = tuple(Step(Kind.VOID, u.lot_id, u.quantity, u.position_id, resolves=u.hold_seq) for u in units)
            key = command_id("resale.cancel", row.id)
            await carry_out(session, Command(key, row.holder_id, actor.user_id, steps, "resale", row.id), now)
            await agreements.pass_on(session, row.agreement_id, row.part_id, -row.minimum_passed_on)
            await agreements.note_act_undone(session, row.id)
        if row.child_id:
            async with acting_for(session, row.buyer_id):
                by = OnBehalf(actor.user_id, actor.company_id)
                await agreements.undo_accession(session, by, row.child_id, words, now)
    other = row.buyer_id if actor.company_id == row.holder_id else row.holder_id
    await _end(session, actor, row, State.CANCELLED, words, now, other)


async def end_with_agreement(
    session: WriteSession, by: By, requests: Sequence[ResaleRow], reference: str, now: datetime
) -> None:
    """The agreement has ended: what was asked of its maker, or consented to and not signed by the buyer, is not asked any more.
    The requests are locked. Nothing was reserved for them."""
    reason = f"{reference} has ended: nobody has to be asked about its units any more."
    for row in requests:
        await execute(
            session,
            "UPDATE resale SET status = 'cancelled', reason = $2, ended_at = $3 WHERE id = $1",
            row.id,
            reason,
            now,
        )
        await _tell(
            session, by, row, State.CANCELLED.value, now, (row.holder_id, row.buyer_id),
            f"{row.reference}: the resale was cancelled", reason, note=reason,
        )  # fmt: skip


async def join(
    session: WriteSession, actor: Actor, resale_id: UUID, now: datetime, *, wording_sha256: str | None = None
) -> UUID | None:
    """The buyer's signature: it joins the agreement for its units, which are reserved for it. Where no right stays on them
    it only confirms. Returns the child agreement's id.

    Raises ``resale.state``, ``agreement.other_text``, ``resale.units`` and what the agreement refuses by now."""
    row = await _of(session, actor, resale_id, "buyer")
    require(row.status, State.ACCEDED)
    async with acting_for(session, row.maker_id):
        await refuse_insolvent(
            session,
            row.maker_id,
            [row.buyer_id],
            f"{row.maker} takes no more units of its into your hands until it lifts that.",
        )
    if wording_sha256 is not None and row.wording_sha256 and wording_sha256.lower() != row.wording_sha256.hex():
        raise conflict(
            "agreement.other_text", "The text you saw is not the text on offer. Read it again, then sign.",
            field="wording_sha256",
        )  # fmt: skip
    seller = OnBehalf(actor.user_id, row.holder_id)
    async with acting_for(session, row.holder_id):
        lines = _there(await _lines(session, row.holder_id, row.part_id, row.site_id, now), row.agreement_id)
        first = await _first(session, row.agreement_id, row.part_id, row)
        leave = await agreements.may_resell(
            session, seller, row.agreement_id, row.part_id, row.quantity, row.minimum_passed_on, now, first
        )
        if leave.runs and not row.runs:
            raise conflict("resale.terms", "The terms have changed since this was asked. The seller asks again.")
        if any(x.place.owner != row.holder_id for x in lines):
            clauses = await clauses_of_agreement(session, row.agreement_id)
            # Of units whose title waits for the payment only the paid ones are the seller's to sell.
            lines = [x for x in lines if x.place.owner == row.holder_id or kept_by(clauses) is not None]
        takes, short = propose(lines, row.quantity, {row.agreement_id: row.quantity})
        if short:
            raise conflict(
                "resale.units",
                f"{row.holder} has {row.quantity - short:,} of {row.quantity:,} units left: some were used or ordered back "
                "meanwhile. Nothing was signed; the seller asks again for fewer.",
            )
        await _reserve(session, actor, row, takes, now)
        await agreements.pass_on(session, row.agreement_id, row.part_id, row.minimum_passed_on)
        if leave.notice_id is not None:
            sides, units = (row.maker_id, row.holder_id), [(row.id, row.quantity)]
            await agreements.note_used(session, sides, row.agreement_id, leave.notice_id, units, seller, now)
    child: UUID | None = None
    if row.runs:
        # The maker is a party of both agreements, and its consent is its signature under the new one.
        async with acting_for(session, row.maker_id):
            child = await _join(session, actor, row, now)
    await know_each_other(session, row.holder_id, row.buyer_id)
    await execute(
        session, "UPDATE resale SET status = 'acceded', acceded_by = $2, acceded_at = $3, child_id = $4 WHERE id = $1",
        row.id, actor.user_id, now, child,
    )  # fmt: skip
    await _tell(
        session, actor, row, "acceded", now, (row.holder_id,), f"{row.reference}: {row.buyer} has signed",
        "The units are reserved; ship them.",
    )  # fmt: skip
    return child


async def _join(session: WriteSession, actor: Actor, row: ResaleRow, now: datetime) -> UUID:
    """The child agreement with the text that was consented to and is signed now."""
    assert row.wording is not None  # noqa: S101 - by a check of the table
    assert row.wording_sha256 is not None  # noqa: S101
    assert row.child_reference is not None  # noqa: S101
    return await agreements.accede(
        session, OnBehalf(actor.user_id, row.buyer_id), agreement_id=row.agreement_id, part_id=row.part_id,
        quantity=row.quantity, passed_on=row.minimum_passed_on, reference=row.child_reference, wording=row.wording,
        wording_sha256=row.wording_sha256, consented_by=row.consented_by,
        consented_at=row.consented_at if row.consented_by else None, now=now,
    )  # fmt: skip


async def ship(session: WriteSession, actor: Actor, resale_id: UUID, consignment: Consignment, now: datetime) -> None:
    """The seller hands the units to the carrier; they stay its own until the buyer has them. Raises ``resale.state``."""
    row = await _of(session, actor, resale_id, "holder")
    require(row.status, State.SHIPPED)
    units = await queries.units(session, row.id)
    at = await places(session, [(u.lot_id, u.position_id) for u in units])
    steps: list[Step] = []
    travelling: dict[tuple[UUID, int], UUID] = {}
    for u in units:
        transit = replace(at[u.lot_id, u.position_id], site=None)
        key = (u.lot_id, u.position_id)
        if u.serial is not None:
            steps.append(
                Step(Kind.POST, u.lot_id, 1, u.position_id, to=transit, purpose=Kind.SHIP, resolves=u.hold_seq)
            )
            travelling[key] = u.lot_id
            continue
        child = command_id("resale.child", row.id, u.lot_id, u.position_id)
        steps.append(
            Step(Kind.POST, u.lot_id, u.quantity, u.position_id, purpose=Kind.SPLIT, resolves=u.hold_seq, child=child)
        )
        steps.append(Step(Kind.SHIP, child, u.quantity, 1, to=transit))
        travelling[key] = child
    command = Command(command_id("resale.ship", row.id), row.holder_id, actor.user_id, tuple(steps), "resale", row.id)
    went = {e.lot_id: e.to_position for e in (await carry_out(session, command, now)).entries if e.to_position}
    await agreements.require_live(session, row.agreement_id)
    if row.child_id:
        async with acting_for(session, row.buyer_id):
            await agreements.require_live(session, row.child_id)
    keys = list(travelling)
    await execute(
        session,
        "UPDATE resale_unit u SET shipped_lot_id = n.child, shipped_position_id = n.number "
        "FROM unnest($2::uuid[], $3::int[], $4::uuid[], $5::int[]) AS n (lot_id, position_id, child, number) "
        "WHERE u.resale_id = $1 AND u.lot_id = n.lot_id AND u.position_id = n.position_id",
        row.id, [lot for lot, _ in keys], [number for _, number in keys], [travelling[k] for k in keys],
        [went[travelling[k]] for k in keys],
    )  # fmt: skip
    await execute(
        session, "UPDATE resale SET status = 'shipped', carrier = $2, tracking = $3, shipped_at = $4 WHERE id = $1",
        row.id, consignment.carrier, consignment.tracking, now,
    )  # fmt: skip
    await _tell(
        session, actor, row, "shipped", now, (row.buyer_id,), f"{row.reference} is on its way",
        f"{row.holder} shipped: {consignment.words()}.", note=consignment.words(),
    )  # fmt: skip


async def receive(
    session: WriteSession, actor: Actor, resale_id: UUID, *, site_id: UUID, missing_units: int, text: str, now: datetime
) -> None:
    """The buyer has the units: title passes, and they come under its own agreement. What did not arrive is recorded as lost
    on the way, without saying by whose fault. Raises ``resale.state``, ``resale.missing``, ``resale.note``, and ``law.blocked`` for a
    site that was not there when the buyer joined, where the law would cut the right short."""
    row = await _of(session, actor, resale_id, "buyer")
    require(row.status, State.RECEIVED)
    if not 0 <= missing_units <= row.quantity:
        raise invalid(
            "resale.missing",
            f"0 to {row.quantity:,} units can be missing; {missing_units:,} were given.",
            field="missing",
        )
    if missing_units and not text.strip():
        raise invalid("resale.note", "Say what is wrong with the units that you miss.", field="note")
    site = await parties.own_site(session, actor, site_id)
    if row.child_id is not None:
        words = "You joined for units at your other sites. Receive them at one of those. Nothing was changed."
        joined = await clauses_of_agreement(session, row.child_id)
        agreement_queries.require_place(joined, Jurisdiction(site.country, site.region or None), now.date(), words)
    units = [u for u in await queries.units(session, row.id) if u.shipped_lot_id is not None]
    arriving: list[Step] = []
    left = missing_units
    good: list[tuple[UUID, int, int]] = []
    for u in reversed(units):
        assert u.shipped_lot_id is not None  # noqa: S101 - filtered above
        assert u.shipped_position_id is not None  # noqa: S101
        lost = min(left, u.quantity)
        left -= lost
        if lost:
            arriving.append(
                Step(
                    Kind.LOSE, u.shipped_lot_id, lost, u.shipped_position_id, reason="resale_missing", note=text.strip()
                )
            )
        if u.quantity > lost:
            good.append((u.shipped_lot_id, u.shipped_position_id, u.quantity - lost))
    lots = [(lot, count) for lot, _, count in good]
    async with acting_for(session, row.holder_id):
        at = await places(session, [(lot, number) for lot, number, _ in good])
        leave = await agreements.permits_for_resale(
            session, agreement_id=row.agreement_id, maker_id=row.maker_id, company_id=row.holder_id,
            kinds=(Kind.RECEIVE,), lots=lots, now=now,
        )  # fmt: skip
        for lot, number, count in good:
            here = replace(at[lot, number], site=site.id, holder=row.buyer_id)
            arriving.append(Step(Kind.RECEIVE, lot, count, number, to=here, permit=leave[lot, Kind.RECEIVE]))
        key = command_id("resale.receive", row.id)
        makers = [(lot, count) for lot, number, count in good if at[lot, number].owner == row.maker_id]
        # With the buyer, units on consignment concern the seller no more: their owner hands them over.
        side = row.maker_id if makers else row.holder_id
        async with acting_for(session, side):
            await carry_out(session, Command(key, side, actor.user_id, tuple(arriving), "resale", row.id), now)
        if makers:
            # Units on consignment are taken out by being sold on, with leave: the seller owes their price.
            await agreements.take_out(
                session, OnBehalf(actor.user_id, row.holder_id), agreement_id=row.agreement_id, part_id=row.part_id,
                act=Act.RESELL, lots=makers, act_id=key, taken_at=now, now=now,
            )  # fmt: skip
    # Under its lock, after the lots: maker and buyer may have changed or ended it since the buyer joined.
    child = await agreement_queries.in_place_of_for_share(session, row.child_id) if row.child_id else None
    if good:
        leave = await agreements.permits_for_resale(
            session, agreement_id=row.agreement_id, maker_id=row.maker_id, company_id=row.buyer_id,
            kinds=(Kind.TITLE, Kind.REPOINT), lots=lots, now=now,
        )  # fmt: skip
        keeping: list[Step] = []
        for lot, number, count in good:
            here = replace(at[lot, number], site=site.id, holder=row.buyer_id)
            owned = replace(here, owner=row.buyer_id)
            bound = replace(owned, agreement=child, beneficiary=row.maker_id if child else None)
            keeping.append(Step(Kind.TITLE, lot, count, at=here, to=owned, permit=leave[lot, Kind.TITLE]))
            keeping.append(Step(Kind.REPOINT, lot, count, at=owned, to=bound, permit=leave[lot, Kind.REPOINT]))
        key = command_id("resale.title", row.id)
        await carry_out(session, Command(key, row.buyer_id, actor.user_id, tuple(keeping), "resale", row.id), now)
    if missing_units and child:
        await agreements.note_not_accepted(session, child, {row.part_id: missing_units})
    # What the buyer cannot keep, since it never came, the seller keeps again.
    back = max(row.minimum_passed_on - (row.quantity - missing_units), 0)
    if back:
        async with acting_for(session, row.holder_id):
            await agreements.pass_on(session, row.agreement_id, row.part_id, -back)
    await execute(
        session, "UPDATE resale SET status = 'received', received_at = $2, good = $3, ended_at = $2 WHERE id = $1",
        row.id, now, row.quantity - missing_units,
    )  # fmt: skip
    told = f"{row.quantity - missing_units:,} of {row.quantity:,} units arrived."
    await _tell(
        session, actor, row, "received", now, (row.holder_id, row.maker_id),
        f"{row.reference}: {row.buyer} has received the units", told, note=text.strip() or None,
    )  # fmt: skip


# -- what every step needs ---------------------------------------------------------------------------------


async def _of(session: WriteSession, actor: Actor, resale_id: UUID, side: str) -> ResaleRow:
    row = await queries.resale_for_update(session, actor.company_id, resale_id)
    if row.side(actor.company_id) != side:
        words = {"maker": "manufacturer", "holder": "seller", "buyer": "buyer"}[side]
        raise forbidden("resale.side", f"This step is the {words}'s.")
    return row


async def _lines(session: WriteSession, holder: UUID, part_id: UUID, site_id: UUID, now: datetime) -> list[Line]:
    lots = await holdings.lot_ids_at(session, holder, part_id, site_id, unreserved=True)
    return await holdings.lines_to_act_on(session, holder, lots, now)


async def _first(session: WriteSession, agreement_id: UUID, part_id: UUID, row: ResaleRow | None = None) -> list[Claim]:
    """Requests for the same units that go first. Locks the agreement, on behalf of the holder."""
    await agreement_queries.agreement_for_update(session, agreement_id)
    this = None if row is None else Rank(row.id, row.status, row.consented_at)
    return [
        Claim(r.reference, r.quantity, r.minimum_passed_on, WORDS[State(r.status)])
        for r in await queries.requests_for(session, agreement_id, part_id)
        if (row is None or r.id != row.id) and goes_first(Rank(r.id, r.status, r.consented_at), this)
    ]


def _there(lines: Sequence[Line], agreement_id: UUID) -> list[Line]:
    return [x for x in lines if x.place.agreement == agreement_id and x.place.site is not None and not x.frozen]


async def _reserve(session: WriteSession, actor: Actor, row: ResaleRow, takes: Sequence[Take], now: datetime) -> None:
    steps = tuple(Step(Kind.HOLD, t.line.lot_id, t.quantity, t.line.position_id) for t in takes)
    command = Command(command_id("resale.hold", row.id), row.holder_id, actor.user_id, steps, "resale", row.id)
    holds = [e for e in (await carry_out(session, command, now)).entries if e.kind is Kind.HOLD]
    await execute(
        session,
        "INSERT INTO resale_unit (resale_id, lot_id, position_id, hold_seq, quantity, serial, maker_id, holder_id, buyer_id) "
        "SELECT $1, u.lot_id, u.position_id, u.hold_seq, u.quantity, u.serial, $2, $3, $4 "
        "FROM unnest($5::uuid[], $6::int[], $7::int[], $8::int[], $9::text[]) "
        "AS u (lot_id, position_id, hold_seq, quantity, serial)",
        row.id, row.maker_id, row.holder_id, row.buyer_id, [t.line.lot_id for t in takes],
        [t.line.position_id for t in takes], [e.seq for e in holds], [t.quantity for t in takes],
        [t.line.serial for t in takes],
    )  # fmt: skip


def _reason(reason: str) -> str:
    if not reason.strip() or len(reason) > _NOTE:
        raise invalid("resale.reason", f"Give the reason, in at most {_NOTE} characters.", field="reason")
    return reason.strip()


async def _end(
    session: WriteSession, actor: By, row: ResaleRow, state: State, reason: str, now: datetime, tell: UUID
) -> None:
    await execute(
        session, "UPDATE resale SET status = $2, reason = $3, ended_at = $4 WHERE id = $1",
        row.id, state.value, reason, now,
    )  # fmt: skip
    await _tell(
        session,
        actor,
        row,
        state.value,
        now,
        (tell,),
        f"{row.reference}: the resale was {state.value}",
        reason,
        note=reason,
    )


async def _tell(
    session: WriteSession,
    actor: By,
    row: ResaleRow,
    kind: str,
    now: datetime,
    companies: Sequence[UUID],
    subject: str,
    text: str,
    *,
    note: str | None = None,
) -> None:
    """The event, and a mail to who may sign at these companies."""
    await execute(
        session,
        "INSERT INTO resale_event (resale_id, maker_id, holder_id, buyer_id, kind, note, company_id, actor_id, at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        row.id, row.maker_id, row.holder_id, row.buyer_id, kind, note, actor.company_id, actor.user_id, now,
    )  # fmt: skip
    to: list[str] = []
    for company in companies:
        async with acting_for(session, company):
            to += await parties.people_to_tell(session, company, sorted(VERBS["agreement.sign"][0]))
    payload: dict[str, Any] = {"reference": row.reference, "status": kind}
    if to:
        payload["mail"] = {"to": to, "subject": subject, "text": text, "link": f"/resales/{row.id}"}
    await emit(session, f"resale.{kind}", "resale", row.id, (row.maker_id, row.holder_id, row.buyer_id), payload)
