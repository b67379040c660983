"""Twilio's helper library in a process of its own: reads expressions of a `client`, a line each, and prints what each
gives as JSON. Nothing is changed in it but the address of its REST API."""

from __future__ import annotations

import datetime
import json
import os
import sys

from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

client = Client(os.environ["TWILIO_ACCOUNT_SID"], os.environ["TWILIO_AUTH_TOKEN"])
client.api.base_url = os.environ["TWILIO_API_URL"]


def shown(seen: object) -> object:
    """A resource as its public attributes, a list of them as a list."""
    if isinstance(seen, list):
        return [shown(one) for one in seen]
    if hasattr(seen, "__dict__"):
        return {name: value for name, value in vars(seen).items() if name == "_from" or not name.startswith("_")}
    return seen


for line in sys.stdin:
    try:
        answer = shown(eval(line, {"client": client, "datetime": datetime}))
    except TwilioRestException as refused:
        answer = {"refused": refused.status, "code": refused.code}
    print(json.dumps(answer, default=str), flush=True)
