"""Acts that concern the security of an account or a company: their words, and of which the person is told by mail."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

ACTS: Final[Mapping[str, str]] = {
    "signed_in": "Signed in",
    "sign_in_failed": "A sign-in with a wrong password",
    "code_failed": "A wrong code of the second factor",
    "recovery_code_used": "A recovery code was used",
    "signed_out": "Signed out",
    "session_ended": "A session was ended",
    "sessions_ended": "All other sessions were ended",
    "password_changed": "The password was changed",
    "password_set": "An administrator set a new password",
    "reset_asked": "A link for a new password was asked for",
    "password_reset": "A new password was set by a mailed link",
    "address_asked": "A link to confirm an e-mail address was sent",
    "address_confirmed": "The e-mail address was confirmed",
    "address_changed": "The e-mail address was changed",
    "factor_set": "A second factor was set up",
    "factor_removed": "The second factor was removed",
    "factor_reset": "An administrator removed the second factor",
    "codes_made": "New recovery codes were made",
    "factor_required": "The company asks everybody for a second factor",
    "factor_optional": "The company no longer asks for a second factor",
    "key_made": "An API key was made",
    "key_revoked": "An API key was revoked",
    "person_added": "A person was added",
    "person_invited": "A person was invited",
    "invitation_sent": "An invitation was sent again",
    "invitation_withdrawn": "An invitation was withdrawn",
    "person_joined": "An invited person joined",
    "roles_changed": "Roles were changed",
    "person_off": "A person was switched off",
    "person_on": "A person was switched on",
}
MAILED: Final = frozenset({
    "recovery_code_used", "password_changed", "password_set", "password_reset", "address_changed", "factor_set", "factor_removed",
    "factor_reset",
})  # fmt: skip
"""Of these the person gets a mail at once: whoever did not do it learns of it while something can be done."""

OF_THE_COMPANY: Final = frozenset({
    "factor_required", "factor_optional", "person_invited", "invitation_sent", "invitation_withdrawn",
})  # fmt: skip
"""These concern nobody's account yet."""

RECENT: Final = timedelta(minutes=15)
"""So long a sign-in is recent enough for an act of security."""
CHALLENGE: Final = timedelta(minutes=10)
"""So long after the password the code of the second factor may be typed."""
RESET_FOR: Final = timedelta(hours=1)
ADDRESS_FOR: Final = timedelta(days=1)
INVITED_FOR: Final = timedelta(days=7)
