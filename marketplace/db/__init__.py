"""The database: engines, typed sessions, the tenant, column types, the embedded server. Knows no domain."""
