"""The meaning of a cell as SQL: the same rules as ``values``, for statements that read many rows at once.

Each function takes an SQL expression for a trimmed cell ('' = blank) and gives an SQL expression that is the value,
or NULL where the cell is blank or cannot be read. A test runs both over the same texts.
"""

from __future__ import annotations

from marketplace.imports.fields import FALSE_WORDS, TRUE_WORDS
from marketplace.imports.values import MAX_AMOUNT_CHARACTERS, MAX_QUANTITY, DateOrder
from marketplace.kit.money import MAX_AMOUNT

_NBSP = "chr(160)"
_MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec"


def quantity(cell: str) -> str:
    """``values.parse_quantity``: an integer."""
    bare = f"replace(replace({cell}, {_NBSP}, ''), ' ', '')"
    # Nearly every cell is plain digits; only the others pay for the nested look.
    return (
        f"CASE WHEN {cell} ~ '^[0-9]{{1,9}}$' THEN {cell}::int WHEN {cell} = '' THEN NULL ELSE ("
        f"SELECT CASE WHEN length(d) <= 12 AND d::bigint <= {MAX_QUANTITY} THEN d::int END FROM ("
        f"SELECT CASE WHEN q ~ '^[0-9]{{1,3}}(,[0-9]{{3}})+$' THEN replace(q, ',', '') "
        f"WHEN q ~ '^[0-9]+[.,]0{{1,2}}$' THEN regexp_replace(q, '[.,]0+$', '') "
        f"WHEN q ~ '^[0-9]+$' THEN q END AS d FROM (SELECT {bare} AS q) q1) d1) END"
    )


def pointed(cell: str) -> str:
    """``values.pointed``, for a file of which ``values.decimal_comma`` says so: a text."""
    return (
        f"CASE WHEN {cell} ~ '^[^0-9a-zA-Z]*([0-9]{{1,3}}([.][0-9]{{3}})+|[0-9]+)(,[0-9]+)?[^0-9a-zA-Z]*$' "
        f"THEN replace(regexp_replace(replace({cell}, '.', ''), ',0+$', ''), ',', '.') ELSE {cell} END"
    )


def amount(cell: str) -> str:
    """``values.parse_price``: a numeric of 0 or more."""
    bare = f"replace(replace(replace(ltrim({cell}, '$€£'), ' ', ''), {_NBSP}, ''), '''', '')"
    number = r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)$"
    grouped = r"^-*[0-9.+-]{1,3}(,[0-9.+-]{3})+$"
    return (
        f"CASE WHEN {cell} ~ '^[0-9]{{1,12}}([.][0-9]{{1,4}})?$' THEN {cell}::numeric WHEN {cell} = '' THEN NULL ELSE ("
        f"SELECT CASE WHEN v BETWEEN 0 AND {MAX_AMOUNT} THEN v END FROM ("
        f"SELECT CASE WHEN length({cell}) <= {MAX_AMOUNT_CHARACTERS} AND n ~ '{number}' THEN n::numeric END AS v FROM ("
        f"SELECT CASE WHEN a LIKE '%,%' AND a LIKE '%.%' THEN "
        f"CASE WHEN a ~ ',[^.]*$' THEN replace(replace(a, '.', ''), ',', '.') ELSE replace(a, ',', '') END "
        f"WHEN a ~ '{grouped}' THEN replace(a, ',', '') ELSE replace(a, ',', '.') END AS n "
        f"FROM (SELECT {bare} AS a) a1) n1) v1) END"
    )


def day(cell: str, order: DateOrder, *, months: bool = True) -> str:
    """``values.parse_day``: a date."""
    month, first = ("m[1]", "m[2]") if order is DateOrder.MONTH_FIRST else ("m[2]", "m[1]")
    rest = "( [^\\n]*)?$"
    forms = [
        (r"^([0-9]{4})[-/]([0-9]{1,2})[-/]([0-9]{1,2})([T ][^\n]*)?$", "m[1]", "m[2]", "m[3]"),
        (r"^([0-9]{4})([0-9]{2})([0-9]{2})$", "m[1]", "m[2]", "m[3]"),
        (r"^([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})" + rest, "m[3]", "m[2]", "m[1]"),
        (r"^([0-9]{1,2})[/-]([0-9]{1,2})[/-]([0-9]{4})" + rest, "m[3]", month, first),
    ]
    if months:
        forms += [
            ("^([0-9]{4})[-/]([0-9]{1,2})$", "m[1]", "m[2]", "'01'"),
            ("^([0-9]{1,2})[./-]([0-9]{4})$", "m[2]", "m[1]", "'01'"),
        ]
    named = r"^([0-9]{1,2})[- ]([A-Za-z]{3})[a-z]*[- ]([0-9]{4})" + rest
    at = f"strpos('{_MONTHS}', lower(m[2]))"
    texts = [
        f"(SELECT lpad({y}, 4, '0') || '-' || lpad({mo}, 2, '0') || '-' || lpad({d}, 2, '0') "
        f"FROM regexp_match({cell}, '{form}') m)"
        for form, y, mo, d in forms
    ]
    texts.append(
        f"(SELECT CASE WHEN {at} % 3 = 1 THEN m[3] || '-' || lpad((({at} + 2) / 3)::text, 2, '0') || '-' || "
        f"lpad(m[1], 2, '0') END FROM regexp_match({cell}, '{named}') m)"
    )
    if months:
        at = f"strpos('{_MONTHS}', lower(m[1]))"
        texts.append(
            f"(SELECT CASE WHEN {at} % 3 = 1 THEN m[2] || '-' || lpad((({at} + 2) / 3)::text, 2, '0') || '-01' END "
            f"FROM regexp_match({cell}, '^([A-Za-z]{{3}})[a-z]*[- ]([0-9]{{4}})$') m)"
        )
    iso = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
    return (
        f"CASE WHEN {cell} = '' THEN NULL WHEN {cell} ~ '{iso}' THEN "
        f"CASE WHEN pg_input_is_valid({cell}, 'date') THEN {cell}::date END ELSE ("
        f"SELECT CASE WHEN pg_input_is_valid(t, 'date') THEN t::date END FROM (SELECT coalesce({', '.join(texts)}) AS t) t1"
        ") END"
    )


def flag(cell: str) -> str:
    """``values.parse_flag``: a boolean; blank is no."""

    def words(found: frozenset[str]) -> str:
        return ", ".join(f"'{word}'" for word in sorted(found))

    return f"CASE WHEN lower({cell}) IN ({words(TRUE_WORDS)}) THEN true WHEN lower({cell}) IN ({words(FALSE_WORDS)}) THEN false END"
