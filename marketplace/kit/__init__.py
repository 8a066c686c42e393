"""Pure building blocks: ids, money, canonical bytes, error kinds, pages of results. No I/O, no clock, no session."""
