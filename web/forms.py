"""What a form on a page needs: the values to show again, the errors by field, and a key against sending it twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from uuid import uuid4

from marketplace.kit.errors import DomainError

Value = str | Sequence[str]
IDEMPOTENCY_FIELD = "idempotency_key"


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

    @property
    def bad(self) -> bool:
        """Whether the form was refused."""
        return bool(self.errors) or self.problem is not None
