"""The account's phone numbers as resources: where their calls go, and how REST reads and writes that."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from agenticd.emulator.twilio import urls
from agenticd.emulator.twilio.call import API_VERSION, Options, formatted, number_sid, rfc2822
from agenticd.emulator.twilio.debugger import NOT_BUILT
from agenticd.emulator.twilio.errors import RestError
from agenticd.emulator.twilio.params import Form, Note
from agenticd.emulator.twilio.twiml import Method

_LONGEST_NAME = 64
_URLS = ("voice_url", "voice_fallback_url", "status_callback")
_METHODS = ("voice_method", "voice_fallback_method", "status_callback_method")
_IGNORED = ("VoiceApplicationSid", "TrunkSid", "VoiceCallerIdLookup", "VoiceReceiveMode", "EmergencyStatus")


@dataclass(slots=True)
class Number:
    """One number of the account. Absent URLs are `""`."""

    number: str
    friendly_name: str = ""
    voice_url: str = ""
    voice_method: Method = "POST"
    voice_fallback_url: str = ""
    voice_fallback_method: Method = "POST"
    status_callback: str = ""
    status_callback_method: Method = "POST"
    created: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self.friendly_name = self.friendly_name or formatted(self.number)

    @property
    def sid(self) -> str:
        """Always the same for the same number."""
        return number_sid(self.number)

    def options(self) -> Options:
        """What a call gets that comes in here."""
        return Options(
            url=self.voice_url,
            method=self.voice_method,
            fallback_url=self.voice_fallback_url,
            fallback_method=self.voice_fallback_method,
            status_callback=self.status_callback,
            status_callback_method=self.status_callback_method,
        )

    def resource(self, account_sid: str) -> dict[str, object]:
        """The IncomingPhoneNumber as REST shows it."""
        uri = f"/{API_VERSION}/Accounts/{account_sid}/IncomingPhoneNumbers/{self.sid}"
        return {
            "sid": self.sid,
            "account_sid": account_sid,
            "phone_number": self.number,
            "friendly_name": self.friendly_name,
            "voice_url": self.voice_url,
            "voice_method": self.voice_method,
            "voice_fallback_url": self.voice_fallback_url,
            "voice_fallback_method": self.voice_fallback_method,
            "voice_caller_id_lookup": False,
            "voice_application_sid": None,
            "voice_receive_mode": "voice",
            "trunk_sid": None,
            "status_callback": self.status_callback,
            "status_callback_method": self.status_callback_method,
            "sms_url": "",
            "sms_method": "POST",
            "sms_fallback_url": "",
            "sms_fallback_method": "POST",
            "sms_application_sid": "",
            "address_requirements": "none",
            "address_sid": None,
            "identity_sid": None,
            "bundle_sid": None,
            "emergency_status": "Inactive",
            "emergency_address_sid": None,
            "emergency_address_status": "unregistered",
            "api_version": API_VERSION,
            "beta": False,
            "origin": "twilio",
            "type": "local",
            "status": "in-use",
            "capabilities": {"voice": True, "sms": False, "mms": False, "fax": False},
            "date_created": rfc2822(self.created),
            "date_updated": rfc2822(self.updated),
            "uri": f"{uri}.json",
            "subresource_uris": {"assigned_add_ons": f"{uri}/AssignedAddOns.json"},
        }

    def update(self, form: Form, note: Note) -> None:
        """Take what a form says; what it does not name stays.

        Raises:
            RestError: if Twilio would refuse it. Nothing is changed then.

        """
        found: dict[str, str] = {}
        for name in _URLS:
            if _pascal(name) in form.names():
                found[name] = form.get(_pascal(name))
                if found[name] and not urls.is_web(found[name]):
                    raise RestError(21402, found[name])
        for name in _METHODS:
            if _pascal(name) in form.names():
                found[name] = form.get(_pascal(name)).upper()
                if found[name] not in ("GET", "POST"):
                    raise RestError(21403, found[name])
        if found.get("voice_fallback_url") and not found.get("voice_url", self.voice_url):
            raise RestError(21405)
        if "FriendlyName" in form.names():
            found["friendly_name"] = form.get("FriendlyName")
            if not 0 < len(found["friendly_name"]) <= _LONGEST_NAME:
                raise RestError(20002, f"1 to {_LONGEST_NAME} characters")
        for name in _IGNORED:
            if form.get(name):
                note(NOT_BUILT, f"this emulator cannot do {name} of a number: ignored")
        known = {each.name for each in fields(self)}
        for name, value in found.items():
            assert name in known
            setattr(self, name, value)
        self.updated = time.time()


def matching(numbers: Iterable[Number], query: Mapping[str, str]) -> list[Number]:
    """Those that a list's filters mean: PhoneNumber may be a part, or hold * for any digits."""
    wanted, name = query.get("PhoneNumber", ""), query.get("FriendlyName", "")
    found = []
    for number in numbers:
        fits = fnmatch.fnmatchcase(number.number, f"*{wanted.lstrip('+') or '*'}*")
        if wanted.startswith("+"):
            fits = fnmatch.fnmatchcase(number.number, f"{wanted}*")
        if fits and name in ("", number.friendly_name):
            found.append(number)
    return found


def _pascal(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
