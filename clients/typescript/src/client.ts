import type { CallOptions, ClientReadableStream, ClientUnaryCall, Metadata, ServiceError } from "@grpc/grpc-js";

import { channelCredentials, channelOptions, rpcMetadata } from "./channel.js";
import { Cursor } from "./cursor.js";
import { AgenticError, DeadlineExceeded, fromRpc, InvalidArgument, Unreachable } from "./errors.js";
import { EventStream, type Rpc, type StreamListeners } from "./events.js";
import { backoff, Follower } from "./follower.js";
import type { Call, CallState, Direction } from "./gen/agentic/v1/call.js";
import {
  CallServiceClient,
  GetCallRequest,
  GetTranscriptRequest,
  HangUpRequest,
  ListCallsRequest,
  type GetCallResponse,
  type GetTranscriptResponse,
  type HangUpResponse,
  type ListCallsResponse,
  type PlaceCallRequest,
  type PlaceCallResponse,
  type StreamEventsRequest,
  type StreamEventsResponse,
} from "./gen/agentic/v1/call_service.js";
import {
  DrainRequest,
  GetStatusRequest,
  NodeServiceClient,
  type DrainResponse,
  type GetStatusResponse,
} from "./gen/agentic/v1/node_service.js";
import { pause } from "./pause.js";
import { placeCall, streamEvents, type EventFilter, type PlaceCallOptions } from "./requests.js";
import { find, type Target, type TargetOptions } from "./target.js";

/** Milliseconds that an answer may take, if nothing else is said. */
export const TIMEOUT = 10_000;
const LONGEST_TIMEOUT = 2 ** 31 - 1; // of a timer

/** What `connect` is told. */
export interface ConnectOptions extends TargetOptions {
  /** Milliseconds that an answer may take; of a stream only the first, from a daemon that never answered. Default: 10,000. */
  timeout?: number | undefined;
}

/** How one request is made. */
export interface RequestOptions {
  /** Milliseconds that the answer may take, instead of the client's. */
  timeout?: number;
  /**
   * Gives the request up when it is aborted: it rejects with AgenticError, `code` CANCELLED, whose `cause` is the signal's
   * reason. It is then not known whether it was done; a placeCall is repeated with the error's `requestId`.
   */
  signal?: AbortSignal;
}

/** Which calls to list. */
export interface CallFilter {
  /** Only calls in one of these states. */
  states?: readonly CallState[];
  /** Only calls of this direction. */
  direction?: Direction;
}

/** An answer about a call has the call. */
export type WithCall<A extends { call?: Call | undefined }> = A & { call: Call };
/** What placeCall answers: the call, the place of its first event in the log, and the requestId that was sent. */
export type Placed = WithCall<PlaceCallResponse> & { requestId: string };
/** What of it says which events to follow. */
export type Followed = Pick<Placed, "revision" | "epoch"> & { call: Pick<Call, "callId"> };

type Method<Q, A> = (
  request: Q,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, answer?: A) => void,
) => ClientUnaryCall;

/**
 * A client of the daemon at `address`, else of the one that is found: `find` says where is looked, and for what token.
 * It connects with the first request. Throws InvalidArgument.
 */
export function connect(options: ConnectOptions = {}): Client {
  return new Client(find(options), options.timeout);
}

/**
 * A connection to one daemon. Close it with `close`, or have it closed by `await using`.
 *
 * Every method rejects with AgenticError; in what cases is in the contract's comments. Answers are the contract's
 * messages. A client that has been answered waits for a daemon that is away, until `timeout` is over; every request is
 * safe to repeat. One that never was fails at once where nobody listens, for the address is most likely wrong; where
 * nothing comes back at all, a request and a stream fail with DeadlineExceeded after `timeout`.
 */
export class Client implements AsyncDisposable {
  readonly target: Target;
  /** Milliseconds that an answer may take. */
  readonly timeout: number;
  readonly #calls: CallServiceClient;
  readonly #node: NodeServiceClient;
  readonly #open = new Set<{ close(): void }>();
  #proven = false; // a daemon has answered here
  #closed = false;

  constructor(target: Target, timeout: number = TIMEOUT) {
    this.target = target;
    this.timeout = checked(timeout);
    this.#calls = new CallServiceClient(target.address, channelCredentials(target), channelOptions(target));
    // Both services on one connection.
    const channelOverride = this.#calls.getChannel();
    this.#node = new NodeServiceClient(target.address, channelCredentials(target), { channelOverride });
  }

  /**
   * Hang up on the daemon. Streams end as if they were left, without an error; requests that wait for an answer, and all
   * that are made later, fail with AgenticError, `code` CANCELLED.
   */
  close(): void {
    this.#closed = true;
    for (const one of [...this.#open]) one.close();
    this.#calls.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  /**
   * Have an agent call somebody: `"+15550001111"` or `"sip:user@host"`. Answers when the call is durably queued; then
   * `follow` it.
   *
   * Without `requestId` one is made, so that a retry cannot dial twice. Where the outcome is not known
   * (DeadlineExceeded, Unreachable, CANCELLED), the error has it: to repeat the order within 24 hours with that
   * `requestId` is safe.
   *
   * Rejects with InvalidArgument (`violations` names the fields), RequestIdReused, TooManyCalls, Draining, StoreDown.
   */
  async placeCall(toAddress: string, options: PlaceCallOptions & RequestOptions = {}): Promise<Placed> {
    const request = placeCall(toAddress, options);
    try {
      const answer = await this.#ask<PlaceCallRequest, PlaceCallResponse>(
        (...all) => this.#calls.placeCall(...all),
        request,
        options,
      );
      return { ...withCall(answer), requestId: request.requestId };
    } catch (error) {
      if (error instanceof AgenticError) error.requestId = request.requestId;
      throw error;
    }
  }

  /**
   * End a call, whatever its state. A call that has ended is shown as it ended. `reason`: at most 256 characters, for
   * the record. Rejects with CallNotFound, StoreDown.
   */
  async hangUp(callId: string, reason = "", options: RequestOptions = {}): Promise<WithCall<HangUpResponse>> {
    const request = HangUpRequest.fromPartial({ callId, reason });
    return withCall(
      await this.#ask<HangUpRequest, HangUpResponse>((...all) => this.#calls.hangUp(...all), request, options),
    );
  }

  /** Show a call. Rejects with CallNotFound, StoreDown. */
  async getCall(callId: string, options: RequestOptions = {}): Promise<WithCall<GetCallResponse>> {
    const request = GetCallRequest.fromPartial({ callId });
    return withCall(
      await this.#ask<GetCallRequest, GetCallResponse>((...all) => this.#calls.getCall(...all), request, options),
    );
  }

  /** A page of calls, newest first: 1 to 500 of them, default 50. Rejects with InvalidArgument, StoreDown. */
  async listCalls(
    options: CallFilter & RequestOptions & { pageSize?: number; pageToken?: string } = {},
  ): Promise<ListCallsResponse> {
    const { pageSize, pageToken, states = [], direction } = options;
    const request = ListCallsRequest.fromPartial({ pageSize, pageToken, states: [...states], direction });
    return this.#ask((...all) => this.#calls.listCalls(...all), request, options);
  }

  /** All calls, newest first, page by page. */
  async *allCalls(options: CallFilter & RequestOptions = {}): AsyncGenerator<Call, void> {
    let pageToken = "";
    do {
      const page = await this.listCalls({ ...options, pageSize: 500, pageToken });
      yield* page.calls;
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }

  /** What was said in a call so far, in the order of the conversation. Rejects with CallNotFound, StoreDown. */
  async transcript(callId: string, options: RequestOptions = {}): Promise<GetTranscriptResponse> {
    const request = GetTranscriptRequest.fromPartial({ callId });
    return this.#ask((...all) => this.#calls.getTranscript(...all), request, options);
  }

  /** What the daemon is and does. */
  async status(options: RequestOptions = {}): Promise<GetStatusResponse> {
    return this.#ask((...all) => this.#node.getStatus(...all), GetStatusRequest.fromPartial({}), options);
  }

  /** Let the daemon take no new calls, until it is started again; those that live go on to their ends. */
  async drain(options: RequestOptions = {}): Promise<DrainResponse> {
    return this.#ask((...all) => this.#node.drain(...all), DrainRequest.fromPartial({}), options);
  }

  /** All events of a call that placeCall has placed, from its callQueued to its callClosed: see EventStream. */
  follow(placed: Followed, listeners: StreamListeners = {}): EventStream {
    const after = new Cursor(placed.epoch, placed.revision - 1);
    return this.events({ ...listeners, callIds: [placed.call.callId], after });
  }

  /**
   * Follow events: see EventStream, which throws InvalidArgument, CallNotFound, CursorCompacted and LogReplaced
   * (CursorInvalid).
   */
  events(options: EventFilter & StreamListeners = {}): EventStream {
    this.#checkOpen();
    const follower = new Follower(streamEvents(options, options.onLive !== undefined), this.#proven);
    const stream = new EventStream(
      (request, wait) => this.#stream(request, wait),
      follower,
      options,
      (ended) => this.#open.delete(ended),
    );
    if (!follower.done) this.#open.add(stream);
    return stream;
  }

  #stream(request: StreamEventsRequest, wait: boolean): Rpc {
    const rpc = this.#calls.streamEvents(request, rpcMetadata(this.target, wait));
    rpc.on("error", () => {}); // `frames` throws it, if anybody still reads them
    rpc.once("metadata", () => (this.#proven = true));
    if (!wait) bound(rpc, this.timeout);
    return { frames: frames(rpc), cancel: () => rpc.cancel() };
  }

  /** The answer. While a daemon that has answered before is away, the request is sent again until its deadline. */
  async #ask<Q, A>(method: Method<Q, A>, request: Q, { timeout, signal }: RequestOptions): Promise<A> {
    this.#checkOpen();
    checkWanted(signal);
    const deadline = Date.now() + checked(timeout ?? this.timeout);
    const givingUp = new AbortController();
    const asking = { close: () => givingUp.abort() };
    signal?.addEventListener("abort", asking.close);
    this.#open.add(asking);
    try {
      for (let failures = 0; ; failures++) {
        try {
          return await this.#send(method, request, deadline, givingUp.signal);
        } catch (error) {
          const wait = this.#proven && error instanceof Unreachable ? backoff(failures, error.retryAfter) : Infinity;
          if (givingUp.signal.aborted || Date.now() + wait >= deadline) throw error;
          await pause(wait, givingUp.signal);
        }
      }
    } catch (error) {
      checkWanted(signal);
      if (this.#closed) throw new AgenticError("the client was closed", "CANCELLED", undefined, { cause: error });
      throw error;
    } finally {
      signal?.removeEventListener("abort", asking.close);
      this.#open.delete(asking);
    }
  }

  async #send<Q, A>(method: Method<Q, A>, request: Q, deadline: number, givingUp: AbortSignal): Promise<A> {
    try {
      const answer = await new Promise<A>((resolve, reject) => {
        const rpc = method(request, rpcMetadata(this.target, this.#proven), { deadline }, (error, answer) => {
          if (error === null && answer !== undefined) resolve(answer);
          else reject(fromRpc(error as ServiceError));
        });
        if (givingUp.aborted) rpc.cancel();
        givingUp.addEventListener("abort", () => rpc.cancel(), { once: true });
      });
      this.#proven = true;
      return answer;
    } catch (error) {
      if (error instanceof AgenticError && error.reason !== "") this.#proven = true;
      throw error;
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new AgenticError("the client is closed", "CANCELLED");
  }
}

/** Ends a stream to which nothing is answered in time: to a host that is silent, grpc-js would be connecting for ever. */
function bound(rpc: ClientReadableStream<StreamEventsResponse>, timeout: number): void {
  const late = setTimeout(() => {
    rpc.destroy(new DeadlineExceeded(`no answer within ${timeout} ms`, "DEADLINE_EXCEEDED"));
    rpc.cancel();
  }, timeout);
  for (const event of ["metadata", "status"]) rpc.once(event, () => clearTimeout(late));
}

/**
 * The frames of an RPC. What is not read holds the daemon back, though not at once: up to 16 frames wait here decoded, as
 * in any object stream, and behind them what the flow-control window of 64 KiB lets in.
 */
async function* frames(rpc: ClientReadableStream<StreamEventsResponse>): AsyncGenerator<StreamEventsResponse, void> {
  try {
    yield* rpc as AsyncIterable<StreamEventsResponse>;
  } catch (error) {
    throw error instanceof AgenticError ? error : fromRpc(error as ServiceError);
  }
}

function checkWanted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  throw new AgenticError("the request was given up", "CANCELLED", undefined, { cause: signal.reason });
}

function withCall<A extends { call?: Call | undefined }>(answer: A): WithCall<A> {
  if (answer.call === undefined) throw new AgenticError("the daemon answered without a call", "INTERNAL");
  return answer as WithCall<A>;
}

function checked(timeout: number): number {
  if (timeout > 0 && timeout <= LONGEST_TIMEOUT) return timeout;
  throw InvalidArgument.of("timeout", `milliseconds, more than 0 and at most ${LONGEST_TIMEOUT}; not ${timeout}`);
}
