"""Many lines of a draft changed by one rule: price, quantity, minimum to keep. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_UP, Decimal
from typing import Final, Literal

from marketplace.kit.errors import invalid
from marketplace.listings.quantities import in_packages

Base = Literal["list", "cost", "present"]
BASES: Final[Mapping[str, str]] = {
    "list": "of the list price", "cost": "of the unit cost", "present": "of the present price",
}  # fmt: skip
STEPS: Final[Mapping[str, Decimal]] = {
    "0.01": Decimal("0.01"), "0.10": Decimal("0.10"), "1": Decimal(1), "5": Decimal(5), "10": Decimal(10),
}  # fmt: skip
"""What prices are rounded to."""
MOST_PERCENT: Final = Decimal(1000)


@dataclass(frozen=True, slots=True)
class Formula:
    """``percent`` of ``base`` is the new price, rounded to ``step`` (a half to the even one); ``share`` percent of what is free is the
    new quantity, in whole packages; ``keep`` percent of the quantity is the minimum to keep, rounded up. None leaves a thing as it is."""

    percent: Decimal | None = None
    base: Base = "list"
    step: Decimal = Decimal("0.01")
    share: Decimal | None = None
    keep: Decimal | None = None

    def check(self) -> None:
        """Raises ``formula.empty``, ``formula.percent``."""
        if self.percent is None and self.share is None and self.keep is None:
            raise invalid("formula.empty", "Say what to change: price, quantity or minimum to keep.", field="percent")
        for name, value, most in (
            ("percent", self.percent, MOST_PERCENT),
            ("share", self.share, Decimal(100)),
            ("keep", self.keep, Decimal(100)),
        ):
            if value is not None and not 0 <= value <= most:
                raise invalid("formula.percent", f"Write 0 to {most:,} percent.", field=name)


@dataclass(frozen=True, slots=True)
class LineNow:
    """A line of a draft with what a formula reckons from. ``free``: what could be offered in all, the line's own units among it."""

    quantity: int
    unit_price: Decimal
    minimum_quantity: int
    package_quantity: int
    minimum_to_keep: int
    free: int
    list_price: Decimal | None
    unit_cost: Decimal | None


@dataclass(frozen=True, slots=True)
class LineThen:
    """The line as it becomes; ``why_not``: what kept its price as it is."""

    quantity: int
    unit_price: Decimal
    minimum_quantity: int
    minimum_to_keep: int
    why_not: str = ""


def applied(formula: Formula, lines: Sequence[LineNow]) -> list[LineThen]:
    """Each line under the formula. A line whose base price is not known keeps its price, and says so; a line always offers at least one
    package, and never more than is free."""
    formula.check()
    return [_one(formula, line) for line in lines]


def _one(formula: Formula, line: LineNow) -> LineThen:
    price, why = line.unit_price, ""
    if formula.percent is not None:
        base = {"list": line.list_price, "cost": line.unit_cost, "present": line.unit_price}[formula.base]
        if base is None:
            why = f"No {'list price' if formula.base == 'list' else 'unit cost'} is known: its price stays."
        else:
            steps = (base * formula.percent / 100 / formula.step).quantize(Decimal(1), ROUND_HALF_EVEN)
            # What is worth something is never given away by rounding.
            price = max(steps * formula.step, formula.step if base and formula.percent else Decimal(0))
    quantity = line.quantity
    if formula.share is not None:
        wished = int((Decimal(line.free) * formula.share / 100).quantize(Decimal(1), ROUND_UP))
        quantity = _whole(max(wished, 1), line)
    keep = min(line.minimum_to_keep, quantity)
    if formula.keep is not None:
        keep = int((Decimal(quantity) * formula.keep / 100).quantize(Decimal(1), ROUND_UP))
    return LineThen(quantity, price, min(line.minimum_quantity, quantity), keep, why)


def _whole(wished: int, line: LineNow) -> int:
    """The nearest whole number of packages that is there."""
    most = max(line.free, line.quantity)
    near = in_packages(min(wished, most), line.package_quantity, most=most)
    if near is None:
        return min(wished, most)
    return max(near) if near else line.quantity
