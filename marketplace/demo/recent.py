"""The newest agreements of the demo: a few under the second clause library, lived through the services that a person uses.

The bulk load knows the first library only, since what is old was agreed then. What is new is here: one agreement for each of the
situations that the newest pages are about, each in a state in which somebody who signs in has to act."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import asyncpg

from marketplace.agreements import service as agreements
from marketplace.agreements.combinations import BUY_BACK, COMBINATIONS, TITLE_KEPT
from marketplace.agreements.graded import Finding
from marketplace.agreements.outcomes import Act
from marketplace.agreements.queries import retained
from marketplace.agreements.term_kinds import Grade
from marketplace.agreements.terms import Terms, parse_terms
from marketplace.db.session import NOBODY, Database, fetch_value
from marketplace.demo.cast import FOUNDED, PARTNERS
from marketplace.demo.draws import Draws
from marketplace.demo.scene import Scene, Sold
from marketplace.demo.watched import ends_soon, used_up
from marketplace.holdings import service as holdings
from marketplace.holdings.service import AtSite
from marketplace.holdings.service import sheets as counts
from marketplace.holdings.sheet import Item
from marketplace.kit.consignment import Consignment
from marketplace.outbox.service import Listeners, deliver_waiting
from marketplace.parties import service as parties
from marketplace.recalls import queries as recall_queries
from marketplace.recalls import service as recalls
from marketplace.recalls.scope import Answer, Scope
from marketplace.settlement import queries as owed
from marketplace.settlement import service as settlement
from marketplace.sourcing import service as sourcing
from marketplace.sourcing import tasks as sourcing_tasks
from marketplace.sourcing.service import InPlace
from marketplace.worker import reactions

Progress = Callable[[str, int, int], None]
SHOWN, OTHER = "TX", "OK"
"""The partner whose people the printed logins are of, and the one whose agreement stands still."""
AUSTIN, HOUSTON, COMANCHE = "TX3664", "TX3755", "OK3029"
COMPRESSOR, STEERING_PUMP, BRAKE_SHOE = "2530-00-106-5159", "2530-01-460-2439", "2530-01-426-2475"
STEERING_GEAR, CALIPER, BRAKE_CHAMBER = "2530-01-564-0052", "2530-01-568-8982", "2530-01-548-1008"
DRIVE_SHAFT, STARTER, NEWER_STARTER, PROPELLER = (
    "2520-01-413-2724", "2920-01-105-2053", "2920-01-111-0486", "2520-01-357-5043",
)  # fmt: skip
ABROAD = "MTY"
"""The code of the site in another country; it also tells whether all this was lived before."""
_CLOCK = UUID(int=0)
_LIVED = "SELECT EXISTS (SELECT FROM site WHERE company_id = $1 AND code = $2)"
_WORDS = "newest agreements"


async def live_recent(app: Database, clock: Database, start: datetime, seed: int, progress: Progress) -> None:
    """Lives the newest agreements as of ``start``, all of them or none; where they are there already, nothing happens. ``app``
    and ``clock``: the roles that a request and the worker have."""
    async with app.write(NOBODY) as session:
        scene = Scene(session, start, Draws(seed))
        shown = await scene.partner(SHOWN)
        if await fetch_value(session, _LIVED, shown.company_id, ABROAD):
            return
        for done, story in enumerate(_STORIES):
            progress(_WORDS, done, len(_STORIES))
            await story(scene)
    # What the clock would have done when it was due: the order back that nobody shipped is in default. Nobody is sent mail
    # about what lies in the past.
    await sourcing_tasks.act_on_default(clock, _CLOCK, scene.ago(22))
    await deliver_waiting(clock, Listeners(reactions(clock)), lambda: start)
    progress(_WORDS, len(_STORIES), len(_STORIES))


async def is_lived(owner_dsn: str, seed: int) -> bool:
    """Whether all this was lived before."""
    connection = await asyncpg.connect(owner_dsn)
    try:
        return bool(await connection.fetchval(_LIVED, Draws(seed).id(FOUNDED, "company", SHOWN), ABROAD))
    finally:
        await connection.close()


def _ready_made(name: str) -> Sequence[Terms]:
    return COMBINATIONS[name].terms()


async def _not_shipped(scene: Scene) -> None:
    """A stock order back that its holder accepted and never shipped: in default, so that the manufacturer may end it."""
    sold = await scene.sold(
        "Air compressors", COMPRESSOR, _ready_made("standard-buy-back"), to=SHOWN, site=scene.site(AUSTIN), quantity=6,
        price="530.00", days=210, po="PO-88102",
    )  # fmt: skip
    call = await scene.ordered_back(sold, 3, "stock_order", 48, job="Spring overhaul")
    await sourcing.accept(scene.session, await scene.partner(SHOWN, "warehouse"), call, scene.ago(44))


async def _drawn(scene: Scene) -> None:
    """A unit drawn from the shelf; the equal one that replaces it is due in a few days."""
    sold = await scene.sold(
        "Steering pumps to keep near", STEERING_PUMP, _ready_made("standard-access"), to=SHOWN, site=scene.site(HOUSTON),
        quantity=5, price="170.00", days=160, minimum=2, po="PO-88140",
    )  # fmt: skip
    call = await scene.ordered_back(sold, 1, "urgent", 62, job="Line 4")
    await _back(scene, sold, call, accepted=61.5, shipped=60, received=57)
    planner = await scene.maker()
    found = (Finding(grade=Grade("new_old_stock"), quantity=1),)
    await sourcing.inspect(scene.session, planner, call, note="", found=found, now=scene.ago(56))
    for fee in await owed.lines_of_cause(scene.session, call):
        await scene.paid(fee.id, SHOWN, 30)


async def _title_kept(scene: Scene) -> None:
    """Units that stay the manufacturer's: some were fitted and paid, one was fitted and is not paid yet; and the partner asks for
    more days to pay, which waits for the manufacturer's signature."""
    terms = parse_terms("title-kept", 1, {**TITLE_KEPT, "use_class": "non_capital_spare", "minimum_to_keep": 1})
    sold = await scene.sold(
        "Brake shoes on consignment", BRAKE_SHOE, [terms], to=SHOWN, site=scene.site(AUSTIN), quantity=12, price="224.00",
        days=75, po="PO-88167",
    )  # fmt: skip
    for units, machine, days, paid in ((2, "NF-320 40311", 52, 24), (1, "NF-610 77102", 9, None)):
        store = await scene.partner(SHOWN, "warehouse")
        target = AtSite(sold.part, sold.site)
        done = await holdings.install(scene.session, store, target, units, machine, now=scene.ago(days))
        (out,) = await retained.taken_by_act(scene.session, done.command_id)
        line = await settlement.owe_taken_out(scene.session, out.id, scene.ago(days))
        if paid and line:
            await scene.paid(line, SHOWN, paid)
    buyer = await scene.partner(SHOWN)
    await agreements.propose_change(
        scene.session, buyer, sold.agreement, clause="title-kept", version=1,
        terms={**terms.model_dump(mode="json"), "withdrawal_days": 45}, minimums={},
        text="Our customers pay us in 45 days; we would keep twelve on the shelf for you on these terms.", now=scene.ago(3),
    )  # fmt: skip


async def _wants_to_sell(scene: Scene) -> None:
    """The partner has an offer for some units: the manufacturer can take them at that price, or let them go."""
    sold = await scene.sold(
        "Steering gears, sold for good", STEERING_GEAR, _ready_made("revenue-now"), to=SHOWN, site=scene.site(HOUSTON),
        quantity=8, price="310.00", days=120, po="PO-88151",
    )  # fmt: skip
    buyer = await scene.partner(SHOWN)
    await agreements.give_notice(
        scene.session, buyer, sold.agreement, sold.part, Act.RESELL, 3, scene.ago(4), offer=Decimal("365.00"),
        offered_by="Hill Country Truck Parts", note_text="Written offer of last Tuesday, for collection in Houston.",
    )  # fmt: skip


async def _worse_than_agreed(scene: Scene) -> None:
    """Units came back used; the partner says that two of them were tested, and the manufacturer has to answer."""
    worse = [{"grade": "used_tested", "percent_bp": 8_000}, {"grade": "used", "percent_bp": 5_000}]
    terms = parse_terms("buy-back", 2, {**BUY_BACK, "return_grade": "used", "grade_adjustments": worse})
    sold = await scene.sold(
        "Disc brake calipers", CALIPER, [terms], to=SHOWN, site=scene.site(AUSTIN), quantity=6, price="640.00", days=190,
        po="PO-88119",
    )  # fmt: skip
    call = await scene.ordered_back(sold, 3, "stock_order", 34, job="Rebuild of July")
    await _back(scene, sold, call, accepted=31, shipped=27, received=23)
    found = (Finding(grade=Grade("new_old_stock"), quantity=1), Finding(grade=Grade("used"), quantity=2))
    planner = await scene.maker()
    await sourcing.inspect(
        scene.session, planner, call, note="Two have been fitted before: worn seals, paint on the threads.", found=found,
        now=scene.ago(19),
    )  # fmt: skip
    buyer = await scene.partner(SHOWN)
    line = next(x for x in await owed.lines_of_cause(scene.session, call) if x.condition == "used" and x.quantity == 2)
    await sourcing.object_to_condition(
        scene.session, buyer, call, line.id, condition="used_tested",
        words="Both were bench-tested before we shipped them; the sheets were in the crate.", now=scene.ago(5),
    )  # fmt: skip


async def _counted_short(scene: Scene) -> None:
    """A count found fewer units than are on record, and than are to be kept: the partner has some days to say where they are."""
    sold = await scene.sold(
        "Brake chambers you may need again", BRAKE_CHAMBER, _ready_made("access-first"), to=SHOWN, site=scene.site(HOUSTON),
        quantity=10, price="96.00", days=140, minimum=8, po="PO-88145",
    )  # fmt: skip
    store = await scene.partner(SHOWN, "warehouse")
    await holdings.count(
        scene.session, store, sold.site, sold.part, 7, now=scene.ago(2), condition="new_old_stock",
        note="Bin 14 recounted twice.",
    )  # fmt: skip


async def _controlled(scene: Scene) -> None:
    """Controlled units lie in another country: their order back waits for the licence that the partner has asked for."""
    admin = await scene.partner(SHOWN, "admin")
    abroad = await parties.create_site(
        scene.session, admin, code=ABROAD, name="Monterrey, NL - service depot", place="Monterrey, NL", region="NL",
        country="MX", timezone="America/Monterrey", address="214 Yard Lane", lat=25.67507, lon=-100.31847, opens=time(8),
        closes=time(17), counter_phone="+1 512 555 0131", will_call=True,
    )  # fmt: skip
    terms = parse_terms("buy-back", 2, {**BUY_BACK, "export_class": "ECCN 0A606.x"})
    sold = await scene.sold(
        "Drive shafts, controlled", DRIVE_SHAFT, [terms], to=SHOWN, site=abroad, quantity=4, price="290.00", days=170,
        po="PO-88126",
    )  # fmt: skip
    call = await scene.ordered_back(sold, 2, "stock_order", 12, job="Warranty pool")
    store = await scene.partner(SHOWN, "warehouse")
    await sourcing.accept(scene.session, store, call, scene.ago(10))
    await sourcing.ask_licence(scene.session, store, call, scene.ago(8))


async def _in_place(scene: Scene) -> None:
    """Newer units of the partner's own came in place of those that were ordered: the manufacturer has to look at them."""
    terms = parse_terms("buy-back", 2, {**BUY_BACK, "substitution": "makers_list"})
    sold = await scene.sold(
        "Starters of the older make", STARTER, [terms], to=SHOWN, site=scene.site(AUSTIN), quantity=6, price="205.00",
        days=150, po="PO-88133",
    )  # fmt: skip
    call = await scene.ordered_back(sold, 2, "urgent", 9, job="Fleet of Reno")
    store = await scene.partner(SHOWN, "warehouse")
    newer = await scene.has(store, scene.part(NEWER_STARTER), sold.site, 3, scene.ago(300))
    await _back(scene, sold, call, accepted=8.5, shipped=6, received=3, in_place=[InPlace(newer, 2)])


async def _stands_still(scene: Scene) -> None:
    """The holder cannot get at its units: its agreement is suspended, and goes on by itself after 30 days."""
    sold = await scene.sold(
        "Propeller shafts", PROPELLER, _ready_made("wide-access"), to=OTHER, site=scene.site(COMANCHE), quantity=6,
        price="92.00", days=110, minimum=2, po="PO-30417",
    )  # fmt: skip
    buyer = await scene.partner(OTHER)
    reason = "The depot is flooded: nothing can be picked before the water is out."
    await agreements.suspend(scene.session, sold.agreement, buyer, reason, scene.ago(6))


async def _stopped(scene: Scene) -> None:
    """The manufacturer stops a part at all its holders: one has said what it found, the others are to set units aside. And the
    partner has begun to count a site."""
    planner, store = await scene.maker(), await scene.partner(SHOWN, "warehouse")
    await scene.maker()
    part: UUID = await fetch_value(scene.session, _WIDELY_HELD, store.company_id, planner.company_id)
    made = await recalls.put_in_force(
        scene.session, planner, part_id=part, scope=Scope(), kind="quality_hold",
        reason="Two units of this part came back with a hairline crack at the flange.",
        instruction="Stop issuing and shipping them. Set them aside, mark them, and look at the flange with a lamp.",
        document="QA-2211", answer_by=scene.ago(1) + timedelta(days=9), now=scene.ago(2),
    )  # fmt: skip
    for state in PARTNERS:
        if state == SHOWN:
            continue
        other = await scene.partner(state, "warehouse")
        own = await recall_queries.own_part(scene.session, other, made.id)
        if own is not None and own.reach.units:
            found = own.reach.asked - own.reach.used_up - own.reach.installed
            used = own.reach.asked - found
            said = Answer(
                found, found, used, scene.ago(30).date() if used else None, 0, "All marked; no crack to be seen."
            )
            await recalls.answer(scene.session, other, made.id, said, now=scene.ago(1))
            break
    store = await scene.partner(SHOWN, "warehouse")
    sheet = await counts.open_sheet(
        scene.session, store, scene.site(HOUSTON), part_id=None, agreement_id=None, blind=True, now=scene.ago(1)
    )
    await counts.enter(scene.session, store, sheet, [Item(STEERING_PUMP, 4)], how="scan", now=scene.ago(1))


_WIDELY_HELD = """
SELECT p.part_id FROM position p JOIN lot l ON l.lot_id = p.lot_id
WHERE p.quantity > 0 AND p.site_id IS NOT NULL AND p.beneficiary_id = $2 GROUP BY p.part_id
HAVING bool_or(p.holder_id = $1) AND NOT bool_or(l.frozen) AND sum(p.held) = 0 AND count(DISTINCT p.holder_id) BETWEEN 3 AND 6
ORDER BY count(DISTINCT p.holder_id) DESC, p.part_id LIMIT 1
"""


async def _back(
    scene: Scene,
    sold: Sold,
    call: UUID,
    *,
    accepted: float,
    shipped: float,
    received: float,
    in_place: Sequence[InPlace] = (),
) -> None:
    """The partner answers and ships, the manufacturer receives."""
    store = await scene.partner(SHOWN, "warehouse")
    await sourcing.accept(scene.session, store, call, scene.ago(accepted))
    goes = Consignment.of("Red River Express", f"RR {sold.part.int % 90_000 + 10_000}")
    await sourcing.ship(scene.session, store, call, goes, scene.ago(shipped), in_place=in_place)
    await sourcing.receive(scene.session, await scene.maker(), call, scene.ago(received))


# By the day of the delivery, so that what was made last is what is newest.
_STORIES: Sequence[Callable[[Scene], Awaitable[None]]] = (
    used_up, ends_soon, _not_shipped, _worse_than_agreed, _controlled, _drawn, _in_place, _counted_short, _wants_to_sell, _stands_still,
    _title_kept, _stopped,
)  # fmt: skip
