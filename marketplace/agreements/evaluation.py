"""The clause evaluator: terms + facts + now -> what may be done, at what price, by when, and why.

Pure and deterministic; the one door through which the rest of the program asks what an agreement allows.
"""

from __future__ import annotations

from datetime import datetime

from marketplace.agreements import holder_acts
from marketplace.agreements.clauses import access_back, buy_back, first_refusal, title_kept
from marketplace.agreements.clauses.access_back import draw_outcome
from marketplace.agreements.deadlines import Window, inspect_by, pay_by, window
from marketplace.agreements.facts import Facts
from marketplace.agreements.holder_acts import loss_outcome
from marketplace.agreements.outcomes import (
    Act,
    AfterNotice,
    DrawOutcome,
    DrawState,
    Entitled,
    Free,
    LossOutcome,
    Need,
    Reason,
    RefusalCode,
    Refused,
    Replacement,
    Split,
)
from marketplace.agreements.prices import purchase_price, unit_price
from marketplace.agreements.reach import as_of, callable_quantity, split
from marketplace.agreements.terms import NoResponse, Terms
from marketplace.kit.clock import require_utc

__all__ = [
    "Act",
    "AfterNotice",
    "DrawOutcome",
    "DrawState",
    "Entitled",
    "Facts",
    "Free",
    "LossOutcome",
    "Need",
    "Reason",
    "RefusalCode",
    "Refused",
    "Replacement",
    "Split",
    "Window",
    "after_silence",
    "callable_quantity",
    "draw_outcome",
    "evaluate_call",
    "evaluate_holder_act",
    "inspect_by",
    "loss_outcome",
    "pay_by",
    "purchase_price",
    "split",
    "unit_price",
    "window",
]


def evaluate_call(terms: Terms, facts: Facts, now: datetime, *, explain: bool = True) -> Entitled | Refused:
    """May the manufacturer order ``facts.requested`` units back.

    Asking for more than can be called grants what can be (``granted < requested``). A call noticed inside the
    window stays valid after its end: pass ``facts.notice_at``. Without ``explain`` an entitlement carries no reasons: a
    search over thousands of units shows none. Raises ``call.quantity``, ``time.naive``.
    """
    moment = require_utc(now)
    facts = as_of(terms, facts, facts.notice_at or moment)
    # Asked by name, here and below: to ask a pydantic model for its class takes longer than a price.
    if terms.clause == "buy-back":
        return buy_back.evaluate(terms, facts, moment, explain=explain)
    if terms.clause == "first-refusal":
        return first_refusal.evaluate(terms, facts, moment, explain=explain)
    if terms.clause == "title-kept":
        return title_kept.evaluate(terms, facts, moment, explain=explain)
    return access_back.evaluate(terms, facts, moment, explain=explain)


def evaluate_holder_act(
    terms: Terms, facts: Facts, act: Act, quantity: int, now: datetime, *, noticed_at: datetime | None = None
) -> Free | AfterNotice | Refused:
    """May the holder do this with so many encumbered units; see ``holder_acts.evaluate``."""
    moment = require_utc(now)
    return holder_acts.evaluate(terms, as_of(terms, facts, moment), act, quantity, moment, noticed_at=noticed_at)


def after_silence(terms: Terms, respond_by: datetime, now: datetime) -> NoResponse | None:
    """What silence has come to mean at ``now``; None while the clock still runs, or
    where an order needs no answer.

    Depends on the stored deadline only, so a late tick changes nothing.
    """
    if not terms.answers:
        return None
    return terms.no_response if require_utc(now) >= respond_by else None
