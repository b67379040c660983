"""One call from its creation to its last callback: the telephone network, and who may end or redirect it.

What the TwiML says is done by `interpreter`; here is all that may interrupt it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import TypeAlias

from agenticd.emulator.phone import HangUp, Press, dtmf
from agenticd.emulator.twilio import twiml
from agenticd.emulator.twilio.bridge import Crossing, Leg
from agenticd.emulator.twilio.call import Call, Status, rfc2822
from agenticd.emulator.twilio.callbacks import Callbacks
from agenticd.emulator.twilio.interpreter import Interpreter
from agenticd.emulator.twilio.office import Office
from agenticd.emulator.twilio.recording import Recorder
from agenticd.emulator.twilio.steps import SORRY, Fetch, Inline, Step
from agenticd.emulator.twilio.twiml import Document, Event
from agenticd.emulator.twilio.verbs import Line, connect
from agenticd.emulator.twilio.webhook import Webhooks


class _Over:
    """An order: the call has ended, let go of it."""


_OVER = _Over()
_Order: TypeAlias = _Over | Fetch | Inline


class Life:
    """Runs one call. `end` and `redirect` may be called from outside at any time, and take effect at once."""

    def __init__(self, office: Office, call: Call, leg: Leg | None = None) -> None:
        """`leg`: it is the call of a `<Dial>`, and this is how it is joined."""
        config = office.config
        self.call = call
        self._config = config
        self._leg = leg
        self._webhooks = Webhooks(config, call, office.connector)
        self._callbacks = Callbacks(config.now, office.debugger, call, self._webhooks)
        self._line = Line(office, call, self._webhooks, self._callbacks.put)
        self._interpreter = self._interpreter_of(self._line)
        self._sequence = 0  # SequenceNumber of the next status callback
        self._order: _Order | None = None
        self._ordered = asyncio.Event()
        self._work: asyncio.Task[object] | None = None

    def _interpreter_of(self, line: Line) -> Interpreter:
        return Interpreter(line)

    @property
    def recorder(self) -> Recorder:
        """What records it."""
        return self._line.recorder

    async def run(self) -> None:
        """Live the call; returns when its last callback was answered."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._callbacks.run())
                if self.call.direction == "inbound":
                    await self._ring_in(tasks)
                else:
                    await self._dial_out(tasks)
                await self._callbacks.close()
        finally:
            if self._leg is not None:
                self._leg.over()
            await connect.abort(self._line)
            await self._webhooks.close()

    def end(self, status: Status | None = None) -> None:
        """The call takes a final status now, whoever wanted it; None: the one that fits. Once it has one, nothing
        happens."""
        if not self.call.final:
            self.call.move(status or ("completed" if self.call.status == "in-progress" else "canceled"))
            if self._leg is not None:
                self._leg.over()
            self._give(_OVER)

    def redirect(self, step: Fetch | Inline) -> None:
        """Leave the present TwiML, its stream too, and perform another. Only for a call in progress."""
        assert self.call.status == "in-progress", "only a live call has TwiML to leave"
        self._give(step)

    def _give(self, order: _Order) -> None:
        self._order = order
        self._ordered.set()
        if self._work is not None:
            self._work.cancel()

    # The network.

    async def _dial_out(self, tasks: asyncio.TaskGroup) -> None:
        """Queue, dial and ring the phone; then talk, if it was answered."""
        call, script = self.call, self.call.phone.script
        queued = self._config.queue_time + call.queued_for if self._leg is None else 0.0
        if await self._over_within(queued):
            return  # canceled before it was dialled: Twilio calls nobody back
        call.move("initiated")
        self._report_status("initiated")
        if script.outcome in ("busy", "failed"):
            # The network says so without having rung the phone.
            if not await self._over_within(script.ring):
                self.end("busy" if script.outcome == "busy" else "failed")
        else:
            await self._ring(tasks)
        self._report_status("completed")

    async def _ring(self, tasks: asyncio.TaskGroup) -> None:
        call, script = self.call, self.call.phone.script
        call.move("ringing")
        self._report_status("ringing")
        answers = script.outcome == "answer" and script.ring <= call.options.timeout
        if await self._over_within(script.ring if answers else call.options.timeout):
            return
        if not answers:
            self.end("no-answer")
            return
        self._answer()
        self._report_status("answered")
        options = call.options
        first: Step | None = Fetch("voice", options.url, options.method) if options.url else Inline(options.twiml)
        if self._leg is not None and not options.url:
            first = None  # nothing is whispered
        await self._talk(tasks, self._open(first))

    async def _ring_in(self, tasks: asyncio.TaskGroup) -> None:
        """A call to one of the account's numbers: the voice webhook decides whether it is answered."""
        call = self.call
        first: list[Document | None] = []

        async def ask() -> None:
            first.append(await self._interpreter.obtain(Fetch("voice", call.options.url, call.options.method)))

        await self._perform(tasks.create_task(ask()))
        document = first[0] if first else None
        if not call.final:
            match document.verbs[:1] if document is not None else ():
                case (twiml.Reject(reason=reason),):
                    self.end("busy" if reason == "busy" else "no-answer")
                case _:
                    self._answer()  # also to say that there is none
                    await self._talk(tasks, self._interpreter.run(document or SORRY))
        self._report_status("completed")

    def _answer(self) -> None:
        self.call.phone.answer(asyncio.get_running_loop().time())
        self.call.move("in-progress")

    async def _over_within(self, seconds: float) -> bool:
        """Wait; whether the call was ended meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                await self._ordered.wait()
        except TimeoutError:
            pass
        return self.call.final

    # The conversation.

    async def _talk(self, tasks: asyncio.TaskGroup, work: Coroutine[object, object, object]) -> None:
        """From the answer to the end; `work` is what comes first."""
        heart = tasks.create_task(self._beat())
        while True:
            await self._perform(tasks.create_task(work))
            if self.call.final:
                break
            await connect.abandon(self._line)
            order, self._order = self._order, None
            if order is None or isinstance(order, _Over):
                break
            work = self._interpreter.run(order)
        self.end("completed")
        heart.cancel()
        self.call.phone.hear_no_more(asyncio.get_running_loop().time())
        await connect.abandon(self._line)
        self.recorder.finish_all()

    async def _open(self, first: Step | None) -> None:
        """What an outbound call begins with: a recording, keys, the TwiML; one of a `<Dial>` is joined then."""
        options = self.call.options
        if options.record is not None:
            wanted = options.record
            self.recorder.begin("OutboundAPI", wanted.channels, wanted.track, trim=wanted.trim, told=wanted.told)
        if options.send_digits:
            await self._line.play(dtmf.sound(options.send_digits))
        if self._leg is not None:
            await self._be_joined(self._leg, first)
        elif first is not None:
            await self._interpreter.run(first)

    async def _be_joined(self, leg: Leg, first: Step | None) -> None:
        """Hear what is for the called alone, wait for the one who dialled, and talk, until somebody ends it or sends
        the call elsewhere."""
        line = self._line
        try:
            line.whispers = True
            if first is not None and not await self._interpreter.run(first):
                return  # declined
            leg.settle(True)
            await leg.joined.wait()
            line.listener = Crossing(leg.parent)
            await asyncio.get_running_loop().create_future()  # until it is cancelled
        finally:
            line.whispers, line.listener = False, None
            leg.over()

    async def _perform(self, work: asyncio.Task[object]) -> None:
        """Wait for the end of `work`, or for an order, which cancels it."""
        self._work = work
        try:
            await asyncio.wait({work})
        finally:
            self._work = None

    async def _beat(self) -> None:
        """The call's real time: what leaves the telephone, what its buffer echoes, the time limit."""
        loop, phone = asyncio.get_running_loop(), self.call.phone
        began = loop.time()
        while loop.time() < began + self.call.options.time_limit:
            await asyncio.sleep(phone.next_due() - loop.time())
            for act in phone.tick(loop.time()):
                listener = self._line.listener
                match act:
                    case HangUp():
                        self.end("completed")
                        return
                    case Press():
                        if listener is not None:
                            await listener.send_digit(act.digit)
                    case _:
                        if listener is not None:
                            await listener.send_frame(act)
            stream = self._line.stream
            if stream is not None and stream.live:
                await stream.echo_marks()
        self.end("completed")

    # The callbacks.

    def _report_status(self, event: Event) -> None:
        call, options = self.call, self.call.options
        if not options.status_callback or event not in options.events:
            return
        params = {
            "Timestamp": rfc2822(time.time()),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(self._sequence),
            **(self._attested() if event in ("ringing", "answered") else {}),
            **(call.end_params() if event == "completed" else {}),
            **(self._recorded() if event == "completed" else {}),
        }
        self._sequence += 1
        self._callbacks.put("status", options.status_callback_method, options.status_callback, params)

    def _attested(self) -> dict[str, str]:
        """How far Twilio vouches for who calls: fully if the number is the account's, else only for the account."""
        return {"StirStatus": "A" if self.call.from_ in self._config.numbers else "B"}

    def _recorded(self) -> dict[str, str]:
        """What the last callback says of the recording that was asked for when the call was created."""
        for recording in self.call.recordings:
            if recording.source == "OutboundAPI" and recording.status == "completed":
                return self.recorder.params(recording)
        return {}
