"""Reads of sourcing: where units are, requisitions, calls."""

from marketplace.sourcing.queries.availability import (
    Located,
    Sourcing,
    destination_of,
    locate,
    scope,
    stock,
)
from marketplace.sourcing.queries.calls import (
    DEADLINE_KINDS,
    CallEventRow,
    CallRow,
    CallUnitRow,
    Worth,
    call,
    call_events,
    call_for_update,
    call_units,
    calls,
    calls_by_deadline,
    deadline_key,
    events_of,
    may_ring,
    ordered_worth,
)
from marketplace.sourcing.queries.locked import (
    Waiting,
    by_reference,
    lots_at,
    silent,
    supply_for_update,
    unapproved,
    waiting,
)
from marketplace.sourcing.queries.requisitions import (
    RequisitionRow,
    open_to,
    requisition,
    requisition_for_update,
    requisitions,
)

__all__ = [
    "DEADLINE_KINDS", "CallEventRow", "CallRow", "CallUnitRow", "Located", "RequisitionRow", "Sourcing", "Waiting", "Worth", "by_reference", "call",
    "call_events", "call_for_update", "call_units", "calls", "calls_by_deadline", "deadline_key", "destination_of", "events_of", "locate", "lots_at", "may_ring",
    "open_to", "ordered_worth", "requisition", "requisition_for_update", "requisitions", "scope", "silent", "stock", "supply_for_update",
    "unapproved", "waiting",
]  # fmt: skip
