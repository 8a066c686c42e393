"""The ledger: lots, positions, movements, holds, permits. Every unit is somewhere, exactly once. Knows no clauses."""
