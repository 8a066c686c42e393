"""What surrounds every page: who is signed in, where they can go, and what waits for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final


class Theme(StrEnum):
    """Light, dark, or what the device says."""

    AUTO = "auto"
    LIGHT = "light"
    DARK = "dark"


THEME_COOKIE: Final = "theme"


def theme_from(cookie: str | None) -> Theme:
    """The theme a cookie asks for; anything unknown means the device's own."""
    return Theme(cookie) if cookie in set(Theme) else Theme.AUTO


@dataclass(frozen=True, slots=True)
class Shell:
    """Whose page it is. The default is a visitor who is not signed in.

    ``counters`` are the numbers of things that wait for this person, by the key of the navigation item they belong
    to (``{"calls": 3}``); a zero is not shown; ``tasks`` are the same things one by one (web/waiting.py). ``hidden`` are the keys of the items that are of no use to this person
    whatever the role says. ``zone`` is the time zone in which exact times are written out.
    """

    user_name: str | None = None
    company_name: str | None = None
    roles: frozenset[str] = frozenset()
    counters: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    tasks: tuple[Any, ...] = ()
    hidden: frozenset[str] = frozenset()
    zone: str = "UTC"
    unread: int = 0
    """Notifications that this person has not read."""
    position: int | None = None
    """None: nothing comes later. Up to where in the order of events the page knows everything; what comes later it is told (static/js/live.js)."""

    @property
    def signed_in(self) -> bool:
        """Whether a person stands behind this page."""
        return self.user_name is not None

    @property
    def waiting(self) -> int:
        """How many things wait for this person altogether."""
        return sum(self.counters.values())

    @property
    def bell(self) -> str:
        """What the bell is called."""
        return (
            f"Notifications, {self.unread if self.unread < _MANY else 'many'} unread"
            if self.unread
            else "Notifications"
        )

    @property
    def initials(self) -> str:
        """Up to two letters that stand for the person in the top bar."""
        words = (self.user_name or "").split()
        return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()


_MANY: Final = 100
ANONYMOUS: Final = Shell()


@dataclass(frozen=True, slots=True)
class NavItem:
    """One place in the navigation. ``roles`` are the ones it is for; empty means everybody who is signed in."""

    key: str
    label: str
    href: str
    icon: str
    group: str
    roles: frozenset[str] = frozenset()
    short: str = ""
    """The label under the icon in a phone's bottom bar, where ``label`` is too long."""

    def visible_to(self, roles: frozenset[str]) -> bool:
        """Whether a person with these roles finds it in the navigation (an admin finds everything)."""
        return not self.roles or bool(self.roles & roles) or "admin" in roles


# Pages that belong to an item without standing under its address.
_ALSO: Final = {"orders": ("/quotes",)}


def _roles(*names: str) -> frozenset[str]:
    return frozenset(names)


# In the order in which they are shown. A link here is a convenience, never a permission: the page itself decides.
NAVIGATION: Final = (
    NavItem("home", "Home", "/", "home", "Work"),
    NavItem("find", "Find parts", "/find", "search", "Work", short="Find"),
    NavItem("scan", "Scan", "/scan", "scan", "Work", _roles("technician", "warehouse", "buyer")),
    NavItem(
        "requests", "Source it back", "/requests", "truck-return", "Work", _roles("planner", "technician"), "Requests"
    ),
    NavItem(
        "calls",
        "Buy-back orders",
        "/calls",
        "inbox",
        "Work",
        _roles("buyer", "seller", "warehouse", "planner", "auditor"),
        "Calls",
    ),
    NavItem("calendar", "Calendar", "/calendar", "calendar-due", "Work"),
    NavItem(
        "orders",
        "Orders",
        "/orders",
        "shopping-cart",
        "Trade",
        _roles("buyer", "seller", "planner", "warehouse", "auditor"),
    ),
    NavItem(
        "holdings", "What we hold", "/holdings", "packages", "Trade", _roles("buyer", "warehouse", "auditor"), "Held"
    ),
    NavItem(
        "releases",
        "Surplus postings",
        "/releases",
        "package-export",
        "Trade",
        _roles("planner", "seller", "auditor"),
        "Postings",
    ),
    NavItem(
        "stock", "Stock", "/stock", "building-warehouse", "Stock", _roles("planner", "seller", "warehouse", "auditor")
    ),
    NavItem(
        "advice",
        "Advisor",
        "/advice",
        "adjustments-horizontal",
        "Stock",
        _roles("planner", "auditor"),
        "Advice",
    ),
    NavItem("watch", "Coverage watch", "/watch", "shield-check", "Stock", _roles("planner", "auditor"), "Watch"),
    NavItem("imports", "Import", "/imports", "file-import", "Stock", _roles("planner", "warehouse", "auditor")),
    NavItem("agreements", "Agreements", "/agreements", "contract", "Records", _roles("planner", "buyer", "auditor")),
    NavItem(
        "settlement", "What is owed", "/settlement", "scale", "Records", _roles("planner", "buyer", "seller", "auditor")
    ),
    NavItem("units", "Unit history", "/units", "history", "Records", _roles("auditor", "planner", "buyer")),
    NavItem("company", "Company", "/company", "settings", "Records"),
)


@dataclass(frozen=True, slots=True)
class NavLink:
    """A navigation item as one person sees it on one page."""

    item: NavItem
    current: bool
    waiting: int


def navigation(shell: Shell, path: str) -> tuple[NavLink, ...]:
    """The links for this person, the one that ``path`` lies under marked; empty when nobody is signed in."""
    if not shell.signed_in:
        return ()
    links = []
    for item in NAVIGATION:
        if not item.visible_to(shell.roles) or (item.key in shell.hidden and not shell.counters.get(item.key)):
            continue
        here = path == item.href or (item.href != "/" and path.startswith((item.href + "/", *_ALSO.get(item.key, ()))))
        links.append(NavLink(item, here, shell.counters.get(item.key, 0)))
    return tuple(links)


BAR: Final = 4
_AT_HAND: Final = (
    ("technician", ("home", "find", "scan", "requests")),
    ("warehouse", ("home", "find", "scan", "calls")),
    ("buyer", ("home", "find", "scan", "calls")),
    ("planner", ("home", "find", "requests", "calls")),
    ("auditor", ("home", "find", "units", "agreements")),
    ("seller", ("home", "find", "orders", "releases")),
)
"""What a phone's bottom bar holds beside More, by role; whose work is done on a phone comes first."""


def bar(shell: Shell, links: tuple[NavLink, ...]) -> tuple[NavLink, ...]:
    """The links of a phone's bottom bar, at most ``BAR``: those of the role, filled up with the first of the rest."""
    there = {link.item.key: link for link in links}
    wanted = next((keys for role, keys in _AT_HAND if role in shell.roles), ())
    chosen = [there[key] for key in wanted if key in there]
    rest = [link for link in links if link not in chosen]
    return tuple((chosen + rest)[:BAR])


def grouped(links: tuple[NavLink, ...]) -> tuple[tuple[str, tuple[NavLink, ...]], ...]:
    """The links by their group, both in the order of the navigation."""
    names = dict.fromkeys(link.item.group for link in links)
    return tuple((name, tuple(link for link in links if link.item.group == name)) for name in names)
