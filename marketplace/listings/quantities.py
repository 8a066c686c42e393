"""How many may be ordered of a listing, and which lots it comes from. Pure.

A line is offered in whole packages, and its smallest order is whole packages too. Units that are used or counted away
later may leave a remainder: the buyer of all that is left takes it along; everybody else buys whole packages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from marketplace.kit.errors import DomainError, conflict, invalid


@dataclass(frozen=True, slots=True)
class Backing:
    """Part of a lot's position behind a listing. ``free``: unreserved there now; ``quantity``: listed of it."""

    lot_id: UUID
    position_id: int
    quantity: int
    free: int


@dataclass(frozen=True, slots=True)
class Take:
    """So many from this lot's position."""

    lot_id: UUID
    position_id: int
    quantity: int


def wrong_quantity(wanted: int, *, available: int, minimum: int, package: int, uom: str) -> DomainError | None:
    """Why ``wanted`` cannot be ordered, or None. What is left may always be taken whole."""
    if wanted <= 0:
        return invalid("order.quantity", f"Order at least 1 {uom}; {wanted} was asked for.", field="quantity")
    if available <= 0:
        return conflict(
            "listing.sold_out", "This was just sold out. Nothing was ordered; see what else is offered.", field="quantity",
            available=0,
        )  # fmt: skip
    if wanted > available:
        return conflict(
            "listing.not_enough", f"Only {available} {uom} are left, not {wanted}. Nothing was ordered.",
            field="quantity", available=available,
        )  # fmt: skip
    if wanted == available:
        return None
    if wanted < minimum:
        return invalid("order.minimum", f"The smallest order is {min(minimum, available)} {uom}.", field="quantity")
    if wanted % package:
        lower, upper = wanted // package * package, min((wanted // package + 1) * package, available)
        nearest = either([lower, upper] if lower >= max(minimum, 1) else [upper])
        return invalid("order.package", f"Sold in packages of {package} {uom}: order {nearest}.", field="quantity")
    return None


def in_packages(quantity: int, package: int, *, most: int) -> tuple[int, ...] | None:
    """The nearest quantities, of at most ``most``, that are whole packages; None where ``quantity`` is whole already.
    Empty where not even one package fits."""
    if quantity % package == 0:
        return None
    lower = min(quantity, most) // package * package
    return tuple(n for n in (lower, lower + package) if 0 < n <= most)


def either(numbers: Sequence[int]) -> str:
    """Numbers to choose from, in words."""
    return " or ".join(f"{n:,}" for n in numbers)


def take(backing: Sequence[Backing], wanted: int) -> tuple[Take, ...] | None:
    """Which lots give ``wanted``: whole lots first where they fit, fewest lots, in a stable order. None if the
    free quantities do not suffice."""
    usable = [(b, min(b.quantity, b.free)) for b in backing]
    if sum(n for _, n in usable) < wanted:
        return None
    exact = next((b for b, n in usable if n == wanted), None)
    if exact:
        return (Take(exact.lot_id, exact.position_id, wanted),)
    taken, left = [], wanted
    for b, n in sorted(usable, key=lambda pair: (-pair[1], pair[0].lot_id, pair[0].position_id)):
        if left and n:
            taken.append(Take(b.lot_id, b.position_id, min(n, left)))
            left -= min(n, left)
    return tuple(taken)


def less(backing: Sequence[Backing], taken: Sequence[Take]) -> list[Backing]:
    """What is left of the lots once ``taken`` is out of them."""
    gone = {(t.lot_id, t.position_id): t.quantity for t in taken}
    return [
        replace(b, quantity=b.quantity - cut, free=b.free - cut) if (cut := gone.get((b.lot_id, b.position_id))) else b
        for b in backing
    ]
