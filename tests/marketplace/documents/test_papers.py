"""Papers as PDF: texts are never instructions, equal papers are equal bytes, and every letter is accounted for."""

from __future__ import annotations

import asyncio
import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pypdf
import pytest
import typst

from marketplace.documents import service, typesetter
from marketplace.documents.blocks import (
    Attachment,
    Block,
    Facts,
    Heading,
    Listing,
    Mark,
    NewPage,
    Panel,
    Paper,
    Paragraph,
    Quote,
    Span,
    Table,
    as_json,
    plain,
    words,
)
from marketplace.documents.letters import FEWEST, SET, all_visible, visible
from marketplace.documents.markdown import blocks
from marketplace.kit.errors import DomainError

AT = datetime(2026, 11, 30, 20, 5, 12, tzinfo=UTC)
# Each would do something, if it were read as instructions to the typesetter or as markup.
NASTY = (
    '#let paper = panic("read as code")', "#panic()", "#(1/0)", '#read("/etc/passwd")', '#import "@preview/x:1.0.0"',
    "$ x^2 $", "@label", "<label>", "*bold* _emph_ `raw`", "\\u{41} \\ end", "= heading", "- list", "+ enum", "/ term: x",
    "// comment", "/* comment", "```rust x```", "https://example.com", "~ -- --- ...", "'single' \"double\"", "]#[", "#]", "{}",
    "<script>alert(1)</script>", "&lt;b&gt;", "${jndi:ldap://x}", "%s %(x)s", "{{ notice_days }}", "'; DROP TABLE x; --",
)  # fmt: skip


def paper(*found: Block, **changed: object) -> Paper:
    made = Paper("Agreement X", "Under Y", "A, B", "Agreement X", "SHA-256 00", None, found, AT)
    return replace(made, **changed)  # type: ignore[arg-type]


def read(pdf: bytes) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(pdf))


def text_of(pdf: bytes) -> str:
    """The text of a PDF, white space of any kind as one space."""
    return " ".join(" ".join(page.extract_text() for page in read(pdf).pages).split())


def closed_up(text: str) -> str:
    """Without spaces: where a PDF breaks a line is no matter."""
    return re.sub(r"\s", "", text)


def test_no_text_is_ever_read_as_code_or_markup() -> None:
    everywhere: list[Block] = []
    for bad in NASTY:
        everywhere += [
            Heading(1, words(bad)), Paragraph(words(bad, bold=True)), Listing(((Paragraph(words(bad)),),)), Mark(bad),
            Listing(((Paragraph(words(bad)),),), 3), Quote((Paragraph(words(bad, italic=True)),)), Facts(((bad, words(bad)),)),
            Panel(bad, ((bad, words(bad, code=True)),), done=False),
            Table((words(bad), words(bad)), ((words(bad), words(bad)),), (False, True), bad),
        ]  # fmt: skip
    hostile = " ".join(NASTY)
    made = service.set_now(
        paper(
            *everywhere, title=hostile, subtitle=hostile, author=hostile, running=NASTY[0], foot=NASTY[1],
            stamp=NASTY[2], attachments=(Attachment("x.md", "text/markdown", hostile, hostile),),
        )
    )  # fmt: skip
    seen = closed_up(text_of(made))
    for bad in NASTY:
        # Twelve places put it down as it is, wherever its lines end.
        assert seen.count(closed_up(bad)) >= 10, bad
    assert read(made).attachments["x.md"][0].decode() == hostile
    metadata = read(made).metadata
    assert metadata is not None
    assert metadata.title == hostile


def test_the_look_evaluates_imports_and_reads_nothing() -> None:
    # A picture that the paper brings along as bytes is read from nowhere.
    code = re.sub(r"//.*|image\(bytes\(block-of\.svg\)", "", typesetter.LOOK.read_text())
    assert not re.search(r"\b(eval|import|include|read|plugin|csv|yaml|toml|xml|cbor|image)\b\s*[(\"@]", code)
    assert re.findall(r"sys\.inputs\.\w+", code) == ["sys.inputs.paper"]


def test_equal_papers_are_equal_bytes_and_dated_by_the_paper() -> None:
    one = paper(Paragraph(words("Text")))
    made = service.set_now(one)
    assert made == service.set_now(one)
    assert made != service.set_now(replace(one, foot="SHA-256 01"))
    metadata = read(made).metadata
    assert metadata is not None
    assert metadata.creation_date == AT
    assert (metadata.title, metadata.author) == ("Agreement X", "A, B")


def test_it_is_tagged_archivable_and_brings_its_typefaces() -> None:
    made = service.set_now(paper(Heading(1, words("H")), Paragraph(words("Text"))))
    root = read(made).root_object
    assert root["/Lang"] == "en"
    assert root["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in root
    described = root["/Metadata"].get_object().get_data().decode()
    assert "<pdfuaid:part>1<" in described
    assert "<pdfaid:part>3<" in described
    for page in read(made).pages:
        for font in page["/Resources"]["/Font"].values():
            [inner] = font.get_object()["/DescendantFonts"]
            descriptor = inner.get_object()["/FontDescriptor"].get_object()
            assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(descriptor)
            assert re.search("Libertinus|NewCM|DejaVuSansMono", str(descriptor["/FontName"]))


def test_a_table_breaks_over_pages_and_repeats_its_head() -> None:
    rows = tuple((words(f"P-{n:03}"), words("a pump"), words(f"{n} EA")) for n in range(200))
    made = service.set_now(
        paper(Table((words("part number"), words("described"), words("units")), rows, (False, False, True)))
    )
    pages = [page.extract_text() for page in read(made).pages]
    assert len(pages) > 3
    assert all("part number" in page for page in pages)
    seen = "".join(pages)
    assert all(f"P-{n:03}" in seen for n in range(200))
    assert f"Page {len(pages)} of {len(pages)}" in text_of(made)
    assert all("SHA-256 00" in page and "Agreement X" in page for page in pages)


def test_a_stamp_lies_on_every_page() -> None:
    made = service.set_now(paper(Paragraph(words("a")), NewPage(), Paragraph(words("b")), stamp="Draft, not signed"))
    assert len(read(made).pages) == 2
    assert all("DRAFT, NOT SIGNED" in page.extract_text() for page in read(made).pages)


LETTERS = "Żółć Übermaß ÅNGSTRÖM Ελλάδα Кириллица Հայերեն ქართული שלום עולם مرحبا بالعالم नमस्ते 1 000 € ½ × ≤ → № ™ ﬁ"


def test_letters_of_many_alphabets_are_set_as_they_are() -> None:
    assert all_visible(LETTERS)
    made = text_of(service.set_now(paper(Paragraph(words(LETTERS)))))
    for word in ("Żółć", "Übermaß", "Ελλάδα", "Кириллица"):
        assert word in made


def test_letters_without_a_typeface_are_written_as_their_numbers() -> None:
    strange = "株式会社 日立 \U0001f600 a\u202eb c\u200bd e\x01f g\ufeffh \ue000 \ud7a3 i\u00adj"
    assert visible(strange) == (
        "[U+682A][U+5F0F][U+4F1A][U+793E] [U+65E5][U+7ACB] [U+1F600] a[U+202E]b c[U+200B]d e[U+0001]f g[U+FEFF]h "
        "[U+E000] [U+D7A3] i[U+00AD]j"
    )
    assert not all_visible(strange)
    made = closed_up(text_of(service.set_now(paper(Paragraph(words(strange)), title=strange, stamp=strange))))
    assert made.count("[U+682A]") >= 3
    assert "a[U+202E]b" in made


@pytest.mark.parametrize("runs", [SET, FEWEST])
@pytest.mark.parametrize("style", ["regular", "bold", "italic", "code"])
def test_every_letter_that_is_said_to_be_set_is_set(runs: tuple[tuple[int, int], ...], style: str) -> None:
    """The typesetter refuses a PDF/UA with a letter it cannot draw, so that it is made says that all are there."""
    letters = [chr(code) for first, last in runs for code in range(first, last + 1)]
    found = [Span(c, bold=style == "bold", italic=style == "italic", code=style == "code") for c in letters]
    spaced = tuple(piece for span in found for piece in (span, Span(" ")))
    assert typesetter.as_pdf(as_json(paper(Paragraph(spaced))), 0)


def test_marks_that_fit_no_letter_are_written_as_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever cannot be drawn together is caught by the typesetter and written with fewer letters."""
    told: list[bool] = []
    run = service._run

    def counted(one: Paper, *, fewest_letters: bool) -> tuple[int, bytes, str]:
        told.append(fewest_letters)
        if not fewest_letters:
            return typesetter.LETTERS_MISSING, b"", "could not be displayed"
        return run(one, fewest_letters=True)

    monkeypatch.setattr(service, "_run", counted)
    made = text_of(service.set_now(paper(Paragraph(words("שלום Acme")))))
    assert told == [False, True]
    assert "Acme" in made
    assert "[U+05E9]" in made


def test_the_program_says_which_letters_are_missing() -> None:
    given = as_json(paper(Paragraph(words("x"))))
    given["blocks"][0]["text"][0]["t"] = "株"
    with pytest.raises(typst.TypstError, match="could not be displayed"):
        typesetter.as_pdf(given, 0)


def test_a_very_long_word_stays_on_the_paper() -> None:
    long = "W" * 400
    rows = ((words(long), words(long)),)
    made = service.set_now(
        paper(
            Paragraph(words(long)), Table((words("a"), words("b")), rows, (False, True)), Facts((("l", words(long)),))
        )
    )
    seen = closed_up(text_of(made))
    assert seen.count("W") == 1600
    # What runs over the edge would come as one long line.
    lines = [line for page in read(made).pages for line in page.extract_text().splitlines()]
    assert max(line.count("W") for line in lines) < 60


def test_a_row_taller_than_a_page_goes_over_its_end() -> None:
    made = service.set_now(paper(Table((words("a"),), ((words("word " * 4_000),),), (False,))))
    assert len(read(made).pages) > 2
    assert text_of(made).count("word") == 4_000


def test_markdown_keeps_every_word_in_its_order() -> None:
    text = (
        "# Title\n\nPlain *em* **strong** `code`\nsame line\n\n1. one\n   - inner **x**\n2. two\n\n> quoted\n\n"
        "| a | b |\n|---|--:|\n| 1 \\| 2 | 3 |\n\n<b>not html</b> ![no](image) [no](link)\n\n---\n\n    a b\n"
    )
    found = blocks(text)
    assert found[0] == Heading(1, words("Title"))
    assert found[1] == Paragraph(
        (Span("Plain "), Span("em", italic=True), Span(" "), Span("strong", bold=True), Span(" "), Span("code", code=True),
         Span(" same line"))
    )  # fmt: skip
    assert isinstance(found[2], Listing)
    assert found[2].start == 1
    assert found[2].items[0][1] == Listing(((Paragraph((Span("inner "), Span("x", bold=True))),),))
    assert found[3] == Quote((Paragraph(words("quoted")),))
    assert found[4] == Table((words("a"), words("b")), ((words("1 | 2"), words("3")),), (False, True))
    assert isinstance(found[5], Paragraph)
    assert plain(found[5].text) == "<b>not html</b> ![no](image) [no](link)"
    assert found[6] == Paragraph(words("a b", code=True))


async def test_only_so_many_are_in_work_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MOST_ASKED_FOR", 2)
    made = await asyncio.gather(
        *(service.typeset(lambda: paper(Paragraph(words("x")))) for _ in range(3)), return_exceptions=True
    )
    assert [isinstance(m, bytes) for m in made] == [True, True, False]
    refused = made[2]
    assert isinstance(refused, DomainError)
    assert refused.code == "document.busy"
    assert (await service.typeset(lambda: paper(Paragraph(words("x"))))) == made[0]


def test_a_paper_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "SECONDS", 0.001)
    with pytest.raises(DomainError) as refused:
        service.set_now(paper(Paragraph(words("x"))))
    assert refused.value.code == "document.busy"


def test_a_broken_paper_is_a_defect_and_no_empty_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "as_json", lambda one, **how: json.loads("{}"))
    with pytest.raises(RuntimeError, match="could not be set"):
        service.set_now(paper())
