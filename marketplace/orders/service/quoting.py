"""Before there is an order: a buyer asks for a quote, both sides make offers, version against version, and one of them is accepted.

An offer names lines of a posting that the buyer sees: its clause, its audience and its export rules hold for what is negotiated as for
what is bought at once. A seller's offer may reserve its units; they are free again by the clock when its time is over, without a job,
since the reservation stands in the ledger alone. Accepting places the order and accepts it for the seller, on the strength of the
version that both have agreed on: the buyer's read by the seller, or the seller's by the buyer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from marketplace.agreements import queries as agreements
from marketplace.agreements.changes import differences_of_all
from marketplace.agreements.terms import Terms, dump_terms
from marketplace.agreements.together import NamedClause, parse_clauses
from marketplace.db.session import WriteSession, acting_for, execute, fetch, fetch_value
from marketplace.kit.canonical import digest
from marketplace.kit.errors import conflict, forbidden, invalid, missing
from marketplace.kit.ids import command_id, short_reference
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import carry_out
from marketplace.listings import queries as listings
from marketplace.listings.quantities import take
from marketplace.listings.wording import clauses_of
from marketplace.orders import queries
from marketplace.orders.quoting import HOURS, MOST_LINES, REASONS, Act, Side, check_note, check_reason, require
from marketplace.orders.service.answering import accept as accept_order
from marketplace.orders.service.placing import Agreed, Wanted, place
from marketplace.outbox.service import emit
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parts import queries as parts

_ROLES = {"seller": ("seller", "planner"), "buyer": ("buyer",)}
_VERB = {"seller": "order.decide", "buyer": "order.place"}
_HIGHEST = Decimal("999999999999.9999")


async def request_quote(
    session: WriteSession,
    actor: Actor,
    *,
    listing_id: UUID | None,
    part_id: UUID | None,
    quantity: int,
    needed_by: date | None,
    ship_to_site_id: UUID,
    note: str,
    now: datetime,
    po_number: str = "",
) -> UUID:
    """Asks for an offer: of a listing's seller, or for a part that nobody offers, of its maker. Returns the quote's id. Raises
    ``quote.what``, ``quote.seller``, ``order.own``, ``order.partner``, ``order.site``, ``listing.not_found``, ``part.not_found``."""
    if (listing_id is None) == (part_id is None):
        raise invalid("quote.what", "Name either a listing or a part.", field="listing_id")
    if quantity < 1 or quantity > 1_000_000_000:
        raise invalid("order.quantity", "Ask for at least 1, and at most a billion.", field="quantity")
    check_note(note)
    if not actor.is_partner:
        raise forbidden("order.partner", "Only partner companies ask for quotes. Ask the operator to make yours one.")
    if needed_by is not None and needed_by < now.date() - timedelta(days=1):
        raise invalid("quote.needed_by", "Choose a day from today on, or none.", field="needed_by")
    site = await parties.site_for_share(session, actor, ship_to_site_id)
    if listing_id is not None:
        row = await listings.listing(session, listing_id)
        part_id, seller = row.part_id, row.seller_id
    else:
        found = await fetch(
            session, "SELECT m.company_id FROM part p JOIN maker m ON m.id = p.maker_id WHERE p.id = $1", part_id
        )
        if not found:
            raise missing("part.not_found", "No such part.")
        seller = found[0]["company_id"]
        if seller is None:
            raise conflict(
                "quote.seller", "The maker of this part sells nothing here, so there is nobody to ask. Save a search for the number "
                "under Saved searches: you are told once somebody offers it.",
            )  # fmt: skip
    if seller == actor.company_id:
        raise invalid("order.own", "You would ask yourself: this is your own.", field="listing_id")
    reference = short_reference("QUO")
    quote_id: UUID = await fetch_value(
        session,
        "INSERT INTO quote (reference, buyer_id, seller_id, part_id, listing_id, quantity, needed_by, ship_to_site_id, po_number, note, "
        "status, asked_by, asked_at) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,'asked',$11,$12) RETURNING id",
        reference, actor.company_id, seller, part_id, listing_id, quantity, needed_by, site.id, po_number.strip()[:60], note.strip(),
        actor.user_id, now,
    )  # fmt: skip
    quote = await queries.quote(session, quote_id)
    wanted = f"{quantity:,} {quote.uom} of {quote.part_number}"
    await _announce(
        session, "quote.asked", quote, "seller", f"{actor.company_name} asks for a quote: {wanted}",
        f"{actor.company_name} asks what {wanted} would cost"
        + (f", needed by {needed_by:%d %b %Y}" if needed_by else "") + f". {note.strip()}",
    )  # fmt: skip
    return quote_id


@dataclass(frozen=True, slots=True)
class OfferedLine:
    """So many of a listing at a price a unit."""

    listing_id: UUID
    quantity: int
    unit_price: Decimal


async def make_offer(
    session: WriteSession,
    actor: Actor,
    quote_id: UUID,
    *,
    answers: int,
    lines: Sequence[OfferedLine],
    hours: int,
    note: str,
    now: datetime,
    reserve: bool = False,
    clauses: Sequence[NamedClause] = (),
    po_number: str = "",
) -> int:
    """Makes the next version of the offer, whole, in place of version ``answers`` (0 = the first), which nobody can accept any more.
    Returns its number. It holds for ``hours``; a seller's may ``reserve`` the units until then. ``clauses``: other terms than the
    posting's. Raises ``quote.not_found``, what ``require`` raises, ``quote.lines``, ``quote.hours``, ``quote.not_offered``,
    ``quote.part``, ``order.mixed``, ``listing.not_enough``, ``terms.*``, ``actor.role``."""
    quote = await queries.quote_for_update(session, quote_id)
    side = _may(actor, quote, "offer", answers, now)
    _check_lines(lines)
    check_note(note)
    if hours not in HOURS:
        raise invalid(
            "quote.hours", f"An offer holds from {HOURS.start} hour to {HOURS.stop // 24} days.", field="hours"
        )
    rows = await _seen_by_buyer(session, quote, lines)
    relations = await _relations(session, quote, rows)
    until = now + timedelta(hours=hours)
    number = quote.last_version + 1
    wanted = await _clauses(session, rows[0], clauses)
    reserved = reserve and side == "seller"
    await _reserve_anew(session, actor, quote, number, lines if reserved else (), until, now)
    plain = (
        None if wanted is None else [{"clause": t.clause, "version": t.version, "terms": dump_terms(t)} for t in wanted]
    )
    said: dict[str, Any] = {
        "quote": quote.reference, "number": number, "by": actor.company_id, "made_by": actor.user_id, "made_at": now, "expires_at": until,
        "reserved": reserved, "currency": rows[0].currency, "clauses": json.dumps(plain, sort_keys=True), "note": note.strip(),
        "lines": [[x.listing_id, row.part_id, x.quantity, x.unit_price] for x, row in zip(lines, rows, strict=True)],
    }  # fmt: skip
    await execute(
        session,
        "INSERT INTO quote_version (quote_id, number, seller_id, buyer_id, by_company, made_by, made_at, expires_at, reserved, currency, "
        "clauses, note, sha256) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11::jsonb,$12,$13)",
        quote.id, number, quote.seller_id, quote.buyer_id, actor.company_id, actor.user_id, now, until, reserved, rows[0].currency,
        None if plain is None else json.dumps(plain), note.strip(), digest(said),
    )  # fmt: skip
    await execute(
        session,
        "INSERT INTO quote_line (quote_id, number, line_no, seller_id, buyer_id, listing_id, part_id, condition, relation, quantity, "
        "unit_price) SELECT $1, $2, x.line_no, $3, $4, x.listing_id, x.part_id, x.condition, x.relation, x.quantity, x.price "
        "FROM unnest($5::int[], $6::uuid[], $7::uuid[], $8::text[], $9::text[], $10::int[], $11::numeric[]) "
        "AS x (line_no, listing_id, part_id, condition, relation, quantity, price)",
        quote.id, number, quote.seller_id, quote.buyer_id, list(range(1, len(lines) + 1)), [r.id for r in rows],
        [r.part_id for r in rows], [r.condition for r in rows], relations, [x.quantity for x in lines], [x.unit_price for x in lines],
    )  # fmt: skip
    await execute(
        session,
        "UPDATE quote SET status = 'offered', last_version = $2, last_by = $3, expires_at = $4, "
        "po_number = CASE WHEN $5 <> '' THEN $5 ELSE po_number END WHERE id = $1",
        quote.id, number, actor.company_id, until, po_number.strip()[:60] if side == "buyer" else "",
    )  # fmt: skip
    await _announce(
        session, "quote.offered", quote, "buyer" if side == "seller" else "seller",
        f"{actor.company_name} made an offer: {quote.reference}",
        f"Version {number} of the offer for {quote.part_number}. It holds until {until:%d %b %Y %H:%M} UTC. {note.strip()}",
    )  # fmt: skip
    return number


async def accept_offer(
    session: WriteSession,
    actor: Actor,
    quote_id: UUID,
    *,
    version: int,
    now: datetime,
    hold_hours: int,
    po_number: str = "",
) -> UUID:
    """Accepts the other side's version as it stands: the order is placed and accepted in the same transaction, at its prices and under
    its terms, and its schedule waits for signatures. Returns the order. Without a purchase order number the quote's reference stands
    for it. Raises what ``require``, ``place`` and ``accept`` raise, and ``quote.person`` where whoever made the version no longer
    may."""
    quote = await queries.quote_for_update(session, quote_id)
    side = _may(actor, quote, "accept", version, now)
    (offer,) = await queries.versions(session, quote.id, number=version)
    if any(x.listing_id is None for x in offer.lines):
        raise missing(
            "listing.not_found", "A line of this offer is no longer posted. Nothing was ordered; ask for another offer."
        )
    await _reserve_anew(
        session, actor, quote, version + 1, (), now, now, again=[x.listing_id for x in offer.lines if x.listing_id]
    )
    other = await _person(session, quote, offer, "buyer" if side == "seller" else "seller")
    buyer, seller = (other, actor) if side == "seller" else (actor, other)
    clauses = () if offer.clauses is None else clauses_of(
        offer.clauses[0]["clause"], offer.clauses[0]["version"], offer.clauses[0]["terms"], offer.clauses[1:]
    )  # fmt: skip
    number = (po_number.strip() if side == "buyer" else "") or quote.po_number or quote.reference
    # A day that is over by now wishes for nothing.
    wished = quote.needed_by if quote.needed_by and quote.needed_by > now.date() else None
    async with acting_for(session, quote.buyer_id):
        order_id = await place(
            session, buyer, lines=[Wanted(x.listing_id, x.quantity) for x in offer.lines if x.listing_id], po_number=number,
            ship_to_site_id=quote.ship_to_site_id, requested_on=wished, hold_hours=hold_hours, now=now,
            agreed=Agreed(quote.reference, {x.listing_id: x.unit_price for x in offer.lines if x.listing_id}, tuple(clauses) or None),
        )  # fmt: skip
    async with acting_for(session, quote.seller_id):
        await accept_order(session, seller, order_id, now, agreed=clauses)
    await _end(session, actor, quote, "accepted", now, order_id=order_id, po_number=number)
    await _announce(
        session, "quote.accepted", quote, "buyer" if side == "seller" else "seller",
        f"{actor.company_name} accepted your offer {quote.reference}",
        f"Version {version} was accepted and an order was made of it. The schedule waits for signatures.", link=f"/orders/{order_id}",
    )  # fmt: skip
    return order_id


async def decline_offer(
    session: WriteSession, actor: Actor, quote_id: UUID, *, version: int, reason: str, note: str, now: datetime
) -> None:
    """Declines the request or the other side's version for a reason, and with it ends the negotiation. What was reserved is free."""
    quote = await queries.quote_for_update(session, quote_id)
    side = _may(actor, quote, "decline", version, now)
    check_reason(reason, note)
    await _reserve_anew(session, actor, quote, version + 1, (), now, now)
    await _end(session, actor, quote, "declined", now, reason=reason, words=note.strip())
    await _announce(
        session, "quote.declined", quote, "buyer" if side == "seller" else "seller", f"{actor.company_name} declined {quote.reference}",
        f"{REASONS[reason]}. {note.strip()}",
    )  # fmt: skip


async def withdraw_offer(
    session: WriteSession, actor: Actor, quote_id: UUID, *, version: int, note: str, now: datetime
) -> None:
    """Takes back one's own request or last version, and with it ends the negotiation. What was reserved is free."""
    quote = await queries.quote_for_update(session, quote_id)
    side = _may(actor, quote, "withdraw", version, now)
    check_note(note)
    await _reserve_anew(session, actor, quote, version + 1, (), now, now)
    await _end(session, actor, quote, "withdrawn", now, words=note.strip())
    await _announce(
        session, "quote.withdrawn", quote, "buyer" if side == "seller" else "seller", f"{actor.company_name} withdrew {quote.reference}",
        note.strip() or "It needs no answer any more.",
    )  # fmt: skip


def _may(actor: Actor, quote: queries.QuoteRow, act: Act, version: int, now: datetime) -> Side:
    """Which side the actor is on, where it may do this now."""
    side = quote.side_of(actor.company_id)
    actor.require(_VERB[side])
    require(quote.standing, act, side, version, now)
    return side


def _check_lines(lines: Sequence[OfferedLine]) -> None:
    if not 1 <= len(lines) <= MOST_LINES:
        raise invalid("quote.lines", f"An offer has 1 to {MOST_LINES} lines.", field="lines")
    if len({x.listing_id for x in lines}) != len(lines):
        raise invalid("quote.lines", "A listing stands twice in this offer: add the quantities up.", field="lines")
    for index, x in enumerate(lines):
        if not 0 < x.quantity <= 1_000_000_000:
            raise invalid("quote.lines", "Offer 1 to 1,000,000,000 of each line.", field=f"lines.{index}.quantity")
        if not 0 <= x.unit_price <= _HIGHEST:
            raise invalid(
                "quote.lines", "Give a price of zero or more for each line.", field=f"lines.{index}.unit_price"
            )


async def _seen_by_buyer(
    session: WriteSession, quote: queries.QuoteRow, lines: Sequence[OfferedLine]
) -> Sequence[listings.ListingRow]:
    """The lines as the buyer sees them: what it does not see cannot be offered to it. All of one posting of the seller."""
    async with acting_for(session, quote.buyer_id):
        rows = await listings.seen(session, [x.listing_id for x in lines])
    if len(rows) != len(lines) or any(r.seller_id != quote.seller_id for r in rows):
        raise conflict(
            "quote.not_offered",
            f"{quote.buyer} does not see all of these lines among the postings of {quote.seller}. Publish them to it first, to nobody "
            "else if you like; then offer from there.",
            field="lines",
        )
    if len({r.release_id for r in rows}) > 1:
        raise invalid("order.mixed", "These lines are from different postings. Offer from one of them.", field="lines")
    return rows


async def _relations(session: WriteSession, quote: queries.QuoteRow, rows: Sequence[listings.ListingRow]) -> list[str]:
    """How each line's part stands to the one that was asked for: itself, one that replaces it, or one that may stand in for it."""
    known = {
        r.other_id: r.relation for r in await parts.related(session, [quote.part_id]) if r.relation != "supersedes"
    }
    found = []
    for row in rows:
        relation = "asked" if row.part_id == quote.part_id else known.get(row.part_id)
        if relation is None:
            raise invalid(
                "quote.part",
                f"{row.part_number} neither is {quote.part_number} nor replaces it, and is no alternate of it. Offer one of those, or "
                "record the relation in the catalogue first.",
                field="lines",
            )
        found.append(relation)
    return found


async def _clauses(
    session: WriteSession, row: listings.ListingRow, named: Sequence[NamedClause]
) -> tuple[Terms, ...] | None:
    """Other terms than the posting's, checked: released clauses for the posting's use; None where they are the posting's own."""
    if not named:
        return None
    first = named[0]
    wanted = parse_clauses(first.clause, first.version, first.terms, named[1:], use_class=row.use_class)
    for terms in wanted:
        await agreements.clause_version(session, terms.clause, terms.version)
    posted = clauses_of(row.clause, row.version, row.terms, row.further)
    return wanted if differences_of_all(posted, wanted) else None


async def _reserve_anew(
    session: WriteSession, actor: Actor, quote: queries.QuoteRow, number: int, lines: Sequence[OfferedLine], until: datetime,
    now: datetime, *, again: Sequence[UUID] = (),
) -> None:  # fmt: skip
    """Frees what the version before ``number`` has reserved, and reserves ``lines`` until their time. ``again``: listings that are
    ordered from next, so that they are locked before the lots. What is past its time is free by the clock already."""
    async with acting_for(session, quote.seller_id):
        held = await fetch(
            session, "SELECT lot_id, hold_seq, position_id, quantity FROM open_hold WHERE cause_id = $1 AND expires_at > $2 ORDER BY 1, 2",
            quote.id, now,
        )  # fmt: skip
        if not held and not lines:
            return
        await listings.market_for_share(session, quote.seller_id)
        locked = {
            x.id: x for x in await listings.listings_for_update(session, [*again, *(x.listing_id for x in lines)])
        }
        if held:
            steps = tuple(
                Step(Kind.VOID, h["lot_id"], h["quantity"], h["position_id"], resolves=h["hold_seq"]) for h in held
            )
            await _command(session, actor, quote, "quote.free", number - 1, steps, now)
        if not lines:
            return
        behind = await listings.backing(session, [x.listing_id for x in lines], now)
        holds: list[Step] = []
        for x in lines:
            listing = locked.get(x.listing_id)
            taken = take(behind[x.listing_id], x.quantity)
            if listing is None or taken is None or listing.available < x.quantity:
                free = (
                    0
                    if listing is None
                    else min(listing.available, sum(min(b.quantity, b.free) for b in behind[x.listing_id]))
                )
                raise conflict(
                    "listing.not_enough", f"Only {free:,} of this line are free to be reserved, not {x.quantity:,}. Nothing was offered.",
                    field="lines", available=free,
                )  # fmt: skip
            holds.extend(Step(Kind.HOLD, t.lot_id, t.quantity, t.position_id, expires_at=until) for t in taken)
        await _command(session, actor, quote, "quote.hold", number, tuple(holds), now)


async def _command(
    session: WriteSession,
    actor: Actor,
    quote: queries.QuoteRow,
    name: str,
    number: int,
    steps: tuple[Step, ...],
    now: datetime,
) -> None:
    key = command_id(name, quote.id, number)
    await carry_out(session, Command(key, quote.seller_id, actor.user_id, steps, "quote", quote.id), now)


async def _person(session: WriteSession, quote: queries.QuoteRow, offer: queries.VersionRow, side: Side) -> Actor:
    """Whoever made the version that is accepted, as it may act today."""
    company, name = (quote.buyer_id, quote.buyer) if side == "buyer" else (quote.seller_id, quote.seller)
    async with acting_for(session, company):
        person = await parties.person_acting(session, offer.made_by)
    if person is None or not person.may(_VERB[side]):
        raise conflict(
            "quote.person", f"Whoever made this offer for {name} no longer may. Ask {name} to make it again."
        )
    return person


async def _end(
    session: WriteSession, actor: Actor, quote: queries.QuoteRow, status: str, now: datetime, *, reason: str | None = None,
    words: str | None = None, order_id: UUID | None = None, po_number: str | None = None,
) -> None:  # fmt: skip
    await execute(
        session,
        "UPDATE quote SET status = $2, reason_code = $3, reason_text = $4, ended_by = $5, ended_at = $6, order_id = $7, "
        "po_number = coalesce($8, po_number) WHERE id = $1",
        quote.id, status, reason, words or None, actor.company_id, now, order_id, po_number,
    )  # fmt: skip


async def _announce(
    session: WriteSession,
    event: str,
    quote: queries.QuoteRow,
    to: Side,
    subject: str,
    text: str,
    *,
    link: str | None = None,
) -> None:
    company = quote.seller_id if to == "seller" else quote.buyer_id
    async with acting_for(session, company):
        people = await parties.people_to_tell(session, company, _ROLES[to])
    payload: dict[str, Any] = {"reference": quote.reference}
    if people:
        payload["mail"] = {
            "to": people,
            "subject": subject,
            "text": text.strip(),
            "link": link or f"/quotes/{quote.id}",
        }
    await emit(session, event, "quote", quote.id, (quote.seller_id, quote.buyer_id), payload)
