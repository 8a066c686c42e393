"""What partners received: deliveries out of the records, the agreements over them, and each lot's story.

The records give part, quantity, value, place and ship date. Receipt, order and registration dates, conditions,
carriers and everything about agreements are made up around them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from marketplace.demo.called import Called, Caller, Manner
from marketplace.demo.cast import Cast
from marketplace.demo.catalogue import Catalogue
from marketplace.demo.draws import Draws, elapsed_months
from marketplace.demo.lots import Cause, LedgerRows, LotStory
from marketplace.demo.purchases import Purchases
from marketplace.demo.rows import Agreement, AgreementLine, Basis, Framework, Freeze, Part, TermSheet
from marketplace.demo.sources import Shipment, Sources, StockLine
from marketplace.demo.spread import BUY_BACK, Delivery, Stand, spread, terms_for
from marketplace.kit.clock import local_day

QUALITY_PARTS = 12
_CALLED_PER_MILLE, _MOVING_PER_MILLE = 9, 4
_MANNERS = (*(Manner.RETURNED,) * 9, *(Manner.WAITING,) * 6, Manner.ACCEPTED, Manner.ACCEPTED, Manner.ON_THE_WAY,
            Manner.UNSETTLED, Manner.REFUSED, Manner.REFUSED)  # fmt: skip
_RARELY_NEW = frozenset({"23", "24", "34", "38", "39", "41", "43", "49"})


@dataclass(slots=True)
class Receipt:
    """One line of the record, which becomes one lot."""

    part: Part
    quantity: int
    price: Decimal
    ref: str
    number: int
    """Running number of the line: exact duplicates stay apart."""


@dataclass(slots=True)
class Held:
    """Everything that stands on the deliveries."""

    frameworks: list[Framework] = field(default_factory=list)
    agreements: list[Agreement] = field(default_factory=list)
    lines: list[AgreementLine] = field(default_factory=list)
    term_sheets: dict[str, TermSheet] = field(default_factory=dict)
    freezes: list[Freeze] = field(default_factory=list)
    called: list[Called] = field(default_factory=list)


def gather(
    sources: Sources, catalogue: Catalogue, cast: Cast, start: datetime
) -> dict[tuple[str, str, int], tuple[Delivery, list[Receipt]]]:
    """The record's lines by delivery: one station, one day, one price a part."""
    found: dict[tuple[str, str, int], tuple[Delivery, list[Receipt]]] = {}
    days: dict[tuple[str, str], tuple[datetime, int]] = {}
    prices: dict[tuple[str, str, int], dict[UUID, Decimal]] = {}
    records: list[tuple[Sequence[StockLine | Shipment], bool]] = [(sources.stock, False), (sources.shipments, True)]
    number = 0
    for lines, ordered in records:
        for line in lines:
            number += 1
            part = catalogue.by_nsn[line.nsn]
            price = line.value or catalogue.price_of[part.id]
            running = 1000 if ordered else 0
            while prices.setdefault((line.station, line.shipped_on, running), {}).setdefault(part.id, price) != price:
                running += 1
            key = (line.station, line.shipped_on, running)
            if key not in found:
                zone = cast.site_of[line.station].timezone
                if (line.shipped_on, zone) not in days:
                    day = datetime.fromisoformat(line.shipped_on).replace(hour=16, tzinfo=UTC)
                    days[line.shipped_on, zone] = day, elapsed_months(local_day(day, zone), start)
                delivery = Delivery(key, ordered, *days[line.shipped_on, zone], zone, 0, Decimal(0), 0, 0)
                found[key] = (delivery, [])
            ref = line.ref if isinstance(line, Shipment) else ""
            found[key][1].append(Receipt(part, line.quantity, price, ref, number))
    for delivery, receipts in found.values():
        by_part: Counter[UUID] = Counter()
        for receipt in receipts:
            by_part[receipt.part.id] += receipt.quantity
        delivery.units = sum(by_part.values())
        delivery.value = sum((r.price * r.quantity for r in receipts), Decimal(0))
        delivery.lots = len(receipts)
        delivery.fewest = min(by_part.values())
    return found


class DeliveryBuilder:
    """Writes the agreements and lots of all deliveries, oldest first."""

    def __init__(self, cast: Cast, catalogue: Catalogue, start: datetime, draws: Draws, rows: LedgerRows) -> None:
        self._cast = cast
        self._catalogue = catalogue
        self._start = start
        self._draws = draws
        self._rows = rows
        self._site_zone = {site.id: site.timezone for site in cast.sites}
        self._framework: dict[tuple[UUID, str], UUID] = {}
        self._bad_parts: frozenset[UUID] = frozenset()
        self._insolvent = self._suspended = cast.maker
        self._caller = Caller(cast, start, draws)
        self.held = Held()
        self.purchases = Purchases(cast, draws)

    def build(self, deliveries: Mapping[tuple[str, str, int], tuple[Delivery, list[Receipt]]]) -> None:
        """Spread the rights, pick what is frozen, then write delivery by delivery."""
        ordered = sorted(deliveries.values(), key=lambda pair: pair[0].key[1])
        spread([delivery for delivery, _ in ordered], self._draws)
        self._choose_frozen(ordered)
        for delivery, receipts in ordered:
            self._deliver(delivery, receipts)

    def _choose_frozen(self, ordered: Sequence[tuple[Delivery, list[Receipt]]]) -> None:
        """A holder under legal hold, one with its buy-back suspended, and parts on quality hold: small ones."""
        lots: Counter[UUID] = Counter()
        units: Counter[str] = Counter()
        for delivery, receipts in ordered:
            lots.update(receipt.part.id for receipt in receipts)
            units[delivery.key[0][:2]] += delivery.units
        total = sum(units.values())
        ranked = sorted(units, key=lambda state: (abs(units[state] - total * 7 // 1000), state))
        self._insolvent, self._suspended = (self._cast.partner_of[state] for state in ranked[:2])
        likely = sorted(p for p, count in lots.items() if 3 <= count <= 40)
        chosen = sorted(likely, key=lambda part: self._draws.number("quality", part))[:QUALITY_PARTS]
        self._bad_parts = frozenset(chosen)
        since = self._start - timedelta(days=9)
        draws, freezes = self._draws, self.held.freezes
        freezes.append(
            Freeze(
                draws.id(since, "freeze", self._insolvent),
                "legal_hold",
                self._insolvent,
                None,
                "The holder has filed for bankruptcy (made up).",
                since,
            )
        )
        for part in chosen:
            words = "Maker's quality notice: inspect before use (made up)."
            freezes.append(Freeze(draws.id(since, "freeze", part), "quality_hold", None, part, words, since))

    def _framework_of(self, partner: UUID, clause: str, signed: datetime) -> UUID:
        key = (partner, clause)
        if key not in self._framework:
            # Deliveries come oldest first, so the framework is older than every schedule under it.
            at = signed - timedelta(days=self._draws.between(20, 90, "framework", *key))
            framework = Framework(
                self._draws.id(at, "framework", *key),
                self._draws.reference("FRA", *key),
                self._cast.maker,
                partner,
                clause,
                1,
                at,
            )
            self.held.frameworks.append(framework)
            self._framework[key] = framework.id
        return self._framework[key]

    def _agree(
        self, delivery: Delivery, receipts: Sequence[Receipt], partner: UUID, signed: datetime, order_id: UUID | None
    ) -> Agreement | None:
        """The schedule over a delivery, or None where the units were sold outright."""
        if delivery.stand is Stand.NONE:
            return None
        draws, key = self._draws, delivery.key
        dice = draws.dice("agreement", *key)
        terms_key, sheet = terms_for(delivery, dice)
        self.held.term_sheets.setdefault(terms_key, sheet)
        suspended = partner == self._suspended and delivery.clause == BUY_BACK
        status, reason = ("run_off", None) if delivery.stand is Stand.CLOSED else ("active", None)
        if suspended:
            status, reason = "suspended", "Report of stock overdue (made up)."
        agreement = Agreement(
            draws.id(signed, "agreement", *key),
            draws.reference("AGR", *key),
            self._framework_of(partner, delivery.clause, signed),
            self._cast.maker,
            partner,
            order_id,
            delivery.clause,
            1,
            terms_key,
            dice.one_of(("intermediate_good", "non_capital_spare")),
            delivery.zone,
            local_day(signed, delivery.zone),
            status,
            reason,
            partner == self._insolvent,
            signed,
        )
        self.held.agreements.append(agreement)
        by_part: dict[UUID, list[Receipt]] = defaultdict(list)
        for receipt in receipts:
            by_part[receipt.part.id].append(receipt)
        for part_id, of_part in by_part.items():
            quantity, price = sum(r.quantity for r in of_part), of_part[0].price
            self.held.lines.append(
                AgreementLine(
                    agreement.id,
                    part_id,
                    self._cast.maker,
                    partner,
                    quantity,
                    price,
                    self._catalogue.price_of[part_id],
                    self._minimum(delivery, quantity, part_id),
                )
            )
        return agreement

    def _minimum(self, delivery: Delivery, quantity: int, part_id: UUID) -> int:
        if delivery.stand is Stand.FLOOR:
            return max(quantity * 55 // 100, 3)
        if delivery.stand is Stand.FREE:
            return max(quantity * 40 // 100, 1)
        return self._draws.below(quantity // 4 + 1, "minimum", *delivery.key, part_id) if quantity >= 4 else 0

    def _condition(self, delivery: Delivery, part: Part) -> str:
        choices = (
            ("used", "used_tested", "used", "used_tested", "remanufactured", "core")
            if part.number[:2] in _RARELY_NEW
            else ("new_old_stock", "new", "used_tested", "new_old_stock", "used")
        )
        return self._draws.one_of(choices, "condition", *delivery.key, part.number)

    def _deliver(self, delivery: Delivery, receipts: list[Receipt]) -> None:
        draws, key, cast = self._draws, delivery.key, self._cast
        partner, site = cast.partner_of[key[0][:2]], cast.site_of[key[0]]
        shipped = delivery.day
        dice = draws.dice("delivery", *key)
        accepted = shipped - timedelta(days=dice.between(2, 5))
        placed = accepted - timedelta(days=dice.between(1, 9), hours=dice.below(5))
        received = shipped + timedelta(days=dice.between(2, 9), hours=dice.below(5))
        # Window arithmetic counts from the ship date in the record; the schedule is signed that morning.
        # An order's id sorts by when it was placed, as a live one's does: lists show the newest first by it.
        ordered = draws.id(placed, "order", *key) if delivery.ordered else None
        agreement = self._agree(delivery, receipts, partner, shipped - timedelta(hours=1), ordered)
        order_id = agreement.order_id if agreement else None
        plant = self.purchases.plant_of(agreement.terms_key, shipped) if agreement and order_id else None
        plant = plant or dice.one_of(cast.plants)
        seller, taker = cast.actor[cast.maker, "seller"], cast.actor[partner, "warehouse"]
        cause, cause_id = ("order", order_id) if order_id else ("import", None)
        commands = draws.ids(shipped, "commands", *key)

        def because(step: int, company: UUID, actor: UUID, how: Basis = Basis.MADE_UP) -> Cause:
            return Cause(company, actor, commands[step], cause, cause_id, how)

        register = because(0, cast.maker, seller)
        # As a live order does it: the seller's standing offer is what lets the buyer reserve.
        hold = because(1, cast.maker, cast.actor[partner, "buyer"])
        ship = because(2, cast.maker, seller, Basis.RECORD)
        receive = because(3, partner, taker)
        title = because(4, partner, taker)
        units: list[tuple[Receipt, UUID, int, int, str]] = []
        for receipt in receipts:
            part, quantity = receipt.part, receipt.quantity
            condition = self._condition(delivery, part)
            since = placed - timedelta(days=20 + receipt.number % 400)
            lot = LotStory(self._rows, draws.id(since, "lot", receipt.number), part, cast.maker)
            stock = lot.place(cast.maker, cast.maker, plant.id, condition)
            moving = lot.place(cast.maker, cast.maker, None, condition)
            arrived = lot.place(cast.maker, partner, site.id, condition)
            own = lot.place(partner, partner, site.id, condition)
            lot.move("register", None, stock, quantity, since, register)
            hold_seq = 0
            if order_id:
                hold_seq = lot.move("hold", stock, None, quantity, placed, hold)
                lot.move("post", stock, moving, quantity, shipped, ship, purpose="ship", resolves=hold_seq)
            else:
                lot.move("ship", stock, moving, quantity, shipped, ship)
            lot.move("receive", moving, arrived, quantity, received, receive)
            lot.move("title", arrived, own, quantity, received, title)
            if agreement:
                bound = lot.place(partner, partner, site.id, condition, agreement.id, cast.maker)
                lot.move("repoint", own, bound, quantity, received, title)
                own = bound
            units.append((receipt, lot.id, hold_seq, own, condition))
            self._live_with(lot, own, delivery, receipt, agreement, received, condition)
            lot.close()
        if agreement and order_id:
            self.purchases.add(order_id, agreement, units, (placed, accepted, shipped, received), partner, site)

    def _live_with(
        self,
        lot: LotStory,
        own: int,
        delivery: Delivery,
        receipt: Receipt,
        agreement: Agreement | None,
        received: datetime,
        condition: str,
    ) -> None:
        """What became of the units since: used up in part, reserved by a call, on the way, on quality hold."""
        draws, number, start = self._draws, receipt.number, self._start
        dice = draws.dice("fate", number)
        partner, site = self._cast.partner_of[delivery.key[0][:2]], self._cast.site_of[delivery.key[0]]
        chance = dice.below(1000)
        taker = self._cast.actor[partner, "warehouse"]

        def because(step: str, at: datetime, kind: str) -> Cause:
            return Cause(partner, taker, draws.id(at, "command", step, number), kind, None, Basis.MADE_UP)

        if agreement and delivery.ordered and chance < 300:
            at = min(
                received + timedelta(days=dice.between(20, 700)),
                start - timedelta(days=dice.between(2, 90)),
            )
            used = receipt.quantity - receipt.quantity // 2
            kind = "install" if agreement.use_class == "non_capital_spare" else "use_up"
            leave = lot.permit(
                draws.id(at, "permit", number), own, kind, used, at + timedelta(days=30), "use reported by the holder"
            )
            machine = f"M{dice.below(9_000) + 1_000}" if kind == "install" else None
            lot.move(kind, own, None, used, at, because("use", at, "notice"), permit=leave, machine=machine)
        left = lot.quantity(own)
        if not left:
            return
        if receipt.part.id in self._bad_parts:
            at = start - timedelta(days=9)
            planner = self._cast.actor[self._cast.maker, "planner"]
            cause = Cause(
                self._cast.maker,
                planner,
                draws.id(at, "command", "freeze", receipt.part.id),
                "notice",
                None,
                Basis.MADE_UP,
            )
            lot.move("freeze", own, None, left, at, cause)
        elif agreement and delivery.stand is Stand.OPEN and left <= 20 and not agreement.legal_hold:
            if agreement.status == "active" and chance >= 1000 - _CALLED_PER_MILLE:
                manner = dice.one_of(_MANNERS)
                # Units that leave go as whole lots: a part of one would be a lot of its own.
                leaves = manner in (Manner.ON_THE_WAY, Manner.UNSETTLED, Manner.RETURNED)
                if left <= 3 or not leaves:
                    self.held.called.append(
                        self._caller.call(
                            lot, own, receipt.part, number, agreement, site, condition, min(left, 3), manner
                        )
                    )
            elif chance >= 1000 - _CALLED_PER_MILLE - _MOVING_PER_MILLE:
                at = start - timedelta(hours=dice.between(4, 60))
                moving = lot.place(partner, partner, None, condition, agreement.id, self._cast.maker)
                lot.move("ship", own, moving, left, at, because("transfer", at, "transfer"))
