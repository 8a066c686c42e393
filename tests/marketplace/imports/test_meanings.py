"""What a cell means in SQL and what it means in Python must be the same, for odd texts too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketplace.imports import meanings
from marketplace.imports.lines import line_family
from marketplace.imports.staging import _normalised
from marketplace.imports.values import (
    MAX_QUANTITY,
    DateOrder,
    parse_day,
    parse_flag,
    parse_price,
    parse_quantity,
    pointed,
)
from marketplace.kit.errors import DomainError
from marketplace.ledger.entries import MAX_QUANTITY as LEDGER_MAX
from marketplace.parts.numbers import normalise

TEXTS = [
    "12", " 7", "1,200", "12.0", "12,00", "1 200", "0", "000", "-3", "1.5", "12.000", "abc", "1,20", "9" * 30, "٣",
    "1e3", "--", "1000000000", "1000000001", "999999999999", "1234567890123", "1,234,567", "1,2345", "12.00.00",
    "$12", "€ 1.234,50", "1,234.50", "1.234,5", "12,5", "-5", "$-5", "-$5", "+3", ".5", "5.", "1'234.5", "1_000", "NaN",
    "Infinity", "1e5", "999999999999.9999", "999999999999.99991", "1000000000000", "1,23,4", "1,234,5", "1,234,567.8",
    "12,345,678", "1234,567", "-1,234", "--1,234", "1-2", "1,-23", "1,2.3", ",5", "0" * 39, "0" * 41, "£1", "$$5", "5$",
    "2025-03-04", "2025/3/4", "2025-03-04 10:11", "2025-03-04T10:11", "20250304", "4.3.2025", "04.03.2025 08:00",
    "04-Mar-2025", "4 march 2025", "4-Mrz-2025", "04-Anf-2025", "3/4/2025", "31/12/2025", "12/31/2025", "13/13/2025",
    "2025-02-29", "2024-02-29", "0000-01-01", "0001-01-01", "9999-12-31", "2025-13-01", "2025-00-10", "20251301",
    "31.4.2025", "2025-03-04x", "2025-03-04\n10:00", "1/2/25", "٢٠٢٥-٠٣-٠٤", "2025-3-04", "3-4-2025 x",
    "1.250,000", "12,000", "7,500", "0,125", "1.250", "12,00 €", "-1.250,5", "1.2.3,4", "1.234.567,00",
    "Mar-2025", "mar 2025", "March 2025", "Foo-2025", "2025-03", "2025/12", "2025-13", "3/2025", "13/2025", "03.2025", "0/2025", "Mar-25",
    "yes", "YES", "n", "x", "ja", "off", "maybe", "1", "TRUE", "Nein",
]  # fmt: skip

CASES: dict[str, tuple[Callable[[str], Any], str]] = {
    "quantity": (parse_quantity, meanings.quantity("c")),
    "amount": (parse_price, meanings.amount("c")),
    "quantity with a comma": (lambda t: parse_quantity(pointed(t)), meanings.quantity(f"({meanings.pointed('c')})")),
    "amount with a comma": (lambda t: parse_price(pointed(t)), meanings.amount(f"({meanings.pointed('c')})")),
    "month first": (lambda t: parse_day(t, DateOrder.MONTH_FIRST), meanings.day("c", DateOrder.MONTH_FIRST)),
    "day first": (lambda t: parse_day(t, DateOrder.DAY_FIRST), meanings.day("c", DateOrder.DAY_FIRST)),
    "expiry": (lambda t: parse_day(t, months=False), meanings.day("c", DateOrder.MONTH_FIRST, months=False)),
    "flag": (parse_flag, meanings.flag("c")),
}


def reference(parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except DomainError:
        return None


async def agree(owner: asyncpg.Connection, case: str, texts: list[str]) -> None:
    parse, sql = CASES[case]
    trimmed = [t.strip() for t in texts]
    rows = await owner.fetch(
        f"SELECT c, {sql} AS value FROM unnest($1::text[]) WITH ORDINALITY AS u (c, n) ORDER BY n", trimmed
    )
    differ = [(r["c"], r["value"], reference(parse, r["c"])) for r in rows if r["value"] != reference(parse, r["c"])]
    assert differ == []


@pytest.mark.parametrize("case", CASES)
async def test_known_texts(owner: asyncpg.Connection, case: str) -> None:
    await agree(owner, case, TEXTS)


_CHARACTERS = st.text("0123456789,.-+$€' /TMarjunx\u00a0", min_size=1, max_size=14)
_DATES = st.builds(
    lambda a, b, c, s, t: f"{a}{s}{b}{t}{c}",
    st.integers(0, 33), st.integers(0, 14), st.integers(0, 10_000), st.sampled_from("-/. "), st.sampled_from("-/. "),
)  # fmt: skip
_NAMED = st.builds(
    lambda d, m, y: f"{d}-{m}-{y}", st.integers(0, 33), st.sampled_from(("Jan", "feb", "MARCH", "sept", "dez", "nja")),
    st.integers(1, 9999),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.one_of(_CHARACTERS, _DATES, _NAMED), min_size=40, max_size=80))
async def test_any_texts(owner: asyncpg.Connection, case: str, texts: list[str]) -> None:
    await agree(owner, case, texts)


@given(st.text(max_size=40))
def test_numbers_are_normalised_as_the_catalogue_does(text: str) -> None:
    assert _normalised(text) == normalise(text)


def test_one_line_fits_into_one_movement() -> None:
    assert MAX_QUANTITY == LEDGER_MAX


def test_families() -> None:
    from uuid import UUID

    part = UUID(int=1)
    assert line_family(part, "new", "S1", "B") == f"{part}:s:S1"
    assert line_family(part, "new", None, "B") == f"{part}:new:B"
    assert line_family(part, "new", None, None) == f"{part}:new:"
