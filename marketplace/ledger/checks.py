"""What a place must be, and what a movement may change of it. Pure refusals."""

from __future__ import annotations

from dataclasses import fields

from marketplace.kit.errors import conflict, invalid
from marketplace.ledger.entries import (
    Place,
)
from marketplace.ledger.kinds import (
    CONDITIONS,
    Kind,
)

_PLACE_FIELDS = tuple(f.name for f in fields(Place))


def check_place(place: Place) -> None:
    if place.condition not in CONDITIONS:
        raise invalid(
            "ledger.condition", f"'{place.condition}' is not a condition. Use one of: {', '.join(CONDITIONS)}.",
            field="condition",
        )  # fmt: skip
    if (place.agreement is None) != (place.beneficiary is None):
        raise invalid("ledger.beneficiary", "An agreement and who may call go together.")


def check_change(kind: Kind, before: Place, after: Place, allowed: frozenset[str]) -> None:
    changed = {name for name in _PLACE_FIELDS if getattr(before, name) != getattr(after, name)}
    if not changed:
        raise conflict("ledger.already_there", "It is there already: nothing would change.")
    if not changed <= allowed:
        raise invalid("ledger.change", f"A '{kind}' cannot change the {' or '.join(sorted(changed - allowed))}.")
    if kind is Kind.MOVE and after.site is None:
        raise invalid("ledger.change", "A move goes from site to site; to send units away, ship them.")
    if kind is Kind.SHIP and after.site is not None:
        raise invalid("ledger.change", "Shipped units are in transit until they are received.")
    if kind is Kind.RECEIVE and (before.site is not None or after.site is None):
        raise invalid("ledger.change", "Only units in transit can be received, and at a site.")


def needs(leaves: bool, arrives: bool) -> str:
    if leaves and arrives:
        return "a stock line it comes from and a place it goes to"
    return "only a stock line it comes from" if leaves else "only a place it goes to"
