"""Offering a schedule: the agreement row, its lines and the paper both will sign."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from marketplace.agreements import phrases, queries
from marketplace.agreements.deadlines import window
from marketplace.agreements.facts import Facts
from marketplace.agreements.law import Jurisdiction
from marketplace.agreements.paper import ScheduleLine, check_schedule, minimum_of_line, write_paper
from marketplace.agreements.queries import ClauseRow
from marketplace.agreements.service.booking import allowed, keep_books
from marketplace.agreements.service.frameworks import clause_texts, frameworks_of
from marketplace.agreements.service.standing import note
from marketplace.agreements.service.term import store_terms
from marketplace.agreements.terms import Terms, UseClass, dump_terms
from marketplace.agreements.together import NamedClause, dump_further, parse_clauses
from marketplace.db.session import WriteSession, execute, fetch_value
from marketplace.kit.clock import local_day
from marketplace.kit.errors import busy, conflict, invalid, missing
from marketplace.kit.ids import short_reference
from marketplace.kit.money import Money
from marketplace.outbox.service import emit
from marketplace.parties.actor import OnBehalf
from marketplace.parties.queries import CompanyRow, company
from marketplace.parts.queries import PartRow, parts

_ATTEMPTS = 5
_PRICE_STEP = Decimal("0.0001")
_USE_WORDS = {
    "intermediate_good": "intermediate good, used up in the holder's own production",
    "non_capital_spare": "non-capital spare",
}


@dataclass(frozen=True, slots=True)
class OfferLine:
    """Units of one part on offer. Prices are per base unit in the currency of the sale, kept to four decimals.
    ``minimum_to_keep`` None = as the terms say; ``number`` and ``description`` None = as in the catalogue."""

    part_id: UUID
    quantity: int
    sale_price: Decimal
    list_price: Decimal | None = None
    minimum_to_keep: int | None = None
    number: str | None = None
    description: str | None = None


async def offer(
    session: WriteSession,
    *,
    actor_id: UUID,
    order_id: UUID | None,
    order_reference: str,
    maker_id: UUID,
    holder_id: UUID,
    clause: str,
    version: int,
    terms: Mapping[str, Any],
    use_class: str,
    currency: str,
    zone: str,
    lines: Sequence[OfferLine],
    now: datetime,
    schedule_date: date | None = None,
    units_at: Jurisdiction | None = None,
    further: Sequence[NamedClause] = (),
) -> UUID:
    """Offers a schedule to both sides and returns the agreement's id. The tenant must be one of the sides.

    ``further``: clauses beside the first, each with its terms: the text holds all of them. Makes the framework of the pair
    and each clause version where there is none. ``schedule_date``: None = the day of the second signature, as the texts say; until
    then everything is reckoned as if both signed now, and the maker's books are kept with that signature. ``units_at``: where the units go; None = only
    the holder's country is known. What the law says and how the maker books it are kept with the schedule. Raises
    ``terms.invalid``, ``terms.combination``, ``agreement.lines``, ``agreement.use_class``, ``agreement.exists`` (the order has one already),
    ``clause.not_found``, ``part.not_found``, ``company.not_found``, ``law.blocked``.
    """
    clauses = parse_clauses(clause, version, terms, further, anew=False)
    given = clauses[0]
    for each in clauses:
        _check_use(each, use_class)
    published = await clause_texts(session, clauses)
    maker, holder = await company(session, maker_id), await company(session, holder_id)
    day = schedule_date or local_day(now, zone)
    findings = allowed(clauses, maker, holder, units_at, day)
    schedule = await _schedule(session, clauses, currency, lines)
    frameworks = await frameworks_of(session, maker_id, holder_id, published)
    span = window(given, _facts(schedule[0], day, zone))
    for _ in range(_ATTEMPTS):
        reference = short_reference("AGR")
        wording, digest = paper_of(
            published,
            clauses,
            particulars(
                maker, holder, published, reference, frameworks.named, order_reference, use_class, currency, zone,
                schedule_date,
            ),
            schedule,
        )  # fmt: skip
        agreement_id: UUID | None = await fetch_value(
            session,
            "INSERT INTO agreement (reference, framework_id, maker_id, holder_id, order_id, clause, version, terms, "
            "currency, use_class, zone, schedule_date, status, wording, wording_sha256, window_opens_at, "
            "window_closes_at, created_at, further, dated_by_signature) VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, $10, $11, $12, "
            "'offered', $13, $14, $15, $16, $17, $18::jsonb, $19) ON CONFLICT DO NOTHING RETURNING id",
            reference, frameworks.first, maker_id, holder_id, order_id, clause, version, json.dumps(dump_terms(given)),
            currency, use_class, zone, day, wording, digest, span.opens, span.closes, now,
            dump_further(clauses[1:], [text.sha256 for text in published[1:]]), schedule_date is None,
        )  # fmt: skip
        if agreement_id is not None:
            break
        if order_id is not None and await queries.agreement_of_order(session, order_id) is not None:
            raise conflict("agreement.exists", "This order has its agreement already.")
    else:
        raise busy("agreement.reference", "No free reference was found. Nothing was changed; try again.")
    await _insert_lines(session, agreement_id, maker_id, holder_id, lines, schedule)
    await store_terms(session, [agreement_id])
    if schedule_date is not None:
        parts_of_lines = [line.part_id for line in lines]
        await keep_books(session, agreement_id, maker_id, clauses, parts_of_lines, schedule, day, now)
    by = OnBehalf(actor_id, session.tenant.company or maker_id)
    sides = (maker_id, holder_id)
    detail: dict[str, Any] = {"wording_sha256": digest.hex(), "law": [finding.plain() for finding in findings]}
    if units_at is not None:
        detail["units_at"] = {"country": units_at.country, "subdivision": units_at.subdivision}
    await note(session, agreement_id, sides, "offered", by, now, detail)
    # The order that led here tells the holder by mail; this event is for programs that listen.
    payload = {"reference": reference, "order_reference": order_reference}
    await emit(session, "agreement.offered", "agreement", agreement_id, sides, payload)
    return agreement_id


def _check_use(terms: Terms, use_class: str) -> None:
    if use_class not in _USE_WORDS:
        raise invalid(
            "agreement.use_class", f"'{use_class}' is no use class: {' or '.join(_USE_WORDS)}.", field="use_class"
        )
    if terms.use_class is not UseClass.EITHER and terms.use_class.value != use_class:
        raise invalid(
            "agreement.use_class", f"These terms sell units only as {_USE_WORDS[terms.use_class]}.", field="use_class"
        )


async def _schedule(
    session: WriteSession, clauses: Sequence[Terms], currency: str, lines: Sequence[OfferLine]
) -> list[ScheduleLine]:
    if len({line.part_id for line in lines}) != len(lines):
        raise invalid("agreement.lines", "A part may stand on one line of a schedule only; add its quantities up.")
    known: dict[UUID, PartRow] = await parts(session, [line.part_id for line in lines])
    if len(known) != len(lines):
        raise missing("part.not_found", "One of the parts is not in the catalogue.")
    schedule = [
        ScheduleLine(
            line.number or known[line.part_id].number,
            line.description or known[line.part_id].description,
            known[line.part_id].uom,
            line.quantity,
            _price(line.sale_price, currency),
            None if line.list_price is None else _price(line.list_price, currency),
            minimum_of_line(clauses[0], line.quantity, line.minimum_to_keep),
        )
        for line in lines
    ]
    for terms in clauses:
        check_schedule(terms, schedule)
    return schedule


def _price(amount: Decimal, currency: str) -> Money:
    return Money(amount.quantize(_PRICE_STEP), currency)


def _facts(line: ScheduleLine, schedule_date: date, zone: str) -> Facts:
    return Facts(
        schedule_date=schedule_date, zone=zone, sale_price=line.sale_price, quantity_sold=line.quantity, remaining=0
    )


def paper_of(
    published: Sequence[ClauseRow], clauses: Sequence[Terms], head: Mapping[str, str], schedule: Sequence[ScheduleLine]
) -> tuple[str, bytes]:
    """The text of an agreement under published clauses, and its SHA-256."""
    texts = [(text.wording, terms) for text, terms in zip(published, clauses, strict=True)]
    wording, first = texts[0]
    return write_paper(wording, first, head, schedule, texts[1:])


def particulars(
    maker: CompanyRow,
    holder: CompanyRow,
    published: Sequence[ClauseRow],
    reference: str,
    framework_reference: str,
    order_reference: str,
    use_class: str,
    currency: str,
    zone: str,
    schedule_date: date | None,
) -> dict[str, str]:
    """What stands at the head of a schedule's text, by label. Of several clauses each has a line of its own. ``schedule_date`` None =
    the day of the second signature, which nobody knows when the first is given."""
    named = [f"{text.clause}, version {text.version}, SHA-256 {text.sha256.hex()}" for text in published]
    return {
        "Manufacturer": f"{maker.name} ({maker.code})",
        "Holder": f"{holder.name} ({holder.code})",
        "Schedule": reference,
        "Framework agreement": framework_reference,
        "Order": order_reference,
        "Schedule date": "the day on which the second party signs"
        if schedule_date is None
        else f"{phrases.day(schedule_date)}, whichever day the second party signs on",
        "Sold as": _USE_WORDS[use_class],
        "Currency of the sale": currency,
        "Days end at midnight in": zone,
        "Clause": named[0],
        **{f"Further clause{f' {n}' if len(named) > 2 else ''}": words for n, words in enumerate(named[1:], 1)},
    }


async def _insert_lines(
    session: WriteSession,
    agreement_id: UUID,
    maker_id: UUID,
    holder_id: UUID,
    lines: Sequence[OfferLine],
    schedule: Sequence[ScheduleLine],
) -> None:
    await execute(
        session,
        "INSERT INTO agreement_line (agreement_id, part_id, maker_id, holder_id, quantity_sold, sale_price, list_price, "
        "minimum_to_keep) SELECT $1, l.part_id, $2, $3, l.quantity, l.sale_price, l.list_price, l.keep "
        "FROM unnest($4::uuid[], $5::int[], $6::numeric[], $7::numeric[], $8::int[]) "
        "AS l (part_id, quantity, sale_price, list_price, keep)",
        agreement_id,
        maker_id,
        holder_id,
        [line.part_id for line in lines],
        [line.quantity for line in schedule],
        [line.sale_price.amount for line in schedule],
        [line.list_price.amount if line.list_price else None for line in schedule],
        [line.minimum_to_keep for line in schedule],
    )
