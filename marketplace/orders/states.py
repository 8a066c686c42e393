"""What may happen to an order next, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from marketplace.kit.errors import conflict, invalid
from marketplace.orders.delivery import DIFFERENCE_REASONS

NEXT: Mapping[str, frozenset[str]] = {
    "placed": frozenset({"accepted", "declined", "cancelled", "expired"}),
    "accepted": frozenset({"shipped", "cancelled"}),
    "signed": frozenset({"shipped", "cancelled"}),
    "shipped": frozenset({"received"}),
    "received": frozenset(),
    "declined": frozenset(),
    "cancelled": frozenset(),
    "expired": frozenset(),
}
WORDS: Mapping[str, str] = {
    "placed": "waiting for the seller's answer",
    "accepted": "accepted, waiting for both signatures or for shipping",
    "signed": "signed, waiting to be shipped",
    "shipped": "on its way",
    "received": "received",
    "declined": "declined by the seller",
    "cancelled": "cancelled",
    "expired": "not answered in time; the units are free again",
}
MOST_NOTE = 1_000
DECLINE_REASONS: Mapping[str, str] = {
    "needed_ourselves": "We need the units ourselves",
    "not_on_shelf": "Not on the shelf",
    "damaged": "Damaged",
    "price": "Price was wrong",
    "credit": "Credit or compliance",
    "other": "Other",
}


def require_next(current: str, wanted: str) -> None:
    """Raises ``order.state`` when an order in ``current`` cannot become ``wanted``."""
    if wanted not in NEXT[current]:
        raise conflict("order.state", f"This order is {WORDS[current]}; it cannot be {wanted} now.", state=current)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """So many of a line that the seller does not accept, and why."""

    line_no: int
    quantity: int
    reason: str
    note: str = ""


def check_left_out(left: Sequence[LeftOut], ordered: Mapping[int, int]) -> None:
    """Raises ``order.left_out`` unless each stands once, for units of a line that was ordered (line -> how many), with a reason, and
    something is left to be accepted."""
    for index, x in enumerate(left):
        field = f"left_out.{index}"
        if x.line_no not in ordered or sum(other.line_no == x.line_no for other in left) > 1:
            raise invalid("order.left_out", "Name each line of the order at most once.", field=field)
        if not 0 < x.quantity <= ordered[x.line_no]:
            raise invalid(
                "order.left_out",
                f"Line {x.line_no}: leave out from 1 to the {ordered[x.line_no]:,} that were ordered.",
                field=field,
            )
        if x.reason not in DECLINE_REASONS or len(x.note) > 500:
            raise invalid(
                "order.left_out",
                f"Line {x.line_no}: choose a reason ({', '.join(DECLINE_REASONS)}) and say at most 500 characters.",
                field=field,
            )
    if left and sum(x.quantity for x in left) == sum(ordered.values()):
        raise invalid(
            "order.left_out", "This would leave nothing to accept: decline the order instead.", field="left_out"
        )


def lacking(told: int, shipped: int, of: str = "") -> str:
    """How what was told of differs from what was shipped: 'add up to 3, but 4 were shipped: 1 is still to be told
    of.'"""
    more = told - shipped
    lacks = f"{more:,} too many" if more > 0 else f"{-more:,} {'is' if more == -1 else 'are'} still to be told of"
    return f"add up to {told:,}, but {shipped:,}{of} {'was' if shipped == 1 else 'were'} shipped: {lacks}."


@dataclass(frozen=True, slots=True)
class Receipt:
    """What arrived of one line: in good order, short, damaged, wrong part, and ``over``: more than was shipped. ``note`` for all
    but the first; ``reasons`` a code for each of those; ``named`` says by outcome which serial-numbered units (by serial or lot
    id) it became of."""

    line_no: int
    good: int
    short: int = 0
    damaged: int = 0
    wrong: int = 0
    note: str = ""
    named: Mapping[str, Sequence[str]] = field(default_factory=lambda: MappingProxyType({}))
    over: int = 0
    reasons: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def check(self, quantity: int, field: str) -> None:
        """Raises ``order.receipt`` unless the four add up to what was shipped. ``field`` is the line's place in what
        was sent."""
        counts = (self.good, self.short, self.damaged, self.wrong)
        if any(c < 0 for c in (*counts, self.over)):
            raise invalid("order.receipt", f"Line {self.line_no}: count zero or more of each.", field=field)
        if (told := sum(counts)) != quantity:
            raise invalid(
                "order.receipt",
                f"Line {self.line_no}: good {self.good:,}, short {self.short:,}, damaged {self.damaged:,} and wrong part "
                f"{self.wrong:,} {lacking(told, quantity)}",
                field=field,
            )
        if (sum(counts[1:]) or self.over) and not self.note.strip():
            raise invalid(
                "order.receipt_note",
                f"Line {self.line_no}: say in a few words what is wrong.",
                field=f"{field}.note",
            )

        if len(self.note) > MOST_NOTE:
            raise invalid(
                "order.receipt_note", f"Line {self.line_no}: say at most {MOST_NOTE} characters.", field=f"{field}.note"
            )
        for kind, code in self.reasons.items():
            if code not in DIFFERENCE_REASONS.get(kind, ()):
                known = (
                    ", ".join(DIFFERENCE_REASONS.get(kind, {}))
                    or "none: only short, damaged, wrong and over have reasons"
                )
                raise invalid(
                    "order.receipt_reason", f"Line {self.line_no}: choose a reason ({known}).", field=f"{field}.reasons"
                )

    def differences(self) -> dict[str, tuple[int, str]]:
        """How many, and the reason's code, by what was not as it should be."""
        found = {"short": self.short, "damaged": self.damaged, "wrong": self.wrong, "over": self.over}
        return {kind: (n, self.reasons.get(kind, "other")) for kind, n in found.items() if n}

    @property
    def not_good(self) -> int:
        """How many the buyer does not accept."""
        return self.short + self.damaged + self.wrong

    def counts(self) -> dict[str, int]:
        """Quantity by outcome, good first."""
        return {"good": self.good, "damaged": self.damaged, "wrong": self.wrong, "short": self.short}
