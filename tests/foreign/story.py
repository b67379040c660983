"""What happens on a call to an application and from one, and what must be true of it, whatever framework runs it.

The texts are of sentences that the emulator has recordings of, so that what a phone heard can be told by its sound.
"""

from __future__ import annotations

import asyncio
import os
import re
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agenticd.emulator.voice import Recogniser, Voice, ulaw
from tests.foreign.programs import Application, Emulator, Library, ring, running

OWNED, CALLEE = "+15550001111", "+15557770000"

HELLO = "Hello, how can I help you?"
MENU = "What is on the menu?"
ABOUT_MENU = "Let me tell you about our menu."
THANKS = "Thank you very much. Goodbye!"
GOODBYE = "Thank you for calling Trattoria Aurora. Goodbye!"
OPEN = "Hi, what time do you open tomorrow?"
HOURS = "Tomorrow we are open from five in the afternoon until eleven at night."

CALLER = f"say {MENU}\ninterrupt {THANKS}\npress 5\nwait 1\nhangup\n"
"""Who calls: interrupts the longest answer that there is, has another one whole, presses a key and hangs up."""

CALLED = f"say {OPEN}\npress 0\n"
"""Who is called: asks, and presses the key at which the call shall end."""


async def comes_in(command: tuple[str, ...], tmp_path: Path) -> None:
    """Phones call the application; each call runs to its end, and all is as it must be. In the long form
    (`AGENTICD_FOREIGN_CALLS`) several call at once."""
    calls = int(os.environ.get("AGENTICD_FOREIGN_CALLS", "1"))
    person, wavs = tmp_path / "caller.txt", tmp_path / "wavs"
    person.write_text(CALLER)
    async with running(*command, person=person, options=("--record", str(wavs))) as (emulator, application):
        await asyncio.gather(*(ring(emulator) for _ in range(calls)))
        await emulator.until_all("over, all requests are answered", calls)
        await emulator.until_all("model    session ends", calls)
        await application.until("session over", calls)
        await application.until("key 5", calls)
        await emulator.until_all("recorded, caller left, agent right", calls)
    for number in range(1, calls + 1):
        whole_story(lines_of(f"m{number}", emulator))
        lines = lines_of(f"#{number}", emulator)
        assert "stream   clear: " in lines
        assert " 0 dropped" in lines
        assert "completed after" in lines
    untroubled(emulator)
    recordings = list(wavs.iterdir())
    assert len(recordings) == calls
    for recording in recordings:
        assert heard(recording, HELLO, GOODBYE) == f"{HELLO} {GOODBYE}"


async def goes_out(emulator: Emulator, application: Application, library: Library) -> str:
    """The helper library lets the application call somebody, who asks, is answered, and presses 0. The call's SID."""
    created = await library(f"client.calls.create(to='{CALLEE}', from_='{OWNED}', url='{application.url}', timeout=20)")
    assert (created["status"], created["direction"]) == ("queued", "outbound-api")
    await emulator.until(f"model    hears: {OPEN}")
    await emulator.until(f"model    says: {HOURS}")
    await emulator.until("phone    presses 0")
    await application.until("key 0")
    sid: str = created["sid"]
    return sid


async def is_over(emulator: Emulator, application: Application, library: Library, sid: str) -> None:
    """The call has ended, by REST, and everybody says so."""
    await application.until("session over")
    await emulator.until("over, all requests are answered")
    await emulator.until("model    session ends")
    assert (await library(f"client.calls('{sid}').fetch()"))["status"] == "completed"
    (event,) = await library(f"client.calls('{sid}').events.list()")
    assert (event["request"]["url"], event["response"]["response_code"]) == (application.url, 200)
    untroubled(emulator)


def whole_story(model: str) -> None:
    """What the model heard and said, in order, and that it knows how little of its long answer was heard."""
    spoken = re.findall(r"model    (hears|says): (.*)", model)
    assert [text for verb, text in spoken if verb == "hears"] == [MENU, THANKS]
    assert spoken[0] == ("says", HELLO)
    assert any(verb == "says" and text.startswith(ABOUT_MENU) for verb, text in spoken)
    assert ("says", GOODBYE) in spoken
    (cut,) = re.findall(r"learns that ([\d.]+) s of that were heard", model)
    assert 0.0 < float(cut) < 15.0, "it was interrupted one second into 30 s"


def untroubled(emulator: Emulator) -> None:
    """Twilio's debugger had nothing to say, nor had the model, and no request was refused."""
    odd = [
        line
        for line in emulator.output.splitlines()
        if re.match(r"\S+  (#\d+|m\d+)?\s+(\d{5}|emulator|model    error|model    refused) ", line)
    ]
    assert odd == []


def lines_of(who: str, emulator: Emulator) -> str:
    """What was shown of a call, such as #1, or of a model's session, such as m1."""
    return "\n".join(line for line in emulator.output.splitlines() if f"  {who}  " in line)


def heard(path: Path, *texts: str) -> str:
    """Which of the agent's sentences the phone heard, in their order, by the sound of its recording."""
    with wave.open(str(path), "rb") as file:
        stereo = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
    recogniser, voice = Recogniser(), Voice()
    for text in texts:
        recogniser.learn(text, _without_pauses(ulaw.decode(voice.say(text, "agent"))))
    return recogniser.text_of(_without_pauses(stereo[:, 1])) or "nothing that is known"


def _without_pauses(samples: npt.NDArray[np.int16]) -> bytes:
    """The sound as mu-law, closed up over every 10 ms of silence: an application that has to share a busy machine sends
    its words late, and the phone hears them with gaps."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 60)
    near = np.flatnonzero(np.diff(loud) <= 80)
    kept = np.zeros(len(samples) + 1, dtype=np.int32)
    np.add.at(kept, loud[near], 1)
    np.add.at(kept, loud[near + 1], -1)
    return ulaw.encode(samples[np.cumsum(kept)[:-1] > 0])
