/**
 * What can go wrong, by class: one for each ErrorReason of the contract, and those for daemons that are silent.
 *
 *     AgenticError
 *     ├── InvalidArgument            a field is missing or wrong: see `violations`
 *     │   └── RequestIdReused        the same requestId with another request
 *     ├── CallNotFound               see `callId`
 *     ├── CallNotLive                it has ended: see `state`
 *     ├── TooManyCalls               see `limit`; try again after `retryAfter`
 *     ├── Unavailable                try again
 *     │   ├── Draining               the daemon is stopping
 *     │   ├── StoreDown              its log cannot be written or read
 *     │   └── Unreachable            nobody answers at the address
 *     ├── CursorInvalid              list the calls, then follow from that answer
 *     │   ├── CursorCompacted        the cursor lies before `firstRevision`
 *     │   └── LogReplaced            the cursor belongs to another log
 *     ├── ConsumerStalled            the stream was not read for too long
 *     ├── CarrierRejected            Twilio refused: see `carrierCode`
 *     ├── Unauthenticated
 *     ├── DeadlineExceeded           no answer in time; whether it was done is not known
 *     └── Internal                   a defect of the daemon: its log has the details under `incident`
 */
import { status, type ServiceError } from "@grpc/grpc-js";

import { KEY, NO_DETAILS, readDetails, type Details, type Violation } from "./status.js";

export type { Violation } from "./status.js";

/** gRPC's name of a status code: `"NOT_FOUND"`. */
export type StatusCode = keyof typeof status;

/** A request was refused, or failed. `message` is English for a person; branch on the class, or on `reason`. */
export class AgenticError extends Error {
  readonly code: StatusCode;
  /** The contract's ErrorReason without its prefix. Empty where no daemon answered. */
  readonly reason: string;
  /** What the reason says more: numbers as text. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The wrong fields of the request. */
  readonly violations: readonly Violation[];
  /** When to try again, in milliseconds; undefined when the daemon did not say. */
  readonly retryAfter: number | undefined;
  /** Of a placeCall: sent again with it, the call is dialled once. Empty for other requests. */
  requestId = "";
  /** The id of what the error is about, or empty. */
  protected readonly resource: string;

  constructor(message: string, code: StatusCode = "UNKNOWN", details: Details = NO_DETAILS, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.reason = details.reason;
    this.metadata = details.metadata;
    this.violations = details.violations;
    this.retryAfter = details.retryAfter;
    this.resource = details.resource;
  }

  /** What the metadata has under the key; 0 when the daemon did not say. */
  protected number(key: string): number {
    const text = this.metadata[key] ?? "";
    return /^[0-9]+$/.test(text) ? Number(text) : 0;
  }
}

/** A field is missing or wrong: `violations` has each. Without a `reason` it is the client that says so. */
export class InvalidArgument extends AgenticError {
  /** What the client itself refuses. */
  static of(field: string, description: string, cause?: unknown): InvalidArgument {
    const details = { ...NO_DETAILS, violations: [{ field, description }] };
    return new InvalidArgument(`${field}: ${description}`, "INVALID_ARGUMENT", details, { cause });
  }
}

/** The requestId was used within 24 hours with another request. Use a new one. */
export class RequestIdReused extends InvalidArgument {}

/** No such call, or it was deleted by retention. */
export class CallNotFound extends AgenticError {
  /** The id that is not known; empty when the daemon did not say. */
  get callId(): string {
    return this.resource;
  }
}

/** The call has ended. */
export class CallNotLive extends AgenticError {
  /** Its state, for example `"ENDED"`; empty when the daemon did not say. */
  get state(): string {
    return this.metadata["state"] ?? "";
  }
}

/** The daemon holds as many calls as it may. Try again after `retryAfter`. */
export class TooManyCalls extends AgenticError {
  /** How many those are; 0 when the daemon did not say. */
  get limit(): number {
    return this.number("limit");
  }
}

/** It may be tried again. Nothing was done, except perhaps where nobody answered: see Unreachable. */
export class Unavailable extends AgenticError {}

/** The daemon is stopping and takes no new work. */
export class Draining extends Unavailable {}

/** The daemon's log cannot be written or read. */
export class StoreDown extends Unavailable {}

/**
 * Nobody answers at the address.
 *
 * A connection that broke behind a request looks the same: whether it was done is then not known. Every request of the
 * client is safe to repeat; a placeCall with this error's `requestId`.
 */
export class Unreachable extends Unavailable {}

/** The cursor cannot be followed from: list the calls, then follow from that answer's epoch and revision. */
export class CursorInvalid extends AgenticError {}

/** The cursor lies before what the log still keeps. */
export class CursorCompacted extends CursorInvalid {
  /** The oldest revision that is kept; 0 when the daemon did not say. */
  get firstRevision(): number {
    return this.number("first_revision");
  }
}

/** The cursor belongs to another log: the daemon's store was replaced or restored. */
export class LogReplaced extends CursorInvalid {
  /** The present log's epoch. */
  get epoch(): string {
    return this.metadata["epoch"] ?? "";
  }
}

/** The stream was not read for too long. An EventStream does not throw it: it asks again, and loses nothing. */
export class ConsumerStalled extends AgenticError {}

/** Twilio refused. */
export class CarrierRejected extends AgenticError {
  /** Twilio's error code, for example 21211; 0 when it gave none. */
  get carrierCode(): number {
    return this.number("carrier_code");
  }
}

/** The address needs a token, or a certificate, and none or a wrong one was sent. */
export class Unauthenticated extends AgenticError {}

/**
 * No answer came in time; whether it was done is not known. Every request is safe to repeat; a placeCall with this
 * error's `requestId`.
 */
export class DeadlineExceeded extends AgenticError {}

/** A defect of the daemon. */
export class Internal extends AgenticError {
  /** The id under which the daemon's log has the details. */
  get incident(): string {
    return this.metadata["incident"] ?? "";
  }
}

/** The class of each ErrorReason, without its prefix. */
export const BY_REASON: ReadonlyMap<string, typeof AgenticError> = new Map([
  ["INVALID_ARGUMENT", InvalidArgument],
  ["REQUEST_ID_REUSED", RequestIdReused],
  ["CALL_NOT_FOUND", CallNotFound],
  ["CALL_NOT_LIVE", CallNotLive],
  ["TOO_MANY_CALLS", TooManyCalls],
  ["DRAINING", Draining],
  ["STORE_DOWN", StoreDown],
  ["CURSOR_COMPACTED", CursorCompacted],
  ["LOG_REPLACED", LogReplaced],
  ["CONSUMER_STALLED", ConsumerStalled],
  ["CARRIER_REJECTED", CarrierRejected],
  ["UNAUTHENTICATED", Unauthenticated],
  ["INTERNAL", Internal],
]);

// For what has no reason, or one that this version does not know: gRPC's own failures, a newer daemon.
const BY_CODE: Readonly<Partial<Record<StatusCode, typeof AgenticError>>> = {
  INVALID_ARGUMENT: InvalidArgument,
  UNAVAILABLE: Unavailable,
  DEADLINE_EXCEEDED: DeadlineExceeded,
  UNAUTHENTICATED: Unauthenticated,
};

/** The error of the contract that gRPC's error is. */
export function fromRpc(failure: ServiceError): AgenticError {
  const [bytes] = failure.metadata.get(KEY);
  const details = bytes instanceof Uint8Array ? readDetails(bytes) : NO_DETAILS;
  // INTERNAL would be taken for a broken connection, and what cannot be read would be asked for for ever.
  const unreadable = failure.details.startsWith("Response message parsing error");
  const code = unreadable ? "DATA_LOSS" : (status[failure.code] as StatusCode);
  let kind = BY_REASON.get(details.reason) ?? BY_CODE[code];
  // grpc-js has several words for a connection that broke; a request that we gave up ourselves ends elsewhere.
  const broke = code === "CANCELLED" || failure.details.startsWith("Received RST_STREAM");
  if (details.reason === "" && (kind === Unavailable || broke)) kind = Unreachable;
  return new (kind ?? AgenticError)(readable(failure.details) || code, code, details, { cause: failure });
}

/** grpc-js's words for a connection that could not be made, without its forms. */
function readable(text: string): string {
  const [, why] = /^No connection established\. Last error: (?:Error: )?(.*?)\.? Resolution note: ?$/s.exec(text) ?? [];
  if (why === undefined) return text;
  const [, plain = why.trim()] = FAULTS.find(([mark]) => why.includes(mark)) ?? [];
  return `no connection: ${plain}`;
}

const FAULTS: readonly [string, string][] = [
  ["Failed to connect", "closed at once; perhaps TLS, or a client's certificate, is missing"],
  ["wrong version number", "what listens there speaks no TLS"],
];
