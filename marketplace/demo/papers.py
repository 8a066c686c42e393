"""The papers of the demo's agreements: the signed text of each schedule, its hash and its window."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from marketplace.agreements import phrases
from marketplace.agreements.deadlines import window
from marketplace.agreements.facts import Facts
from marketplace.agreements.paper import ScheduleLine, schedule_table
from marketplace.agreements.prose import escaped, render_clause
from marketplace.agreements.terms import Terms, dump_terms, parse_terms
from marketplace.demo.rows import Agreement, AgreementLine
from marketplace.demo.world import World
from marketplace.kit.money import Money

USE_WORDS = {
    "intermediate_good": "intermediate good, used up in the holder's own production",
    "non_capital_spare": "non-capital spare",
}
TAKEN_OVER = "taken over from the stock list of 4 April 2016, without an order"


@dataclass(frozen=True, slots=True)
class PublishedClause:
    """A clause version as it stands in the database."""

    clause: str
    version: int
    sha256: bytes
    wording: str


@dataclass(frozen=True, slots=True)
class Paper:
    """What an agreement row needs beside what the world says."""

    agreement: Agreement
    terms: str
    """JSON."""
    wording: str
    wording_sha256: bytes
    opens: datetime
    closes: datetime


def parsed_terms(world: World) -> dict[str, Terms]:
    """The term sheets as typed terms, by key."""
    return {key: parse_terms(sheet["clause"], sheet["version"], sheet) for key, sheet in world.term_sheets.items()}


def papers(world: World, clauses: Mapping[tuple[str, int], PublishedClause]) -> Iterator[Paper]:
    """One paper an agreement, in the world's order.

    The text is what ``agreements.paper.write_paper`` writes (a test compares); the clause is filled in once per
    term sheet, since the schedules differ only in particulars and units.
    """
    terms = parsed_terms(world)
    bodies = {key: render_clause(clauses[of.clause, of.version].wording, of).rstrip() for key, of in terms.items()}
    dumped = {key: json.dumps(dump_terms(of)) for key, of in terms.items()}
    names = {c.id: f"{c.name} ({c.code})" for c in world.companies}
    frameworks = {f.id: f.reference for f in world.frameworks}
    orders = {o.id: o.reference for o in world.orders}
    parts = {p.id: p for p in world.parts}
    lines: dict[UUID, list[AgreementLine]] = defaultdict(list)
    for line in world.agreement_lines:
        lines[line.agreement_id].append(line)
    for agreement in world.agreements:
        clause = clauses[agreement.clause, agreement.version]
        schedule = [
            ScheduleLine(
                parts[line.part_id].number, parts[line.part_id].description, parts[line.part_id].uom,
                line.quantity_sold, Money(line.sale_price, "USD"), Money(line.list_price, "USD"), line.minimum_to_keep,
            )
            for line in lines[agreement.id]
        ]  # fmt: skip
        particulars = {
            "Manufacturer": names[agreement.maker_id],
            "Holder": names[agreement.holder_id],
            "Schedule": agreement.reference,
            "Framework agreement": frameworks[agreement.framework_id],
            "Order": orders[agreement.order_id] if agreement.order_id else TAKEN_OVER,
            "Schedule date": phrases.day(agreement.schedule_date),
            "Sold as": USE_WORDS[agreement.use_class],
            "Currency of the sale": "USD",
            "Days end at midnight in": agreement.zone,
            "Clause": f"{clause.clause}, version {clause.version}, SHA-256 {clause.sha256.hex()}",
        }
        listed = "".join(f"- **{escaped(label)}:** {escaped(value)}\n" for label, value in particulars.items())
        body = bodies[agreement.terms_key]
        text = f"{listed}\n{body}\n\n## Schedule of units\n\n{schedule_table(schedule)}\n"
        span = window(
            terms[agreement.terms_key],
            Facts(
                schedule_date=agreement.schedule_date, zone=agreement.zone, sale_price=schedule[0].sale_price,
                quantity_sold=schedule[0].quantity, remaining=0,
            ),
        )  # fmt: skip
        yield Paper(
            agreement,
            dumped[agreement.terms_key],
            text,
            hashlib.sha256(text.encode()).digest(),
            span.opens,
            span.closes,
        )
