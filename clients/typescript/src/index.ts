/**
 * The client of agenticd.
 *
 *     const client = connect();
 *     const placed = await client.placeCall("+15550001111", { greeting: "Hello, this is a test." });
 *     for await (const event of client.follow(placed)) console.log(event);
 *
 * Messages are those of the contract, agentic.v1. Lengths of time that a program gives or is given are in milliseconds;
 * those in messages are Durations, which `toMilliseconds` reads.
 */
export {
  Client,
  connect,
  TIMEOUT,
  type CallFilter,
  type ConnectOptions,
  type Followed,
  type Placed,
  type RequestOptions,
  type WithCall,
} from "./client.js";
export { Cursor } from "./cursor.js";
export {
  AgenticError,
  CallNotFound,
  CallNotLive,
  CarrierRejected,
  ConsumerStalled,
  CursorCompacted,
  CursorInvalid,
  DeadlineExceeded,
  Draining,
  Internal,
  InvalidArgument,
  LogReplaced,
  RequestIdReused,
  StoreDown,
  TooManyCalls,
  Unauthenticated,
  Unavailable,
  Unreachable,
  type StatusCode,
  type Violation,
} from "./errors.js";
export { EventStream, type StreamListeners } from "./events.js";
export { toMilliseconds, type EventFilter, type EventKind, type PlaceCallOptions } from "./requests.js";
export { find, type Pem, type Target, type TargetOptions } from "./target.js";

export { CallState, Direction, EndedBy, EndReason, type Call, type CallEnd } from "./gen/agentic/v1/call.js";
export type {
  GetCallResponse,
  GetTranscriptResponse,
  HangUpResponse,
  ListCallsResponse,
  PlaceCallResponse,
} from "./gen/agentic/v1/call_service.js";
export { ErrorReason } from "./gen/agentic/v1/errors.js";
export { Speaker } from "./gen/agentic/v1/event.js";
export type {
  AgentInterrupted,
  CallAnswered,
  CallClosed,
  CallDialing,
  CallEnded,
  CallEnding,
  CallQueued,
  CallRinging,
  DigitReceived,
  Event,
  LiveWords,
  MediaConnected,
  MediaLost,
  ModelConnected,
  ModelLost,
  SpeechStarted,
  SpeechStopped,
  TranscriptFinal,
  TurnMeasured,
  Usage,
  UsageReported,
  Warning,
} from "./gen/agentic/v1/event.js";
export {
  PeerState,
  type DrainResponse,
  type GetStatusResponse,
  type PeerStatus,
} from "./gen/agentic/v1/node_service.js";
export type { Duration } from "./gen/google/protobuf/duration.js";
