"""What a proposal changes: the terms as they are against the terms as they are to be, term by term, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from marketplace.agreements import phrases
from marketplace.agreements.combined import SAME_TERMS
from marketplace.agreements.paper import minimum_of_line
from marketplace.agreements.prose import NAMES, term_words
from marketplace.agreements.term_names import label_of
from marketplace.agreements.terms import Terms

NOT_THERE = "no such term"
_OUTSIDE = frozenset({"clause", "version"})


class Difference(NamedTuple):
    """One term that changes. ``term``: its name, or ``minimum_to_keep`` with the part's number behind a colon. ``label``:
    what the editor calls it."""

    term: str
    label: str
    before: str
    after: str


class LineMinimum(NamedTuple):
    """The minimum to keep of one line of the schedule, as signed and as proposed."""

    number: str
    before: int
    after: int


def differences(before: Terms, after: Terms, lines: Iterable[LineMinimum] = ()) -> tuple[Difference, ...]:
    """Every term that is not the same, in the order of the clause proposed, then what only the clause before it had, then
    the lines whose minimum to keep changes. Nothing where both say the same."""
    found: list[Difference] = []
    if (before.clause, before.version) != (after.clause, after.version):
        found.append(
            Difference(
                "clause", "Clause", f"{before.clause}, version {before.version}",
                f"{after.clause}, version {after.version}",
            )
        )  # fmt: skip
    known, wanted = type(before).model_fields, type(after).model_fields
    for name in [*wanted, *(n for n in known if n not in wanted)]:
        if name in _OUTSIDE:
            continue
        old = _said(before, name) if name in known else NOT_THERE
        new = _said(after, name) if name in wanted else NOT_THERE
        same = name in known and name in wanted and getattr(before, name) == getattr(after, name)
        if not same:
            of = after if name in wanted else before
            found.append(Difference(name, label_of(of.clause, name), old, new))
    return (*found, *_lines(lines))


def _lines(lines: Iterable[LineMinimum]) -> list[Difference]:
    return [
        Difference(
            f"minimum_to_keep:{line.number}", f"Minimum to keep of {line.number}",
            phrases.count(line.before, "unit"), phrases.count(line.after, "unit"),
        )
        for line in lines
        if line.before != line.after
    ]  # fmt: skip


def differences_of_all(
    before: Sequence[Terms], after: Sequence[Terms], lines: Iterable[LineMinimum] = ()
) -> tuple[Difference, ...]:
    """As ``differences``, for agreements of several clauses: those of the first, then by clause what changes in the others
    (their terms as '<clause>.<term>'), then the lines. What all clauses say alike is told once."""
    found = list(differences(before[0], after[0]))
    was, is_to_be = ({terms.clause: terms for terms in clauses[1:]} for clauses in (before, after))
    for name in dict.fromkeys([*was, *is_to_be]):
        old, new = was.get(name), is_to_be.get(name)
        title = NAMES[name].capitalize()
        if old is None or new is None:
            told = ["no such clause" if terms is None else f"{name}, version {terms.version}" for terms in (old, new)]
            found.append(Difference(f"{name}.clause", title, *told))
            continue
        found += [
            Difference(f"{name}.{d.term}", f"{d.label} ({NAMES[name]})", d.before, d.after)
            for d in differences(old, new)
            if d.term not in (*SAME_TERMS, "use_class")
        ]
    return (*found, *_lines(lines))


def minimum_after(before: Terms, after: Terms, *, quantity: int, minimum: int, stated: int | None) -> int:
    """The minimum to keep of a line under other terms: the one stated for it; else the terms' where it was the terms'
    before; else the line's own."""
    if stated is None and minimum != minimum_of_line(before, quantity, None):
        stated = minimum
    return minimum_of_line(after, quantity, stated)


def only_longer(before: Terms, after: Terms, found: Iterable[Difference]) -> bool:
    """Whether nothing changes but that the right ends later: what people call a renewal."""
    return {difference.term for difference in found} == {
        "window_end_months"
    } and after.window_end_months > before.window_end_months


def _said(terms: Terms, name: str) -> str:
    return term_words(terms, name).strip().rstrip(",")


class Beside(NamedTuple):
    """One term of several offers side by side, in words; ``same``: all of them say the same."""

    label: str
    said: tuple[str, ...]
    same: bool


def side_by_side(offers: Sequence[Sequence[Terms]]) -> tuple[Beside, ...]:
    """Every term of any of these offers, each offer under its clauses: what is not the same first."""
    labels: dict[str, str] = {}
    for terms in (t for offer in offers for t in offer):
        for name in type(terms).model_fields:
            if name not in _OUTSIDE:
                labels.setdefault(name, label_of(terms.clause, name))
    rows = []
    for name, label in labels.items():
        said = tuple(
            next((_said(t, name) for t in offer if name in type(t).model_fields), NOT_THERE) for offer in offers
        )
        rows.append(Beside(label, said, len(set(said)) == 1))
    return tuple(sorted(rows, key=lambda r: r.same))
