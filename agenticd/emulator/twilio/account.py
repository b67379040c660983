"""The Account resource: what a customer's program asks for to see whether its credentials are good."""

from __future__ import annotations

from agenticd.emulator.twilio.call import API_VERSION, rfc2822

_SUBRESOURCES = ("calls", "incoming_phone_numbers", "recordings")


def account_resource(sid: str, auth_token: str, since: float) -> dict[str, object]:
    """The account as REST shows it; `since` is in s since 1970."""
    root = f"/{API_VERSION}/Accounts/{sid}"
    return {
        "sid": sid,
        "owner_account_sid": sid,  # a main account owns itself
        "friendly_name": "agenticd emulate",
        "status": "active",
        "type": "Full",
        "auth_token": auth_token,
        "date_created": rfc2822(since),
        "date_updated": rfc2822(since),
        "uri": f"{root}.json",
        "subresource_uris": {
            name: f"{root}/{''.join(word.capitalize() for word in name.split('_'))}.json" for name in _SUBRESOURCES
        },
    }
