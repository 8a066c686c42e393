"""Statements that compare a file with the stock lines of earlier files and with what the ledger says is there.

$1 is the job, $2 the company; $3 the sites the file speaks of, where a statement needs them.
"""

from __future__ import annotations

from collections.abc import Collection

FORGET_HERE = "UPDATE import_row SET here_already = 0 WHERE job_id = $1 AND here_already <> 0"

# Lines of one family (same part, condition and batch, or same serial) are paired by bin, then in order: stock that
# was put on another shelf is not new stock. Only rows whose line is another than an earlier look found are written: for a
# million rows that is all of them once, and none when they land.
MATCH = """
WITH file AS (
    SELECT row_no, line_id, site_id, family, coalesce(bin, '') AS bin,
           row_number() OVER (PARTITION BY site_id, family, coalesce(bin, '') ORDER BY row_no) AS k
    FROM import_row WHERE job_id = $1 AND site_id IS NOT NULL AND family IS NOT NULL
), lines AS (
    SELECT x.*, row_number() OVER (PARTITION BY site_id, family, bin ORDER BY ordinal) AS k
    FROM (
        SELECT id, site_id, coalesce(bin, '') AS bin, regexp_replace(line_key, '#[0-9]+$', '') AS family,
               substring(line_key FROM '#([0-9]+)$')::int AS ordinal
        FROM stock_line WHERE company_id = $2 AND site_id = ANY($3::uuid[])
    ) x
), same_bin AS (
    SELECT f.row_no, l.id FROM file f JOIN lines l USING (site_id, family, bin, k)
), other_rows AS (
    SELECT f.row_no, f.site_id, f.family, row_number() OVER (PARTITION BY f.site_id, f.family ORDER BY f.row_no) AS k
    FROM file f WHERE NOT EXISTS (SELECT 1 FROM same_bin s WHERE s.row_no = f.row_no)
), other_lines AS (
    SELECT l.id, l.site_id, l.family, row_number() OVER (PARTITION BY l.site_id, l.family ORDER BY l.ordinal) AS k
    FROM lines l WHERE NOT EXISTS (SELECT 1 FROM same_bin s WHERE s.id = l.id)
), matched AS (
    SELECT row_no, id FROM same_bin
    UNION ALL
    SELECT r.row_no, l.id FROM other_rows r JOIN other_lines l USING (site_id, family, k)
), changed AS (
    SELECT f.row_no, m.id FROM file f LEFT JOIN matched m USING (row_no) WHERE f.line_id IS DISTINCT FROM m.id
)
UPDATE import_row t SET line_id = c.id FROM changed c WHERE t.job_id = $1 AND t.row_no = c.row_no
"""

# Units that came to the site otherwise (bought, called back, moved) have no stock line there, but the file counts
# them too. They are laid over the rows of their part, matched rows first; what no row needs stays with the first one
# and shows as a difference.
HERE_ALREADY = """
WITH loose AS (
    SELECT p.site_id, p.part_id, sum(p.quantity) AS units
    FROM position p
    WHERE p.holder_id = $2 AND p.quantity > 0 AND p.site_id = ANY($3::uuid[]) AND NOT p.serialised
      AND NOT EXISTS (SELECT 1 FROM stock_line k
                      WHERE k.company_id = $2 AND k.lot_id = p.lot_id AND k.site_id = p.site_id)
    GROUP BY p.site_id, p.part_id
), rows AS (
    SELECT r.row_no, r.site_id, r.part_id, x.units, r.line_id,
           greatest(r.quantity - coalesce((
               SELECT sum(p.quantity) FILTER (WHERE p.holder_id = $2 AND p.site_id = r.site_id) FROM position p
               WHERE p.lot_id = (SELECT k.lot_id FROM stock_line k WHERE k.id = r.line_id)), 0), 0) AS need
    FROM import_row r JOIN loose x ON x.site_id = r.site_id AND x.part_id = r.part_id
    WHERE r.job_id = $1 AND r.quantity IS NOT NULL AND r.serial IS NULL AND NOT r.bad
), shared AS (
    SELECT row_no, units, need, sum(need) OVER w AS upto, sum(need) OVER (PARTITION BY site_id, part_id) AS total,
           row_number() OVER w AS place
    FROM rows WINDOW w AS (PARTITION BY site_id, part_id ORDER BY line_id IS NULL, row_no)
)
UPDATE import_row t
SET here_already = least(s.need, greatest(s.units - (s.upto - s.need), 0))
                 + CASE WHEN s.place = 1 THEN greatest(s.units - s.total, 0) ELSE 0 END
FROM shared s WHERE t.job_id = $1 AND t.row_no = s.row_no
"""

# Row by row, by the lot's key alone: a join would let a planner that has not yet heard of this stock begin with the
# positions of the site and read all rows of the file for each (97 s for 15,000 rows).
SERIAL_HERE_ALREADY = """
UPDATE import_row r SET here_already = 1
WHERE r.job_id = $1 AND r.serial IS NOT NULL AND r.line_id IS NULL AND (
    SELECT count(*) FILTER (WHERE p.holder_id = $2 AND p.site_id = r.site_id AND p.quantity > 0)
    FROM position p WHERE p.lot_id = r.lot_id) > 0
"""

# What is wrong with a row only beside other rows, or beside the ledger.
LATE_ISSUES = """
WITH repeated AS (
    SELECT row_no, serial, first_value(row_no) OVER w AS first_row
    FROM import_row WHERE job_id = $1 AND serial IS NOT NULL WINDOW w AS (PARTITION BY lot_id ORDER BY row_no)
), registered AS (
    SELECT r.row_no, r.serial, s.name AS site, p.holder_id
    FROM import_row r JOIN LATERAL (
        -- A unit with a serial number stands in one place; OFFSET keeps the look-up one row's, as above.
        SELECT p.holder_id, p.site_id
        FROM lot l LEFT JOIN position p ON p.lot_id = l.lot_id AND p.quantity > 0
        WHERE l.lot_id = r.lot_id ORDER BY p.position_id OFFSET 0
    ) p ON true LEFT JOIN site s ON s.id = p.site_id
    WHERE r.job_id = $1 AND r.serial IS NOT NULL AND r.line_id IS NULL AND r.here_already = 0
), found AS (
    SELECT row_no, 'serial' AS field, 'import.serial_twice' AS code,
           format('Serial number ''%s'' of this part stands in row %s already.', serial, first_row) AS words,
           serial AS value
    FROM repeated WHERE first_row < row_no
    UNION ALL
    SELECT row_no, 'serial', 'import.serial_registered',
           format('Serial number ''%s'' of this part is registered already%s.', serial, CASE
               WHEN holder_id = $2 AND site IS NOT NULL THEN format(' at %s: record a move instead', site)
               WHEN holder_id IS NULL THEN ' and has left your stock' ELSE ' and is not in your hands' END), serial
    FROM registered
    UNION ALL
    SELECT row_no, 'quantity', 'import.quantity_zero', 'The quantity is 0: there is nothing to take in.', '0'
    FROM import_row WHERE job_id = $1 AND quantity = 0 AND line_id IS NULL AND here_already = 0
)
INSERT INTO import_issue (job_id, row_no, field, company_id, code, message, value)
SELECT $1::uuid, row_no, field, $2::uuid, code, words, value FROM found
ON CONFLICT (job_id, row_no, field) DO NOTHING
"""

MARK_BAD = """
UPDATE import_row r SET bad = true
WHERE r.job_id = $1 AND NOT r.bad AND EXISTS (SELECT 1 FROM import_issue i WHERE i.job_id = $1 AND i.row_no = r.row_no)
"""

# Sites of which something can be said to be gone: the file tells of all their stock, and not only in bad rows (one row
# with a slip in its site would else offer to count a whole depot away).
_TOLD = """
    SELECT DISTINCT r.site_id FROM import_row r JOIN import_job j ON j.id = r.job_id
    WHERE r.job_id = $1 AND NOT r.bad AND j.covers = 'all'
"""

# Positions are looked up line by line, by lot only: beside the lot, site and holder are filters, so that no planner
# without statistics prefers to read all stock of a site for each line.
_STANDING = f"""
WITH told AS ({_TOLD}), standing AS (
    SELECT k.id, k.lot_id, k.part_id, k.site_id, k.vanished_on, k.serial IS NOT NULL AS serialised,
           coalesce(h.units, 0)::int AS units, greatest(coalesce(h.loose, 0), 0)::int AS loose, h.condition
    FROM stock_line k
    LEFT JOIN LATERAL (
        SELECT sum(p.quantity) FILTER (WHERE p.holder_id = $2 AND p.site_id = k.site_id) AS units,
               sum(p.quantity - p.held - coalesce((
                   SELECT sum(b.quantity) FROM listing_lot b
                   WHERE b.lot_id = p.lot_id AND b.position_id = p.position_id), 0))
                   FILTER (WHERE p.holder_id = $2 AND p.site_id = k.site_id AND p.owner_id = $2
                           AND p.agreement_id IS NULL) AS loose,
               max(p.condition) FILTER (WHERE p.holder_id = $2 AND p.site_id = k.site_id AND p.quantity > 0) AS condition
        FROM position p WHERE p.lot_id = k.lot_id
    ) h ON true
    WHERE k.company_id = $2 AND k.site_id = ANY($3::uuid[])
), compared AS (
    SELECT s.id AS line_id, s.lot_id, s.part_id, s.site_id, s.units + r.here_already AS before, r.quantity AS file,
           s.loose, s.serialised, false AS vanished, r.row_no, NULL AS was, NULL AS "is"
    FROM import_row r JOIN standing s ON s.id = r.line_id
    WHERE r.job_id = $1 AND NOT r.bad AND r.quantity <> s.units + r.here_already
    UNION ALL
    SELECT NULL, NULL, r.part_id, r.site_id, r.here_already, r.quantity, 0, false, false, r.row_no, NULL, NULL
    FROM import_row r
    WHERE r.job_id = $1 AND NOT r.bad AND r.line_id IS NULL AND r.here_already > r.quantity
    UNION ALL
    -- A unit with a serial number stays that unit in another condition, if the file tells conditions at all; other stock
    -- then is another line.
    SELECT s.id, s.lot_id, s.part_id, s.site_id, s.units, r.quantity, s.loose, true, false, r.row_no, s.condition, r.condition
    FROM import_row r JOIN standing s ON s.id = r.line_id
    WHERE r.job_id = $1 AND NOT r.bad AND r.serial IS NOT NULL AND s.units = r.quantity AND s.condition <> r.condition
      AND (SELECT j.mapping -> 'columns' ->> 'condition' FROM import_job j WHERE j.id = $1) IS NOT NULL
    UNION ALL
    SELECT s.id, s.lot_id, s.part_id, s.site_id, s.units, 0, s.loose, s.serialised, true, NULL, NULL, NULL
    FROM standing s
    WHERE s.units > 0 AND s.vanished_on IS NULL AND s.site_id IN (SELECT site_id FROM told)
      AND NOT EXISTS (SELECT 1 FROM import_row r WHERE r.job_id = $1 AND r.line_id = s.id)
), differences AS (
    -- A unit with a serial number that has left is not counted in again: there is only one of it.
    SELECT c.*, CASE WHEN file = before THEN least(file, loose) WHEN file > before AND serialised THEN 0 WHEN file > before THEN file - before ELSE least(before - file, loose) END AS applicable,
           CASE WHEN file = before THEN file - least(file, loose) WHEN file > before THEN 0 ELSE before - file - least(before - file, loose) END AS shortage
    FROM compared c
)
"""

_MANY_GONE = 10
"""Fewer lines than this may be gone from a site without a question."""

# Doubted: at sites where more lines would be gone (left out, or named with nothing: the wrong column) than the file names
# with units, and not only a few.
_COUNTED = f""", gone AS (
    SELECT site_id, count(*) AS lines FROM differences WHERE file = 0 GROUP BY site_id
), named AS (
    SELECT site_id, count(*) AS lines FROM import_row
    WHERE job_id = $1 AND NOT bad AND line_id IS NOT NULL AND quantity > 0 GROUP BY site_id
)
SELECT count(*) FILTER (WHERE NOT vanished)::int AS changed, count(*) FILTER (WHERE vanished)::int AS vanished,
    coalesce((SELECT sum(g.lines) FROM gone g LEFT JOIN named n USING (site_id)
              WHERE g.lines >= {_MANY_GONE} AND g.lines > coalesce(n.lines, 0)), 0)::int AS doubted
FROM differences
"""

# The count, with what was counted kept row by row and line by line for whoever looks at it before it lands.
NOTE_DIFFERENCES = (
    _STANDING
    + """, changed AS (
    UPDATE import_row t SET was_quantity = d.before, was_condition = d.was
    FROM differences d WHERE t.job_id = $1 AND t.row_no = d.row_no
), vanishing AS (
    INSERT INTO import_vanished (job_id, line_id, quantity) SELECT $1::uuid, line_id, before FROM differences WHERE vanished
)"""
    + _COUNTED
)

# The same count, with a proposal for each. A bad row may be the very line that seems to be missing: the person who decides is
# told how many there are.
PROPOSE = (
    _STANDING
    + """, proposed AS (
    INSERT INTO import_proposal (job_id, company_id, stock_line_id, lot_id, part_id, site_id, kind, quantity_before,
        quantity_file, applicable, shortage, detail)
    SELECT $1::uuid, $2::uuid, line_id, lot_id, part_id, site_id,
        CASE WHEN vanished THEN 'vanished' WHEN file = before THEN 'condition' WHEN file > before THEN 'more' WHEN applicable = 0 THEN 'shortage' ELSE 'less' END,
        before, file, applicable, shortage,
        jsonb_strip_nulls(jsonb_build_object('row', row_no, 'was', was, 'is', "is", 'bad_rows_at_site', CASE WHEN vanished THEN (
            SELECT nullif(count(*), 0) FROM import_row b WHERE b.job_id = $1 AND b.bad AND b.site_id = differences.site_id
                AND b.family IS NULL) END))
    FROM differences ORDER BY row_no NULLS LAST, line_id
)"""
    + _COUNTED
)

# A newer file speaks for the lines it names, and where it tells of all stock also for those it leaves out: what was
# proposed about them before is out of date. That a line was gone already stays to be decided.
SUPERSEDE = f"""
UPDATE import_proposal p SET decided = 'dismissed', decided_at = $4, decided_by = $5,
    detail = p.detail || jsonb_build_object('superseded_by', $1::uuid)
WHERE p.company_id = $2 AND p.job_id <> $1 AND p.decided IS NULL AND p.site_id = ANY($3::uuid[])
  AND (p.stock_line_id IS NULL OR EXISTS (
      SELECT 1 FROM import_row r WHERE r.job_id = $1 AND r.line_id = p.stock_line_id AND NOT r.bad)
    OR (p.kind <> 'vanished' AND p.site_id IN ({_TOLD}) AND NOT EXISTS (
      SELECT 1 FROM import_row r WHERE r.job_id = $1 AND r.line_id = p.stock_line_id)))
"""

MARK_VANISHED = f"""
UPDATE stock_line k SET vanished_on = $4
WHERE k.company_id = $2 AND k.site_id = ANY($3::uuid[]) AND k.vanished_on IS NULL
  AND k.site_id IN ({_TOLD})
  AND NOT EXISTS (SELECT 1 FROM import_row r WHERE r.job_id = $1 AND r.line_id = k.id)
"""

_TAKES = {
    "condition": "r.condition",
    "bin": "r.bin",
    "unit_cost": "r.unit_cost",
    "list_price": "r.list_price",
    "last_issue_on": "r.last_issue_on",
    "usage_12": "r.usage_12",
    "usage_24": "r.usage_24",
    "usage_36": "r.usage_36",
    "package_quantity": "coalesce(r.package_quantity, 1)",
    "protected": "coalesce(r.protected, false)",
}
"""What a line takes over from a row, by the field whose column says it. Where a later file has no such column the line
stays as it is: a file of fewer columns says less, and takes nothing back (a part would else lose that it is protected)."""
_PRICES = ("unit_cost", "list_price")


def update_lines(told: Collection[str]) -> str:
    """The statement that takes over what a file with columns for the fields ``told`` says of lines on record. $3 is the
    company's currency, $4 the file's day."""
    takes = {name: value for name, value in _TAKES.items() if name in told}
    if any(name in takes for name in _PRICES):
        prices = ", ".join(takes.get(name, f"k.{name}") for name in _PRICES)
        takes["currency"] = f"CASE WHEN coalesce({prices}) IS NOT NULL THEN $3 END"
    # $3 is named either way: a statement takes as many parameters as it names.
    said = "".join(f", {name} = {value}" for name, value in takes.items())
    return f"""
UPDATE stock_line k SET quantity = r.quantity, snapshot_on = $4, job_id = $1, vanished_on = NULL{said}
FROM import_row r WHERE r.job_id = $1 AND NOT r.bad AND r.line_id = k.id AND k.company_id = $2 AND $3::text IS NOT NULL
"""
