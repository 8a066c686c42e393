"""Which code page bytes are written in that are not UTF-8: each is read, and what reads most like words wins."""

from __future__ import annotations

from itertools import pairwise

_LATIN = ("cp1252", "cp1250", "cp850", "iso8859_2", "mac_roman")
"""The most usual first: it wins where two read the same."""
_CYRILLIC = ("cp1251", "cp866", "koi8_r")
_ENOUGH = 0.5
_MOST_BYTES = 1 << 18
_CUT_FROM = 1 << 16
WORDS = {
    "cp1252": "Western Windows (cp1252)", "cp1250": "Central European Windows (cp1250)", "cp850": "DOS (cp850)",
    "iso8859_2": "Central European (ISO 8859-2)", "mac_roman": "old Mac", "cp1251": "Cyrillic Windows (cp1251)",
    "cp866": "Cyrillic DOS (cp866)", "koi8_r": "Cyrillic (KOI8-R)", "cp932": "Japanese (Shift-JIS)", "euc_jp": "Japanese (EUC)",
    "gb18030": "Chinese (GB 18030)",
}  # fmt: skip


def code_page(sample: bytes) -> str | None:
    """The likeliest code page, as a Python codec; None where nothing reads like words."""
    sample = sample[:_MOST_BYTES]
    for codec in ("cp932", "euc_jp", "gb18030"):
        text = _whole(sample, codec)
        if text is not None and _asian(text, kana=codec != "gb18030"):
            return codec
    scores = {codec: _reads(text) for codec in (*_LATIN, *_CYRILLIC) if (text := _whole(sample, codec)) is not None}
    best = max(scores, key=lambda codec: scores[codec], default="")
    return best if best and scores[best] >= _ENOUGH else None


def _whole(sample: bytes, codec: str) -> str | None:
    """The sample in this code page; None where it is not. A piece of a long file may begin and end within a letter."""
    ends = (0, 1, 2, 3) if len(sample) > _CUT_FROM else (0,)
    for start in ends[:2]:
        for end in ends:
            try:
                return sample[start : len(sample) - end].decode(codec)
            except UnicodeDecodeError:
                continue
    return None


def _asian(text: str, *, kana: bool) -> bool:
    """Whether nearly all that is not ASCII is Chinese characters or kana, with kana among them where it is to be Japanese."""
    odd = [c for c in text if ord(c) > 127]
    full = sum(1 for c in odd if "\u3000" <= c <= "\u30ff" or "\u4e00" <= c <= "\u9fff" or "\uff00" <= c <= "\uff5e")
    syllables = sum(1 for c in odd if "\u3040" <= c <= "\u30ff")
    # Western letters that are read two by two stand within words of ASCII letters; these hardly ever do.
    glued = sum(
        1
        for a, b in pairwise(text)
        if (ord(a) > 127 and b.isascii() and b.isalpha()) or (ord(b) > 127 and a.isascii() and a.isalpha())
    )
    return (
        len(odd) >= 2
        and glued <= 0.15 * len(odd)
        and full >= 0.9 * len(odd)
        and (not kana or syllables >= 0.04 * len(odd))
    )


def _reads(text: str) -> float:
    """1 where every letter beyond ASCII stands as letters do in words; less for signs within words, capitals behind small letters,
    scripts mixed in a word, and Latin letters with accents in a row."""
    total = many = 0.0
    before = " "
    for letter in text:
        if ord(letter) > 127:
            many += 1
            total += _stands(letter, before)
        before = letter
    return total / many if many else 0.0


def _stands(letter: str, before: str) -> float:
    if not letter.isalpha():
        return -1.0 if before.isalpha() or ord(letter) < 160 else 0.2
    cyrillic = "\u0400" <= letter <= "\u04ff"
    if letter.isupper() and before.islower():
        return -1.0
    if before.isalpha():
        if cyrillic != ("\u0400" <= before <= "\u04ff"):
            return -1.0
        if not cyrillic and ord(before) > 127:
            return -0.5
    return 1.0
