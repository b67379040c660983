// Errors are typed by the contract's reasons, and carry what the daemon said beside its message.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Metadata, status } from "@grpc/grpc-js";

import * as errors from "../src/errors.js";
import { ErrorReason } from "../src/gen/agentic/v1/errors.js";
import { KEY, NO_DETAILS, readDetails } from "../src/status.js";
import { badRequest, errorInfo, packed, resourceInfo, retryInfo, statusBytes } from "./details.js";

const REASONS = Object.keys(ErrorReason).filter((name) => name !== "UNSPECIFIED" && name !== "UNRECOGNIZED");

function failure(code: status, ...details: Uint8Array[]): errors.AgenticError {
  const metadata = new Metadata();
  if (details.length > 0) metadata.set(KEY, statusBytes(...details));
  return errors.fromRpc(Object.assign(new Error(), { code, details: "the daemon says no", metadata }));
}

test("every reason of the contract has its own class", () => {
  assert.deepEqual([...errors.BY_REASON.keys()].sort(), REASONS.sort());
  assert.equal(new Set(errors.BY_REASON.values()).size, REASONS.length);
});

for (const reason of REASONS) {
  test(`${reason} makes the class`, () => {
    const error = failure(status.FAILED_PRECONDITION, errorInfo(reason, { spam: "eggs" }));
    assert.equal(error.constructor, errors.BY_REASON.get(reason));
    assert.equal(error.name, error.constructor.name);
    assert.deepEqual([error.reason, error.code, error.metadata], [reason, "FAILED_PRECONDITION", { spam: "eggs" }]);
    assert.equal(error.message, "the daemon says no");
  });
}

test("a reason of a newer daemon is typed by its code", () => {
  const known = failure(status.INVALID_ARGUMENT, errorInfo("SPAM"));
  assert.equal(known.constructor, errors.InvalidArgument);
  assert.equal(known.reason, "SPAM");
  assert.equal(failure(status.DATA_LOSS, errorInfo("constructor")).constructor, errors.AgenticError);
  assert.equal(failure(status.UNAVAILABLE, errorInfo("SPAM")).constructor, errors.Unavailable);
  assert.equal(failure(status.UNAVAILABLE).constructor, errors.Unreachable);
});

test("wrong fields and waiting times are there", () => {
  const wrong = badRequest(["to_address", "must begin with +"], ["agent", "is not known"]);
  const error = failure(status.INVALID_ARGUMENT, errorInfo("INVALID_ARGUMENT"), wrong, retryInfo(2, 500_000_000));
  assert.deepEqual(error.violations, [
    { field: "to_address", description: "must begin with +" },
    { field: "agent", description: "is not known" },
  ]);
  assert.equal(error.retryAfter, 2_500);
});

test("what a reason says more has a name", () => {
  const make = (reason: string, metadata: Record<string, string>) =>
    failure(status.OUT_OF_RANGE, errorInfo(reason, metadata)) as unknown as Record<string, unknown>;
  assert.equal(make("CURSOR_COMPACTED", { first_revision: "40" })["firstRevision"], 40);
  assert.equal(make("CURSOR_COMPACTED", { first_revision: "many" })["firstRevision"], 0);
  assert.equal(make("LOG_REPLACED", { epoch: "e" })["epoch"], "e");
  assert.equal(make("CARRIER_REJECTED", { carrier_code: "21211" })["carrierCode"], 21_211);
  assert.equal(make("CALL_NOT_LIVE", { state: "ENDED" })["state"], "ENDED");
  assert.equal(make("TOO_MANY_CALLS", { limit: "500" })["limit"], 500);
  assert.equal(make("INTERNAL", { incident: "abc" })["incident"], "abc");
  const unknown = failure(status.NOT_FOUND, errorInfo("CALL_NOT_FOUND"), resourceInfo("01X"));
  assert.ok(unknown instanceof errors.CallNotFound && unknown.callId === "01X");
});

test("what others send as details is not taken for ours", () => {
  assert.deepEqual(readDetails(statusBytes(errorInfo("DRAINING", {}, "example.com"))), NO_DETAILS);
  assert.deepEqual(readDetails(statusBytes(packed("google.rpc.Help", Uint8Array.of(8, 1)))), NO_DETAILS);
});

test("no bytes break the reading of details", () => {
  const whole = statusBytes(errorInfo("DRAINING", { a: "b" }), retryInfo(2, 0), badRequest(["x", "y"]));
  for (let at = 0; at < whole.length; at++) {
    assert.equal(typeof readDetails(whole.subarray(0, at)).reason, "string");
    for (const byte of [0, 7, 0x7f, 0xff]) {
      const bent = Uint8Array.from(whole);
      bent[at] = byte;
      assert.equal(typeof readDetails(bent).reason, "string");
    }
  }
});

test("a connection that broke has several words, and one class", () => {
  assert.equal(failure(status.CANCELLED).constructor, errors.Unreachable);
  const metadata = new Metadata();
  const details = "Received RST_STREAM with code 0 (Call ended without gRPC status)";
  const reset = errors.fromRpc(Object.assign(new Error(), { code: status.INTERNAL, details, metadata }));
  assert.equal(reset.constructor, errors.Unreachable);
  assert.equal(failure(status.INTERNAL).constructor, errors.AgenticError);
});

test("an answer that cannot be read is no broken connection", () => {
  const details = "Response message parsing error: Value is larger than Number.MAX_SAFE_INTEGER";
  const error = errors.fromRpc(
    Object.assign(new Error(), { code: status.INTERNAL, details, metadata: new Metadata() }),
  );
  assert.equal(error.code, "DATA_LOSS");
});
