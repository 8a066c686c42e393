"""What changing a parts request does to its orders. Pure.

An order goes to the place, and for the number of units, that was asked for when it was made. So fewer units, or another place,
take orders back that nobody is bound to yet; what is bound, or on its way, stays as it is and is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Placed:
    """An order of the request that counts. ``bound``: its holder and the maker are, or it has shipped."""

    id: UUID
    reference: str
    holder: str
    quantity: int
    bound: bool


@dataclass(frozen=True, slots=True)
class Consequences:
    """Orders that are taken back, and those that stay although they no longer fit; units on order beyond what is wanted, and units
    that are lacking then."""

    taken_back: tuple[Placed, ...]
    staying: tuple[Placed, ...]
    too_many: int
    lacking: int

    @property
    def words(self) -> list[str]:
        """One sentence each."""
        found = [
            f"{o.reference} ({o.quantity:,} from {o.holder}) is taken back, and its units are free again."
            for o in self.taken_back
        ]
        found += [
            f"{o.reference} ({o.quantity:,} from {o.holder}) stays: it is bound, or on its way. Ask {o.holder} to cancel it on its page."
            for o in self.staying
        ]
        if self.too_many:
            found.append(f"{self.too_many:,} more than wanted {'stays' if self.too_many == 1 else 'stay'} on order.")
        if self.lacking:
            found.append(
                f"{self.lacking:,} {'is' if self.lacking == 1 else 'are'} to be ordered then: plan the request again."
            )
        return found


def consequences(orders: Sequence[Placed], *, wanted: int, moves: bool) -> Consequences:
    """``wanted``: the new number of units; ``moves``: they go to another place now. Of the orders that can be taken back the newest
    go first, and whole: a smaller one could be of a size that its agreement does not allow."""
    ordered = sum(o.quantity for o in orders)
    back: list[Placed] = []
    for order in reversed(orders):
        if not order.bound and (moves or ordered - order.quantity >= wanted):
            back.append(order)
            ordered -= order.quantity
    stays = [o for o in orders if o.bound and (moves or ordered > wanted)]
    return Consequences(tuple(back), tuple(stays), max(ordered - wanted, 0), max(wanted - ordered, 0))
