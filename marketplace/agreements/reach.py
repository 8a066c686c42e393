"""How many units the right reaches, and why it does not reach the others."""

from __future__ import annotations

from datetime import datetime

from marketplace.agreements import phrases
from marketplace.agreements.deadlines import Window, window
from marketplace.agreements.facts import Facts
from marketplace.agreements.outcomes import Reason, RefusalCode, Refused, Split
from marketplace.agreements.terms import AppliesTo, Terms


def reason(terms: Terms, term: str, words: str) -> Reason:
    """A sentence that rests on ``term`` of these terms."""
    return Reason(terms.clause, terms.version, term, words)


def minimum(terms: Terms, facts: Facts) -> int:
    """The minimum to keep in force: the schedule's own or the terms', never more than was accepted.

    Under a right that reaches only the minimum, units taken back use it up; otherwise the manufacturer could
    empty the holder through it three units at a time.
    """
    stated = terms.minimum_to_keep if facts.minimum_to_keep is None else facts.minimum_to_keep
    stated = min(stated, facts.accepted)
    if terms.applies_to is AppliesTo.FLOOR:
        return max(stated - facts.taken_back, 0)
    return stated


def covered(terms: Terms, facts: Facts) -> int:
    """Units the right reaches by kind: all remaining, those above the minimum, or the minimum itself."""
    if terms.applies_to is AppliesTo.ALL:
        return facts.remaining
    keep = min(minimum(terms, facts), facts.remaining)
    return keep if terms.applies_to is AppliesTo.FLOOR else facts.remaining - keep


def usable(terms: Terms, facts: Facts) -> int:
    """Units the holder may take out of reach (use, fit, sell, scrap) without going below the minimum.

    Units reserved for calls are the manufacturer's already. Under a FLOOR right they count towards the
    minimum; otherwise the minimum must remain beside them.
    """
    keep = minimum(terms, facts)
    if terms.applies_to is AppliesTo.FLOOR:
        keep = max(keep - facts.held, 0)
    unreserved = facts.remaining - facts.held
    return max(min(unreserved - keep, unreserved - facts.in_transit - facts.quality_held - facts.withdrawn), 0)


def blocked(terms: Terms, facts: Facts, moment: datetime) -> Refused | None:
    """What keeps every unit from being called at ``moment``, if anything does; states before calendar."""
    if facts.suspended:
        return _no(
            RefusalCode.SUSPENDED, "The agreement is suspended.", "Possible again when the suspension is lifted."
        )
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
    return None


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
    return split_given(terms, facts, blocked(terms, facts, facts.notice_at or now))


def split_given(terms: Terms, facts: Facts, block: Refused | None) -> Split:
    """As ``split``, for a caller that has already asked ``blocked``."""
    reached = left = covered(terms, facts)
    held = min(facts.held, left)
    left -= held
    in_transit = min(facts.in_transit, left)
    left -= in_transit
    quality_held = min(facts.quality_held, left)
    left -= quality_held
    withdrawn = min(facts.withdrawn, left)
    left -= withdrawn
    reserve = min(terms.holder_reserve, left)
    left -= reserve
    stuck, free = (left, 0) if block else (0, left)
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
        block.code if block else None,
    )


def callable_quantity(terms: Terms, facts: Facts, now: datetime) -> int:
    """Units that could be called at ``now``."""
    return split(terms, facts, now).callable


def nothing_callable(terms: Terms, facts: Facts, parts: Split) -> Refused:
    """Why no unit can be called although the right is in force: the nearest obstacle."""
    if not facts.remaining:
        return _no(
            RefusalCode.NOTHING_LEFT, "The holder has no unit of this schedule left.", "Look for another source."
        )
    if parts.not_covered == facts.remaining:
        keep = minimum(terms, facts)
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
    words = f"The last {phrases.count(parts.holder_reserve, 'unit')} within reach are the holder's reserve."
    return _no(
        RefusalCode.HOLDER_RESERVE,
        words,
        "Ask the holder to open its reserve.",
        reasons=(reason(terms, "holder_reserve", words),),
    )
