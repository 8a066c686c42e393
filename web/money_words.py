"""What is owed and what was paid, in a controller's words: states, how a payment came about, where a line comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from marketplace.kit.money import Money
from marketplace.parties.actor import Actor
from marketplace.settlement.queries import PaymentRow, SettlementRow
from web.formats import day_words

HOW_WORDS: Final[Mapping[str, str]] = {
    "recorded": "Payment", "imported": "Payment, from a file", "marked": "Payment of a whole line", "set_off": "Set-off",
    "credit": "Credit", "reversal": "Taking back",
}  # fmt: skip
_CAUSES: Final = {"AGR": "/agreements/", "CALL": "/calls/", "ORD": "/orders/", "RSL": "/resales/"}


def cause_href(row: SettlementRow) -> str | None:
    """The page of what a line is owed for; None where it has none."""
    kind = row.cause_reference.partition("-")[0]
    page = _CAUSES.get(kind)
    # What is owed under an agreement, for units taken out say, has its page there.
    return f"{page}{row.agreement_id if kind == 'AGR' and row.agreement_id else row.cause_id}" if page else None


def line_state(row: SettlementRow) -> str:
    """The state that a badge shows."""
    return {"due": "to_pay"}.get(row.state.value, row.state.value)


def payment_state(row: PaymentRow, actor: Actor) -> str:
    """The state that a badge shows: our_word, their_word, confirmed, taken_back."""
    if row.status == "reversed":
        return "taken_back"
    if row.status == "confirmed":
        return "confirmed"
    return "our_word" if row.waits_for(actor.company_id) else "their_word"


def payment_title(row: PaymentRow) -> str:
    """``Payment PAY-7F3K2Q``, ``Set-off PAY-8G4L3R``."""
    return f"{HOW_WORDS[row.how].partition(',')[0]} {row.reference}"


def line_story(row: SettlementRow, payments: Sequence[PaymentRow]) -> list[dict[str, Any]]:
    """What happened to a line, oldest first, as ui/unit.html's timeline wants it."""
    told = [_event(row.created_at, f"{row.payer} owes {row.payee} {_sum(row.amount, row.currency)}", row.words, "coin")]
    for payment in payments:
        told += _payment_story(payment)
    return sorted(told, key=lambda e: e["at"])


def payment_story(row: PaymentRow, taking_back: PaymentRow | None) -> list[dict[str, Any]]:
    """What happened to a payment, oldest first."""
    told = _payment_story(row)
    if taking_back is not None:
        told += _payment_story(taking_back)
    return sorted(told, key=lambda e: e["at"])


def _payment_story(row: PaymentRow) -> list[dict[str, Any]]:
    said = _sum(row.amount, row.currency)
    recorder = row.payer if row.company_id == row.from_id else row.payee
    other = row.payee if row.company_id == row.from_id else row.payer
    second = max(filter(None, (row.payer_at, row.payee_at)), default=None)
    both = row.payer_at is not None and row.payee_at is not None
    at_once = both and row.payer_at == row.payee_at
    if row.how == "credit":
        return [_event(row.created_at, f"{said} set against a credit", row.note or None, "arrows-exchange", "good")]
    if row.how == "reversal":
        if at_once:
            return [_event(row.created_at, f"{recorder} took {row.reverses} back", row.note, "arrow-back-up", "bad")]
        told = [
            _event(row.created_at, f"{recorder} asks to take {row.reverses} back", row.note, "arrow-back-up", "warn")
        ]
        if both and second:
            told.append(_event(second, f"{other} agreed: {row.reverses} is taken back", None, "arrow-back-up", "bad"))
        elif row.reversed_at:
            told.append(_event(row.reversed_at, f"{row.reverses} stays as it is", None, "check"))
        return told
    if row.how == "set_off":
        title = f"{recorder} proposed to set off {said}" if not at_once else f"{said} set off: the clause allows it"
        first = _event(row.created_at, title, row.note or None, "arrows-exchange", "good" if at_once else "info")
        agreed = f"{other} agreed to the set-off"
    else:
        title = f"{recorder} says that {said} was paid on {day_words(row.paid_on)}"
        first = _event(row.created_at, title, row.bank_reference or None, "coin", "info")
        agreed = f"{other} confirmed {row.reference}"
    first["title"] = f"{first['title']} ({row.reference})"
    return [first] + ([_event(second, agreed, None, "check", "good")] if both and not at_once and second else [])


def _event(at: Any, title: str, text: str | None, icon: str, tone: str | None = None) -> dict[str, Any]:
    return {"at": at, "title": title, "text": text, "icon": icon, "actor": None, "tone": tone, "known_at": None}


def sums(amount: Decimal, currency: str) -> Money:
    """An amount as it is paid."""
    return Money(amount, currency).rounded()


def _sum(amount: Any, currency: str) -> str:
    return str(sums(amount, currency))
