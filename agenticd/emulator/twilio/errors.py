"""The errors of Twilio's REST API: code, HTTP status and the JSON that carries them."""

from __future__ import annotations

from collections.abc import Mapping

# code: (HTTP status, message). {} is filled by the one who raises.
_ERRORS: Mapping[int, tuple[int, str]] = {
    20001: (400, "Invalid parameter: {}"),
    20002: (400, "Invalid FriendlyName: {}"),
    20003: (401, "Authenticate"),
    20004: (405, "Method not allowed"),
    20008: (403, "Resource not accessible with Test Account Credentials"),
    20009: (409, "Cannot delete this resource before it is complete: {}"),
    20404: (404, "The requested resource {} was not found"),
    20429: (429, "Too Many Requests"),
    20500: (500, "An internal server error has occurred"),
    20503: (503, "Service unavailable"),
    21201: (400, "No 'To' number is specified"),
    21205: (400, "Url is not a valid URL: {}"),
    21206: (400, "SendDigits is not valid: {}"),
    21208: (400, "Timeout is not valid: {}"),
    21209: (400, "Method is not GET or POST: {}"),
    21210: (400, "The source phone number provided, {}, is not yet verified for your account."),
    21211: (400, "The phone number you are attempting to call, {}, is not valid."),
    21212: (400, "The source phone number provided, {}, is not a valid phone number."),
    21213: (400, "No 'From' number is specified"),
    21214: (400, "The phone number you are attempting to call, {}, cannot be reached."),
    21215: (400, "Account not authorized to call {}."),
    21216: (400, "Account not allowed to call {}."),
    21217: (400, "Phone number does not appear to be valid: {}"),
    21220: (400, "Invalid call state: {}"),
    21402: (400, "Invalid Url: {}"),
    21403: (400, "Invalid Method: {}"),
    21405: (400, "Cannot set VoiceFallbackUrl without setting VoiceUrl"),
}


class RestError(Exception):
    """A REST request is refused with one of Twilio's codes."""

    def __init__(self, code: int, subject: str = "") -> None:
        self.code = code
        self.status, template = _ERRORS[code]
        self.message = template.format(subject)
        super().__init__(f"{code}: {self.message}")

    def body(self) -> dict[str, str | int]:
        """What the answer's JSON says."""
        return {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
