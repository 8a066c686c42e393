"""Money: an exact amount with its currency. Never a float.

Amounts are kept in the currency's minor unit precision on display and to four decimals inside, since unit
prices of small parts go below a cent. Rates are basis points (1 % = 100).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Decimal, InvalidOperation
from enum import StrEnum

from marketplace.kit.errors import invalid

_MINOR_DIGITS = {"JPY": 0, "KRW": 0, "CLP": 0, "ISK": 0, "BHD": 3, "KWD": 3, "TND": 3, "OMR": 3, "JOD": 3}
MAX_AMOUNT = Decimal("999999999999.9999")


class Rounding(StrEnum):
    """How a computed price is rounded; an agreement names one."""

    HALF_UP = "half_up"
    HALF_EVEN = "half_even"
    UP = "up"


_MODES = {Rounding.HALF_UP: ROUND_HALF_UP, Rounding.HALF_EVEN: ROUND_HALF_EVEN, Rounding.UP: ROUND_UP}


def minor_digits(currency: str) -> int:
    """Digits after the point that the currency is paid in (ISO 4217): USD 2, JPY 0, KWD 3."""
    return _MINOR_DIGITS.get(currency, 2)


# Currency -> its smallest amount. Codes are looked at once: thousands of amounts are made for one page.
_STEPS: dict[str, Decimal] = {}


def _learn(currency: str) -> None:
    if len(currency) != 3 or not currency.isascii() or not currency.isupper():
        raise invalid("money.currency", f"'{currency}' is not a three-letter currency code such as USD.")
    _STEPS[currency] = Decimal(1).scaleb(-minor_digits(currency))


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """``amount`` (exact Decimal) in ``currency`` (three capital letters, ISO 4217)."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not isinstance(self.amount, Decimal):
            raise TypeError("Money.amount must be a Decimal")
        if self.currency not in _STEPS:
            _learn(self.currency)
        if not self.amount.is_finite() or abs(self.amount) > MAX_AMOUNT:
            raise invalid("money.amount", "The amount is out of range.")

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount - other.amount, self.currency)

    def __mul__(self, quantity: int) -> Money:
        if not isinstance(quantity, int):
            raise TypeError("multiply money by whole quantities; for shares use share()")
        return Money(self.amount * quantity, self.currency)

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise invalid("money.mixed", f"Cannot mix {self.currency} and {other.currency} without a rate.")

    def share(self, basis_points: int, rounding: Rounding = Rounding.HALF_UP) -> Money:
        """This many basis points of the amount, rounded to the currency's minor unit (8500 = 85 %)."""
        exact = self.amount * basis_points / 10_000
        return Money(exact.quantize(_STEPS[self.currency], _MODES[rounding]), self.currency)

    def rounded(self, rounding: Rounding = Rounding.HALF_UP) -> Money:
        """Rounded to what can be paid in this currency."""
        return Money(self.amount.quantize(_STEPS[self.currency], _MODES[rounding]), self.currency)

    def minor(self) -> int:
        """Whole minor units (cents), rounded half up: what solvers compare."""
        return int(self.rounded().amount.scaleb(minor_digits(self.currency)))

    def __str__(self) -> str:
        if self.amount.same_quantum(_STEPS[self.currency]):
            return f"{self.amount:,f} {self.currency}"
        return f"{self.amount:,.{self._places()}f} {self.currency}"

    def _places(self) -> int:
        """The currency's digits, or more where a unit price has more."""
        exponent = self.amount.normalize().as_tuple().exponent
        return max(minor_digits(self.currency), -exponent if isinstance(exponent, int) else 0)

    @property
    def plain(self) -> str:
        """The amount alone, for a program to read: '1250.00', '0.0125', in yen '1250'."""
        return f"{self.amount:.{self._places()}f}"


def price_cell(amount: Decimal | None, currency: str | None) -> str:
    """A unit price as files hold it: in the currency's digits, and more where it has more; empty where there is none."""
    return "" if amount is None or not currency else Money(amount, currency).plain


def amount_cell(amount: Decimal | None, currency: str | None) -> str:
    """What is paid or worth as files hold it: rounded to the currency's digits; empty where there is none."""
    return "" if amount is None or not currency else Money(amount, currency).rounded().plain


def parse_amount(text: str) -> Decimal:
    """A decimal amount as people and files write it ('1,234.50', '1234.5', '$12').

    A comma is a thousands separator when a point follows or when it groups three digits, otherwise a decimal
    comma. Raises ``money.amount`` for anything else: never guesses silently between two readings.
    """
    raw = text.strip().lstrip("$€£").replace(" ", "").replace("\u00a0", "").replace("'", "")
    if "," in raw and "." in raw:
        raw = raw.replace(".", "").replace(",", ".") if raw.rfind(",") > raw.rfind(".") else raw.replace(",", "")
    elif "," in raw:
        head, *groups = raw.split(",")
        grouped = all(len(g) == 3 for g in groups) and 1 <= len(head.lstrip("-")) <= 3
        raw = raw.replace(",", "") if grouped else raw.replace(",", ".")
    try:
        amount = Decimal(raw)
    except InvalidOperation:
        raise invalid("money.amount", f"'{text[:40]}' is not an amount. Write it like 1234.50.") from None
    if not amount.is_finite() or abs(amount) > MAX_AMOUNT:
        raise invalid("money.amount", f"'{text[:40]}' is out of range.")
    return amount
