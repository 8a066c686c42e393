"""The terms of the second library as frozen types: buy-back/v2, access-back/v2, first-refusal/v1, title-kept/v1.

Every field is a blank in its ``clause.md``. Not released yet: no agreement stands under them. Once one is released, its
docstrings, descriptions and bounds are part of the released schema.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from marketplace.agreements import term_kinds as kinds
from marketplace.agreements.price_kinds import AnyPrice
from marketplace.agreements.price_rules import WHOLE, Contradiction, number
from marketplace.agreements.term_groups import OrderTerms, UnansweredTerms, empty_right, resale_fits
from marketplace.agreements.terms_v1 import MAX_WINDOW_MONTHS, AppliesTo

_BP = "basis points"


def _floor_above_cap(floor: int | None, cap: int | None) -> list[Contradiction]:
    if floor is None or cap is None or floor <= cap:
        return []
    return [("price_floor_bp", "terms.floor_above_cap", "The price floor must not lie above the price cap.")]


_NO_MATCH: Contradiction = (
    "price.kind", "terms.match", "Only a first refusal can match what somebody else offers: there is no offer to match here."
)  # fmt: skip


class BuyBackV2(OrderTerms):
    """buy-back/v2: the manufacturer may buy units back at a stated price; the holder may have a right to sell them back."""

    clause: Literal["buy-back"] = "buy-back"
    version: Literal[2] = 2
    price: Annotated[AnyPrice, Field(description="Price per unit that goes back.")]
    handling_bp: Annotated[int, number("Added to the price for the holder's handling.", _BP, 0, 5_000), WHOLE] = 0
    price_floor_bp: Annotated[
        int | None,
        number("The price with handling is at least this share of the price paid; none = no floor.", _BP, 1, 30_000),
        WHOLE,
    ] = None
    price_cap_bp: Annotated[
        int | None,
        number("The price with handling is at most this share of the price paid; none = no cap.", _BP, 1, 50_000),
        WHOLE,
    ] = None
    put_percent_bp: Annotated[
        int | None,
        number("The holder may sell units back at this share of the price paid; none = it may not.", _BP, 1, 30_000),
        WHOLE,
    ] = None
    put_start_months: Annotated[
        int,
        number("That right of the holder opens this long after the schedule date.", "months", 0, MAX_WINDOW_MONTHS),
        WHOLE,
    ] = 0

    def contradictions(self) -> list[Contradiction]:
        """Also: no price to match, a floor not above the cap, and a put that opens before the window ends."""
        found = super().contradictions() + _floor_above_cap(self.price_floor_bp, self.price_cap_bp)
        if self.price.kind == "match_third_party":
            found.append(_NO_MATCH)
        if self.put_percent_bp is not None and self.put_start_months >= self.window_end_months:
            words = "The holder's right to sell back must open before the window ends."
            found.append(("put_start_months", "terms.window", words))
        if self.put_percent_bp is None and self.put_start_months:
            words = "The holder has no right to sell back that could open."
            found.append(("put_start_months", "terms.no_put", words))
        return found


class AccessBackV2(OrderTerms):
    """access-back/v2: the manufacturer may draw units and replaces them in kind, or else buys them."""

    clause: Literal["access-back"] = "access-back"
    version: Literal[2] = 2
    draw_fee_bp: Annotated[
        int, number("Fee per unit drawn, as a share of the price the holder paid.", _BP, 0, 5_000), WHOLE
    ] = 0
    replace_days: Annotated[
        int, number("Calendar days from receipt in which the manufacturer sends an equal unit.", "days", 1, 730), WHOLE
    ]
    price: Annotated[AnyPrice, Field(description="Price of a unit that is not replaced in time.")]
    handling_bp: Annotated[int, number("Added to that price for the holder's handling.", _BP, 0, 5_000), WHOLE] = 0
    price_floor_bp: Annotated[
        int | None,
        number("That price with handling is at least this share of the price paid; none = no floor.", _BP, 1, 30_000),
        WHOLE,
    ] = None
    price_cap_bp: Annotated[
        int | None,
        number("That price with handling is at most this share of the price paid; none = no cap.", _BP, 1, 50_000),
        WHOLE,
    ] = None

    def contradictions(self) -> list[Contradiction]:
        """Also: no price to match, and a floor not above the cap."""
        found = super().contradictions() + _floor_above_cap(self.price_floor_bp, self.price_cap_bp)
        if self.price.kind == "match_third_party":
            found.append(_NO_MATCH)
        return found


class FirstRefusalV1(UnansweredTerms):
    """first-refusal/v1: before the holder uses, sells or scraps units, the manufacturer may take them."""

    clause: Literal["first-refusal"] = "first-refusal"
    version: Literal[1] = 1
    applies_to: Annotated[AppliesTo, Field(description="Which of the remaining units the right reaches.")]
    price: Annotated[AnyPrice, Field(description="Price per unit that the manufacturer takes.")]
    handling_bp: Annotated[int, number("Added to the price for the holder's handling.", _BP, 0, 5_000), WHOLE] = 0
    price_floor_bp: Annotated[
        int | None,
        number("The price with handling is at least this share of the price paid; none = no floor.", _BP, 1, 30_000),
        WHOLE,
    ] = None
    price_cap_bp: Annotated[
        int | None,
        number("The price with handling is at most this share of the price paid; none = no cap.", _BP, 1, 50_000),
        WHOLE,
    ] = None
    option_premium_bp: Annotated[
        int,
        number("Paid once for the right, with the schedule, as a share of the price paid.", _BP, 0, 10_000),
        WHOLE,
    ] = 0
    runs_with_the_unit: Annotated[
        bool, Field(description="The right stays on a unit whoever owns it; a buyer must take it over in writing.")
    ]

    @property
    def notice_days_longest(self) -> int:
        """The longest that an offer may be answered, of the acts that are offered first."""
        asked = (
            (self.use_rule in (kinds.UseRule.AFTER_NOTICE, kinds.UseRule.WITHIN_ALLOWANCE), self.use_notice_days),
            (self.resale is kinds.ResaleRule.OFFER_FIRST, self.resale_notice_days),
            (self.scrap_rule is kinds.ScrapRule.OFFER_FIRST, self.scrap_notice_days),
        )
        return max((days for offered, days in asked if offered), default=0)

    def contradictions(self) -> list[Contradiction]:
        """Also: the manufacturer is asked before at least one act; a match has an offer to match."""
        found = super().contradictions() + _floor_above_cap(self.price_floor_bp, self.price_cap_bp)
        found += empty_right(self.applies_to, self.minimum_to_keep, 0)
        found += resale_fits(self.resale, self.runs_with_the_unit)
        if not self.notice_days_longest:
            words = "A first refusal needs an act that is offered first: use after notice, or resale or scrap offered first."
            found.append(("use_rule", "terms.empty_right", words))
        if self.price.kind == "match_third_party" and self.resale is not kinds.ResaleRule.OFFER_FIRST:
            words = (
                "There is an offer to match only where units are offered first before they are sold on: for units that are used or "
                "scrapped nobody offers. Offer them first before they are sold on too, or state the price that counts without an "
                "offer: a share of the price paid, or a market value."
            )
            found.append(("resale", "terms.match", words))
        return found


class TitleKeptV1(UnansweredTerms):
    """title-kept/v1: units stay the manufacturer's in the holder's hands until they are taken out or paid."""

    title_kinds: ClassVar[frozenset[kinds.Title]] = frozenset({kinds.Title.CONSIGNED, kinds.Title.RETAINED_UNTIL_PAID})
    title_term: ClassVar[str] = (
        "This clause is for units that stay the manufacturer's: consigned, or retained until paid."
    )
    applies_to: ClassVar[AppliesTo] = AppliesTo.ALL
    runs_with_the_unit: ClassVar[bool] = True

    clause: Literal["title-kept"] = "title-kept"
    version: Literal[1] = 1
    withdrawal_days: Annotated[
        int, number("Days from taking a unit out until its price is due.", "days", 1, 180), WHOLE
    ]
    recall_fee_bp: Annotated[
        int, number("Paid per unit that the manufacturer takes back, as a share of its price.", _BP, 0, 5_000), WHOLE
    ] = 0
    must_buy_months: Annotated[
        int | None,
        number("A unit not taken out by then counts as taken out; none = never.", "months", 1, MAX_WINDOW_MONTHS),
        WHOLE,
    ] = None
    at_end: Annotated[kinds.AtEnd, Field(description="What happens to units still the manufacturer's at the end.")]
    end_return_days: Annotated[
        int, number("Days after the end in which units left go back or are paid.", "days", 1, 180), WHOLE
    ]

    def contradictions(self) -> list[Contradiction]:
        """Also: what is not the holder's is neither sold on nor scrapped without being asked for."""
        found = super().contradictions()
        if self.resale in (kinds.ResaleRule.FREE, kinds.ResaleRule.ACCESSION):
            words = "The units are not the holder's to sell on freely: choose consent, offer first or not allowed."
            found.append(("resale", "terms.not_owner", words))
        if self.scrap_rule is kinds.ScrapRule.FREE:
            words = "The units are not the holder's to scrap: choose consent or offer first."
            found.append(("scrap_rule", "terms.not_owner", words))
        if self.must_buy_months is not None and self.must_buy_months > self.window_end_months:
            words = "By then the window has ended: state fewer months, or none."
            found.append(("must_buy_months", "terms.window", words))
        return found


TermsV2 = BuyBackV2 | AccessBackV2 | FirstRefusalV1 | TitleKeptV1
"""Terms of the second library."""
