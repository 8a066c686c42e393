"""Who acts: resolved once per request, then passed along. And which roles may do which verb."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from marketplace.kit.errors import forbidden
from marketplace.parties.acts import RECENT

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
        ("company.activity", "admin auditor", "see what the company's people did"),
        ("company.manage", "admin", "change sites, people, keys and delegations"),
        ("parts.read", "admin planner buyer seller warehouse technician auditor", "search the catalogue"),
        ("parts.write", "admin planner", "change the catalogue"),
        ("stock.read", "admin planner buyer seller warehouse technician auditor", "see stock and unit histories"),
        (
            "stock.holders",
            "admin planner buyer seller warehouse auditor",
            "see by name who holds the company's units, where it hides that from its technicians",
        ),
        ("stock.import", "admin planner warehouse", "import stock files"),
        ("import.read", "admin planner warehouse auditor", "see what was imported"),
        ("holding.act", "admin planner buyer warehouse", "move, use, fit, scrap and count units"),
        ("ledger.correct", "admin planner", "correct stock transactions"),
        ("ledger.freeze", "admin planner", "put units on quality hold"),
        ("ledger.prove", "admin planner buyer auditor", "take evidence of units and their history away"),
        ("ledger.witness", "admin", "register the company's witness of the log"),
        ("release.read", "admin planner seller technician auditor", "see the company's own surplus postings"),
        ("release.write", "admin planner seller", "prepare and publish surplus postings"),
        ("listing.read", "admin planner buyer seller warehouse technician auditor", "see listings"),
        ("order.read", "admin planner buyer seller warehouse technician auditor", "see orders"),
        ("order.place", "admin buyer", "order from listings"),
        ("order.decide", "admin planner seller", "accept or decline orders"),
        ("quote.answer", "admin planner buyer seller", "make, accept and decline offers: a seller's or a buyer's"),
        ("order.message", "admin planner buyer seller warehouse", "write to the other side of a quote or an order"),
        ("order.ship", "admin planner seller warehouse", "ship orders"),
        ("order.receive", "admin buyer warehouse", "receive orders"),
        ("agreement.read", "admin planner buyer seller warehouse technician auditor", "see agreements"),
        ("agreement.sign", "admin planner buyer", "sign agreements"),
        ("planning.read", "admin planner auditor", "see demand histories and what is advised for each part"),
        ("planning.write", "admin planner", "bring in demand histories, and have advice made and decided on"),
        ("sourcing.read", "admin planner technician auditor warehouse", "see availability and parts requests"),
        ("sourcing.request", "admin planner technician", "raise parts requests and order units back"),
        ("sourcing.approve", "admin planner", "approve orders above a technician's limit"),
        (
            "call.read",
            "admin planner buyer seller warehouse technician auditor",
            "see buy-back orders and access draws",
        ),
        ("call.answer", "admin buyer warehouse", "answer buy-back orders and access draws"),
        (
            "call.message",
            "admin planner buyer warehouse technician",
            "write to the other side of an order back",
        ),
        ("call.receive", "admin planner technician warehouse", "receive and inspect units that come back"),
        (
            "document.read",
            "admin planner buyer seller warehouse technician auditor",
            "see documents, of the records that one may see",
        ),
        (
            "document.add",
            "admin planner buyer seller warehouse technician",
            "attach documents to what one works with, and withdraw them",
        ),
        (
            "obligation.read",
            "admin planner buyer seller warehouse technician auditor",
            "see what is due, of the records that one may see",
        ),
        (
            "notification.read",
            "admin planner buyer seller warehouse technician auditor",
            "be told at once what has changed, and keep one's own notifications",
        ),
        ("settlement.read", "admin planner buyer seller technician auditor", "see what is owed"),
        ("settlement.mark", "admin planner buyer", "mark lines as settled"),
    )
}

# Who may approve an order back must see whom it goes to, so a key that carries the one carries the other.
_CARRIED_BY = {
    "release.read": "release.write",
    "import.read": "stock.import",
    "planning.read": "planning.write",
    "stock.holders": "sourcing.approve",
}
_NAMING = frozenset({"agreement.read", "order.read", "settlement.read"})
"""Records that are kept with a holder as the other party and make no sense without its name: closed to whom it is hidden
from."""
HIDDEN = "A partner"
"""What stands in place of a company that is not named."""


def roughly(region: str | None) -> str:
    """A holder that is not named, by the region of the place: 'A partner in AL'."""
    return f"{HIDDEN} in {region}" if region else HIDDEN


class By(Protocol):
    """Who acts: a person, or whatever names a company and a user (the clock where nobody acted)."""

    @property
    def user_id(self) -> UUID:
        """The pseudonymous id that is kept."""

    @property
    def company_id(self) -> UUID:
        """On whose behalf."""


@dataclass(frozen=True, slots=True)
class OnBehalf:
    """A person, or the clock, acting for a company whose signature or standing offer allows just this step."""

    user_id: UUID
    company_id: UUID


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, or a program on a person's behalf, in one company.

    ``scopes``: None for a signed-in person, otherwise the verbs the API key carries. ``sources``: makers whose
    parts this company may source by delegation. ``order_limit``: what it may order back without an approver.
    ``masking``: of the company itself and these makers, the ones that hide who holds their units. ``verified_at``: when a signed-in
    person last proved who they are; ``factor_missing``: the company asks for a second factor, and the person has none.
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
    masking: frozenset[UUID] = frozenset()
    scopes: frozenset[str] | None = None
    session_id: UUID | None = None
    session_ends: datetime | None = None
    verified_at: datetime | None = None
    factor_missing: bool = False

    def may(self, verb: str) -> bool:
        """Whether roles and scopes allow the verb."""
        return self._holds(verb) and not (verb in _NAMING and self.company_id in self.masked)

    def _holds(self, verb: str) -> bool:
        roles, _ = VERBS[verb]
        if not self.roles & roles:
            return False
        # A key made before reading had a verb of its own goes on reading what it may write.
        verbs = (verb, _CARRIED_BY.get(verb, verb))
        return self.scopes is None or any(
            v in self.scopes or v.split(".", maxsplit=1)[0] + ".*" in self.scopes for v in verbs
        )

    # -- who is told who holds a maker's units --------------------------------------------------------------
    #
    # A maker may hide its holders. Then only its own people with ``stock.holders`` are told who they are; its other
    # people and everybody of a company that sources its parts by delegation know a region and, from a search, a band
    # of distance, until an order back was sent. What the reader's own company owns or holds is never hidden from it.

    def knows_holders_of(self, maker_id: UUID) -> bool:
        """Whether this person is told who holds a maker's units although the maker hides it."""
        return maker_id == self.company_id and self._holds("stock.holders")

    @property
    def masked(self) -> frozenset[UUID]:
        """The makers whose holders are not named to this person before an order back is sent."""
        if not self.masking or not (self.company_id in self.masking and self._holds("stock.holders")):
            return self.masking
        return self.masking - {self.company_id}

    def knows(self, company_id: UUID) -> bool:
        """Whether a company is named whatever is hidden: one's own, or a maker one sources for."""
        return company_id == self.company_id or company_id in self.sources

    def veils(self, owner_id: UUID, holder_id: UUID, beneficiary_id: UUID | None) -> bool:
        """Whether units that stand so are those of a maker that hides its holders from this person: then only companies
        the person ``knows`` are named, places are told by region, and the agreement is not told."""
        masked = self.masked
        if not masked:
            return False
        sides = {owner_id, holder_id, beneficiary_id}
        if self.company_id in sides and self.company_id not in masked:
            return False
        # A maker may also hold what belongs to somebody else under no agreement: it keeps what came back to it.
        apart = owner_id != holder_id and (owner_id in masked or (holder_id in masked and beneficiary_id is None))
        return apart or beneficiary_id in masked

    def told(self, company_id: UUID, name: str, *, veiled: bool, region: str | None = None) -> str:
        """The name of a company on something that is (or is not) ``veiled``."""
        return name if not veiled or self.knows(company_id) else roughly(region)

    def told_place(self, holder_id: UUID, site: str | None, *, veiled: bool, region: str | None) -> str | None:
        """The name of a holder's site, or only its region on something ``veiled``; None = in transit."""
        return site if not veiled or self.knows(holder_id) else region

    def carries(self, scope: str) -> bool:
        """Whether an API key may pass a scope on. All of a domain is more than its verbs of today: only who holds all of
        it passes that on. A signed-in person is bound by roles, not by scopes."""
        if self.scopes is None:
            return True
        return scope in self.scopes or scope.split(".", maxsplit=1)[0] + ".*" in self.scopes

    def require_recent(self, now: datetime) -> None:
        """Raises ``auth.recent`` where a signed-in person has not proved who they are of late: an unlocked screen is no consent to an
        act of security. A program is bound by its scopes, the operator's command line by nothing."""
        if self.session_id is not None and (self.verified_at is None or self.verified_at + RECENT <= now):
            raise forbidden(
                "auth.recent", "Your sign-in is a while ago. Say once more who you are, then do this again."
            )

    def require_person(self) -> None:
        """Raises ``account.person`` for an API key: an account is its person's own affair."""
        if self.scopes is not None:
            raise forbidden("account.person", "Only a person who is signed in does this, not an API key.")

    @property
    def may_source(self) -> bool:
        """Whether there is a maker whose parts this person may look for: its own company, or by a delegation."""
        return self.may("sourcing.read") and (self.is_manufacturer or bool(self.sources))

    def require(self, verb: str) -> None:
        """Raises ``actor.forbidden`` naming what is missing."""
        if self.may(verb):
            return
        roles, words = VERBS[verb]
        if self._holds(verb):
            key = self.scopes is not None and bool(self.roles & VERBS["stock.holders"][0])
            more = (
                "This API key needs the scope 'stock.holders'." if key else "Ask your company's admin if you need more."
            )
            raise forbidden(
                "actor.masked",
                f"Your company hides who holds its units, so you may not {words}: partners are named there. An order back "
                f"names its holder once it is sent. {more}",
                verb="stock.holders",
            )
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
