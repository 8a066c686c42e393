"""Who acts: resolved once per request, then passed along. And which roles may do which verb."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from marketplace.kit.errors import forbidden

ROLES = ("admin", "planner", "buyer", "seller", "warehouse", "technician", "auditor")

# verb -> (roles, what it means in words). An API key's scopes are verbs, or a domain with .* .
VERBS: dict[str, tuple[frozenset[str], str]] = {
    verb: (frozenset(roles.split()), words)
    for verb, roles, words in (
        (
            "company.read",
            "admin planner buyer seller warehouse technician auditor",
            "see the company's sites and people",
        ),
        ("company.manage", "admin", "change sites, people, keys and delegations"),
        ("parts.read", "admin planner buyer seller warehouse technician auditor", "search the catalogue"),
        ("parts.write", "admin planner", "change the catalogue"),
        ("stock.read", "admin planner buyer seller warehouse technician auditor", "see stock and unit histories"),
        ("stock.import", "admin planner warehouse", "import stock files"),
        ("import.read", "admin planner warehouse auditor", "see what was imported"),
        ("holding.act", "admin planner buyer warehouse", "move, use, fit, scrap and count units"),
        ("ledger.correct", "admin planner", "correct stock transactions"),
        ("ledger.freeze", "admin planner", "put units on quality hold"),
        ("release.read", "admin planner seller technician auditor", "see the company's own surplus postings"),
        ("release.write", "admin planner seller", "prepare and publish surplus postings"),
        ("listing.read", "admin planner buyer seller warehouse technician auditor", "see listings"),
        ("order.read", "admin planner buyer seller warehouse technician auditor", "see orders"),
        ("order.place", "admin buyer", "order from listings"),
        ("order.decide", "admin planner seller", "accept or decline orders"),
        ("order.ship", "admin planner seller warehouse", "ship orders"),
        ("order.receive", "admin buyer warehouse", "receive orders"),
        ("agreement.read", "admin planner buyer seller warehouse technician auditor", "see agreements"),
        ("agreement.sign", "admin planner buyer", "sign agreements"),
        ("sourcing.read", "admin planner technician auditor warehouse", "see availability and parts requests"),
        ("sourcing.request", "admin planner technician", "raise parts requests and order units back"),
        ("sourcing.approve", "admin planner", "approve orders above a technician's limit"),
        (
            "call.read",
            "admin planner buyer seller warehouse technician auditor",
            "see buy-back orders and access draws",
        ),
        ("call.answer", "admin buyer warehouse", "answer buy-back orders and access draws"),
        ("call.receive", "admin planner technician warehouse", "receive and inspect units that come back"),
        ("settlement.read", "admin planner buyer seller technician auditor", "see what is owed"),
        ("settlement.mark", "admin planner buyer", "mark lines as settled"),
    )
}

_WRITTEN_BY = {"release.read": "release.write", "import.read": "stock.import"}


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, or a program on a person's behalf, in one company.

    ``scopes``: None for a signed-in person, otherwise the verbs the API key carries. ``sources``: makers whose
    parts this company may source by delegation. ``order_limit``: what it may order back without an approver.
    """

    user_id: UUID
    company_id: UUID
    user_name: str
    company_name: str
    company_code: str
    is_manufacturer: bool
    is_partner: bool
    currency: str
    roles: frozenset[str]
    site_id: UUID | None = None
    order_limit: Decimal | None = None
    sources: tuple[UUID, ...] = ()
    scopes: frozenset[str] | None = None
    session_id: UUID | None = None
    session_ends: datetime | None = None

    def may(self, verb: str) -> bool:
        """Whether roles and scopes allow the verb."""
        roles, _ = VERBS[verb]
        if not self.roles & roles:
            return False
        # A key made before reading had a verb of its own goes on reading what it may write.
        verbs = (verb, _WRITTEN_BY.get(verb, verb))
        return self.scopes is None or any(
            v in self.scopes or v.split(".", maxsplit=1)[0] + ".*" in self.scopes for v in verbs
        )

    @property
    def may_source(self) -> bool:
        """Whether there is a maker whose parts this person may look for: its own company, or by a delegation."""
        return self.may("sourcing.read") and (self.is_manufacturer or bool(self.sources))

    def require(self, verb: str) -> None:
        """Raises ``actor.forbidden`` naming what is missing."""
        if self.may(verb):
            return
        roles, words = VERBS[verb]
        if self.roles & roles:
            raise forbidden("actor.scope", f"This API key may not {words}. It needs the scope '{verb}'.", verb=verb)
        raise forbidden(
            "actor.role",
            f"Your role may not {words}. Ask your company's admin for one of: {', '.join(sorted(roles))}.",
            verb=verb,
        )


def check_scopes(scopes: frozenset[str]) -> None:
    """Refuses scopes that name no verb."""
    from marketplace.kit.errors import invalid

    domains = {verb.split(".")[0] + ".*" for verb in VERBS}
    unknown = sorted(scopes - VERBS.keys() - domains)
    if unknown or not scopes:
        raise invalid(
            "apikey.scope",
            f"Unknown scope {', '.join(unknown) or '(none given)'}. Known scopes: {', '.join(sorted(VERBS))}.",
            field="scopes",
        )
