"""The verbs of sourcing: raise a parts request, plan it, order units back; answer, ship, receive, inspect, close."""

from marketplace.sourcing.service.answering import (
    accept,
    act_on_silence,
    correct_shipment,
    grounds_of,
    refuse,
    ship,
)
from marketplace.sourcing.service.cancelling import cancel_call, cancels_by_both, release
from marketplace.sourcing.service.cascading import go_on, state_rule
from marketplace.sourcing.service.changing import Change, change_request
from marketplace.sourcing.service.closing import close_site
from marketplace.sourcing.service.defaulting import acknowledge, act_on_default, buy_elsewhere, delay_so_far
from marketplace.sourcing.service.ending import Breach, Ended, breach_of, end_for_breach, sign_proposal
from marketplace.sourcing.service.freighting import record_freight
from marketplace.sourcing.service.giving_way import take_over
from marketplace.sourcing.service.inspecting import accept_uninspected, inspect
from marketplace.sourcing.service.licensing import (
    Needed,
    ask_licence,
    end_unlicensed,
    licence_needed,
    record_licence,
    refuse_licence,
)
from marketplace.sourcing.service.losing import mend, report_lost, risk_words
from marketplace.sourcing.service.objecting import fetches_of, object_to_condition
from marketplace.sourcing.service.ordering import approve, confirm, lapse, order_back, withdraw_request
from marketplace.sourcing.service.planning import MOST_REQUESTS, confirm_plan, make_plan, plan_many, record_rate
from marketplace.sourcing.service.raising_many import MOST_ROWS, Fate, Row, fates, raise_many
from marketplace.sourcing.service.receiving import finish, receive, settle
from marketplace.sourcing.service.rejecting import (
    accept_rejected,
    agree_units,
    keep_rejected,
    receive_back,
    send_back,
)
from marketplace.sourcing.service.replacing import buy_unreplaced, receive_replacement, send_replacement
from marketplace.sourcing.service.requesting import Asked, plan, raise_request
from marketplace.sourcing.service.saving import delete_search, rename_search, save_search
from marketplace.sourcing.service.selling_back import Offered, Sellable, name_destination, sell_back, sellable
from marketplace.sourcing.service.standing_in import InPlace
from marketplace.sourcing.service.standing_in import candidates as stand_in_candidates
from marketplace.sourcing.service.wanting import look, set_notify
from marketplace.sourcing.service.writing import write_message

__all__ = [
    "MOST_REQUESTS",
    "MOST_ROWS",
    "Asked",
    "Breach",
    "Change",
    "Ended",
    "Fate",
    "InPlace",
    "Needed",
    "Offered",
    "Row",
    "Sellable",
    "accept",
    "accept_rejected",
    "accept_uninspected",
    "acknowledge",
    "act_on_default",
    "act_on_silence",
    "agree_units",
    "approve",
    "ask_licence",
    "breach_of",
    "buy_elsewhere",
    "buy_unreplaced",
    "cancel_call",
    "cancels_by_both",
    "change_request",
    "close_site",
    "confirm",
    "confirm_plan",
    "correct_shipment",
    "delay_so_far",
    "delete_search",
    "end_for_breach",
    "end_unlicensed",
    "fates",
    "fetches_of",
    "finish",
    "go_on",
    "grounds_of",
    "inspect",
    "keep_rejected",
    "lapse",
    "licence_needed",
    "look",
    "make_plan",
    "mend",
    "name_destination",
    "object_to_condition",
    "order_back",
    "plan",
    "plan_many",
    "raise_many",
    "raise_request",
    "receive",
    "receive_back",
    "receive_replacement",
    "record_freight",
    "record_licence",
    "record_rate",
    "refuse",
    "refuse_licence",
    "release",
    "rename_search",
    "report_lost",
    "risk_words",
    "save_search",
    "sell_back",
    "sellable",
    "send_back",
    "send_replacement",
    "set_notify",
    "settle",
    "ship",
    "sign_proposal",
    "stand_in_candidates",
    "state_rule",
    "take_over",
    "withdraw_request",
    "write_message",
]
