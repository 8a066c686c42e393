"""The two statements that validate a file: its rows as typed values, then everything wrong with each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from marketplace.imports import meanings
from marketplace.imports.fields import FIELDS, ONE_OR_OTHER, Kind
from marketplace.imports.values import MAX_QUANTITY, DateOrder
from marketplace.parts.numbers import MAX_LENGTH

_TEXT_LIMITS = {"description": 500, "serial": 80, "batch": 80, "bin": 60}
_CONDITIONS = "new, new old stock, remanufactured, used and tested, used, core"


def cell(columns: Mapping[str, int], field: str) -> str:
    """The SQL for a field's cell of a staged row ``s``; '' where no column holds it."""
    return f"s.cells[{columns[field] + 1}]" if field in columns else "''"


def typed_rows(columns: Mapping[str, int], orders: Mapping[str, DateOrder], *, comma: bool = False) -> str:
    """INSERT of import_row from import_stage. $1 job, $2 company. ``comma``: the file writes a comma before decimals.

    The part is found by the maker and the number as it compares, an exact spelling first, then by any other number
    it goes by. An unknown number of an own maker becomes a part to be made, one for all rows that write it.
    """

    def of(field: str) -> str:
        text = cell(columns, field)
        kind = FIELDS[field].kind
        if text == "''":
            return "false" if kind is Kind.FLAG else f"NULL::{_TYPES[kind]}"
        if kind in (Kind.QUANTITY, Kind.AMOUNT):
            text = f"({meanings.pointed(text)})" if comma else text
            return meanings.quantity(text) if kind is Kind.QUANTITY else meanings.amount(text)
        if kind is Kind.DATE:
            return meanings.day(text, orders.get(field, DateOrder.MONTH_FIRST), months=field != "expiry")
        if kind is Kind.FLAG:
            return meanings.flag(text)
        return f"nullif({text}, '')"

    return f"""
    INSERT INTO import_row (job_id, row_no, site_id, maker_id, part_id, new_part, number, number_norm, description, uom,
        condition, serial, batch, bin, quantity, expires_on, unit_cost, list_price, last_issue_on, usage_12, usage_24,
        usage_36, weight_grams, package_quantity, protected, lot_id, family)
    WITH own AS (SELECT id FROM maker WHERE company_id = $2),
    parsed AS MATERIALIZED (
        SELECT s.row_no, s.site_id, s.maker_id, s.uom, s.condition, s.number_norm, s.lot_id, uuidv7() AS fresh,
            {cell(columns, "number")} AS number, {_one_line(cell(columns, "description"))} AS description,
            {of("serial")} AS serial, {of("batch")} AS batch, {of("bin")} AS bin, {of("quantity")} AS quantity,
            {of("expiry")} AS expires_on, {of("unit_cost")} AS unit_cost, {of("list_price")} AS list_price,
            {of("last_issue_on")} AS last_issue_on, {of("usage_12")} AS usage_12, {of("usage_24")} AS usage_24,
            {of("usage_36")} AS usage_36, {of("weight_grams")} AS weight_grams,
            {of("package_quantity")} AS package_quantity, {of("protected")} AS protected
        FROM import_stage s WHERE s.job_id = $1
    ), found AS (
        SELECT p.*, coalesce(k.id, a.id) AS known, coalesce(k.uom, a.uom) AS base,
            p.maker_id IN (SELECT id FROM own) AND p.number_norm <> '' AS may_make
        FROM parsed p
        LEFT JOIN LATERAL (
            SELECT x.id, x.uom FROM part x WHERE x.maker_id = p.maker_id AND x.number_norm = p.number_norm
            ORDER BY x.number = p.number DESC, x.id LIMIT 1
        ) k ON true
        LEFT JOIN LATERAL (
            -- By the number first (OFFSET): a planner without statistics of a young catalogue begins with all parts of the maker.
            SELECT x.id, x.uom FROM (SELECT n.part_id FROM part_number n WHERE n.number_norm = p.number_norm OFFSET 0) n
            JOIN part x ON x.id = n.part_id
            WHERE k.id IS NULL AND x.maker_id = p.maker_id ORDER BY x.id LIMIT 1
        ) a ON true
    ), made AS (
        SELECT f.*,
            CASE WHEN f.known IS NOT NULL THEN f.known
                 WHEN f.may_make THEN first_value(f.fresh) OVER w END AS part,
            coalesce(f.base, CASE WHEN f.may_make THEN first_value(coalesce(f.uom, 'EA')) OVER w END) AS of_part
        FROM found f WINDOW w AS (PARTITION BY f.known, f.maker_id, f.number_norm ORDER BY f.row_no)
    ), counted AS (
        SELECT m.*, CASE
            WHEN m.uom IS NULL OR m.of_part IS NULL OR m.uom = m.of_part THEN m.quantity
            WHEN m.quantity::bigint * c.numerator % c.denominator = 0
                AND m.quantity::bigint * c.numerator / c.denominator <= {MAX_QUANTITY}
                THEN (m.quantity::bigint * c.numerator / c.denominator)::int END AS in_base
        FROM made m LEFT JOIN uom_conversion c ON c.part_id = m.known AND c.from_uom = m.uom AND m.uom <> m.of_part
    )
    SELECT $1::uuid, row_no, site_id, maker_id, part, known IS NULL AND part IS NOT NULL, number, number_norm, description,
        of_part, condition, serial, batch, bin, in_base, expires_on, unit_cost, list_price, last_issue_on, usage_12,
        usage_24, usage_36, weight_grams, package_quantity, protected,
        CASE WHEN serial IS NOT NULL THEN coalesce(lot_id, fresh)
             WHEN batch IS NULL OR lot_id IS NULL OR EXISTS (SELECT 1 FROM lot l WHERE l.lot_id = counted.lot_id)
                  OR row_number() OVER (PARTITION BY coalesce(lot_id, fresh) ORDER BY row_no) > 1 THEN fresh
             ELSE lot_id END,
        CASE WHEN serial IS NOT NULL THEN part::text || ':s:' || serial
             ELSE part::text || ':' || condition || ':' || coalesce(batch, '') END
    FROM counted
    """


_NO_LETTERS = "'%s' has no letter or digit."
_NEGATIVE = "'%s' is negative. Write a number of 0 or more, such as 12."
_TOO_MANY = f"'%s' is more than {MAX_QUANTITY:,}."
_TYPES = {
    Kind.TEXT: "text",
    Kind.QUANTITY: "int",
    Kind.AMOUNT: "numeric",
    Kind.DATE: "date",
    Kind.FLAG: "boolean",
    Kind.CONDITION: "text",
}
_COLUMN = {"expiry": "expires_on"}


def _one_line(text: str) -> str:
    """SQL: line breaks, which workbooks have within a cell, as spaces. Nearly no row has any."""
    return f"CASE WHEN strpos({text}, E'\\n') > 0 THEN regexp_replace({text}, '\\s+', ' ', 'g') ELSE {text} END"


def issue_rows(columns: Mapping[str, int], width: int, delimiter: str, *, comma: bool = False) -> str:
    """INSERT of import_issue: everything wrong with each row by itself, the first issue of a field. $1 job, $2 company, $3 today,
    $4 makers and $5 sites that are known, as words."""
    found = [*_glued(columns, delimiter), *_issues(columns, width, comma)]
    values = ",\n        ".join(
        f"('{i.field}', CASE WHEN {i.when} THEN '{i.code}' END, {i.words}, {i.value})" for i in found
    )
    # Rows without an issue are by far the most: they never meet the list of words.
    return f"""
    INSERT INTO import_issue (job_id, row_no, field, company_id, code, message, value)
    SELECT $1::uuid, s.row_no, v.field, $2::uuid, v.code, v.words, left(v.value, 200)
    FROM (SELECT $3::date AS today, $4::text AS makers, $5::text AS sites) k
    CROSS JOIN import_stage s JOIN import_row r ON r.job_id = s.job_id AND r.row_no = s.row_no
    CROSS JOIN LATERAL (VALUES
        {values}
    ) AS v (field, code, words, value)
    WHERE s.job_id = $1 AND ({" OR ".join(f"({i.when})" for i in found)}) AND v.code IS NOT NULL
    ON CONFLICT (job_id, row_no, field) DO NOTHING
    """


@dataclass(frozen=True, slots=True)
class _Issue:
    """``when``, ``words`` and ``value`` are SQL over the staged row s, the typed row r and the known words k."""

    field: str
    code: str
    when: str
    words: str
    value: str


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _named(words: str, text: str, known: str) -> str:
    return f"format({_quoted(words)}, left({text}, 40), {known})"


def _issues(columns: Mapping[str, int], width: int, comma: bool) -> Iterator[_Issue]:
    def issue(field: str, when: str, words: str, code: str | None = None, value: str | None = None) -> _Issue:
        return _Issue(field, code or f"import.{field}", when, words, value or cell(columns, field))

    def told(field: str, words: str) -> str:
        """Words with the cell at %s."""
        return f"format({_quoted(words)}, left({cell(columns, field)}, 40))"

    def either(field: str, blank: str, unknown: str) -> str:
        return f"CASE WHEN {cell(columns, field)} = '' THEN {_quoted(blank)} ELSE {unknown} END"

    # A column of serials or batches is staged as two more cells.
    beside = 2 if ONE_OR_OTHER in columns else 0
    too_wide = f"The row has %s cells, the header {width}: a delimiter stands in a text without quotes."
    yield issue(
        "row", f"array_length(s.cells, 1) - {beside} > {width}",
        f"format({_quoted(too_wide)}, array_length(s.cells, 1) - {beside})", "import.row_too_long", "''",
    )  # fmt: skip
    yield issue(
        "maker", "s.maker_id IS NULL",
        either(
            "maker", "The maker is missing. Fill it in, or choose one for the whole file.",
            _named("There is no maker '%s'. Known: %s.", cell(columns, "maker"), "k.makers"),
        ),
    )  # fmt: skip
    yield issue(
        "number",
        f"r.number_norm = '' OR length(r.number) > {MAX_LENGTH} OR (r.part_id IS NULL AND s.maker_id IS NOT NULL)",
        f"CASE WHEN r.number = '' THEN 'The part number is missing.' "
        f"WHEN r.number_norm = '' THEN {told('number', _NO_LETTERS)} "
        f"WHEN length(r.number) > {MAX_LENGTH} THEN 'A part number has at most {MAX_LENGTH} characters.' ELSE "
        + told("number", "This maker has no part '%s'. Check number and maker: only the maker itself can add a part.")
        + " END",
    )
    for field, limit in _TEXT_LIMITS.items():
        if field in columns:
            words = _quoted(f"At most {limit} characters fit here.")
            yield issue(field, f"length({cell(columns, field)}) > {limit}", words, "import.too_long")
    yield issue(
        "quantity",
        "r.quantity IS NULL OR (r.serial IS NOT NULL AND r.quantity > 1)",
        _quantity_words(columns, told, comma),
    )
    if "uom" in columns:
        yield issue(
            "uom", f"{cell(columns, 'uom')} <> '' AND s.uom IS NULL",
            told("uom", "There is no unit '%s'. Use EA for single pieces."),
        )  # fmt: skip
    yield issue(
        "site", "s.site_id IS NULL",
        either(
            "site", "The site is missing. Fill it in, or choose one for the whole file.",
            _named("Your company has no site '%s'. Sites: %s. Where all rows are of one site, choose it for the file and read no column as the site; else say in this import which of them it means, or add the site under Company.", cell(columns, "site"), "k.sites"),
        ),
    )  # fmt: skip
    if "condition" in columns:
        yield issue(
            "condition", "s.condition IS NULL",
            told("condition", f"'%s' is not a condition we know. Known: {_CONDITIONS}. Or say in this import what it means."),
        )  # fmt: skip
    for field, spec in FIELDS.items():
        words = _UNREADABLE.get(spec.kind, "")
        if not words or field not in columns or field == "quantity":
            continue
        value = f"r.{_COLUMN.get(field, field)}"
        unreadable = f"{cell(columns, field)} <> '' AND {value} IS NULL"
        if field == "expiry":
            yield issue(
                field, f"({unreadable}) OR {value} < k.today",
                f"CASE WHEN {value} < k.today THEN format('Expired on %s. Expired units are not taken in as stock.', "
                f"{value}) ELSE {told(field, words)} END",
            )  # fmt: skip
        elif field == "package_quantity":
            yield issue(field, f"({unreadable}) OR {value} = 0", told(field, "'%s' is not a whole number from 1."))
        elif spec.kind is Kind.AMOUNT:
            negative = f"{cell(columns, field)} ~ '^[$]?[ ]*-'"
            yield issue(
                field, unreadable,
                f"CASE WHEN {negative} THEN {told(field, _NEGATIVE)} ELSE {told(field, words)} END",
                "import.amount",
            )  # fmt: skip
        else:
            yield issue(field, unreadable, told(field, words), f"import.{spec.kind.value}")


def _glued(columns: Mapping[str, int], delimiter: str) -> Iterator[_Issue]:
    """Cells that go over several lines: a quotation mark that nobody closed swallows the rows below. Descriptions may
    do so, where what is on their next lines does not look like a row."""
    for field in ("number", "maker", "site", "serial", "batch", "bin", "uom", "condition"):
        if field in columns:
            text = cell(columns, field)
            yield _Issue(field, "import.lines", f"strpos({text}, E'\\n') > 0", _quoted(_LINES), text)
    if "description" in columns and delimiter:
        text = cell(columns, "description")
        after = f"substr({text}, strpos({text}, E'\\n'))"
        mark = _quoted(delimiter)
        yield _Issue(
            "description", "import.lines",
            f"strpos({text}, E'\\n') > 0 AND length({after}) - length(replace({after}, {mark}, '')) >= 3",
            _quoted(_LINES), text,
        )  # fmt: skip


_LINES = (
    "This cell goes over several lines. In a CSV file that is a quotation mark which is closed only further below, so "
    "that rows were read as one: close it in this row."
)
_UNREADABLE = {
    Kind.QUANTITY: "'%s' is not a whole number. Write a whole number such as 12.",
    Kind.AMOUNT: "'%s' is not an amount. Write it like 1234.50.",
    Kind.DATE: "'%s' is not a date. Write it like 2025-03-04.",
    Kind.FLAG: "'%s' is neither yes nor no.",
}


def _quantity_words(columns: Mapping[str, int], told: Callable[[str, str], str], comma: bool) -> str:
    text = cell(columns, "quantity")
    read = f"({meanings.quantity(f'({meanings.pointed(text)})' if comma else text)})"
    return (
        f"CASE WHEN {text} = '' THEN 'The quantity is missing.' "
        "WHEN r.serial IS NOT NULL AND r.quantity > 1 THEN 'A unit with a serial number has quantity 1: give each serial "
        "number a row of its own.' "
        f"WHEN {read} IS NOT NULL THEN format('%s %s are no whole number of this part''s unit %s, or no factor is "
        f"stated. Give the quantity in %3$s.', left({text}, 40), s.uom, r.uom) "
        f"WHEN {text} ~ '^-[ ]*[0-9][0-9.,]*$' THEN {told('quantity', _NEGATIVE)} "
        f"WHEN {text} ~ '^[0-9]{{9,}}$' THEN {told('quantity', _TOO_MANY)} "
        f"ELSE {told('quantity', _UNREADABLE[Kind.QUANTITY])} END"
    )
