"""What happened to a buy-back order, in words for both sides: page states, event sentences, refusal reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from marketplace.agreements.states import PAGE_STATE, CallState
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.settlement.kinds import KIND_WORDS
from marketplace.sourcing.queries import CallEventRow, CallRow, MessageRow
from marketplace.sourcing.refusals import REFUSALS
from web.formats import plural

NO_RESPONSE: Final = "no_response"


def page_state(call: CallRow) -> str:
    """The state a page shows: a refusal by silence is *missed* (no response by the deadline), an accepted draw that waits
    for its replacement is to be replaced, and one not shipped in the time to make it good is in default."""
    if call.status == "inspected" and call.to_replace:
        return "to_replace"
    if call.status == "defaulted":
        return "in_default"
    if call.status == "lost":
        return "lost"
    if call.status == "refused" and call.refusal_code == NO_RESPONSE:
        return "missed"
    return PAGE_STATE[CallState(call.status)].value


def refusal_words(code: str | None) -> str:
    """Why an order was refused."""
    if code == NO_RESPONSE:
        return "No response by the deadline"
    return REFUSALS.get(code or "", (code or "").replace("_", " "))


def licence_awaited(call: CallRow) -> bool:
    """Whether the time for shipping stands still until an export licence is there."""
    return page_state(call) == "committed" and call.licence_asked_at is not None and call.licence is None


def paid_by_condition(pays: Sequence[Mapping[str, Any]]) -> list[str]:
    """What each condition pays, as the order keeps it; those that pay the same for the same reason in one sentence. Of a draw
    first what is paid where it is replaced in time, then what it is bought at where it is not."""
    bought = [pay["bought_words"] for pay in pays if pay.get("bought_words")]
    if not bought:
        return _alike([pay["words"] for pay in pays])
    return [f"Replaced in time, the fee. {words}" for words in _alike([pay["words"] for pay in pays])] + [
        f"Not replaced, bought. {words}" for words in _alike(bought)
    ]


def _alike(told: Sequence[str]) -> list[str]:
    alike: list[tuple[list[str], str]] = []
    for words in told:
        name, _, rest = words.partition(": ")
        if alike and alike[-1][1] == rest:
            alike[-1][0].append(name.lower())
        else:
            alike.append(([name], rest))
    return [f"{', '.join(names)}: {rest}" for names, rest in alike]


SETTLEMENT_WORDS: Final[Mapping[str, str]] = KIND_WORDS
"""What a settlement line is for, by its kind."""

_TITLES: Final[Mapping[str, tuple[str, str, str | None]]] = {
    "requested": ("{company} reserved {quantity} {uom}", "lock", None),
    "sold_back": ("{company} sells {of} back", "arrow-back-up", "info"),
    "destination": ("{company} says where the units go", "map-pin", None),
    "noticed": ("Order sent to {holder}", "send", "info"),
    "accepted": ("{company} committed to {of}", "check", "good"),
    "refused": ("{company} refused", "circle-x", "bad"),
    "needs_no_answer": ("No answer is needed: the units are to be shipped", "check", "good"),
    "silent_accepted": ("No response by the deadline: it counts as accepted", "clock-exclamation", "warn"),
    "clock_moved": ("The agreement stood still: the deadlines moved by that time", "clock", None),
    "silent_refused": ("No response by the deadline: it counts as refused", "clock-exclamation", "bad"),
    "acknowledged": ("{company} has seen the order", "eye", None),
    "defaulted": ("Not shipped in time, nor within the time to make it good: in default", "clock-exclamation", "bad"),
    "units_gone": ("{of} of it are recorded as gone at {holder}", "package-off", "bad"),
    "lost": ("{company} reported the consignment as lost", "package-off", "bad"),
    "ended_with_agreement": ("The agreement was ended by both sides", "flag", "bad"),
    "ended_for_breach": ("The agreement was ended for breach", "flag", "bad"),
    "covered": ("{company} bought the units elsewhere", "shopping-cart", "warn"),
    "shipped": ("{company} shipped", "truck", "info"),
    "shipment_corrected": ("{company} corrected how it travels", "pencil", None),
    "received": ("{company} received the units", "package-import", "good"),
    "inspected": ("{company} inspected: {good} accepted", "shield-check", "good"),
    "licence_asked": (
        "{company} asked for the export licence: the time for shipping stands still",
        "certificate",
        "info",
    ),
    "licence": ("{company} has the export licence", "certificate", "good"),
    "licence_refused": ("The export licence was refused", "certificate", "bad"),
    "ended_unlicensed": ("{company} ended the order: its export licence was refused", "x", "bad"),
    "gave_way": ("{of} of it went to a stopped machine", "alert-triangle", "warn"),
    "cancel_asked": ("{company} asked to cancel the order: the holder agrees, or goes on", "message", "warn"),
    "released": ("{company} agreed that the order ends", "x", None),
    "cancelled": ("{company} cancelled the order", "x", None),
    "silent_inspected": ("Nothing was rejected in time: {good} accepted", "clock-exclamation", "good"),
    "replacement_sent": ("{company} sent {of} as a replacement", "truck-return", "info"),
    "replacement_received": ("{company} received the replacement: {good} accepted", "package-import", "good"),
    "lower_grade": ("{company} accepted {of} at a lower grade", "adjustments-horizontal", "warn"),
    "condition_disputed": ("{company} objects to the condition found", "scale", "warn"),
    "dispute_agreed": ("{company} agreed: {of} kept", "scale", "good"),
    "dispute_withdrawn": ("{company} accepted {of} after all", "shield-check", "good"),
    "freight": ("{company} paid the carrier", "truck", "info"),
    "rejected_kept": ("Nobody objected in time: {company} keeps {of} for nothing", "package-import", "warn"),
    "sent_back": ("{company} sent {of} back", "truck-return", "info"),
    "received_back": ("{company} has the rejected units again", "package-import", "good"),
    "in_place": ("{of} are sent in place of rejected ones", "replace", "info"),
    "another_ordered": ("{of} were ordered in place of rejected ones", "replace", "info"),
    "no_other_left": ("No other unit is left for {of} that were rejected", "alert-triangle", "warn"),
    "bought": ("Not replaced in time: {of} bought", "coin", "warn"),
}


def call_event(event: CallEventRow, call: CallRow, *, with_reference: bool = False) -> dict[str, Any]:
    """One event as ui/unit.html's timeline wants it: a whole sentence when read aloud."""
    title, icon, tone = _TITLES.get(event.kind, (f"{{company}}: {event.kind.replace('_', ' ')}", "circle-dashed", None))
    found = event.detail
    if event.kind == "cancelled" and found.get("why") == "not_approved":
        title, tone = "Nobody approved in time: the units are free again", "warn"
    if event.kind == "inspected" and found.get("rejected"):
        tone = "bad"
    if event.kind == "cancelled" and found.get("why") == "kept":
        title = "The rejected units are kept after all: these are the holder's again"
    quantity = found.get("quantity", call.quantity)
    company = event.company
    if not found.get("by") and not event.kind.startswith("silent"):
        # Records from before Backstock say what was done, not always by whom: each step has its one side.
        company = (
            call.holder if event.kind in {"accepted", "refused", "shipped", "shipment_corrected"} else call.company
        )
    words = title.format(
        company=company, holder=call.holder, quantity=quantity, uom=call.uom, of=f"{quantity} {call.uom}",
        good=found.get("good", ""),
    )  # fmt: skip
    return {
        "at": event.at, "title": f"{call.reference}: {words}" if with_reference else words, "text": _text(event),
        "icon": icon, "actor": None, "tone": tone, "known_at": None,
    }  # fmt: skip


def thread(events: Sequence[dict[str, Any]], messages: Sequence[MessageRow]) -> list[dict[str, Any]]:
    """What happened and what was written, in the order of time: one thread, which both sides see."""
    written = [
        {
            "at": m.at, "title": f"{m.company} wrote", "text": m.text, "icon": "message", "actor": m.author, "tone": None,
            "known_at": None, "said": True,
        }
        for m in messages
    ]  # fmt: skip
    return sorted([*events, *written], key=lambda entry: entry["at"])


def _text(event: CallEventRow) -> str | None:
    found = event.detail
    if event.kind == "accepted" and found.get("code"):
        rest = f"{plural(int(found['refused']), 'unit')} refused: {refusal_words(found['code']).lower()}"
        return ". ".join(p for p in (rest, found.get("note")) if p) + "."
    if event.kind == "refused":
        return ". ".join(p for p in (refusal_words(found.get("code")), found.get("note")) if p) + "."
    if event.kind == "replacement_received" and (found.get("refused") or found.get("missing")):
        wrong = [
            f"{found[k]} {words}" for k, words in (("refused", "not accepted"), ("missing", "missing")) if found.get(k)
        ]
        return f"{', '.join(wrong)}: {found.get('note')}"
    if event.kind == "licence_refused":
        return f"{found.get('note')} Either side may end the order."
    if event.kind == "licence":
        return f"Licence {found.get('licence')}."
    if event.kind == "sold_back":
        return f"At {found.get('price')} a unit; it cannot be refused."
    if event.kind == "destination":
        return f"To {found.get('site')}."
    if event.kind == "lower_grade":
        return f"{found.get('less')} less is proposed: {found.get('note')}"
    if event.kind == "units_gone":
        return f"{found.get('replaced')} were made up for by others; the order goes on for {found.get('left')}."
    if event.kind == "lost":
        return f"{found.get('note')} {found.get('words')}"
    if event.kind == "covered":
        return f"{found.get('unit_price')} each by {found.get('document')}; {found.get('amount')} is owed for it."
    if event.kind == "freight":
        return f"{found.get('amount')} by document {found.get('document')}, owed by the other side."
    if event.kind in {"in_place", "another_ordered"}:
        return f"Rejected under {found['of']}." if event.kind == "in_place" else f"By {found['by_order']}."
    if event.kind == "condition_disputed":
        named = (CONDITION_WORDS[str(found.get(k))].lower() for k in ("condition", "found"))
        return f"{plural(int(found.get('quantity') or 0), 'unit')}: " + ", not ".join(named) + "."
    if event.kind == "dispute_agreed":
        return f"For {found.get('amount')}; {found.get('back')} to go back."
    if event.kind == "received_back" and found.get("missing"):
        return f"{found['missing']} missing: {found.get('note')}"
    if event.kind == "shipped" and (others := found.get("in_place")):
        how = ", ".join(str(p) for p in (found.get("carrier"), found.get("tracking")) if p)
        sent = ", ".join(f"{x['quantity']} x {x['number']}" for x in others)
        return f"{how}. In place of units of the schedule: {sent}."
    if event.kind in {"shipped", "shipment_corrected", "replacement_sent", "sent_back"}:
        return ", ".join(str(p) for p in (found.get("carrier"), found.get("tracking")) if p) or None
    if event.kind == "inspected" and found.get("rejected"):
        return f"{found['rejected']} rejected: {found.get('note')}"
    return None
