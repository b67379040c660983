// The core of resuming, alone: whatever a connection does, a follower gives each event once, in order.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Cursor } from "../src/cursor.js";
import * as errors from "../src/errors.js";
import { backoff, FIRST_DELAY, Follower, LAST_DELAY, type Item } from "../src/follower.js";
import type { StreamEventsResponse } from "../src/gen/agentic/v1/call_service.js";
import { NO_DETAILS } from "../src/status.js";
import { batch, bookmark, EPOCH, live, opened, request } from "./frames.js";

const GONE = new errors.Unreachable("gone", "UNAVAILABLE");

function details(reason: string, retryAfter?: number): typeof NO_DETAILS {
  return { ...NO_DETAILS, reason, retryAfter };
}

function items(follower: Follower): Item[] {
  const found: Item[] = [];
  for (let item = follower.next(); item !== undefined; item = follower.next()) found.push(item);
  return found;
}

/** The revisions of all events that it gives now. */
function drained(follower: Follower): number[] {
  return items(follower).flatMap((item) => (item.kind === "event" ? [item.event.revision] : []));
}

/** Numbers that look random and are the same in each run. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

test("over any cuts each event comes once and in order", () => {
  for (let seed = 1; seed <= 300; seed++) follow(seed);
});

function follow(seed: number): void {
  const roll = dice(seed);
  const log: number[] = [];
  for (let n = roll(20) + 1; n > 0; n--) log.push((log.at(-1) ?? 0) + 1 + roll(3));
  const last = log.at(-1) ?? 0;
  const start = roll(3) === 0 ? undefined : roll(12);
  const epoch = start !== undefined && roll(2) === 0 ? EPOCH : "";
  const follower = new Follower(request({ afterRevision: start, epoch }), roll(2) === 0);
  let head = (start ?? 0) + roll(Math.max(last - (start ?? 0), 0) + 1);
  const begin = start ?? head;
  const got: number[] = [];
  for (let round = 0; ; round++) {
    const asked = follower.ask().request;
    assert.ok(round === 0 || (asked.epoch === EPOCH && asked.afterRevision !== undefined));
    const frames = sent(log, head, asked.afterRevision ?? head, roll);
    const whole = head >= last && (round > 20 || roll(2) === 0);
    for (const frame of frames.slice(0, whole ? frames.length : 1 + roll(frames.length))) {
      follower.handle(frame);
      for (let n = roll(4); n > 0; n--) {
        const item = follower.next();
        if (item?.kind === "event") {
          got.push(item.event.revision);
          assert.deepEqual(follower.cursor, new Cursor(EPOCH, item.event.revision));
        } else if (item?.kind === "bookmark") {
          assert.equal(follower.cursor, item.cursor);
          const due = log.filter((revision) => revision > begin && revision <= item.cursor.revision);
          assert.ok(due.every((revision) => got.includes(revision)));
        }
      }
    }
    if (whole) break;
    if (roll(2) === 0) got.push(...drained(follower));
    assert.notEqual(follower.ended(GONE), undefined);
    head = round > 20 ? Math.max(head, last) : Math.max(head, head + roll(last - head + 1));
  }
  got.push(...drained(follower));
  assert.deepEqual(
    got,
    log.filter((revision) => revision > begin),
    `seed ${seed}`,
  );
}

/** What a daemon sends of its log up to the head: batches cut anywhere, with bookmarks, words and news between. */
function sent(log: number[], head: number, after: number, roll: (sides: number) => number): StreamEventsResponse[] {
  let rest = log.filter((revision) => revision > after && revision <= head);
  const frames = [opened(head)];
  while (rest.length > 0) {
    const some = rest.slice(0, 1 + roll(rest.length));
    frames.push(batch(...some));
    frames.push(...([[], [bookmark(some.at(-1) ?? 0)], [live("Hel")], [{ frame: undefined }]][roll(4)] ?? []));
    rest = rest.slice(some.length);
  }
  if (roll(2) === 0) frames.push(bookmark(Math.max(after, head)));
  return frames;
}

test("a daemon that repeats itself is not repeated", () => {
  const follower = new Follower(request({ afterRevision: 0 }));
  follower.handle(opened());
  for (const revisions of [[1, 2], [2, 3], [1], [3, 5, 4]]) follower.handle(batch(...revisions));
  assert.deepEqual(drained(follower), [1, 2, 3, 5]);
});

test("the next question begins behind what has arrived, even if it was not read yet", () => {
  const filter = { afterRevision: 3, callIds: ["one"], types: ["warning"], includeLive: true };
  const follower = new Follower(request(filter));
  follower.handle(opened(9));
  follower.handle(batch(4, 5, 9));
  assert.equal(follower.next()?.kind, "event");
  assert.deepEqual(follower.cursor, new Cursor(EPOCH, 4));
  follower.ended(GONE);
  assert.deepEqual(follower.ask(), { request: { ...filter, afterRevision: 9, epoch: EPOCH }, wait: true });
  follower.handle(opened(9));
  assert.deepEqual(drained(follower), [5, 9]);
});

test("a bookmark moves what is asked for, and what is given is judged by events", () => {
  const follower = new Follower(request({ afterRevision: 0 }));
  for (const frame of [opened(), batch(2), bookmark(9)]) follower.handle(frame);
  assert.equal(follower.ask().request.afterRevision, 9);
  follower.handle(bookmark(5));
  assert.equal(follower.ask().request.afterRevision, 9);
  follower.handle(batch(4));
  assert.deepEqual(drained(follower), [2, 4]);
});

test("who comes back is told so behind what was still here", () => {
  const follower = new Follower(request({ afterRevision: 0 }));
  follower.handle(opened());
  follower.handle(batch(2));
  follower.ended(GONE);
  follower.handle(opened(2));
  follower.handle(batch(3));
  const kinds = items(follower);
  assert.deepEqual(
    kinds.map((item) => item.kind),
    ["event", "resumed", "event"],
  );
  assert.deepEqual(kinds[1], { kind: "resumed", cursor: new Cursor(EPOCH, 2) });
});

test("from now on is from the first now, over all connections", () => {
  const follower = new Follower(request());
  assert.equal(follower.ask().request.afterRevision, undefined);
  follower.handle(opened(7));
  assert.deepEqual(follower.cursor, new Cursor(EPOCH, 7));
  follower.ended(GONE);
  assert.equal(follower.ask().request.afterRevision, 7);
});

test("a cursor that was given is known at once, and a bare revision with the first frame", () => {
  assert.deepEqual(new Follower(request({ afterRevision: 4, epoch: EPOCH })).cursor, new Cursor(EPOCH, 4));
  const bare = new Follower(request({ afterRevision: 4 }));
  assert.equal(bare.cursor, undefined);
  bare.handle(opened(9));
  assert.deepEqual(bare.cursor, new Cursor(EPOCH, 4));
});

for (const cursor of ["given", "seen"]) {
  test(`events of another log than the one ${cursor} are never given`, () => {
    const follower = new Follower(request({ afterRevision: 4, epoch: cursor === "given" ? EPOCH : "" }));
    if (cursor === "seen") {
      follower.handle(opened(4));
      follower.ended(GONE);
    }
    assert.throws(
      () => {
        follower.handle(opened(9, "restored"));
      },
      (error) => error instanceof errors.LogReplaced && error.epoch === "restored" && error.reason === "LOG_REPLACED",
    );
    assert.ok(follower.done);
    assert.deepEqual(follower.cursor, new Cursor(EPOCH, 4));
  });
}

test("a stream that does not begin with opened is an error and not an event", () => {
  const follower = new Follower(request({ afterRevision: 0 }));
  assert.throws(() => {
    follower.handle(batch(1));
  }, /began a stream with batch/);
  assert.equal(follower.next(), undefined);
  assert.ok(follower.done);
});

for (const callIds of [[], ["one"]]) {
  test(`an end without an error completes a stream about [${callIds.join()}]: ${callIds.length > 0}`, () => {
    const follower = new Follower(request({ afterRevision: 0, callIds }));
    follower.handle(opened());
    assert.equal(follower.ended() === undefined, callIds.length > 0);
    assert.equal(follower.done, callIds.length > 0);
  });
}

const ENDINGS: [errors.AgenticError, boolean][] = [
  [GONE, true],
  [new errors.Draining("x", "UNAVAILABLE", details("DRAINING")), true],
  [new errors.StoreDown("x", "UNAVAILABLE", details("STORE_DOWN")), true],
  [new errors.ConsumerStalled("x", "ABORTED", details("CONSUMER_STALLED")), true],
  [new errors.AgenticError("x", "CANCELLED"), true],
  [new errors.AgenticError("x", "INTERNAL"), true],
  [new errors.AgenticError("x", "UNKNOWN"), true],
  [new errors.AgenticError("x", "DATA_LOSS"), false],
  [new errors.Internal("x", "INTERNAL", details("INTERNAL")), false],
  [new errors.CursorCompacted("x", "OUT_OF_RANGE", details("CURSOR_COMPACTED")), false],
  [new errors.LogReplaced("x", "FAILED_PRECONDITION", details("LOG_REPLACED")), false],
  [new errors.Unauthenticated("x", "UNAUTHENTICATED"), false],
  [new errors.CallNotFound("x", "NOT_FOUND", details("CALL_NOT_FOUND")), false],
];

for (const [error, mends] of ENDINGS) {
  for (const state of ["new", "proven", "opened"]) {
    const waits = mends && state !== "new";
    test(`${error.code} ${error.reason} on a stream that is ${state}: ${waits ? "asks again" : "ends"}`, () => {
      const follower = new Follower(request({ afterRevision: 0 }), state === "proven");
      assert.equal(follower.ask().wait, state === "proven");
      if (state === "opened") follower.handle(opened());
      if (waits) {
        assert.equal(follower.ended(error), FIRST_DELAY);
      } else {
        assert.throws(() => follower.ended(error), error);
      }
      assert.equal(follower.done, !waits);
    });
  }
}

test("waits grow up to a limit, begin anew with each sign of life, and heed the daemon", () => {
  const follower = new Follower(request({ afterRevision: 0 }));
  follower.handle(opened());
  const waits = Array.from({ length: 8 }, () => follower.ended(GONE));
  assert.deepEqual(waits, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  follower.handle(opened());
  assert.equal(follower.ended(GONE), LAST_DELAY, "a daemon that opens and dies, again and again, is not hammered");
  for (const sign of [bookmark(1), batch(2)]) {
    follower.handle(sign);
    assert.equal(follower.ended(GONE), FIRST_DELAY);
  }
  assert.equal(follower.ended(new errors.Draining("x", "UNAVAILABLE", details("DRAINING", 2_000))), 2_000);
  assert.equal(backoff(10_000, undefined), LAST_DELAY);
});

test("who leaves is given nothing more and keeps the cursor", () => {
  const follower = new Follower(request({ afterRevision: 0 }));
  follower.handle(opened());
  follower.handle(batch(1, 2));
  follower.next();
  follower.leave();
  assert.equal(follower.next(), undefined);
  assert.ok(follower.done);
  assert.deepEqual(follower.cursor, new Cursor(EPOCH, 1));
});
