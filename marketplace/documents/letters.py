"""Which letters the typefaces inside the typesetter have, and how the others are written.

Libertinus Serif, New Computer Modern and DejaVu Sans Mono come with the typesetter, and a paper is set in these only:
Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew, Arabic, Devanagari, and signs. What they lack (Chinese, Japanese,
Korean, emoji), and what would be invisible or turn the text around it (controls, direction overrides), is written as
its number in Unicode: ``[U+4E2D]``.
"""

from __future__ import annotations

import re
from typing import Final

SET: Final = (
    (0x0020, 0x007E), (0x00A0, 0x00AC), (0x00AE, 0x034E), (0x0350, 0x0377), (0x037A, 0x037F), (0x0384, 0x038A),
    (0x038C, 0x038C), (0x038E, 0x03A1), (0x03A3, 0x04FF), (0x0510, 0x0513), (0x0531, 0x0556), (0x0559, 0x058A), (0x058D, 0x058F),
    (0x0591, 0x05C7), (0x05D0, 0x05EA), (0x05EF, 0x05F4), (0x0606, 0x060C), (0x061B, 0x061B), (0x061F, 0x061F),
    (0x0621, 0x063A), (0x0640, 0x0655), (0x0660, 0x066D), (0x0679, 0x067B), (0x067E, 0x0680), (0x0683, 0x0684),
    (0x0686, 0x0687), (0x0691, 0x0691), (0x0698, 0x0698), (0x06A4, 0x06A4), (0x06A9, 0x06A9), (0x06AF, 0x06AF),
    (0x06BE, 0x06BE), (0x06CC, 0x06CC), (0x06F0, 0x06F9), (0x0900, 0x097F), (0x0E3F, 0x0E3F), (0x10D0, 0x10FF),
    (0x1E00, 0x1F15), (0x1F18, 0x1F1D), (0x1F20, 0x1F45), (0x1F48, 0x1F4D), (0x1F50, 0x1F57), (0x1F5F, 0x1F7D),
    (0x1F80, 0x1FB4), (0x1FB6, 0x1FC4), (0x2010, 0x2027), (0x2030, 0x2040), (0x2044, 0x2052), (0x2070, 0x2071),
    (0x2074, 0x208E), (0x20A0, 0x20C0), (0x2100, 0x211E), (0x2120, 0x2120), (0x2122, 0x2122), (0x2126, 0x2151),
    (0x2153, 0x2184), (0x2190, 0x22FF), (0x2500, 0x2606), (0x2713, 0x2714), (0x2717, 0x2718), (0x27E8, 0x27E9),
    (0xFB00, 0xFB06),
)  # fmt: skip
"""First and last of every run of letters that are set."""
FEWEST: Final = ((0x0020, 0x007E), (0x00A0, 0x00AC), (0x00AE, 0x02AF), (0x2010, 0x2027), (0x20AC, 0x20AC))
"""Letters that are set whatever stands beside them: some marks fit only some letters."""


def _class(runs: tuple[tuple[int, int], ...]) -> re.Pattern[str]:
    inside = "".join(f"\\u{first:04x}-\\u{last:04x}" for first, last in runs)
    return re.compile(f"[^{inside}]")


_OTHERS: Final = _class(SET)
_OTHERS_OF_FEWEST: Final = _class(FEWEST)


def visible(text: str, *, fewest: bool = False) -> str:
    """``text`` with every letter that is not set written as its number; line ends and tabs become spaces.
    ``fewest``: only the safest letters are set."""
    spaced = re.sub(r"[\t\n\r]", " ", text)
    return (_OTHERS_OF_FEWEST if fewest else _OTHERS).sub(lambda found: f"[U+{ord(found[0]):04X}]", spaced)


def all_visible(text: str) -> bool:
    """Whether every letter of ``text`` is set as it is."""
    return _OTHERS.search(re.sub(r"[\t\n\r]", " ", text)) is None
