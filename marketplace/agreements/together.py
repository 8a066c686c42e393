"""Several clauses on one posting or agreement: which may stand together, and how those beside the first are kept. The first
stands in columns of its own; the others in ``further``, each as clause, version and terms, with its hash once agreed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from marketplace.agreements.combined import SAME_TERMS, Combined
from marketplace.agreements.sense import check_sense, check_sense_together
from marketplace.agreements.terms import TERMS_TYPES, Terms, dump_terms, not_right, parse_terms
from marketplace.kit.errors import DomainError, FieldError, invalid

BESIDE = ("first-refusal",)
"""The clauses that may stand beside another."""


class NamedClause(NamedTuple):
    """A clause beside the first as it is asked for: terms in JSON types, and the hash of the text that was read, if stated."""

    clause: str
    version: int
    terms: Mapping[str, Any]
    sha256: str | None = None


def together(clauses: Sequence[Terms]) -> tuple[Terms, ...]:
    """The clauses of one agreement, the one that orders (or keeps title) first, with at most one first refusal beside it.
    Raises ``terms.combination`` naming every term in which they contradict each other, or what cannot stand so."""
    names = [terms.clause for terms in clauses]
    beside = names[1:]
    if len(beside) > 1 or any(name not in BESIDE for name in beside):
        words = (
            "Beside a clause can stand one first refusal, and nothing else: make two postings, or leave one clause out."
        )
        raise invalid("terms.combination", words, field="further")
    return Combined(tuple(clauses)).clauses


def parse_clauses(
    clause: str,
    version: int,
    terms: Mapping[str, Any],
    further: Sequence[NamedClause] = (),
    *,
    anew: bool = True,
    **common: Any,
) -> tuple[Terms, ...]:
    """The typed terms of all clauses, ``common`` terms being the same in each. ``anew``: they are written now, so what makes
    no sense is refused too; what was posted before is taken as it stands. Raises ``terms.invalid``, those of a clause
    beside the first by its name and the term's, ``terms.unknown_clause``, ``terms.combination``."""
    found: list[FieldError] = []
    made: list[Terms] = []
    for index, named in enumerate((NamedClause(clause, version, terms), *further)):
        try:
            parsed = parse_terms(named.clause, named.version, {**named.terms, **common})
            if anew:
                check_sense(parsed)
            made.append(parsed)
        except DomainError as error:
            if error.code != "terms.invalid":
                raise
            prefix = f"{named.clause}." if index else ""
            found += [FieldError(f"{prefix}{wrong.field}", wrong.code, wrong.message) for wrong in error.fields]
    if found:
        raise not_right(found)
    clauses = together(made)
    if anew:
        check_sense_together(clauses)
    return clauses


def shared_with(first: Mapping[str, Any], clause: str, version: int) -> dict[str, Any]:
    """What a clause beside another must say as that one does: those of its terms."""
    known = TERMS_TYPES[clause, version].model_fields
    return {name: first[name] for name in ("use_class", *SAME_TERMS) if name in known and name in first}


def read_further(raw: str | Sequence[Mapping[str, Any]]) -> tuple[Terms, ...]:
    """The clauses beside the first as they are kept, in JSON or as its text."""
    rows: Sequence[Mapping[str, Any]] = json.loads(raw) if isinstance(raw, str) else raw
    return tuple(parse_terms(row["clause"], row["version"], row["terms"]) for row in rows)


def dump_further(clauses: Sequence[Terms], hashes: Sequence[bytes] = ()) -> str:
    """Clauses beside the first as they are kept, as JSON text; with the hash of each text once it is agreed."""
    rows: list[dict[str, Any]] = []
    for index, terms in enumerate(clauses):
        row: dict[str, Any] = {"clause": terms.clause, "version": terms.version, "terms": dump_terms(terms)}
        if hashes:
            row["sha256"] = hashes[index].hex()
        rows.append(row)
    return json.dumps(rows)
