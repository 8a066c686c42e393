"""When a schedule ends, by when a party must say that it does not want it renewed, and how long duties go on after it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import NamedTuple

from marketplace.agreements import phrases
from marketplace.agreements.deadlines import window
from marketplace.agreements.facts import Facts
from marketplace.agreements.outcomes import Reason
from marketplace.agreements.reach import reason
from marketplace.agreements.term_kinds import Renewal
from marketplace.agreements.terms_v2 import TermsV2
from marketplace.kit.clock import add_months, end_of_day


class EndOfTerm(NamedTuple):
    """The window's last day as things stand; ``decide_by``: until when a renewal is agreed or notice against it is given
    (exclusive; None where there can be none any more); ``renews_until``: its last day with the next renewal;
    ``survives_until``: the last day of the duties that outlive it."""

    last_day: date
    decide_by: datetime | None
    renews_until: date | None
    survives_until: date
    words: str
    reasons: tuple[Reason, ...]


def end_of_term(terms: TermsV2, facts: Facts) -> EndOfTerm:
    """How the schedule ends or goes on, with the renewals that there were (``circumstances.renewals``)."""
    last = window(terms, facts).last_day
    survives = add_months(last, terms.survival_months)
    after = f"Duties to report, count and pay go on until {phrases.day(survives)}."
    tail = (reason(terms, "survival_months", after),)
    if terms.renewal is Renewal.NONE or facts.circumstances.renewals >= terms.max_renewals:
        why = "There is no renewal." if terms.renewal is Renewal.NONE else "It has been renewed as often as it may be."
        term = "renewal" if terms.renewal is Renewal.NONE else "max_renewals"
        words = f"The right ends on {phrases.day(last)}. {why}"
        return EndOfTerm(last, None, None, survives, f"{words} {after}", (reason(terms, term, words), *tail))
    made = min(facts.circumstances.renewals, terms.max_renewals) + 1
    # Counted from the schedule date, as every end is: adding month by month would drift at month ends.
    next_end = add_months(facts.schedule_date, terms.window_end_months + terms.renewal_months * made)
    next_end += last - add_months(facts.schedule_date, terms.window_end_months + terms.renewal_months * (made - 1))
    decide = end_of_day(last - timedelta(days=terms.non_renewal_days), facts.zone)
    by = phrases.deadline(decide, facts.zone)
    if terms.renewal is Renewal.AUTOMATIC:
        words = f"It goes on until {phrases.day(next_end)} unless a party gives notice by {by}; else it ends on {phrases.day(last)}."
    else:
        words = f"It ends on {phrases.day(last)} unless both parties agree by {by} that it goes on until {phrases.day(next_end)}."
    grounds = (
        reason(terms, "renewal", words),
        reason(terms, "renewal_months", words),
        reason(terms, "non_renewal_days", words),
        *tail,
    )
    return EndOfTerm(last, decide, next_end, survives, f"{words} {after}", grounds)
