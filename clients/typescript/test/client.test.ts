// Requests over a real connection: deadlines, retries that cannot dial twice, what a reader holds back.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { test } from "node:test";

import { status } from "@grpc/grpc-js";

import { Client, connect } from "../src/client.js";
import * as errors from "../src/errors.js";
import { Call } from "../src/gen/agentic/v1/call.js";
import {
  GetCallResponse,
  ListCallsResponse,
  PlaceCallResponse,
  type PlaceCallRequest,
} from "../src/gen/agentic/v1/call_service.js";
import { find } from "../src/target.js";
import { CERTIFICATE } from "./certificate.js";
import { FakeDaemon, Refusal, type StreamCall } from "./fake_daemon.js";
import { batch, EPOCH, opened } from "./frames.js";

const call = Call.fromPartial({ callId: "one" });
const shown = GetCallResponse.fromPartial({ call, revision: 4, epoch: EPOCH });
const placed = PlaceCallResponse.fromPartial({ call, revision: 4, epoch: EPOCH });
const never = (): Promise<never> => new Promise(() => {});

test("the token goes with each request", async () => {
  const seen: unknown[] = [];
  await using daemon = await new FakeDaemon().start({
    getCall: (_, metadata) => {
      seen.push(metadata.get("authorization"));
      return shown;
    },
    streamEvents: (rpc) => {
      seen.push(rpc.metadata.get("authorization"));
      rpc.write(opened());
      rpc.end();
    },
  });
  await using client = daemon.client(undefined, { token: "secret" });
  assert.equal((await client.getCall("one")).call.callId, "one");
  for await (const event of client.events({ callIds: ["one"] })) assert.fail(`${event.revision}`);
  assert.deepEqual(seen, [["Bearer secret"], ["Bearer secret"]]);
});

test("an order that is sent again is the same order", async () => {
  const orders: PlaceCallRequest[] = [];
  await using daemon = await new FakeDaemon().start({
    placeCall: (request) => {
      if (orders.push(request) < 4) throw new Refusal(status.UNAVAILABLE, "STORE_DOWN");
      return placed;
    },
  });
  await using client = daemon.client();
  const answer = await client.placeCall("+15550001111", { metadata: { order: "17" } });
  assert.equal(orders.length, 4);
  for (const order of orders) assert.deepEqual(order, orders[0]);
  assert.equal(answer.requestId, orders[0]?.requestId);
});

test("an order that failed tells its requestId", async () => {
  await using daemon = await new FakeDaemon().start({
    placeCall: () => {
      throw new Refusal(status.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS");
    },
  });
  await using client = daemon.client();
  const order = client.placeCall("+15550001111", { requestId: "mine" });
  await assert.rejects(order, (error) => error instanceof errors.TooManyCalls && error.requestId === "mine");
});

test("no answer in time is an error with its requestId", async () => {
  await using daemon = await new FakeDaemon().start({ placeCall: never });
  await using client = daemon.client(50);
  const order = client.placeCall("+15550001111");
  await assert.rejects(order, (error) => error instanceof errors.DeadlineExceeded && error.requestId.length === 36);
});

test("a daemon that never was there is unreachable at once; one that answered before is waited for", async () => {
  await using daemon = new FakeDaemon();
  await using client = daemon.client(60_000);
  await assert.rejects(client.getCall("one"), { name: "Unreachable" });
  await assert.rejects(client.events().next(), { name: "Unreachable" });
  await daemon.start({ getCall: () => shown });
  await answered(client);
  await daemon.stop();
  const waits = client.getCall("one");
  await daemon.start({ getCall: () => shown });
  assert.equal((await waits).revision, 4);
});

/** gRPC comes back to an address that has failed after a while. */
async function answered(client: Client): Promise<void> {
  for (;;) {
    try {
      await client.getCall("one");
      return;
    } catch (error) {
      assert.ok(error instanceof errors.Unreachable);
    }
  }
}

test("a stream is asked for again by its follower alone", async () => {
  let asked = 0;
  await using daemon = await new FakeDaemon().start({
    streamEvents: (rpc) => {
      asked += 1;
      rpc.emit("error", new Refusal(status.UNAVAILABLE, "STORE_DOWN"));
    },
  });
  await using client = daemon.client();
  await assert.rejects(client.events().next(), { name: "StoreDown" });
  assert.equal(asked, 1);
});

test("a stream to a host that is silent ends in time", { timeout: 60_000 }, async () => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => sockets.push(socket)).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  await using client = connect({ address: `127.0.0.1:${port}`, token: "secret", timeout: 50 });
  try {
    await assert.rejects(client.events().next(), { name: "DeadlineExceeded", message: "no answer within 50 ms" });
  } finally {
    silent.close();
    for (const socket of sockets) socket.destroy();
  }
});

test("a stream goes on when its daemon is killed and started again", async () => {
  const asked: (number | undefined)[] = [];
  await using daemon = await new FakeDaemon().start({
    streamEvents: (rpc) => {
      rpc.write(opened());
      rpc.write(batch(1, 2));
    },
  });
  await using client = daemon.client();
  const stream = client.events({ after: 0, callIds: ["one"] });
  assert.equal((await stream.next()).value?.revision, 1);
  await daemon.stop();
  await daemon.start({
    streamEvents: (rpc) => {
      asked.push(rpc.request.afterRevision);
      rpc.write(opened(2));
      rpc.write(batch(3));
      rpc.end();
    },
  });
  const rest: number[] = [];
  for await (const { revision } of stream) rest.push(revision);
  assert.deepEqual(rest, [2, 3]);
  assert.deepEqual(asked, [2]);
});

test("what is not read holds the daemon back, and comes when it is read", async () => {
  const [batches, size] = [400, 500];
  let written = 0;
  await using daemon = await new FakeDaemon().start({
    getCall: () => shown,
    streamEvents: (rpc) => {
      const write = (): void => {
        while (written < batches) {
          const first = written * size + 1;
          written += 1;
          if (!rpc.write(batch(...Array.from({ length: size }, (_, n) => first + n)))) return;
        }
        rpc.end();
      };
      rpc.write(opened());
      rpc.on("drain", write);
      write();
    },
  });
  await using client = daemon.client();
  const stream = client.events({ after: 0, callIds: ["one"] });
  let last = (await stream.next()).value?.revision ?? 0;
  // A connection that answers so many other requests could have brought it all.
  for (let n = 0; n < 500; n++) await client.getCall("one");
  assert.ok(written < 100, `${written} batches were sent ahead of the reader`);
  for await (const { revision } of stream) assert.equal(revision, ++last);
  assert.equal(last, batches * size);
});

test("all calls come page by page", async () => {
  const tokens: string[] = [];
  await using daemon = await new FakeDaemon().start({
    listCalls: ({ pageToken, states }) => {
      tokens.push(`${pageToken} ${states.join()}`);
      const next = { "": "b", b: "c", c: "" }[pageToken] ?? "";
      return ListCallsResponse.fromPartial({ calls: [{ callId: pageToken }], nextPageToken: next });
    },
  });
  await using client = daemon.client();
  const found: string[] = [];
  for await (const { callId } of client.allCalls({ states: ["CALL_STATE_ENDED"] })) found.push(callId);
  assert.deepEqual(found, ["", "b", "c"]);
  assert.deepEqual(tokens, [" CALL_STATE_ENDED", "b CALL_STATE_ENDED", "c CALL_STATE_ENDED"]);
});

test("a request is given up by its signal", async () => {
  const reason = new Error("enough");
  const giving = new AbortController();
  await using daemon = await new FakeDaemon().start({
    getCall: () => {
      giving.abort(reason);
      return never();
    },
  });
  await using client = daemon.client();
  const request = client.getCall("one", { signal: giving.signal });
  await assert.rejects(request, { name: "AgenticError", code: "CANCELLED", cause: reason });
});

test("an order that is given up tells its requestId, for it may have been queued", async () => {
  const giving = new AbortController();
  let sent = "";
  await using daemon = await new FakeDaemon().start({
    placeCall: ({ requestId }) => {
      sent = requestId;
      giving.abort();
      return never();
    },
  });
  await using client = daemon.client();
  const order = (): Promise<unknown> => client.placeCall("+15550001111", { signal: giving.signal, requestId: "mine" });
  const givenUp = { name: "AgenticError", code: "CANCELLED", requestId: "mine" };
  await assert.rejects(order(), givenUp, "while it waits");
  assert.equal(sent, "mine");
  await assert.rejects(order(), givenUp, "before it is sent");
});

test("a client that is closed ends its streams and what waits, and does nothing more", async () => {
  let arrived = (): void => {};
  const both = Promise.all([
    new Promise<StreamCall>((resolve) => (open = resolve)),
    new Promise<void>((resolve) => (arrived = resolve)),
  ]);
  await using daemon = await new FakeDaemon().start({
    getCall: () => {
      arrived();
      return never();
    },
    streamEvents: (rpc) => {
      rpc.write(opened());
      open(rpc);
    },
  });
  const client = daemon.client();
  const reading = client.events().next();
  const waiting = client.getCall("one");
  await both;
  client.close();
  assert.deepEqual(await reading, { done: true, value: undefined });
  await assert.rejects(waiting, { name: "AgenticError", code: "CANCELLED", message: "the client was closed" });
  const closed = { name: "AgenticError", code: "CANCELLED", message: "the client is closed" };
  await assert.rejects(client.getCall("one"), closed);
  assert.throws(() => client.events(), closed);
});

let open: (rpc: StreamCall) => void;

test("with TLS the daemon's certificate must be signed by one who is known, and for the address", async () => {
  await using daemon = new FakeDaemon();
  const port = await daemon.startTls({ getCall: () => shown });
  for (const host of ["localhost", "127.0.0.1"]) {
    await using client = connect({ address: `tls:${host}:${port}`, ca: CERTIFICATE, token: "secret" });
    assert.equal((await client.getCall("one")).revision, 4);
  }
  await using plain = connect({ address: `127.0.0.1:${port}`, token: "secret" });
  await assert.rejects(plain.getCall("one"), { name: "Unreachable", message: /perhaps TLS/ });
  await using stranger = connect({ address: `tls:localhost:${port}`, token: "secret" });
  await assert.rejects(stranger.getCall("one"), { name: "Unreachable", message: /self-signed certificate/ });
  const known = find({ address: `tls:localhost:${port}`, ca: CERTIFICATE }, {});
  await using impostor = new Client({ ...known, tls: { ...known.tls, host: "voice.example.com" } });
  await assert.rejects(impostor.getCall("one"), { name: "Unreachable", message: /voice\.example\.com/ });
});

test("a time that is none is refused", async () => {
  await using daemon = new FakeDaemon();
  for (const timeout of [0, -1, NaN, Infinity, 2 ** 31]) {
    assert.throws(() => daemon.client(timeout), errors.InvalidArgument);
  }
});
