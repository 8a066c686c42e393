"""What may be a password, after NIST SP 800-63B-4, section 3.1.1.2: length counts, composition does not.

At least fifteen characters (a password is the only factor until a second one is set up), any character, nothing that must be in it; it
is compared with what is chosen most often and with what anybody knows of the person. What is compared is the whole password, not parts
of it: a sentence may contain a common word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from marketplace.parties.common_passwords import COMMON

MINIMUM: Final = 15
MAXIMUM: Final = 200
"""Characters; a limit there must be, so that hashing cannot be made to take long."""
HOW: Final = f"At least {MINIMUM} characters; a short sentence is easiest to keep in mind. Nothing special has to be in it, and pasting is fine."
_SITE: Final = ("backstock",)
_RUNS: Final = (
    "abcdefghijklmnopqrstuvwxyz" * 2, "01234567890123456789", "qwertyuiopasdfghjklzxcvbnm", "qwertyuiop", "asdfghjkl", "zxcvbnm",
)  # fmt: skip
_LONGEST_PERIOD: Final = 5


def normalised(password: str) -> str:
    """As it is hashed: one way of writing each character, whatever keyboard it came from."""
    return unicodedata.normalize("NFC", password)


def own_words(*texts: str) -> frozenset[str]:
    """The words of names and addresses, in small letters, of three characters or more: what others know of a person."""
    parts = (p for text in texts for p in re.split(r"[\W_]+", text.casefold()))
    return frozenset(p for p in parts if len(p) >= 3)


def objection(password: str, known: Iterable[str] = ()) -> str | None:
    """Why this cannot be a password, as a sentence that says what to do; None where it can. ``known``: ``own_words`` of the person."""
    if len(password) < MINIMUM:
        return f"A password has at least {MINIMUM} characters; this has {len(password)}. A short sentence is easiest to keep in mind."
    if len(password) > MAXIMUM:
        return f"A password has at most {MAXIMUM} characters; this has {len(password)}."
    small = normalised(password).casefold()
    bare = re.sub(r"[\W_]+", "", small)
    if _repeats(bare) or _repeats(small) or _runs(bare):
        return "This repeats itself or runs along the keyboard, which is tried first. Choose words that do not belong together."
    letters = bare.strip("0123456789")
    if bare in COMMON or letters in COMMON or _made_of(letters, COMMON, most=2):
        return "This is among the passwords that are tried first. Choose words that do not belong together."
    if _made_of(letters, {*known, *_SITE}, most=8):
        return (
            "This is made of your name, your company or your address, which others know. Choose words of another kind."
        )
    return None


def _repeats(text: str) -> bool:
    return any(
        len(text) > p and text == (text[:p] * len(text))[: len(text)] for p in range(1, _LONGEST_PERIOD + 1)
    ) or (
        # A common password said twice is one of eight letters, not of sixteen.
        any(
            text == word * (len(text) // len(word))
            for word in {text[: len(text) // n] for n in (2, 3)}
            if word in COMMON
        )
    )


def _runs(text: str) -> bool:
    return len(text) >= _LONGEST_PERIOD and any(text in run or text[::-1] in run for run in _RUNS)


def _made_of(text: str, words: Iterable[str], *, most: int) -> bool:
    """Whether the text is nothing but at most so many of these words, one after the other, figures between them aside."""
    text = re.sub(r"[0-9]+", "", text)
    known = {w for w in words if w and w in text}
    fewest = {0: 0}
    for end in range(1, len(text) + 1):
        counts = [
            fewest[end - len(w)] + 1 for w in known if end - len(w) in fewest and text.startswith(w, end - len(w))
        ]
        if counts:
            fewest[end] = min(counts)
    return bool(text) and fewest.get(len(text), most + 1) <= most
