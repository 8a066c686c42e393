"""Disputes: opened by one side, talked about by both, ended by agreement on an amount (and a quantity) or withdrawn.

Nothing is agreed by silence. The disputed part of a line is not due while its dispute is open.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from marketplace.agreements.phrases import count
from marketplace.db.session import WriteSession, acting_for, execute, fetch_value
from marketplace.kit.canonical import encode
from marketplace.kit.errors import busy, conflict, forbidden, invalid, missing
from marketplace.kit.ids import short_reference
from marketplace.kit.money import Money
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.outbox.service import emit
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor, By
from marketplace.settlement import queries
from marketplace.settlement.disputes import ANSWER_DAYS, OF_UNITS, REASONS, Proposal, latest, require_proposal
from marketplace.settlement.kinds import LineKind
from marketplace.settlement.queries import DisputeRow, SettlementRow
from marketplace.settlement.service.better_paid import amount_of, owe_more
from marketplace.settlement.service.owing import credit

_ATTEMPTS = 5


async def dispute_line(
    session: WriteSession,
    by: By,
    line_id: UUID,
    *,
    amount: Decimal,
    offer: Decimal,
    reason: str,
    words: str,
    now: datetime,
    quantity: int | None = None,
    respond_by: datetime | None = None,
) -> DisputeRow:
    """The payer disputes ``amount`` of a line and would pay ``offer`` of it; that part is not due until the dispute ends.
    ``quantity``: of how many units the grade is in dispute.

    Raises ``settlement.not_found`` to others, ``dispute.side`` to who is owed it, ``dispute.late`` after the time to object, ``dispute.open`` where one is,
    ``dispute.reason``, ``dispute.amount``, ``dispute.words``, ``dispute.settled`` for a reason about units on which both sides
    have agreed."""
    line = await queries.settlement_line_for_update(session, line_id)
    if by.company_id != line.payer_id:
        raise forbidden(
            "dispute.side",
            f"{line.payer} owes {line.reference} and can dispute it. You are owed it: "
            + ("object to the condition that was found." if line.condition else "give credit where it is too much."),
        )
    if line.object_by is not None and now >= line.object_by:
        raise conflict(
            "dispute.late", f"The time to object to {line.reference} ended on {line.object_by:%Y-%m-%d %H:%M} UTC."
        )
    if line.disputed or any(d.status == "open" for d in await queries.disputes_of_line(session, line_id)):
        raise conflict("dispute.open", f"{line.reference} is in dispute already.")
    left = Money(line.open_amount, line.currency)
    disputed = Money(amount, line.currency)
    if left.amount <= 0:
        raise conflict(
            "dispute.paid", f"{line.reference} is paid: both sides say so. Take the payment back, or ask for a credit."
        )
    if disputed != disputed.rounded() or not 0 < amount <= left.amount:
        raise invalid(
            "dispute.amount",
            f"Dispute an amount above zero and at most {left.rounded()}, what is open.",
            field="amount",
        )
    require_proposal(Money(offer, line.currency), None, disputed=disputed, units=None)
    if reason in OF_UNITS:
        await _require_unsettled(session, line, disputed)
    made = await open_dispute(
        session, by, subject="line" if quantity is None else "grade", line_id=line_id, cause_id=line.cause_id,
        cause_reference=line.cause_reference, payer_id=line.payer_id, payee_id=line.payee_id, reason=reason,
        amount=disputed, quantity=quantity, respond_by=respond_by or now + timedelta(days=ANSWER_DAYS), words=words,
        offer=offer, now=now,
    )  # fmt: skip
    await execute(session, "UPDATE settlement_line SET disputed = $2 WHERE id = $1", line_id, amount)
    return made


async def _require_unsettled(session: WriteSession, line: SettlementRow, disputed: Money) -> None:
    """What both sides have agreed on about units is settled for them: only the others of the line can be disputed so."""
    units, known = await queries.settled_units(session, line.id)
    if not units:
        return
    there = line.quantity or 0
    others = max(there - units, 0)
    most = (Money(line.unit_price or Decimal(0), line.currency) * others).rounded()
    if disputed.amount <= most.amount:
        return
    said = f"What {count(min(units, there) or units, 'unit')} of {line.reference} were like both sides have agreed on ({known}): that is settled."
    rest = (
        f"For the other {count(others, 'unit')} at most {most} can be disputed for this reason."
        if others
        else "Another reason, such as a price that is wrong, can still be given."
    )
    raise conflict("dispute.settled", f"{said} {rest}", field="reason")


async def dispute_units(
    session: WriteSession,
    by: By,
    *,
    cause_id: UUID,
    cause_reference: str,
    maker_id: UUID,
    holder_id: UUID,
    quantity: int,
    value: Money,
    reason: str,
    words: str,
    respond_by: datetime,
    now: datetime,
    kept: int = 0,
) -> DisputeRow:
    """The manufacturer has rejected units of an order: it would pay nothing, and keep none of them, or ``kept`` where the terms
    have it so. ``value``: what they would cost. The order is locked. Once for an order."""
    return await open_dispute(
        session, by, subject="units", line_id=None, cause_id=cause_id, cause_reference=cause_reference, payer_id=maker_id,
        payee_id=holder_id, reason=reason, amount=value.rounded(), quantity=quantity, respond_by=respond_by, words=words,
        offer=Decimal(0), now=now, kept=kept,
    )  # fmt: skip


async def say(session: WriteSession, actor: Actor, dispute_id: UUID, words: str, now: datetime) -> DisputeRow:
    """A short statement; it proposes nothing. Raises ``dispute.ended``, ``dispute.words``."""
    row = await _mine(session, actor, dispute_id)
    await _state(session, actor, row, "said", _words(words), now)
    await _tell(session, row, _other(row, actor.company_id), f"{row.reference}: the other side says something", words)
    return row


async def propose(
    session: WriteSession,
    actor: Actor,
    dispute_id: UUID,
    *,
    amount: Decimal | None,
    quantity: int | None,
    words: str,
    now: datetime,
    condition: str | None = None,
) -> DisputeRow:
    """What the actor's side would agree to; the other side's answer is awaited then. In a dispute about a condition that is a
    ``condition``, and the amount follows from it. Raises ``dispute.amount``, ``dispute.quantity``, ``dispute.condition``,
    ``dispute.ended``."""
    row = await _mine(session, actor, dispute_id)
    if row.subject == "condition":
        amount, quantity = amount_of(row, condition, amount, quantity), None
    elif condition is not None:
        raise invalid("dispute.condition", "This dispute is not about a condition.", field="condition")
    if amount is None:
        raise invalid("dispute.amount", "Say how much of it is owed.", field="amount")
    if row.subject == "grade" and quantity is not None:
        raise invalid("dispute.quantity", "This dispute is about an amount only.", field="quantity")
    require_proposal(
        Money(amount, row.currency), quantity, disputed=Money(row.amount, row.currency),
        units=row.quantity if row.subject == "units" else None,
    )  # fmt: skip
    other = _other(row, actor.company_id)
    await _state(
        session, actor, row, "proposed", words.strip(), now, amount=amount, quantity=quantity, condition=condition
    )
    await execute(session, "UPDATE dispute SET waits_for = $2 WHERE id = $1", row.id, other)
    said = _proposal_words(row, amount, quantity, condition)
    await _tell(session, row, other, f"{row.reference}: a proposal to answer", said)
    return await queries.dispute(session, row.id)


async def agree(session: WriteSession, actor: Actor, dispute_id: UUID, now: datetime) -> DisputeRow:
    """Agrees to the other side's last proposal about a line: what is not owed of it is taken back by a counter line, the
    rest is due as before. What a better condition fetches more is a line of its own. Rejected units are agreed on through their order (``end_units``).

    Raises ``dispute.units``, ``dispute.nothing`` where the other side has proposed nothing since, ``dispute.ended``."""
    seen = await queries.dispute(session, dispute_id)
    if seen.line_id is None:
        raise conflict("dispute.units", f"Agree on the units of {seen.cause_reference} through that order.")
    await queries.settlement_line_for_update(session, seen.line_id)
    row = await _mine(session, actor, dispute_id)
    proposal = await _agreed(session, row, actor)
    await execute(session, "UPDATE settlement_line SET disputed = 0 WHERE id = $1", row.line_id)
    await _end(session, actor, row, "agreed", now, proposal)
    off = row.amount - proposal.amount
    if row.subject == "condition":
        await owe_more(session, row, proposal, now)
    elif off:
        kind = LineKind.GRADE_ADJUSTMENT if row.subject == "grade" else LineKind.CREDIT
        await credit(
            session, actor, seen.line_id, Money(off, row.currency), kind=kind, step_id=row.id, now=now,
            words=f"{row.reference}: {REASONS[row.reason].lower()}; agreed by both sides.",
        )  # fmt: skip
    return await queries.dispute(session, row.id)


async def withdraw(session: WriteSession, actor: Actor, dispute_id: UUID, now: datetime) -> DisputeRow:
    """Who opened a dispute about a line gives it up: all of it is due again. Raises ``dispute.opener``,
    ``dispute.units``, ``dispute.ended``."""
    seen = await queries.dispute(session, dispute_id)
    if seen.line_id is None:
        raise conflict("dispute.units", f"Accept the units of {seen.cause_reference} through that order.")
    await queries.settlement_line_for_update(session, seen.line_id)
    row = await _mine(session, actor, dispute_id)
    _opener(row, actor.company_id)
    await execute(session, "UPDATE settlement_line SET disputed = 0 WHERE id = $1", row.line_id)
    await _end(session, actor, row, "withdrawn", now, None)
    return await queries.dispute(session, row.id)


async def end_units(
    session: WriteSession, actor: By, dispute_id: UUID, how: str, now: datetime, *, zone: str = "UTC"
) -> tuple[DisputeRow, int, Decimal]:
    """Ends a dispute about rejected units, for the service that moves them, which holds the order's lock: ``how`` is agreed,
    withdrawn (all are accepted after all), or where nobody objected in time sent_back or kept (for nothing). Returns it with how many units the
    manufacturer keeps and what it pays for them in all. ``zone``: in which the days of the agreement end, for the words."""
    row = await _mine(session, actor, dispute_id)
    units = row.quantity or 0
    if how == "withdrawn":
        _opener(row, actor.company_id)
        proposal = Proposal(actor.company_id, row.amount, units, now)
    elif how == "agreed":
        proposal = await _agreed(session, row, actor)
    else:
        _opener(row, actor.company_id)
        if why := await queries.units_wait(session, row, "be kept" if how == "kept" else "go back", now, zone=zone):
            raise conflict("dispute.open", why)
        proposal = Proposal(actor.company_id, Decimal(0), units if how == "kept" else 0, now)
    await _end(session, actor, row, how, now, proposal)
    return await queries.dispute(session, row.id), proposal.quantity or 0, proposal.amount


# -- inside ----------------------------------------------------------------------------------------------


async def open_dispute(
    session: WriteSession,
    by: By,
    *,
    subject: str,
    line_id: UUID | None,
    cause_id: UUID,
    cause_reference: str,
    payer_id: UUID,
    payee_id: UUID,
    reason: str,
    amount: Money,
    quantity: int | None,
    respond_by: datetime,
    words: str,
    offer: Decimal,
    now: datetime,
    kept: int | None = None,
    found: str | None = None,
    fetches: Mapping[str, Any] | None = None,
    condition: str | None = None,
) -> DisputeRow:
    """Writes a dispute with its first statement, and tells the other side. Raises ``dispute.reason``, ``dispute.words``."""
    if reason not in REASONS:
        raise invalid("dispute.reason", f"Choose: {', '.join(REASONS)}.", field="reason")
    text = _words(words)
    for _ in range(_ATTEMPTS):
        made: UUID | None = await fetch_value(
            session,
            "INSERT INTO dispute (reference, subject, line_id, cause_id, cause_reference, payer_id, payee_id, opened_by, reason, "
            "currency, amount, quantity, respond_by, waits_for, found, fetches, created_at) "
            "VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16::jsonb,$17) "
            "ON CONFLICT (reference) DO NOTHING RETURNING id",
            short_reference("DSP"), subject, line_id, cause_id, cause_reference, payer_id, payee_id, by.company_id, reason,
            amount.currency, amount.amount, quantity, respond_by, payee_id if by.company_id == payer_id else payer_id,
            found, None if fetches is None else encode(fetches).decode(), now,
        )  # fmt: skip
        if made is not None:
            break
    else:
        raise busy("dispute.reference", "No free reference was found. Nothing was changed; try again.")
    row = await queries.dispute(session, made)
    await _state(session, by, row, "opened", text, now, amount=offer, quantity=kept, condition=condition)
    about = f"{row.cause_reference}: {REASONS[reason]}. {text}"
    await _tell(session, row, _other(row, by.company_id), f"{row.reference}: a dispute to answer", about)
    return row


async def _mine(session: WriteSession, actor: By, dispute_id: UUID) -> DisputeRow:
    row = await queries.dispute_for_update(session, dispute_id)
    if actor.company_id not in (row.payer_id, row.payee_id):
        raise missing("dispute.not_found", "No such dispute.")
    if row.status != "open":
        raise conflict("dispute.ended", f"{row.reference} has ended already.")
    return row


async def _agreed(session: WriteSession, row: DisputeRow, actor: By) -> Proposal:
    proposal = latest(await queries.proposals(session, row.id), actor.company_id)
    if proposal is None:
        raise conflict(
            "dispute.nothing", "The last proposal is your own: the other side answers it, or you make another."
        )
    return proposal


def _opener(row: DisputeRow, company_id: UUID) -> None:
    if company_id != row.opened_by:
        raise conflict("dispute.opener", f"{row.opener} opened {row.reference} and can withdraw it; you can agree.")


def _other(row: DisputeRow, company_id: UUID) -> UUID:
    return row.payee_id if company_id == row.payer_id else row.payer_id


def _words(words: str) -> str:
    if not words.strip():
        raise invalid("dispute.words", "Say why, in a sentence.", field="words")
    return words.strip()


def _proposal_words(row: DisputeRow, amount: Decimal, quantity: int | None, condition: str | None) -> str:
    if condition is not None:
        words = CONDITION_WORDS[condition].lower()
        return f"{count(row.quantity or 0, 'unit')} in condition {words}: {Money(amount, row.currency).rounded()} more is owed."
    of = f", keeping {quantity} of {row.quantity}" if quantity is not None else ""
    return f"{Money(amount, row.currency).rounded()} of {Money(row.amount, row.currency).rounded()} is owed{of}."


async def _end(
    session: WriteSession, by: By, row: DisputeRow, how: str, now: datetime, proposal: Proposal | None
) -> None:
    amount = None if proposal is None else proposal.amount
    quantity = None if proposal is None else proposal.quantity
    condition = None if proposal is None else proposal.condition
    await execute(
        session,
        "UPDATE dispute SET status = $2, waits_for = NULL, agreed_amount = $3, agreed_quantity = $4, ended_at = $5, "
        "agreed_condition = $6 WHERE id = $1",
        row.id, "withdrawn" if how == "withdrawn" else "agreed", amount, quantity, now, condition,
    )  # fmt: skip
    await _state(session, by, row, how, "", now, amount=amount, quantity=quantity, condition=condition)
    words = {
        "agreed": "agreed on", "withdrawn": "withdrawn",
        "kept": "the units are kept for nothing, as the terms have it, since nobody objected in time",
    }.get(how, "the units go back, since nobody objected in time")  # fmt: skip
    await _tell(session, row, _other(row, by.company_id), f"{row.reference}: {words}", f"About {row.cause_reference}.")


async def _state(
    session: WriteSession,
    by: By,
    row: DisputeRow,
    kind: str,
    words: str,
    now: datetime,
    *,
    amount: Decimal | None = None,
    quantity: int | None = None,
    condition: str | None = None,
) -> None:
    await execute(
        session,
        "INSERT INTO dispute_statement (dispute_id, payer_id, payee_id, company_id, actor_id, kind, words, amount, quantity, at, condition) "
        "VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)",
        row.id, row.payer_id, row.payee_id, by.company_id, by.user_id, kind, words, amount, quantity, now, condition,
    )  # fmt: skip


async def _tell(session: WriteSession, row: DisputeRow, to: UUID, subject: str, text: str) -> None:
    async with acting_for(session, to):
        people = await parties.people_to_tell(session, to, ("planner", "buyer"))
    payload: dict[str, object] = {"reference": row.reference, "cause_id": row.cause_id}
    if people:
        payload["mail"] = {"to": people, "subject": subject, "text": text, "link": f"/settlement/disputes/{row.id}"}
    await emit(session, "dispute.changed", "dispute", row.id, (row.payer_id, row.payee_id), payload)
