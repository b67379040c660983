// Frames of a stream, as a daemon sends them.
import { StreamEventsRequest, StreamEventsResponse } from "../src/gen/agentic/v1/call_service.js";
import { LiveWords } from "../src/gen/agentic/v1/event.js";

export const EPOCH = "5f0c2a19d3b84e67";

export function request(wish: Partial<StreamEventsRequest> = {}): StreamEventsRequest {
  return StreamEventsRequest.fromPartial(wish);
}

export function opened(revision = 0, epoch = EPOCH): StreamEventsResponse {
  const value = { revision, firstRevision: 1, epoch };
  return StreamEventsResponse.fromPartial({ frame: { $case: "opened", value } });
}

export function batch(...revisions: number[]): StreamEventsResponse {
  const events = revisions.map((revision) => ({ revision, callId: "one", callSequence: revision }));
  return StreamEventsResponse.fromPartial({ frame: { $case: "batch", value: { events } } });
}

export function bookmark(revision: number): StreamEventsResponse {
  return { frame: { $case: "bookmark", value: { revision } } };
}

export function live(text: string): StreamEventsResponse {
  return { frame: { $case: "live", value: LiveWords.fromPartial({ text }) } };
}
