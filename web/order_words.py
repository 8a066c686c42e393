"""What happened to an order on its way, in words for its story."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marketplace.orders.delivery import (
    CANCEL_REASONS,
    DIFFERENCES,
    DISPUTE_REASONS,
    REFUSE_REASONS,
    RETURN_REASONS,
    SETTLED,
)


def way_words(kind: str, found: Mapping[str, Any]) -> str | None:
    """The text of an event of a difference, a return or a cancellation of the rest; None for any other."""
    note = f" {found['note']}" if found.get("note") else ""
    if kind in {"difference_settled", "difference_disputed"}:
        of = f" of {found['of']}" if "of" in found else ""
        serials = f" ({', '.join(found['serials'])})" if found.get("serials") else ""
        what = f"{found['quantity']}{of} of {found['part']}{serials}, {DIFFERENCES[found['what']].lower()} in shipment {found['shipment']}"
        reason = DISPUTE_REASONS[found["what"]].get(str(found.get("reason")))
        because = f": {reason.lower()}" if reason and found["reason"] != "other" else ""
        return f"{what}: {SETTLED[found['as']]}.{note}" if "as" in found else f"{what}{because}.{note}"
    if kind.startswith("return_"):
        reason = RETURN_REASONS.get(str(found.get("reason"))) or REFUSE_REASONS.get(str(found.get("reason")))
        said = [f"{found['what']}"]
        said += [reason.lower()] if reason and not found.get("refused") else []
        said += (
            [f"{found['credit_percent']} % of the price is credited when they are back"]
            if "credit_percent" in found
            else []
        )
        said += [f"not taken back: {found['refused']}, {str(reason).lower()}"] if found.get("refused") else []
        said += (
            [" ".join(str(found[x]) for x in ("carrier", "tracking") if found.get(x))] if found.get("carrier") else []
        )
        said += [f"{found['credited']} credited"] if found.get("credited") else []
        first, *more = said
        return f"{first}{': ' if more else ''}{'; '.join(more)}.{note}"
    if kind == "rest_cancelled":
        return f"{found['what']}: {CANCEL_REASONS.get(found['reason'], 'its agreement was ended').lower()}.{note}"
    if kind.startswith("cancel_"):
        reason = CANCEL_REASONS.get(str(found.get("reason")))
        return f"{f'{reason}.' if reason else ''}{note}".strip()
    return None
