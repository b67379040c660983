// Does what the story says, through the client and nothing else: tests/clients/README.md.
import { createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

import { AgenticError, connect, Cursor, type Client, type Event, type EventStream } from "agenticd-client";

type Answer = Record<string, unknown>;

interface Order {
  id: number;
  do: string;
  to?: string;
  request_id?: string;
  agent?: string;
  greeting?: string;
  metadata?: Record<string, string>;
  call_id?: string;
  reason?: string;
  page_size?: number;
  name?: string;
  cursor?: string;
  after?: number;
  call_ids?: string[];
  types?: string[];
  live?: boolean;
  most?: number;
  revision?: number;
  epoch?: string;
}

const { values: given } = parseArgs({
  options: {
    address: { type: "string" },
    token: { type: "string" },
    ca: { type: "string" },
    cert: { type: "string" },
    key: { type: "string" },
    timeout: { type: "string" },
  },
});

// Not process.stdout, which stops the whole program while nobody reads.
const output = createWriteStream("", { fd: 1 }).setMaxListeners(0);

/** Waits until the line may be followed by another: a stream whose lines are not read is not read either. */
async function say(line: Answer): Promise<void> {
  if (!output.write(`${JSON.stringify(line)}\n`)) {
    await new Promise<void>((resolve) => output.once("drain", resolve));
  }
}

class Teller {
  #made: Client | undefined;
  readonly #streams = new Map<string, EventStream>();
  readonly #ends = new Map<string, Promise<void>>();

  async obey(order: Order): Promise<void> {
    try {
      await say({ id: order.id, ok: await this.#do(order) });
    } catch (error) {
      await say({ id: order.id, error: told(error) });
    }
  }

  close(): void {
    this.#made?.close();
  }

  get #client(): Client {
    this.#made ??= connect({
      ...given,
      timeout: given.timeout === undefined ? undefined : Number(given.timeout) * 1e3,
    });
    return this.#made;
  }

  async #do(order: Order): Promise<Answer> {
    const client = this.#client;
    const callId = order.call_id ?? "";
    switch (order.do) {
      case "place":
        return this.#place(client, order);
      case "hang_up": {
        const { call } = await client.hangUp(callId, order.reason);
        return { call_id: call.callId, state: bare(call.state, "CALL_STATE_") };
      }
      case "get": {
        const { call, revision, epoch } = await client.getCall(callId);
        return {
          call_id: call.callId,
          state: bare(call.state, "CALL_STATE_"),
          end_reason: bare(call.end?.reason, "END_REASON_"),
          ended_by: bare(call.end?.endedBy, "ENDED_BY_"),
          revision,
          epoch,
        };
      }
      case "list":
        return list(client, order.page_size);
      case "transcript": {
        const { utterances } = await client.transcript(callId);
        return { utterances: utterances.map(({ speaker, text }) => ({ speaker: bare(speaker, "SPEAKER_"), text })) };
      }
      case "status": {
        const { version, epoch, headRevision } = await client.status();
        return { version, epoch, head_revision: headRevision };
      }
      case "follow":
        return this.#follow(order, (listeners) =>
          client.events({
            ...listeners,
            callIds: order.call_ids ?? [],
            types: order.types ?? [],
            after: order.cursor === undefined ? order.after : Cursor.parse(order.cursor),
          }),
        );
      case "follow_call": {
        const { revision = 0, epoch = "" } = order;
        const placed = { call: { callId }, revision, epoch };
        return this.#follow(order, (listeners) => client.follow(placed, listeners));
      }
      case "leave": {
        const name = order.name ?? "";
        this.#streams.get(name)?.close();
        await this.#ends.get(name);
        return {};
      }
      default:
        throw new Error(`there is no order ${order.do}`);
    }
  }

  async #place(client: Client, order: Order): Promise<Answer> {
    const { request_id: requestId, agent, greeting, metadata } = order;
    const placed = await client.placeCall(order.to ?? "", { requestId, agent, greeting, metadata });
    const { call, revision, epoch, replayed } = placed;
    const state = bare(call.state, "CALL_STATE_");
    return { call_id: call.callId, state, revision, epoch, replayed, request_id: placed.requestId };
  }

  #follow(order: Order, begin: (listeners: Parameters<Client["follow"]>[1]) => EventStream): Answer {
    const follow = order.name ?? "";
    const stream = begin({
      onResume: (cursor) => say({ follow, resumed: `${cursor}` }),
      onBookmark: (cursor) => say({ follow, cursor: `${cursor}` }),
      onLive: order.live
        ? ({ callId, speaker, offset, text }) =>
            say({ follow, live: { call_id: callId, speaker: bare(speaker, "SPEAKER_"), offset, text } })
        : undefined,
    });
    this.#streams.set(follow, stream);
    this.#ends.set(follow, tell(follow, stream, order.most));
    return {};
  }
}

async function tell(follow: string, stream: EventStream, most = Infinity): Promise<void> {
  let end: Answer | null = null;
  let count = 0;
  try {
    for await (const event of stream) {
      await say({ follow, event: shown(event) });
      if (++count >= most) break;
    }
  } catch (error) {
    end = told(error);
  }
  await say({ follow, end, cursor: stream.cursor?.toString() ?? "" });
}

function shown({ revision, callId, callSequence, payload }: Event): Answer {
  const kind = payload?.$case.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) ?? "";
  const text = payload?.$case === "transcriptFinal" ? payload.value.text : "";
  return { revision, call_id: callId, call_sequence: callSequence, kind, text };
}

async function list(client: Client, pageSize?: number): Promise<Answer> {
  const first = await client.listCalls({ pageSize });
  const calls = first.calls.map((call) => call.callId);
  for (let token = first.nextPageToken; token !== "";) {
    const page = await client.listCalls({ pageSize, pageToken: token });
    calls.push(...page.calls.map((call) => call.callId));
    token = page.nextPageToken;
  }
  return { calls, revision: first.revision, epoch: first.epoch };
}

/** A value of an enum without its prefix, and nothing for what is not set. */
function bare(value: string | undefined, prefix: string): string {
  const name = value?.startsWith(prefix) ? value.slice(prefix.length) : (value ?? "");
  return name === "UNSPECIFIED" ? "" : name;
}

function told(error: unknown): Answer {
  if (!(error instanceof AgenticError)) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    return { type: name, code: "UNKNOWN", reason: "", message };
  }
  return {
    type: error.name,
    code: error.code,
    reason: error.reason,
    message: error.message,
    metadata: error.metadata,
    violations: error.violations,
    retry_after: (error.retryAfter ?? 0) / 1e3,
    request_id: error.requestId,
  };
}

const teller = new Teller();
for await (const line of createInterface({ input: process.stdin })) void teller.obey(JSON.parse(line) as Order);
teller.close();
