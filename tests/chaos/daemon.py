"""`agenticd serve` with less patience: what is waited for minutes on a real line is waited for seconds here.

Nothing else is changed. Chaos runs, and tests of orders to dial that stay unanswered, would else mostly wait.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from agenticd import app
from agenticd.adapters.twilio.rest import Config
from agenticd.config import Settings
from agenticd.core import call
from agenticd.serve import main

REST_TIMEOUT = 5.0
PATIENCE = {"UNCONFIRMED_GRACE": 4.0, "RING_GRACE": 3.0, "DIAL_ANSWER": 12.0, "ASK_AGAIN": 3.0, "MEDIA_PATIENCE": 6.0}
LOOK_UPS = (0.5, 1.5, 3.0, 5.0, 8.0)


def less_patient() -> None:
    """Shorten the times that are constants, and that of a REST request."""
    for name, seconds in PATIENCE.items():
        assert getattr(call, name) > seconds
        setattr(call, name, seconds)
    call.LOOK_UPS = LOOK_UPS
    made = app._twilio_config

    def twilio_config(settings: Settings) -> Config:
        return replace(made(settings), timeout=REST_TIMEOUT)

    app._twilio_config = twilio_config


if __name__ == "__main__":
    less_patient()
    main(sys.argv[2:])  # after "serve"
