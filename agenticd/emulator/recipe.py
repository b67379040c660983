"""What a daemon is told so that it uses the emulator: the lines of .env and of config.yaml. Texts only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import urlsplit

VOICE_PATH = "/twilio/voice"
"""Where agenticd answers calls that come in."""

_DEFAULT_LISTEN = "127.0.0.1:8080"


@dataclass(frozen=True, slots=True)
class Recipe:
    """An emulator that listens, as a daemon has to know it. `voice_url` is the daemon's own."""

    api_url: str
    account_sid: str
    auth_token: str
    numbers: tuple[str, ...]
    realtime_url: str
    api_key: str
    voice_url: str
    greeting: str

    @property
    def fits_agenticd(self) -> bool:
        """Whether `voice_url` is one where an agenticd can answer."""
        return urlsplit(self.voice_url).path.endswith(VOICE_PATH)

    def env(self) -> str:
        """The lines of .env."""
        return (
            f"TWILIO_ACCOUNT_SID={self.account_sid}\n"
            f"TWILIO_AUTH_TOKEN={self.auth_token}\n"
            f"TWILIO_PHONE_NUMBER={self.numbers[0]}\n"
            f"OPENAI_API_KEY={self.api_key}\n"
        )

    def config(self) -> str:
        """A whole config.yaml that takes the secrets from .env."""
        names = ("${TWILIO_ACCOUNT_SID}", "${TWILIO_AUTH_TOKEN}", "${TWILIO_PHONE_NUMBER}", "${OPENAI_API_KEY}")
        return self._config(*names)

    def whole(self) -> str:
        """A whole config.yaml that needs no .env, with an event log of its own beside it."""
        begin = "# For agenticd on `agenticd emulate`. Its secrets are none: Twilio and OpenAI do not know them.\n"
        log = (
            "# Beside this file, so that no real daemon's calls get mixed up with these.\nstore: {path: emulated.db}\n"
        )
        return begin + self._config(self.account_sid, self.auth_token, self.numbers[0], self.api_key) + log

    def _config(self, account_sid: str, auth_token: str, number: str, api_key: str) -> str:
        parts = urlsplit(self.voice_url)
        base = self.voice_url.removesuffix(VOICE_PATH).rstrip("/")
        listen = f"{parts.hostname}:{parts.port or 80}"
        http = "" if listen == _DEFAULT_LISTEN else f'http: {{listen: "{listen}"}}\n'
        inbound = "".join(f"  {json.dumps(number)}: {{agent: default}}\n" for number in self.numbers)
        return (
            "version: 1\n"
            f"public_url: {base}\n"
            f"{http}"
            "twilio:\n"
            f"  api_url: {self.api_url}\n"
            f'  account_sid: "{account_sid}"\n'
            f'  auth_token: "{auth_token}"\n'
            f'  from_number: "{number}"\n'
            "openai:\n"
            f"  url: {self.realtime_url}\n"
            f'  api_key: "{api_key}"\n'
            "agents:\n"
            "  default:\n"
            "    instructions: You are Aurora, the voice of Trattoria Aurora. Be brief.\n"
            f"    greeting: >-\n      {self.greeting}\n"
            f"inbound:\n{inbound}"
        )
