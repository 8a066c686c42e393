"""The log that commits to every movement: entries, a Merkle tree over them, signed checkpoints, tiles, proofs and bundles.
Pure: bytes in, bytes out. FORMAT.md has the formats; they cannot change after the first checkpoint."""
