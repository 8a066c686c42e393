-- The floor of ledger.move: the rows one move writes (command, lot, both stock lines, movement), in one prepared
-- statement without locks, checks, tenant or decisions, by the schema owner over bare asyncpg. Nothing that keeps
-- these rows can be faster by much; the service is measured as a share of it.
-- $1 command  $2 company  $3 hash  $4 lot  $5 from line  $6 to line  $7 site  $8 part  $9 actor
WITH c AS (
    INSERT INTO command (command_id, company_id, input_hash, recorded_at) VALUES ($1, $2, $3, clock_timestamp())
    ON CONFLICT (command_id) DO NOTHING RETURNING 1
), l AS (
    UPDATE lot SET last_seq = last_seq + 1, last_position = greatest(last_position, $6),
        last_recorded_at = greatest(clock_timestamp(), last_recorded_at + interval '1 microsecond'),
        last_occurred_at = clock_timestamp(), parties = ARRAY[$2]
    WHERE lot_id = $4 RETURNING lot_id, last_seq, last_recorded_at, last_occurred_at
), f AS (
    UPDATE position SET quantity = quantity - 1 WHERE lot_id = $4 AND position_id = $5 RETURNING quantity, held
), t AS (
    INSERT INTO position AS p (lot_id, position_id, part_id, serialised, owner_id, holder_id, site_id, condition,
        agreement_id, beneficiary_id, quantity, held)
    VALUES ($4, $6, $8, false, $2, $2, $7, 'new', NULL, NULL, 1, 0)
    ON CONFLICT (lot_id, position_id) DO UPDATE SET quantity = p.quantity + 1 RETURNING quantity
)
INSERT INTO movement (lot_id, seq, kind, quantity, from_position, to_position, from_quantity_after, from_held_after,
    to_quantity_after, occurred_at, recorded_at, parties, company_id, actor_id, command_id, cause_kind)
SELECT l.lot_id, l.last_seq, 'move', 1, $5, $6, f.quantity, f.held, t.quantity, l.last_occurred_at, l.last_recorded_at,
    ARRAY[$2], $2, $9, $1, 'bench'
FROM c, l, f, t
