"""Placing an order: units of one seller are reserved in the same transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from marketplace.agreements import queries as agreements
from marketplace.agreements.changes import differences_of_all
from marketplace.agreements.law import Jurisdiction, check_clauses, refuse_blocked
from marketplace.agreements.phrases import count
from marketplace.agreements.terms import Terms, dump_terms
from marketplace.agreements.together import NamedClause, parse_clauses
from marketplace.db.session import WriteSession, acting_for, execute, fetch_value
from marketplace.kit.clock import add_months, local_day
from marketplace.kit.errors import conflict, forbidden, invalid, missing
from marketplace.kit.ids import command_id, short_reference
from marketplace.kit.money import Money
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import carry_out
from marketplace.listings import queries as listings
from marketplace.listings.quantities import Take, take, wrong_quantity
from marketplace.listings.wording import clauses_of
from marketplace.orders.service.shared import announce, count_ordered, take_backing, tell
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.service import know_each_other

MAX_LINES = 500
MOST_MONTHS_AHEAD = 60
"""A requested date further ahead is a slip of the pen."""


MOST_NOTE = 500


@dataclass(frozen=True, slots=True)
class ProposedTerms:
    """Other terms that a buyer proposes with its order: every clause with all its terms, the first one first."""

    clauses: tuple[NamedClause, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One line to order: so many of a listing, under the buyer's own line number. ``unit_price``: the price that the buyer was shown;
    None = whatever it pays at this moment."""

    listing_id: UUID
    quantity: int
    po_line: str | None = None
    unit_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both sides agreed on before there was an order: ``prices`` by listing, and the clauses (None = the posting's).
    ``reference``: of the quote. The seller's offer stands for any quantity, whatever the posting's packages."""

    reference: str
    prices: Mapping[UUID, Decimal]
    clauses: tuple[Terms, ...] | None = None


async def place(
    session: WriteSession,
    actor: Actor,
    *,
    lines: Sequence[Wanted],
    po_number: str,
    ship_to_site_id: UUID,
    requested_on: date | None,
    hold_hours: int,
    now: datetime,
    proposed: ProposedTerms | None = None,
    agreed: Agreed | None = None,
) -> UUID:
    """Places an order and reserves its units in the same transaction, until ``hold_hours`` from now. ``proposed``: other
    terms than those of the posting, which the seller signs, answers or declines as it answers the order.

    All lines come from one release. Raises ``order.empty``, ``order.mixed``, ``order.own``, ``order.partner``, ``order.site``,
    ``listing.not_found``, ``listing.price_changed``, ``listing.sold_out``, ``listing.not_enough``, ``order.minimum``, ``order.package``, ``law.blocked``, and for the terms ``terms.invalid``,
    ``terms.combination``, ``clause.not_found``, ``proposal.nothing``, ``agreement.use_class``.
    """
    if not lines or len(lines) > MAX_LINES:
        raise invalid("order.empty", f"An order has 1 to {MAX_LINES} lines.", field="lines")
    if len({x.listing_id for x in lines}) != len(lines):
        raise invalid("order.repeated", "A listing stands twice in this order: add the quantities up.", field="lines")
    if not po_number.strip() or len(po_number) > 60:
        raise invalid("order.po_number", "Give your purchase order number (at most 60 characters).", field="po_number")
    site = await parties.site_for_share(session, actor, ship_to_site_id)
    today = local_day(now, site.timezone)
    if requested_on is not None and not today <= requested_on <= add_months(today, MOST_MONTHS_AHEAD):
        raise invalid(
            "order.requested_on",
            f"Choose a day from today to {MOST_MONTHS_AHEAD // 12} years ahead, or none.",
            field="requested_on",
        )
    seen = await listings.listings(session, [x.listing_id for x in lines])
    if len({x.release_id for x in seen}) > 1:
        raise invalid("order.mixed", "These lines are from different postings. Make one order for each.", field="lines")
    seller = seen[0].seller_id
    if seller == actor.company_id:
        raise invalid("order.own", "This is your own listing.", field="lines")
    if not actor.is_partner:
        # A posting that named it while it was a partner is visible to it still.
        raise forbidden(
            "order.partner", "Only partner companies order from postings. Ask the operator to make yours one."
        )
    if proposed is not None:
        # The seller's signature makes them binding: they are signed for the buyer with the order.
        actor.require("agreement.sign")
    posted = clauses_of(seen[0].clause, seen[0].version, seen[0].terms, seen[0].further)
    if agreed is not None:
        wanted = agreed.clauses or posted
    else:
        wanted = posted if proposed is None else await wanted_terms(session, proposed, posted, seen[0].use_class)
    await _law_allows(session, actor, seen[0], wanted, site, now.date())
    order_id: UUID = await fetch_value(session, "SELECT uuidv7()")
    until = now + timedelta(hours=hold_hours)
    async with acting_for(session, seller):
        await listings.market_for_share(session, seller)
        taken = await _reserve(session, actor, order_id, seller, lines, until, now, by_package=agreed is None)
        await know_each_other(session, seller, actor.company_id)
        people = await parties.people_to_tell(session, seller, ("seller", "planner"))
    seen = await _still_offered(session, seen, lines, agreed)
    reference = short_reference("ORD")
    await execute(
        session,
        "INSERT INTO purchase_order (id, reference, release_id, seller_id, buyer_id, status, currency, po_number, "
        "ship_to_site_id, requested_on, hold_expires_at, placed_by, placed_at, proposed, payment_days) "
        "VALUES ($1,$2,$3,$4,$5,'placed',$6,$7,$8,$9,$10,$11,$12,$13::jsonb,$14)",
        order_id, reference, seen[0].release_id, seller, actor.company_id, seen[0].currency, po_number.strip(),
        ship_to_site_id, requested_on, until, actor.user_id, now,
        None if proposed is None else json.dumps({"clauses": _plain(wanted), "note": proposed.note.strip()}),
        seen[0].payment_days,
    )  # fmt: skip
    await execute(
        session,
        "INSERT INTO order_line (order_id, line_no, seller_id, buyer_id, listing_id, part_id, condition, quantity, "
        "unit_price, po_line) SELECT $1, x.line_no, $2, $3, x.listing_id, x.part_id, x.condition, x.quantity, "
        "x.unit_price, x.po_line FROM unnest($4::int[], $5::uuid[], $6::uuid[], $7::text[], $8::int[], $9::numeric[], "
        "$10::text[]) AS x (line_no, listing_id, part_id, condition, quantity, unit_price, po_line)",
        order_id, seller, actor.company_id, list(range(1, len(lines) + 1)), [x.id for x in seen],
        [x.part_id for x in seen], [x.condition for x in seen], [x.quantity for x in lines],
        [x.unit_price for x in seen], [x.po_line for x in lines],
    )  # fmt: skip
    await execute(
        session,
        "INSERT INTO order_unit (order_id, line_no, lot_id, hold_seq, seller_id, buyer_id, position_id, quantity) "
        "SELECT $1, u.line_no, u.lot_id, u.hold_seq, $2, $3, u.position_id, u.quantity "
        "FROM unnest($4::int[], $5::uuid[], $6::bigint[], $7::int[], $8::int[]) "
        "AS u (line_no, lot_id, hold_seq, position_id, quantity)",
        order_id, seller, actor.company_id, [n for n, _, _ in taken], [t.lot_id for _, t, _ in taken],
        [seq for _, _, seq in taken], [t.position_id for _, t, _ in taken], [t.quantity for _, t, _ in taken],
    )  # fmt: skip
    other_terms = " Other terms are proposed with it." if proposed else ""
    text = f"{actor.company_name} ordered {count(sum(x.quantity for x in lines), 'unit')}, for {site.name}. Answer by {until:%d %b %Y %H:%M} UTC.{other_terms}"
    await tell(
        session, actor, order_id, seller, actor.company_id, "placed",
        {"po_number": po_number, **({"quote": agreed.reference} if agreed else {}), **({"note": proposed.note.strip(), "other_terms": True} if proposed else {})}, now,
    )  # fmt: skip
    await announce(
        session,
        "order.placed",
        order_id,
        (seller, actor.company_id),
        reference,
        [] if agreed else people,
        f"New order {reference}",
        text,
    )
    return order_id


async def _still_offered(
    session: WriteSession, seen: Sequence[listings.ListingRow], lines: Sequence[Wanted], agreed: Agreed | None
) -> Sequence[listings.ListingRow]:
    """The lines as their buyer sees them now that nobody can change who sees them and what it pays: the order takes exactly the price
    that was shown, or agreed on. Raises ``listing.not_found`` where they are no longer offered to it, ``listing.price_changed``."""
    now = await listings.listings(session, [x.id for x in seen])
    if agreed is not None:
        return [replace(row, unit_price=agreed.prices[row.id]) for row in now]
    for was, line, row in zip(seen, lines, now, strict=True):
        shown = was.unit_price if line.unit_price is None else line.unit_price
        if row.unit_price != shown:
            raise conflict(
                "listing.price_changed",
                f"The price of {row.part_number} is now {Money(row.unit_price, row.currency)} a unit and no longer "
                f"{Money(shown, row.currency)}. Nothing was ordered: look at the new price, then order again.",
                field="lines",
            )
    return now


async def wanted_terms(
    session: WriteSession, proposed: ProposedTerms, posted: Sequence[Terms], use_class: str
) -> tuple[Terms, ...]:
    """The terms that a buyer proposes, checked: released clauses, for the use of the posting, and not the posting's own."""
    if len(proposed.note) > MOST_NOTE:
        raise invalid("proposal.note", f"Say it in at most {MOST_NOTE} characters.", field="note")
    first = proposed.clauses[0]
    wanted = parse_clauses(first.clause, first.version, first.terms, proposed.clauses[1:], use_class=use_class)
    for terms in wanted:
        await agreements.clause_version(session, terms.clause, terms.version)
    if not differences_of_all(posted, wanted):
        raise invalid(
            "proposal.nothing", "These are the terms of the posting. Change at least one, or order as posted."
        )
    return wanted


def _plain(clauses: Sequence[Terms]) -> list[dict[str, Any]]:
    return [{"clause": t.clause, "version": t.version, "terms": dump_terms(t)} for t in clauses]


async def _law_allows(
    session: WriteSession,
    actor: Actor,
    line: listings.ListingRow,
    clauses: Sequence[Terms],
    site: parties.SiteRow,
    on: date,
) -> None:
    """Units are not reserved for an order whose schedule could not be signed. Raises ``law.blocked``."""
    seller, buyer = await parties.countries(session, line.seller_id, [actor.company_id])
    places = agreements.places_of(buyer[0], Jurisdiction(site.country, site.region or None))
    found = check_clauses(agreements.rules(), clauses, Jurisdiction(seller), places, every_holder=True, on=on)
    refuse_blocked(found)


async def _reserve(
    session: WriteSession,
    actor: Actor,
    order_id: UUID,
    seller: UUID,
    lines: Sequence[Wanted],
    until: datetime,
    now: datetime,
    *,
    by_package: bool,
) -> list[tuple[int, Take, int]]:
    """Locks the listings, chooses the units and reserves them: (line number, what, reservation)."""
    locked = {x.id: x for x in await listings.listings_for_update(session, [x.listing_id for x in lines])}
    behind = await listings.backing(session, [x.listing_id for x in lines], now)
    chosen: list[tuple[int, Take]] = []
    behind_line: list[tuple[UUID, Take]] = []
    for number, line in enumerate(lines, 1):
        listing = locked.get(line.listing_id)
        if listing is None or not listing.published:
            raise missing("listing.not_found", "This listing was withdrawn. Nothing was ordered.")
        free = sum(min(b.quantity, b.free) for b in behind[listing.id])
        refusal = wrong_quantity(
            line.quantity,
            available=min(listing.available, free),
            minimum=listing.minimum_quantity if by_package else 1,
            package=listing.package_quantity if by_package else 1,
            uom=listing.uom,
        )
        if refusal:
            if len(lines) > 1:
                refusal.message = f"{listing.part_number}: {refusal.message} Nothing was ordered."
            raise refusal
        taken = take(behind[listing.id], line.quantity)
        if taken is None:
            raise conflict("listing.sold_out", "This was just sold out. Nothing was ordered.", field="quantity")
        chosen.extend((number, t) for t in taken)
        behind_line.extend((listing.id, t) for t in taken)
    await count_ordered(session, [(x.listing_id, x.quantity) for x in lines])
    await take_backing(session, behind_line)
    steps = tuple(Step(Kind.HOLD, t.lot_id, t.quantity, t.position_id, expires_at=until) for _, t in chosen)
    command = Command(command_id("order.place", order_id), seller, actor.user_id, steps, "order", order_id)
    holds = [e for e in (await carry_out(session, command, now)).entries if e.kind is Kind.HOLD]
    return [(number, t, e.seq) for (number, t), e in zip(chosen, holds, strict=True)]
