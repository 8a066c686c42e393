"""Sets one paper, in a process that does nothing else and then ends.

The typesetter keeps what it has laid out for the next time, some 150 MB for a schedule of 1,000 lines, and never gives
it back: inside the server that would grow for ever. Run as a program this file reads ``{"paper": ..., "made_at": ...}``
(JSON, blocks.as_json) and writes the PDF. It imports nothing of ours, needs no environment, and ends with
``LETTERS_MISSING`` where a letter of the text cannot be set.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import typst

LOOK: Final = Path(__file__).with_name("paper.typ")
LETTERS_MISSING: Final = 3
STANDARDS: Final[list[typst.PDFStandard]] = ["a-3a", "ua-1"]
"""Kept for decades (PDF/A-3: typefaces and the signed text inside) and read aloud (PDF/UA: tagged, language, title)."""


def as_pdf(paper: dict[str, Any], made_at: int) -> bytes:
    """The paper as PDF, dated ``made_at`` (seconds since 1970). Raises ``typst.TypstError``."""
    return typst.compile(
        LOOK,
        # The one folder it could read from; the look reads no file.
        root=LOOK.parent,
        font_paths=_fonts(),
        ignore_system_fonts=True,
        sys_inputs={"paper": json.dumps(paper)},
        pdf_standards=STANDARDS,
        timestamp=made_at,
    )


def as_pictures(paper: dict[str, Any], dots_per_inch: float = 96) -> list[bytes]:
    """Every page as PNG, to look at."""
    made = typst.Compiler(LOOK, root=LOOK.parent, font_paths=_fonts(), ignore_system_fonts=True).compile(
        format="png", ppi=dots_per_inch, sys_inputs={"paper": json.dumps(paper)}
    )
    return made if isinstance(made, list) else [made] if made else []


def _fonts() -> typst.Fonts:
    """The typefaces that come with the typesetter, and none of the machine's."""
    return typst.Fonts(include_system_fonts=False)


def main() -> int:
    """Standard input to standard output."""
    given = json.load(sys.stdin.buffer)
    try:
        made = as_pdf(given["paper"], given["made_at"])
    except typst.TypstError as error:
        sys.stderr.write(str(error.message))
        return LETTERS_MISSING if "could not be displayed" in str(error.message) else 1
    sys.stdout.buffer.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
