// google.rpc.Status, as a daemon sends it in a trailer.
import { BinaryWriter } from "@bufbuild/protobuf/wire";

type Value = string | number | Uint8Array;

function message(...fields: [number, Value][]): Uint8Array {
  const writer = new BinaryWriter();
  for (const [number, value] of fields) {
    if (typeof value === "number") writer.uint32(number << 3).int64(value);
    else if (typeof value === "string") writer.uint32((number << 3) | 2).string(value);
    else writer.uint32((number << 3) | 2).bytes(value);
  }
  return writer.finish();
}

export function packed(type: string, value: Uint8Array): Uint8Array {
  return message([1, `type.googleapis.com/${type}`], [2, value]);
}

export function statusBytes(...details: Uint8Array[]): Buffer {
  const fields = details.map((detail): [number, Value] => [3, detail]);
  return Buffer.from(message([1, 9], [2, "the daemon says no"], ...fields));
}

export function errorInfo(reason: string, metadata: Record<string, string> = {}, domain = "agenticd"): Uint8Array {
  const pairs = Object.entries(metadata).map(([key, value]): [number, Value] => [3, message([1, key], [2, value])]);
  return packed("google.rpc.ErrorInfo", message([1, reason], [2, domain], ...pairs));
}

export function retryInfo(seconds: number, nanos: number): Uint8Array {
  return packed("google.rpc.RetryInfo", message([1, message([1, seconds], [2, nanos])]));
}

export function resourceInfo(name: string): Uint8Array {
  return packed("google.rpc.ResourceInfo", message([1, "agentic.v1.Call"], [2, name]));
}

export function badRequest(...violations: [string, string][]): Uint8Array {
  const fields = violations.map(([field, description]): [number, Value] => [1, message([1, field], [2, description])]);
  return packed("google.rpc.BadRequest", message(...fields));
}
