"""The tree as C2SP tlog-tiles: 256 hashes to a tile, eight levels of the tree apart."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from marketplace.ledger.log.merkle import HASH_SIZE, Read, node_hash, root_of

HEIGHT = 8
WIDTH = 1 << HEIGHT
"""Hashes in a full tile, and entries in a full bundle."""
TILE_SIZE = WIDTH * HASH_SIZE
"""Bytes of a full tile."""
MOST_LEVEL = 63
_PATH = re.compile(r"((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


class Tile(NamedTuple):
    """One tile (or, with level -1, one bundle of entries): ``width`` of 256 hashes, from ``number`` * 256 on."""

    level: int
    number: int
    width: int

    @property
    def path(self) -> str:
        """'tile/0/x001/x234/067' or 'tile/entries/000.p/17'."""
        groups = [f"{self.number % 1000:03d}"]
        rest = self.number // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03d}")
            rest //= 1000
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{'entries' if self.level < 0 else self.level}/{'/'.join(groups)}{partial}"


def parse(level: str, rest: str) -> Tile | None:
    """The tile that an address names ('0', 'x001/067.p/5'; level 'entries' for entries); None where it names none."""
    found = _PATH.fullmatch(rest)
    if found is None:
        return None
    if level == "entries":
        at = -1
    elif level.isascii() and level.isdecimal() and str(int(level)) == level and int(level) <= MOST_LEVEL:
        at = int(level)
    else:
        return None
    index = int(found[1].replace("x", "").replace("/", ""))
    width = WIDTH if found[2] is None else int(found[2])
    if found[2] is not None and width >= WIDTH:
        return None
    tile = Tile(at, index, width)
    # One resource has one address: no leading groups of zeroes.
    return tile if tile.path == f"tile/{level}/{rest}" else None


def width_at(level: int, index: int, size: int) -> int:
    """How many hashes of that tile a tree of ``size`` has: 256 for a full one, 0 where there is none."""
    whole = size >> (HEIGHT * max(level, 0))
    return max(min(whole - index * WIDTH, WIDTH), 0)


def stands_in(tile: Tile, size: int) -> bool:
    """Whether a tree of ``size`` has that tile: full, or the partial one at its right edge, or what that one was before."""
    return 0 < tile.width <= width_at(tile.level, tile.number, size)


def reader(tile: Callable[[int, int], bytes]) -> Read:
    """Hashes of full subtrees out of tiles; ``tile(level, index)`` is asked for as many hashes as there are."""

    def read(level: int, index: int) -> bytes:
        at, within = divmod(level, HEIGHT)
        first = index << within
        hashes = tile(at, first >> HEIGHT)
        start = (first % WIDTH) * HASH_SIZE
        level_hashes = [hashes[i : i + HASH_SIZE] for i in range(start, start + (HASH_SIZE << within), HASH_SIZE)]
        if any(len(h) != HASH_SIZE for h in level_hashes):
            raise LookupError(f"tile {at}/{first >> HEIGHT} does not reach to hash {first % WIDTH}")
        while len(level_hashes) > 1:
            level_hashes = [node_hash(level_hashes[i], level_hashes[i + 1]) for i in range(0, len(level_hashes), 2)]
        return level_hashes[0]

    return read


def tiles_for(level: int, index: int) -> tuple[int, int]:
    """The tile (level, index) that ``reader`` asks for the hash of the subtree (level, index)."""
    at, within = divmod(level, HEIGHT)
    return at, (index << within) >> HEIGHT


def tile_root(hashes: bytes) -> bytes:
    """The hash over a full tile: one hash of the level above."""
    row = [hashes[i : i + HASH_SIZE] for i in range(0, len(hashes), HASH_SIZE)]
    if len(row) != WIDTH:
        raise ValueError("only a full tile has a hash in the level above")
    while len(row) > 1:
        row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]


def bundle_entries(entries: list[bytes]) -> bytes:
    """Entries as tlog-tiles serves them: each after its length in two bytes, big-endian."""
    return b"".join(len(e).to_bytes(2, "big") + e for e in entries)


def unbundle(data: bytes) -> list[bytes]:
    """The entries of such a bundle. Raises ValueError where it is cut off."""
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        entry = data[at + 2 : at + 2 + length]
        if len(data) - at < 2 or len(entry) != length:
            raise ValueError(f"the bundle of entries is cut off after {len(entries)}")
        entries.append(entry)
        at += 2 + length
    return entries


class Edge:
    """The tiles at the right edge of a growing tree: for each level the last one, full or not. ``changed``: what has grown
    since it was made, by (level, number)."""

    __slots__ = ("changed", "size", "tiles")

    def __init__(self, size: int, tiles: dict[int, tuple[int, bytes]]) -> None:
        """``tiles``: level -> (number, hashes) of the last tile that a tree of ``size`` has at each level."""
        self.size = size
        self.tiles = {level: (number, bytearray(hashes)) for level, (number, hashes) in tiles.items()}
        self.changed: dict[tuple[int, int], bytearray] = {}
        for level in range(MOST_LEVEL + 1):
            whole = size >> (HEIGHT * level)
            if not whole:
                break
            number, hashes = self.tiles.get(level, (-1, bytearray()))
            if number != (whole - 1) // WIDTH or len(hashes) != HASH_SIZE * ((whole - 1) % WIDTH + 1):
                raise ValueError(f"the last tile of level {level} is not that of a tree of {size}")

    def append(self, leaf: bytes) -> None:
        """Adds a leaf hash at the end."""
        self.size += 1
        level, hash_ = 0, leaf
        while True:
            number, hashes = self.tiles.get(level, (-1, bytearray()))
            if number < 0 or len(hashes) == TILE_SIZE:
                number, hashes = number + 1, bytearray()
                self.tiles[level] = (number, hashes)
            hashes += hash_
            self.changed[level, number] = hashes
            if len(hashes) < TILE_SIZE:
                return
            level, hash_ = level + 1, tile_root(bytes(hashes))

    @property
    def root(self) -> bytes:
        """The root of the tree as it stands."""
        return root_of(reader(self._read), 0, self.size)

    def _read(self, level: int, number: int) -> bytes:
        known, hashes = self.tiles[level]
        if known != number:
            raise LookupError(f"tile {level}/{number} is not at the edge")
        return bytes(hashes)
