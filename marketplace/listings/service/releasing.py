"""The verbs of releases: draft, lines, publish, reduce, withdraw, close."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID

from marketplace.agreements.law import refuse_blocked
from marketplace.agreements.queries import clause_version
from marketplace.agreements.service import require_texts
from marketplace.agreements.terms import AppliesTo, Terms, dump_terms, parse_terms
from marketplace.agreements.together import NamedClause, dump_further, parse_clauses
from marketplace.db.session import WriteSession, execute, fetch, fetch_value
from marketplace.kit.canonical import encode
from marketplace.kit.errors import FieldError, conflict, invalid, invalid_fields, missing
from marketplace.kit.ids import short_reference
from marketplace.ledger.kinds import CONDITIONS
from marketplace.listings import queries
from marketplace.listings.quantities import Take, either, in_packages, less, take
from marketplace.listings.service.audiences import CONTROLLED
from marketplace.listings.wording import clauses_of
from marketplace.outbox.service import emit
from marketplace.parties.actor import Actor
from marketplace.parties.queries import people_to_tell
from marketplace.safeguards.service import refuse_insolvent

MAX_LINES = 1000
PAYMENT_DAYS, MOST_PAYMENT_DAYS = 30, 180
"""Days from receipt within which the price of units is due: where a posting states none, and at most."""
USES = ("intermediate_good", "non_capital_spare")


@dataclass(frozen=True, slots=True)
class NewLine:
    """A line to offer: so many of a part at a site in a condition, at a price per base unit. ``minimum_to_keep``: None = what
    the terms say, as far as so many are offered."""

    part_id: UUID
    site_id: UUID
    condition: str
    quantity: int
    unit_price: Decimal
    minimum_quantity: int = 1
    package_quantity: int = 1
    minimum_to_keep: int | None = None


async def draft(
    session: WriteSession,
    actor: Actor,
    *,
    title: str,
    clause: str,
    version: int,
    terms: Mapping[str, Any],
    use_class: str,
    audience: str = "all",
    audience_ids: Sequence[UUID] = (),
    further: Sequence[NamedClause] = (),
    payment_days: int = PAYMENT_DAYS,
) -> UUID:
    """A new draft release. Terms are checked in full, of ``further`` clauses beside the first too; every wrong one is
    named. Raises ``clause.not_found`` for a clause that is not released, ``terms.invalid``, ``terms.combination``."""
    checked, beside = await _checked(session, actor, clause, version, terms, further, use_class, audience, audience_ids)
    _check_days(payment_days)
    made: UUID = await fetch_value(
        session,
        "INSERT INTO release (reference, company_id, title, clause, version, terms, use_class, currency, audience, "
        "audience_ids, status, created_by, further, payment_days) "
        "VALUES ($1,$2,$3,$4,$5,$6::jsonb,$7,$8,$9,$10,'draft',$11,$12::jsonb,$13) RETURNING id",
        short_reference("REL"), actor.company_id, title.strip() or "Untitled", clause, version, checked, use_class,
        actor.currency, audience, list(audience_ids), actor.user_id, beside, payment_days,
    )  # fmt: skip
    return made


async def edit(
    session: WriteSession,
    actor: Actor,
    release_id: UUID,
    *,
    title: str,
    clause: str,
    version: int,
    terms: Mapping[str, Any],
    use_class: str,
    audience: str,
    audience_ids: Sequence[UUID],
    further: Sequence[NamedClause] = (),
    payment_days: int = PAYMENT_DAYS,
) -> None:
    """Changes a draft; lines whose minimum to keep was that of the terms follow. Raises ``release.published`` once it is
    out: terms that partners have read do not change."""
    release = await queries.release_for_update(session, release_id, actor.company_id)
    _must_be_draft(release)
    _check_days(payment_days)
    windows = await queries.windows(session, release_id)
    later = bool(windows) or release.open_from is not None
    checked, beside = await _checked(
        session, actor, clause, version, terms, further, use_class, audience, audience_ids, later=later
    )
    if audience == "all" and later:
        await execute(session, "DELETE FROM release_window WHERE release_id = $1", release_id)
        await execute(session, "UPDATE release SET open_from = NULL WHERE id = $1", release_id)
    await execute(
        session,
        "UPDATE release SET title = $2, clause = $3, version = $4, terms = $5::jsonb, use_class = $6, audience = $7, "
        "audience_ids = $8, further = $9::jsonb, payment_days = $10 WHERE id = $1",
        release_id, title.strip() or "Untitled", clause, version, checked, use_class, audience, list(audience_ids), beside,
        payment_days,
    )  # fmt: skip
    # Lines that keep what the terms said keep what they say now; a minimum of a line's own stays.
    before, after = (
        parse_terms(*which).minimum_to_keep
        for which in ((release.clause, release.version, release.terms), (clause, version, terms))
    )
    if before != after:
        await execute(
            session,
            "UPDATE listing SET minimum_to_keep = least(quantity, $3::int) WHERE release_id = $1 "
            "AND minimum_to_keep = least(quantity, $2::int)",
            release_id, before, after,
        )  # fmt: skip


async def _checked(
    session: WriteSession,
    actor: Actor,
    clause: str,
    version: int,
    terms: Mapping[str, Any],
    further: Sequence[NamedClause],
    use_class: str,
    audience: str,
    audience_ids: Sequence[UUID],
    later: bool = False,
) -> tuple[str, str]:
    """The terms of the first clause and the clauses beside it, as they are kept."""
    if not actor.is_manufacturer:
        raise invalid("release.company", "Only a manufacturer posts surplus under a clause.")
    parsed, *beside = parse_clauses(clause, version, terms, further, use_class=use_class)
    await require_texts(session, further)
    # What the program can evaluate is not yet released: nothing is posted under a text that may still change.
    for each in (parsed, *beside):
        await clause_version(session, each.clause, each.version)
    if use_class not in USES:
        raise invalid("release.use_class", f"Choose a use: {' or '.join(USES)}.", field="use_class")
    # ``later``: groups are admitted, or whoever comes later, so nobody has to be named.
    nobody = audience == "named" and not audience_ids and not later
    if audience not in ("all", "named") or nobody or (audience == "all" and audience_ids):
        raise invalid("release.audience", "Offer it to all partners, or name at least one.", field="audience_ids")
    if audience_ids:
        known = await fetch_value(
            session, "SELECT count(*) FROM company WHERE id = ANY($1::uuid[]) AND is_partner", list(audience_ids)
        )
        if known != len(set(audience_ids)):
            raise missing("company.not_found", "One of the named partners does not exist.", field="audience_ids")
    return encode(dump_terms(parsed)).decode(), dump_further(beside)


def _check_days(days: int) -> None:
    if not 0 <= days <= MOST_PAYMENT_DAYS:
        raise invalid(
            "release.payment_days", f"Give 0 to {MOST_PAYMENT_DAYS} days to pay the price after receipt.",
            field="payment_days",
        )  # fmt: skip


def _must_be_draft(release: queries.ReleaseRow) -> None:
    if release.status != "draft":
        raise conflict("release.published", "This posting is out already: withdraw or reduce its lines instead.")


async def set_lines(session: WriteSession, actor: Actor, release_id: UUID, lines: Sequence[NewLine]) -> list[UUID]:
    """Replaces a draft's lines. Every wrong line is named; nothing is kept unless all are right. Units are taken
    from own free stock that no other listing offers; protected parts are refused."""
    release = await queries.release_for_update(session, release_id, actor.company_id)
    _must_be_draft(release)
    if len(lines) > MAX_LINES:
        raise invalid("release.too_many", f"At most {MAX_LINES:,} lines in one posting.")
    await execute(session, "DELETE FROM listing WHERE release_id = $1", release_id)
    return await _add_lines(session, actor, release, lines)


async def add_lines(session: WriteSession, actor: Actor, release_id: UUID, lines: Sequence[NewLine]) -> list[UUID]:
    """Adds lines to a draft beside those it has. Raises as ``set_lines`` does; stock that the draft offers already is
    named."""
    release = await queries.release_for_update(session, release_id, actor.company_id)
    _must_be_draft(release)
    before = await queries.lines(session, release_id, limit=MAX_LINES)
    if len(before) + len(lines) > MAX_LINES:
        raise invalid("release.too_many", f"At most {MAX_LINES:,} lines in one posting; it has {len(before):,}.")
    known = {(x.part_id, x.site_id, x.condition): x.part_number for x in before}
    twice = [known[key] for x in lines if (key := (x.part_id, x.site_id, x.condition)) in known]
    if twice:
        raise conflict(
            "release.repeated",
            f"{', '.join(twice[:5])} from that site and in that condition {'is' if len(twice) == 1 else 'are'} in this "
            "posting already: change the quantity there.",
        )
    return await _add_lines(session, actor, release, lines)


async def _add_lines(
    session: WriteSession, actor: Actor, release: queries.ReleaseRow, lines: Sequence[NewLine]
) -> list[UUID]:
    part_ids = sorted({x.part_id for x in lines})
    await queries.stock_for_update(session, actor.company_id, part_ids)
    kept_back = await queries.protected(session, actor.company_id, part_ids)
    sites = {
        r["id"]: r
        for r in await fetch(
            session,
            "SELECT id, place, region, country, lat, lon FROM site WHERE company_id = $1 AND id = ANY($2::uuid[])",
            actor.company_id,
            [x.site_id for x in lines],
        )
    }
    known = await queries.known_parts(session, part_ids)
    free = await queries.lots_to_list(session, actor.company_id, [_place(x) for x in lines])
    clauses = clauses_of(release.clause, release.version, release.terms, release.further)
    keeps = [_to_keep(line, clauses) for line in lines]
    wrong: list[FieldError] = []
    taken: list[tuple[Take, ...]] = []
    for number, line in enumerate(lines):
        lots = free[_place(line)]
        problem = _line_problem(line, keeps[number], clauses, sites, known, kept_back) or _not_in_packages(
            line, sum(x.free for x in lots)
        )
        chosen = None if problem else take(lots, line.quantity)
        if problem is None and chosen is None:
            there = sum(x.free for x in lots)
            words = f"Only {there} are free there in that condition and not listed yet, not {line.quantity}."
            problem = ("quantity", "release.not_enough", words)
        if problem:
            wrong.append(FieldError(f"lines.{number}.{problem[0]}", problem[1], problem[2]))
        if chosen:
            free[_place(line)] = less(lots, chosen)
            taken.append(chosen)
    if wrong:
        raise invalid_fields(
            "release.lines", f"{len(wrong)} of {len(lines)} lines cannot be offered. Nothing was saved.", tuple(wrong)
        )
    return await _write_lines(
        session, actor, release, [(x, k, sites[x.site_id], t) for x, k, t in zip(lines, keeps, taken, strict=True)]
    )


def _to_keep(line: NewLine, clauses: Sequence[Terms]) -> int:
    stated = line.minimum_to_keep
    return min(clauses[0].minimum_to_keep, line.quantity) if stated is None else stated


def _place(line: NewLine) -> tuple[UUID, UUID, str]:
    return line.part_id, line.site_id, line.condition


async def _write_lines(
    session: WriteSession,
    actor: Actor,
    release: queries.ReleaseRow,
    rows: Sequence[tuple[NewLine, int, Any, Sequence[Take]]],
) -> list[UUID]:
    """The listings and what stands behind them, in a constant number of statements."""
    made = [r["id"] for r in await fetch(session, "SELECT uuidv7() AS id FROM generate_series(1, $1)", len(rows))]
    lines, sites = [row[0] for row in rows], [row[2] for row in rows]
    await execute(
        session,
        "INSERT INTO listing (id, release_id, company_id, audience_ids, part_id, site_id, place, region, country, lat, "
        "lon, condition, quantity, unit_price, minimum_quantity, package_quantity, minimum_to_keep) "
        "SELECT x.id, $1, $2, $3::uuid[], x.part_id, x.site_id, x.place, x.region, x.country, x.lat, x.lon, x.condition, "
        "x.quantity, x.unit_price, x.minimum_quantity, x.package_quantity, x.minimum_to_keep "
        "FROM unnest($4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::text[], $10::float8[], $11::float8[], "
        "$12::text[], $13::int[], $14::numeric[], $15::int[], $16::int[], $17::int[]) AS x (id, part_id, site_id, place, "
        "region, country, lat, lon, condition, quantity, unit_price, minimum_quantity, package_quantity, minimum_to_keep)",
        release.id, actor.company_id, list(release.audience_ids) if release.audience == "named" else None, made,
        [x.part_id for x in lines], [x.site_id for x in lines], [s["place"] for s in sites], [s["region"] for s in sites],
        [s["country"] for s in sites], [s["lat"] for s in sites], [s["lon"] for s in sites], [x.condition for x in lines],
        [x.quantity for x in lines], [x.unit_price for x in lines], [x.minimum_quantity for x in lines],
        [x.package_quantity for x in lines], [row[1] for row in rows],
    )  # fmt: skip
    behind = [(listing_id, t) for listing_id, (_, _, _, taken) in zip(made, rows, strict=True) for t in taken]
    await execute(
        session,
        "INSERT INTO listing_lot (listing_id, lot_id, position_id, company_id, quantity) "
        "SELECT t.listing_id, t.lot_id, t.position_id, $1, t.quantity "
        "FROM unnest($2::uuid[], $3::uuid[], $4::int[], $5::int[]) AS t (listing_id, lot_id, position_id, quantity)",
        actor.company_id, [x for x, _ in behind], [t.lot_id for _, t in behind], [t.position_id for _, t in behind],
        [t.quantity for _, t in behind],
    )  # fmt: skip
    return made


def _line_problem(
    line: NewLine,
    keep: int,
    clauses: Sequence[Terms],
    sites: Mapping[UUID, Any],
    known: set[UUID],
    kept_back: set[UUID],
) -> tuple[str, str, str] | None:
    if line.quantity <= 0:
        return "quantity", "release.quantity", "Offer at least one."
    if line.part_id not in known:
        return "part_id", "part.not_found", "No such part. Find its id by its number first."
    if line.site_id not in sites:
        return "site_id", "site.not_found", "No such site of yours."
    if line.condition not in CONDITIONS:
        return "condition", "release.condition", f"Unknown condition. Use one of: {', '.join(CONDITIONS)}."
    if line.part_id in kept_back:
        return "part_id", "release.protected", "This part is protected: it may never be released."
    if line.unit_price < 0:
        return "unit_price", "release.price", "A price is zero or more."
    if line.minimum_quantity < 1 or line.package_quantity < 1:
        return "minimum_quantity", "release.minimum", "Smallest order and package are at least 1."
    if line.minimum_quantity > line.quantity:
        return "minimum_quantity", "release.minimum", "The smallest order is larger than what is offered."
    if not 0 <= keep <= line.quantity:
        return "minimum_to_keep", "release.minimum_to_keep", "The minimum to keep is from 0 to the quantity offered."
    unkept = _keeps_too_little(keep, clauses)
    if unkept is not None:
        return (
            "minimum_to_keep",
            "release.minimum_to_keep",
            f"The right reaches only the minimum to keep, so it must be more than {unkept.holder_reserve}.",
        )
    return None


def _not_in_packages(line: NewLine, free: int) -> tuple[str, str, str] | None:
    """Whole packages are offered, and bought at least. A smallest order of 1 says that there is none of its own."""
    of = f"packages of {line.package_quantity:,}"
    # Of more than is free, that is what is said.
    nearest = None if line.quantity > free else in_packages(line.quantity, line.package_quantity, most=free)
    if nearest is not None:
        words = f"offer {either(nearest)}" if nearest else "choose a smaller package"
        return "quantity", "release.package", f"{line.quantity:,} is not a whole number of {of}: {words}."
    nearest = in_packages(line.minimum_quantity, line.package_quantity, most=line.quantity)
    if nearest is not None and line.minimum_quantity != 1:
        return "minimum_quantity", "release.package", (
            f"A smallest order of {line.minimum_quantity:,} is not a whole number of {of}: make it {either(nearest)}."
        )  # fmt: skip
    return None


def _keeps_too_little(minimum_to_keep: int, clauses: Sequence[Terms]) -> Terms | None:
    """The clause whose right reaches only the minimum to keep and would reach nothing, if one does."""
    floor = (terms for terms in clauses if terms.applies_to is AppliesTo.FLOOR)
    return next((terms for terms in floor if minimum_to_keep <= terms.holder_reserve), None)


async def put_out(session: WriteSession, actor: Actor, release_id: UUID, now: datetime) -> None:
    """Puts a draft out. Its units are checked once more under their locks: what was reserved or moved since the
    draft is named, and nothing is published. Raises ``law.blocked`` for terms that the law of the seller's country, or of a
    named partner's, does not allow, and ``company.insolvent`` where a named partner is on record as insolvent."""
    await queries.market_for_share(session, actor.company_id)
    release = await queries.release_for_update(session, release_id, actor.company_id)
    _must_be_draft(release)
    admitted = sorted({*release.audience_ids, *await queries.admitted_later(session, release_id)})
    if release.audience == "named":
        await refuse_insolvent(
            session, actor.company_id, admitted,
            "What it orders could not be accepted. Take it off the named partners, or lift the record under Agreements, "
            "Insolvencies; then publish.",
        )  # fmt: skip
    lines = await queries.lines(session, release_id, limit=MAX_LINES)
    if not lines:
        raise invalid("release.empty", "Add at least one line before publishing.")
    await queries.stock_for_update(session, actor.company_id, sorted({x.part_id for x in lines}))
    behind = await queries.backing(session, [x.id for x in lines], now)
    short = [x for x in lines if sum(min(b.quantity, b.free) for b in behind[x.id]) < x.quantity]
    if short:
        raise conflict(
            "release.stock_changed",
            f"Stock changed since the draft: {', '.join(x.part_number for x in short[:5])} "
            f"{'is' if len(short) == 1 else 'are'} no longer free in that quantity. Adjust the lines, then publish.",
            part_numbers=[x.part_number for x in short],
        )
    # The audience and the terms may have changed since the lines were added.
    clauses = clauses_of(release.clause, release.version, release.terms, release.further)
    unkept = {x.part_number: which for x in lines if (which := _keeps_too_little(x.minimum_to_keep, clauses))}
    if unkept:
        reserve = max(terms.holder_reserve for terms in unkept.values())
        raise conflict(
            "release.minimum_to_keep",
            f"The right reaches only the minimum to keep, and that is {reserve} or less for "
            f"{', '.join([*unkept][:5])}: raise it there, then publish.",
        )
    # Nor were packages always asked for.
    loose = [x.part_number for x in lines if in_packages(x.quantity, x.package_quantity, most=x.quantity) is not None]
    if loose:
        raise conflict(
            "release.package",
            f"What is offered of {', '.join(loose[:5])} is not a whole number of packages: change the quantity or the "
            "package there, then publish.",
        )
    named = list(release.audience_ids) if release.audience == "named" else None
    who = None if named is None or release.open_from else admitted
    refuse_blocked(await queries.law_of_terms(session, actor.company_id, clauses, who, now.date()))
    await execute(
        session,
        f"UPDATE listing l SET published = true, audience_ids = $2, open_from = r.open_from, controlled = {CONTROLLED} "
        "FROM release r WHERE r.id = l.release_id AND r.id = $1",
        release_id, named,
    )  # fmt: skip
    await execute(session, "UPDATE release SET status = 'published', published_at = $2 WHERE id = $1", release_id, now)
    await emit(
        session, "release.published", "release", release_id, [actor.company_id], {"reference": release.reference}
    )


async def reduce(session: WriteSession, actor: Actor, listing_id: UUID, quantity: int) -> None:
    """Offers only ``quantity`` in all from now on. What is ordered stays honoured: not below that; what is left beside
    it is whole packages. Raises ``listing.reduce``, ``listing.package``."""
    rows = await queries.listings_for_update(session, [listing_id])
    if not rows or rows[0].seller_id != actor.company_id:
        raise missing("listing.not_found", "No such listing of yours.")
    line = rows[0]
    if not line.ordered <= quantity <= line.quantity:
        raise conflict(
            "listing.reduce",
            f"Between {line.ordered} (ordered already, honoured) and {line.quantity} (offered now). To offer more, "
            "post a new line.",
            field="quantity",
        )
    left = in_packages(quantity - line.ordered, line.package_quantity, most=line.available)
    if left is not None and quantity != line.quantity:
        whole = sorted({line.ordered, *(line.ordered + n for n in left)})
        nearest = [n for n in whole if abs(n - quantity) < line.package_quantity]
        raise invalid(
            "listing.package",
            f"Sold in packages of {line.package_quantity:,} {line.uom}, of which {line.ordered:,} {line.uom} are ordered: "
            f"offer {either(nearest)} in all.",
            field="quantity",
        )
    await _shrink(session, line, line.quantity - quantity)
    await execute(session, "UPDATE listing SET quantity = $2 WHERE id = $1", listing_id, quantity)


async def _shrink(session: WriteSession, line: queries.ListingRow, drop: int) -> None:
    """Takes ``drop`` out of the lots behind a listing, smallest pieces first."""
    rows = await fetch(
        session,
        "SELECT lot_id, position_id, quantity FROM listing_lot WHERE listing_id = $1 ORDER BY quantity, lot_id",
        line.id,
    )
    for r in rows:
        cut = min(drop, r["quantity"])
        drop -= cut
        if cut == r["quantity"]:
            await execute(
                session,
                "DELETE FROM listing_lot WHERE listing_id = $1 AND lot_id = $2 AND position_id = $3",
                line.id, r["lot_id"], r["position_id"],
            )  # fmt: skip
        elif cut:
            await execute(
                session,
                "UPDATE listing_lot SET quantity = quantity - $4 WHERE listing_id = $1 AND lot_id = $2 AND position_id = $3",
                line.id, r["lot_id"], r["position_id"], cut,
            )  # fmt: skip
        if not drop:
            return


async def close(session: WriteSession, actor: Actor, release_id: UUID, now: datetime) -> None:
    """Withdraws everything unsold of a release; orders already placed go on."""
    release = await queries.release_for_update(session, release_id, actor.company_id)
    if release.status == "draft":
        await execute(session, "DELETE FROM listing WHERE release_id = $1", release_id)
        await execute(session, "DELETE FROM release WHERE id = $1", release_id)
        return
    if release.status == "closed":
        raise conflict("release.closed", "This posting is closed already.")
    lines = [line.id for line in await queries.lines(session, release_id, limit=MAX_LINES)]
    # An order that ends at this instant is waited for: what it gives back must not stand behind a closed line.
    await queries.listings_for_update(session, lines)
    await execute(session, "DELETE FROM listing_lot WHERE listing_id = ANY($1::uuid[])", lines)
    await execute(session, "UPDATE listing SET published = false, quantity = ordered WHERE id = ANY($1::uuid[])", lines)
    await execute(session, "UPDATE release SET status = 'closed', closed_at = $2 WHERE id = $1", release_id, now)


async def drop_from_listings(session: WriteSession, taken: Mapping[tuple[UUID, int], int]) -> None:
    """Own units were just taken from where they stood, so many of each (lot, position) (a technician's draw on listed stock): of the
    unsold quantity behind listings goes what the rest can no longer give. The caller acts for the listings' company and has locked
    the lots. A constant number of statements."""
    keys = [lot for lot, _ in taken], [position for _, position in taken]
    named = "JOIN unnest($1::uuid[], $2::int[]) AS k (lot_id, position_id) ON k.lot_id = b.lot_id AND k.position_id = b.position_id"
    behind = await fetch(session, f"SELECT DISTINCT b.listing_id FROM listing_lot b {named}", *keys)
    if not behind:
        return
    await queries.listings_for_update(session, [r["listing_id"] for r in behind])
    rows = await fetch(
        session,
        "SELECT b.listing_id, b.lot_id, b.position_id, b.quantity, l.quantity - l.ordered AS unsold, p.quantity - p.held AS free "
        f"FROM listing_lot b {named} JOIN listing l ON l.id = b.listing_id "
        "JOIN position p ON p.lot_id = b.lot_id AND p.position_id = b.position_id ORDER BY b.lot_id, b.position_id, b.listing_id",
        *keys,
    )
    unsold = {r["listing_id"]: max(r["unsold"], 0) for r in rows}
    cuts: list[tuple[UUID, UUID, int, int]] = []
    for (lot, position), some in groupby(rows, key=lambda r: (r["lot_id"], r["position_id"])):
        here = list(some)
        stands = sum(min(r["quantity"], unsold[r["listing_id"]]) for r in here)
        left = min(taken[lot, position], stands - max(here[0]["free"], 0))
        for r in here:
            cut = min(left, r["quantity"], unsold[r["listing_id"]])
            if cut > 0:
                left -= cut
                unsold[r["listing_id"]] -= cut
                cuts.append((r["listing_id"], lot, position, cut))
    if not cuts:
        return
    gone = [c[0] for c in cuts], [c[1] for c in cuts], [c[2] for c in cuts], [c[3] for c in cuts]
    await execute(
        session,
        "UPDATE listing l SET quantity = l.quantity - c.cut FROM (SELECT id, sum(cut)::int AS cut "
        "FROM unnest($1::uuid[], $2::int[]) AS u (id, cut) GROUP BY id) c WHERE l.id = c.id",
        gone[0], gone[3],
    )  # fmt: skip
    await execute(
        session,
        "DELETE FROM listing_lot b USING unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[]) AS c (listing_id, lot_id, position_id, cut) "
        "WHERE b.listing_id = c.listing_id AND b.lot_id = c.lot_id AND b.position_id = c.position_id AND b.quantity <= c.cut",
        *gone,
    )  # fmt: skip


async def stop_offering_what_is_gone(
    session: WriteSession, company_id: UUID, units: Sequence[tuple[UUID, int]], now: datetime
) -> int:
    """Shrinks the published listings behind which units of these (lot, position) stood that were used, moved, scrapped,
    counted away or never there, to what is still free; what is ordered of them stays reserved and honoured. The
    seller's people are told once. Returns how many units left their postings; asked again it finds none.

    Order of locks as for an order: listings, then lots. However many units: the same number of statements.
    """
    ids = await queries.on_offer(session, units)
    if not ids:
        return 0
    locked = {x.id: x for x in await queries.listings_for_update(session, ids)}
    over = await queries.over_promised_for_update(session, ids, units, now)
    if not over:
        return 0
    gone: dict[UUID, int] = {}
    for x in over:
        gone[x.listing_id] = gone.get(x.listing_id, 0) + x.quantity - x.kept
    columns = (
        [x.listing_id for x in over],
        [x.lot_id for x in over],
        [x.position_id for x in over],
        [x.kept for x in over],
    )
    await execute(
        session,
        "DELETE FROM listing_lot b USING unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[]) "
        "AS x (listing_id, lot_id, position_id, kept) WHERE b.listing_id = x.listing_id AND b.lot_id = x.lot_id "
        "AND b.position_id = x.position_id AND x.kept = 0",
        *columns,
    )
    await execute(
        session,
        "UPDATE listing_lot b SET quantity = x.kept FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[]) "
        "AS x (listing_id, lot_id, position_id, kept) WHERE b.listing_id = x.listing_id AND b.lot_id = x.lot_id "
        "AND b.position_id = x.position_id AND x.kept > 0",
        *columns,
    )
    await execute(
        session,
        "UPDATE listing l SET quantity = greatest(l.quantity - g.gone, l.ordered) "
        "FROM unnest($1::uuid[], $2::int[]) AS g (id, gone) WHERE l.id = g.id",
        list(gone), list(gone.values()),
    )  # fmt: skip
    await tell_gone(session, company_id, [(locked[i], n) for i, n in gone.items()])
    return sum(gone.values())


MOST_NAMED = 20
"""Lines that a mail names one by one."""


async def tell_gone(session: WriteSession, company_id: UUID, gone: Sequence[tuple[queries.ListingRow, int]]) -> None:
    """One event, and with it one mail to the seller's people, for everything that left its posting at once: the lines
    as they stood, and how many of each are gone."""
    people = await people_to_tell(session, company_id, ("seller", "planner"))
    releases = sorted({line.release_id for line, _ in gone})
    units = sum(n for _, n in gone)
    told = [
        f"{line.part_number} from {line.place} ({line.release_reference}): {n:,} {line.uom} gone, "
        f"{max(line.available - n, 0):,} still on offer, {line.ordered:,} ordered and honoured."
        for line, n in gone[:MOST_NAMED]
    ]
    if len(gone) > MOST_NAMED:
        told.append(f"and {len(gone) - MOST_NAMED:,} more lines.")
    payload: dict[str, Any] = {
        "listings": [{"listing_id": line.id, "gone": n} for line, n in gone], "units": units,
    }  # fmt: skip
    if people:
        payload["mail"] = {
            "to": list(people),
            "subject": f"{units:,} {'unit is' if units == 1 else 'units are'} no longer on offer",
            "text": "Units behind your surplus postings were used, moved, scrapped, corrected or not found in a count. "
            "They were taken off the postings, so that nobody orders what is not there:\n\n"
            + "\n".join(told)
            + "\n\nIf they are there after all, offer them again in a new posting.",
            "link": f"/releases/{releases[0]}" if len(releases) == 1 else "/releases",
        }
    await emit(session, "listing.shrunk", "release", releases[0], [company_id], payload)
