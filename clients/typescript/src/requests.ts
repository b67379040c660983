// What programs say, as the contract's messages.
import { randomUUID } from "node:crypto";

import { Cursor } from "./cursor.js";
import { InvalidArgument } from "./errors.js";
import { PlaceCallRequest, StreamEventsRequest } from "./gen/agentic/v1/call_service.js";
import type { Event } from "./gen/agentic/v1/event.js";
import type { Duration } from "./gen/google/protobuf/duration.js";

/** How a call shall be made. What is not given is as the daemon's configuration says. Times are in milliseconds. */
export interface PlaceCallOptions {
  /** The number to call from: `"+15550001111"`. */
  fromAddress?: string;
  /** The profile of the daemon's configuration that speaks. */
  agent?: string;
  /** Instead of the profile's: what the agent is told to be and do. */
  instructions?: string;
  /** Instead of the profile's: what it says first, word for word. Empty: it waits for the caller. */
  greeting?: string;
  /** Instead of the profile's: the model's voice. */
  voice?: string;
  /** Instead of the profile's: the model. */
  model?: string;
  /** Instead of the profile's: the language that the caller is expected to speak, `"en"`. */
  language?: string;
  /** Fill `{{name}}` in instructions and greeting. */
  variables?: Readonly<Record<string, string>>;
  /** Comes back with the call. */
  metadata?: Readonly<Record<string, string>>;
  /** How long the phone may ring: 5,000 to 600,000, default 30,000. */
  ringTimeout?: number;
  /** How long the call may last from its answer: 1,000 to 14,400,000, default the profile's. */
  maxDuration?: number;
  /** How long it may wait to be dialled, after which it never is: 1,000 to 3,600,000, default 60,000. */
  queueTimeout?: number;
  /** To repeat an order whose outcome is not known. One is made where none is given. */
  requestId?: string;
}

/** The name of a kind of event: `"transcriptFinal"`. */
export type EventKind = NonNullable<Event["payload"]>["$case"];

/** Which events to follow. */
export interface EventFilter {
  /**
   * Only these calls; the stream then ends when all of them are closed. An empty list means all calls, and a stream
   * without an end, as if it were absent.
   */
  callIds?: readonly string[];
  /** Only these kinds. The contract's own spelling, `"transcript_final"`, is understood, too. */
  types?: readonly (EventKind | (string & {}))[];
  /** The last event that you have, or its bare revision: 0 is the oldest that is kept. Absent: from now on. */
  after?: Cursor | number;
}

/** The order. It always has a requestId: without one a retry could dial twice. */
export function placeCall(toAddress: string, options: PlaceCallOptions): PlaceCallRequest {
  const { instructions, greeting, voice, model, language, ringTimeout, maxDuration, queueTimeout } = options;
  return PlaceCallRequest.fromPartial({
    toAddress,
    fromAddress: options.fromAddress,
    agent: options.agent,
    overrides: { instructions, greeting, voice, model, language },
    variables: options.variables,
    metadata: options.metadata,
    options: {
      ringTimeout: duration("ringTimeout", ringTimeout),
      maxDuration: duration("maxDuration", maxDuration),
      queueTimeout: duration("queueTimeout", queueTimeout),
    },
    requestId: options.requestId || randomUUID(),
  });
}

/** The wish to follow. */
export function streamEvents(filter: EventFilter, live: boolean): StreamEventsRequest {
  const { after } = filter;
  const revision = after instanceof Cursor ? after.revision : after;
  if (revision !== undefined && !Number.isSafeInteger(revision)) {
    throw InvalidArgument.of("after", `a Cursor or a revision, a whole number; not ${String(after)}`);
  }
  return StreamEventsRequest.fromPartial({
    afterRevision: revision,
    epoch: after instanceof Cursor ? after.epoch : "",
    callIds: [...(filter.callIds ?? [])],
    types: filter.types?.map((kind) => kind.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)),
    includeLive: live,
  });
}

function duration(name: string, milliseconds: number | undefined): Duration | undefined {
  if (milliseconds === undefined) return undefined;
  if (!Number.isFinite(milliseconds)) throw InvalidArgument.of(name, `milliseconds, not ${milliseconds}`);
  const seconds = Math.trunc(milliseconds / 1e3);
  return { seconds, nanos: Math.round((milliseconds - seconds * 1e3) * 1e6) };
}

/** The length of a time in milliseconds: what `setTimeout` takes. Absent is 0. */
export function toMilliseconds(time: Duration | undefined): number {
  return time === undefined ? 0 : time.seconds * 1e3 + time.nanos / 1e6;
}
