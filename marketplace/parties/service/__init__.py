"""The verbs of the parties: sign in and out, make companies, sites, people, keys and delegations; and doing a
writing request once."""

from marketplace.parties.service.people import change_user, create_user, switch_user
from marketplace.parties.service.places import (
    add_contact,
    change_site,
    close_site,
    create_company,
    create_site,
    know_each_other,
    mask_holders,
    remove_contact,
    reopen_site,
    set_discount_rate,
    set_expected_market,
)
from marketplace.parties.service.repeating import Answer, once, once_done, plain_answer
from marketplace.parties.service.signing_in import (
    MINIMUM_PASSWORD,
    forget_old,
    hash_password,
    sign_in,
    sign_out,
    token_hash,
)
from marketplace.parties.service.trusting import (
    create_api_key,
    delegate,
    end_feed,
    make_feed,
    revoke_api_key,
    revoke_delegation,
)

__all__ = [
    "MINIMUM_PASSWORD",
    "Answer",
    "add_contact",
    "change_site",
    "change_user",
    "close_site",
    "create_api_key",
    "create_company",
    "create_site",
    "create_user",
    "delegate",
    "end_feed",
    "forget_old",
    "hash_password",
    "know_each_other",
    "make_feed",
    "mask_holders",
    "once",
    "once_done",
    "plain_answer",
    "remove_contact",
    "reopen_site",
    "revoke_api_key",
    "revoke_delegation",
    "set_discount_rate",
    "set_expected_market",
    "sign_in",
    "sign_out",
    "switch_user",
    "token_hash",
]  # fmt: skip
