"""Joining an agreement: whoever buys units on that somebody has a right in signs a child agreement under the same terms."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from marketplace.agreements import phrases, queries
from marketplace.agreements.circumstances import lengthened
from marketplace.agreements.claims import Claim, left_to_sell
from marketplace.agreements.combined import holder_act
from marketplace.agreements.deadlines import after_days, counted, window
from marketplace.agreements.facts import Facts
from marketplace.agreements.holder_acts import needed
from marketplace.agreements.law import Jurisdiction, check_clauses, refuse_blocked
from marketplace.agreements.notice import Notice, cleared_by
from marketplace.agreements.outcomes import Act, AfterNotice, Free, Need, Refused
from marketplace.agreements.paper import ScheduleLine, check_schedule
from marketplace.agreements.refusing import refusal
from marketplace.agreements.service.booking import allowed
from marketplace.agreements.service.frameworks import Signed, clause_texts, frameworks_of, sign_both
from marketplace.agreements.service.offering import paper_of, particulars
from marketplace.agreements.service.standing import note, party_lock
from marketplace.agreements.service.term import let_duties_end, store_terms
from marketplace.agreements.term_kinds import Title
from marketplace.agreements.terms import AppliesTo, Terms, dump_terms
from marketplace.agreements.title import kept_by
from marketplace.agreements.together import dump_further
from marketplace.db.session import WriteSession, acting_for, execute, fetch_value
from marketplace.kit.errors import DomainError, conflict, invalid, missing
from marketplace.kit.money import Money
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import add_permits
from marketplace.parties.actor import By
from marketplace.parties.queries import CompanyRow, company, kept_in
from marketplace.parties.service import know_each_other

# Used in the transaction that made it; the margin is for clocks.
_LEAVE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Leave:
    """What selling units on needs. ``consent``: the maker's, in writing; ``runs``: the right stays on the units, so that
    the buyer joins the agreement; ``words`` for a person."""

    consent: bool
    runs: bool
    words: str
    notice_id: UUID | None = None
    """The notice that it rests on, where units are offered to the maker first."""
    answer_by: datetime | None = None
    """Until when the maker answers a request for its consent."""
    silence_consents: bool = False
    """Whether no answer by then is a yes."""
    clearance_days: int = 0
    """So many days the leave lasts, once it is there: in them the buyer signs. 0: the clause states none."""
    zone: str = "UTC"

    def sign_by(self, since: datetime) -> datetime | None:
        """Until when the buyer signs, of a leave that is there since then: the end of a day where the units are."""
        if not self.clearance_days:
            return None
        until: datetime = after_days(since, self.clearance_days, self.zone)
        return until


async def may_resell(
    session: WriteSession,
    actor: By,
    agreement_id: UUID,
    part_id: UUID,
    quantity: int,
    passed_on: int,
    now: datetime,
    claims: Sequence[Claim] = (),
) -> Leave:
    """Whether the holder may sell so many units on, ``passed_on`` of the minimum to keep with them, beside other requests
    that go first (``claims``, read under the agreement's lock) and what its notices name. Locks the agreement;
    the lots are locked before. Raises ``agreement.not_found``, ``agreement.<what the evaluator says>``,
    ``resale.minimum``, ``resale.promised``."""
    found = await party_lock(session, agreement_id, actor)
    if actor.company_id != found.holder_id:
        raise missing("agreement.not_found", "No such agreement.")
    covered = (await queries.terms_and_facts(session, [(agreement_id, part_id)])).get((agreement_id, part_id))
    if covered is None:
        raise missing("agreement.not_found", "The agreement does not cover this part.")
    keep = covered.facts.minimum_to_keep or 0
    if not 0 <= passed_on <= min(keep, quantity):
        raise invalid(
            "resale.minimum",
            f"Of the minimum to keep {min(keep, quantity):,} can go with these units; {passed_on:,} were given.",
            field="minimum_passed_on",
        )
    if covered.terms.applies_to is AppliesTo.FLOOR and covered.terms.runs_with_the_unit:
        least = covered.terms.holder_reserve + 1
        if passed_on < least:
            raise invalid(
                "resale.minimum",
                "The right reaches only the minimum to keep: on units that are sold on it stays where the buyer takes over "
                f"at least {phrases.count(least, 'unit')} of it.",
                field="minimum_passed_on",
            )
    with_others = sum(c.passed_on for c in claims)
    if passed_on and passed_on + with_others > keep:
        raise invalid(
            "resale.minimum",
            f"Of the minimum to keep {with_others:,} of {keep:,} go with {', '.join(c.reference for c in claims if c.passed_on)} "
            f"already; {passed_on:,} were given.",
            field="minimum_passed_on",
        )
    facts = replace(covered.facts, minimum_to_keep=keep - passed_on)
    said = holder_act(covered.clauses, facts, Act.RESELL, quantity, now)
    answer = said.answer
    terms = next(t for t in covered.clauses if (t.clause, t.version) == (said.clause, said.version))
    # The first library states no time for a consent, nor for what it clears.
    days, zone = terms.clearance_days if terms.generation == 2 else 0, facts.zone
    if isinstance(answer, Refused):
        raise refusal(answer)
    notices = (await queries.standing_notices(session, [(agreement_id, part_id)])).get((agreement_id, part_id), ())
    _beside(covered.clauses, facts, claims, notices, quantity, now)
    if isinstance(answer, Free):
        return Leave(consent=False, runs=False, words=answer.words, clearance_days=days, zone=zone)
    assert isinstance(answer, AfterNotice)  # noqa: S101 - the third of three
    kept = kept_by(covered.clauses)
    if kept is not None and kept.title is Title.RETAINED_UNTIL_PAID:
        raise conflict(
            "agreement.not_paid",
            "These units are the manufacturer's until they are paid, and they are paid once they are taken out: sell them on "
            "when they are yours. Nothing was changed.",
        )
    # What is sold on is taken out with it: the right does not reach it any more.
    # Several clauses bind: a buyer joins where any of them stays on the unit, whichever of them is the strictest.
    runs = kept is None and (answer.accession_required or any(_goes_over(t) for t in covered.clauses[1:]))
    if answer.needs in (Need.OFFER, Need.NOTICE):
        # The units were offered to the maker first, which did not take them: nothing more is asked.
        given = cleared_by(notices, Act.RESELL, quantity, now)
        if given is None:
            raise refusal(answer)
        return Leave(
            consent=False, runs=runs, words=answer.words, notice_id=given.id, clearance_days=days, zone=zone,
        )  # fmt: skip
    consent = answer.needs is not Need.ACCESSION
    asked = needed(terms, facts, Act.RESELL, quantity, now)
    return Leave(
        consent=consent, runs=runs, words=answer.words, clearance_days=days, zone=zone,
        answer_by=counted(terms, now, asked.days, zone) if consent and asked.days else None,
        silence_consents=consent and terms.generation == 2 and answer.clear_from is not None,
    )  # fmt: skip


def _beside(
    clauses: Sequence[Terms],
    facts: Facts,
    claims: Sequence[Claim],
    notices: Sequence[Notice],
    quantity: int,
    now: datetime,
) -> None:
    """The same units are sold once: what goes first is left out."""
    found = left_to_sell(clauses, facts, claims, notices, quantity, now)
    if quantity > found.left:
        asked = phrases.count(quantity, "unit")
        raise conflict(
            "resale.promised",
            f"{found.words} go first: of {phrases.count(found.there, 'unit')} that may be sold on {found.left:,} are left, and "
            f"{asked} {'is' if quantity == 1 else 'are'} to be sold. Nothing was changed. Sell fewer, or first call off what is "
            "no longer wanted.",
            field="quantity",
        )


async def draft_accession(
    session: WriteSession,
    *,
    agreement_id: UUID,
    buyer_id: UUID,
    part_id: UUID,
    quantity: int,
    passed_on: int,
    reference: str,
    now: datetime,
) -> tuple[str, bytes]:
    """The text that the buyer signs: the same clause with the same terms and dates, for its units. On behalf of the holder,
    who is a party. Raises ``agreement.lines`` where the right would be empty, ``law.blocked``."""
    text = _going_over(await queries.agreement_text(session, agreement_id))
    head = await _head(session, agreement_id)
    maker, buyer = await company(session, head.maker_id), await company(session, buyer_id)
    await _lawful(session, text.clauses, maker, buyer, now)
    published = await clause_texts(session, text.clauses)
    seller = await company(session, head.holder_id)
    stated = particulars(
        maker, buyer, published, reference, "that of the two companies for this clause version", "", text.use_class,
        text.currency, head.zone, head.schedule_date,
    )  # fmt: skip
    stated["Order"] = f"a sale by {seller.name} ({seller.code}), on whose units the manufacturer's right stays"
    stated["Accession"] = (
        "The holder joins for the units below as if it had bought them under the schedule from the first day: dates and "
        "the price paid are those of that sale, whatever it pays to whom it buys from"
    )
    schedule = [_line(text, part_id, quantity, passed_on)]
    for terms in text.clauses:
        check_schedule(terms, schedule)
    return paper_of(published, text.clauses, stated, schedule)


async def _lawful(
    session: WriteSession, clauses: Sequence[Terms], maker: CompanyRow, buyer: CompanyRow, now: datetime
) -> None:
    """The right may stay on units that the buyer keeps. Which of its sites they go to is said on receipt only, so what holds at
    all of them holds for these units. Raises ``law.blocked``."""
    async with acting_for(session, buyer.id):
        places = [Jurisdiction(country, region or None) for country, region in await kept_in(session, buyer.id)]
    try:
        allowed(clauses, maker, buyer, None, now.date())
        here = Jurisdiction(maker.country)
        refuse_blocked(check_clauses(queries.rules(), clauses, here, places, every_holder=False, on=now.date()))
    except DomainError as error:
        words = (
            f" The right would stay on the units that go to {buyer.name}. Sell them to a company elsewhere, or agree with "
            f"{maker.name} on other terms before."
        )
        raise replace(error, message=error.message + words, fields=()) from None


async def accede(
    session: WriteSession,
    actor: By,
    *,
    agreement_id: UUID,
    part_id: UUID,
    quantity: int,
    passed_on: int,
    reference: str,
    wording: str,
    wording_sha256: bytes,
    consented_by: UUID | None,
    consented_at: datetime | None,
    now: datetime,
) -> UUID:
    """The child agreement with the maker's consent (None where the clause gave it beforehand) and the buyer's signature
    (``actor``); the parent's minimum to keep is
    the smaller by what goes over. The caller holds the parent's lock, on behalf of the holder. Returns the child's id. Raises
    ``law.blocked``: the limits may have changed since it was asked for."""
    text = _going_over(await queries.agreement_text(session, agreement_id))
    head = await _head(session, agreement_id)
    maker, buyer = await company(session, head.maker_id), await company(session, actor.company_id)
    await _lawful(session, text.clauses, maker, buyer, now)
    published = await clause_texts(session, text.clauses)
    frameworks = await frameworks_of(session, head.maker_id, actor.company_id, published)
    line = _line(text, part_id, quantity, passed_on)
    span = window(text.terms, _facts(line, head))
    child: UUID = await fetch_value(
        session,
        "INSERT INTO agreement (reference, framework_id, maker_id, holder_id, parent_id, clause, version, terms, currency, "
        "use_class, zone, schedule_date, status, wording, wording_sha256, tolled_days, window_opens_at, window_closes_at, "
        "maker_signed_by, maker_signed_at, holder_signed_by, holder_signed_at, created_at, further, frozen_days, renewals, exported_on) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, $10, $11, $12, 'active', $13, $14, $15, $16, $17, $18, $19, "
        "$20, $21, $21, $22::jsonb, $23, $24, (SELECT x.exported_on FROM agreement x WHERE x.id = $5)) RETURNING id",
        reference, frameworks.first, head.maker_id, actor.company_id, agreement_id, text.terms.clause, text.terms.version,
        json.dumps(dump_terms(text.terms)), text.currency, text.use_class, head.zone, head.schedule_date, wording,
        wording_sha256, head.tolled_days, span.opens, span.closes, consented_by, consented_at, actor.user_id, now,
        dump_further(text.further, [row.sha256 for row in published[1:]]), head.frozen_days, head.renewals,
    )  # fmt: skip
    await execute(
        session,
        "INSERT INTO agreement_line (agreement_id, part_id, maker_id, holder_id, quantity_sold, sale_price, list_price, "
        "minimum_to_keep) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        child, part_id, head.maker_id, actor.company_id, quantity, line.sale_price.amount,
        line.list_price.amount if line.list_price else None, passed_on,
    )  # fmt: skip
    await sign_both(session, frameworks, Signed(consented_by, consented_at), Signed(actor.user_id, now))
    await store_terms(session, [child])
    await know_each_other(session, head.maker_id, actor.company_id)
    sides = (head.maker_id, actor.company_id)
    await note(session, child, sides, "acceded", actor, now, {"wording_sha256": wording_sha256.hex()})
    return child


async def pass_on(session: WriteSession, agreement_id: UUID, part_id: UUID, units: int) -> None:
    """So many more of a line's minimum to keep are kept by buyers now (fewer, where negative: a resale was cancelled)."""
    if units:
        await execute(
            session,
            "UPDATE agreement_line SET minimum_passed_on = minimum_passed_on + $3 WHERE agreement_id = $1 AND part_id = $2",
            agreement_id,
            part_id,
            units,
        )


async def undo_accession(session: WriteSession, actor: By, child_id: UUID, reason: str, now: datetime) -> None:
    """A child agreement whose units never came ends. The caller acts for one of its sides."""
    found = await queries.agreement_for_update(session, child_id)
    await execute(
        session,
        "UPDATE agreement SET status = 'terminated', status_reason = $2, suspension_ends_at = NULL WHERE id = $1",
        child_id,
        reason,
    )
    await let_duties_end(session, child_id, now)
    await note(session, child_id, (found.maker_id, found.holder_id), "terminated", actor, now, {"reason": reason})


async def permits_for_resale(
    session: WriteSession,
    *,
    agreement_id: UUID,
    maker_id: UUID,
    company_id: UUID,
    kinds: Sequence[Kind],
    lots: Sequence[tuple[UUID, int]],
    now: datetime,
) -> dict[tuple[UUID, Kind], UUID]:
    """Leave for one of the two sides of a resale that was consented to and joined: for the seller to hand the units over,
    for the buyer to take title and to come under its own agreement. Permits by lot and kind."""
    permits = {(lot, kind): uuid4() for lot, _ in lots for kind in kinds}
    await add_permits(
        session,
        agreement_id=agreement_id,
        company_id=company_id,
        maker_id=maker_id,
        permits=[(lot, permits[lot, kind], kind, quantity) for lot, quantity in lots for kind in kinds],
        expires_at=now + _LEAVE,
        reason="resell",
    )
    return permits


async def _head(session: WriteSession, agreement_id: UUID) -> queries.Locked:
    row = (await queries.agreements_for_update(session, [agreement_id])).get(agreement_id)
    if row is None:
        raise missing("agreement.not_found", "No such agreement.")
    return row


def _goes_over(terms: Terms) -> bool:
    return terms.generation == 2 and terms.runs_with_the_unit


def _going_over(text: queries.AgreementText) -> queries.AgreementText:
    """The text with those of its clauses that stay on a unit which is sold on: the others bind who agreed to them alone."""
    if not text.further:
        return text
    first, *further = [terms for terms in text.clauses if _goes_over(terms)]
    return replace(text, terms=first, further=tuple(further))


def _line(text: queries.AgreementText, part_id: UUID, quantity: int, passed_on: int) -> ScheduleLine:
    line = next((x for x in text.lines if x.part_id == part_id), None)
    if line is None:
        raise conflict("agreement.not_found", "The agreement does not cover this part.")
    return ScheduleLine(
        line.number, line.description, line.uom, quantity, Money(line.sale_price, text.currency),
        None if line.list_price is None else Money(line.list_price, text.currency), passed_on,
    )  # fmt: skip


def _facts(line: ScheduleLine, head: queries.Locked) -> Facts:
    return Facts(
        schedule_date=head.schedule_date, zone=head.zone, sale_price=line.sale_price, quantity_sold=line.quantity,
        remaining=0, tolled_days=head.tolled_days, circumstances=lengthened(head.renewals, head.frozen_days),
    )  # fmt: skip
