"""The markdown that contracts are written in, and nothing else: no raw HTML, no images, no links."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from marketplace.documents.blocks import Block, Heading, Listing, Paragraph, Quote, Span, Table, Text


@cache
def reader() -> MarkdownIt:
    """How signed texts are read, for pages and papers alike."""
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "link", "autolink"])


def blocks(text: str) -> tuple[Block, ...]:
    """A markdown text as blocks, in its order and without a word more or less."""
    return _blocks(SyntaxTreeNode(reader().parse(text)).children)


def _blocks(nodes: Sequence[SyntaxTreeNode]) -> tuple[Block, ...]:
    return tuple(block for node in nodes for block in _block(node))


def _block(node: SyntaxTreeNode) -> list[Block]:
    match node.type:
        case "heading":
            return [Heading(int(node.tag[1]), _inline(node))]
        case "paragraph":
            return [Paragraph(_inline(node))]
        case "bullet_list":
            return [Listing(tuple(_blocks(item.children) for item in node.children))]
        case "ordered_list":
            start = int(node.attrs.get("start", 1))
            return [Listing(tuple(_blocks(item.children) for item in node.children), start)]
        case "blockquote":
            return [Quote(_blocks(node.children))]
        case "code_block" | "fence":
            return [Paragraph((Span(line, code=True),)) for line in node.content.splitlines()]
        case "table":
            return [_table(node)]
        case "hr":
            return []
        case other:
            raise ValueError(f"a signed text holds a '{other}', which no paper can show")


def _table(node: SyntaxTreeNode) -> Table:
    lines = [line for part in node.children for line in part.children]
    head, *rows = [tuple(_inline(cell) for cell in line.children) for line in lines]
    right = tuple("right" in str(cell.attrs.get("style", "")) for cell in lines[0].children)
    return Table(head, tuple(rows), right)


def _inline(node: SyntaxTreeNode) -> Text:
    """The text of a block. Neighbours of one style are one piece: words stay whole."""
    found: list[Span] = []
    for span in _spans(node.children, bold=False, italic=False):
        before = found[-1] if found else None
        if before and (before.bold, before.italic, before.code) == (span.bold, span.italic, span.code):
            found[-1] = Span(before.text + span.text, span.bold, span.italic, span.code)
        else:
            found.append(span)
    return tuple(span for span in found if span.text)


def _spans(nodes: Sequence[SyntaxTreeNode], *, bold: bool, italic: bool) -> list[Span]:
    found: list[Span] = []
    for node in nodes:
        match node.type:
            case "inline":
                found += _spans(node.children, bold=bold, italic=italic)
            case "strong":
                found += _spans(node.children, bold=True, italic=italic)
            case "em":
                found += _spans(node.children, bold=bold, italic=True)
            case "text":
                found.append(Span(node.content, bold, italic))
            case "code_inline":
                found.append(Span(node.content, bold, italic, code=True))
            case "softbreak" | "hardbreak":
                found.append(Span(" ", bold, italic))
            case other:
                raise ValueError(f"a signed text holds a '{other}', which no paper can show")
    return found
