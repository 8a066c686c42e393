"""Pictures: looked through whole before they are kept, without what a camera writes beside them (where it was, whose it is), with a
small one to show in lists. Pure: bytes in, bytes out; run it in a thread."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from PIL import Image, ImageOps

from marketplace.kit.errors import DomainError, invalid

MOST_PIXELS: Final = 60_000_000
"""A camera's largest; a small file can unfold into gigabytes."""
SMALL: Final = 320
_ORIENTATION: Final = 0x0112


class Picture(NamedTuple):
    """What is kept of a picture: ``content`` without its metadata, ``small`` as WebP of at most 320 by 320 pixels, upright."""

    content: bytes
    width: int
    height: int
    small: bytes


def looked_through(content: bytes, media_type: str) -> Picture:
    """Raises ``document.pixels``, ``document.damaged``."""
    try:
        with warnings.catch_warnings():
            # Its size is looked at below, before anything is unfolded.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=[media_type.split("/")[1].upper()]) as picture:
                width, height = picture.size
                if width * height > MOST_PIXELS:
                    raise _too_many(width, height)
                turned = picture.getexif().get(_ORIENTATION, 1)
                picture.load()
                upright = ImageOps.exif_transpose(picture)
                upright.thumbnail((SMALL, SMALL))
                out = io.BytesIO()
                upright.convert("RGBA" if "A" in upright.getbands() or "transparency" in upright.info else "RGB").save(
                    out, "WEBP", quality=80
                )
        bare = {"image/jpeg": _bare_jpeg, "image/png": _bare_png, "image/webp": _bare_webp}[media_type]
        return Picture(bare(content, turned if turned in range(2, 9) else 1), width, height, out.getvalue())
    except DomainError:
        raise
    except Image.DecompressionBombError:
        raise _too_many(0, 0) from None
    # Whatever a damaged picture makes the decoder stumble over.
    except Exception:  # noqa: BLE001
        raise invalid(
            "document.damaged",
            "This picture is damaged: it cannot be read to its end. Save or take it again.",
            field="file",
        ) from None


def _too_many(width: int, height: int) -> DomainError:
    size = f" ({width:,} by {height:,})" if width else ""
    return invalid(
        "document.pixels",
        f"This picture has more than {MOST_PIXELS // 1_000_000} million pixels{size}. Save it smaller.",
        field="file",
    )


def _turned_by(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    return exif.tobytes()


_BESIDE_JPEG: Final = frozenset({*range(0xE1, 0xEE), 0xEF, 0xFE})


def _bare_jpeg(content: bytes, orientation: int) -> bytes:
    """Without the application segments (Exif, XMP, IPTC, maker's notes) and comments; colours (ICC, Adobe) and which way is up stay.
    Not a pixel is touched. What stands behind the end of the picture goes too."""
    out = bytearray(content[:2])
    if orientation != 1:
        exif = _turned_by(orientation)
        out += b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    at = 2
    while at + 4 <= len(content):
        while content[at] == 0xFF and content[at + 1] == 0xFF:
            at += 1
        if content[at] != 0xFF:
            raise ValueError
        marker = content[at + 1]
        if marker == 0xD9:
            break
        size = 2 + struct.unpack(">H", content[at + 2 : at + 4])[0]
        if marker not in _BESIDE_JPEG or content[at + 4 : at + 8] == b"ICC_":
            out += content[at : at + size]
        at += size
        if marker == 0xDA:
            end = _end_of_scan(content, at)
            out += content[at:end]
            at = end
    return bytes(out + b"\xff\xd9")


def _end_of_scan(content: bytes, at: int) -> int:
    """Where the next marker stands that is none of the coded data (FF00 and restarts are)."""
    while (at := content.find(b"\xff", at)) != -1 and at + 1 < len(content):
        if content[at + 1] not in {0x00, 0xFF, *range(0xD0, 0xD8)}:
            return at
        at += 1 if content[at + 1] == 0xFF else 2
    return len(content)


_OF_PNG: Final = frozenset(
    {
        b"IHDR",
        b"PLTE",
        b"IDAT",
        b"IEND",
        b"tRNS",
        b"cHRM",
        b"gAMA",
        b"iCCP",
        b"sBIT",
        b"sRGB",
        b"bKGD",
        b"pHYs",
        b"acTL",
        b"fcTL",
        b"fdAT",
    }
)


def _bare_png(content: bytes, orientation: int) -> bytes:
    """Only the chunks that the picture is drawn from, and which way is up."""
    out = bytearray(content[:8])
    for name, chunk in _chunks(content, 8, ">I4s", 12):
        if name in _OF_PNG:
            out += chunk
        if name == b"IHDR" and orientation != 1:
            exif = _turned_by(orientation).removeprefix(b"Exif\x00\x00")
            out += _png_chunk(b"eXIf", exif)
        if name == b"IEND":
            break
    return bytes(out)


def _png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _bare_webp(content: bytes, orientation: int) -> bytes:
    """Without Exif and XMP, which way is up excepted."""
    kept = bytearray()
    for name, chunk in _chunks(content, 12, "<4sI", 8):
        if name == b"VP8X":
            flags = chunk[8] & ~0x0C | (0x08 if orientation != 1 else 0)
            kept += chunk[:8] + bytes([flags]) + chunk[9:]
        elif name not in (b"EXIF", b"XMP "):
            kept += chunk
    if orientation != 1 and kept.startswith(b"VP8X"):
        exif = _turned_by(orientation).removeprefix(b"Exif\x00\x00")
        kept += b"EXIF" + struct.pack("<I", len(exif)) + exif + b"\x00" * (len(exif) % 2)
    return b"RIFF" + struct.pack("<I", len(kept) + 4) + b"WEBP" + bytes(kept)


def _chunks(content: bytes, at: int, head: str, around: int) -> Iterator[tuple[bytes, bytes]]:
    """Name and whole of each piece. Raises ``ValueError`` where one ends beyond the file."""
    while at + 8 <= len(content):
        first, second = struct.unpack(head, content[at : at + 8])
        name, size = (first, second) if isinstance(first, bytes) else (second, first)
        # RIFF fills up to even places.
        whole = size + around + (size % 2 if around == 8 else 0)
        if at + size + around > len(content):
            raise ValueError
        yield name, content[at : at + whole]
        at += whole
