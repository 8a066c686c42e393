"""The world as rows of tables: which columns, in which order, so that every row finds what it points at."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from marketplace.agreements.terms import dump_terms
from marketplace.agreements.together import dump_further
from marketplace.demo.asked import MONTHS, asked, first_month
from marketplace.demo.draws import Draws
from marketplace.demo.papers import Paper, PublishedClause, papers, parsed_terms
from marketplace.demo.rows.calls import Settlement
from marketplace.demo.rows.trade import Agreement
from marketplace.demo.world import World
from marketplace.imports.fields import FIELDS
from marketplace.imports.lines import line_family, line_key
from marketplace.kit.exports import csv_chunks
from marketplace.kit.ids import command_id

Rows = Iterable[tuple[Any, ...]]
STOCK_COLUMNS = {
    name: field.label
    for name, field in FIELDS.items()
    if name not in {"maker", "serial", "batch", "serial_or_batch", "expiry", "weight_grams"}
}


DISCOUNT_RATE_BP = 800
"""The manufacturer's, so that its books show figures. Made up."""
SOON_DAYS, LATER_DAYS, FIVE_YEARS = 24, 700, 1826
"""When the security interests of the demo lapse, and how long a UCC-1 lasts."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows for one table. ``count`` is how many there will be; ``words`` is what a progress bar says."""

    name: str
    words: str
    columns: tuple[str, ...]
    count: int
    rows: Rows


def _table(name: str, words: str, columns: str, count: int, rows: Rows) -> Table:
    return Table(name, words, tuple(columns.split()), count, rows)


def _said(x: Settlement) -> tuple[Decimal, Decimal]:
    """What of a line one side at least says was paid, and what both say."""
    one, both = bool(x.payer_marked_at or x.payee_marked_at), bool(x.payer_marked_at and x.payee_marked_at)
    return x.amount if one else Decimal(0), x.amount if both else Decimal(0)


def _payment(x: Settlement) -> tuple[Any, ...]:
    """The payment that a marked line stands for, by who said so first."""
    marks = ((x.payer_marked_at, x.payer_id, x.payer_marked_by), (x.payee_marked_at, x.payee_id, x.payee_marked_by))
    at, company, actor = min((m for m in marks if m[0]), key=lambda m: m[0] or x.created_at)
    return (
        command_id("demo.payment", x.id), x.reference.replace("SET-", "PAY-"), x.payer_id, x.payee_id, x.amount, x.amount,
        (at or x.created_at).date(), "marked", company, actor, x.payer_marked_at, x.payer_marked_by, x.payee_marked_at,
        x.payee_marked_by, at,
    )  # fmt: skip


class Mapper:
    """Maps one world. ``password_hash`` is everybody's; ``clauses`` are those in the database."""

    def __init__(
        self, world: World, clauses: Mapping[tuple[str, int], PublishedClause], password_hash: str, import_job: UUID
    ) -> None:
        self.world = world
        self.clauses = clauses
        self._password_hash = password_hash
        self._import_job = import_job
        self.maker = next(c.id for c in world.companies if c.is_manufacturer)
        self.actor = {(u.company_id, role): u.id for u in reversed(world.users) for role in u.roles}

    def tables(self) -> Iterator[Table]:
        """Every table in loading order."""
        yield from self._parties()
        yield from self._catalogue()
        yield from self._agreements()
        yield from self._ledger()
        yield from self._trade()
        yield from self._stock()
        yield from self._calls()

    def _parties(self) -> Iterator[Table]:
        w, start = self.world, self.world.start
        yield _table(
            "company", "companies", "id code name is_manufacturer is_partner currency country created_at",
            len(w.companies), ((*c[:7], start) for c in w.companies),
        )  # fmt: skip
        yield _table(
            "company_books", "companies", "company_id discount_rate_bp changed_by changed_at", 1,
            [(self.maker, DISCOUNT_RATE_BP, self.actor[self.maker, "admin"], start)],
        )  # fmt: skip
        others = [c.id for c in w.companies if c.id != self.maker]
        pairs = [(a, b, start) for o in others for a, b in ((self.maker, o), (o, self.maker))]
        yield _table("counterparty", "companies", "company_id other_id since", len(pairs), pairs)
        yield _table(
            "site", "sites",
            "id company_id code name place region country lat lon approximate timezone opens closes counter_phone "
            "after_hours_phone will_call address",
            len(w.sites), (s[:17] for s in w.sites),
        )  # fmt: skip
        yield _table(
            "site_contact", "sites", "id company_id site_id name role telephone", len(w.sites),
            ((s.contact_id, s.company_id, s.id, s.contact_name, "parts counter", s.counter_phone) for s in w.sites),
        )  # fmt: skip
        yield _table(
            "user_account", "people", "id company_id email name password_hash roles site_id order_limit_amount",
            len(w.users),
            (
                (u.id, u.company_id, u.email, u.name, self._password_hash, list(u.roles), u.site_id, u.order_limit)
                for u in w.users
            ),
        )  # fmt: skip
        yield _table(
            "delegation", "people",
            "id maker_id company_id max_quantity max_value_amount currency valid_from valid_until created_at",
            len(w.delegations), ((*d[:5], "USD", d.granted_at, d.ends_at, d.granted_at) for d in w.delegations),
        )  # fmt: skip

    def _catalogue(self) -> Iterator[Table]:
        w = self.world
        yield _table("maker", "catalogue", "id code name company_id", len(w.makers), w.makers)
        yield _table(
            "part", "catalogue",
            "id maker_id number number_norm description class_code uom weight_grams list_price currency",
            len(w.parts), ((*p[:9], "USD" if p.list_price is not None else None) for p in w.parts),
        )  # fmt: skip
        numbers = [(p.id, p.number, p.number_norm, "maker") for p in w.parts]
        numbers += [(p.id, p.niin, p.niin.replace("-", ""), "niin") for p in w.parts if p.niin]
        yield _table("part_number", "catalogue", "part_id number number_norm scheme", len(numbers), numbers)
        yield _table(
            "supersession", "catalogue", "from_part_id to_part_id effective_on", len(w.supersessions), w.supersessions
        )
        yield _table("alternate", "catalogue", "part_id alternate_part_id", len(w.alternates), w.alternates)

    def _agreements(self) -> Iterator[Table]:
        w = self.world
        signer = self.actor[self.maker, "planner"]
        yield _table(
            "framework", "agreements",
            "id reference maker_id holder_id clause version clause_sha256 maker_signed_by maker_signed_at "
            "holder_signed_by holder_signed_at created_at",
            len(w.frameworks),
            (
                (*f[:6], self.clauses[f.clause, f.version].sha256, signer, f.signed_at,
                 self.actor[f.holder_id, "buyer"], f.signed_at, f.signed_at)
                for f in w.frameworks
            ),
        )  # fmt: skip
        exercises = Counter(c.agreement_id for c in w.calls)
        suspended_on = (w.start - timedelta(days=9)).date()

        def agreement(paper: Paper) -> tuple[Any, ...]:
            a = paper.agreement
            suspended = a.status == "suspended"
            return (
                a.id, a.reference, a.framework_id, a.maker_id, a.holder_id, a.order_id, a.clause, a.version,
                paper.terms, "USD", a.use_class, a.zone, a.schedule_date, a.status, a.status_reason, a.legal_hold,
                paper.wording, paper.wording_sha256, exercises[a.id], suspended_on if suspended else None,
                a.maker_id if suspended else None, paper.opens, paper.closes, signer, a.signed_at,
                self.actor[a.holder_id, "buyer"], a.signed_at, a.signed_at,
            )  # fmt: skip

        yield _table(
            "agreement", "agreements",
            "id reference framework_id maker_id holder_id order_id clause version terms currency use_class zone "
            "schedule_date status status_reason legal_hold wording wording_sha256 exercises suspended_on suspended_by "
            "window_opens_at window_closes_at maker_signed_by maker_signed_at holder_signed_by holder_signed_at "
            "created_at",
            len(w.agreements), (agreement(p) for p in papers(w, self.clauses)),
        )  # fmt: skip
        back = Counter[tuple[UUID, UUID]]()
        for call in w.calls:
            if call.received_at:
                back[call.agreement_id, call.part_id] += call.quantity
        yield _table(
            "agreement_line", "agreements",
            "agreement_id part_id maker_id holder_id quantity_sold sale_price list_price minimum_to_keep taken_back",
            len(w.agreement_lines), ((*x, back[x.agreement_id, x.part_id]) for x in w.agreement_lines),
        )  # fmt: skip
        held = [a for a in w.agreements if a.legal_hold]
        yield _table(
            "agreement_event", "agreements", "subject_id maker_id holder_id kind detail company_id actor_id at",
            3 * len(w.agreements) + len(held), self._agreement_events(),
        )  # fmt: skip
        yield from self._safeguards(held)

    def _safeguards(self, held: Sequence[Agreement]) -> Iterator[Table]:
        """The record of the holder that is insolvent, the holds that it set, and security interests, one of which lapses
        soon."""
        w = self.world
        planner = self.actor[self.maker, "planner"]
        frozen = [f for f in w.freezes if f.kind == "legal_hold"]
        yield _table(
            "insolvency", "agreements",
            "id maker_id company_id number reason source opened_on administrator recorded_by recorded_at", len(frozen),
            (
                (f.id, self.maker, f.company_id, 1, f.reason, "Bankruptcy court, case 26-10123 (made up)", f.since.date(),
                 "J. Ortiz, trustee, +1 617 555 0142 (made up)", planner, f.since)
                for f in frozen
            ),
        )  # fmt: skip
        yield _table(
            "insolvency_hold", "agreements", "insolvency_id agreement_id maker_id held_before", len(held),
            ((f.id, a.id, self.maker, False) for f in frozen for a in held if a.holder_id == f.company_id),
        )  # fmt: skip
        holders = sorted({a.holder_id for a in w.agreements} - {f.company_id for f in frozen})[:1]
        secured = [(f.company_id, SOON_DAYS) for f in frozen] + [(holder, LATER_DAYS) for holder in holders]
        yield _table(
            "security_interest", "agreements",
            "id maker_id company_id kind filed_with number filed_on expires_on note recorded_by recorded_at", len(secured),
            (
                (command_id("demo.interest", holder), self.maker, holder, "ucc1", "Secretary of State (made up)",
                 f"26-{10_000 + n}", last - timedelta(days=FIVE_YEARS), last, "Made up.", planner,
                 w.start - timedelta(days=9))
                for n, (holder, days) in enumerate(secured)
                for last in (w.start.date() + timedelta(days=days),)
            ),
        )  # fmt: skip

    def _agreement_events(self) -> Rows:
        signer = self.actor[self.maker, "planner"]
        records = {f.company_id: f for f in self.world.freezes if f.kind == "legal_hold"}
        by_maker, by_holder = '{"side": "maker"}', '{"side": "holder"}'
        for a in self.world.agreements:
            sides, buyer = (a.id, a.maker_id, a.holder_id), self.actor[a.holder_id, "buyer"]
            yield (*sides, "signed", by_maker, a.maker_id, signer, a.signed_at)
            yield (*sides, "signed", by_holder, a.holder_id, buyer, a.signed_at)
            yield (*sides, "active", "{}", a.holder_id, buyer, a.signed_at)
            if a.legal_hold:
                record = records[a.holder_id]
                detail = json.dumps({"reason": f"Insolvency: {record.reason}", "insolvency": str(record.id)})
                yield (*sides, "legal_hold", detail, a.maker_id, signer, max(record.since, a.signed_at))

    def _ledger(self) -> Iterator[Table]:
        w = self.world
        yield _table(
            "lot", "units",
            "lot_id part_id uom serialised registered_by root_lot_id parties frozen last_seq last_position "
            "last_recorded_at last_occurred_at",
            len(w.lots),
            (
                (x.id, x.part_id, x.uom, False, x.registered_by, x.id, x.parties, x.frozen, x.last_seq,
                 x.last_position, x.last_recorded_at, x.last_occurred_at)
                for x in w.lots
            ),
        )  # fmt: skip
        yield _table(
            "position", "units",
            "lot_id position_id part_id serialised owner_id holder_id site_id condition agreement_id beneficiary_id "
            "quantity held",
            len(w.positions), ((p[0], p[1], p[2], False, *p[3:]) for p in w.positions),
        )  # fmt: skip
        yield _table(
            "permit", "stock transactions",
            "lot_id permit_id agreement_id kind quantity expires_at reason company_id maker_id",
            len(w.permits), w.permits,
        )  # fmt: skip
        yield _table(
            "movement", "stock transactions",
            "lot_id seq kind purpose quantity from_position to_position from_quantity_after from_held_after "
            "to_quantity_after agreement_id occurred_at recorded_at company_id actor_id command_id cause_kind cause_id "
            "resolves permit_id machine parties",
            len(w.movements), (m[:22] for m in w.movements),
        )  # fmt: skip
        yield _table(
            "open_hold", "stock transactions",
            "lot_id hold_seq position_id quantity expires_at cause_kind cause_id company_id parties",
            len(w.open_holds), w.open_holds,
        )  # fmt: skip

    def _trade(self) -> Iterator[Table]:
        w = self.world
        sheets = parsed_terms(w)
        terms = {key: json.dumps(dump_terms(of)) for key, of in sheets.items()}
        yield _table(
            "release", "orders",
            "id reference company_id title clause version terms further use_class currency audience audience_ids status "
            "created_by created_at published_at closed_at",
            len(w.releases),
            (
                (*r[:6], terms[r.terms_key], dump_further([sheets[key] for key in r.further_keys]), r.use_class, "USD", "named" if r.audience_ids else "all", r.audience_ids,
                 r.status, r.created_by, r.created_at, r.published_at, r.closed_at)
                for r in w.releases
            ),
        )  # fmt: skip
        sites = {s.id: s for s in w.sites}
        releases = {r.id: r for r in w.releases}

        def listing(row: Any) -> tuple[Any, ...]:
            site, release = sites[row.site_id], releases[row.release_id]
            return (
                *row[:5], site.place, site.region, site.country, site.lat, site.lon, row.condition, row.quantity,
                row.ordered, row.unit_price, row.minimum_quantity, row.package_quantity, row.minimum_to_keep,
                row.published, release.audience_ids or None, release.created_at,
            )  # fmt: skip

        yield _table(
            "listing", "orders",
            "id release_id company_id part_id site_id place region country lat lon condition quantity ordered "
            "unit_price minimum_quantity package_quantity minimum_to_keep published audience_ids created_at",
            len(w.listings), map(listing, w.listings),
        )  # fmt: skip
        yield _table(
            "listing_lot", "orders", "listing_id lot_id position_id company_id quantity", len(w.listing_lots),
            w.listing_lots,
        )  # fmt: skip
        yield _table(
            "purchase_order", "orders",
            "id reference release_id seller_id buyer_id status currency po_number ship_to_site_id agreement_id carrier "
            "tracking placed_by placed_at accepted_at shipped_at received_at ended_at",
            len(w.orders),
            ((*o[:6], "USD", *o[6:16], o.received_at) for o in w.orders),
        )  # fmt: skip
        yield _table(
            "order_line", "orders",
            "order_id line_no seller_id buyer_id listing_id part_id condition quantity unit_price po_line good short "
            "damaged wrong",
            len(w.order_lines), ((*x[:10], x.quantity, 0, 0, 0) for x in w.order_lines),
        )  # fmt: skip
        yield _table(
            "order_shipment", "orders",
            "id order_id number seller_id buyer_id carrier tracking shipped_by shipped_at received_by received_at",
            len(w.orders),
            (
                (command_id("demo.shipment", o.id), o.id, 1, o.seller_id, o.buyer_id, o.carrier, o.tracking, o.placed_by, o.shipped_at,
                 o.placed_by, o.received_at)
                for o in w.orders
            ),
        )  # fmt: skip
        yield _table(
            "order_unit", "orders",
            "order_id line_no lot_id hold_seq seller_id buyer_id position_id quantity shipped_lot_id "
            "shipped_position_id received shipment_id",
            len(w.order_units), ((*x, x.quantity, command_id("demo.shipment", x.order_id)) for x in w.order_units),
        )  # fmt: skip
        yield _table(
            "order_event", "orders", "order_id seller_id buyer_id kind detail company_id actor_id at",
            4 * len(w.orders), self._order_events(),
        )  # fmt: skip

    def _order_events(self) -> Rows:
        units: Counter[UUID] = Counter()
        for line in self.world.order_lines:
            units[line.order_id] += line.quantity
        for o in self.world.orders:
            sides = (o.id, o.seller_id, o.buyer_id)
            seller, taker = self.actor[o.seller_id, "seller"], self.actor[o.buyer_id, "warehouse"]
            way = json.dumps({"carrier": o.carrier, "tracking": o.tracking})
            yield (*sides, "placed", json.dumps({"po_number": o.po_number}), o.buyer_id, o.placed_by, o.placed_at)
            yield (*sides, "accepted", "{}", o.seller_id, seller, o.accepted_at)
            yield (*sides, "shipped", way, o.seller_id, seller, o.shipped_at)
            good = json.dumps({"good": units[o.id], "not_good": 0})
            yield (*sides, "received", good, o.buyer_id, taker, o.received_at)

    def _stock(self) -> Iterator[Table]:
        """What the manufacturer's last stock file said, and when each holder last counted."""
        w, job = self.world, self._import_job
        snapshot = (w.start - timedelta(days=1)).date()
        parts = {p.id: p for p in w.parts}
        own = {row.lot_id for row in w.own_stock}
        condition = {p.lot_id: p.condition for p in w.positions if p.lot_id in own}
        families: Counter[tuple[UUID, str]] = Counter()
        lines: list[tuple[Any, ...]] = []
        for row in w.own_stock:
            family = line_family(row.part_id, condition[row.lot_id], None, None)
            families[row.site_id, family] += 1
            key = line_key(family, families[row.site_id, family])
            lines.append(
                (self.maker, row.site_id, row.part_id, key, row.lot_id, condition[row.lot_id], row.bin, row.quantity,
                 row.unit_cost, parts[row.part_id].list_price, "USD", row.last_issue_on, row.usage_12, row.usage_24,
                 row.usage_36, row.package_quantity, row.protected, snapshot, job)
            )  # fmt: skip
        total = len(lines)
        digest, size, mapping = self._stock_file(condition)
        yield _table(
            "import_job", "own stock",
            "id company_id kind file_name file_sha256 file_size file_path snapshot_on mode mapping step rows_total "
            "rows_staged rows_good lots_new created_by created_at finished_at",
            1,
            [(job, self.maker, "stock", "northfield-stock.csv", digest, size, "", snapshot, "good_rows",
              json.dumps(mapping), "done", total, total, total, total, self.actor[self.maker, "warehouse"], w.start,
              w.start)],
        )  # fmt: skip
        yield _table(
            "stock_line", "own stock",
            "company_id site_id part_id line_key lot_id condition bin quantity unit_cost list_price currency "
            "last_issue_on usage_12 usage_24 usage_36 package_quantity protected snapshot_on job_id",
            total, lines,
        )  # fmt: skip
        yield from self._demand(snapshot)
        counts = self._counts()
        yield _table(
            "stock_count", "counts",
            "holder_id site_id part_id counted_at counted expected counted_by beneficiaries", len(counts), counts,
        )  # fmt: skip

    def _demand(self, snapshot: date) -> Iterator[Table]:
        """What the field asked for of the own stock, as a file of demand said it."""
        w, draws = self.world, Draws(1)
        histories = sorted(asked(w.own_stock, draws).items())
        key, file = draws.id(w.start, "demand file"), "northfield-demand.csv"
        yield _table(
            "demand_import", "own stock",
            "id company_id file_name file_sha256 file_size file_path step first_month months numbers parts created_by created_at finished_at",
            1,
            [(key, self.maker, file, sha256(repr(histories).encode()).digest(), 7 * MONTHS * len(histories), "", "done", first_month(snapshot),
              MONTHS, len(histories), len(histories), self.actor[self.maker, "planner"], w.start, w.start)],
        )  # fmt: skip
        yield _table(
            "demand_history", "own stock", "import_id part_id company_id units", len(histories),
            [(key, part, self.maker, units) for part, units in histories],
        )  # fmt: skip

    def _stock_file(self, condition: Mapping[UUID, str]) -> tuple[bytes, int, dict[str, Any]]:
        """SHA-256 and size of the file that the own stock would have come in, and how its columns were read."""
        parts, sites = {p.id: p for p in self.world.parts}, {s.id: s.code for s in self.world.sites}
        rows = [
            (parts[r.part_id].number, parts[r.part_id].description, r.quantity, parts[r.part_id].uom, sites[r.site_id],
             r.bin or "", condition[r.lot_id], r.unit_cost, parts[r.part_id].list_price, r.last_issue_on or "",
             r.usage_12, r.usage_24, r.usage_36, r.package_quantity, "yes" if r.protected else "")
            for r in self.world.own_stock
        ]  # fmt: skip
        text = "".join(csv_chunks(tuple(STOCK_COLUMNS.values()), rows)).encode()
        sample = [["" if cell is None else str(cell) for cell in row] for row in rows[:5]]
        mapping = {
            "columns": {field: at for at, field in enumerate(STOCK_COLUMNS)},
            "why": dict.fromkeys(STOCK_COLUMNS, "name"), "missing": [], "warnings": [],
            "orders": {"last_issue_on": "month_first"}, "header": list(STOCK_COLUMNS.values()), "sample": sample,
            "sheets": [], "delimiter": ",", "conditions": {},
        }  # fmt: skip
        return sha256(text).digest(), len(text), mapping

    def _counts(self) -> list[tuple[Any, ...]]:
        counted = {s.id: s.last_counted_at for s in self.world.sites}
        found: Counter[tuple[UUID, UUID, UUID]] = Counter()
        concerned: dict[tuple[UUID, UUID, UUID], set[UUID]] = defaultdict(set)
        for p in self.world.positions:
            if p.quantity and p.site_id:
                key = p.holder_id, p.site_id, p.part_id
                found[key] += p.quantity
                if p.beneficiary_id:
                    concerned[key].add(p.beneficiary_id)
        return [
            (*key, counted[key[1]], quantity, quantity, self.actor[key[0], "warehouse"], sorted(concerned[key]))
            for key, quantity in found.items()
        ]

    def _calls(self) -> Iterator[Table]:
        w = self.world
        yield _table(
            "requisition", "orders for units back",
            "id reference company_id maker_id requested_by part_id quantity destination_site_id urgency needed_by "
            "machine_model machine_serial job_number status outcome created_at closed_at",
            len(w.requisitions), w.requisitions,
        )  # fmt: skip
        yield _table(
            "call", "orders for units back",
            "id reference kind requisition_id company_id maker_id holder_id agreement_id part_id site_id "
            "destination_site_id condition urgency quantity unit_price status silence reasons inspection_days "
            "payment_days replace_by noticed_at respond_by ship_by expected_at accepted_at shipped_at received_at "
            "ended_at refusal_code carrier tracking inspected_good requested_by draw_fee bought currency created_at",
            len(w.calls), ((*c[:17], json.dumps(c.reasons), *c[18:], "USD", c.noticed_at) for c in w.calls),
        )  # fmt: skip
        yield _table(
            "call_unit", "orders for units back",
            "call_id lot_id hold_seq maker_id holder_id company_id position_id quantity shipped_lot_id "
            "shipped_position_id",
            len(w.call_units), w.call_units,
        )  # fmt: skip
        yield _table(
            "call_event", "orders for units back",
            "call_id maker_id holder_id company_id kind detail actor_id at", len(w.call_events),
            ((*e[:5], json.dumps(e.detail), *e[6:]) for e in w.call_events),
        )  # fmt: skip
        owed = [*((x, None) for x in w.settlements), *w.sales]
        paid = [x for x, _ in owed if x.amount and (x.payer_marked_at or x.payee_marked_at)]
        yield _table(
            "settlement_line", "orders for units back",
            "id reference payer_id payee_id kind cause_id cause_reference agreement_id part_id quantity unit_price "
            "amount words due_on payer_marked_at payer_marked_by payee_marked_at payee_marked_by created_at allocated paid "
            "currency step_id",
            len(owed), ((*x, *_said(x), "USD", step) for x, step in owed),
        )  # fmt: skip
        # What a side has marked is a payment that it says was made.
        yield _table(
            "payment", "orders for units back",
            "id reference from_id to_id amount allocated paid_on how company_id actor_id payer_at payer_by payee_at payee_by "
            "created_at currency",
            len(paid), ((*_payment(x), "USD") for x in paid),
        )  # fmt: skip
        yield _table(
            "payment_allocation", "orders for units back", "id payment_id line_id from_id to_id amount actor_id at",
            len(paid), ((command_id("demo.allocation", p[0]), p[0], x.id, p[2], p[3], x.amount, p[9], p[14]) for x in paid for p in (_payment(x),)),
        )  # fmt: skip
        yield _table(
            "withdrawal", "orders for units back",
            "id lot_id position_id part_id holder_id beneficiary_id site_id quantity cause_id opened_at resolved_at",
            len(w.withdrawals), w.withdrawals,
        )  # fmt: skip
