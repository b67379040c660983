"""Twilio's own helper library, sent to another host: the one way that it offers for this."""

from __future__ import annotations

from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.http_client import TwilioHttpClient

REAL = "https://api.twilio.com"


class HttpClient(TwilioHttpClient):  # type: ignore[misc]
    """The blocking one."""

    def __init__(self, api_url: str) -> None:
        super().__init__(pool_connections=False)
        self.api_url = api_url

    def request(self, method, url, *args, **kwargs):
        assert url.startswith(REAL)
        return super().request(method, url.replace(REAL, self.api_url), *args, **kwargs)


class AsyncHttpClient(AsyncTwilioHttpClient):  # type: ignore[misc]
    """The other."""

    def __init__(self, api_url: str) -> None:
        super().__init__()
        self.api_url = api_url

    async def request(self, method, url, *args, **kwargs):
        assert url.startswith(REAL)
        return await super().request(method, url.replace(REAL, self.api_url), *args, **kwargs)
