// Where a client looks for its daemon, and what it refuses to do.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";

import { channelOptions } from "../src/channel.js";
import { InvalidArgument } from "../src/errors.js";
import { find, type TargetOptions } from "../src/target.js";
import { CERTIFICATE, KEY } from "./certificate.js";

const folder = mkdtempSync(join(tmpdir(), "agenticd-target-"));
after(() => {
  rmSync(folder, { recursive: true });
});

function made(name: string, ...files: string[]): string {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  for (const file of files) writeFileSync(join(path, file), `${name}\n`);
  return path;
}

describe("an address", () => {
  const right: [string, TargetOptions, string, boolean][] = [
    ["unix:/run/x.sock", {}, "unix:/run/x.sock", false],
    ["/run/x.sock", {}, "unix:/run/x.sock", false],
    ["unix:///run/x.sock", {}, "unix:/run/x.sock", false],
    ["127.0.0.1:50051", {}, "dns:127.0.0.1:50051", false],
    ["127.8.9.1:1", {}, "dns:127.8.9.1:1", false],
    ["localhost:65535", {}, "dns:localhost:65535", false],
    ["[::1]:50051", {}, "dns:[::1]:50051", false],
    ["tls:127.0.0.1:50051", {}, "dns:127.0.0.1:50051", true],
    ["tls:localhost:50051", { ca: CERTIFICATE }, "dns:localhost:50051", true],
    ["voice.example.com:50051", { token: "t" }, "dns:voice.example.com:50051", true],
    ["tls:voice.example.com:50051", { token: "t" }, "dns:voice.example.com:50051", true],
    ["voice.example.com:50051", {}, "dns:voice.example.com:50051", true],
    ["10.0.0.7:50051", { cert: CERTIFICATE, key: KEY }, "dns:10.0.0.7:50051", true],
  ];
  for (const [address, options, grpc, tls] of right) {
    test(`${address} is ${grpc} ${tls ? "with" : "without"} TLS`, () => {
      const target = find({ address, ...options }, { XDG_RUNTIME_DIR: folder });
      assert.equal(target.address, grpc);
      assert.equal(target.tls !== undefined, tls);
    });
  }

  const wrong: [string, TargetOptions, string][] = [
    ["unix:run/x.sock", {}, "address"],
    ["nonsense", {}, "address"],
    ["localhost", {}, "address"],
    ["localhost:0", {}, "address"],
    ["localhost:65536", {}, "address"],
    ["::1:50051", {}, "address"],
    ["[voice]:50051", {}, "address"],
    ["https://voice.example.com", {}, "address"],
    ["tls:unix:/run/x.sock", {}, "address"],
    ["1.2.3:50051", {}, "address"],
    ["300.1.1.1:50051", {}, "address"],
    ["127.0.0.1:50051", { token: "with space" }, "token"],
    ["127.0.0.1:50051", { ca: CERTIFICATE }, "ca"],
    ["unix:/run/x.sock", { cert: CERTIFICATE, key: KEY }, "cert"],
    ["voice.example.com:50051", { cert: CERTIFICATE }, "key"],
    ["voice.example.com:50051", { key: KEY }, "cert"],
    ["voice.example.com:50051", { ca: join(folder, "absent.pem"), token: "t" }, "ca"],
    ["voice.example.com:50051", { ca: Buffer.from("no PEM") }, "ca"],
    ["voice.example.com:50051", { cert: CERTIFICATE, key: CERTIFICATE }, "key"],
  ];
  for (const [address, options, field] of wrong) {
    test(`${address} with ${Object.keys(options).join() || "nothing"} is refused for its ${field}`, () => {
      assert.throws(
        () => find({ address, ...options }, {}),
        (error) =>
          error instanceof InvalidArgument &&
          error.code === "INVALID_ARGUMENT" &&
          error.reason === "" &&
          error.violations[0]?.field === field,
      );
    });
  }
});

describe("without an address", () => {
  const user = made("user");
  const theirs = made("user/agenticd", "agenticd.sock", "token");
  const service = made("service", "agenticd.sock", "token");

  test("the variable says where, then the nearest socket that exists", () => {
    const env = { XDG_RUNTIME_DIR: user, RUNTIME_DIRECTORY: `${service}:/other` };
    assert.equal(find({}, { ...env, AGENTCTL_ADDR: "unix:/run/y.sock" }).address, "unix:/run/y.sock");
    assert.equal(find({}, env).address, `unix:${service}/agenticd.sock`);
    assert.equal(find({}, { XDG_RUNTIME_DIR: user }).address, `unix:${theirs}/agenticd.sock`);
    assert.equal(find({}, { TMPDIR: made("empty") }).address, "unix:/run/agenticd/agenticd.sock");
  });

  test("the user's own temporary directory is looked in, where there is no other", () => {
    const own = made(`tmp/agenticd-${process.getuid?.() ?? ""}`, "agenticd.sock");
    assert.equal(find({}, { TMPDIR: join(folder, "tmp") }).address, `unix:${own}/agenticd.sock`);
    assert.equal(
      find({}, { TMPDIR: join(folder, "tmp"), XDG_RUNTIME_DIR: user }).address,
      `unix:${theirs}/agenticd.sock`,
    );
  });
});

describe("the token", () => {
  const named = join(made("named", "file"), "file");
  const env = { XDG_RUNTIME_DIR: made("run"), RUNTIME_DIRECTORY: made("svc", "token") };
  const address = "127.0.0.1:50051";

  test("is the one that is given, else that of the variable's file, else the one beside the socket", () => {
    assert.equal(find({ address, token: "given" }, { ...env, AGENTCTL_TOKEN_FILE: named }).token, "given");
    assert.equal(find({ address }, { ...env, AGENTCTL_TOKEN_FILE: named }).token, "named");
    assert.equal(find({ address }, env).token, "svc");
    assert.equal(find({ address }, { XDG_RUNTIME_DIR: folder, TMPDIR: folder }).token, undefined);
    assert.throws(() => find({ address }, { AGENTCTL_TOKEN_FILE: join(folder, "absent") }), InvalidArgument);
  });

  test("of this machine's daemon is shown to no other", () => {
    for (const elsewhere of ["voice.example.com:50051", "tls:127.0.0.1:50051"]) {
      assert.equal(find({ address: elsewhere }, env).token, undefined);
      assert.equal(find({ address: elsewhere }, { ...env, AGENTCTL_TOKEN_FILE: named }).token, "named");
    }
    assert.equal(find({ address: "unix:/run/x.sock", token: "t" }, env).token, undefined);
  });
});

test("certificates are files or what is in them, else those that the variables name", () => {
  const address = "voice.example.com:50051";
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  writeFileSync(cert, CERTIFICATE);
  writeFileSync(key, KEY);
  const known = { ca: Buffer.from(CERTIFICATE), cert: Buffer.from(CERTIFICATE), key: Buffer.from(KEY) };
  const tls = { host: "voice.example.com", ...known };
  assert.deepEqual(find({ address, ca: CERTIFICATE, cert, key }, {}).tls, tls);
  const env = { AGENTCTL_CA_FILE: cert, AGENTCTL_CERT_FILE: cert, AGENTCTL_KEY_FILE: key };
  assert.deepEqual(find({ address }, env).tls, tls);
  assert.deepEqual(find({ address, ca: known.ca, cert: known.cert, key: known.key }, env).tls, tls);
  assert.deepEqual(find({ address: "127.0.0.1:50051" }, env).tls, undefined);
  assert.deepEqual(find({ address }, { SSL_CERT_FILE: cert }).tls?.ca, known.ca);
});

test("no proxy is asked for this machine", () => {
  const proxy = (options: TargetOptions) => channelOptions(find(options, {}))["grpc.enable_http_proxy"];
  assert.equal(proxy({ address: "127.0.0.1:50051" }), 0);
  assert.equal(proxy({ address: "voice.example.com:50051", token: "t" }), undefined);
});
