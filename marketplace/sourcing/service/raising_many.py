"""Many parts requests raised at once: every row is checked and every reason is said before anything is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch
from marketplace.kit.errors import DomainError, FieldError, invalid, invalid_fields
from marketplace.kit.ids import short_reference
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parts import queries as parts
from marketplace.parts.labels import looks_scanned, number_on
from marketplace.parts.numbers import Asked as Number
from marketplace.parts.numbers import Match, normalise
from marketplace.sourcing import queries
from marketplace.sourcing.candidates import URGENCIES
from marketplace.sourcing.service.requesting import MAX_QUANTITY

MOST_ROWS = 1_000
_WORDS = 120


@dataclass(frozen=True, slots=True)
class Row:
    """A need as one row of a list states it; None where it could not be read (``unread`` says why). The part by its number as
    somebody writes it, or by id."""

    number: str
    quantity: int | None
    needed_by: datetime | None
    urgency: str
    destination_site_id: UUID | None
    part_id: UUID | None = None
    machine_model: str = ""
    machine_serial: str = ""
    job_number: str = ""
    kit: str = ""
    substitutes: bool = False
    complete_only: bool = False
    unread: tuple[FieldError, ...] = ()


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a row: a request for this part, or nothing for these reasons (``field`` without the row)."""

    row: Row
    part: parts.PartRow | None
    site: parties.SiteRow | None
    problems: tuple[FieldError, ...]


async def fates(session: AsyncSession, actor: Actor, rows: Sequence[Row], now: datetime) -> list[Fate]:
    """What would become of each row; a constant number of statements. Raises ``requisition.rows`` for no row or too many."""
    return await _fates(session, actor, rows, await _open_sites(session, actor, rows), now)


async def _open_sites(session: AsyncSession, actor: Actor, rows: Sequence[Row]) -> dict[UUID, parties.SiteRow]:
    seen = await parties.sites_seen(session, {r.destination_site_id for r in rows if r.destination_site_id})
    return {i: s for i, s in seen.items() if s.company_id == actor.company_id and s.closed_at is None}


async def _fates(
    session: AsyncSession, actor: Actor, rows: Sequence[Row], sites: dict[UUID, parties.SiteRow], now: datetime
) -> list[Fate]:
    if not rows:
        raise invalid(
            "requisition.rows", "The list has no rows: give at least a part number and a quantity.", field="rows"
        )
    if len(rows) > MOST_ROWS:
        raise invalid(
            "requisition.rows",
            f"These are {len(rows):,} rows; at most {MOST_ROWS:,} at once. Split the list.",
            field="rows",
        )
    who = await queries.scope(session, actor)
    rows = [_as_scanned(r) for r in rows]
    written = {n: r.number for r in rows if r.part_id is None and (n := normalise(r.number))}
    hits = (await parts.find(session, [Number(w, n) for n, w in written.items()])).hits if written else {}
    exact = {n: [h.part_id for h in found if h.step is Match.EXACT] for n, found in hits.items()}
    near = {n: [h.part_id for h in found if h.step is not Match.EXACT] for n, found in hits.items()}
    known = await parts.parts(
        session,
        {r.part_id for r in rows if r.part_id} | {i for some in (*exact.values(), *near.values()) for i in some},
    )
    found = []
    for row in rows:
        bad = list(row.unread)
        part = _part(row, exact, near, known, who, bad)
        _check(row, part, sites, who, now, bad)
        found.append(
            Fate(row, part, sites.get(row.destination_site_id) if row.destination_site_id else None, tuple(bad))
        )
    return found


def _as_scanned(row: Row) -> Row:
    """With the number that its code names, where a label was scanned into the list; a code that was misread says so."""
    if row.part_id is not None or not looks_scanned(row.number):
        return row
    try:
        return replace(row, number=number_on(row.number, field="number"))
    except DomainError as misread:
        return replace(row, unread=(*row.unread, FieldError("number", misread.code, misread.message)))


def _part(
    row: Row,
    exact: dict[str, list[UUID]],
    near: dict[str, list[UUID]],
    known: dict[UUID, parts.PartRow],
    who: queries.Sourcing,
    bad: list[FieldError],
) -> parts.PartRow | None:
    """The part of a row: only an exact number leads to one, and where several do, the one that can be sourced."""
    if any(e.field == "number" for e in row.unread):
        return None
    norm = normalise(row.number)
    ids = [row.part_id] if row.part_id else exact.get(norm, [])
    mine = [p for i in ids if (p := known.get(i)) is not None and p.maker_company_id in who.makers]
    if len(mine) == 1:
        return mine[0]
    if not norm and row.part_id is None:
        words = "Give a part number."
    elif len(mine) > 1:
        makers = ", ".join(sorted(p.maker for p in mine))
        words = f"'{row.number}' is a number of several parts ({makers}). Raise this one by itself, from the search."
    elif ids:
        words = f"{row.number or 'This part'} is not a part you can source back: its maker has not let you."
    else:
        alike = [known[i].number for i in near.get(norm, []) if i in known][:3]
        words = f"No part has exactly the number '{row.number}'." + (f" Alike: {', '.join(alike)}." if alike else "")
    bad.append(FieldError("number" if row.part_id is None else "part_id", "requisition.part", words))
    return None


def _check(
    row: Row,
    part: parts.PartRow | None,
    sites: dict[UUID, parties.SiteRow],
    who: queries.Sourcing,
    now: datetime,
    bad: list[FieldError],
) -> None:
    """Everything else that can be wrong with a row, all of it at once."""
    unread = {e.field for e in row.unread}

    def wrong(field: str, words: str) -> None:
        if field not in unread:
            bad.append(FieldError(field, f"requisition.{field}", words))

    if row.quantity is None or not 0 < row.quantity <= MAX_QUANTITY:
        wrong("quantity", f"Ask for 1 to {MAX_QUANTITY:,} {part.uom if part else 'units'}.")
    elif (limit := who.limits.get(part.maker_company_id) if part and part.maker_company_id else None) and (
        row.quantity > limit.quantity
    ):
        wrong("quantity", f"Your delegation from this maker allows at most {limit.quantity} units a request.")
    if row.needed_by is None:
        wrong("needed_by", "Say by when it is needed.")
    elif row.needed_by < now - timedelta(hours=1):
        wrong("needed_by", "The time it is needed by lies in the past.")
    if row.urgency not in URGENCIES:
        wrong("urgency", f"Choose an urgency: {', '.join(URGENCIES)}.")
    if row.destination_site_id is None:
        wrong("destination_site_id", "Say where it should come to.")
    elif row.destination_site_id not in sites:
        wrong("destination_site_id", "No such open site in your company.")
    for field in ("machine_model", "machine_serial", "job_number", "kit"):
        if len(getattr(row, field)) > _WORDS:
            wrong(field, f"At most {_WORDS} characters.")


async def raise_many(
    session: WriteSession, actor: Actor, rows: Sequence[Row], now: datetime, *, good_rows: bool = False
) -> tuple[list[UUID], list[Fate]]:
    """A parts request for each row, in one statement, in the order of the rows; and the rows that were left out.

    Without ``good_rows`` one bad row stops all of them: ``requisition.rows`` names every bad row with every reason, and nothing
    is stored."""
    wanted = {r.destination_site_id for r in rows if r.destination_site_id}
    every = await _fates(session, actor, rows, await parties.sites_for_share(session, actor, wanted), now)
    bad = [(n, fate) for n, fate in enumerate(every) if fate.problems]
    if bad and not (good_rows and len(bad) < len(every)):
        raise invalid_fields(
            "requisition.rows",
            f"{len(bad):,} of {len(every):,} {'row' if len(every) == 1 else 'rows'} cannot become a parts request; nothing was stored.",
            tuple(FieldError(f"rows.{n}.{e.field}", e.code, e.message) for n, fate in bad for e in fate.problems),
        )
    good = [fate for fate in every if not fate.problems]
    references = [short_reference("REQ") for _ in good]
    made = await fetch(
        session,
        "INSERT INTO requisition (reference, company_id, maker_id, requested_by, part_id, quantity, destination_site_id, "
        "needed_by, urgency, machine_model, machine_serial, job_number, kit, substitutes, complete_only, status, created_at) "
        "SELECT x.reference, $1, x.maker_id, $2, x.part_id, x.quantity, x.site_id, x.needed_by, x.urgency, x.model, x.serial, "
        "x.job, x.kit, x.substitutes, x.complete_only, 'open', $3 FROM unnest($4::text[], $5::uuid[], $6::uuid[], $7::int[], $8::uuid[], "
        "$9::timestamptz[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bool[], $16::bool[]) WITH ORDINALITY "
        "AS x (reference, maker_id, part_id, quantity, site_id, needed_by, urgency, model, serial, job, kit, substitutes, complete_only, n) "
        "ORDER BY x.n RETURNING id, reference",
        actor.company_id, actor.user_id, now, references, [f.part.maker_company_id for f in good if f.part],
        [f.part.id for f in good if f.part], [f.row.quantity for f in good], [f.row.destination_site_id for f in good],
        [f.row.needed_by for f in good], [f.row.urgency for f in good], [f.row.machine_model.strip() for f in good],
        [f.row.machine_serial.strip() for f in good], [f.row.job_number.strip() for f in good], [f.row.kit.strip() for f in good],
        [f.row.substitutes for f in good], [f.row.complete_only for f in good],
    )  # fmt: skip
    ids = {r["reference"]: r["id"] for r in made}
    return [ids[reference] for reference in references], [fate for _, fate in bad]
