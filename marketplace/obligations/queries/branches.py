"""Where each kind of obligation is stored: one piece of the statement for each, every one of them by an index.

The pieces are constants; values travel as parameters, the same ones for every piece:
$1 the reader's company, $2 now, $3 and $4 from and until when it is due (exclusive, inclusive), $5 the agreement,
$6 since when notices can still run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from marketplace.obligations.kinds import ObligationKind

PARAMETERS: Final = (
    "asked AS (SELECT $1::uuid, $2::timestamptz, $3::timestamptz, $4::timestamptz, $5::uuid, $6::timestamptz)"
)
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
    "n.at AS started, n.{owes} AS owes, n.{owed} AS owed, a.id AS agreement_id, a.id AS record_id, a.reference, "
    "(n.detail ->> 'part_id')::uuid AS part_id, u.units_left AS quantity, NULL::numeric AS amount, NULL::text AS currency, "
    "n.detail ->> 'act' AS detail, '' AS urgency, NULL::text AS zone"
)
_NOTICES = """agreement_event n JOIN agreement a ON a.id = n.subject_id CROSS JOIN LATERAL (
    SELECT (n.detail ->> 'quantity')::int - coalesce((
        SELECT sum((u.detail ->> 'quantity')::int) FROM agreement_event u WHERE u.subject_id = n.subject_id
        AND u.kind = 'notice_used' AND (u.detail ->> 'notice')::int = n.id), 0)::int AS units_left) u"""
_RUNNING = "n.kind = 'notice' AND n.at > $6 AND (n.detail ->> '{0}')::timestamptz > $2 AND u.units_left > 0"
_NOTICE_KEY = "lpad(to_hex(n.id), 32, '0')::uuid"
_WINDOW = (
    "a.created_at AS started, {owes} AS owes, {owed} AS owed, a.id AS agreement_id, a.id AS record_id, a.reference, "
    "NULL::uuid AS part_id, NULL::int AS quantity, NULL::numeric AS amount, NULL::text AS currency, '' AS detail, "
    "'' AS urgency, a.zone"
)
LIVE: Final = "a.status IN ('active', 'renewed', 'expiring')"
_PAID_BY = "((l.due_on + 1)::timestamp AT TIME ZONE coalesce(z.zone, 'UTC'))"

PIECES: Final = (
    Piece(
        ObligationKind.ANSWER_CALL, "k.respond_by", "k.id",
        _CALL.format(started="noticed_at", owes="holder_id", owed="company_id", quantity="k.quantity", detail="k.silence"),
        "call k", "k.status IN ('noticed', 'acknowledged')", _HOLDER, "k.agreement_id",
    ),
    Piece(
        ObligationKind.SHIP_CALL, "k.ship_by", "k.id",
        _CALL.format(started="accepted_at", owes="holder_id", owed="company_id", quantity="k.quantity", detail="''"),
        "call k", "k.status IN ('accepted', 'picked')", _HOLDER, "k.agreement_id",
    ),
    Piece(
        ObligationKind.INSPECT_CALL, "k.inspect_by", "k.id",
        _CALL.format(started="received_at", owes="company_id", owed="holder_id", quantity="k.quantity", detail="''"),
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
        ObligationKind.ORDER_NOTICED, "(n.detail ->> 'clear_from')::timestamptz", _NOTICE_KEY,
        _NOTICE.format(owes="maker_id", owed="holder_id"), _NOTICES, _RUNNING.format("clear_from"),
        (("mine", "n.maker_id = $1"), ("theirs", "n.holder_id = $1"), ("all", "true")), "n.subject_id",
    ),
    Piece(
        ObligationKind.ACT_ON_NOTICE, "(n.detail ->> 'clear_until')::timestamptz", _NOTICE_KEY,
        _NOTICE.format(owes="holder_id", owed="maker_id"), _NOTICES, _RUNNING.format("clear_until"),
        (("mine", "n.holder_id = $1"), ("theirs", "n.maker_id = $1"), ("all", "true")), "n.subject_id",
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
)  # fmt: skip
