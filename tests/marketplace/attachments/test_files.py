"""What a file really is, what it is called, and what is left of a picture."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops

from marketplace.attachments.pictures import looked_through
from marketplace.attachments.rules import EXTENSIONS, LONGEST_NAME, safe_name, sniff
from marketplace.kit.errors import DomainError

PDF = b"%PDF-1.7\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
GPS = "Somewhere secret"


def picture(kind: str, size: tuple[int, int] = (64, 32), turned: int = 6) -> bytes:
    """A picture with a place and a maker's name beside it, and which way is up. Left half red, right half blue."""
    made = Image.new("RGB", size, "blue")
    made.paste("red", (0, 0, size[0] // 2, size[1]))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = turned, GPS
    exif.get_ifd(0x8825)[1] = "N"
    out = io.BytesIO()
    made.save(out, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_loses_what_the_camera_wrote_and_not_a_pixel(kind: str) -> None:
    before = picture(kind)
    assert GPS.encode() in before
    kept = looked_through(before, f"image/{kind.lower()}")
    assert GPS.encode() not in kept.content
    with Image.open(io.BytesIO(before)) as old, Image.open(io.BytesIO(kept.content)) as new:
        assert ImageChops.difference(old.convert("RGB"), new.convert("RGB")).getbbox() is None
        assert dict(new.getexif()) == {0x0112: 6}, "which way is up stays, and nothing else"
    with Image.open(io.BytesIO(kept.small)) as small:
        assert small.size == (32, 64), "upright"
        assert not small.getexif()
        top = small.convert("RGB").getpixel((16, 4))
        assert isinstance(top, tuple)
        assert top[0] > top[2], "what was left is above"
    assert (kept.width, kept.height) == (64, 32)


def bomb() -> bytes:
    """A few kilobytes that say they are 30,000 by 30,000 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 10_000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "code"),
    [(bomb(), "document.pixels"), (picture("PNG")[:-40], "document.damaged"), (b"\x89PNG\r\n\x1a\nnothing", "document.damaged"),
     (picture("JPEG")[:200], "document.damaged")],
)  # fmt: skip
def test_a_picture_that_unfolds_or_breaks_off_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(DomainError) as refused:
        looked_through(content, sniff(content))
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (PDF, "application/pdf"), (b"\n\n" + PDF, "application/pdf"), (picture("JPEG"), "image/jpeg"), (picture("PNG"), "image/png"),
        (picture("WEBP"), "image/webp"), (b"ISO-10303-21;\nHEADER;", "model/step"), (b"  0\r\nSECTION\r\n  2\r\nHEADER\r\n", "image/vnd.dxf"),
    ],
)  # fmt: skip
def test_what_a_file_is_is_told_from_its_content(content: bytes, found: str) -> None:
    assert sniff(content) == found


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"), (b"PK\x03\x04" + b"\0" * 40, "ZIP archive or an Office file"), (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "macros"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "SVG drawing can carry a program"),
        (b"\xef\xbb\xbf  <SVG onload=alert(1)>", "SVG drawing"), (b"<!DOCTYPE html><p>", "web page"), (b"MZ\x90\0", "program"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"), (b"hello", "cannot be told"), (b"GIF89a", "PNG"), (b"II*\0", "TIFF"),
        (b"%PDF-1.7" + b"\0" * (15 * 1024 * 1024), "larger than 15 MB"),
    ],
)  # fmt: skip
def test_what_is_not_taken_says_what_to_do_instead(content: bytes, words: str) -> None:
    with pytest.raises(DomainError) as refused:
        sniff(content)
    assert words in refused.value.message


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd.pdf"), ("C:\\scans\\FAA 8130-3.PDF", "FAA 8130-3.pdf"), ("a\u202egpj.exe", "agpj.exe.pdf"),
        ("x" * 300 + ".pdf", "x" * (LONGEST_NAME - 4) + ".pdf"), ("", "document.pdf"), (".pdf", "document.pdf"), ("CON.pdf", "_CON.pdf"),
        ("a<b>:\"|?*\x00\n.pdf", "a b.pdf"), ("Prüfzeugnis 証明書.pdf", "Prüfzeugnis 証明書.pdf"), ("photo.svg", "photo.svg.pdf"),
    ],
)  # fmt: skip
def test_names_lose_what_could_do_harm(name: str, safe: str) -> None:
    assert safe_name(name, "application/pdf") == safe


@given(st.text(max_size=400), st.sampled_from(sorted(EXTENSIONS)))
def test_any_name_becomes_one_that_stays_as_it_is(name: str, media_type: str) -> None:
    safe = safe_name(name, media_type)
    assert safe_name(safe, media_type) == safe
    assert 1 <= len(safe) <= LONGEST_NAME
    assert safe.rsplit(".", 1)[1] in EXTENSIONS[media_type]
    assert not set(safe) & set('/\\<>:"|?*\r\n\t\0')


@given(st.binary(max_size=200), st.integers(0, 2000))
def test_no_bytes_make_the_reader_of_pictures_fall_over(noise: bytes, at: int) -> None:
    """A picture in which something was overwritten is read, or refused in words."""
    for kind in ("JPEG", "PNG", "WEBP"):
        whole = bytearray(picture(kind))
        place = 12 + at % max(len(whole) - 12, 1)
        whole[place : place + len(noise)] = noise
        try:
            looked_through(bytes(whole), f"image/{kind.lower()}")
        except DomainError as refused:
            assert refused.code in {"document.damaged", "document.pixels"}  # noqa: PT017
