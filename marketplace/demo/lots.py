"""Ledger rows of one lot at a time: positions that balance, movements that number themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from marketplace.demo.rows import Basis, Lot, Movement, Part, Permit, Position


class Cause(NamedTuple):
    """Who did something, by which command, because of what, and whether the record says so."""

    company_id: UUID
    actor_id: UUID
    command_id: UUID
    kind: str
    id: UUID | None
    basis: Basis


@dataclass(slots=True)
class LedgerRows:
    """The ledger's rows as they grow."""

    lots: list[Lot] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    movements: list[Movement] = field(default_factory=list)
    permits: list[Permit] = field(default_factory=list)


@dataclass(slots=True)
class _Place:
    owner_id: UUID
    holder_id: UUID
    site_id: UUID | None
    condition: str
    agreement_id: UUID | None
    beneficiary_id: UUID | None
    quantity: int = 0
    held: int = 0

    def same_place(self, other: _Place) -> bool:
        """Whether only quantities differ. The site is compared first: it tells most places apart."""
        return (
            self.site_id == other.site_id
            and self.owner_id == other.owner_id
            and self.holder_id == other.holder_id
            and self.condition == other.condition
            and self.agreement_id == other.agreement_id
        )


class LotStory:
    """Builds one lot. Positions are numbered from 1; every act appends one movement, in time order."""

    __slots__ = (
        "_frozen", "_occurred", "_part", "_parties", "_places", "_recorded", "_registered_by", "_rows", "id", "seq",
    )  # fmt: skip

    def __init__(self, rows: LedgerRows, lot_id: UUID, part: Part, registered_by: UUID) -> None:
        self.id = lot_id
        self.seq = 0
        self._rows = rows
        self._part = part
        self._registered_by = registered_by
        self._parties: set[UUID] = set()
        self._places: list[_Place] = []
        self._recorded: datetime | None = None
        self._occurred: datetime | None = None
        self._frozen = False

    def place(
        self,
        owner: UUID,
        holder: UUID,
        site: UUID | None,
        condition: str,
        agreement: UUID | None = None,
        beneficiary: UUID | None = None,
    ) -> int:
        """The number of the lot's position at this place, opened empty where there is none."""
        wanted = _Place(owner, holder, site, condition, agreement, beneficiary)
        for number, known in enumerate(self._places, start=1):
            if known.same_place(wanted):
                return number
        self._places.append(wanted)
        return len(self._places)

    def quantity(self, position: int) -> int:
        """What a position holds now."""
        return self._places[position - 1].quantity

    def move(
        self,
        kind: str,
        source: int | None,
        target: int | None,
        quantity: int,
        at: datetime,
        cause: Cause,
        *,
        purpose: str | None = None,
        resolves: int | None = None,
        permit: UUID | None = None,
        machine: str | None = None,
        known_after: timedelta = timedelta(hours=2),
    ) -> int:
        """Take a quantity from one position to another (None: from outside, or into a sink); returns the seq.

        A hold raises ``held`` of the source only and a void lowers it; a freeze changes no balance; a post takes
        what was held.
        """
        before = self._places[source - 1] if source else None
        after = self._places[target - 1] if target else None
        if kind == "freeze":
            self._frozen = True
        elif kind == "void":
            if before is None:
                raise ValueError("a void frees what was held somewhere")
            before.held -= quantity
        elif kind == "hold":
            if before is None or before.quantity - before.held < quantity:
                raise ValueError("a hold needs as many free units")
            before.held += quantity
        else:
            if before is not None:
                if before.quantity < quantity:
                    raise ValueError("more moves out than there is")
                before.quantity -= quantity
                before.held -= quantity if resolves else 0
            if after is not None:
                after.quantity += quantity
        self.seq += 1
        recorded = at + known_after
        if self._recorded is not None and recorded <= self._recorded:
            recorded = self._recorded + timedelta(microseconds=1)
        self._recorded = recorded
        self._occurred = at if self._occurred is None else max(at, self._occurred)
        parties = self._concerned(before, after)
        self._rows.movements.append(
            Movement(
                self.id,
                self.seq,
                kind,
                purpose,
                quantity,
                source,
                target,
                before.quantity if before else None,
                before.held if before else None,
                after.quantity if after else None,
                before.agreement_id if before else None,
                at,
                recorded,
                cause.company_id,
                cause.actor_id,
                cause.command_id,
                cause.kind,
                cause.id,
                resolves,
                permit,
                machine,
                parties,
                cause.basis,
            )
        )
        return self.seq

    def _concerned(self, before: _Place | None, after: _Place | None) -> tuple[UUID, ...]:
        """The companies of both places in order, as the ledger notes them with a movement."""
        found: set[UUID] = set()
        for place in (before, after):
            if place is not None:
                found.update((place.owner_id, place.holder_id))
                if place.beneficiary_id:
                    found.add(place.beneficiary_id)
        self._parties |= found
        return tuple(sorted(found))

    def permit(self, permit_id: UUID, position: int, kind: str, quantity: int, expires: datetime, reason: str) -> UUID:
        """Leave for one movement out of an encumbered position."""
        place = self._places[position - 1]
        if place.agreement_id is None or place.beneficiary_id is None:
            raise ValueError("units without an agreement need no permit")
        self._rows.permits.append(
            Permit(
                self.id,
                permit_id,
                place.agreement_id,
                kind,
                quantity,
                expires,
                reason,
                place.holder_id,
                place.beneficiary_id,
            )
        )
        return permit_id

    def close(self) -> None:
        """Write the lot and its positions as they stand."""
        if self._recorded is None or self._occurred is None:
            raise ValueError("a lot is registered before it is closed")
        part = self._part
        self._rows.lots.append(
            Lot(
                self.id,
                part.id,
                part.uom,
                self._registered_by,
                tuple(sorted(self._parties)),
                self._frozen,
                self.seq,
                len(self._places),
                self._recorded,
                self._occurred,
            )
        )
        self._rows.positions.extend(
            Position(
                self.id,
                number,
                part.id,
                p.owner_id,
                p.holder_id,
                p.site_id,
                p.condition,
                p.agreement_id,
                p.beneficiary_id,
                p.quantity,
                p.held,
            )
            for number, p in enumerate(self._places, start=1)
        )
