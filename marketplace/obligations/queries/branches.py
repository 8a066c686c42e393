"""Where each kind of obligation is stored: one piece of the statement for each, every one of them by an index.

The pieces are constants; values travel as parameters, the same ones for every piece:
$1 the reader's company, $2 now, $3 and $4 from and until when it is due (exclusive, inclusive), $5 the agreement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from marketplace.agreements.queries.notices import GOES_ON, STANDS
from marketplace.obligations.kinds import ObligationKind

PARAMETERS: Final = "asked AS (SELECT $1::uuid, $2::timestamptz, $3::timestamptz, $4::timestamptz, $5::uuid)"
"""Gives every parameter its type, also where no piece that uses it was chosen. Never read."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One kind. ``sides``: what must hold for whom ('mine', 'theirs', 'all': whoever reads it), told apart because an OR of
    two columns keeps no order. ``columns``: started, owes, owed, agreement, record, reference, part, quantity, amount,
    currency, detail, urgency, zone."""

    kind: ObligationKind
    due: str
    key: str
    columns: str
    tables: str
    where: str
    sides: tuple[tuple[str, str], ...]
    agreement: str = "NULL::uuid"
    near: str = ""
    """A condition on a stored column that the computed ``due`` follows from."""

    def sql(self, side: str, *, of_agreement: bool, more: str = "", tail: str = "") -> str:
        """The rows of one side ('mine', 'theirs', or 'all')."""
        opens = self.kind is ObligationKind.WINDOW_OPENS
        bounds = f"{self.due} >= $3 AND {self.due} < $4" if opens else f"{self.due} > $3 AND {self.due} <= $4"
        conditions = [self.where, bounds, *filter(None, (dict(self.sides)[side], self.near, more))]
        if of_agreement:
            # To its two sides: whoever else may see its row is told of no agreement.
            conditions.append(
                f"{self.agreement} = $5 AND EXISTS (SELECT FROM agreement g WHERE g.id = $5 AND $1 IN (g.maker_id, g.holder_id))"
            )
        return (
            f"SELECT '{self.kind.value}' COLLATE \"C\" AS kind, {self.key} AS key, {self.due} AS due, {self.columns} "
            f"FROM {self.tables} WHERE {' AND '.join(conditions)} {tail}"
        )


_CALL = (
    "k.{started} AS started, k.{owes} AS owes, k.{owed} AS owed, k.agreement_id AS agreement_id, k.id AS record_id, k.reference, "
    "k.part_id, {quantity} AS quantity, k.unit_price AS amount, k.currency::text AS currency, {detail} AS detail, k.urgency, "
    "NULL::text AS zone"
)
_HOLDER = (
    ("mine", "k.holder_id = $1"),
    ("theirs", "(k.maker_id = $1 OR k.company_id = $1) AND k.holder_id <> $1"),
    ("all", "true"),
)
_NOTICE = (
    "n.noticed_at AS started, n.{owes} AS owes, n.{owed} AS owed, a.id AS agreement_id, a.id AS record_id, a.reference, "
    "n.part_id, n.quantity - n.taken - n.used AS quantity, NULL::numeric AS amount, NULL::text AS currency, "
    "n.act AS detail, '' AS urgency, NULL::text AS zone"
)
_NOTICES = "notice n JOIN agreement a ON a.id = n.agreement_id"
_RUNNING = f"{STANDS} AND {GOES_ON} AND n.{{0}} > $2"
_NOTICE_KEY = "n.id"
_WINDOW = (
    "a.created_at AS started, {owes} AS owes, {owed} AS owed, a.id AS agreement_id, a.id AS record_id, a.reference, "
    "NULL::uuid AS part_id, NULL::int AS quantity, NULL::numeric AS amount, NULL::text AS currency, a.clause AS detail, "
    "'' AS urgency, a.zone"
)
LIVE: Final = "a.status IN ('active', 'renewed', 'expiring')"
_PAID_BY = "((l.due_on + 1)::timestamp AT TIME ZONE coalesce(z.zone, 'UTC'))"
_LAPSES = "((s.expires_on + 1)::timestamp AT TIME ZONE coalesce((SELECT z.zone FROM agreement z WHERE z.id = s.agreement_id), 'UTC'))"

_STILL_THERE = "position p WHERE p.agreement_id = a.id AND p.owner_id = a.maker_id AND p.holder_id = a.holder_id AND p.quantity > 0"
_OUT_OF_DATE = (
    "shelf_life_lot x JOIN position p ON p.lot_id = x.lot_id AND p.agreement_id = s.agreement_id AND p.holder_id = s.holder_id "
    "AND p.quantity > 0 WHERE x.shelf_life_id = s.id"
)
_ANSWERS = "CASE p.proposed_by WHEN p.maker_id THEN p.holder_id ELSE p.maker_id END"

# What a maker's quality hold stops cannot be shipped, and no time runs for it.
_STOPPED = (
    "EXISTS (SELECT FROM call_unit u JOIN recall_lot x ON x.lot_id = u.lot_id JOIN lot l ON l.lot_id = x.lot_id "
    "WHERE u.call_id = k.id AND l.frozen)"
)

_OF_RETURN = "(SELECT sum(coalesce(u.agreed, u.quantity))::int FROM order_return_unit u WHERE u.return_id = r.id)"
_OF_ORDER = (
    "{started} AS started, {t}.{owes}_id AS owes, {t}.{owed}_id AS owed, o.agreement_id, o.id AS record_id, o.reference, {part} AS part_id, "
    "{quantity} AS quantity, NULL::numeric AS amount, NULL::text AS currency, {detail} AS detail, '' AS urgency, "
    "(SELECT s.timezone FROM site s WHERE s.id = o.ship_to_site_id) AS zone"
)
_NEEDED_BY = "((o.requested_on + 1)::timestamp AT TIME ZONE coalesce((SELECT s.timezone FROM site s WHERE s.id = o.ship_to_site_id), 'UTC'))"


def _sides(table: str, owes: str, owed: str) -> tuple[tuple[str, str], ...]:
    return (("mine", f"{table}.{owes}_id = $1"), ("theirs", f"{table}.{owed}_id = $1"), ("all", "true"))


PIECES: Final = (
    # By either side's index; told to whom it reminds once.
    *(
        Piece(
            ObligationKind.ANSWER_OFFER, "q.expires_at", "q.id",
            "(SELECT v.made_at FROM quote_version v WHERE v.quote_id = q.id AND v.number = q.last_version) AS started, "
            "CASE q.last_by WHEN q.seller_id THEN q.buyer_id ELSE q.seller_id END AS owes, q.last_by AS owed, NULL::uuid AS agreement_id, "
            "q.id AS record_id, q.reference, q.part_id, q.quantity, NULL::numeric AS amount, NULL::text AS currency, '' AS detail, "
            "'' AS urgency, (SELECT s.timezone FROM site s WHERE s.id = q.ship_to_site_id) AS zone",
            "quote q", "q.ended_at IS NULL AND q.status = 'offered' AND q.expires_at > $2",
            (("mine", f"q.{side}_id = $1 AND q.last_by <> $1"), ("theirs", f"q.{side}_id = $1 AND q.last_by = $1"), ("all", reminds)),
        )
        for side, reminds in (("seller", "true"), ("buyer", "false"))
    ),
    Piece(
        ObligationKind.SHIP_ORDER, _NEEDED_BY, "md5('ship ' || o.id::text)::uuid",
        _OF_ORDER.format(
            t="o", started="o.accepted_at", owes="seller", owed="buyer", part="NULL::uuid", detail="''",
            quantity="(SELECT sum(u.quantity)::int FROM order_unit u WHERE u.order_id = o.id AND u.shipment_id IS NULL)",
        ),
        "purchase_order o",
        "o.status = 'accepted' AND o.requested_on IS NOT NULL "
        "AND EXISTS (SELECT FROM agreement g WHERE g.id = o.agreement_id AND g.status = 'active')",
        _sides("o", "seller", "buyer"), "o.agreement_id",
        # A day begins at most 14 hours before and ends at most 12 hours after that of UTC.
        "o.requested_on >= ($3 AT TIME ZONE 'UTC')::date - 2 AND o.requested_on <= ($4 AT TIME ZONE 'UTC')::date + 1",
    ),
    *(
        Piece(
            kind, due, f"{t}.id",
            _OF_ORDER.format(t=t, started=since, owes=owes, owed=owed, part=part, quantity=quantity, detail=detail),
            f"{table} {t} JOIN purchase_order o ON o.id = {t}.order_id", where, _sides(t, owes, owed), "o.agreement_id",
        )
        for kind, table, t, since, due, owes, owed, where, part, quantity, detail in (
            (
                ObligationKind.ANSWER_DIFFERENCE, "order_difference", "d", "d.found_at", "d.answer_by", "seller", "buyer", "d.status = 'open'",
                "(SELECT x.part_id FROM order_line x WHERE x.order_id = d.order_id AND x.line_no = d.line_no)", "d.open", "d.kind",
            ),
            (
                ObligationKind.ANSWER_RETURN, "order_return", "r", "r.asked_at", "r.answer_by", "seller", "buyer", "r.status = 'asked'", "NULL::uuid",
                _OF_RETURN, "''",
            ),
            (
                ObligationKind.SEND_RETURN, "order_return", "r", "r.answered_at", "r.send_by", "buyer", "seller", "r.status = 'agreed'", "NULL::uuid",
                _OF_RETURN, "''",
            ),
        )
    ),
    Piece(
        ObligationKind.ANSWER_CALL, "k.respond_by", "k.id",
        _CALL.format(started="noticed_at", owes="holder_id", owed="company_id", quantity="k.quantity", detail="k.silence"),
        "call k", "k.status IN ('noticed', 'acknowledged')", _HOLDER, "k.agreement_id",
    ),
    Piece(
        ObligationKind.SHIP_CALL, "k.ship_by", "k.id",
        _CALL.format(started="accepted_at", owes="holder_id", owed="company_id", quantity="k.quantity", detail="''"),
        "call k", f"k.status IN ('accepted', 'picked') AND (k.licence_asked_at IS NULL OR k.licence IS NOT NULL) AND NOT {_STOPPED}", _HOLDER, "k.agreement_id",
    ),
    Piece(
        ObligationKind.INSPECT_CALL, "k.inspect_by", "k.id",
        # Its days end where the units are, at the site that received them.
        _CALL.format(started="received_at", owes="company_id", owed="holder_id", quantity="k.quantity", detail="''").replace(
            "NULL::text AS zone", "k.ship_to ->> 'timezone' AS zone"
        ),
        "call k", "k.status = 'received'",
        (
            ("mine", "k.company_id = $1"),
            ("theirs", "(k.maker_id = $1 OR k.holder_id = $1) AND k.company_id <> $1"),
            ("all", "true"),
        ), "k.agreement_id",
    ),
    Piece(
        ObligationKind.REPLACE_DRAW, "k.replace_by", "k.id",
        _CALL.format(
            started="received_at", owes="maker_id", owed="holder_id",
            quantity="k.inspected_good - k.replaced - k.bought - k.replacing", detail="''",
        ),
        "call k", "k.draw_fee IS NOT NULL AND k.inspected_good > k.replaced + k.bought + k.replacing",
        (("mine", "k.maker_id = $1"), ("theirs", "k.holder_id = $1"), ("all", "true")), "k.agreement_id",
    ),
    Piece(
        ObligationKind.ANSWER_ORDER, "o.hold_expires_at", "o.id",
        "o.placed_at AS started, o.seller_id AS owes, o.buyer_id AS owed, o.agreement_id, o.id AS record_id, o.reference, "
        "NULL::uuid AS part_id, NULL::int AS quantity, NULL::numeric AS amount, o.currency::text AS currency, '' AS detail, "
        "'' AS urgency, (SELECT s.timezone FROM site s WHERE s.id = o.ship_to_site_id) AS zone",
        "purchase_order o", "o.status = 'placed'",
        (("mine", "o.seller_id = $1"), ("theirs", "o.buyer_id = $1"), ("all", "true")), "o.agreement_id",
    ),
    Piece(
        ObligationKind.ORDER_NOTICED, "n.answer_by", _NOTICE_KEY,
        _NOTICE.format(owes="maker_id", owed="holder_id"), _NOTICES, _RUNNING.format("answer_by") + " AND n.status = 'open'",
        (("mine", "n.maker_id = $1"), ("theirs", "n.holder_id = $1"), ("all", "true")), "n.agreement_id",
    ),
    Piece(
        ObligationKind.ACT_ON_NOTICE, "n.clear_until", _NOTICE_KEY,
        _NOTICE.format(owes="holder_id", owed="maker_id"), _NOTICES, _RUNNING.format("clear_until"),
        (("mine", "n.holder_id = $1"), ("theirs", "n.maker_id = $1"), ("all", "true")), "n.agreement_id",
    ),
    Piece(
        ObligationKind.WINDOW_OPENS, "a.window_opens_at", "a.id",
        _WINDOW.format(owes="NULL::uuid", owed="NULL::uuid"), "agreement a", f"{LIVE} AND a.window_opens_at > $2",
        (("maker", "a.maker_id = $1"), ("holder", "a.holder_id = $1"), ("all", "false")), "a.id",
    ),
    Piece(
        ObligationKind.WINDOW_CLOSES, "a.window_closes_at", "a.id",
        _WINDOW.format(owes="a.maker_id", owed="a.holder_id"), "agreement a", f"{LIVE} AND a.window_closes_at > $2",
        (("mine", "a.maker_id = $1"), ("theirs", "a.holder_id = $1"), ("all", "true")), "a.id",
    ),
    Piece(
        ObligationKind.SETTLE, _PAID_BY, "l.id",
        "l.created_at AS started, l.payer_id AS owes, l.payee_id AS owed, l.agreement_id, l.id AS record_id, l.reference, "
        "l.part_id, l.quantity, l.amount, l.currency::text AS currency, '' AS detail, '' AS urgency, z.zone",
        "settlement_line l LEFT JOIN agreement z ON z.id = l.agreement_id",
        # What is all in dispute is not due.
        "l.payer_marked_at IS NULL AND (l.disputed = 0 OR l.disputed < l.amount - l.paid)",
        (("mine", "l.payer_id = $1"), ("theirs", "l.payee_id = $1"), ("all", "true")), "l.agreement_id",
        # A day begins at most 14 hours before and ends at most 12 hours after that of UTC.
        "l.due_on >= ($3 AT TIME ZONE 'UTC')::date - 2 AND l.due_on <= ($4 AT TIME ZONE 'UTC')::date + 1",
    ),
    Piece(
        ObligationKind.SECURITY_LAPSES, _LAPSES, "s.id",
        "s.recorded_at AS started, s.maker_id AS owes, NULL::uuid AS owed, s.agreement_id, s.id AS record_id, "
        "s.number AS reference, NULL::uuid AS part_id, NULL::int AS quantity, NULL::numeric AS amount, NULL::text AS currency, "
        "(SELECT o.name FROM company o WHERE o.id = s.company_id) AS detail, '' AS urgency, NULL::text AS zone",
        "security_interest s",
        "NOT EXISTS (SELECT FROM security_interest_end e WHERE e.security_interest_id = s.id)",
        (("mine", "s.maker_id = $1"), ("all", "true")), "s.agreement_id",
        # As above.
        "s.expires_on >= ($3 AT TIME ZONE 'UTC')::date - 2 AND s.expires_on <= ($4 AT TIME ZONE 'UTC')::date + 1",
    ),
    Piece(
        ObligationKind.ACKNOWLEDGE_CALL, "k.acknowledge_by", "k.id",
        _CALL.format(started="noticed_at", owes="holder_id", owed="company_id", quantity="k.quantity", detail="''"),
        "call k", "k.status = 'noticed' AND k.acknowledged_at IS NULL", _HOLDER, "k.agreement_id",
    ),
    Piece(
        ObligationKind.DELIVER_CALL, "k.deliver_by", "k.id",
        _CALL.format(started="accepted_at", owes="holder_id", owed="company_id", quantity="k.quantity", detail="''"),
        "call k", "k.status IN ('accepted', 'picked', 'shipped')", _HOLDER, "k.agreement_id",
    ),
    Piece(
        ObligationKind.ANSWER_PROPOSAL, "p.valid_until", "p.id",
        f"p.proposed_at AS started, {_ANSWERS} AS owes, p.proposed_by AS owed, a.id AS agreement_id, p.id AS record_id, "
        "a.reference, NULL::uuid AS part_id, NULL::int AS quantity, NULL::numeric AS amount, NULL::text AS currency, "
        "p.kind AS detail, '' AS urgency, a.zone",
        "agreement_proposal p JOIN agreement a ON a.id = p.agreement_id", "p.status = 'open' AND p.valid_until > $2",
        (
            ("mine", "$1 IN (p.maker_id, p.holder_id) AND p.proposed_by <> $1"),
            ("theirs", "p.proposed_by = $1"),
            ("all", "true"),
        ), "p.agreement_id",
    ),
    *(
        Piece(
            kind, f"a.{column}", "a.id",
            "a.created_at AS started, a.holder_id AS owes, a.maker_id AS owed, a.id AS agreement_id, a.id AS record_id, a.reference, "
            f"NULL::uuid AS part_id, (SELECT sum(p.quantity)::int FROM {_STILL_THERE}) AS quantity, NULL::numeric AS amount, "
            "NULL::text AS currency, '' AS detail, '' AS urgency, a.zone",
            "agreement a", f"a.status IN ('active', 'expiring', 'run_off') AND EXISTS (SELECT FROM {_STILL_THERE}){more}",
            (("mine", "a.holder_id = $1"), ("theirs", "a.maker_id = $1"), ("all", "true")), "a.id",
        )
        for kind, column, more in (
            (ObligationKind.TAKE_OUT, "counts_out_at", " AND a.counts_out_at > $2"), (ObligationKind.RETURN_REST, "return_by", ""),
        )
    ),
    *(
        Piece(
            kind, f"r.{column}", "r.id",
            f"r.asked_at AS started, r.{owes}_id AS owes, r.holder_id AS owed, "
            # Its buyer is no party of the agreement that the units are under.
            f"{agreement} AS agreement_id, r.id AS record_id, r.reference, r.part_id, r.quantity, NULL::numeric AS amount, "
            "NULL::text AS currency, CASE WHEN r.silence_consents THEN 'given' ELSE '' END AS detail, '' AS urgency, NULL::text AS zone",
            "resale r", f"r.status = '{status}' AND r.{column} > $2",
            (("mine", f"r.{owes}_id = $1"), ("theirs", "r.holder_id = $1"), ("all", "true")), agreement,
        )
        for kind, status, column, owes, agreement in (
            (ObligationKind.ANSWER_RESALE, "asked", "answer_by", "maker", "r.agreement_id"),
            (ObligationKind.SIGN_RESALE, "consented", "sign_by", "buyer", "NULL::uuid"),
        )
    ),
    Piece(
        ObligationKind.OBJECT, "l.object_by", "md5('objection to ' || l.id::text)::uuid",
        "l.created_at AS started, l.payer_id AS owes, l.payee_id AS owed, l.agreement_id, l.id AS record_id, l.reference, "
        "l.part_id, l.quantity, l.amount, l.currency::text AS currency, '' AS detail, '' AS urgency, NULL::text AS zone",
        "settlement_line l", "l.object_by > $2 AND l.disputed = 0 AND l.payer_marked_at IS NULL",
        (("mine", "l.payer_id = $1"), ("theirs", "l.payee_id = $1"), ("all", "true")), "l.agreement_id",
    ),
    Piece(
        ObligationKind.ANSWER_DISPUTE, "d.respond_by", "d.id",
        "d.created_at AS started, d.waits_for AS owes, "
        "CASE d.waits_for WHEN d.payer_id THEN d.payee_id ELSE d.payer_id END AS owed, "
        "(SELECT k.agreement_id FROM call k WHERE k.id = d.cause_id) AS agreement_id, d.id AS record_id, d.reference, "
        "NULL::uuid AS part_id, d.quantity, d.amount, d.currency::text AS currency, d.subject AS detail, '' AS urgency, "
        "NULL::text AS zone",
        # The days to answer are those of the other side's first answer.
        "dispute d", "d.status = 'open' AND d.waits_for <> d.opened_by",
        (
            ("mine", "d.waits_for = $1"),
            ("theirs", "$1 IN (d.payer_id, d.payee_id) AND d.waits_for <> $1"),
            ("all", "true"),
        ), "(SELECT k.agreement_id FROM call k WHERE k.id = d.cause_id)",
    ),
    Piece(
        ObligationKind.SHELF_LIFE_ENDS, "s.ends_at", "s.id",
        "s.at AS started, s.holder_id AS owes, s.maker_id AS owed, s.agreement_id, s.agreement_id AS record_id, a.reference, "
        f"s.part_id, (SELECT sum(p.quantity)::int FROM {_OUT_OF_DATE}) AS quantity, NULL::numeric AS amount, "
        "NULL::text AS currency, '' AS detail, '' AS urgency, a.zone",
        "shelf_life s JOIN agreement a ON a.id = s.agreement_id",
        f"{GOES_ON} AND s.ends_at > $2 AND EXISTS (SELECT FROM {_OUT_OF_DATE})",
        (("mine", "s.holder_id = $1"), ("theirs", "s.maker_id = $1"), ("all", "true")), "s.agreement_id",
    ),
    Piece(
        ObligationKind.ANSWER_RECALL, "h.answer_by", "md5('recall ' || h.recall_id::text || h.holder_id::text)::uuid",
        # A company with which the maker has nothing to do is named to it by its answer alone.
        "h.since AS started, h.holder_id AS owes, CASE WHEN h.named THEN NULLIF(h.maker_id, h.holder_id) END AS owed, NULL::uuid AS agreement_id, "
        "h.recall_id AS record_id, r.reference, r.part_id, NULL::int AS quantity, NULL::numeric AS amount, NULL::text AS currency, "
        "r.kind AS detail, 'urgent' AS urgency, NULL::text AS zone",
        "recall_holder h JOIN recall r ON r.id = h.recall_id",
        "NOT EXISTS (SELECT FROM recall_answer a WHERE a.recall_id = h.recall_id AND a.holder_id = h.holder_id) "
        "AND NOT EXISTS (SELECT FROM recall_lift w WHERE w.recall_id = h.recall_id AND w.whole)",
        (("mine", "h.holder_id = $1"), ("all", "true")),
    ),
    Piece(
        ObligationKind.EXPLAIN_SHORTAGE, "s.explain_by", "s.id",
        "s.opened_at AS started, s.holder_id AS owes, s.maker_id AS owed, s.agreement_id, s.agreement_id AS record_id, a.reference, "
        "s.part_id, s.missing - s.answered AS quantity, s.at_stake AS amount, s.currency::text AS currency, '' AS detail, "
        "'' AS urgency, NULL::text AS zone",
        "shortage s JOIN agreement a ON a.id = s.agreement_id", "s.status = 'open'",
        (("mine", "s.holder_id = $1"), ("theirs", "s.maker_id = $1"), ("all", "true")), "s.agreement_id",
    ),
    # By either side's index; told to whom it reminds once.
    *(
        Piece(
            ObligationKind.SUSPENSION_ENDS, "a.suspension_ends_at", "a.id",
            "a.suspended_on::timestamp AT TIME ZONE a.zone AS started, a.suspended_by AS owes, "
            "CASE a.suspended_by WHEN a.maker_id THEN a.holder_id ELSE a.maker_id END AS owed, a.id AS agreement_id, "
            "a.id AS record_id, a.reference, NULL::uuid AS part_id, NULL::int AS quantity, NULL::numeric AS amount, "
            "NULL::text AS currency, '' AS detail, '' AS urgency, a.zone",
            "agreement a", "a.suspension_ends_at IS NOT NULL AND a.suspension_ends_at > $2",
            (
                ("mine", f"a.{side}_id = $1 AND a.suspended_by = $1"), ("theirs", f"a.{side}_id = $1 AND a.suspended_by <> $1"),
                ("all", reminds),
            ), "a.id",
        )
        for side, reminds in (("maker", "true"), ("holder", "false"))
    ),
    # Each side may decide, so each has one of its own.
    *(
        Piece(
            ObligationKind.DECIDE_RENEWAL, "a.decide_by", key,
            f"a.created_at AS started, a.{side}_id AS owes, NULL::uuid AS owed, a.id AS agreement_id, a.id AS record_id, "
            "a.reference, NULL::uuid AS part_id, NULL::int AS quantity, NULL::numeric AS amount, NULL::text AS currency, "
            "a.terms ->> 'renewal' AS detail, '' AS urgency, a.zone",
            "agreement a", f"{LIVE} AND a.decide_by IS NOT NULL AND a.non_renewal_at IS NULL AND a.decide_by > $2",
            (("mine", f"a.{side}_id = $1"), ("all", "true")), "a.id",
        )
        for side, key in (("maker", "a.id"), ("holder", "md5('renewal of ' || a.id::text)::uuid"))
    ),
)  # fmt: skip
