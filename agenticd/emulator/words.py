"""The words of `agenticd emulate` that its help and its other modules share. Imports nothing, so help is quick."""

from __future__ import annotations

from collections.abc import Mapping

PERSONS: Mapping[str, str] = {
    "talks": "says each line when the agent has spoken, then stays",
    "hangs-up": "says each line when the agent has spoken, then hangs up",
    "listens": "says nothing and stays",
    "busy": "does not answer: the line is busy",
    "no-answer": "does not answer: it rings until Twilio gives up",
    "failed": "does not answer: the network cannot reach the phone",
}
"""Who answers, and what they do."""

VERBS = "say TEXT, interrupt TEXT, press KEYS, wait SECONDS, hangup"
"""What stands in a person's file."""

TYPED = """\
call [NUMBER] [from NUMBER]   a phone calls your number
say TEXT                      the person on the phone says it, at once
press KEYS                    presses keys: 0-9 * #
hangup                        hangs up; a phone that rings declines
fault NAME=VALUE              goes wrong from now on; fault off: nothing
quit                          ends the emulator, as Ctrl-C does
The newest call is meant; #2 say TEXT means call 2."""

OWN_PATHS = "/emulator/"
"""What is under it on Twilio's port is the emulator's own: orders of scripts, with a token of their own."""

CONTROL_PATH = "/emulator/calls"
"""Where scripts do over HTTP what is typed at a terminal about calls."""

FAULTS_PATH = "/emulator/faults"
"""Where scripts read and change what goes wrong."""

TOKEN_VARIABLE = "AGENTICD_EMULATOR_TOKEN"
TOKEN_SUFFIX = ".control-token"
"""Of the file beside a configuration that is written."""

CALLER = "+15550002222"
"""Who calls your number."""

ANSWERS = """\
opening TEXT               what it says first, where nobody told it
when REGEX: say TEXT       the first that fits what the caller said
when REGEX: call NAME {}   calls a function, with these arguments
result REGEX: say TEXT     what it says to what a function gave
otherwise TEXT             where nothing fits
idle TEXT                  to a caller who is silent"""
"""What stands in a file of answers."""

CHAT_KEY = "AGENTICD_CHAT_KEY"
"""The environment variable with the key of the chat endpoint."""
