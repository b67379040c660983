// What programs say becomes what the contract asks for.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Cursor } from "../src/cursor.js";
import { InvalidArgument } from "../src/errors.js";
import { placeCall, streamEvents, toMilliseconds } from "../src/requests.js";

test("an order always has a requestId, and never the same one twice", () => {
  const ids = Array.from({ length: 3 }, () => placeCall("+15550001111", {}).requestId);
  assert.equal(new Set(ids).size, 3);
  assert.ok(ids.every((id) => /^[0-9a-f-]{36}$/.test(id)));
  assert.equal(placeCall("+15550001111", { requestId: "mine" }).requestId, "mine");
});

test("what is not given stays as the profile says, and an empty greeting is one", () => {
  assert.deepEqual(
    Object.values(placeCall("x", {}).overrides ?? {}).filter((value) => value !== undefined),
    [],
  );
  assert.equal(placeCall("x", { greeting: "" }).overrides?.greeting, "");
});

test("times are milliseconds", () => {
  const { options } = placeCall("x", { ringTimeout: 20_000, maxDuration: 1_500.25 });
  assert.deepEqual(options?.ringTimeout, { seconds: 20, nanos: 0 });
  assert.deepEqual(options.maxDuration, { seconds: 1, nanos: 500_250_000 });
  assert.equal(options.queueTimeout, undefined);
  assert.equal(toMilliseconds(options.maxDuration), 1_500.25);
  assert.equal(toMilliseconds(undefined), 0);
  assert.throws(() => placeCall("x", { ringTimeout: NaN }), InvalidArgument);
});

test("kinds are spelled as in the events, or as in the contract", () => {
  const { types } = streamEvents({ types: ["transcriptFinal", "call_ended", "warning"] }, false);
  assert.deepEqual(types, ["transcript_final", "call_ended", "warning"]);
});

test("where to begin is a cursor, a revision, or now", () => {
  assert.deepEqual(
    [{ after: new Cursor("e", 4) }, { after: 0 }, {}].map((filter) => {
      const { epoch, afterRevision } = streamEvents(filter, false);
      return [epoch, afterRevision];
    }),
    [
      ["e", 4],
      ["", 0],
      ["", undefined],
    ],
  );
  assert.throws(() => streamEvents({ after: 1.5 }, false), InvalidArgument);
});

test("a cursor is the text that it was written as", () => {
  assert.deepEqual(Cursor.parse(" 5f0c:1042\n"), new Cursor("5f0c", 1_042));
  assert.equal(`${new Cursor("5f0c", 0)}`, "5f0c:0");
  for (const text of ["", "5f0c", "5f0c:", ":1", "5f0c:-1", "5f0c:01", "5f0c:1:2", "5f0c:9007199254740992"]) {
    assert.throws(() => Cursor.parse(text), InvalidArgument, text);
  }
});
