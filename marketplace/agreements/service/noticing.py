"""Notices: a holder asks before it acts, the maker orders the units, agrees, or lets the time run."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from marketplace.agreements import phrases, queries
from marketplace.agreements.combined import holder_act
from marketplace.agreements.covered import Covered
from marketplace.agreements.deadlines import after_days, counted
from marketplace.agreements.holder_acts import needed
from marketplace.agreements.notice import Notice, Standing
from marketplace.agreements.outcomes import Act, AfterNotice, Free, Need, Refused
from marketplace.agreements.reach import declining_day, still_about, usable
from marketplace.agreements.refusing import refusal
from marketplace.agreements.service.standing import note, party_lock, require_live
from marketplace.agreements.terms import Terms
from marketplace.db.session import WriteSession, acting_for, execute, fetch_value
from marketplace.kit.errors import conflict, forbidden, invalid, missing
from marketplace.outbox.service import emit
from marketplace.parties.actor import By
from marketplace.parties.queries import people_to_tell

_WISH = {Act.USE: "use up", Act.INSTALL: "fit", Act.SCRAP: "scrap", Act.RESELL: "sell on"}


class Given(NamedTuple):
    """A notice as it was given: its number, what the clause asks for, until when the maker answers, and from when until when
    the holder may act without an answer (None: only with a yes)."""

    id: UUID
    needs: Need
    answer_by: datetime
    clear_from: datetime | None
    clear_until: datetime | None
    words: str


async def give_notice(
    session: WriteSession,
    actor: By,
    agreement_id: UUID,
    part_id: UUID,
    act: Act,
    quantity: int,
    now: datetime,
    *,
    offer: Decimal | None = None,
    offered_by: str = "",
    note_text: str = "",
) -> Given:
    """The holder's notice that it wants to do something with units that needs asking. ``offer``: what ``offered_by`` has offered
    in writing for one of them, in the currency of the sale.

    Raises ``agreement.notice_needless`` where it may do so at once, ``agreement.consent`` for a sale that needs the maker's
    consent to the buyer (ask for the resale itself), ``notice.offer`` where the clause matches an offer that is not named,
    ``notice.too_many``, and what the evaluator refuses.
    """
    found = await party_lock(session, agreement_id, actor)
    if actor.company_id != found.holder_id:
        raise missing("agreement.not_found", "No such agreement.")
    covered = await covered_part(session, agreement_id, part_id)
    said = holder_act(covered.clauses, covered.facts, act, quantity, now)
    answer = said.answer
    if isinstance(answer, Refused):
        raise refusal(answer)
    if isinstance(answer, Free):
        raise conflict("agreement.notice_needless", f"No notice is needed. {answer.words}")
    if act is Act.RESELL and answer.needs in (Need.CONSENT, Need.ACCESSION):
        raise conflict(
            "agreement.consent", f"{answer.words} Ask under Sell on, naming the buyer: consent is to that sale."
        )
    terms = next(t for t in covered.clauses if (t.clause, t.version) == (said.clause, said.version))
    price, buyer = _offer(covered, act, offer, offered_by)
    await _within(session, covered, quantity, now)
    asked = needed(terms, covered.facts, act, quantity, now)
    answer_by = counted(terms, now, asked.days, covered.facts.zone)
    given: UUID = await fetch_value(
        session,
        "INSERT INTO notice (agreement_id, part_id, maker_id, holder_id, act, needs, quantity, offer, offered_by, note, "
        "noticed_at, answer_by, clear_from, clear_until, given_by) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) RETURNING id",
        agreement_id, part_id, found.maker_id, found.holder_id, act.value, answer.needs.value, quantity, price, buyer,
        note_text.strip(), now, answer_by, answer.clear_from, answer.clear_until, actor.user_id,
    )  # fmt: skip
    sides = (found.maker_id, found.holder_id)
    detail: dict[str, Any] = {
        "notice": given, "act": act.value, "part_id": part_id, "quantity": quantity, "answer_by": answer_by,
        "clear_from": answer.clear_from, "clear_until": answer.clear_until,
    }  # fmt: skip
    await note(session, agreement_id, sides, "notice", actor, now, detail)
    payload = {
        "reference": found.reference,
        **detail,
        **await _tell_maker(session, found, covered, given, act, quantity, answer),
    }
    await emit(session, "agreement.notice", "agreement", agreement_id, sides, payload)
    return Given(given, answer.needs, answer_by, answer.clear_from, answer.clear_until, answer.words)


def _offer(covered: Covered, act: Act, offer: Decimal | None, offered_by: str) -> tuple[Decimal | None, str | None]:
    """The third party's offer, complete or refused."""
    buyer = offered_by.strip()
    if act is not Act.RESELL:
        if offer is not None or buyer:
            raise invalid("notice.offer", "Only a sale has an offer by somebody else.", field="offer")
        return None, None
    matched = any(_matches(t) for t in covered.clauses)
    if offer is None and not buyer and not matched:
        return None, None
    if offer is None or offer < 0 or not buyer:
        raise invalid(
            "notice.offer",
            "The manufacturer may take the units at the price that somebody else offers: name who has offered, in writing and in "
            f"good faith, and the price of one unit in {covered.facts.sale_price.currency}. No notice was given.",
            field="offer" if offer is None or offer < 0 else "offered_by",
        )
    return offer, buyer


def _matches(terms: Terms) -> bool:
    return terms.clause == "first-refusal" and terms.price.kind == "match_third_party"


class ToBeNamed(NamedTuple):
    """Of ``there`` units above the minimum to keep that are not reserved, notices name ``named`` already."""

    there: int
    named: int

    @property
    def left(self) -> int:
        """Units that another notice can name."""
        return max(self.there - self.named, 0)


async def to_be_named(session: WriteSession, covered: Covered, now: datetime) -> ToBeNamed:
    """How many units another notice can name. The agreement is locked."""
    pair = (covered.agreement_id, covered.part_id)
    given = (await queries.standing_notices(session, [pair])).get(pair, ())
    stand = still_about(covered.clauses, covered.facts, given, now)
    named = sum(n.left for n in stand if n.standing(now) in {Standing.RUNNING, Standing.CLEARED})
    facts = covered.facts
    there = min(
        facts.remaining - facts.held, *(usable(t, facts, declining_day(t, facts, now)) for t in covered.clauses)
    )
    return ToBeNamed(there, named)


async def _within(session: WriteSession, covered: Covered, quantity: int, now: datetime) -> None:
    """Units are under one notice at a time, and notices together leave the minimum to keep: what is cleared nobody orders."""
    there, named = found = await to_be_named(session, covered, now)
    if named + quantity > there:
        raise conflict(
            "notice.too_many",
            f"Other notices name {named:,} of {phrases.count(there, 'unit')} above the minimum to keep already: at most {found.left:,} can be "
            "named now. Withdraw a notice that is no longer wanted.",
            field="quantity",
        )


async def _tell_maker(
    session: WriteSession,
    found: queries.Locked,
    covered: Covered,
    given: UUID,
    act: Act,
    quantity: int,
    answer: AfterNotice,
) -> dict[str, Any]:
    """A mail to the maker's planners: only they can still order the units, or answer."""
    async with acting_for(session, found.maker_id):
        to = await people_to_tell(session, found.maker_id, ("planner", "admin"))
    if not to:
        return {}
    what = f"{_WISH.get(act, act.value)} {phrases.count(quantity, 'unit')}"
    if answer.clear_from is None:
        means = "Say yes or no; no response is a no."
    else:
        means = "Order them back if you need them; without an order it is free to do so when the notice has run."
    return {
        "mail": {
            "to": to,
            "subject": f"{found.reference}: {covered.holder} wants to {what}",
            "text": f"{covered.holder} gave notice that it wants to {what}. {means}",
            "link": f"/agreements/notices/{given}",
        }
    }


async def answer_notice(
    session: WriteSession, actor: By, agreement_id: UUID, notice_id: UUID, *, agree: bool, words: str, now: datetime
) -> Notice:
    """The maker agrees, so that the holder may act from now on, or refuses what needs its consent.

    Raises ``agreement.not_found``, ``notice.not_found``, ``notice.state`` for one that no longer runs, ``notice.no_refusal``
    where the clause gives no right to say no, ``agreement.suspended``, ``agreement.legal_hold``.
    """
    found = await party_lock(session, agreement_id, actor)
    given = await queries.notice_for_update(session, agreement_id, notice_id)
    if actor.company_id != found.maker_id:
        raise forbidden("notice.not_maker", "The manufacturer answers a notice; its holder can withdraw it.")
    covered = await covered_part(session, agreement_id, given.part_id)
    cut = {n.id: n for n in still_about(covered.clauses, covered.facts, covered.facts.circumstances.notices, now)}
    given = cut.get(given.id, given)
    _still_runs(given, now)
    await require_live(session, agreement_id)
    if not agree and given.needs is not Need.CONSENT:
        raise conflict(
            "notice.no_refusal",
            "This clause gives no right to say no: order the units back if you need them, or let the notice run.",
        )
    until = after_days(now, min(t.clearance_days for t in covered.clauses), covered.facts.zone) if agree else None
    await execute(
        session,
        "UPDATE notice SET status = $2, answered_by = $3, answered_at = $4, answer_note = $5, "
        "clear_from = CASE WHEN $6::timestamptz IS NULL THEN NULL ELSE $4::timestamptz END, clear_until = $6 WHERE id = $1",
        notice_id, "agreed" if agree else "refused", actor.user_id, now, _words(words), until,
    )  # fmt: skip
    what = f"{_WISH.get(given.act, given.act.value)} {phrases.count(given.left, 'unit')}"
    if until is not None:
        text = f"{covered.maker} agrees: you may {what} until {phrases.deadline(until, covered.facts.zone)}."
    else:
        text = f"{covered.maker} does not agree that you {what}."
    await _answered(session, found, given, "notice_agreed" if agree else "notice_refused", actor, words, text, now)
    return await queries.notice_for_update(session, agreement_id, notice_id)


async def withdraw_notice(
    session: WriteSession, actor: By, agreement_id: UUID, notice_id: UUID, now: datetime
) -> Notice:
    """The holder no longer wants to. What the maker has ordered on it stays ordered. Also while the agreement stands still,
    since nothing moves by it. Raises as ``answer_notice``."""
    found = await party_lock(session, agreement_id, actor)
    given = await queries.notice_for_update(session, agreement_id, notice_id)
    if actor.company_id != found.holder_id:
        raise forbidden("notice.not_holder", "The holder who gave a notice withdraws it.")
    if given.standing(now) not in (Standing.RUNNING, Standing.CLEARED):
        raise conflict("notice.state", f"This notice is {given.standing(now)}: there is nothing to withdraw.")
    await execute(
        session,
        "UPDATE notice SET status = 'withdrawn', answered_by = $2, answered_at = $3 WHERE id = $1",
        notice_id,
        actor.user_id,
        now,
    )
    sides = (found.maker_id, found.holder_id)
    await note(session, agreement_id, sides, "notice_withdrawn", actor, now, {"notice": notice_id})
    await emit(
        session, "agreement.notice_withdrawn", "agreement", agreement_id, sides,
        {"reference": found.reference, "notice": notice_id},
    )  # fmt: skip
    return await queries.notice_for_update(session, agreement_id, notice_id)


def _still_runs(given: Notice, now: datetime) -> None:
    standing = given.standing(now)
    if standing is not Standing.RUNNING:
        why = "its units went by another act" if standing is Standing.GONE else f"it is {standing}"
        raise conflict("notice.state", f"This notice can no longer be answered: {why}.")


def _words(text: str) -> str:
    if len(text) > 500:
        raise invalid("notice.note", "Say it in at most 500 characters.", field="note")
    return text.strip()


async def _answered(
    session: WriteSession,
    found: queries.Locked,
    given: Notice,
    kind: str,
    actor: By,
    words: str,
    text: str,
    now: datetime,
) -> None:
    sides = (found.maker_id, found.holder_id)
    await note(session, found.id, sides, kind, actor, now, {"notice": given.id, "note": words.strip()})
    async with acting_for(session, found.holder_id):
        to = await people_to_tell(session, found.holder_id, ("buyer", "warehouse"))
    payload: dict[str, Any] = {"reference": found.reference, "notice": given.id}
    if to:
        payload["mail"] = {
            "to": to,
            "subject": f"{found.reference}: your notice was answered",
            "text": f"{text} {words.strip()}".strip(),
            "link": f"/agreements/notices/{given.id}",
        }
    await emit(session, f"agreement.{kind}", "agreement", found.id, sides, payload)


async def covered_part(session: WriteSession, agreement_id: UUID, part_id: UUID) -> Covered:
    """What an agreement says about a part. Raises ``agreement.not_found``."""
    covered = (await queries.terms_and_facts(session, [(agreement_id, part_id)])).get((agreement_id, part_id))
    if covered is None:
        raise missing("agreement.not_found", "The agreement does not cover this part.")
    return covered


# -- what the holder does under them ---------------------------------------------------------------------


async def note_used(
    session: WriteSession,
    sides: tuple[UUID, UUID],
    agreement_id: UUID,
    notice_id: UUID,
    permits: list[tuple[UUID, int]],
    actor: By,
    now: datetime,
) -> None:
    """The holder acted under a notice, with these (permit, units)."""
    units = sum(quantity for _, quantity in permits)
    await execute(session, "UPDATE notice SET used = used + $2 WHERE id = $1", notice_id, units)
    await execute(
        session,
        "INSERT INTO notice_use (permit_id, notice_id, maker_id, holder_id, units, at) "
        "SELECT u.permit_id, $1, $2, $3, u.units, $4 FROM unnest($5::uuid[], $6::int[]) AS u (permit_id, units)",
        notice_id, *sides, now, [permit for permit, _ in permits], [quantity for _, quantity in permits],
    )  # fmt: skip
    await note(session, agreement_id, sides, "notice_used", actor, now, {"notice": notice_id, "quantity": units})


async def note_act_undone(session: WriteSession, permit_id: UUID) -> None:
    """What was done with this leave was recorded wrongly and taken back: its notice has the units again."""
    await execute(
        session,
        "UPDATE notice n SET used = used - u.units FROM notice_use u WHERE u.permit_id = $1 AND n.id = u.notice_id",
        permit_id,
    )
