"""Companies and their sites."""

from __future__ import annotations

import re
from datetime import datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from asyncpg import UniqueViolationError

from marketplace.db.session import (
    Tenant,
    WriteSession,
    become,
    execute,
    fetch_value,
)
from marketplace.kit.emails import check_email
from marketplace.kit.errors import conflict, invalid, missing
from marketplace.parties import queries
from marketplace.parties.actor import Actor


async def create_company(
    session: WriteSession, *, code: str, name: str, manufacturer: bool, partner: bool, currency: str, country: str
) -> UUID:
    """A new company. Only the operator's command line does this: it works on behalf of the new company itself."""
    if not code.isascii() or not code.replace("-", "").isalnum() or not 2 <= len(code) <= 20:
        raise invalid("company.code", "A company code has 2 to 20 letters, digits and hyphens.", field="code")
    if not name.strip():
        raise invalid("company.name", "Say the company's name.", field="name")
    if not re.fullmatch("[A-Z]{3}", currency):
        raise invalid(
            "company.currency", f"'{currency}' is no currency: write three capitals, such as USD.", field="currency"
        )
    if not re.fullmatch("[A-Z]{2}", country):
        raise invalid("company.country", f"'{country}' is no country: write two capitals, such as US.", field="country")
    if not (manufacturer or partner):
        raise invalid("company.kind", "Say whether it is a manufacturer, a partner, or both.")
    company: UUID = await fetch_value(session, "SELECT uuidv7()")
    await become(session, Tenant(company))
    try:
        await execute(
            session,
            "INSERT INTO company (id, code, name, is_manufacturer, is_partner, currency, country) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7)",
            company, code.upper(), name, manufacturer, partner, currency, country,
        )  # fmt: skip
    except UniqueViolationError:
        raise conflict(
            "company.code", f"There is a company with the code {code.upper()} already.", field="code"
        ) from None
    return company


async def mask_holders(session: WriteSession, actor: Actor, *, hidden: bool) -> None:
    """Says whether the actor's company hides who holds its units (``Actor.masked`` has the rule). Counts from everybody's
    next request. Raises ``company.maker`` for a company that makes nothing."""
    if not actor.is_manufacturer:
        raise conflict("company.maker", "Only a manufacturer has holders that it could hide.", field="mask_holders")
    await execute(session, "UPDATE company SET mask_holders = $2 WHERE id = $1", actor.company_id, hidden)


async def set_discount_rate(session: WriteSession, actor: Actor, rate_bp: int | None, now: datetime) -> None:
    """The discount rate a year, in basis points, that the company's books are reckoned with from now on; None takes it
    away. What was classified before keeps the rate of its day. Raises ``company.discount_rate``, ``company.maker``."""
    if not actor.is_manufacturer:
        raise conflict(
            "company.maker",
            "Only a manufacturer sells under clauses that a rate decides about.",
            field="discount_rate_bp",
        )
    if rate_bp is not None and not 0 <= rate_bp <= 10_000:
        raise invalid("company.discount_rate", "A discount rate is from 0 to 100 % a year.", field="discount_rate_bp")
    await execute(
        session,
        "INSERT INTO company_books (company_id, discount_rate_bp, changed_by, changed_at) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (company_id) DO UPDATE SET discount_rate_bp = $2, changed_by = $3, changed_at = $4",
        actor.company_id, rate_bp, actor.user_id, now,
    )  # fmt: skip


async def set_expected_market(session: WriteSession, actor: Actor, market_bp: int | None, now: datetime) -> None:
    """What a unit is expected to be worth when its holder may sell it back, as a share of the price it was sold at, with which
    the company's books are reckoned from now on; None takes it away. Raises ``company.expected_market``, ``company.maker``."""
    if not actor.is_manufacturer:
        raise conflict(
            "company.maker",
            "Only a manufacturer sells under clauses that it decides about.",
            field="expected_market_bp",
        )
    if market_bp is not None and not 0 <= market_bp <= 100_000:
        raise invalid(
            "company.expected_market",
            "An expected value is from 0 to 1,000 % of the price.",
            field="expected_market_bp",
        )
    await execute(
        session,
        "INSERT INTO company_books (company_id, expected_market_bp, changed_by, changed_at) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (company_id) DO UPDATE SET expected_market_bp = $2, changed_by = $3, changed_at = $4",
        actor.company_id, market_bp, actor.user_id, now,
    )  # fmt: skip


def _check_site(timezone: str, lat: float | None, lon: float | None, opens: time | None, closes: time | None) -> None:
    if opens is not None and closes is not None and opens >= closes:
        raise invalid("site.hours", "A site opens before it closes on the same day.", field="closes")
    if timezone not in available_timezones():
        raise invalid(
            "site.timezone", f"'{timezone}' is not a time zone. Write it like America/Chicago.", field="timezone"
        )
    ZoneInfo(timezone)
    if (
        (lat is None) != (lon is None)
        or (lat is not None and not -90 <= lat <= 90)
        or (lon is not None and not -180 <= lon <= 180)
    ):
        raise invalid(
            "site.coordinates", "Give latitude (-90 to 90) and longitude (-180 to 180) together.", field="lat"
        )


async def _room_for_one(session: WriteSession, actor: Actor) -> None:
    # Two at the same instant may pass by one: lists leave room for that, nothing depends on the exact number.
    found, _ = await queries.count_sites(session, actor)
    if found >= queries.MOST_SITES:
        raise conflict(
            "site.too_many",
            f"Your company has {found:,} open sites, and there can be {queries.MOST_SITES:,}. Close one that is no "
            "longer used.",
        )


async def create_site(
    session: WriteSession,
    actor: Actor,
    *,
    code: str,
    name: str,
    place: str,
    region: str,
    country: str,
    timezone: str,
    address: str = "",
    lat: float | None = None,
    lon: float | None = None,
    opens: time | None = None,
    closes: time | None = None,
    counter_phone: str = "",
    after_hours_phone: str = "",
    will_call: bool = False,
) -> UUID:
    """A new site of the actor's company. Raises ``site.code`` when the code is taken, ``site.timezone``,
    ``site.coordinates``, ``site.hours``, ``site.too_many``."""
    _check_site(timezone, lat, lon, opens, closes)
    await _room_for_one(session, actor)
    try:
        made: UUID = await fetch_value(
            session,
            "INSERT INTO site (company_id, code, name, place, region, country, timezone, address, lat, lon, opens, "
            "closes, counter_phone, after_hours_phone, will_call) "
            "VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15) RETURNING id",
            actor.company_id, code, name, place, region, country, timezone, address, lat, lon, opens, closes,
            counter_phone, after_hours_phone, will_call,
        )  # fmt: skip
    except UniqueViolationError:
        raise conflict("site.code", f"Your company has a site with the code {code} already.", field="code") from None
    return made


async def know_each_other(session: WriteSession, one: UUID, other: UUID) -> None:
    """Makes two companies counterparties: each may from now on see the other's sites."""
    await execute(
        session,
        "INSERT INTO counterparty (company_id, other_id) VALUES ($1, $2), ($2, $1) ON CONFLICT DO NOTHING",
        one,
        other,
    )


async def change_site(
    session: WriteSession,
    actor: Actor,
    site_id: UUID,
    *,
    code: str,
    name: str,
    place: str,
    region: str,
    country: str,
    timezone: str,
    address: str = "",
    lat: float | None = None,
    lon: float | None = None,
    opens: time | None = None,
    closes: time | None = None,
    counter_phone: str = "",
    after_hours_phone: str = "",
    will_call: bool = False,
) -> None:
    """Changes a site of the actor's company. What happened at it stays; deadlines already counted stay as they are.
    Coordinates that somebody states are exact. Raises ``site.not_found``, ``site.code``, ``site.timezone``,
    ``site.coordinates``."""
    _check_site(timezone, lat, lon, opens, closes)
    try:
        changed = await execute(
            session,
            "UPDATE site SET code=$3, name=$4, place=$5, region=$6, country=$7, timezone=$8, address=$9, "
            "approximate = approximate AND lat IS NOT DISTINCT FROM $10 AND lon IS NOT DISTINCT FROM $11, lat=$10, lon=$11, "
            "opens=$12, closes=$13, counter_phone=$14, after_hours_phone=$15, will_call=$16 "
            "WHERE id=$1 AND company_id=$2",
            site_id, actor.company_id, code, name, place, region, country, timezone, address, lat, lon, opens, closes,
            counter_phone, after_hours_phone, will_call,
        )  # fmt: skip
    except UniqueViolationError:
        raise conflict("site.code", f"Your company has a site with the code {code} already.", field="code") from None
    if changed != "UPDATE 1":
        raise missing("site.not_found", "No such site in your company.")


async def close_site(session: WriteSession, site_id: UUID, now: datetime) -> None:
    """Marks a site as closed, whose row the caller has locked and found to be in no use. Its history stays."""
    await execute(session, "UPDATE site SET closed_at = $2 WHERE id = $1", site_id, now)


async def reopen_site(session: WriteSession, actor: Actor, site_id: UUID) -> None:
    """A closed site can be chosen again. Raises ``site.not_found`` when it is not a closed site of the company,
    ``site.too_many``."""
    await _room_for_one(session, actor)
    done = await execute(
        session,
        "UPDATE site SET closed_at = NULL WHERE id = $1 AND company_id = $2 AND closed_at IS NOT NULL",
        site_id,
        actor.company_id,
    )
    if done != "UPDATE 1":
        raise missing("site.not_found", "No such closed site in your company.")


async def add_contact(
    session: WriteSession, actor: Actor, site_id: UUID, *, name: str, role: str, telephone: str, email: str
) -> UUID:
    """A person to ring at a site; counterparties see them too. Raises ``contact.reach`` without a way to reach them,
    ``contact.email``."""
    if not telephone.strip() and not email.strip():
        raise invalid("contact.reach", "Give a telephone number or an e-mail address.", field="telephone")
    address = check_email(email, "contact.email") if email.strip() else ""
    made: UUID = await fetch_value(
        session,
        "INSERT INTO site_contact (company_id, site_id, name, role, telephone, email) VALUES ($1,$2,$3,$4,$5,$6) "
        "RETURNING id",
        actor.company_id, site_id, name, role, telephone.strip(), address,
    )  # fmt: skip
    return made


async def remove_contact(session: WriteSession, actor: Actor, contact_id: UUID) -> None:
    """Raises ``contact.not_found``."""
    gone = await execute(
        session, "DELETE FROM site_contact WHERE id = $1 AND company_id = $2", contact_id, actor.company_id
    )
    if gone != "DELETE 1":
        raise missing("contact.not_found", "No such contact, or it was removed already.")


async def state_profile(
    session: WriteSession, actor: Actor, *, about: str, website: str, telephone: str, email: str, now: datetime
) -> None:
    """What the company says about itself to those it deals with; empty texts say nothing. Raises ``profile.about``,
    ``profile.website``, ``profile.email``."""
    if len(about) > MOST_ABOUT:
        raise invalid("profile.about", f"Say it in {MOST_ABOUT:,} characters; this has {len(about):,}.", field="about")
    if website and not _WEBSITE.fullmatch(website):
        raise invalid(
            "profile.website", "Write the whole address of the website, like https://www.example.com.", field="website"
        )
    address = check_email(email, "profile.email") if email.strip() else ""
    await execute(
        session,
        "INSERT INTO company_profile (company_id, about, website, telephone, email, changed_by, changed_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (company_id) DO UPDATE SET about = excluded.about, "
        "website = excluded.website, telephone = excluded.telephone, email = excluded.email, changed_by = excluded.changed_by, "
        "changed_at = excluded.changed_at",
        actor.company_id, about.strip(), website, telephone.strip(), address, actor.user_id, now,
    )  # fmt: skip


MOST_ABOUT = 2_000
_WEBSITE = re.compile(r"https?://[A-Za-z0-9.-]+\.[A-Za-z]{2,}(?::[0-9]{1,5})?(?:/[!-~]*)?")
