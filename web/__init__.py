"""Everything a browser sees. Imports marketplace, never the reverse; no SQL."""
