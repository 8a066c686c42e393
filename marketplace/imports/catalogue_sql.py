"""Statements over the rows of a catalogue file: what they are about, what is wrong with them, what would change, and landing.

$1 is always the job. One set for all kinds: a kind differs in what a row is about and in the record that it is compared with, a
JSON object with a field for each that a row can say (null = nothing there).
"""

from __future__ import annotations

_PART = """
    (SELECT p.id FROM part p WHERE p.maker_id = r.maker_id AND p.number_norm = r.{norm} ORDER BY p.number = r.{number} DESC, p.id LIMIT 1)
"""
_ANY_NUMBER = """
    coalesce((SELECT p.id FROM part p WHERE p.maker_id = r.maker_id AND p.number_norm = r.{norm} ORDER BY p.number = r.{number} DESC, p.id LIMIT 1),
        (SELECT p.id FROM part_number n JOIN part p ON p.id = n.part_id WHERE n.number_norm = r.{norm} AND p.maker_id = r.maker_id
         ORDER BY p.id LIMIT 1))
"""
_OLD, _NEW = {"norm": "number_norm", "number": "number"}, {"norm": "other_norm", "number": "other"}
_SITE = "(SELECT s.id FROM site s WHERE s.company_id = $2 AND lower(s.code) = r.number_norm)"
_TARGET = {
    "parts": _PART.format(**_OLD),
    "supersessions": _ANY_NUMBER.format(**_OLD),
    "prices": _ANY_NUMBER.format(**_OLD),
    "numbers": _ANY_NUMBER.format(**_OLD),
    "sites": _SITE,
}


def resolve(kind: str) -> str:
    """What each row is about, on record. $2 company."""
    other = _ANY_NUMBER.format(**_NEW) if kind == "supersessions" else "NULL::uuid"
    return f"""
    UPDATE catalogue_row r SET target_id = {_TARGET[kind]}, other_id = {other}, before = NULL, after = NULL, fate = 'good'
    WHERE r.job_id = $1 AND r.row_no > 0 AND $2::uuid IS NOT NULL
    """


ISSUES = """
INSERT INTO import_issue (job_id, row_no, field, company_id, code, message, value)
SELECT $1::uuid, r.row_no, i->>0, $2::uuid, i->>1, i->>2, i->>3
FROM catalogue_row r, jsonb_array_elements(r.issues) i WHERE r.job_id = $1 AND r.issues <> '[]'
ON CONFLICT (job_id, row_no, field) DO NOTHING
"""
_UNKNOWN = """
INSERT INTO import_issue (job_id, row_no, field, company_id, code, message, value)
SELECT $1::uuid, r.row_no, '{field}', $2::uuid, '{code}', format('{words}', left(r.{cell}, 40)), left(r.{cell}, 200)
FROM catalogue_row r WHERE r.job_id = $1 AND r.{cell}_norm <> '' AND r.maker_id IS NOT NULL AND r.{column} IS NULL
ON CONFLICT (job_id, row_no, field) DO NOTHING
"""
_NO_PART = "This maker has no part ''%s''. Check the number, or bring the part in first."
_DANGLING = "''%s'' points nowhere: this maker has no such part. Bring the part in first, or correct the number."
_SELF = """
INSERT INTO import_issue (job_id, row_no, field, company_id, code, message, value)
SELECT $1::uuid, r.row_no, 'other', $2::uuid, 'import.self', 'Both numbers are of one part.', left(r.other, 200)
FROM catalogue_row r WHERE r.job_id = $1 AND r.target_id = r.other_id ON CONFLICT (job_id, row_no, field) DO NOTHING
"""
_UNIT = """
INSERT INTO import_issue (job_id, row_no, field, company_id, code, message, value)
SELECT $1::uuid, r.row_no, 'uom', $2::uuid, 'import.uom_fixed',
    format('This part is counted in %s on record, and its units with it: a file does not change that.', p.uom), r.says->>'uom'
FROM catalogue_row r JOIN part p ON p.id = r.target_id WHERE r.job_id = $1 AND r.says ? 'uom' AND p.uom <> r.says->>'uom'
ON CONFLICT (job_id, row_no, field) DO NOTHING
"""
_NEW_SITE = """
INSERT INTO import_issue (job_id, row_no, field, company_id, code, message, value)
SELECT $1::uuid, r.row_no, 'name', $2::uuid, 'import.name', 'A new site needs a name.', ''
FROM catalogue_row r WHERE r.job_id = $1 AND r.target_id IS NULL AND NOT r.says ? 'name' ON CONFLICT (job_id, row_no, field) DO NOTHING
"""
_SAME_OTHER = """
INSERT INTO import_issue (job_id, row_no, field, company_id, code, message, value)
SELECT $1::uuid, r.row_no, 'other', $2::uuid, 'import.number_taken',
    format('''%s'' is the maker''s own number of another part.', left(r.other, 40)), left(r.other, 200)
FROM catalogue_row r WHERE r.job_id = $1 AND EXISTS (
    SELECT 1 FROM part p WHERE p.maker_id = r.maker_id AND p.number_norm = r.other_norm AND p.id <> r.target_id)
ON CONFLICT (job_id, row_no, field) DO NOTHING
"""


def issues(kind: str) -> list[str]:
    """What is wrong with rows, against the record. $2 company."""
    number = _UNKNOWN.format(field="number", code="import.number", words=_NO_PART, cell="number", column="target_id")
    if kind == "supersessions":
        other = _UNKNOWN.format(field="other", code="import.dangling", words=_DANGLING, cell="other", column="other_id")
        return [number, other, _SELF]
    return {"parts": [_UNIT], "prices": [number], "numbers": [number, _SAME_OTHER], "sites": [_NEW_SITE]}[kind]


# Rows about one thing: the first speaks; a later one that says the same is no other, one that contradicts is wrong.
TWICE = """
INSERT INTO import_issue (job_id, row_no, field, company_id, code, message, value)
SELECT $1::uuid, x.row_no, 'number', $2::uuid, 'import.twice',
    CASE WHEN x.number = x.first_number THEN format('Row %s says something else of the same number.', x.first_row)
    ELSE format('Row %s writes the same number as ''%s'' and says something else of it: numbers that differ only in case or '
        'punctuation are one.', x.first_row, left(x.first_number, 40)) END, left(x.number, 200)
FROM (
    SELECT r.row_no, r.number, r.says, first_value(r.row_no) OVER w AS first_row, first_value(r.number) OVER w AS first_number,
        first_value(r.says) OVER w AS first_says
    FROM catalogue_row r WHERE r.job_id = $1 AND r.fate = 'good'
    WINDOW w AS (PARTITION BY r.maker_id, coalesce(r.target_id::text, r.number_norm), coalesce(r.other_id::text, r.other_norm), r.key
        ORDER BY r.row_no)
) x WHERE x.first_row <> x.row_no AND x.says <> x.first_says
ON CONFLICT (job_id, row_no, field) DO NOTHING
"""
REPEATED = """
UPDATE catalogue_row r SET fate = 'same' FROM (
    SELECT r.row_no, first_value(r.row_no) OVER w AS first_row FROM catalogue_row r WHERE r.job_id = $1 AND r.fate = 'good'
    WINDOW w AS (PARTITION BY r.maker_id, coalesce(r.target_id::text, r.number_norm), coalesce(r.other_id::text, r.other_norm), r.key
        ORDER BY r.row_no)
) x WHERE r.job_id = $1 AND r.row_no = x.row_no AND x.first_row <> x.row_no
"""
MARK_BAD = """
UPDATE catalogue_row r SET fate = 'bad' WHERE r.job_id = $1 AND r.row_no > 0 AND r.fate <> 'bad'
AND EXISTS (SELECT 1 FROM import_issue i WHERE i.job_id = $1 AND i.row_no = r.row_no)
"""

_PRICE = "CASE WHEN {0}.list_price IS NOT NULL THEN jsonb_build_object('amount', trim_scale({0}.list_price)::text, 'currency', {0}.currency) END"
RECORDS = {
    "parts": f"""SELECT jsonb_build_object('description', p.description, 'class', p.class_code, 'uom', p.uom,
        'weight_grams', p.weight_grams, 'list_price', {_PRICE.format("p")}, 'criticality', p.criticality,
        'export_control', p.export_control) AS record FROM part p WHERE p.id = r.target_id""",
    "supersessions": """SELECT jsonb_build_object('effective_on', s.effective_on, 'note', s.note) AS record FROM supersession s
        WHERE r.key = 'supersession' AND s.from_part_id = r.target_id AND s.to_part_id = r.other_id
        UNION ALL SELECT jsonb_build_object('note', a.note) FROM alternate a
        WHERE r.key = 'alternate' AND a.part_id = r.target_id AND a.alternate_part_id = r.other_id""",
    "prices": f"""SELECT jsonb_build_object('list_price', {_PRICE.format("p")}) AS record FROM part_price p
        WHERE p.part_id = r.target_id AND p.valid_from = r.key::date""",
    "sites": """SELECT jsonb_build_object('name', s.name, 'place', s.place, 'region', s.region, 'country', s.country,
        'address', s.address, 'timezone', s.timezone, 'lat', s.lat, 'lon', s.lon, 'counter_phone', s.counter_phone,
        'after_hours_phone', s.after_hours_phone) AS record FROM site s WHERE s.id = r.target_id""",
    "numbers": """SELECT '{}'::jsonb AS record FROM part_number n
        WHERE n.part_id = r.target_id AND n.number = r.other AND n.scheme = r.key LIMIT 1""",
}
"""What is on record of a row (or of a change, by the same names of columns) r: no row where there is nothing."""


def fates(kind: str) -> str:
    """What would change by each good row. $2 fields that a blank cell empties, $3 'add' leaves what is on record alone."""
    return f"""
    UPDATE catalogue_row r SET
        fate = CASE WHEN x.record IS NULL THEN 'new' WHEN x.changes IS NULL OR $3 THEN 'same' ELSE 'changed' END,
        after = CASE WHEN x.record IS NULL THEN x.says WHEN NOT $3 THEN x.changes END,
        before = CASE WHEN x.record IS NOT NULL AND NOT $3 THEN (
            SELECT jsonb_object_agg(k, x.record->k) FROM jsonb_object_keys(x.changes) k) END
    FROM (
        SELECT r.row_no, c.record, r.says, (
            SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each($2::jsonb || r.says) e
            WHERE c.record->e.key IS DISTINCT FROM e.value AND c.record ? e.key) AS changes
        FROM catalogue_row r LEFT JOIN LATERAL ({RECORDS[kind]}) c ON true
        WHERE r.job_id = $1 AND r.fate = 'good'
    ) x WHERE r.job_id = $1 AND r.row_no = x.row_no
    """


FORGET_VANISHED = "DELETE FROM catalogue_row WHERE job_id = $1 AND row_no < 0"
# Links of the makers in the file, of the relations it speaks of, that it does not name. $2 company.
VANISHED_LINKS = """
INSERT INTO catalogue_row (job_id, row_no, maker_id, number, number_norm, other, other_norm, key, says, issues, target_id, other_id,
    before, fate)
SELECT $1::uuid, -(row_number() OVER (ORDER BY o.number, n.number))::int, o.maker_id, o.number, o.number_norm, n.number, n.number_norm,
    l.key, '{}', '[]', l.old, l.new, l.record, 'vanished'
FROM (
    SELECT 'supersession' AS key, s.from_part_id AS old, s.to_part_id AS new,
        jsonb_build_object('effective_on', s.effective_on, 'note', s.note) AS record FROM supersession s
    UNION ALL SELECT 'alternate', a.part_id, a.alternate_part_id, jsonb_build_object('note', a.note) FROM alternate a
) l JOIN part o ON o.id = l.old JOIN part n ON n.id = l.new
WHERE o.maker_id IN (SELECT m.id FROM maker m WHERE m.company_id = $2)
AND (o.maker_id, l.key) IN (SELECT r.maker_id, r.key FROM catalogue_row r WHERE r.job_id = $1 AND r.row_no > 0 AND r.fate <> 'bad')
AND NOT EXISTS (SELECT 1 FROM catalogue_row r WHERE r.job_id = $1 AND r.row_no > 0 AND r.target_id = l.old AND r.other_id = l.new
    AND r.key = l.key)
"""

# -- landing -----------------------------------------------------------------------------------------------

_TAKE = "r.job_id = $1 AND r.fate = "
MAKE_IDS = "UPDATE catalogue_row r SET target_id = uuidv7() WHERE r.job_id = $1 AND r.fate = 'new'"
_SET_PART = """
    description = CASE WHEN v.new ? 'description' THEN v.new->>'description' ELSE p.description END,
    class_code = CASE WHEN v.new ? 'class' THEN v.new->>'class' ELSE p.class_code END,
    weight_grams = CASE WHEN v.new ? 'weight_grams' THEN (v.new->>'weight_grams')::int ELSE p.weight_grams END,
    list_price = CASE WHEN v.new ? 'list_price' THEN (v.new->'list_price'->>'amount')::numeric ELSE p.list_price END,
    currency = CASE WHEN v.new ? 'list_price' THEN v.new->'list_price'->>'currency' ELSE p.currency END,
    criticality = CASE WHEN v.new ? 'criticality' THEN v.new->>'criticality' ELSE p.criticality END,
    export_control = CASE WHEN v.new ? 'export_control' THEN v.new->>'export_control' ELSE p.export_control END
"""
_SITE_TEXTS = ("name", "place", "region", "country", "address", "timezone", "counter_phone", "after_hours_phone")
_SET_SITE = ", ".join(
    [f"{c} = CASE WHEN v.new ? '{c}' THEN v.new->>'{c}' ELSE p.{c} END" for c in _SITE_TEXTS]
    + [f"{c} = CASE WHEN v.new ? '{c}' THEN (v.new->>'{c}')::float8 ELSE p.{c} END" for c in ("lat", "lon")]
    + ["approximate = p.approximate AND NOT v.new ? 'lat'"]
)
_CHANGED = "SELECT r.target_id, r.other_id, r.key, r.after AS new FROM catalogue_row r WHERE " + _TAKE + "'changed'"


def _write(kind: str, values: str) -> list[str]:
    """Sets the fields in ``new`` of what is on record, from a SELECT of target_id, other_id, key, new."""
    if kind == "parts":
        return [f"UPDATE part p SET {_SET_PART} FROM ({values}) v WHERE p.id = v.target_id"]
    if kind == "sites":
        return [f"UPDATE site p SET {_SET_SITE} FROM ({values}) v WHERE p.id = v.target_id"]
    if kind == "prices":
        return [
            (
                f"UPDATE part_price p SET list_price = (v.new->'list_price'->>'amount')::numeric, currency = v.new->'list_price'->>'currency' "
                f"FROM ({values}) v WHERE p.part_id = v.target_id AND p.valid_from = v.key::date"
            )
        ]
    if kind == "supersessions":
        return [
            (
                f"UPDATE supersession p SET effective_on = CASE WHEN v.new ? 'effective_on' THEN (v.new->>'effective_on')::date ELSE p.effective_on END, "
                f"note = CASE WHEN v.new ? 'note' THEN v.new->>'note' ELSE p.note END FROM ({values}) v "
                f"WHERE v.key = 'supersession' AND p.from_part_id = v.target_id AND p.to_part_id = v.other_id"
            ),
            (
                f"UPDATE alternate p SET note = CASE WHEN v.new ? 'note' THEN v.new->>'note' ELSE p.note END FROM ({values}) v "
                f"WHERE v.key = 'alternate' AND p.part_id = v.target_id AND p.alternate_part_id = v.other_id"
            ),
        ]
    return []


_MADE = {
    "parts": [
        f"""
        INSERT INTO part (id, maker_id, number, number_norm, description, class_code, uom, weight_grams, list_price, currency,
            criticality, export_control)
        SELECT r.target_id, r.maker_id, r.number, r.number_norm, coalesce(r.after->>'description', r.number), r.after->>'class',
            coalesce(r.after->>'uom', 'EA'), (r.after->>'weight_grams')::int, (r.after->'list_price'->>'amount')::numeric,
            r.after->'list_price'->>'currency', r.after->>'criticality', r.after->>'export_control'
        FROM catalogue_row r WHERE {_TAKE}'new' ORDER BY r.row_no
        """,
        f"""
        INSERT INTO part_number (part_id, number, number_norm, scheme)
        SELECT r.target_id, r.number, r.number_norm, 'maker' FROM catalogue_row r WHERE {_TAKE}'new' ORDER BY r.row_no
        """,
    ],
    "sites": [
        f"""
        INSERT INTO site (id, company_id, code, name, place, region, country, address, timezone, lat, lon, counter_phone, after_hours_phone)
        SELECT r.target_id, $2::uuid, r.number, r.after->>'name', coalesce(r.after->>'place', ''), coalesce(r.after->>'region', ''),
            coalesce(r.after->>'country', ''), coalesce(r.after->>'address', ''), coalesce(r.after->>'timezone', $3::text),
            (r.after->>'lat')::float8, (r.after->>'lon')::float8, coalesce(r.after->>'counter_phone', ''),
            coalesce(r.after->>'after_hours_phone', '')
        FROM catalogue_row r WHERE {_TAKE}'new' ORDER BY r.row_no
        """
    ],
    "prices": [
        f"""
        INSERT INTO part_price (part_id, valid_from, list_price, currency)
        SELECT r.target_id, r.key::date, (r.after->'list_price'->>'amount')::numeric, r.after->'list_price'->>'currency'
        FROM catalogue_row r WHERE {_TAKE}'new'
        """
    ],
    "numbers": [
        f"""
        INSERT INTO part_number (part_id, number, number_norm, scheme)
        SELECT r.target_id, r.other, r.other_norm, r.key FROM catalogue_row r WHERE {_TAKE}'new' ORDER BY r.row_no
        ON CONFLICT (part_id, scheme, number) DO NOTHING
        """
    ],
    "supersessions": [
        f"""
        INSERT INTO supersession (from_part_id, to_part_id, effective_on, note)
        SELECT r.target_id, r.other_id, (r.after->>'effective_on')::date, coalesce(r.after->>'note', '')
        FROM catalogue_row r WHERE {_TAKE}'new' AND r.key = 'supersession'
        """,
        f"""
        INSERT INTO alternate (part_id, alternate_part_id, note) SELECT r.target_id, r.other_id, coalesce(r.after->>'note', '')
        FROM catalogue_row r WHERE {_TAKE}'new' AND r.key = 'alternate'
        """,
        f"""
        DELETE FROM supersession s USING catalogue_row r WHERE {_TAKE}'vanished' AND r.key = 'supersession'
        AND s.from_part_id = r.target_id AND s.to_part_id = r.other_id
        """,
        f"""
        DELETE FROM alternate a USING catalogue_row r WHERE {_TAKE}'vanished' AND r.key = 'alternate'
        AND a.part_id = r.target_id AND a.alternate_part_id = r.other_id
        """,
    ],
}


def write(kind: str) -> list[str]:
    """Brings the record to the good rows. $2 company, $3 the usual time zone, where a statement names them."""
    return [*_MADE[kind], *_write(kind, _CHANGED)]


# A supersession that says no day counts from the day the file tells of; said of what is new only. $2 day.
EFFECTIVE = """
UPDATE catalogue_row r SET after = jsonb_build_object('effective_on', $2::date) || r.after
WHERE r.job_id = $1 AND r.fate = 'new' AND r.key = 'supersession' AND NOT r.after ? 'effective_on'
"""
KEEP_CHANGES = """
INSERT INTO catalogue_change (job_id, row_no, company_id, number, other, key, target_id, other_id, act, before, after)
SELECT $1::uuid, r.row_no, $2::uuid, r.number, r.other, r.key, r.target_id, r.other_id, r.fate, r.before, r.after
FROM catalogue_row r WHERE r.job_id = $1 AND r.fate IN ('new', 'changed', 'vanished')
"""
# What a part cost before it had prices with days. $1 parts.
FIRST_PRICES = """
INSERT INTO part_price (part_id, valid_from, list_price, currency)
SELECT p.id, date '1970-01-01', p.list_price, p.currency FROM part p WHERE p.id = ANY($1::uuid[]) AND p.list_price IS NOT NULL
AND NOT EXISTS (SELECT 1 FROM part_price x WHERE x.part_id = p.id)
"""
# The price that counts on a day becomes the part's own. $1 parts, $2 day.
PRICES_OF_THE_DAY = """
UPDATE part p SET list_price = c.list_price, currency = c.currency FROM (
    SELECT DISTINCT ON (i.id) i.id, x.list_price, x.currency FROM unnest($1::uuid[]) AS i (id)
    LEFT JOIN part_price x ON x.part_id = i.id AND x.valid_from <= $2 ORDER BY i.id, x.valid_from DESC
) c WHERE p.id = c.id AND (p.list_price, p.currency) IS DISTINCT FROM (c.list_price, c.currency)
"""
# A file of parts that says a price says it as of its day, where a part has prices with days. $1 parts, $2 day.
PRICES_AS_SAID = """
INSERT INTO part_price (part_id, valid_from, list_price, currency)
SELECT p.id, $2::date, p.list_price, p.currency FROM part p WHERE p.id = ANY($1::uuid[]) AND p.list_price IS NOT NULL
AND EXISTS (SELECT 1 FROM part_price x WHERE x.part_id = p.id)
ON CONFLICT (part_id, valid_from) DO UPDATE SET list_price = excluded.list_price, currency = excluded.currency
"""
# Prices whose day has come, also where nobody looked for some weeks. $1 today.
PRICES_DUE = """
UPDATE part p SET list_price = c.list_price, currency = c.currency FROM (
    SELECT DISTINCT ON (x.part_id) x.part_id, x.list_price, x.currency FROM part_price x
    WHERE x.part_id IN (SELECT n.part_id FROM part_price n WHERE n.valid_from BETWEEN $1::date - 45 AND $1::date) AND x.valid_from <= $1
    ORDER BY x.part_id, x.valid_from DESC
) c WHERE p.id = c.part_id AND (p.list_price, p.currency) IS DISTINCT FROM (c.list_price, c.currency)
"""

# -- undoing ---------------------------------------------------------------------------------------------------------


def judge(kind: str) -> str:
    """What can be taken back of each change: where the record is as the import left it. Fields that somebody changed since
    stay, and with them the rest of what was made."""
    return f"""
    UPDATE catalogue_change r SET
        undone = CASE WHEN x.why IS NOT NULL THEN 'kept' WHEN x.since IS NOT NULL THEN
            CASE WHEN r.act = 'new' OR x.all_since THEN 'kept' ELSE 'partly' END ELSE 'undone' END,
        kept_because = coalesce(x.why, 'Changed since: ' || replace(x.since, '_', ' ') || '.')
    FROM (
        SELECT r.row_no, CASE WHEN r.act = 'vanished' AND c.record IS NOT NULL THEN 'It is on record again.'
                WHEN r.act <> 'vanished' AND c.record IS NULL THEN 'It is not on record any more.'
                WHEN r.act = 'new' AND r.target_id = ANY($2::uuid[]) THEN $3::text END AS why,
            d.since, d.all_since
        FROM catalogue_change r LEFT JOIN LATERAL ({RECORDS[kind]}) c ON true
        LEFT JOIN LATERAL (
            SELECT string_agg(e.key, ', ' ORDER BY e.key) FILTER (WHERE c.record->e.key IS DISTINCT FROM e.value) AS since,
                bool_and(c.record->e.key IS DISTINCT FROM e.value) AS all_since
            FROM jsonb_each(r.after) e WHERE r.act <> 'vanished' AND c.record ? e.key
        ) d ON true
        WHERE r.job_id = $1
    ) x WHERE r.job_id = $1 AND r.row_no = x.row_no
    """


def _back(kind: str) -> str:
    """Of changes that are undone at least in part: the fields that nobody changed since, with the values before."""
    return f"""
    SELECT r.target_id, r.other_id, r.key, (
        SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each(r.before) e WHERE c.record->e.key IS NOT DISTINCT FROM r.after->e.key
    ) AS new FROM catalogue_change r CROSS JOIN LATERAL ({RECORDS[kind]}) c
    WHERE r.job_id = $1 AND r.act = 'changed' AND r.undone IN ('undone', 'partly')
    """


_UNDO = "r.job_id = $1 AND r.undone = 'undone' AND r.act = "
_UNMADE = {
    "parts": [
        f"DELETE FROM part_number n USING catalogue_change r WHERE {_UNDO}'new' AND n.part_id = r.target_id",
        f"DELETE FROM part p USING catalogue_change r WHERE {_UNDO}'new' AND p.id = r.target_id",
    ],
    "sites": [f"DELETE FROM site p USING catalogue_change r WHERE {_UNDO}'new' AND p.id = r.target_id"],
    "prices": [
        f"DELETE FROM part_price p USING catalogue_change r WHERE {_UNDO}'new' AND p.part_id = r.target_id AND p.valid_from = r.key::date"
    ],
    "numbers": [
        (
            f"DELETE FROM part_number p USING catalogue_change r WHERE {_UNDO}'new' AND p.part_id = r.target_id AND p.scheme = r.key "
            "AND p.number = r.other"
        )
    ],
    "supersessions": [
        (
            f"DELETE FROM supersession p USING catalogue_change r WHERE {_UNDO}'new' AND r.key = 'supersession' "
            "AND p.from_part_id = r.target_id AND p.to_part_id = r.other_id"
        ),
        (
            f"DELETE FROM alternate p USING catalogue_change r WHERE {_UNDO}'new' AND r.key = 'alternate' "
            "AND p.part_id = r.target_id AND p.alternate_part_id = r.other_id"
        ),
        (
            f"INSERT INTO supersession (from_part_id, to_part_id, effective_on, note) SELECT r.target_id, r.other_id, "
            f"(r.before->>'effective_on')::date, r.before->>'note' FROM catalogue_change r WHERE {_UNDO}'vanished' AND r.key = 'supersession'"
        ),
        (
            f"INSERT INTO alternate (part_id, alternate_part_id, note) SELECT r.target_id, r.other_id, r.before->>'note' "
            f"FROM catalogue_change r WHERE {_UNDO}'vanished' AND r.key = 'alternate'"
        ),
    ],
}


def unwrite(kind: str) -> list[str]:
    """Takes back what ``judge`` found can be."""
    return [*_write(kind, _back(kind)), *_UNMADE[kind]]
