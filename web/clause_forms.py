"""The clauses of a posting, a change or an order as one form: the first clause's fields, and those of clauses beside it
without what they must say as the first does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from marketplace.agreements.combinations import FIRST_REFUSAL
from marketplace.agreements.combined import SAME_TERMS
from marketplace.agreements.sense import check_sense, check_sense_together
from marketplace.agreements.terms import TERMS_TYPES, Terms, dump_terms, parse_terms
from marketplace.agreements.together import NamedClause, shared_with, together
from marketplace.kit.errors import DomainError, FieldError, invalid_fields
from web.clauses import NAMES
from web.forms import Fields, Form, Value
from web.term_fields import PREFIX, TermGroup, groups
from web.terms_form import from_form, labels, named_for_form, to_form

FIRST_REFUSAL_CLAUSE: Final = ("first-refusal", 1)
_SAME: Final = frozenset(SAME_TERMS)


@dataclass(frozen=True, slots=True)
class ClauseForm:
    """The fields of one clause in a form. ``first``: it is the one whose terms the others share."""

    clause: str
    version: int
    first: bool

    @property
    def prefix(self) -> str:
        """Before the name of each of its fields."""
        return PREFIX if self.first else f"{self.clause.replace('-', '_')}_"

    @property
    def left_out(self) -> frozenset[str]:
        """Terms that are asked for with the first clause."""
        return frozenset() if self.first else _SAME

    @property
    def name(self) -> str:
        """What people call the clause."""
        return NAMES[self.clause]

    @property
    def groups(self) -> tuple[TermGroup, ...]:
        """Its fields."""
        return groups(self.clause, self.version, self.prefix, self.left_out)

    @property
    def labels(self) -> dict[str, str]:
        """What its fields are called where several clauses are spoken of."""
        own = labels(self.clause, self.version, self.prefix, self.left_out)
        return own if self.first else {name: f"{self.name}: {label}" for name, label in own.items()}

    def values(self, terms: Mapping[str, Any]) -> dict[str, Value]:
        """Terms in JSON types as the form shows them."""
        return to_form(self.clause, self.version, terms, self.prefix, self.left_out)

    def read(self, fields: Fields) -> dict[str, Any]:
        """Its own terms as they were typed; what cannot be read is noted."""
        return from_form(fields, self.clause, self.version, self.prefix, self.left_out)

    def named(self, error: DomainError, raw: Mapping[str, Any]) -> DomainError:
        """A refusal of its terms by the form's names; what is shared is told at the first clause's fields."""
        own = named_for_form(error, self.clause, self.version, raw, self.prefix)
        if self.first:
            return own
        shared = {f"{self.prefix}{name}": f"{PREFIX}{name}" for name in _SAME}
        fields = tuple(FieldError(shared.get(f.field, f.field), f.code, f.message) for f in own.fields)
        return DomainError(own.kind, own.code, own.message, fields, own.extra)


@dataclass(frozen=True, slots=True)
class ClausesForm:
    """All clauses of a form."""

    clauses: tuple[ClauseForm, ...]

    @classmethod
    def of(cls, named: Sequence[tuple[str, int]]) -> ClausesForm:
        """The clauses of these names and versions, the first one first."""
        return cls(tuple(ClauseForm(clause, version, i == 0) for i, (clause, version) in enumerate(named)))

    @classmethod
    def sent(cls, form: Form, otherwise: tuple[str, int]) -> ClausesForm:
        """The clauses that a form was sent about; where there is no such clause, ``otherwise``."""
        first = (form.value("clause"), _number(form.value("version")))
        if first not in TERMS_TYPES:
            return cls.of([otherwise])
        beside = [FIRST_REFUSAL_CLAUSE] if "first-refusal" in form.chosen("further") else []
        return cls.of([first, *(clause for clause in beside if clause != first)])

    @property
    def first(self) -> ClauseForm:
        """The first clause."""
        return self.clauses[0]

    @property
    def labels(self) -> dict[str, str]:
        """What all fields are called."""
        return {name: label for clause in self.clauses for name, label in clause.labels.items()}

    @property
    def hidden(self) -> dict[str, Value]:
        """What names the clauses in the form."""
        return {
            "clause": self.first.clause, "version": str(self.first.version),
            "further": tuple(clause.clause for clause in self.clauses[1:]),
        }  # fmt: skip

    @property
    def can_add(self) -> bool:
        """Whether a first refusal can be put beside the clause."""
        kind = TERMS_TYPES[self.first.clause, self.first.version]
        return len(self.clauses) == 1 and kind.generation == 2 and self.first.clause != "first-refusal"

    def values(self, terms: Sequence[Mapping[str, Any]]) -> dict[str, Value]:
        """The terms of each clause, in JSON types, as the form shows them, with what names the clauses."""
        shown = dict(self.hidden)
        for clause, raw in zip(self.clauses, terms, strict=True):
            shown |= clause.values(raw)
        return shown

    def read(self, fields: Fields, use_class: str) -> tuple[Terms, ...]:
        """The typed terms of every clause. Raises ``terms.invalid``, ``terms.combination`` by the names of the form's
        fields."""
        given = [clause.read(fields) for clause in self.clauses]
        fields.check("terms.invalid")
        wrong: list[FieldError] = []
        made: list[Terms] = []
        for form, raw in zip(self.clauses, given, strict=True):
            whole = {
                **raw,
                **({} if form.first else shared_with(given[0], form.clause, form.version)),
                "use_class": use_class,
            }
            try:
                parsed = parse_terms(form.clause, form.version, whole)
                check_sense(parsed)
                made.append(parsed)
            except DomainError as error:
                wrong += form.named(error, whole).fields
        # The same shared term may be wrong for both; it is told once.
        wrong = list({f.field: f for f in reversed(wrong)}.values())[::-1]
        if wrong:
            message = "One term is not right." if len(wrong) == 1 else f"{len(wrong)} terms are not right."
            raise invalid_fields("terms.invalid", message, tuple(wrong))
        try:
            clauses = together(made)
            check_sense_together(clauses)
            return clauses
        except DomainError as error:
            raise self._named_together(error, given) from None

    def _named_together(self, error: DomainError, given: Sequence[Mapping[str, Any]]) -> DomainError:
        fields: list[FieldError] = []
        for wrong in error.fields:
            clause, _, term = wrong.field.partition(".")
            at = next((i for i, c in enumerate(self.clauses) if c.clause == clause), 0)
            one = DomainError(
                error.kind, error.code, wrong.message, (FieldError(term or clause, wrong.code, wrong.message),)
            )
            fields += self.clauses[at].named(one, given[at]).fields
        return DomainError(error.kind, error.code, "The clauses do not stand together.", tuple(fields), error.extra)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 4 else 0


def named_clauses(clauses: Sequence[Terms]) -> tuple[NamedClause, ...]:
    """Typed terms as services take the clauses beside the first."""
    return tuple(NamedClause(terms.clause, terms.version, dump_terms(terms)) for terms in clauses)


def first_refusal_beside(first: Mapping[str, Any]) -> dict[str, Any]:
    """Terms of a first refusal to start from, beside a clause whose terms (in JSON types) are these. That one offers units first
    too before they are sold on (``with_offers``): otherwise nothing would ever be offered."""
    reach = "free" if first.get("applies_to") == "floor" else "all"
    return {**FIRST_REFUSAL, "applies_to": reach, **shared_with(first, *FIRST_REFUSAL_CLAUSE)}


def with_offers(first: Mapping[str, Any]) -> dict[str, Any]:
    """Terms of a clause beside which a first refusal is put: where a sale needs a yes, units are offered first instead."""
    return {**first, "resale": "offer_first"} if first.get("resale") != "free" else dict(first)
