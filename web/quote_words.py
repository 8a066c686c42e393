"""What a quote's page says: whose turn it is, and its whole history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from marketplace.agreements.phrases import deadline
from marketplace.kit.money import Money
from marketplace.orders.queries import MessageRow, QuoteRow, VersionRow
from marketplace.orders.quoting import REASONS, WORDS
from web.formats import plural

RELATIONS: Final = {"asked": "", "superseded_by": "Replaces {part}", "alternate": "Alternate of {part}"}


def relation(found: str, part: str) -> str:
    """How an offered part stands to the one that was asked for; nothing for that one itself."""
    return RELATIONS[found].format(part=part)


def next_words(quote: QuoteRow, company_is_seller: bool, now: datetime) -> str:
    """What happens next, in one sentence to this side."""
    shown, turn = quote.shown_status(now), quote.standing.waits_for(now)
    other = quote.buyer if company_is_seller else quote.seller
    mine = (turn == "seller") == company_is_seller
    if shown == "asked":
        return "Make an offer, or decline with a reason." if mine else f"{other} makes an offer, or declines."
    if shown == "offered":
        return (
            f"Accept version {quote.last_version}, answer it with other figures, or decline."
            if mine
            else f"{other} answers your offer."
        )
    if shown == "lapsed":
        return "The offer was not answered in time, and nothing is reserved for it any more. Either side may make another one."
    reason = REASONS.get(quote.reason_code or "", "")
    said = ". ".join(p for p in (reason, quote.reason_text) if p)
    return f"This request is {WORDS[shown]}{f' by {quote.ended_by}' if shown in ('declined', 'withdrawn') else ''}.{f' {said}.' if said else ''}"


def history(
    quote: QuoteRow, versions: Sequence[VersionRow], messages: Sequence[MessageRow], zone: str
) -> list[dict[str, Any]]:
    """What was asked, offered and written, and how it ended, in the order of time, as ui/unit.html wants them. ``zone``: the reader's."""
    found = [_entry(quote.asked_at, f"{quote.buyer} asked for a quote", quote.note or None, "message-circle")]
    for v in versions:
        units = plural(sum(x.quantity for x in v.lines), "unit")
        kept = ", reserved" if v.reserved else ""
        text = f"{units} for {Money(v.total, v.currency)}{kept}, until {deadline(v.expires_at, zone)}.{f' {v.note}' if v.note else ''}"
        found.append(
            _entry(v.made_at, f"{v.company} offered: version {v.number}", text, "arrows-exchange", "info", v.maker)
        )
    if quote.ended_at:
        said = ". ".join(p for p in (REASONS.get(quote.reason_code or ""), quote.reason_text) if p) or None
        icon, tone = ("check", "good") if quote.status == "accepted" else ("x", "bad")
        found.append(_entry(quote.ended_at, f"{quote.ended_by} {quote.status} it", said, icon, tone))
    return in_time([*found, *said_entries(messages)])


def said_entries(messages: Sequence[MessageRow]) -> list[dict[str, Any]]:
    """Messages as entries of a timeline."""
    return [{**_entry(m.at, f"{m.company} wrote", m.text, "message", None, m.author), "said": True} for m in messages]


def in_time(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries in the order of time."""
    return sorted(entries, key=lambda entry: entry["at"])


def _entry(
    at: datetime, title: str, text: str | None, icon: str, tone: str | None = None, actor: str | None = None
) -> dict[str, Any]:
    return {"at": at, "title": title, "text": text, "icon": icon, "actor": actor, "tone": tone, "known_at": None}
