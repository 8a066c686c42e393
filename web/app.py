"""Puts the web pages onto the application that marketplace/app.py made."""

from __future__ import annotations

from asgi_cross_origin_protection import CrossOriginProtection
from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from marketplace.app import create_app, finish
from web import errors
from web.assets import PREFIX
from web.headers import SecurityHeaders
from web.pages import (
    about_demo,
    account,
    activity,
    advice,
    advice_demand,
    advice_outcomes,
    advice_scenarios,
    agreement_changes,
    agreements,
    api_docs,
    as_of,
    audiences,
    bulk_requests,
    calendar,
    calls,
    candidates,
    changing_requests,
    company,
    company_people,
    company_security,
    company_sites,
    company_sourcing,
    compare,
    counts,
    cover,
    disputes,
    documents,
    ending,
    find,
    holdings,
    home,
    import_rows,
    imports,
    insolvencies,
    late_orders,
    licences,
    listing,
    mail_links,
    messages,
    missing,
    notices,
    notifications,
    offline,
    order_deliveries,
    order_steps,
    order_terms,
    orders,
    partners,
    payments,
    plans,
    posting_order,
    preferences,
    proofs,
    quotes,
    recalls,
    release_lines,
    release_terms,
    releases,
    replacements,
    requests,
    resales,
    scan,
    searches,
    security_interests,
    selling_back,
    settlement,
    sign_in,
    source_back,
    statements,
    status,
    stock,
    styleguide,
    unit_labels,
    units,
    values,
    watch,
)
from web.rendering import assets
from web.session import recognise

PAGES = (
    preferences, api_docs, styleguide, sign_in, mail_links, account, about_demo, home, find, compare, cover, searches, listing, order_terms, quotes, orders, order_steps, order_deliveries, audiences, candidates, releases, posting_order,
    advice_demand, advice_outcomes, advice_scenarios, advice, watch, release_terms, release_lines, stock, company, activity, partners, company_sites, company_security, company_people, company_sourcing, source_back, bulk_requests, plans, changing_requests, requests, late_orders, licences, selling_back, ending, calls, messages, replacements, as_of, units,
    holdings, missing,
    statements, disputes, payments, settlement, resales, insolvencies, security_interests, notices, notifications, values, agreement_changes, agreements, imports, import_rows, documents, scan,
    calendar, proofs, recalls, status, counts, unit_labels, offline,
)  # fmt: skip


def create_web(app: FastAPI) -> None:
    """Mounts static files, error pages, protection against forged forms, security headers and the pages.

    Call it last: error pages stand in front of the handlers that are already there, and the middleware added last
    runs first. Forged requests are told by Fetch Metadata, so forms carry no token; programs with an API key send
    no such headers and pass.
    """
    app.mount(PREFIX, assets(), name="static")
    for page in PAGES:
        app.include_router(page.router)
    errors.install(app, recognise)
    app.add_middleware(CrossOriginProtection, deny_app=errors.deny_cross_origin)
    app.add_middleware(GZipMiddleware, minimum_size=1024)
    app.add_middleware(SecurityHeaders)


def create_site() -> FastAPI:
    """The whole application, API and pages: what the server starts."""
    app = create_app()
    create_web(app)
    return finish(app)
