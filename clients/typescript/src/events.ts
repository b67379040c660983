// Following events without losing one: a stream that reconnects, and resumes where it was.
import type { Cursor } from "./cursor.js";
import { AgenticError } from "./errors.js";
import type { Follower } from "./follower.js";
import type { StreamEventsRequest, StreamEventsResponse } from "./gen/agentic/v1/call_service.js";
import type { Event, LiveWords } from "./gen/agentic/v1/event.js";
import { pause } from "./pause.js";

/** One StreamEvents RPC. `frames` ends, or throws AgenticError, when the RPC does. */
export interface Rpc {
  readonly frames: AsyncIterator<StreamEventsResponse>;
  cancel(): void;
}

/** Starts one. `wait`: for a daemon that cannot be reached now. */
export type Open = (request: StreamEventsRequest, wait: boolean) => Rpc;

/** What a program wants to be told while it reads. A promise is awaited before the stream goes on. */
export interface StreamListeners {
  /** A lost connection is back; the next event is the one after the cursor. */
  onResume?: (cursor: Cursor) => void | Promise<void>;
  /** The cursor moved without an event: store it, lest it grows too old on a quiet stream. */
  onBookmark?: (cursor: Cursor) => void | Promise<void>;
  /** Words while they are spoken: never stored, never sent again. */
  onLive?: (words: LiveWords) => void | Promise<void>;
  /** Leaves the stream when it is aborted; who reads is thrown its reason. */
  signal?: AbortSignal;
}

/**
 * Iterate over it: `for await (const event of stream)`. Each event comes once, in order, over restarts of the daemon.
 *
 * It ends when all calls that it is about are closed; without `callIds` never. While the daemon is away it waits, as
 * long as it takes; bound that with a `signal`. Throws AgenticError: at first whatever is wrong, later only what
 * reconnecting does not mend (CursorInvalid, Unauthenticated …). Who breaks out of the loop leaves the stream; from
 * elsewhere it is left by `close`, its own or its client's: who reads sees its end, no error. `cursor` then still says
 * from where to go on.
 */
export class EventStream implements AsyncIterableIterator<Event>, AsyncDisposable {
  readonly #open: Open;
  readonly #follower: Follower;
  readonly #listeners: StreamListeners;
  readonly #events: AsyncGenerator<Event, undefined>;
  readonly #left = new AbortController();
  readonly #onEnd: (stream: EventStream) => void;
  readonly #abort = (): void => {
    this.#aborted = true;
    this.close();
  };
  #aborted = false;
  #rpc: Rpc | undefined;

  /** For Client. `onEnd` is called when the stream has ended or was left. */
  constructor(
    open: Open,
    follower: Follower,
    listeners: StreamListeners = {},
    onEnd: (stream: EventStream) => void = () => {},
  ) {
    this.#open = open;
    this.#follower = follower;
    this.#listeners = listeners;
    this.#onEnd = onEnd;
    this.#events = this.#run();
    if (listeners.signal?.aborted) this.#abort();
    else listeners.signal?.addEventListener("abort", this.#abort);
  }

  /**
   * Behind the last event that was given: store it when that event is done with. Undefined before the first frame, if
   * the stream was not begun with a Cursor.
   */
  get cursor(): Cursor | undefined {
    return this.#follower.cursor;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next event. Several that are asked for at once come in order. */
  next(): Promise<IteratorResult<Event, undefined>> {
    return this.#events.next();
  }

  /** Leaves the stream: what `for await` calls when it is left. */
  return(): Promise<IteratorResult<Event, undefined>> {
    this.close();
    return this.#events.return(undefined);
  }

  /** Leave the stream. Who reads sees its end, and nothing of what has come already. */
  close(): void {
    this.#follower.leave();
    this.#left.abort();
    this.#rpc?.cancel();
    this.#rpc = undefined;
    this.#listeners.signal?.removeEventListener("abort", this.#abort);
    this.#onEnd(this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async *#run(): AsyncGenerator<Event, undefined> {
    try {
      while (!this.#follower.done) {
        const item = this.#follower.next();
        switch (item?.kind) {
          case "event":
            yield item.event;
            break;
          case "live":
            await this.#listeners.onLive?.(item.words);
            break;
          case "resumed":
            await this.#listeners.onResume?.(item.cursor);
            break;
          case "bookmark":
            await this.#listeners.onBookmark?.(item.cursor);
            break;
          case undefined:
            await this.#read();
        }
      }
      if (this.#aborted) this.#listeners.signal?.throwIfAborted();
      return undefined;
    } finally {
      this.close();
    }
  }

  /** One frame more; or the RPC's end, and the time to wait after it. */
  async #read(): Promise<void> {
    if (this.#rpc === undefined) {
      const { request, wait } = this.#follower.ask();
      this.#rpc = this.#open(request, wait);
    }
    const { frame, error } = await nextFrame(this.#rpc);
    if (this.#follower.done) return; // left meanwhile
    if (frame !== undefined) {
      this.#follower.handle(frame);
      return;
    }
    this.#rpc = undefined;
    const delay = this.#follower.ended(error);
    if (delay !== undefined) await pause(delay, this.#left.signal);
  }
}

/** A frame, or the end of the RPC: with its error, if it was one. */
async function nextFrame(rpc: Rpc): Promise<{ frame?: StreamEventsResponse; error?: AgenticError }> {
  try {
    const next = await rpc.frames.next();
    return next.done ? {} : { frame: next.value };
  } catch (error) {
    if (error instanceof AgenticError) return { error };
    throw error;
  }
}
