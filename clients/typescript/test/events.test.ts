// A stream around a follower: how it is read, left, and comes back. The RPCs are scripted.
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { AgenticError, Unauthenticated, Unreachable } from "../src/errors.js";
import { EventStream, type StreamListeners } from "../src/events.js";
import { Follower } from "../src/follower.js";
import type { StreamEventsRequest, StreamEventsResponse } from "../src/gen/agentic/v1/call_service.js";
import type { Event } from "../src/gen/agentic/v1/event.js";
import { batch, bookmark, EPOCH, live, opened, request } from "./frames.js";

const GONE = new Unreachable("gone", "UNAVAILABLE");
type Step = StreamEventsResponse | AgenticError | "wait";

/** A daemon that answers each RPC with the next script. Where that says to wait, nothing comes until it is cancelled. */
class Daemon {
  readonly asked: StreamEventsRequest[] = [];
  cancelled = 0;
  readonly #scripts: Step[][];

  constructor(...scripts: Step[][]) {
    this.#scripts = scripts;
  }

  stream(listeners: StreamListeners = {}, wish: Partial<StreamEventsRequest> = {}): EventStream {
    const follower = new Follower(request({ afterRevision: 0, ...wish }));
    return new EventStream((asked) => this.#answer(asked), follower, listeners);
  }

  #answer(asked: StreamEventsRequest) {
    this.asked.push(asked);
    let cancel = (): void => {};
    const cancelled = new Promise<void>((resolve) => (cancel = resolve));
    return {
      frames: frames(this.#scripts.shift() ?? [], cancelled),
      cancel: () => {
        this.cancelled += 1;
        cancel();
      },
    };
  }
}

async function* frames(script: Step[], cancelled: Promise<void>): AsyncGenerator<StreamEventsResponse, void> {
  for (const step of script) {
    if (step === "wait") {
      await cancelled;
      throw new AgenticError("cancelled", "CANCELLED");
    }
    if (step instanceof AgenticError) throw step;
    yield step;
  }
}

async function revisions(stream: AsyncIterable<Event>): Promise<number[]> {
  const found: number[] = [];
  for await (const { revision } of stream) found.push(revision);
  return found;
}

test("a stream goes on behind what it had, over any number of RPCs", async () => {
  const daemon = new Daemon(
    [opened(), batch(1, 2), GONE],
    [GONE],
    [opened(2), batch(3), new AgenticError("reset", "INTERNAL")],
    [opened(3), batch(4)],
  );
  const resumed: string[] = [];
  const stream = daemon.stream({ onResume: (cursor) => void resumed.push(`${cursor}`) }, { callIds: ["one"] });
  assert.deepEqual(await revisions(stream), [1, 2, 3, 4]);
  assert.deepEqual(
    daemon.asked.map((asked) => [asked.epoch, asked.afterRevision]),
    [
      ["", 0],
      [EPOCH, 2],
      [EPOCH, 2],
      [EPOCH, 3],
    ],
  );
  assert.deepEqual(resumed, [`${EPOCH}:2`, `${EPOCH}:3`]);
  assert.equal(`${stream.cursor}`, `${EPOCH}:4`);
});

test("what asking again does not mend is thrown, and then nothing more comes", async () => {
  const wrong = new Unauthenticated("no", "UNAUTHENTICATED");
  const stream = new Daemon([opened(), batch(1), wrong]).stream();
  assert.equal((await stream.next()).value?.revision, 1);
  await assert.rejects(stream.next(), wrong);
  assert.deepEqual(await stream.next(), { done: true, value: undefined });
});

test("an RPC that breaks the contract is cancelled", async () => {
  const daemon = new Daemon([opened(), GONE], [opened(0, "restored"), "wait"]);
  await assert.rejects(daemon.stream().next(), { name: "LogReplaced" });
  assert.equal(daemon.cancelled, 1);
});

test("what is told beside events comes in its place, and is waited for", async () => {
  const told: string[] = [];
  const later = async (text: string): Promise<void> => {
    await new Promise(setImmediate);
    told.push(text);
  };
  const daemon = new Daemon([opened(), live("Hel"), batch(1), bookmark(5), batch(6)]);
  const stream = daemon.stream(
    { onLive: ({ text }) => later(text), onBookmark: (cursor) => later(`${cursor}`) },
    { callIds: ["one"] },
  );
  for await (const { revision } of stream) told.push(`${revision}`);
  assert.deepEqual(told, ["Hel", "1", `${EPOCH}:5`, "6"]);
});

test("several that are asked for at once come in order", async () => {
  const stream = new Daemon([opened(), batch(1), batch(2)]).stream({}, { callIds: ["one"] });
  const answers = await Promise.all([stream.next(), stream.next(), stream.next()]);
  assert.deepEqual(
    answers.map(({ value }) => value?.revision),
    [1, 2, undefined],
  );
});

describe("who leaves gets nothing more, and keeps the cursor", () => {
  test("by break", async () => {
    const daemon = new Daemon([opened(), batch(1, 2, 3), "wait"]);
    const stream = daemon.stream();
    for await (const { revision } of stream) if (revision === 2) break;
    assert.deepEqual(await stream.next(), { done: true, value: undefined });
    assert.equal(`${stream.cursor}`, `${EPOCH}:2`);
    assert.equal(daemon.cancelled, 1);
  });

  test("by close, while it waits for the daemon", async () => {
    const daemon = new Daemon([opened(), "wait"]);
    const stream = daemon.stream();
    const reading = revisions(stream);
    await new Promise(setImmediate);
    stream.close();
    stream.close();
    assert.deepEqual(await reading, []);
    assert.equal(`${stream.cursor}`, `${EPOCH}:0`);
    assert.equal(daemon.cancelled, 1);
  });

  test("by close, while it waits to ask again", async () => {
    const retryAfter = 3_600_000;
    const stalled = Object.assign(new Unreachable("gone", "UNAVAILABLE"), { retryAfter });
    const stream = new Daemon([opened(), stalled]).stream();
    const reading = revisions(stream);
    for (let n = 0; n < 10; n++) await new Promise(setImmediate);
    stream.close();
    assert.deepEqual(await reading, []);
  });

  test("by a signal, whose reason is thrown", async () => {
    const daemon = new Daemon([opened(), batch(1), "wait"]);
    const leaving = new AbortController();
    const stream = daemon.stream({ signal: leaving.signal });
    assert.equal((await stream.next()).value?.revision, 1);
    const reading = stream.next();
    leaving.abort(new Error("enough"));
    await assert.rejects(reading, /enough/);
    assert.equal(daemon.cancelled, 1);
  });

  test("by a signal that was given before", async () => {
    const daemon = new Daemon();
    await assert.rejects(daemon.stream({ signal: AbortSignal.abort() }).next(), { name: "AbortError" });
    assert.deepEqual(daemon.asked, []);
  });

  test("by an error of the program's own", async () => {
    const daemon = new Daemon([opened(), live("Hel"), "wait"]);
    const stream = daemon.stream({ onLive: () => Promise.reject(new Error("no screen")) });
    await assert.rejects(stream.next(), /no screen/);
    assert.equal(daemon.cancelled, 1);
  });
});
