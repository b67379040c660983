// A daemon that answers as a test says, on a Unix socket of its own.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import {
  Metadata,
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServerWritableStream,
  type UntypedHandleCall,
} from "@grpc/grpc-js";

import { Client } from "../src/client.js";
import {
  CallServiceService,
  type CallServiceServer,
  type GetCallRequest,
  type GetCallResponse,
  type ListCallsRequest,
  type ListCallsResponse,
  type PlaceCallRequest,
  type PlaceCallResponse,
  type StreamEventsRequest,
  type StreamEventsResponse,
} from "../src/gen/agentic/v1/call_service.js";
import { KEY as TRAILER } from "../src/status.js";
import type { Target } from "../src/target.js";
import { CERTIFICATE, KEY } from "./certificate.js";
import { errorInfo, statusBytes } from "./details.js";

export type StreamCall = ServerWritableStream<StreamEventsRequest, StreamEventsResponse>;

type Answer<Q, A> = (request: Q, metadata: Metadata) => A | Promise<A>;

/** What the daemon answers to each request. */
export interface Answers {
  placeCall?: Answer<PlaceCallRequest, PlaceCallResponse>;
  getCall?: Answer<GetCallRequest, GetCallResponse>;
  listCalls?: Answer<ListCallsRequest, ListCallsResponse>;
  streamEvents?: (call: StreamCall) => void;
}

/** What an answer throws to refuse. */
export class Refusal extends Error {
  readonly code: status;
  readonly metadata = new Metadata();

  constructor(code: status, reason = "") {
    super("the daemon says no");
    this.code = code;
    if (reason !== "") this.metadata.set(TRAILER, statusBytes(errorInfo(reason)));
  }
}

export class FakeDaemon implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "agenticd-fake-"));
  #server = new Server();

  get address(): string {
    return `unix:${join(this.#folder, "agenticd.sock")}`;
  }

  client(timeout?: number, target: Partial<Target> = {}): Client {
    return new Client({ address: this.address, loopback: true, ...target }, timeout);
  }

  async start(answers: Answers): Promise<this> {
    await this.#listen(answers, this.address, ServerCredentials.createInsecure());
    return this;
  }

  /** With TLS, and the certificate of certificate.ts. Returns its port on 127.0.0.1. */
  startTls(answers: Answers): Promise<number> {
    const pair = { cert_chain: Buffer.from(CERTIFICATE), private_key: Buffer.from(KEY) };
    return this.#listen(answers, "127.0.0.1:0", ServerCredentials.createSsl(null, [pair]));
  }

  #listen(answers: Answers, address: string, credentials: ServerCredentials): Promise<number> {
    this.#server = new Server();
    this.#server.addService(CallServiceService, implemented(answers));
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, credentials, (error, port) => {
        if (error === null) resolve(port);
        else reject(error);
      });
    });
  }

  /** As a kill would: connections break. */
  async stop(): Promise<void> {
    this.#server.forceShutdown();
    await new Promise(setImmediate);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true });
  }
}

function implemented(answers: Answers): CallServiceServer {
  const handlers: Record<string, UntypedHandleCall> = {};
  for (const [name, { responseStream }] of Object.entries(CallServiceService)) {
    const answer = answers[name as keyof Answers] as ((...all: unknown[]) => unknown) | undefined;
    if (responseStream) handlers[name] = (call: StreamCall) => answer?.(call);
    else handlers[name] = unary(answer);
  }
  return handlers as unknown as CallServiceServer;
}

function unary(answer: ((...all: unknown[]) => unknown) | undefined) {
  return (call: ServerUnaryCall<unknown, unknown>, done: sendUnaryData<unknown>): void => {
    if (answer === undefined) throw new Error("the test has no answer to this");
    Promise.resolve()
      .then(() => answer(call.request, call.metadata))
      .then(
        (value) => done(null, value),
        (error: unknown) => done(error as Refusal),
      );
  };
}
