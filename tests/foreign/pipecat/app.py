"""A voice agent on pipecat-ai: its Twilio serializer on its own WebSocket transport, and its client of OpenAI Realtime.

Nothing in it knows the emulator: where Twilio and the model are is in its environment, as are the secrets. The test
hands it the socket to listen on, whose port the emulator has to know first.
"""

from __future__ import annotations

import os
import socket

import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket
from pipecat.frames.frames import EndWorkerFrame, Frame, InputDTMFFrame, LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.services.openai.realtime.events import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    SessionProperties,
)
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner
from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import Connect, VoiceResponse

INSTRUCTIONS = "You answer the telephone of Trattoria Aurora. Be brief."
TWILIO = RequestValidator(os.environ["TWILIO_AUTH_TOKEN"])
app = FastAPI()


def say(line: str) -> None:
    """What the application saw of a call, for whoever runs it."""
    print(line, flush=True)


@app.post("/voice")
async def voice(request: Request) -> Response:
    """Twilio asks what to do with a call, whichever side dialled."""
    form = dict(await request.form())
    if not TWILIO.validate(str(request.url), form, request.headers.get("x-twilio-signature", "")):
        return Response(status_code=403)
    response = VoiceResponse()
    connect = Connect()
    stream = connect.stream(url=str(request.url_for("media")))
    stream.parameter(name="from_number", value=form["From"])
    response.append(connect)
    return Response(str(response), media_type="application/xml")


class Front(FrameProcessor):  # type: ignore[misc]
    """Shows the keys of the caller, and ends the call at a 0."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputDTMFFrame):
            say(f"key {frame.button.value}")
            if frame.button.value == "0":
                await self.push_frame(EndWorkerFrame(), FrameDirection.UPSTREAM)
        await self.push_frame(frame, direction)


@app.websocket("/media")
async def media(websocket: WebSocket) -> None:
    """One call's media stream, from the first message to the end of its session."""
    if not TWILIO.validate(str(websocket.url), {}, websocket.headers.get("x-twilio-signature", "")):
        await websocket.close()
        return
    await websocket.accept()
    kind, call = await parse_telephony_websocket(websocket)
    say(f"{kind} call {call.call_id} from {call.from_number}")
    transport = FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            serializer=TwilioFrameSerializer(
                call.stream_id,
                call_sid=call.call_id,
                account_sid=os.environ["TWILIO_ACCOUNT_SID"],
                auth_token=os.environ["TWILIO_AUTH_TOKEN"],
                base_url=os.environ["TWILIO_API_URL"],
            ),
        ),
    )
    model = OpenAIRealtimeLLMService(
        api_key=os.environ["OPENAI_API_KEY"],
        base_url=os.environ["OPENAI_REALTIME_URL"],
        settings=OpenAIRealtimeLLMService.Settings(
            system_instruction=INSTRUCTIONS,
            session_properties=SessionProperties(
                audio=AudioConfiguration(input=AudioInput(transcription=InputAudioTranscription()))
            ),
        ),
    )
    context = LLMContextAggregatorPair(LLMContext([{"role": "user", "content": "Say hello to the caller."}]))
    worker = PipelineWorker(
        Pipeline([transport.input(), Front(), context.user(), model, transport.output(), context.assistant()]),
        params=PipelineParams(audio_in_sample_rate=8000, audio_out_sample_rate=8000),
    )

    @transport.event_handler("on_client_connected")
    async def _begin(_: FastAPIWebsocketTransport, __: WebSocket) -> None:
        await worker.queue_frames([LLMRunFrame()])

    @transport.event_handler("on_client_disconnected")
    async def _leave(_: FastAPIWebsocketTransport, __: WebSocket) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()
    say("session over")


if __name__ == "__main__":
    listener = socket.socket(fileno=int(os.environ["LISTEN_FD"]))
    say("ready")
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
