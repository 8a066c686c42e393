"""From a template and its context to a response: the one Jinja environment, its filters, and the shell context.

Filters read the present moment and the time zone from the page being rendered, not from the template's context,
so that they mean the same inside an imported macro as outside.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from marketplace.agreements import phrases
from marketplace.attachments.rules import KIND_WORDS
from marketplace.kit.clock import last_day, local_day
from marketplace.ledger.kinds import CONDITION_WORDS
from web import formats
from web.assets import STATIC_ROOT, Assets
from web.shell import ANONYMOUS, THEME_COOKIE, Shell, Theme, bar, grouped, navigation, theme_from

TEMPLATES: Final = Path(__file__).resolve().parent / "templates"
SPRITE: Final = "vendor/tabler-icons/sprite.svg"


@dataclass(frozen=True, slots=True)
class PageState:
    """What filters and globals may know about the page being rendered."""

    now: datetime
    zone: str
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))


_page: ContextVar[PageState] = ContextVar("backstock_page")


@cache
def assets() -> Assets:
    """The static files of this process; read from disk at the first use."""
    return Assets()


@cache
def icon_names() -> frozenset[str]:
    """The icons of the local sprite."""
    return frozenset(re.findall(r'<symbol id="([a-z0-9-]+)"', (STATIC_ROOT / SPRITE).read_text(encoding="utf-8")))


def static_url(name: str) -> str:
    """The address of a static file by its path in web/static; raises LookupError when it is not there."""
    return assets().url(name)


def icon(name: str, label: str | None = None) -> Markup:
    """An icon of the sprite: decoration unless ``label`` gives it a name. Raises LookupError for an unknown one."""
    if name not in icon_names():
        raise LookupError(f"no icon '{name}': add it to static/vendor/build/icons.txt and run update.py")
    named = Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true"')
    return Markup('<svg class="icon" {} focusable="false"><use href="{}#{}"></use></svg>').format(
        named, static_url(SPRITE), name
    )


def uid(prefix: str = "u") -> str:
    """An id that is unique on the page being rendered."""
    return f"{prefix}-{next(_page.get().numbers)}"


def _timed(write: Callable[[Any, datetime, str], Markup]) -> Callable[[datetime | None], Markup]:
    def written(moment: datetime | None) -> Markup:
        page = _page.get()
        return write(moment, page.now, page.zone)

    return written


def _lines(value: str) -> Markup:
    """Text with its line breaks."""
    return Markup("<br>").join(value.splitlines())


def _humanised(value: str) -> str:
    """``no_response`` as ``No response``."""
    return value.replace("_", " ").capitalize()


def _condition(code: str) -> str:
    """``used_tested`` as ``Used and tested``; an unknown code by its own name."""
    return CONDITION_WORDS.get(code) or _humanised(code)


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "condition": _condition,
    "day": formats.day,
    "document_kind": lambda kind: KIND_WORDS[kind],
    "deadline": _timed(formats.deadline),
    "dt": _timed(formats.dt),
    "filesize": formats.file_size,
    "exact": lambda moment: formats.exact(moment, _page.get().zone),
    "humanise": _humanised,
    "km": formats.km,
    "lines": _lines,
    "moment": _timed(formats.moment),
    "money": formats.money,
    "month": formats.month,
    "needed": lambda moment, running: formats.needed(moment, _page.get().now, _page.get().zone, running=running),
    "needed_on": lambda moment: formats.day_words(last_day(moment, _page.get().zone)),
    "number": formats.number,
    "on": lambda value: formats.on(value, _page.get().zone),
    "options": lambda rows: [(str(row.id), row.name) for row in rows],
    "partnumber": formats.part_number,
    "percent": formats.percent,
    "plural": formats.plural,
    "qty": formats.qty,
    "town": formats.town,
    "until": phrases.deadline,
}
"""What a template may write after a bar; formats.py says what each does."""


@cache
def environment() -> Environment:
    """The Jinja environment: HTML escaped, an undefined name is an error, blank lines of blocks dropped."""
    env = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"],
    )
    env.filters.update(FILTERS)
    env.globals.update(icon=icon, static_url=static_url, uid=uid)
    return env


def shell_of(request: Request) -> Shell:
    """The shell that the page's dependencies left on the request, or the visitor's."""
    found = getattr(request.state, "shell", None)
    return found if isinstance(found, Shell) else ANONYMOUS


def now_of(request: Request) -> datetime:
    """The moment of the request where something set one (tests do), else the clock: this is the outermost edge."""
    found = getattr(request.state, "now", None)
    return found if isinstance(found, datetime) else datetime.now(UTC)


def left_out(request: Request) -> dict[str, str]:
    """The parameters of the address that make no sense here, by name; the page says that they were left out."""
    found: dict[str, str] = request.scope.setdefault("left_out", {})
    return found


def render(
    request: Request,
    template: str,
    /,
    *,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
    shell: Shell | None = None,
    now: datetime | None = None,
    **context: Any,
) -> HTMLResponse:
    """The page as a response that no cache keeps (it is one person's).

    Templates find ``shell``, ``nav`` (NavLinks), ``nav_bar`` and ``nav_groups``, ``theme``, ``path``, ``here`` (path and query, for links
    that come back) and ``today`` beside ``context``. Raises jinja2.UndefinedError for a name nobody gave.
    """
    whose = shell or shell_of(request)
    moment = now or now_of(request)
    token = _page.set(PageState(moment, whose.zone))
    try:
        links = navigation(whose, request.url.path)
        html = (
            environment()
            .get_template(template)
            .render(
                {
                    "shell": whose,
                    "nav": links,
                    "nav_bar": bar(whose, links),
                    "nav_groups": grouped(links),
                    "theme": theme_from(request.cookies.get(THEME_COOKIE)),
                    "themes": tuple(Theme),
                    "path": request.url.path,
                    "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
                    "search": request.query_params.get("q", "") if request.url.path == "/find" else "",
                    "today": local_day(moment, whose.zone),
                    **context,
                    # The shell's own, whatever a page calls its things.
                    "set_aside": left_out(request),
                    "this_address": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
                }
            )
        )
    finally:
        _page.reset(token)
    return HTMLResponse(html, status_code, {"cache-control": "private, no-cache", **(headers or {})})
