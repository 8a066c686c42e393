"""Statements that land the good rows: parts, then lots with their first position and movement, then stock lines.

They write exactly what ``ledger.service`` writes for a ``register`` (a test compares row by row), for any number of
rows; parts, lots, positions and movements in pieces of the file, so that it can be told how far it is. $1 is the job.
"""

from __future__ import annotations

# What is new and not there already by another way.
_NEW = "r.job_id = $1 AND NOT r.bad AND r.line_id IS NULL AND r.quantity > r.here_already"

# The same of a piece of the file: rows $2 to $3.
_PIECE = "r.row_no BETWEEN $2 AND $3"
_NEW_HERE = f"{_NEW} AND {_PIECE}"

# $4 currency.
PARTS = f"""
INSERT INTO part (id, maker_id, number, number_norm, description, uom, weight_grams, list_price, currency)
SELECT DISTINCT ON (r.part_id) r.part_id, r.maker_id, r.number, r.number_norm,
    coalesce(nullif(r.description, ''), r.number), r.uom, nullif(r.weight_grams, 0), r.list_price,
    CASE WHEN r.list_price IS NOT NULL THEN $4::text END
FROM import_row r WHERE r.job_id = $1 AND {_PIECE} AND r.new_part AND NOT r.bad ORDER BY r.part_id, r.row_no
ON CONFLICT (maker_id, number) DO NOTHING
"""

PART_NUMBERS = f"""
INSERT INTO part_number (part_id, number, number_norm, scheme)
SELECT DISTINCT r.part_id, r.number, r.number_norm, 'maker'
FROM import_row r WHERE r.job_id = $1 AND {_PIECE} AND r.new_part AND NOT r.bad
ON CONFLICT (part_id, scheme, number) DO NOTHING
"""

# $4 company, $5 when it is recorded, $6 when it happened.
LOTS = f"""
INSERT INTO lot (lot_id, part_id, serial, batch, serialised, uom, expires_on, registered_by, root_lot_id, parties,
    last_seq, last_position, last_recorded_at, last_occurred_at)
SELECT r.lot_id, r.part_id, r.serial, r.batch, r.serial IS NOT NULL, r.uom, r.expires_on, $4::uuid, r.lot_id,
    ARRAY[$4::uuid], 1, 1, $5::timestamptz, $6::timestamptz
FROM import_row r WHERE {_NEW_HERE}
ON CONFLICT (lot_id) DO NOTHING
"""

NOT_LANDED = f"""
INSERT INTO import_issue (job_id, row_no, field, company_id, code, message, value)
SELECT $1::uuid, r.row_no, 'serial', $2::uuid, 'import.serial_registered',
    'This serial number cannot be registered here. Check maker, number and serial.', coalesce(r.serial, r.batch, '')
FROM import_row r WHERE {_NEW} AND NOT EXISTS (SELECT 1 FROM lot l WHERE l.lot_id = r.lot_id)
ON CONFLICT (job_id, row_no, field) DO NOTHING
"""

# $4 company.
POSITIONS = f"""
INSERT INTO position (lot_id, position_id, part_id, serialised, owner_id, holder_id, site_id, condition, quantity, held)
SELECT r.lot_id, 1, r.part_id, r.serial IS NOT NULL, $4::uuid, $4::uuid, r.site_id, r.condition, r.quantity - r.here_already, 0
FROM import_row r WHERE {_NEW_HERE}
"""

# $4 company, $5 recorded, $6 happened, $7 actor, $8 command.
MOVEMENTS = f"""
WITH written AS (
INSERT INTO movement (lot_id, seq, kind, quantity, to_position, to_quantity_after, occurred_at, recorded_at, company_id,
    actor_id, command_id, cause_kind, cause_id, parties)
SELECT r.lot_id, 1, 'register', r.quantity - r.here_already, 1, r.quantity - r.here_already, $6::timestamptz, $5::timestamptz,
    $4::uuid, $7::uuid, $8::uuid, 'import', $1::uuid, ARRAY[$4::uuid]
FROM import_row r WHERE {_NEW_HERE}
RETURNING lot_id, seq
)
INSERT INTO unsequenced (lot_id, seq) SELECT lot_id, seq FROM written
"""

# $2 now. What its maker has stopped at every holder is stopped as it lands; the part's row was waited for when the lots were
# written, so that a hold is either seen here or sees them.
STOPPED = f"""
SELECT recall_catch(ARRAY (SELECT r.lot_id FROM import_row r WHERE {_NEW} AND r.part_id IN (SELECT recall_stopped_parts())), $2)
"""

# $3 currency, $4 snapshot. Numbers within a family go on from the highest one at the site.
LINES = f"""
INSERT INTO stock_line (company_id, site_id, part_id, line_key, lot_id, condition, serial, batch, bin, quantity,
    unit_cost, list_price, currency, last_issue_on, usage_12, usage_24, usage_36, package_quantity, protected,
    snapshot_on, job_id)
SELECT $2::uuid, r.site_id, r.part_id,
    r.family || '#' || (coalesce(t.last, 0) + row_number() OVER (PARTITION BY r.site_id, r.family ORDER BY r.row_no)),
    r.lot_id, r.condition, r.serial, r.batch, r.bin, r.quantity, r.unit_cost, r.list_price,
    CASE WHEN coalesce(r.unit_cost, r.list_price) IS NOT NULL THEN $3::text END, r.last_issue_on, r.usage_12, r.usage_24,
    r.usage_36, coalesce(r.package_quantity, 1), coalesce(r.protected, false), $4::date, $1::uuid
FROM import_row r
LEFT JOIN (
    SELECT site_id, regexp_replace(line_key, '#[0-9]+$', '') AS family,
           max(substring(line_key FROM '#([0-9]+)$')::int) AS last
    FROM stock_line WHERE company_id = $2 AND site_id = ANY($5::uuid[]) GROUP BY 1, 2
) t ON t.site_id = r.site_id AND t.family = r.family
WHERE {_NEW}
"""

COUNT_NEW = f"SELECT count(*)::int FROM import_row r WHERE {_NEW} AND $2::uuid IS NOT NULL"
