"""What a form on a page needs: the values to show again, the errors by field, and a key against sending it twice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Final
from uuid import UUID, uuid4

from marketplace.kit.consignment import OWN_TRANSPORT, Consignment
from marketplace.kit.errors import DomainError, FieldError, invalid_fields
from marketplace.kit.money import parse_amount

Value = str | Sequence[str]
IDEMPOTENCY_FIELD = "idempotency_key"


_WHOLE: Final = re.compile(r"-?[0-9]+")


def _fresh_key() -> str:
    return str(uuid4())


@dataclass(frozen=True, slots=True)
class Form:
    """The state of one form on one page.

    ``values`` by field name (a sequence for several check boxes of one name), ``errors`` in words by field name,
    ``problem`` what is wrong with the whole. ``key`` goes with the form, so that a second press of the button or a
    reload is recognised as the same order (architecture rule 7).
    """

    values: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    errors: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    problem: str | None = None
    key: str = field(default_factory=_fresh_key)
    labels: dict[str, str] = field(default_factory=dict, compare=False)
    """What the page calls each field, noted as it is drawn, so that the list of errors calls it the same."""

    @classmethod
    def rejected(cls, values: Mapping[str, Value], error: DomainError) -> Form:
        """The form as it was sent, with the refusal: what the person typed is kept.

        The key is a new one: nothing was done, and the corrected form is another command.
        """
        errors: dict[str, str] = {}
        for wrong in error.fields:
            errors.setdefault(wrong.field, wrong.message)
        shown = {name: value for name, value in values.items() if name != IDEMPOTENCY_FIELD}
        return cls(shown, errors, error.message)

    def value(self, name: str, default: str = "") -> str:
        """The value of a field with one value."""
        found = self.values.get(name, default)
        return found if isinstance(found, str) else (found[0] if found else default)

    def chosen(self, name: str) -> tuple[str, ...]:
        """The values of a field that may have several."""
        found = self.values.get(name, ())
        return (found,) if isinstance(found, str) else tuple(found)

    def error(self, name: str) -> str | None:
        """What is wrong with one field, in words."""
        return self.errors.get(name)

    def called(self, name: str, label: str) -> str:
        """The label of a field, remembered for the list of errors."""
        self.labels.setdefault(name, label)
        return label

    @property
    def bad(self) -> bool:
        """Whether the form was refused."""
        return bool(self.errors) or self.problem is not None


def shipment_values(carrier: str | None, tracking: str | None) -> dict[str, Value]:
    """What a form of a shipment shows of what was said."""
    own = Consignment(carrier or "", tracking).own_transport
    said = (carrier or "").removeprefix(OWN_TRANSPORT).removeprefix(", ") if own else carrier or ""
    return {"carrier": said, "tracking": tracking or "", "own_transport": "yes" if own else ""}


class Fields:
    """Reads typed values out of a form and collects everything that is wrong with them.

    Each reader answers a value even where the text is wrong (zero, empty, None), so that all fields are read before
    ``check`` raises one refusal that names every one.
    """

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._form = Form(values)
        self._wrong: list[FieldError] = []

    def wrong(self, name: str, message: str, code: str = "form.field") -> None:
        """Notes that a field is wrong."""
        self._wrong.append(FieldError(name, code, message))

    @property
    def errors(self) -> tuple[FieldError, ...]:
        """What is wrong so far."""
        return tuple(self._wrong)

    def check(self, code: str = "form.invalid", message: str | None = None) -> None:
        """Raises ``code`` naming every wrong field, if there is one."""
        if self._wrong:
            count = "One entry does" if len(self._wrong) == 1 else f"{len(self._wrong)} entries do"
            raise invalid_fields(code, message or f"{count} not fit.", tuple(self._wrong))

    def text(self, name: str, label: str, *, required: bool = True, most: int = 200) -> str:
        """A text without surrounding space."""
        found = self._form.value(name).strip()
        if required and not found:
            self.wrong(name, f"{label} is missing.")
        if len(found) > most:
            self.wrong(name, f"{label} has {len(found)} characters; at most {most} fit.")
        return found

    def whole(self, name: str, label: str, *, low: int = 0, high: int = 1_000_000_000, empty: int | None = None) -> int:
        """A whole number; thousands may be marked by commas or spaces. ``empty`` stands for an empty field."""
        raw = self._form.value(name).strip()
        if not raw and empty is not None:
            return empty
        text = raw.replace(",", "").replace("\u00a0", "").replace(" ", "")
        if not raw:
            self.wrong(name, f"{label} is missing.")
        elif not _WHOLE.fullmatch(text):
            self.wrong(name, f"'{raw[:40]}' is not a whole number.")
        elif len(text) > 18 or not low <= int(text) <= high:
            given = f"{int(text):,}" if len(text) <= 18 else f"a number of {len(text.lstrip('-')):,} digits"
            self.wrong(name, f"{label} is from {low:,} to {high:,}; {given} was given.")
        else:
            return int(text)
        return low

    def amount(self, name: str, label: str, *, empty: Decimal | None = None) -> Decimal:
        """An amount of money, zero or more."""
        raw = self._form.value(name).strip()
        if not raw and empty is not None:
            return empty
        if not raw:
            self.wrong(name, f"{label} is missing.")
            return Decimal(0)
        try:
            found = parse_amount(raw)
        except DomainError as error:
            self.wrong(name, error.message, error.code)
            return Decimal(0)
        if found < 0:
            self.wrong(name, f"{label} is zero or more.")
        exponent = found.normalize().as_tuple().exponent
        if isinstance(exponent, int) and exponent < -4:
            self.wrong(name, f"{label} has at most four decimals.")
        return found

    def day(self, name: str, label: str, *, required: bool = False) -> date | None:
        """A calendar day as browsers send it (2026-11-30)."""
        raw = self._form.value(name).strip()
        if not raw:
            if required:
                self.wrong(name, f"{label} is missing.")
            return None
        try:
            return date.fromisoformat(raw)
        except ValueError:
            self.wrong(name, f"'{raw[:20]}' is not a date. Write it like 2026-11-30.")
            return None

    def id(self, name: str, label: str) -> UUID:
        """The id of something chosen from a list."""
        raw = self._form.value(name).strip()
        try:
            return UUID(raw)
        except ValueError:
            self.wrong(name, f"Choose one: {label}." if not raw else f"{label}: choose one from the list.")
            return UUID(int=0)

    def one_of(self, name: str, label: str, choices: Iterable[str]) -> str:
        """One of the stated values."""
        raw = self._form.value(name).strip()
        if raw not in set(choices):
            self.wrong(name, f"Choose one: {label}.")
        return raw

    def consignment(self) -> Consignment:
        """How units travel, from ``carrier``, ``tracking`` and the check box ``own_transport``."""
        carrier = self.text("carrier", "Carrier", required=False, most=80)
        tracking = self.text("tracking", "Tracking number", required=False, most=80)
        try:
            return Consignment.of(carrier, tracking, own_transport=self.yes("own_transport"))
        except DomainError as error:
            self._wrong.extend(error.fields)
            return Consignment("", None)

    def many(self, name: str) -> tuple[str, ...]:
        """The values of check boxes of one name."""
        return tuple(v for v in self._form.chosen(name) if v)

    def yes(self, name: str) -> bool:
        """Whether a check box was ticked."""
        return bool(self._form.chosen(name)) and self._form.value(name) not in {"", "no"}
