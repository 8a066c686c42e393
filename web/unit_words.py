"""A unit's history in sentences that can be read aloud: what each stock transaction says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from markupsafe import Markup

from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.ledger.queries import HistoryRow
from marketplace.parties.actor import Actor

LATER: Final = timedelta(hours=12)
"""A transaction recorded later than this after it happened says when it was recorded."""
HIDDEN: Final = "a company not named here"
CAUSES: Final[Mapping[str, str]] = {
    "import": "from a file", "order": "for an order", "call": "for a buy-back order", "requisition": "for a parts request",
    "holding": "recorded by the holder", "correction": "as a correction", "quality": "for quality",
    "notice": "reported by the holder", "transfer": "as a transfer", "count": "after a count",
    "recall": "by a hold across holders",
}  # fmt: skip


def _place(site: str | None) -> str:
    return site or "on the road"


def _many(row: HistoryRow, uom: str) -> str:
    return f"{row.quantity:,} {uom}"


Sentence = Callable[[HistoryRow, str], str]
_SENTENCES: Final[Mapping[str, tuple[Sentence, str, str | None]]] = {
    "register": (lambda r, n: f"{n} registered at {_place(r.to_site)}", "package-import", "good"),
    "split": (
        lambda r, n: f"{n} split off into a lot of its own" if r.from_position else f"{n} split off from an older lot",
        "stack-2",
        None,
    ),
    "move": (lambda r, n: f"{n} moved from {_place(r.from_site)} to {_place(r.to_site)}", "route", None),
    "ship": (lambda r, n: f"{r.from_holder or HIDDEN} shipped {n} from {_place(r.from_site)}", "truck", "info"),
    "receive": (
        lambda r, n: f"{r.to_holder or HIDDEN} received {n} at {_place(r.to_site)}", "package-import", "good",
    ),
    "title": (
        lambda r, n: f"Ownership of {n} passed from {r.from_owner or HIDDEN} to {r.to_owner or 'its buyer'}",
        "certificate",
        "info",
    ),
    "repoint": (
        lambda r, n: f"An agreement now covers {n}" if r.to_agreement_id else f"The right in {n} ended: free of it",
        "contract",
        "info",
    ),
    "hold": (lambda _r, n: f"{n} reserved", "lock", None),
    "void": (lambda _r, n: f"Reservation of {n} ended", "lock-open", None),
    "expire": (lambda _r, n: f"Reservation of {n} ran out", "hourglass", None),
    "use_up": (lambda r, n: f"{r.from_holder or HIDDEN} used up {n} at {_place(r.from_site)}", "tools", "warn"),
    "install": (lambda r, n: f"{n} fitted in {r.machine or 'a machine'}", "tool", "warn"),
    "remove": (lambda r, n: f"{n} taken out of {r.machine or 'a machine'}", "tool", None),
    "repair": (lambda r, n: f"{n} repaired: {_graded(r)}", "tool", None),
    "regrade": (lambda r, n: f"{n} graded again: {_graded(r)}", "edit", None),
    "scrap": (lambda r, n: f"{r.from_holder or HIDDEN} scrapped {n}", "trash", "bad"),
    "lose": (lambda _r, n: f"{n} lost", "alert-triangle", "bad"),
    "find": (lambda r, n: f"{n} found again at {_place(r.to_site)}", "circle-check", "good"),
    "count_adjust": (
        lambda r, n: f"A count found {n} {'fewer' if r.from_position else 'more'}", "clipboard-list", "warn",
    ),
    "correct": (lambda r, n: f"Correction of entry {r.corrects}: {n} the other way", "arrow-back-up", "warn"),
    "freeze": (lambda _r, _n: "Put on quality hold", "hand-stop", "bad"),
    "lift": (lambda _r, _n: "Quality hold ended", "circle-check", "good"),
}  # fmt: skip


def _graded(row: HistoryRow) -> str:
    before, after = (CONDITION_WORDS.get(c or "", "unknown").lower() for c in (row.from_condition, row.to_condition))
    return f"from {before} to {after}"


def sentence(row: HistoryRow, uom: str) -> str:
    """What the transaction says, as one sentence without its date."""
    return _known(row)[0](row, _many(row, uom))


def _known(row: HistoryRow) -> tuple[Sentence, str, str | None]:
    kind = row.purpose or row.kind
    return _SENTENCES.get(kind, (lambda _r, n: f"{kind.replace('_', ' ').capitalize()}: {n}", "circle-dashed", None))


_REASONS: Final = {
    "receipt_short": "Not in the delivery.",
    "receipt_damaged": "Arrived damaged: not accepted, kept for its owner.",
    "receipt_wrong": "Arrived as the wrong part: not accepted, kept for its owner.",
}
"""Codes that the service gives; what people wrote stands as they wrote it."""


def event(
    row: HistoryRow, uom: str, corrected: frozenset[tuple[UUID, int]], reader: Actor, lot_id: UUID
) -> dict[str, Any]:
    """The transaction as ui/unit.html's timeline wants it, on the page of this lot."""
    ours = row.lot_id == lot_id
    wrong = (row.lot_id, row.seq) in corrected
    _, icon, tone = _known(row)
    words: list[Any] = [w for w in (_REASONS.get(row.reason or "", row.reason), row.note) if w]
    if wrong:
        words.append("Corrected later: this did not stand.")
    if not ours:
        of = "The lot it was split off from" if row.depth < 0 else "A lot split off from it"
        words.append(Markup('<a href="/units/{}">{}</a>').format(row.lot_id, of))
    if row.counterpart_lot_id and row.counterpart_lot_id != lot_id:
        words.append(Markup('<a href="/units/{}">The other lot</a>').format(row.counterpart_lot_id))
    if (row.agreement_id or row.to_agreement_id) and row.party and not row.veiled and reader.may("agreement.read"):
        words.append(
            Markup('<a href="/agreements/{}">The agreement</a>').format(row.to_agreement_id or row.agreement_id)
        )
    link, verb = _RECORDS.get(row.cause_kind, (None, ""))
    if link and not (reader.may(verb) and _concerns(row, reader)):
        link = None  # a page that would refuse this reader is not offered
    cause = CAUSES.get(row.cause_kind)
    if link and row.cause_id:
        words.append(Markup('<a href="{}/{}">{}</a>').format(link, row.cause_id, (cause or "").capitalize()))
    late = row.recorded_at - row.occurred_at > LATER
    return {
        "at": row.occurred_at,
        "title": sentence(row, uom),
        "text": Markup(" · ").join(words) if words else None,
        "icon": icon,
        "mark": _mark(row),
        "actor": f"entry {row.seq}{'' if ours else ' there'}, by {row.company}"
        + (f", {cause}" if cause and not link else ""),
        "tone": "bad" if wrong else tone,
        "known_at": row.recorded_at if late else None,
    }


_RECORDS: Final = {
    "order": ("/orders", "order.read"),
    "quote": ("/quotes", "order.read"),
    "call": ("/calls", "call.read"),
    "requisition": ("/requests", "sourcing.read"),
    "recall": ("/recalls", "stock.read"),
}


def _concerns(row: HistoryRow, reader: Actor) -> bool:
    """Whether the reader's company is a side of the movement, or asked for it as the record's other side.

    Orders are read by their two sides only; calls and requests also by the company that sources under a delegation,
    whose name need not stand in the movement.
    """
    sides = {row.company, row.from_owner, row.from_holder, row.to_owner, row.to_holder}
    return row.cause_kind != "order" or reader.company_name in sides


def _mark(row: HistoryRow) -> str | None:
    """Where the story goes on in another lot, or with another owner."""
    kind = row.purpose or row.kind
    return {"split": "New lot", "title": "New owner"}.get(kind)


def events(rows: Sequence[HistoryRow], uom: str, reader: Actor, lot_id: UUID) -> list[dict[str, Any]]:
    """The whole chain's history on the page of one of its lots, oldest first. A split stands in both lots; where both
    are told, it is told once."""
    corrected = frozenset((r.lot_id, r.corrects) for r in rows if r.corrects is not None)
    given = {r.counterpart_lot_id for r in rows if r.counterpart_lot_id and r.from_position}
    told = [r for r in rows if not (r.kind == "split" and not r.from_position and r.lot_id in given)]
    return [event(row, uom, corrected, reader, lot_id) for row in told]
