"""Acting in the loaded world: its people by the ids that the seed gives them, each act through the services, in its own moment.

What the bulk load writes is a past that no service wrote; what is lived here is refused wherever a person would be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from marketplace.agreements.service import sign
from marketplace.agreements.terms import Terms, dump_terms
from marketplace.agreements.together import NamedClause
from marketplace.db.session import Tenant, WriteSession, become, fetch_one
from marketplace.demo.cast import FOUNDED, MANUFACTURER, PARTNERS
from marketplace.demo.draws import Draws
from marketplace.kit.consignment import Consignment
from marketplace.kit.errors import conflict
from marketplace.kit.ids import command_id
from marketplace.ledger.entries import Command, NewLot, Place, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import carry_out
from marketplace.listings import service as listings
from marketplace.listings.service import NewLine
from marketplace.orders import service as orders
from marketplace.orders.service import Wanted
from marketplace.orders.states import Receipt
from marketplace.parties.actor import Actor
from marketplace.settlement import queries as owed
from marketplace.settlement import service as settlement
from marketplace.sourcing import queries as sourcing_queries
from marketplace.sourcing import service as sourcing
from marketplace.sourcing.service import Asked
from marketplace.sourcing.service.ordering import Choice

_PEOPLE = """
SELECT u.id, u.company_id, u.name, u.roles, u.site_id, u.order_limit_amount, c.name AS company, c.code, c.is_manufacturer,
       c.is_partner, c.currency
FROM user_account u JOIN company c ON c.id = u.company_id WHERE u.id = $1
"""
_OPENS, _WORKED = time(14), 8 * 60
"""When work begins where the demo's companies are, in UTC, and for how many minutes."""
_NEEDED_IN = {"machine_down": timedelta(days=2), "urgent": timedelta(days=7), "stock_order": timedelta(days=45)}


@dataclass(frozen=True, slots=True)
class Sold:
    """Units that were sold and delivered under an agreement."""

    agreement: UUID
    part: UUID
    site: UUID
    maker: Actor
    buyer: Actor


class Scene:
    """One transaction in which the demo's people act one after the other; ``start``: the moment that it is now."""

    def __init__(self, session: WriteSession, start: datetime, draws: Draws) -> None:
        self.session = session
        self._start = start
        self._draws = draws
        self._people: dict[UUID, Actor] = {}

    def ago(self, days: float) -> datetime:
        """A moment in the working hours of the day so many days (one at least) before the demo starts; half days are half of them."""
        back = math.ceil(days)
        minutes = 20 + self._draws.below(40, "minute", days) + round((back - days) * _WORKED)
        return datetime.combine(self._start.date() - timedelta(days=back), _OPENS, UTC) + timedelta(minutes=minutes)

    def company(self, key: str) -> UUID:
        """The manufacturer by its code, a partner by its state."""
        return self._draws.id(FOUNDED, "company", key)

    def part(self, number: str) -> UUID:
        """A part by its stock number."""
        return self._draws.id(FOUNDED, "part", number)

    def site(self, key: str) -> UUID:
        """A partner's site by its station."""
        return self._draws.id(FOUNDED, "site", key)

    def plant(self, code: str) -> UUID:
        """One of the manufacturer's own sites."""
        return self._draws.id(FOUNDED, "site", self.company(MANUFACTURER[0]), code)

    async def maker(self, role: str = "planner") -> Actor:
        """Somebody of the manufacturer, who acts from here on."""
        return await self._acts(MANUFACTURER[0], f"{role}@{MANUFACTURER[2]}")

    async def partner(self, state: str, role: str = "buyer") -> Actor:
        """Somebody of a partner, who acts from here on."""
        return await self._acts(state, f"{role}@{PARTNERS[state][1].lower().replace(' ', '-')}.example")

    async def _acts(self, company: str, email: str) -> Actor:
        await become(self.session, Tenant(self.company(company)))
        person = self._draws.id(FOUNDED, "user", email)
        if person not in self._people:
            r = await fetch_one(self.session, _PEOPLE, person)
            assert r is not None  # noqa: S101 - the bulk load wrote everybody
            self._people[person] = Actor(
                r["id"], r["company_id"], r["name"], r["company"], r["code"], r["is_manufacturer"], r["is_partner"],
                r["currency"], frozenset(r["roles"]), r["site_id"], r["order_limit_amount"],
            )  # fmt: skip
        return self._people[person]

    async def has(
        self, who: Actor, part: UUID, site: UUID, quantity: int, at: datetime, *, condition: str = "new_old_stock"
    ) -> UUID:
        """Units of a company's own come on record. Answers their lot."""
        lot = self._draws.id(at, "recent lot", who.company_id, part)
        step = Step(
            Kind.REGISTER, lot, quantity, to=Place(who.company_id, who.company_id, site, condition),
            new_lot=NewLot(lot, part, "EA"),
        )  # fmt: skip
        await carry_out(
            self.session,
            Command(command_id("demo.register", lot), who.company_id, who.user_id, (step,), "import"),
            at,
        )
        return lot

    async def sold(
        self,
        title: str,
        number: str,
        clauses: Sequence[Terms],
        *,
        to: str,
        site: UUID,
        quantity: int,
        price: str,
        days: float,
        minimum: int | None = None,
        po: str,
    ) -> Sold:
        """Units of the manufacturer's are posted, ordered by the partner ``to``, signed for by both and received ``days`` ago; the
        posting is sold out and closed, and what became owed with the receipt is paid if it is due by now."""
        part, plant = self.part(number), self.plant("RFD")
        planner = await self.maker()
        await self.has(planner, part, plant, quantity, self.ago(days + 90))
        first, *further = clauses
        release = await listings.draft(
            self.session, planner, title=title, clause=first.clause, version=first.version, terms=dump_terms(first),
            use_class="non_capital_spare", further=[NamedClause(t.clause, t.version, dump_terms(t)) for t in further],
        )  # fmt: skip
        line = NewLine(part, plant, "new_old_stock", quantity, Decimal(price), minimum_to_keep=minimum)
        (listing,) = await listings.set_lines(self.session, planner, release, [line])
        if any(getattr(t, "export_class", None) for t in clauses):
            # Controlled units are seen by cleared partners alone.
            until = (self._start + timedelta(days=720)).date()
            await listings.clear(
                self.session, planner, self.company(to), "DDTC screening 26-1180", until, self.ago(days + 30)
            )
        await listings.publish(self.session, planner, release, self.ago(days + 24))
        buyer = await self.partner(to)
        order = await orders.place(
            self.session, buyer, lines=[Wanted(listing, quantity, "10")], po_number=po, ship_to_site_id=site,
            requested_on=None, hold_hours=72, now=self.ago(days + 12),
        )  # fmt: skip
        planner = await self.maker()
        agreement = await orders.accept(self.session, planner, order, self.ago(days + 11))
        buyer = await self.partner(to)
        await sign(self.session, buyer, agreement, self.ago(days + 10))
        shipped = Consignment.of("Blue Heron Freight", f"BH {po[-4:]}")
        await orders.ship(self.session, await self.maker("warehouse"), order, shipped, self.ago(days + 5))
        await listings.close(self.session, await self.maker(), release, self.ago(days + 5))
        buyer = await self.partner(to)
        await orders.receive(self.session, buyer, order, [Receipt(1, quantity)], self.ago(days))
        for owing in await owed.lines_of_cause(self.session, order):
            if owing.due_on < self._start.date():
                await self.paid(owing.id, to, days - 25)
        return Sold(agreement, part, site, planner, buyer)

    async def paid(self, line: UUID, state: str, days: float) -> None:
        """A line between the manufacturer and a partner: both say so many days ago that it was paid."""
        await settlement.mark(self.session, await self.partner(state), line, self.ago(days))
        await settlement.mark(self.session, await self.maker(), line, self.ago(days - 1))

    async def ordered_back(self, sold: Sold, quantity: int, urgency: str, days: float, *, job: str) -> UUID:
        """The manufacturer's planner orders units of an agreement back, ``days`` ago. Answers the order."""
        planner, now = await self.maker(), self.ago(days)
        needed = now + _NEEDED_IN[urgency]
        asked = Asked(sold.part, quantity, self.plant("RFD"), needed, urgency, "NF-450", "21877", job)
        request = await sourcing.raise_request(self.session, planner, asked, now)
        row = await sourcing_queries.requisition(self.session, request)
        found = (await sourcing.plan(self.session, planner, row, now)).candidates.values()
        keys = [c.key for c in found if c.agreement_id == sold.agreement and c.callable >= quantity]
        if not keys:
            raise conflict("demo.scene", f"{quantity} units for {job} cannot be ordered back any more.")
        return (await sourcing.confirm(self.session, planner, request, [Choice(keys[0], quantity)], now)).calls[0]
