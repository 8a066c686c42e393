"""How many units the right reaches, and why it does not reach the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from marketplace.agreements import phrases
from marketplace.agreements.circumstances import Intent
from marketplace.agreements.deadlines import Window, blackout_until, period_of, window
from marketplace.agreements.facts import Facts
from marketplace.agreements.notice import Keep, Notice, Standing, cut_down
from marketplace.agreements.outcomes import Reason, RefusalCode, Refused, Split
from marketplace.agreements.terms import AppliesTo, Terms, Urgency
from marketplace.kit.clock import add_months, end_of_day, local_day, months_between
from marketplace.kit.money import Money


def reason(terms: Terms, term: str, words: str) -> Reason:
    """A sentence that rests on ``term`` of these terms."""
    return Reason(terms.clause, terms.version, term, words)


def minimum(terms: Terms, facts: Facts, on: date | None = None) -> int:
    """The minimum to keep in force: the schedule's own or the terms', never more than was accepted. ``on``: the day it is
    asked for, where it declines with time; None = as it starts.

    Under a right that reaches only the minimum, units taken back use it up; otherwise the manufacturer could
    empty the holder through it three units at a time. Units that another clause reached, on the holder's own notice, do not.
    """
    stated = terms.minimum_to_keep if facts.minimum_to_keep is None else facts.minimum_to_keep
    stated = min(stated, facts.accepted)
    if on is not None and terms.minimum_steps:
        months = months_between(facts.schedule_date, on)
        reached = [step.percent_bp for step in terms.minimum_steps if step.after_months <= months]
        stated = -(-stated * reached[-1] // 10_000) if reached else stated
    if terms.applies_to is AppliesTo.FLOOR:
        return max(stated - (facts.taken_back - facts.taken_above), 0)
    return stated


def covered(terms: Terms, facts: Facts, on: date | None = None) -> int:
    """Units the right reaches by kind: all remaining, those above the minimum, or the minimum itself."""
    if terms.applies_to is AppliesTo.ALL:
        return facts.remaining
    left = facts.remaining - (facts.held_above if terms.applies_to is AppliesTo.FLOOR else 0)
    keep = min(minimum(terms, facts, on), left)
    return keep if terms.applies_to is AppliesTo.FLOOR else facts.remaining - keep


def usable(terms: Terms, facts: Facts, on: date | None = None) -> int:
    """Units the holder may take out of reach (use, fit, sell, scrap) without going below the minimum.

    Units reserved for calls are the manufacturer's already. Under a FLOOR right they count towards the
    minimum; otherwise the minimum must remain beside them.
    """
    unreserved = facts.remaining - facts.held
    above = unreserved - kept_beside(terms, facts, on)
    return max(min(above, unreserved - facts.in_transit - facts.quality_held - facts.withdrawn), 0)


def kept_beside(terms: Terms, facts: Facts, on: date | None = None) -> int:
    """How many units beside those reserved for calls the minimum keeps with the holder."""
    keep = minimum(terms, facts, on)
    if terms.applies_to is not AppliesTo.FLOOR:
        return keep
    # A first refusal of the last units keeps nothing back: it is asked before they go.
    return 0 if terms.clause == "first-refusal" else max(keep - (facts.held - facts.held_above), 0)


def newly_below(terms: Terms, facts: Facts, gone: int, on: date | None = None) -> int:
    """How many of ``gone`` units that leave ``facts.remaining`` on a day are then missing from the minimum and were not before:
    none once the window has ended (``on`` None: as at the start). Units reserved for calls are not counted, as in ``usable``:
    what the manufacturer has ordered does not make good for others. Those that nobody has reserved go first, then those
    reserved above the minimum."""
    if on is not None and on > window(terms, facts).last_day:
        return 0
    stated = minimum(terms, facts, on if terms.minimum_steps else None)

    def short(away: int) -> int:
        loose = facts.remaining - facts.held - away
        held = facts.held + min(loose, 0)
        keep = stated
        if terms.applies_to is AppliesTo.FLOOR:
            keep = max(keep - min(facts.held - facts.held_above, held), 0)
        return max(keep - max(loose, 0), 0)

    return max(short(gone) - short(0), 0)


def still_about(clauses: Sequence[Terms], facts: Facts, notices: Sequence[Notice], now: datetime) -> tuple[Notice, ...]:
    """The notices cut down to units that they can still be about: none of the minimum to keep, whichever clause keeps it."""
    if not notices:
        return ()
    loose = facts.remaining - facts.held
    keeps = [
        Keep(kept_beside(t, facts, declining_day(t, facts, now)), stays=t.applies_to is not AppliesTo.FLOOR)
        for t in clauses
    ]
    return cut_down(notices, loose, keeps, now)


def as_of(terms: Terms, facts: Facts, now: datetime) -> Facts:
    """The facts with what the notices known to them (``circumstances.notices``) come to at ``now``: the one that the order names,
    or else the oldest that runs, is what the holder intends, and units of those that have run are cleared."""
    known = facts.circumstances
    if not known.notices:
        return facts
    standing = [(n, n.standing(now)) for n in still_about((terms,), facts, known.notices, now)]
    cleared = sum(n.left for n, at in standing if at is Standing.CLEARED)
    named = known.answers
    running = next((n for n, at in standing if at is Standing.RUNNING and named in (None, n.id)), None)
    intent = None
    if running is not None:
        offer = None if running.offer is None else Money(running.offer, facts.sale_price.currency)
        intent = Intent(running.act, running.left, running.at, offer, running.answer_by)
    let_go = sum(n.let_go for n, _ in standing)
    return replace(facts, circumstances=replace(known, cleared=cleared, let_go=let_go, intent=intent, notices=()))


def declining_day(terms: Terms, facts: Facts, moment: datetime) -> date | None:
    """The local day of ``moment`` where the minimum to keep depends on it; None where it stays, which is looked up
    thousands of times."""
    return local_day(moment, facts.zone) if terms.minimum_steps else None


def blocked(terms: Terms, facts: Facts, moment: datetime) -> Refused | None:
    """What keeps every unit from being called at ``moment``, if anything does; states before calendar."""
    if facts.out_of_force:
        return _no(RefusalCode.NOT_IN_FORCE, facts.out_of_force, "Nothing can be ordered under it.")
    if facts.suspended:
        return suspended(facts, moment)
    if facts.legal_hold:
        return _no(
            RefusalCode.LEGAL_HOLD,
            "The holder's units are under legal hold: nothing may be moved.",
            "Possible again when the hold is lifted.",
        )
    span = window(terms, facts)
    if moment < span.opens:
        return _not_open(terms, span)
    if moment >= span.closes:
        words = f"The right ended on {phrases.day(span.last_day)}."
        return _no(
            RefusalCode.WINDOW_CLOSED,
            words,
            "Only the holder's own offer can bring the units back now.",
            reasons=(reason(terms, "window_end_months", words),),
        )
    if terms.max_exercises is not None and facts.exercises >= terms.max_exercises:
        words = f"All {phrases.count(terms.max_exercises, 'order')} that the schedule allows have been made."
        return _no(
            RefusalCode.EXERCISES_USED_UP,
            words,
            "Ask the holder to agree to one more.",
            reasons=(reason(terms, "max_exercises", words),),
        )
    if terms.blackouts and not (terms.blackout_machine_down and facts.urgency is Urgency.MACHINE_DOWN):
        return _blackout(terms, facts, moment)
    return None


def suspended(facts: Facts, moment: datetime, words: str = "The agreement is suspended.") -> Refused:
    """Nothing may be done until the suspension is lifted, or has ended by itself at the moment that was stored with it; while
    a legal hold stands beside it nobody knows when."""
    ends = facts.circumstances.suspension_ends_at
    if ends is None or ends <= moment or facts.legal_hold:
        return _no(RefusalCode.SUSPENDED, words, "Possible again when the suspension is lifted.")
    last = phrases.deadline(ends, facts.zone)
    until = f"Possible again when the suspension is lifted, at the latest after {last}, when it ends by itself."
    return Refused(RefusalCode.SUSPENDED, words, until, ends, ())


def _blackout(terms: Terms, facts: Facts, moment: datetime) -> Refused | None:
    first = blackout_until(terms.blackouts, local_day(moment, facts.zone))
    if first is None:
        return None
    opens: datetime | None = end_of_day(first - timedelta(days=1), facts.zone)
    words = f"No orders are given on these days of the year; the next day for one is {phrases.day(first)}."
    if blackout_until(terms.blackouts, first) is not None:
        words, opens = "No orders are given on any day of the year.", None
    grounds = [reason(terms, "blackouts", words)]
    if facts.urgency is Urgency.MACHINE_DOWN:
        grounds.append(reason(terms, "blackout_machine_down", "Machine down is no exception."))
    until = f"Possible from {phrases.day(first)}." if opens else "Ask the holder to agree."
    return Refused(RefusalCode.BLACKOUT, words, until, opens, tuple(grounds))


def _not_open(terms: Terms, span: Window) -> Refused:
    words = f"The right opens on {phrases.day(span.first_day)}."
    return Refused(
        RefusalCode.WINDOW_NOT_OPEN,
        words,
        f"Possible from {phrases.day(span.first_day)}.",
        span.opens,
        (reason(terms, "window_start_months", words),),
    )


def _no(code: RefusalCode, words: str, until: str, *, reasons: tuple[Reason, ...] = ()) -> Refused:
    return Refused(code, words, until, None, reasons)


def split(terms: Terms, facts: Facts, now: datetime) -> Split:
    """Where the remaining units stand at ``now``; never a negative part, the parts add up to ``remaining``."""
    moment = facts.notice_at or now
    known = as_of(terms, facts, moment)
    return split_given(terms, known, blocked(terms, known, moment), moment)


def split_given(terms: Terms, facts: Facts, block: Refused | None, moment: datetime) -> Split:
    """As ``split``, for a caller that has already asked ``blocked``."""
    reached = left = covered(terms, facts, declining_day(terms, facts, moment))
    if terms.applies_to is AppliesTo.FLOOR:
        # Ordered under another clause: reserved all the same, and no part of the minimum.
        reached = left = reached + facts.held_above
    held = min(facts.held, left)
    left -= held
    in_transit = min(facts.in_transit, left)
    left -= in_transit
    quality_held = min(facts.quality_held, left)
    left -= quality_held
    withdrawn = min(facts.withdrawn, left)
    left -= withdrawn
    # What is cleared is the holder's to take out, so no order gets it: never more than is left beside it.
    beyond = facts.remaining - reached if terms.applies_to is AppliesTo.FLOOR else 0
    cleared = min(max(facts.circumstances.cleared - beyond, 0), left)
    left -= cleared
    both = facts.circumstances.cleared + facts.circumstances.let_go
    let_go = min(max(both - beyond - cleared, 0), left)
    left -= let_go
    reserve = min(terms.holder_reserve, left)
    left -= reserve
    stuck, free = (left, 0) if block else (0, left)
    blocked_by = block.code if block else None
    if free and terms.max_units is not None:
        most = left_of_period(terms.max_units, terms.max_units_months, facts, moment)
        if most < free:
            stuck, free, blocked_by = free - most, most, RefusalCode.PERIOD_USED_UP
    if free and terms.clause == "first-refusal" and (named := _named(facts, moment)) < free:
        stuck, free, blocked_by = stuck + free - named, named, RefusalCode.NO_NOTICE
    not_covered = facts.remaining - reached
    return Split(
        facts.remaining,
        free,
        not_covered,
        held,
        in_transit,
        quality_held,
        withdrawn,
        reserve,
        stuck,
        blocked_by,
        cleared,
        let_go,
    )


def _named(facts: Facts, moment: datetime) -> int:
    """Units that a notice names which can still be answered: under a first refusal no others can be asked for."""
    intent = facts.circumstances.intent
    over = intent is None or (intent.answer_by is not None and moment >= intent.answer_by)
    return 0 if intent is None or over else intent.quantity


def left_of_period(most: int, months: int, facts: Facts, moment: datetime) -> int:
    """Units that may still be ordered in the period of so many months that ``moment`` lies in."""
    now = period_of(facts.schedule_date, local_day(moment, facts.zone), months)
    made = (o.units for o in facts.circumstances.ordered if period_of(facts.schedule_date, o.day, months) == now)
    return max(most - sum(made), 0)


def callable_quantity(terms: Terms, facts: Facts, now: datetime) -> int:
    """Units that could be called at ``now``."""
    return split(terms, facts, now).callable


def nothing_callable(terms: Terms, facts: Facts, parts: Split, moment: datetime) -> Refused:
    """Why no unit can be called although the right is in force: the nearest obstacle."""
    if not facts.remaining:
        return _no(
            RefusalCode.NOTHING_LEFT, "The holder has no unit of this schedule left.", "Look for another source."
        )
    if parts.not_covered == facts.remaining:
        keep = minimum(terms, facts, declining_day(terms, facts, moment))
        words = (
            f"The right reaches only units above the minimum of {keep:,}; {facts.remaining:,} remain."
            if terms.applies_to is AppliesTo.FREE
            else "The right reaches only the minimum to keep, and that has been used up."
        )
        return _no(
            RefusalCode.NOT_COVERED,
            words,
            "Ask the holder to sell by agreement.",
            reasons=(reason(terms, "applies_to", words), reason(terms, "minimum_to_keep", words)),
        )
    if parts.blocked_by is RefusalCode.PERIOD_USED_UP:
        return _period_used_up(terms, facts, moment)
    if parts.held:
        return _no(
            RefusalCode.HELD,
            f"All units that the right reaches are reserved or blocked: {parts.words}.",
            "Possible when a reservation is released.",
        )
    if parts.in_transit:
        return _no(
            RefusalCode.IN_TRANSIT,
            f"The units are on the way between two sites: {parts.words}.",
            "Possible when they have arrived.",
        )
    if parts.quality_held:
        return _no(
            RefusalCode.QUALITY_HOLD,
            f"The units are on quality hold: {parts.words}.",
            "Possible when the quality hold is lifted.",
        )
    if parts.withdrawn:
        return _no(
            RefusalCode.WITHDRAWN,
            f"The units were not found on the shelf: {parts.words}.",
            "Possible when the holder has counted and found them.",
        )
    if parts.cleared:
        return _no(
            RefusalCode.CLEARED,
            f"The holder has been cleared to use, sell or scrap the units: {parts.words}.",
            "Possible again when the clearance has lapsed unused.",
        )
    if parts.let_go:
        return _no(
            RefusalCode.CLEARED,
            f"The manufacturer did not want the units when the holder gave notice of them: {parts.words}.",
            "Possible again when the clearance has ended.",
        )
    words = f"The last {phrases.count(parts.holder_reserve, 'unit')} within reach are the holder's reserve."
    return _no(
        RefusalCode.HOLDER_RESERVE,
        words,
        "Ask the holder to open its reserve.",
        reasons=(reason(terms, "holder_reserve", words),),
    )


def _period_used_up(terms: Terms, facts: Facts, moment: datetime) -> Refused:
    months = terms.max_units_months
    period = period_of(facts.schedule_date, local_day(moment, facts.zone), months)
    begins = add_months(facts.schedule_date, (period + 1) * months)
    most, span = phrases.count(terms.max_units or 0, "unit"), phrases.count(months, "month")
    words = f"At most {most} may be ordered within {span}, and they have been."
    return Refused(
        RefusalCode.PERIOD_USED_UP,
        words,
        f"Possible from {phrases.day(begins)}.",
        end_of_day(begins - timedelta(days=1), facts.zone),
        (reason(terms, "max_units", words), reason(terms, "max_units_months", words)),
    )
