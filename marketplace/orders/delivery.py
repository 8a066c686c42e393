"""What is said of an order on its way: how far it is, what arrived otherwise and why, who may cancel what, what can go back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final, Literal
from uuid import UUID

from marketplace.agreements.phrases import count
from marketplace.kit.errors import invalid

DIFFERENCES: Final[Mapping[str, str]] = MappingProxyType(
    {"short": "Missing", "damaged": "Damaged", "wrong": "Wrong part", "over": "Too many"}
)
DIFFERENCE_REASONS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "short": {"not_in_package": "Not in the package", "package_missing": "A package did not arrive", "other": "Other"},
        "damaged": {"in_transport": "Damaged on the way", "badly_packed": "Badly packed", "corroded": "Corroded or aged", "other": "Other"},
        "wrong": {
            "other_part": "Another part than ordered", "other_serial": "Another serial number than stated",
            "other_condition": "Another condition than ordered", "no_papers": "Papers missing or of another unit", "other": "Other",
        },
        "over": {"more_in_package": "More in the package than on the packing list", "sent_twice": "Sent twice", "other": "Other"},
    }
)  # fmt: skip
SETTLED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "lost": "lost on the way; nothing is owed for it",
        "never_left": "found at the seller's; nothing is owed for it",
        "ship_again": "found at the seller's; it is shipped with the rest",
        "send_back": "goes back to the seller; nothing is owed for it",
        "scrap": "scrapped where it is; nothing is owed for it",
        "taken": "taken by the buyer after all; its price is owed",
        "withdrawn": "the buyer counted again: there was none",
        "in_parts": "settled in parts",
    }
)
ANSWERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "short": ("lost", "ship_again", "never_left", "dispute"),
        "damaged": ("send_back", "scrap", "dispute"),
        "wrong": ("send_back", "scrap", "dispute"),
        "over": ("send_back", "dispute"),
    }
)
"""What the seller may answer to each kind of difference."""
ANSWER_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "lost": "Accept: lost on the way",
        "ship_again": "Found at our site: ship it with the rest",
        "never_left": "Found at our site: leave it out",
        "send_back": "Accept: it comes back to us",
        "scrap": "Accept: scrap it there",
        "dispute": "Dispute it",
    }
)
_COUNTED: Final = {"counted": "Counted when it was packed", "carrier": "The carrier says that all was delivered"}
DISPUTE_REASONS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "short": {**_COUNTED, "in_package": "They were in the package: look again", "other": "Other"},
        "damaged": {
            "left_whole": "They left undamaged", "after_arrival": "Damaged after they arrived", "as_described": "As the posting describes them",
            "no_proof": "Nothing shows the damage", "other": "Other",
        },
        "wrong": {"as_ordered": "It is the part that was ordered", "as_described": "As the posting describes them", "papers_sent": "The papers were sent", "other": "Other"},
        "over": {**_COUNTED, "other": "Other"},
    }
)  # fmt: skip
"""Why the seller disputes what is said to differ."""
CANCEL_ANSWERS: Final[Mapping[str, str]] = MappingProxyType(
    {"agree": "agreed", "refuse": "refused", "withdraw": "withdrawn"}
)
"""What may be answered to a wish to cancel the rest, and what becomes of it by that."""
CANCEL_REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "not_needed": "No longer needed", "ordered_twice": "Ordered twice", "too_late": "It would come too late",
        "price": "Price was wrong", "not_on_shelf": "Not on the shelf", "needed_ourselves": "The seller needs the units itself",
        "other": "Other",
    }
)  # fmt: skip
RETURN_REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "not_needed": "No longer needed", "ordered_wrong": "Ordered the wrong part", "does_not_fit": "Does not fit the machine",
        "quality": "Not as good as described", "other": "Other",
    }
)  # fmt: skip
REFUSE_REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "as_agreed": "Delivered as agreed", "too_late": "Asked too late", "no_use": "We have no use for it",
        "condition": "Only unused units are taken back", "other": "Other",
    }
)  # fmt: skip
RETURN_STATES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "asked": "waits for the seller's answer", "agreed": "agreed, waiting to be sent back", "refused": "refused by the seller",
        "withdrawn": "withdrawn", "shipped": "on its way back", "received": "back at the seller's",
    }
)  # fmt: skip
ANSWER_TIME: Final = timedelta(days=15)
"""Within which time a side says what becomes of a difference or a return, and sends back what was agreed on: the routine time to respond
of the agreements that the clauses were drawn from. Nothing happens by itself when it is over: the other side sees that it is late."""
MOST_NOTE: Final = 500
MOST_SHIPMENTS: Final = 200
"""An order with more is a mistake of a program."""
MOST_RETURNS: Final = 200


def check_code(code: str, known: Mapping[str, str], note: str, *, what: str, field: str = "reason") -> None:
    """Raises ``<what>`` unless the reason is one of ``known`` and the note is short enough; 'other' says what in the note."""
    if code not in known:
        raise invalid(what, f"Choose a reason: {', '.join(known)}.", field=field)
    if len(note) > MOST_NOTE:
        raise invalid(what, f"Say at most {MOST_NOTE} characters.", field="note")
    if code == "other" and not note.strip():
        raise invalid(what, "Say in a few words what the reason is.", field="note")


@dataclass(frozen=True, slots=True)
class Portion:
    """So many of a line that travel in a shipment; ``serials`` (or lot ids) of the serial-numbered ones among them."""

    line_no: int
    quantity: int
    serials: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a difference is meant. ``quantity``: None = all that is open, which ``serials`` need not name then; ``open``: how many
    were open when it was looked at, None = not said."""

    quantity: int | None = None
    serials: tuple[str, ...] = ()
    open: int | None = None


WHOLE: Final = Share()


@dataclass(frozen=True, slots=True)
class Among:
    """So many units of a lot, among which some are chosen."""

    lot_id: UUID
    quantity: int
    serial: str | None


def chosen_among(
    rows: Sequence[Among], quantity: int, serials: Sequence[str], *, of: str, code: str, field: str | None = None
) -> list[Among]:
    """``quantity`` of the units in ``rows``: the serial-numbered ones that ``serials`` names (or lot ids), the others, which nobody can tell
    apart, in their order; all of them need no names. Of a lot that stands in several rows what is chosen is added up. The caller has
    seen that there are as many. Raises ``code``."""
    numbered = {name: r for r in rows if r.serial for name in (r.serial, str(r.lot_id))}
    found: dict[UUID, Among] = {}
    wanted = quantity
    for name in serials:
        unit = numbered.get(name.strip())
        if unit is None or unit.lot_id in found:
            raise invalid(code, f"{of}: {name[:40]} is not among these units, or is named twice.", field=field)
        found[unit.lot_id] = Among(unit.lot_id, 1, unit.serial)
        wanted -= 1
    everything = quantity == sum(r.quantity for r in rows)
    for r in rows if everything else [r for r in rows if r.serial is None]:
        before = found[r.lot_id].quantity if r.lot_id in found else 0
        part = min(wanted, r.quantity) if r.serial is None or not before else 0
        if part > 0:
            found[r.lot_id] = Among(r.lot_id, before + part, r.serial)
            wanted -= part
    if wanted:
        words = "say which serial numbers" if wanted > 0 else "name at most as many serial numbers as you say units"
        raise invalid(code, f"{of}: {words}.", field=field)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Packed:
    """What is known of a shipment's packages. ``weight_grams``: gross, all of it; ``origin``: country, two letters."""

    packages: int | None = None
    weight_grams: int | None = None
    origin: str | None = None
    note: str = ""

    def check(self) -> None:
        """Raises ``shipment.packed``."""
        if self.packages is not None and not 1 <= self.packages <= 10_000:
            raise invalid("shipment.packed", "Give from 1 to 10,000 packages, or leave it out.", field="packages")
        if self.weight_grams is not None and not 1 <= self.weight_grams <= 1_000_000_000:
            raise invalid("shipment.packed", "Give a weight above zero, or leave it out.", field="weight_grams")
        if self.origin is not None and not (
            len(self.origin) == 2 and self.origin.isascii() and self.origin.isalpha() and self.origin.isupper()
        ):
            raise invalid("shipment.packed", "Write the country of origin as two capitals, such as US.", field="origin")
        if len(self.note) > MOST_NOTE:
            raise invalid("shipment.packed", f"Say at most {MOST_NOTE} characters.", field="note")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an order is, in units."""

    ordered: int
    shipped: int
    shipments: int
    arrived: int
    """Of those shipped: in the buyer's hands, whatever became of them."""
    missing: int = 0
    """Shipped, received without: not settled, or lost."""

    def words(self) -> str:
        """'12 of 20 units shipped in 2 shipments, 8 received.'; '' before anything ships."""
        if not self.shipments:
            return ""
        said = f"{self.shipped:,} of {count(self.ordered, 'unit')} shipped in {count(self.shipments, 'shipment')}, {self.arrived:,} received"
        return said + (f", {self.missing:,} missing." if self.missing else ".")


# -- who may cancel what ---------------------------------------------------------------------------------

How = Literal["alone", "ask", "end_agreement", "never"]


@dataclass(frozen=True, slots=True)
class CancelRule:
    """Whether and how a side may cancel, and in words for that side."""

    how: How
    words: str


def cancel_rule(status: str, *, side: Literal["seller", "buyer"], signed: bool, shipped: int, left: int) -> CancelRule:
    """The rule for an order in this state. ``shipped`` / ``left``: units that have left and that have not."""
    if status == "placed":
        if side == "buyer":
            return CancelRule("alone", "Until the seller has answered you cancel alone, at no cost.")
        return CancelRule("never", "You have not accepted yet: decline the order instead.")
    if status == "accepted" and not signed:
        return CancelRule(
            "alone", "Until both sides have signed, either side cancels alone, with a reason and at no cost."
        )
    if status == "accepted" and not shipped:
        return CancelRule(
            "end_agreement",
            "Both sides have signed: one side alone cannot cancel any more. Propose to end the agreement; once the other side "
            "has signed that, the order is cancelled and the units are free.",
        )
    if status == "accepted" and left:
        return CancelRule(
            "ask",
            f"Part of it has shipped. The {count(left, 'unit')} that {'is' if left == 1 else 'are'} left can be cancelled if both "
            "agree: one asks with a reason, the other answers. What has shipped stays ordered.",
        )
    if status in {"shipped", "received"}:
        return CancelRule(
            "never",
            "All of it has shipped: nothing can be cancelled any more. After the receipt the buyer can ask to return units.",
        )
    return CancelRule("never", "This order has ended already.")


def named_units(quantities: Sequence[tuple[str, int]]) -> str:
    """'4 of 1001-A, 2 of 77-B'."""
    return ", ".join(f"{n:,} of {part}" for part, n in quantities)
