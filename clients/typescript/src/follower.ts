// One follower's place in the log: what to ask for next, what to give, when to come back. No gRPC, no clock, no
// randomness: events.ts drives it. The rules are those of docs/resuming.md.
import { Cursor } from "./cursor.js";
import { AgenticError, ConsumerStalled, LogReplaced, Unavailable, Unreachable, type StatusCode } from "./errors.js";
import type { StreamEventsRequest, StreamEventsResponse, StreamOpened } from "./gen/agentic/v1/call_service.js";
import type { Event, LiveWords } from "./gen/agentic/v1/event.js";
import { NO_DETAILS } from "./status.js";

/** Milliseconds. */
export const FIRST_DELAY = 100;
/** Milliseconds. */
export const LAST_DELAY = 5_000;
// What gRPC says by itself when a connection or a daemon goes away in the middle of a stream.
const BROKEN: ReadonlySet<StatusCode> = new Set<StatusCode>(["CANCELLED", "INTERNAL", "UNKNOWN"]);

/** What a follower gives. */
export type Item =
  | { readonly kind: "event"; readonly event: Event }
  | { readonly kind: "live"; readonly words: LiveWords }
  /** A lost connection is back; the next event is the one after the cursor. */
  | { readonly kind: "resumed"; readonly cursor: Cursor }
  /** Everything that matches, up to the cursor, was given. */
  | { readonly kind: "bookmark"; readonly cursor: Cursor };

/** Milliseconds to wait after so many failures before this one: longer each time, and never less than was asked for. */
export function backoff(failures: number, asked: number | undefined): number {
  return Math.max(Math.min(LAST_DELAY, FIRST_DELAY * 2 ** failures), asked ?? 0);
}

/**
 * Drive it so: while `next` gives items, hand them on; else read a frame of the RPC that `ask` describes, and give it
 * to `handle`; when the RPC has ended, ask `ended` what to do.
 *
 * Each event is given once, in the order of revisions, whatever is lost, cut or sent again in between.
 */
export class Follower {
  readonly #request: StreamEventsRequest;
  readonly #proven: boolean;
  #opened = false;
  #epoch: string;
  #cursor: Cursor | undefined;
  #received: number; // as far as frames go, events and bookmarks
  #lastEvent: number;
  #items: Item[] = [];
  #failures = 0;
  #done = false;

  /** `proven`: a daemon has answered at this address, so that one which is away is waited for from the start. */
  constructor(request: StreamEventsRequest, proven = false) {
    this.#request = request;
    this.#proven = proven;
    this.#epoch = request.epoch;
    this.#received = this.#lastEvent = request.afterRevision ?? 0;
    this.#cursor = request.epoch ? new Cursor(request.epoch, this.#received) : undefined;
  }

  /** Nothing will come any more. */
  get done(): boolean {
    return this.#done;
  }

  /** Behind the last event or bookmark that `next` gave. Undefined while it is not known to which log it belongs. */
  get cursor(): Cursor | undefined {
    return this.#cursor;
  }

  /** What to ask the daemon for, and whether to wait for one that cannot be reached. */
  ask(): { request: StreamEventsRequest; wait: boolean } {
    if (!this.#opened) return { request: this.#request, wait: this.#proven };
    return { request: { ...this.#request, epoch: this.#epoch, afterRevision: this.#received }, wait: true };
  }

  /** A frame has come. Throws LogReplaced for another log's, AgenticError where the contract is broken. */
  handle({ frame }: StreamEventsResponse): void {
    if (frame?.$case === "opened") {
      this.#open(frame.value);
      return;
    }
    if (!this.#opened) {
      this.#done = true;
      throw new AgenticError(`the daemon began a stream with ${frame?.$case ?? "an unknown frame"}`, "INTERNAL");
    }
    switch (frame?.$case) {
      case "batch":
        this.#failures = 0;
        for (const event of frame.value.events) this.#take(event);
        break;
      case "bookmark":
        this.#failures = 0;
        this.#received = Math.max(this.#received, frame.value.revision);
        this.#items.push({ kind: "bookmark", cursor: new Cursor(this.#epoch, this.#received) });
        break;
      case "live":
        this.#items.push({ kind: "live", words: frame.value });
        break;
      case undefined: // a newer daemon's
        break;
    }
  }

  #take(event: Event): void {
    // Not judged by bookmarks: should a daemon be wrong about one, better out of order than lost.
    if (event.revision <= this.#lastEvent) return;
    this.#received = this.#lastEvent = event.revision;
    this.#items.push({ kind: "event", event });
  }

  #open(opened: StreamOpened): void {
    if (this.#epoch && opened.epoch !== this.#epoch) {
      // The daemon checks it, too; but an event of another log must not come from here.
      this.#done = true;
      const details = { ...NO_DETAILS, reason: "LOG_REPLACED", metadata: { epoch: opened.epoch } };
      const message = `the cursor belongs to another log; this one is ${opened.epoch}`;
      throw new LogReplaced(message, "FAILED_PRECONDITION", details);
    }
    if (this.#opened) {
      this.#items.push({ kind: "resumed", cursor: new Cursor(this.#epoch, this.#received) });
      return;
    }
    this.#opened = true;
    this.#epoch = opened.epoch;
    if (this.#request.afterRevision === undefined) this.#received = this.#lastEvent = opened.revision;
    this.#cursor = new Cursor(this.#epoch, this.#received);
  }

  /** The next item to hand on, if one is here. The cursor is then behind it. */
  next(): Item | undefined {
    const item = this.#items.shift();
    if (item?.kind === "event") this.#cursor = new Cursor(this.#epoch, item.event.revision);
    else if (item?.kind === "bookmark") this.#cursor = item.cursor;
    return item;
  }

  /**
   * The RPC has ended. Returns the milliseconds to wait before it is asked again, undefined when the stream is complete.
   *
   * Throws the error if asking again does not mend it. Before the first frame that is any error, unless a daemon is
   * proven to be there: a wrong address is an error, not a wait.
   */
  ended(error?: AgenticError): number | undefined {
    if (error === undefined && this.#request.callIds.length > 0) {
      this.#done = true;
      return undefined;
    }
    const why = error ?? new Unreachable("the stream ended without a reason", "UNAVAILABLE");
    if (!this.#mends(why)) {
      this.#done = true;
      throw why;
    }
    this.#failures += 1;
    return backoff(this.#failures - 1, why.retryAfter);
  }

  #mends(error: AgenticError): boolean {
    if (!(this.#opened || this.#proven)) return false;
    const broken = BROKEN.has(error.code) && error.reason === "";
    return broken || error instanceof Unavailable || error instanceof ConsumerStalled;
  }

  /** Give nothing more. The cursor stays. */
  leave(): void {
    this.#done = true;
    this.#items = [];
  }
}
