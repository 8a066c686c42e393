"""Where units of a part are, who may call them, and why not. Pure: assembled from rows that queries gathered.

What a search makes by the thousand is a named tuple: a frozen dataclass of that many fields costs several times as much
to make.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from operator import add
from typing import NamedTuple
from uuid import UUID

from marketplace.agreements import phrases
from marketplace.agreements.combined import above_the_minimum, best_call
from marketplace.agreements.covered import Right, Standing
from marketplace.agreements.evaluation import Entitled, evaluate_call, split
from marketplace.agreements.exercise import right_size
from marketplace.agreements.facts import Facts
from marketplace.agreements.notice import Standing as NoticeStanding
from marketplace.agreements.outcomes import RefusalCode, Refused, Split
from marketplace.agreements.prose import Badge, badge
from marketplace.agreements.reach import still_about
from marketplace.agreements.remedies import default_from, due_by
from marketplace.agreements.terms import Terms, Urgency
from marketplace.kit.money import Money
from marketplace.ledger.entries import kept_apart
from marketplace.parties.actor import roughly
from marketplace.sourcing.freight import STAYS, Haul, Point, band_words, from_here_km, haul

URGENCIES: Mapping[str, Urgency] = {
    "machine_down": Urgency.MACHINE_DOWN,
    "urgent": Urgency.URGENT,
    "stock_order": Urgency.STOCK,
}
OWN_STOCK_HOURS: Mapping[str, int] = {"machine_down": 2, "urgent": 12, "stock_order": 24}
"""How long a maker's own warehouse takes to hand over: a stated planning figure."""


class StockRow(NamedTuple):
    """Units of one part at one place under one agreement (None = none), summed over lots."""

    part_id: UUID
    owner_id: UUID
    holder_id: UUID
    holder: str
    site_id: UUID | None
    site: str | None
    region: str | None
    condition: str
    agreement_id: UUID | None
    beneficiary_id: UUID | None
    quantity: int
    held: int
    frozen: int
    withdrawn: int
    counted_at: datetime | None
    reserved: int
    """As ``held``, with reservations whose time is over, and of frozen lots too."""
    unreserved_frozen: int
    back: int
    """On their way to the maker."""
    point: Point
    snapshot_on: date | None = None
    """The day of the stock file that last named it; own stock only."""
    at_holder: bool = False
    """The maker's still, with the holder of its agreement."""
    stands: bool = True
    """The right in them is in force, under no hold, and its window is open. Nothing can be called where it is not."""

    @property
    def free(self) -> int:
        """Neither reserved, nor on quality hold, nor waiting for a count, nor on the road, nor kept apart, nor sent
        back already."""
        if self.site_id is None or self.apart or self.sent_back:
            return 0
        return max(self.quantity - self.held - self.frozen - self.withdrawn, 0)

    def masked(self, mask: frozenset[UUID]) -> bool:
        """Whether one of these makers hides who holds them."""
        if self.agreement_id is None:
            return self.apart and self.owner_id in mask
        maker = self.beneficiary_id or self.owner_id
        return maker in mask and self.holder_id != maker

    @property
    def sent_back(self) -> bool:
        """Came back under the agreement and is not the maker's: not inspected yet, or rejected."""
        if self.agreement_id is None or self.at_holder:
            return False
        return self.holder_id != self.owner_id or self.holder_id == self.beneficiary_id

    @property
    def apart(self) -> bool:
        """The owner's, with somebody who did not accept it."""
        return kept_apart(self.owner_id, self.holder_id, self.agreement_id)


@dataclass(frozen=True, slots=True)
class Limit:
    """A delegate's limits per request: how many and how much money, in the maker's currency."""

    quantity: int
    value: Decimal
    currency: str


class Blocked(NamedTuple):
    """Units that exist but cannot be called: how many, a stable code, and why in words."""

    quantity: int
    code: str
    words: str


class Shown:
    """A clause's badge, put into words when somebody reads it: a plan weighs hundreds of places and names a few."""

    __slots__ = ("_badge", "_facts", "_right")

    def __init__(self, right: Right, facts: Facts) -> None:
        self._right, self._facts = right, facts
        self._badge: Badge | None = None

    @property
    def badge(self) -> Badge:
        """As the maker reads it."""
        if self._badge is None:
            self._badge = badge(self._right.terms, self._facts, to_maker=True, further=self._right.further)
        return self._badge


_OWN = Badge("Own stock", "The maker's own stock, listed but unsold units included; nothing is owed.")


class Candidate(NamedTuple):
    """Units at one place, as somebody looking for them sees them.

    ``kind``: 'own_stock', 'buy_back' or 'access_draw'. ``callable``: how many can be had now. ``group``: candidates
    of one group share ``group_cap`` (a schedule's right over several sites). Deadlines and price are those of a
    call placed now. ``masked``: holder and place are told only roughly until a call is sent.
    """

    key: str
    kind: str
    part_id: UUID
    holder_id: UUID
    holder: str
    site_id: UUID | None
    site: str
    region: str
    point: Point
    condition: str
    agreement_id: UUID | None
    agreement: str | None
    shown: Shown | None
    """Its clause; None of own stock."""
    quantity: int
    callable: int
    group: str
    group_cap: int
    unit_price: Money | None
    respond_by: datetime | None
    ship_by: datetime | None
    arrives: datetime | None
    haul: Haul
    counted_at: datetime | None
    blocked: tuple[Blocked, ...]
    reasons: tuple[str, ...]
    silence: str
    inspection_days: int
    payment_days: int
    masked: bool = False
    snapshot_on: date | None = None
    """The day of the stock file that last named it; own stock only."""
    draw_fee: Money | None = None
    """Per unit of an access draw, whose price is owed only for units that are not replaced in time."""
    worth: Money | None = None
    """What a unit counts against a delegate's limit: its price, or the list price of own stock, for which nothing is
    owed. None where nobody knows."""
    acknowledge_by: datetime | None = None
    """This, and the next two: only where the terms state it (the second library)."""
    deliver_by: datetime | None = None
    default_from: datetime | None = None
    answers: UUID | None = None
    """The notice that an order here answers, where a draw of the minimum would answer none."""
    clause: str | None = None
    """Of the agreement's clauses the one that an order here goes by."""
    least: int = 1
    """One order takes at least so many, and a ``multiple`` of so many, or all that can be ordered (``group_cap``)."""
    multiple: int = 1
    orders_left: int | None = None
    """How many more orders its agreement lets be given; None where it states no number."""

    near_km: float | None = None
    """Road kilometres from where the searcher is, of a masked holder from its rough place; only where it was told."""
    from_near: bool = False
    """Whether distances are told from there instead of from where the units should go."""

    @property
    def badge(self) -> str:
        """The clause in a cell's width."""
        return (self.shown.badge if self.shown else _OWN).short

    @property
    def badge_sentence(self) -> str:
        """The clause as a sentence."""
        return (self.shown.badge if self.shown else _OWN).sentence

    def takes(self, quantity: int) -> bool:
        """Whether one order for so many is of a size that the agreement allows."""
        return right_size(quantity, self.group_cap, least=self.least, multiple=self.multiple)

    def most(self, lacking: int) -> int:
        """The most that one order gives of so many that are lacking; 0 where none is of a size that the agreement allows."""
        most = min(self.callable, lacking)
        if self.takes(most):
            return most
        most -= most % self.multiple
        return most if most >= self.least else 0

    @property
    def size_words(self) -> str:
        """What sizes an order may have."""
        step = f", in multiples of {self.multiple:,}" if self.multiple > 1 else ""
        return f"One order takes at least {self.least:,}{step}, or all {self.group_cap:,} that can be ordered."

    @property
    def km(self) -> float | None:
        """Road kilometres that distance and order count from: where the searcher is, or else where the units should go."""
        return self.near_km if self.from_near else self.haul.km

    @property
    def distance_words(self) -> str:
        """Kilometres, or only a band where the holder is masked."""
        if self.masked:
            return band_words(self.km)
        if self.from_near:
            return "distance unknown" if self.near_km is None else f"{self.near_km:,.0f} km from you"
        if self.haul == STAYS:
            return "there already"
        return "distance unknown" if self.haul.km is None else f"{self.haul.km:,.0f} km"


def standing(rows: Iterable[StockRow]) -> dict[tuple[UUID, UUID, UUID], Standing]:
    """By (agreement, part, holder) what it has of the units under the agreement, from all rows of a right."""
    found: dict[tuple[UUID, UUID, UUID], Standing] = {}
    for row in rows:
        if row.agreement_id is None:
            continue
        key = (row.agreement_id, row.part_id, row.holder_id)
        there = Standing(row.quantity, row.reserved, row.unreserved_frozen, 0)
        units = Standing(0, 0, 0, row.back) if row.site_id is None else there
        known = found.get(key)
        found[key] = units if known is None else Standing(*map(add, known, units))
    return found


def worth_weighing(
    rows: Sequence[StockRow], destination: Point, weights: Mapping[UUID, int | None], told: int
) -> list[StockRow]:
    """Rows under no right or one that stands, and of what cannot be called the nearest places, at least ``told`` of a part: they are
    only told of. The rows of a right come together or not at all."""
    taken = [row for row in rows if row.stands]
    shut: dict[UUID, dict[UUID | None, list[StockRow]]] = {}
    for row in rows:
        if not row.stands:
            shut.setdefault(row.part_id, {}).setdefault(row.agreement_id, []).append(row)
    for part, rights in shut.items():
        grams = weights.get(part)

        def way(row: StockRow, grams: int | None = grams) -> tuple[int, str]:
            return haul(row.point, destination, weight_grams=grams, quantity=1).cost_minor, _key("right", row)

        left = told
        for members in sorted(rights.values(), key=lambda members: min(map(way, members))):
            if left <= 0:
                break
            taken += members
            left -= len(members)
    return taken


def answering(right: Right, notice: UUID) -> Right:
    """The right as an order sees it that names this notice; unchanged where the notice is not under it."""
    known = right.facts.circumstances
    if all(n.id != notice for n in known.notices):
        return right
    return right._replace(facts=replace(right.facts, circumstances=replace(known, answers=notice)))


def assemble(
    rows: Iterable[StockRow],
    rights: Mapping[tuple[UUID, UUID], Right],
    *,
    makers: frozenset[UUID],
    destination: Point,
    urgency: str,
    weights: Mapping[UUID, int | None],
    currencies: Mapping[UUID, str],
    list_prices: Mapping[UUID, Decimal | None],
    limits: Mapping[UUID, Limit],
    mask: frozenset[UUID],
    now: datetime,
    explain: bool,
    near: Point | None = None,
) -> list[Candidate]:
    """Every place with units, own stock first, then what can be called by arrival, then what cannot. With ``near``, where the
    searcher is: what can be had first, each the nearest first.

    ``makers``: on whose behalf the search is made. ``limits``: per maker, where the searcher is its delegate.
    ``mask``: makers that hide their holders from this searcher. ``explain``: with the clause's reasons for what can be
    called; why the rest cannot is always told.
    """
    found: list[Candidate] = []
    grouped: dict[tuple[UUID, UUID], list[StockRow]] = {}
    for row in rows:
        if row.agreement_id is not None:
            grouped.setdefault((row.agreement_id, row.part_id), []).append(row)
        elif row.owner_id in makers:
            found.append(_own(row, destination, urgency, weights, currencies, list_prices, limits, mask, now, near))
    for key, members in grouped.items():
        right = rights.get(key)
        if right is not None:
            found.extend(_under(members, right, destination, urgency, weights, limits, mask, now, explain, near))
    if near is not None:
        found.sort(key=lambda c: (c.callable == 0, c.near_km is None, c.near_km or 0, c.key))
        return found
    return sorted(
        found,
        key=lambda c: (
            c.callable == 0, c.kind != "own_stock", c.arrives is None, c.arrives or now, c.haul.cost_minor, c.key,
        ),
    )  # fmt: skip


def _own(
    row: StockRow,
    destination: Point,
    urgency: str,
    weights: Mapping[UUID, int | None],
    currencies: Mapping[UUID, str],
    list_prices: Mapping[UUID, Decimal | None],
    limits: Mapping[UUID, Limit],
    mask: frozenset[UUID],
    now: datetime,
    near: Point | None,
) -> Candidate:
    # Of two sites of one company at one point, the one is the other.
    here = row.point == destination and row.point.lat is not None and not row.apart
    way = STAYS if here else haul(row.point, destination, weight_grams=weights.get(row.part_id), quantity=1)
    limit = limits.get(row.owner_id)
    listed = list_prices.get(row.part_id)
    callable_here = min(row.free, limit.quantity, _affordable(limit, listed)) if limit else row.free
    leaves = now + timedelta(hours=OWN_STOCK_HOURS[urgency])
    blocked = _physical(row)
    if limit and row.free > callable_here:
        over = row.free - callable_here
        blocked.append(_over_limit(over, limit) if listed is not None else _no_price(over))
    currency = currencies.get(row.owner_id, "USD")
    masked = row.masked(mask)
    key = _key("own", row)
    return Candidate(
        key=key, kind="own_stock", part_id=row.part_id,
        holder_id=row.holder_id, holder=roughly(row.region) if masked else row.holder, site_id=row.site_id,
        site=_rough_site(row, way.km if near is None else _away(row, near)) if masked else (row.site or "in transit"),
        region=row.region or "", point=Point(None, None, row.point.country) if masked else row.point,
        condition=row.condition, agreement_id=None, agreement=None, masked=masked,
        shown=None, quantity=row.quantity, callable=callable_here, group=key,
        group_cap=callable_here, unit_price=Money(Decimal(0), currency),
        respond_by=leaves, ship_by=leaves, arrives=way.arrives(leaves) if callable_here else None, haul=way,
        counted_at=row.counted_at, snapshot_on=row.snapshot_on, blocked=tuple(blocked), reasons=("Own stock comes first.",), silence="refused",
        inspection_days=0, payment_days=0, worth=None if listed is None else Money(listed, currency),
        near_km=_away(row, near), from_near=near is not None,
    )  # fmt: skip


def _away(row: StockRow, near: Point | None) -> float | None:
    return None if near is None or row.site_id is None else from_here_km(row.point, near)


def _rough_site(row: StockRow, km: float | None) -> str:
    return f"{row.region} ({band_words(km)})" if row.region else "in transit"


def _key(kind: str, row: StockRow) -> str:
    """What names this place in a plan; a digest, so that a masked holder's ids stay hidden in it."""
    text = f"{kind}:{row.agreement_id}:{row.owner_id}:{row.site_id}:{row.part_id}:{row.condition}"
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _physical(row: StockRow) -> list[Blocked]:
    blocked: list[Blocked] = []
    if row.apart:
        words = (
            f"{row.quantity} kept for the owner where they arrived damaged or as the wrong part; not accepted there."
        )
        return [Blocked(row.quantity, "kept_apart", words)]
    if row.site_id is None:
        return [Blocked(row.quantity, "in_transit", f"{row.quantity} on the way, not received yet.")]
    if row.sent_back:
        words = f"{row.quantity} came back and not accepted: waiting for inspection, or rejected and the partner's own."
        return [Blocked(row.quantity, "sent_back", words)]
    if row.held:
        blocked.append(Blocked(row.held, "held", f"{row.held} reserved for other orders."))
    if row.frozen:
        blocked.append(Blocked(row.frozen, "quality_hold", f"{row.frozen} on quality hold by the maker."))
    if row.withdrawn:
        blocked.append(
            Blocked(row.withdrawn, "withdrawn", f"{row.withdrawn} said not to be on the shelf; waiting for a count.")
        )
    return blocked


def _affordable(limit: Limit, price: Decimal | None) -> int:
    """How many units of this price the delegation pays for; none where the price is not known."""
    if price is None:
        return 0
    return int(limit.value // price) if price else limit.quantity


def _no_price(quantity: int) -> Blocked:
    return Blocked(
        quantity, "delegation_limit",
        f"{quantity} without a list price: what they count against your delegation is not known. Ask the maker's planner.",
    )  # fmt: skip


def _over_limit(quantity: int, limit: Limit) -> Blocked:
    return Blocked(
        quantity, "delegation_limit",
        f"{quantity} beyond your delegation: at most {limit.quantity} units or {limit.value:,.2f} {limit.currency} a request.",
    )  # fmt: skip


def _under(
    members: Sequence[StockRow],
    right: Right,
    destination: Point,
    urgency: str,
    weights: Mapping[UUID, int | None],
    limits: Mapping[UUID, Limit],
    mask: frozenset[UUID],
    now: datetime,
    explain: bool,
    near: Point | None,
) -> list[Candidate]:
    known = right.facts
    missing_here = min(sum(r.withdrawn for r in members), known.remaining - known.held - known.quality_held)
    facts = known
    # Asked for the fewest that one order takes: whether an order is of the right size is asked once its size is known.
    least = max(t.partial_minimum for t in right.clauses)
    if missing_here > 0 or known.requested != least or known.urgency is not URGENCIES[urgency]:
        facts = replace(known, requested=least, urgency=URGENCIES[urgency], withdrawn=max(missing_here, 0))
    abroad = any(crosses(row.point, destination) for row in members)
    if abroad and any(t.generation == 2 and (t.export_class or t.returned_goods_months) for t in right.clauses):
        facts = replace(facts, circumstances=replace(facts.circumstances, crosses_border=True))
    if right.further:
        said = best_call(right.clauses, facts, now, explain=explain)
        outcome, terms = said.answer, next(t for t in right.clauses if t.clause == said.clause)
    else:
        outcome, terms = evaluate_call(right.terms, facts, now, explain=explain), right.terms
    entitled = outcome if isinstance(outcome, Entitled) else None
    cap = entitled.callable if entitled else 0
    price = _price(entitled) if entitled else None
    named = _named(terms, right.clauses, facts, now)
    shown = Shown(right, facts)
    reasons = tuple([r.words for r in outcome.reasons])
    found: list[Candidate] = []
    if len(members) > 1:
        members = sorted(members, key=lambda r: (str(r.site_id), r.condition))
    for row in members:
        maker = row.beneficiary_id or row.owner_id
        limit = limits.get(maker)
        way = haul(row.point, destination, weight_grams=weights.get(row.part_id), quantity=1)
        free = row.free
        here = min(free, cap)
        rest = free - here
        blocked = _physical(row)
        if limit and price:
            over = here - min(here, limit.quantity, _affordable(limit, price.amount))
            here -= over
            if over:
                blocked.append(_over_limit(over, limit))
        if rest:
            blocked.append(_why(rest, outcome, terms, facts, now, right.clauses))
        masked = row.masked(mask)
        found.append(
            Candidate(
                key=_key("right", row),
                kind="access_draw" if terms.clause == "access-back" else "buy_back",
                part_id=row.part_id, holder_id=row.holder_id,
                holder=roughly(row.region) if masked else row.holder,
                site_id=row.site_id,
                site=_rough_site(row, way.km if near is None else _away(row, near)) if masked else (row.site or "in transit"),
                region=row.region or "", point=Point(None, None, row.point.country) if masked else row.point,
                condition=row.condition, agreement_id=row.agreement_id, agreement=right.reference, shown=shown, quantity=row.quantity, callable=here,
                group=f"{row.agreement_id}:{row.part_id}", group_cap=cap,
                unit_price=price,
                respond_by=entitled.respond_by if entitled else None, ship_by=entitled.ship_by if entitled else None,
                acknowledge_by=entitled.acknowledge_by if entitled else None,
                deliver_by=entitled.deliver_by if entitled else None,
                default_from=_default_from(terms, facts, entitled), least=terms.partial_minimum,
                multiple=terms.partial_multiple,
                arrives=way.arrives(entitled.ship_by) if entitled and here else None, haul=way,
                counted_at=row.counted_at, blocked=tuple(blocked),
                reasons=reasons, masked=masked,
                silence=entitled.no_response.value if entitled else "refused",
                inspection_days=entitled.inspection_days if entitled else 0,
                payment_days=entitled.payment_days if entitled else 0,
                draw_fee=entitled.unit_price if entitled and entitled.replacement else None, worth=price,
                answers=named, clause=terms.clause,
                orders_left=_orders_left(terms, facts),
                near_km=_away(row, near), from_near=near is not None,
            )
        )  # fmt: skip
    return found


def _named(terms: Terms, clauses: Sequence[Terms], facts: Facts, now: datetime) -> UUID | None:
    """The notice that an order under ``terms`` answers, where another clause of the agreement reaches only the minimum."""
    known = facts.circumstances
    if known.answers is not None or terms not in above_the_minimum(clauses):
        return known.answers
    about = still_about((terms,), facts, known.notices, now)
    return next((n.id for n in about if n.standing(now) is NoticeStanding.RUNNING), None)


def _orders_left(terms: Terms, facts: Facts) -> int | None:
    """How many more orders the terms let be given."""
    return None if terms.max_exercises is None else max(terms.max_exercises - facts.exercises, 0)


def crosses(origin: Point, target: Point) -> bool:
    """Whether units on this way leave a country, as far as both are known."""
    return bool(origin.country and target.country) and origin.country != target.country


def _default_from(terms: Terms, facts: Facts, entitled: Entitled | None) -> datetime | None:
    if entitled is None or terms.generation == 1:
        return None
    return default_from(terms, facts, due_by(terms, entitled.ship_by, entitled.deliver_by))


def _price(outcome: Entitled) -> Money:
    """What the unit costs if it is not replaced: the draw's purchase price, or the buy-back price."""
    return outcome.replacement.purchase_price if outcome.replacement else outcome.unit_price


def _beyond_period(rest: int, parts: Split, terms: Terms) -> Blocked:
    """Units that this period leaves no order for, and what else of the ``rest`` is in the way, each by its number."""
    said = [
        f"{count:,} {'is' if count == 1 else 'are'} {what}"
        for count, what in (
            (
                parts.blocked,
                f"beyond the most of {phrases.count(terms.max_units_months, 'month')} ({phrases.count(terms.max_units or 0, 'unit')})",
            ),
            (parts.holder_reserve, "the holder's own reserve"),
            (parts.not_covered, "outside the right"),
        )
        if count
    ]
    return Blocked(rest, RefusalCode.PERIOD_USED_UP.value, f"{phrases.listed(said)} ({parts.words}).")


def _why(
    rest: int, outcome: Entitled | Refused, terms: Terms, facts: Facts, now: datetime, clauses: Sequence[Terms]
) -> Blocked:
    if isinstance(outcome, Refused):
        return Blocked(rest, outcome.code.value, outcome.words)
    parts = split(terms, facts, now)
    if parts.blocked_by is RefusalCode.PERIOD_USED_UP:
        return _beyond_period(rest, parts, terms)
    if parts.holder_reserve:
        return Blocked(
            rest, "holder_reserve", f"{rest} are the holder's own reserve or outside the right ({parts.words})."
        )
    running = [n for n in facts.circumstances.notices if n.standing(now) is NoticeStanding.RUNNING]
    if terms.clause == "first-refusal" and len(running) > 1:
        words = (
            f"{rest} are not in the notice that this order answers. {len(running)} notices run: each is answered by "
            "an order that names it, or else the oldest is."
        )
        return Blocked(rest, "not_covered", words)
    if parts.blocked_by is RefusalCode.NO_NOTICE:
        return Blocked(rest, parts.blocked_by.value, f"{rest} are not named in a notice of the holder.")
    words = f"{rest} are outside what the agreement lets the maker call ({parts.words})."
    offered = min(sum(n.left for n in running), rest)
    if offered and terms not in (wide := above_the_minimum(clauses)) and wide:
        words += f" {phrases.count(offered, 'unit')} of them {'is' if offered == 1 else 'are'} offered by notice: answer it to order."
    return Blocked(rest, "not_covered", words)
