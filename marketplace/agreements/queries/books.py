"""The maker's books of an agreement: what was kept when its schedule was made. Row level security shows it to the maker
alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.books import Booked, Books, LineBooks, NamedLine, Sold, UnitClass, accepted, book_line
from marketplace.agreements.classification import Classification, Kind, Step
from marketplace.agreements.queries.lists import AgreementDetail
from marketplace.db.session import fetch, fetch_value
from marketplace.kit.money import Money
from marketplace.parties.actor import Actor
from marketplace.parties.queries import Assumptions, assumptions


class AgreementBooks(NamedTuple):
    """``recorded_at``: when it was classified and kept; None for an agreement from before that was done, whose books are
    reckoned by its terms at today's rate. ``signed``: the books of all units of the schedule, as they were kept.
    ``accepted``: the same without what was not accepted on receipt, which was not sold; None where all of it was.
    ``now``: where it was kept before there was a rate that decides, what is left of it reckoned at today's; never kept."""

    recorded_at: datetime | None
    signed: Books
    accepted: Books | None
    now: Books | None = None

    @property
    def not_accepted(self) -> int:
        """How many units were short, damaged or the wrong part on receipt."""
        return sum(self.signed.totals.units.values()) - sum((self.accepted or self.signed).totals.units.values())


async def agreement_books(session: AsyncSession, actor: Actor, found: AgreementDetail) -> AgreementBooks | None:
    """The books of an agreement for its maker; None for everybody else. One statement, or two where nothing was kept or a
    rate was missing."""
    if found.row.maker_id != actor.company_id:
        return None
    rows = await fetch(
        session,
        "SELECT part_id, unit_class, units, kind, needs_rate, trace, rate_bp, at FROM agreement_classification "
        "WHERE agreement_id = $1 ORDER BY unit_class",
        found.row.id,
    )
    if not rows:
        # What a buyer joined was no sale of the maker's: it is booked with the agreement that was joined.
        if await fetch_value(session, "SELECT parent_id FROM agreement WHERE id = $1", found.row.id):
            return None
        return await _now(session, actor, found)
    by_part: dict[UUID, list[Booked]] = {}
    for r in rows:
        steps = tuple(Step(**step) for step in r["trace"])
        classified = Classification(Kind(r["kind"]), steps, needs_rate=r["needs_rate"])
        by_part.setdefault(r["part_id"], []).append(Booked(UnitClass(r["unit_class"]), r["units"], classified))
    lines = tuple(
        NamedLine(
            x.part_id,
            x.number,
            x.uom,
            LineBooks(Money(x.sale_price, found.row.currency), tuple(by_part.get(x.part_id, ()))),
        )
        for x in found.lines
    )
    kept = _with_receipt(found, rows[0]["at"], Books(rows[0]["rate_bp"], lines))
    if not kept.signed.totals.needs_rate:
        return kept
    # Today's books are about the units that were booked: where the schedule was changed, those that went over.
    sizes = {part: sum(b.units for b in by_part.get(part, ())) for part in (x.part_id for x in found.lines)}
    today = await _now(session, actor, found, sizes)
    return kept if today.signed.rate_bp is None else kept._replace(now=today.accepted or today.signed)


async def _now(
    session: AsyncSession, actor: Actor, found: AgreementDetail, sizes: Mapping[UUID, int] | None = None
) -> AgreementBooks:
    known = await assumptions(session, actor.company_id)
    return _with_receipt(found, None, Books(known.rate_bp, tuple(_reckoned(found, known, sizes))))


def _with_receipt(found: AgreementDetail, recorded_at: datetime | None, signed: Books) -> AgreementBooks:
    # Of a changed agreement what was not accepted before did not go over, and is in no book of it.
    short = [
        max(sum(b.units for b in line.books.classes) - x.accepted, 0)
        for line, x in zip(signed.lines, found.lines, strict=True)
    ]
    if not any(short):
        return AgreementBooks(recorded_at, signed, None)
    left = tuple(
        replace(line, books=accepted(found.terms, line.books, x.minimum_to_keep, lacking)) if lacking else line
        for line, x, lacking in zip(signed.lines, found.lines, short, strict=True)
    )
    return AgreementBooks(recorded_at, signed, replace(signed, lines=left))


def _reckoned(found: AgreementDetail, known: Assumptions, sizes: Mapping[UUID, int] | None = None) -> list[NamedLine]:
    row = found.row
    made = []
    for x in found.lines:
        price = Money(x.sale_price, row.currency)
        units = x.quantity_sold if sizes is None else sizes[x.part_id]
        if not units:
            made.append(NamedLine(x.part_id, x.number, x.uom, LineBooks(price, ())))
            continue
        sold = Sold(units, price, min(x.minimum_to_keep, units))
        made.append(
            NamedLine(
                x.part_id, x.number, x.uom,
                book_line(found.terms, sold, row.counted_from, known.rate_bp, found.further, market_bp=known.market_bp),
            )
        )  # fmt: skip
    return made
