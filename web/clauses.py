"""A clause's text as HTML, with the markdown of contracts/ and nothing else: no raw HTML, no images, no links."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from marketplace.agreements.prose import NAMES as CLAUSE_NAMES
from marketplace.agreements.prose import render_clause
from marketplace.agreements.queries import clause_version
from marketplace.agreements.terms import Terms
from marketplace.db.session import ReadSession
from marketplace.documents.markdown import reader

NAMES: Final = {name: words.capitalize() for name, words in CLAUSE_NAMES.items()}
"""The clauses by the name the trade uses."""
DEEPER: Final = 2
"""Headings of the text start below the page's own."""


def html(text: str) -> Markup:
    """Markdown as HTML, headings two levels deeper; what is wide can be scrolled by keyboard."""
    tokens = reader().parse(text)
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1]) + DEEPER, 6)}"
    body = str(reader().renderer.render(tokens, reader().options, {}))
    numbers = itertools.count(1)
    body = body.replace("<pre>", '<pre tabindex="0">')
    body = re.sub(
        "<table>",
        lambda _: f'<div class="prose-table" tabindex="0" role="region" aria-label="Table {next(numbers)}"><table>',
        body,
    )
    return Markup(body.replace("</table>", "</table></div>"))  # noqa: S704 - the reader escapes everything it is given


def clause_html(wording: str, terms: Terms) -> Markup:
    """A released clause with these terms in its blanks."""
    return html(render_clause(wording, terms))


async def released_text(session: ReadSession, clauses: Sequence[Terms]) -> tuple[str, Markup]:
    """(title, text) of clauses that stand together, each with its blanks filled in. Raises ``clause.not_found``."""
    texts = [await clause_version(session, terms.clause, terms.version) for terms in clauses]
    title = " and ".join(text.title for text in texts)
    return title, Markup("").join(clause_html(text.wording, terms) for text, terms in zip(texts, clauses, strict=True))
