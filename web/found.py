"""From pasted numbers to rows on the find page: which part, by which step, what is on offer of it and of the parts
that replace it or may stand in, each said in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final
from uuid import UUID

from marketplace.agreements.prose import Badge
from marketplace.agreements.terms import Terms
from marketplace.db.session import ReadSession
from marketplace.kit.money import Money
from marketplace.listings import queries as listings
from marketplace.listings import wording
from marketplace.parts import queries as parts
from marketplace.parts.finding import relation_words, step_words
from marketplace.parts.numbers import Asked, Match, normalise

MOST_OFFERS: Final = 2000


@dataclass(frozen=True, slots=True)
class Offer:
    """One listing as a row: with its clause in words and its price."""

    row: listings.ListingRow
    badge: Badge
    price: Money
    notice_days: int
    own: bool


@dataclass(frozen=True, slots=True)
class PartFound:
    """A part and what is on offer of it. ``through``: the written number it was found by, where that is not its own;
    ``relation``: why it is here although it was not asked for, in words."""

    part: parts.PartRow
    through: str | None
    relation: str | None
    offers: tuple[Offer, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one number led to. ``more``: there are more parts than shown."""

    asked: Asked
    step: Match | None
    found: tuple[PartFound, ...]
    more: bool

    @property
    def shown(self) -> tuple[PartFound, ...]:
        """Parts to show in full: every one that is certain, of the others those with an offer."""
        return tuple(p for p in self.found if p.offers or p.relation or self.step is Match.EXACT)

    @property
    def also(self) -> tuple[PartFound, ...]:
        """Parts that are only like it and not on offer: enough to name them."""
        return tuple(p for p in self.found if p not in self.shown)

    @property
    def offers(self) -> int:
        """How many listings there are."""
        return sum(len(part.offers) for part in self.found)

    @property
    def words(self) -> str:
        """How it was found, in words."""
        return step_words(self.step)


@dataclass(frozen=True, slots=True)
class Looked:
    """The answers in the order asked. ``cut``: there are more listings than ``MOST_OFFERS``."""

    answers: tuple[Answer, ...]
    cut: bool
    part_ids: tuple[UUID, ...] = ()
    """All the parts whose offers were looked for."""

    def count(self, *steps: Match | None) -> int:
        """How many numbers were found by one of these steps (None: not at all)."""
        return sum(answer.step in steps for answer in self.answers)


class Worded:
    """Turns listings into offers; the terms of a release are read once, however many lines it has."""

    def __init__(self, today: date, zone: str, company_id: UUID) -> None:
        self._today, self._zone, self._company = today, zone, company_id
        self._terms: dict[UUID, tuple[Terms, ...]] = {}

    def terms(self, row: listings.ListingRow) -> tuple[Terms, ...]:
        """The typed terms of each clause of the row's release."""
        if row.release_id not in self._terms:
            self._terms[row.release_id] = wording.clauses_of(row.clause, row.version, row.terms, row.further)
        return self._terms[row.release_id]

    def offer(self, row: listings.ListingRow) -> Offer:
        """The row with its clause in words, for all that is available, as if signed today."""
        terms = self.terms(row)
        words = wording.badge(terms, offered(row, row.available), self._today, self._zone)
        price = Money(row.unit_price, row.currency)
        return Offer(row, words, price, terms[0].notice_days_stock, row.seller_id == self._company)

    def clause(self, row: listings.ListingRow, quantity: int) -> wording.Clauses:
        """The clause in full sentences for so many units, as if signed today."""
        return wording.clauses(self.terms(row), offered(row, quantity), self._today, self._zone)

    def sentences(self, lines: Sequence[tuple[listings.ListingRow, int]]) -> tuple[str, ...]:
        """The clause in full sentences for an order of these lines of one posting, as if signed today."""
        told = [(row.part_number, offered(row, quantity)) for row, quantity in lines]
        return wording.clauses_of_lines(self.terms(lines[0][0]), told, self._today, self._zone)


def offered(row: listings.ListingRow, quantity: int) -> wording.Offered:
    """What the words need to know of a listing."""
    return wording.Offered(
        max(quantity, 1), row.quantity, row.unit_price, row.currency, row.list_price, row.minimum_to_keep
    )


async def look_up(
    session: ReadSession, asked: Sequence[Asked], wanted: listings.Wanted, worded: Worded, today: date
) -> Looked:
    """Everything the page shows for pasted numbers: at most eight statements for any number of them."""
    found = await parts.find(session, asked)
    hit = {h.part_id for hits in found.hits.values() for h in hits}
    # What replaces a part is followed only from numbers that are certain.
    certain = {h.part_id for hits in found.hits.values() for h in hits if h.step is Match.EXACT}
    related = await parts.related(session, certain) if certain else []
    ids = hit | {r.other_id for r in related}
    rows = await parts.parts(session, ids) if ids else {}
    offers = await listings.offers(session, replace(wanted, part_ids=tuple(ids)), limit=MOST_OFFERS + 1) if ids else []
    by_part: dict[UUID, list[Offer]] = {}
    for row in offers[:MOST_OFFERS]:
        by_part.setdefault(row.part_id, []).append(worded.offer(row))
    beside: dict[UUID, list[parts.Related]] = {}
    for r in related:
        beside.setdefault(r.part_id, []).append(r)
    answers = []
    for a in asked:
        hits = found.hits.get(a.norm, ())
        shown = _of_hits(hits, rows, by_part)
        shown += _beside(hits, beside, rows, by_part, today)
        answers.append(Answer(a, hits[0].step if hits else None, tuple(shown), a.norm in found.more))
    return Looked(tuple(answers), len(offers) > MOST_OFFERS, tuple(sorted(ids)))


def _of_hits(
    hits: Iterable[parts.Hit],
    rows: Mapping[UUID, parts.PartRow],
    by_part: Mapping[UUID, list[Offer]],
) -> list[PartFound]:
    shown = []
    for hit in hits:
        part = rows.get(hit.part_id)
        if part is None:
            continue
        through = hit.through if normalise(hit.through) != normalise(part.number) else None
        shown.append(PartFound(part, through, None, tuple(by_part.get(hit.part_id, ()))))
    if any(hit.step is not Match.EXACT for hit in hits):
        # Parts that can be bought come first where the number itself is only a guess.
        shown.sort(key=lambda found: not found.offers)
    return shown


def _beside(
    hits: Iterable[parts.Hit],
    beside: Mapping[UUID, list[parts.Related]],
    rows: Mapping[UUID, parts.PartRow],
    by_part: Mapping[UUID, list[Offer]],
    today: date,
) -> list[PartFound]:
    """Related parts, each once: what replaces the part also without an offer, the rest only with one."""
    shown: list[PartFound] = []
    seen = {hit.part_id for hit in hits}
    for hit in hits:
        for r in beside.get(hit.part_id, ()):
            part, offers = rows.get(r.other_id), tuple(by_part.get(r.other_id, ()))
            if part is None or r.other_id in seen or not (offers or r.relation == "superseded_by"):
                continue
            seen.add(r.other_id)
            shown.append(
                PartFound(
                    part, None, relation_words(r.relation, r.steps, r.since, rows[hit.part_id].number, today), offers
                )
            )
    return shown
