// google.rpc.Status and the details that agenticd sends with its errors, read without their generated code.
import { BinaryReader } from "@bufbuild/protobuf/wire";

/** The trailer that carries them. */
export const KEY = "grpc-status-details-bin";
const DOMAIN = "agenticd";

/** One wrong field of a request. */
export interface Violation {
  /** Its path, as the contract spells it: `to_address`. */
  readonly field: string;
  /** What would be right. */
  readonly description: string;
}

/** What an error says beside its code and its message. */
export interface Details {
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly violations: readonly Violation[];
  /** Milliseconds; undefined when the daemon did not say. */
  readonly retryAfter: number | undefined;
  /** The id of the call that the error is about, or empty. */
  readonly resource: string;
}

/** Of an error that says nothing more. */
export const NO_DETAILS: Details = { reason: "", metadata: {}, violations: [], retryAfter: undefined, resource: "" };

/** What the bytes under KEY say. Nothing, if they are no status. */
export function readDetails(bytes: Uint8Array): Details {
  let found = NO_DETAILS;
  try {
    for (const packed of messages(bytes, 3)) {
      found = { ...found, ...detail(text(packed, 1), messages(packed, 2)[0] ?? new Uint8Array()) };
    }
  } catch {
    return NO_DETAILS;
  }
  return found;
}

function detail(url: string, value: Uint8Array): Partial<Details> {
  switch (url.slice(url.lastIndexOf("/") + 1)) {
    case "google.rpc.ErrorInfo":
      return text(value, 2) === DOMAIN ? { reason: text(value, 1), metadata: pairs(messages(value, 3)) } : {};
    case "google.rpc.RetryInfo":
      return { retryAfter: milliseconds(messages(value, 1)[0] ?? new Uint8Array()) };
    case "google.rpc.ResourceInfo":
      return { resource: text(value, 2) };
    case "google.rpc.BadRequest":
      return { violations: messages(value, 1).map((one) => ({ field: text(one, 1), description: text(one, 2) })) };
    default:
      return {};
  }
}

function pairs(entries: readonly Uint8Array[]): Record<string, string> {
  return Object.fromEntries(entries.map((entry) => [text(entry, 1), text(entry, 2)]));
}

function milliseconds(duration: Uint8Array): number {
  let sum = 0;
  fields(duration, (number, reader) => {
    if (number === 1) sum += Number(reader.int64()) * 1e3;
    else if (number === 2) sum += reader.int32() / 1e6;
    else return false;
    return true;
  });
  return sum;
}

/** The values of a field that has length and bytes: messages, texts, bytes. */
function messages(bytes: Uint8Array, wanted: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  fields(bytes, (number, reader) => {
    if (number !== wanted) return false;
    found.push(reader.bytes());
    return true;
  });
  return found;
}

function text(bytes: Uint8Array, wanted: number): string {
  return new TextDecoder().decode(messages(bytes, wanted).at(-1));
}

/** Goes through a message. `take` reads a field's value and says so, or leaves it to be skipped. */
function fields(bytes: Uint8Array, take: (number: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (!take(number, reader)) reader.skip(type, number);
  }
}
