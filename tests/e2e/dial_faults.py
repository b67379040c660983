"""Every step of an order to dial, and what can go wrong with it: the rows that test_dial_faults.py plays.

docs/guarantees.md shows them to users; `python -m tools.fault_matrix` writes them there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from agenticd.emulator.phone import Line, PhoneScript
from agenticd.emulator.twilio import ALL_STATUSES, CallbackFaults, RestFaults
from agenticd.emulator.twilio.faults import Mishap

LEAVES = PhoneScript(ring=0.2, lines=(Line(hang_up=True, after="time", pause=0.5),))
STAYS = PhoneScript(ring=0.2)
BUSY = PhoneScript(outcome="busy", ring=0.2)
RINGS = PhoneScript(outcome="no-answer")
SILENT = CallbackFaults(lost=ALL_STATUSES)

TALK = "an ordinary call"
NOBODY = "no phone rings"
TONE = "the busy tone is the network's; nobody is called again"
CUT = "the agent falls silent, and the call ends"


@dataclass(frozen=True, slots=True)
class Row:
    """One fault. `ends`: the reasons that are true of it; `dials`: calls that the carrier has, whatever was retried.

    `killed_at`: the point at which the daemon is killed, once; it is then started again. `hung_up`: by the API, when
    the call has come to this event. `calls`: how many are placed to the one number.
    """

    hop: str
    fault: str
    hears: str
    ends: frozenset[str]
    dials: int = 1
    phone: PhoneScript = LEAVES
    rest: RestFaults = RestFaults()
    callbacks: CallbackFaults = CallbackFaults()
    killed_at: str = ""
    hung_up: str = ""
    calls: int = 1
    warned: bool = False
    """A warning DIAL_UNANSWERED is in the call's events."""
    carrier_code: int = field(default=0)


def _ends(*reasons: str) -> frozenset[str]:
    return frozenset(reasons)


def _create(answer: str, *, done: bool = False, first: int | None = None, **more: Mishap | None) -> RestFaults:
    return RestFaults(create=Mishap(answer, done=done, first=first), **more)  # type: ignore[arg-type]


TO_TWILIO, FROM_TWILIO, DAEMON, CLIENT = "daemon to Twilio", "Twilio to daemon", "daemon", "client to daemon"
_DONE, _LOOKED = _ends("COMPLETED"), _ends("DIAL_UNCONFIRMED")
_RESTARTED = _ends("NODE_LOST", "COMPLETED")

ROWS: dict[str, Row] = {
    "nothing": Row(TO_TWILIO, "none", TALK, _DONE),
    # The order itself.
    "reset_before": Row(
        TO_TWILIO, "connection reset before Twilio did anything", NOBODY, _LOOKED, 0, rest=_create("reset"), warned=True
    ),
    "reset_after": Row(
        TO_TWILIO, "connection reset after Twilio dialled", TALK, _DONE, rest=_create("reset", done=True)
    ),
    "500_before": Row(TO_TWILIO, "HTTP 500, not dialled", NOBODY, _LOOKED, 0, rest=_create("500"), warned=True),
    "502_after": Row(TO_TWILIO, "HTTP 502 from a gateway, dialled", TALK, _DONE, rest=_create("502", done=True)),
    "429_once": Row(TO_TWILIO, "HTTP 429 once", TALK, _DONE, rest=_create("429", first=1)),
    "429_always": Row(
        TO_TWILIO, "HTTP 429 for ever", NOBODY, _ends("REJECTED"), 0, rest=_create("429"), carrier_code=20429
    ),
    "401": Row(
        TO_TWILIO, "HTTP 401, a wrong token", NOBODY, _ends("REJECTED"), 0, rest=_create("401"), carrier_code=20003
    ),
    "403": Row(
        TO_TWILIO, "HTTP 403, an account that may not", NOBODY, _ends("REJECTED"), 0, rest=_create("403"),
        carrier_code=20003,
    ),
    "no_answer": Row(TO_TWILIO, "dialled, and never answered", TALK, _DONE, rest=RestFaults(create_answer_delay=60.0)),
    "held": Row(
        TO_TWILIO, "held until the daemon gave up waiting, not dialled", NOBODY, _LOOKED, 0,
        rest=RestFaults(create_delay=60.0), warned=True,
    ),
    "answered_last": Row(
        TO_TWILIO, "webhooks come before the answer", TALK, _DONE, rest=RestFaults(create_answer_delay=1.5)
    ),
    # What Twilio tells.
    "callbacks_lost": Row(FROM_TWILIO, "all status callbacks lost", TALK, _DONE, callbacks=SILENT),
    "callbacks_lost_busy": Row(
        FROM_TWILIO, "all status callbacks lost, and busy", TONE, _ends("BUSY"), phone=BUSY, callbacks=SILENT
    ),
    "reset_and_lost": Row(
        TO_TWILIO, "reset after Twilio dialled, callbacks lost, answered by a person", TALK, _DONE,
        rest=_create("reset", done=True), callbacks=SILENT, warned=True,
    ),
    "reset_and_lost_busy": Row(
        TO_TWILIO, "reset after Twilio dialled, callbacks lost, and busy", TONE, _ends("BUSY"), phone=BUSY,
        rest=_create("reset", done=True), callbacks=SILENT, warned=True,
    ),
    "not_found_at_first": Row(
        TO_TWILIO, "the same, and the list of calls fails twice", TONE, _ends("BUSY"), phone=BUSY,
        rest=_create("reset", done=True, list=Mishap("503", first=2)), callbacks=SILENT, warned=True,
    ),
    # Two calls to one number.
    "two_found": Row(
        TO_TWILIO, "two calls to one number, both orders reset after Twilio dialled", TALK, _DONE, 2,
        rest=_create("reset", done=True), calls=2,
    ),
    "two_silent": Row(
        TO_TWILIO, "two calls to one number, one dialled, no answer and no callback for either",
        "one phone rings; nobody is called again", _LOOKED | _ends("NO_ANSWER"), 1, phone=RINGS,
        rest=_create("reset", done=True, first=1), callbacks=SILENT, calls=2, warned=True,
    ),
    # Hung up by the API.
    "hung_up_unconfirmed": Row(
        TO_TWILIO, "reset after Twilio dialled, and hung up meanwhile", "the phone stops ringing", _ends("CANCELED"),
        phone=RINGS, rest=_create("reset", done=True), hung_up="call_dialing",
    ),
    "hung_up_refused": Row(
        TO_TWILIO, "the order to hang up fails once", "the call ends a moment later", _ends("COMPLETED"), phone=STAYS,
        rest=RestFaults(update=Mishap("503", first=1)), hung_up="media_connected",
    ),
    # The daemon is killed.
    "killed_before_call_queued": Row(DAEMON, "killed before the call is durable", TALK, _DONE,
                                     killed_at="before_call_queued"),
    "killed_before_commit": Row(DAEMON, "killed before the log's commit", TALK, _DONE, killed_at="before_commit"),
    "killed_after_commit": Row(DAEMON, "killed after the log's commit", TALK, _DONE | _LOOKED, -1,
                               killed_at="after_commit"),
    "killed_before_answer": Row(CLIENT, "killed when the call is durable and the client not told", TALK,
                                _DONE | _LOOKED | _RESTARTED, -1, killed_at="before_answer"),
    "killed_before_call_dialing": Row(DAEMON, "killed while the call waits for its turn", TALK, _DONE,
                                      killed_at="before_call_dialing"),
    "killed_after_call_dialing": Row(DAEMON, "killed when the dial is on record, before the order", NOBODY, _LOOKED, 0,
                                     killed_at="after_call_dialing", warned=True),
    "killed_before_dial": Row(DAEMON, "killed right before the order", NOBODY, _LOOKED, 0, killed_at="before_dial",
                              warned=True),
    "killed_after_dial": Row(DAEMON, "killed when Twilio answered, before that is on record", TALK, _RESTARTED,
                             killed_at="after_dial", warned=True),
    "killed_after_amend": Row(DAEMON, "killed when Twilio's id is on record", CUT, _RESTARTED, killed_at="after_amend"),
    "killed_before_call_ringing": Row(DAEMON, "killed at the first callback, before it is on record", CUT, _RESTARTED,
                                      killed_at="before_call_ringing"),
    "killed_after_call_ringing": Row(DAEMON, "killed while it rings", CUT, _RESTARTED, killed_at="after_call_ringing"),
    "killed_before_call_answered": Row(DAEMON, "killed when somebody answers, before it is on record", CUT, _RESTARTED,
                                       killed_at="before_call_answered"),
    "killed_after_call_answered": Row(DAEMON, "killed when somebody answers", CUT, _RESTARTED,
                                      killed_at="after_call_answered"),
    "killed_before_call_ended": Row(DAEMON, "killed when the line went down, before it is on record", TALK, _DONE,
                                    killed_at="before_call_ended"),
    "killed_after_call_ended": Row(DAEMON, "killed between call_ended and call_closed", TALK, _DONE,
                                   killed_at="after_call_ended"),
    "killed_before_call_closed": Row(DAEMON, "killed before call_closed", TALK, _DONE, killed_at="before_call_closed"),
    "killed_after_call_closed": Row(DAEMON, "killed after call_closed", TALK, _DONE, killed_at="after_call_closed"),
    "killed_before_call_ending": Row(CLIENT, "killed before the order to hang up is durable", "the call ends",
                                     _ends("COMPLETED", "NODE_LOST"), phone=STAYS, hung_up="media_connected",
                                     killed_at="before_call_ending"),
    "killed_after_call_ending": Row(CLIENT, "killed when the order to hang up is durable", "the call ends", _DONE,
                                    phone=STAYS, hung_up="media_connected", killed_at="after_call_ending"),
    "killed_before_hang_up": Row(DAEMON, "killed before Twilio is told to hang up", "the call ends", _DONE, phone=STAYS,
                                 hung_up="media_connected", killed_at="before_hang_up"),
    "killed_after_hang_up": Row(DAEMON, "killed when Twilio has hung up", "the call ends", _DONE, phone=STAYS,
                                hung_up="media_connected", killed_at="after_hang_up"),
    "killed_and_reset": Row(DAEMON, "order reset after Twilio dialled; killed before the first look", TALK,
                            _RESTARTED | _ends("BUSY"), phone=BUSY, rest=_create("reset", done=True), callbacks=SILENT,
                            killed_at="before_look_up", warned=True),
}  # fmt: skip
"""By the name that the test gives them. `dials` -1: at most one."""
