"""Facts of worked examples, from plain values: dates and times as ISO 8601 texts, money as "412.10 USD"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from marketplace.agreements.circumstances import Circumstances, Dated, Intent, MarketValue, Series
from marketplace.agreements.facts import Facts
from marketplace.agreements.outcomes import Act
from marketplace.agreements.terms import Urgency
from marketplace.kit.money import Money


def read_facts(raw: Mapping[str, Any]) -> Facts:
    """Facts from plain values, those of ``Circumstances`` beside the others; raises TypeError or ValueError for what is not
    one."""
    values = dict(raw)
    values["schedule_date"] = date.fromisoformat(values["schedule_date"])
    for name in ("sale_price", "list_price"):
        if values.get(name) is not None:
            values[name] = read_money(values[name])
    if "urgency" in values:
        values["urgency"] = Urgency(values["urgency"])
    if values.get("notice_at") is not None:
        values["notice_at"] = read_moment(values["notice_at"])
    known = {name: read(values.pop(name)) for name, read in _CIRCUMSTANCES.items() if name in values}
    if known:
        values["circumstances"] = Circumstances(**known)
    return Facts(**values)


def read_moment(text: str) -> datetime:
    """A moment with its zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no zone")
    return moment


def read_money(text: str) -> Money:
    """'412.10 USD'."""
    amount, currency = text.split(" ")
    return Money(Decimal(amount), currency)


def _series(raw: list[Mapping[str, Any]]) -> tuple[Series, ...]:
    return tuple(
        Series(
            one["name"],
            {period: Decimal(value) for period, value in one.get("values", {}).items()},
            one.get("discontinued", False),
        )
        for one in raw
    )


def _market(raw: Mapping[str, Any]) -> MarketValue:
    return MarketValue(read_money(raw["amount"]), raw["source"], date.fromisoformat(raw["on"]))


def _intent(raw: Mapping[str, Any]) -> Intent:
    offer = read_money(raw["offer"]) if raw.get("offer") else None
    return Intent(Act(raw["act"]), raw["quantity"], read_moment(raw["noticed_at"]), offer)


def _dated(raw: Mapping[str, int]) -> tuple[Dated, ...]:
    return tuple(Dated(date.fromisoformat(day), units) for day, units in raw.items())


def _same(raw: Any) -> Any:
    return raw


_CIRCUMSTANCES: Mapping[str, Callable[[Any], Any]] = {
    "series": _series,
    "stated_cost": read_money,
    "inbound_freight": read_money,
    "list_price_now": read_money,
    "superseded": _same,
    "market": _market,
    "intent": _intent,
    "cleared": _same,
    "ordered": _dated,
    "used": _dated,
    "paid": _same,
    "frozen_days": _same,
    "renewals": _same,
    "crosses_border": _same,
    "exported_on": date.fromisoformat,
}
