"""What a holder does with its units: move, use up, install, scrap.

Each verb takes an exact stock line, or part and place, where the system chooses: units nobody has a right in
first, then those above the minimum to keep. Order of locks: lots, then agreements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID, uuid4

from marketplace.agreements import queries as agreements
from marketplace.agreements import service as leave
from marketplace.agreements.allowance import most_allowed
from marketplace.agreements.covered import Covered
from marketplace.agreements.outcomes import Act, AfterNotice, Refused
from marketplace.agreements.queries import retained
from marketplace.agreements.reach import minimum
from marketplace.agreements.title import kept_by
from marketplace.db.session import WriteSession
from marketplace.holdings import queries
from marketplace.holdings.proposal import Line, Take, propose
from marketplace.holdings.service.crossing import licence_note, require_lawful, require_licence
from marketplace.holdings.service.proving import prove_earlier
from marketplace.holdings.service.taking import taken_out
from marketplace.holdings.service.telling import tell_taken
from marketplace.kit.errors import conflict, invalid, missing
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import standing_holds
from marketplace.ledger.service import carry_out
from marketplace.parties.actor import Actor
from marketplace.parties.queries import SiteRow, own_site, site_for_share

_ACTS = {Kind.MOVE: Act.MOVE_SITE, Kind.USE_UP: Act.USE, Kind.INSTALL: Act.INSTALL, Kind.SCRAP: Act.SCRAP}


@dataclass(frozen=True, slots=True)
class ExactLine:
    """Just these units: a stock line by lot and number."""

    lot_id: UUID
    position_id: int


@dataclass(frozen=True, slots=True)
class AtSite:
    """Units of a part at a site; which ones is the system's proposal. ``serial`` names one unit."""

    part_id: UUID
    site_id: UUID
    condition: str | None = None
    serial: str | None = None


Target = ExactLine | AtSite


@dataclass(frozen=True, slots=True)
class Taken:
    """So many from one stock line, under which agreement (its reference), if any."""

    lot_id: UUID
    position_id: int
    serial: str | None
    quantity: int
    agreement_id: UUID | None
    agreement: str | None


@dataclass(frozen=True, slots=True)
class Left:
    """What remains of a schedule after the act, and how many of them must be kept."""

    agreement_id: UUID
    agreement: str
    remaining: int
    minimum_to_keep: int


@dataclass(frozen=True, slots=True)
class Owed:
    """What is owed for units that stayed the maker's and were taken out by the act; ``on_payment``: they become the holder's
    when it is paid."""

    agreement: str
    quantity: int
    amount: Decimal
    currency: str
    due_on: date
    on_payment: bool


@dataclass(frozen=True, slots=True)
class Done:
    """What an act took, how many of the part are left on the lines it could choose from, and what remains of the
    schedules it touched. ``command_id`` names the stock transactions."""

    command_id: UUID
    taken: tuple[Taken, ...]
    quantity: int
    left_here: int
    schedules: tuple[Left, ...]
    owed: tuple[Owed, ...] = ()


@dataclass(frozen=True, slots=True)
class _Doing:
    kind: Kind
    to_site: UUID | None = None
    to: SiteRow | None = None
    """The site that ``to_site`` names."""
    licence: str = ""
    machine: str | None = None
    reason: str | None = None
    note: str | None = None
    occurred_at: datetime | None = None


async def move(
    session: WriteSession,
    actor: Actor,
    target: Target,
    quantity: int,
    to_site: UUID,
    *,
    now: datetime,
    command_id: UUID | None = None,
    note: str | None = None,
    occurred_at: datetime | None = None,
    licence: str = "",
) -> Done:
    """Moves units to another of the company's own sites. The right on them goes with them. ``licence``: the export licence, kept
    in the note of the move; raises ``licence.missing`` for controlled units that cross a border without one, ``licence.number``,
    ``law.blocked`` where the law of that place would cut short a right on them."""
    place = await site_for_share(session, actor, to_site)
    said = licence_note(licence, note)
    doing = _Doing(Kind.MOVE, to_site=place.id, to=place, licence=licence, note=said, occurred_at=occurred_at)
    return await _do(session, actor, target, quantity, doing, now, command_id)


async def use_up(
    session: WriteSession,
    actor: Actor,
    target: Target,
    quantity: int,
    *,
    now: datetime,
    command_id: UUID | None = None,
    note: str | None = None,
    occurred_at: datetime | None = None,
) -> Done:
    """Issues units to production, where they are used up."""
    doing = _Doing(Kind.USE_UP, note=note, occurred_at=occurred_at)
    return await _do(session, actor, target, quantity, doing, now, command_id)


async def install(
    session: WriteSession,
    actor: Actor,
    target: Target,
    quantity: int,
    machine: str,
    *,
    now: datetime,
    command_id: UUID | None = None,
    note: str | None = None,
    occurred_at: datetime | None = None,
) -> Done:
    """Fits units into a machine, which is named by model and serial as the holder writes it."""
    if not machine.strip() or len(machine) > 200:
        raise invalid("holding.machine", "Name the machine, in at most 200 characters.", field="machine")
    doing = _Doing(Kind.INSTALL, machine=machine.strip(), note=note, occurred_at=occurred_at)
    return await _do(session, actor, target, quantity, doing, now, command_id)


async def scrap(
    session: WriteSession,
    actor: Actor,
    target: Target,
    quantity: int,
    reason: str,
    *,
    now: datetime,
    command_id: UUID | None = None,
    note: str | None = None,
    occurred_at: datetime | None = None,
) -> Done:
    """Scraps units for a stated reason."""
    if not reason.strip() or len(reason) > 200:
        raise invalid("holding.reason", "Give the reason, in at most 200 characters.", field="reason")
    doing = _Doing(Kind.SCRAP, reason=reason.strip(), note=note, occurred_at=occurred_at)
    return await _do(session, actor, target, quantity, doing, now, command_id)


async def _do(
    session: WriteSession,
    actor: Actor,
    target: Target,
    quantity: int,
    doing: _Doing,
    now: datetime,
    command_id: UUID | None,
) -> Done:
    """Gather under locks, choose, ask for leave, carry out. All of the quantity or nothing.

    Raises ``holding.quantity``, ``holding.not_enough``, ``holding.not_owned``, ``holding.there``,
    ``agreement.<why>``, ``agreement.ask_first``, ``holding.evidence`` and what the ledger refuses.
    """
    if quantity < 1:
        raise invalid("holding.quantity", f"The quantity must be at least 1; it was {quantity}.", field="quantity")
    lines = await _lines(session, actor, target, doing, now)
    own = sum(line.free for line in lines if line.place.agreement is None)
    covered: dict[UUID, Covered] = {}
    if own < quantity or isinstance(target, ExactLine):
        covered = await _covered(session, lines)
    allowed, against = await _allowed(session, lines, covered, _ACTS[doing.kind], quantity - own, now)
    ours = _to_act_on(lines, covered, doing)
    takes, short = propose(ours, quantity, allowed)
    unpaid = sum(line.free for line in lines) - sum(line.free for line in ours)
    if short and unpaid and not against:
        raise conflict(
            "agreement.not_paid",
            f"{unpaid:,} of the units here are the manufacturer's until they are paid; the others are not enough. Possible once "
            "they are paid.",
            field="quantity", available=quantity - short,
        )  # fmt: skip
    if short and doing.kind is not Kind.MOVE and (isinstance(target, ExactLine) or not against):
        await _stopped(session, actor, target, short)
    if short:
        _refuse(lines, quantity, quantity - short, against, covered, allowed)
    if doing.to is not None:
        await require_licence(session, takes, covered, doing.to, doing.licence)
        await require_lawful(session, takes, covered, doing.to, now)
    if doing.occurred_at is not None and doing.kind is not Kind.MOVE:
        await prove_earlier(session, actor, covered, takes, doing.occurred_at, doing.note, now)
    permits = await _permits(session, actor, takes, _ACTS[doing.kind], now)
    key = command_id or uuid4()
    titles = await taken_out(session, actor, takes, _ACTS[doing.kind], key, doing.occurred_at or now, now)
    steps: list[Step] = []
    for index, (take, permit) in enumerate(zip(takes, permits, strict=True)):
        line, title = take.line, titles.get(index)
        owned = replace(line.place, owner=actor.company_id)
        if title is not None:
            # What is on consignment becomes the holder's when it is taken out, and is used as its own.
            steps.append(
                Step(
                    Kind.TITLE, line.lot_id, take.quantity, line.position_id, to=owned, permit=title,
                    occurred_at=doing.occurred_at,
                )
            )  # fmt: skip
        steps.append(
            Step(
                doing.kind,
                line.lot_id,
                take.quantity,
                line.position_id if title is None else None,
                at=None if title is None else owned,
                to=replace(line.place, site=doing.to_site) if doing.to_site else None,
                permit=permit,
                machine=doing.machine,
                reason=doing.reason,
                note=doing.note,
                occurred_at=doing.occurred_at,
            )
        )
    await carry_out(session, Command(key, actor.company_id, actor.user_id, tuple(steps), "holding"), now)
    await tell_taken(
        session, actor, key, [(t.line.lot_id, t.line.position_id) for t in takes if t.line.place.agreement is None]
    )
    return await _done(session, key, lines, takes, covered)


async def _lines(session: WriteSession, actor: Actor, target: Target, doing: _Doing, now: datetime) -> list[Line]:
    """The stock lines the act may choose from, locked."""
    company = actor.company_id
    if isinstance(target, ExactLine):
        found = await queries.lines_to_act_on(session, company, [target.lot_id], now)
        lines = [line for line in found if line.position_id == target.position_id]
        if not lines:
            raise missing("ledger.not_found", "No such stock line among what your company holds.")
        if doing.kind is not Kind.MOVE and not _under_own_hand(lines[0], company):
            raise conflict("holding.not_owned", "These units do not belong to your company yet.")
        if lines[0].place.site == doing.to_site and doing.to_site is not None:
            raise conflict("holding.there", "The units are at this site already.")
        return lines
    await own_site(session, actor, target.site_id)
    if doing.to_site == target.site_id:
        raise conflict("holding.there", "The units are at this site already.", field="to_site_id")
    ids = (
        await queries.lot_ids_of_serial(session, company, target.part_id, target.serial)
        if target.serial
        else await queries.lot_ids_at(session, company, target.part_id, target.site_id, unreserved=False)
    )
    found = await queries.lines_to_act_on(session, company, ids, now)
    return [
        line
        for line in found
        if line.place.site == target.site_id
        and (target.condition is None or line.place.condition == target.condition)
        # A proposal leaves out what could not be done anyway; only an exact line is refused with the reason.
        and not line.apart
        and (doing.kind is Kind.MOVE or (_under_own_hand(line, company) and not line.frozen))
    ]


async def _stopped(session: WriteSession, actor: Actor, target: Target, short: int) -> None:
    """Where a maker's hold across holders stops the units that are lacking, the refusal names it, before what their agreement says
    of a quality hold: it tells what to do, and who lifts it."""
    company = actor.company_id
    ids: Sequence[UUID]
    if isinstance(target, ExactLine):
        ids, what = [target.lot_id], "these units"
    elif target.serial:
        ids, what = await queries.lot_ids_of_serial(session, company, target.part_id, target.serial), "this unit"
    else:
        ids = await queries.lot_ids_at(session, company, target.part_id, target.site_id, unreserved=True)
        what = f"units here, and {short:,} more would be needed"
    if holds := await standing_holds(session, ids):
        hold = holds[0]
        raise conflict(
            "ledger.frozen",
            f"{hold.words} stops {what}: they may be counted and moved, but not used, sold or shipped until that is lifted. "
            f"{hold.maker} says: {hold.instruction}",
            hold=hold.reference, hold_id=str(hold.recall_id),
        )  # fmt: skip


def _under_own_hand(line: Line, company: UUID) -> bool:
    """Whether the units are the company's, or its maker's under an agreement, which then says what may be done with them."""
    return line.place.owner in (company, line.place.beneficiary)


def _to_act_on(lines: Sequence[Line], covered: Mapping[UUID, Covered], doing: _Doing) -> list[Line]:
    """The lines that may be taken from: of the maker's units those that are taken out by it; what is sold and not paid yet
    waits for its payment."""
    placed = {agreement for agreement, known in covered.items() if kept_by(known.clauses) is not None}
    return [
        line
        for line in lines
        if doing.kind is Kind.MOVE or line.place.owner == line.place.holder or line.place.agreement in placed
    ]


async def _covered(session: WriteSession, lines: Sequence[Line]) -> dict[UUID, Covered]:
    """What the agreements on these lines say, locked so that it stays so until the act is done."""
    pairs = list(dict.fromkeys((x.place.agreement, x.part_id) for x in lines if x.place.agreement))
    await agreements.agreements_for_update(session, [agreement for agreement, _ in pairs])
    found = await queries.callable_facts(session, pairs)
    return {agreement: c for (agreement, _), c in found.items()}


async def _allowed(
    session: WriteSession,
    lines: Sequence[Line],
    covered: Mapping[UUID, Covered],
    act: Act,
    wanted: int,
    now: datetime,
) -> tuple[dict[UUID, int], dict[UUID, Refused | AfterNotice]]:
    """The most each agreement lets the act take of ``wanted``, and what each of them says against more."""
    allowed: dict[UUID, int] = {}
    against: dict[UUID, Refused | AfterNotice] = {}
    noticed = await agreements.standing_notices(session, [(c.agreement_id, c.part_id) for c in covered.values()])
    for agreement, what in covered.items():
        here = sum(line.free for line in lines if line.place.agreement == agreement)
        ask = min(here, wanted)
        if ask < 1:
            continue
        given = noticed.get((what.agreement_id, what.part_id), ())
        allowed[agreement], no = most_allowed(what.clauses, what.facts, act, ask, now, given)
        if no is not None:
            against[agreement] = no
    return allowed, against


def _refuse(
    lines: Sequence[Line],
    quantity: int,
    available: int,
    against: Mapping[UUID, Refused | AfterNotice],
    covered: Mapping[UUID, Covered],
    allowed: Mapping[UUID, int],
) -> None:
    """Raises why ``quantity`` cannot be had; what the clause says comes before what the shelf says. Each agreement that stands
    against it is named with what it says: the one that lets most first, since that is the nearest way."""
    if against and sum(line.free for line in lines) >= quantity:
        ways = sorted(against, key=lambda one: (-allowed[one], covered[one].reference))
        refused = leave.refusal(against[ways[0]])
        if len(covered) > 1:
            refused.message = " ".join(
                f"{covered[one].reference}: {leave.refusal(against[one]).message}" for one in ways
            )
        refused.extra = {**refused.extra, "available": available}
        raise refused
    there = sum(line.quantity for line in lines)
    sought = sum(line.sought for line in lines)
    reserved = there - sought - sum(line.free for line in lines)
    held = f", {reserved:,} of them reserved" if reserved else ""
    if sought:
        held += f"{' and' if reserved else ','} {sought:,} being looked for until a count has found them or you say under missing units what became of them"
    raise conflict(
        "holding.not_enough",
        f"Your company has {there:,} here{held}; {quantity:,} were asked for. "
        + (f"At most {available:,} can be taken." if available else "None can be taken."),
        field="quantity",
        available=available,
    )


async def _permits(
    session: WriteSession, actor: Actor, takes: Sequence[Take], act: Act, now: datetime
) -> list[UUID | None]:
    """Leave for each take, in order; None for units nobody has a right in and for moves."""
    permits: dict[int, UUID | None] = dict.fromkeys(range(len(takes)))
    groups: dict[tuple[UUID, UUID], list[int]] = {}
    for index, take in enumerate(takes):
        if take.line.place.agreement is not None:
            groups.setdefault((take.line.place.agreement, take.line.part_id), []).append(index)
    for (agreement_id, part_id), indexes in groups.items():
        given = await leave.permits_for_act(
            session,
            agreement_id=agreement_id,
            part_id=part_id,
            act=act,
            lots=[(takes[i].line.lot_id, takes[i].quantity) for i in indexes],
            actor=actor,
            now=now,
        )
        permits.update(zip(indexes, given, strict=True))
    return [permits[i] for i in range(len(takes))]


async def _done(
    session: WriteSession, key: UUID, lines: Sequence[Line], takes: Sequence[Take], covered: Mapping[UUID, Covered]
) -> Done:
    touched = list(dict.fromkeys((t.line.place.agreement, t.line.part_id) for t in takes if t.line.place.agreement))
    after = await agreements.terms_and_facts(session, touched)
    kept = any(t.line.place.agreement and t.line.place.owner == t.line.place.beneficiary for t in takes)
    out = await retained.taken_by_act(session, key) if kept else ()
    names = {agreement: c.reference for agreement, c in covered.items()}
    taken = sum(t.quantity for t in takes)
    return Done(
        key,
        tuple(
            Taken(
                t.line.lot_id,
                t.line.position_id,
                t.line.serial,
                t.quantity,
                t.line.place.agreement,
                names.get(t.line.place.agreement) if t.line.place.agreement else None,
            )
            for t in takes
        ),
        taken,
        sum(line.quantity for line in lines) - taken,
        tuple(Left(c.agreement_id, c.reference, c.facts.remaining, minimum(c.terms, c.facts)) for c in after.values()),
        tuple(
            Owed(t.agreement, t.quantity, t.unit_price * t.quantity, t.currency, t.due_on, t.on_payment) for t in out
        ),
    )
