// Where the daemon is: an address that was given, or the sockets where daemons listen. Nothing here connects.
import { existsSync, lstatSync, readFileSync } from "node:fs";
import { BlockList, isIP, isIPv4, isIPv6 } from "node:net";
import { join } from "node:path";
import { createSecureContext, type SecureContextOptions } from "node:tls";

import { InvalidArgument } from "./errors.js";

export const ADDRESS_VARIABLE = "AGENTCTL_ADDR";
export const TOKEN_VARIABLE = "AGENTCTL_TOKEN_FILE";
const PEM_VARIABLES = { ca: "AGENTCTL_CA_FILE", cert: "AGENTCTL_CERT_FILE", key: "AGENTCTL_KEY_FILE" } as const;
const SOCKET = "agenticd.sock";
const TOKEN = "token";
const SYSTEM_RUNTIME = "/run/agenticd";
// Where Linux, macOS and the BSDs keep the roots that they trust.
const SYSTEM_ROOTS = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8);
LOOPBACK.addAddress("::1", "ipv6");

/** A PEM file's path, or what is in one. */
export type Pem = string | Uint8Array;
type Environment = Readonly<Record<string, string | undefined>>;

/** What the program says of where the daemon is. */
export interface TargetOptions {
  /** `unix:/path`, `127.0.0.1:50051`, `voice.example.com:50051` or `tls:localhost:50051`. */
  address?: string | undefined;
  /** The daemon's token. A Unix socket needs none. */
  token?: string | undefined;
  /** With TLS: what the daemon's certificate is checked against, instead of the system's roots. */
  ca?: Pem | undefined;
  /** With TLS: the client's certificate, where the daemon asks for one. */
  cert?: Pem | undefined;
  /** The key of `cert`. */
  key?: Pem | undefined;
}

/** A daemon's address, and what to show there. */
export interface Target {
  /** In gRPC's form: `unix:/path` or `dns:host:port`. */
  readonly address: string;
  readonly loopback: boolean;
  readonly token?: string | undefined;
  /** Absent: no TLS. */
  readonly tls?: Tls;
}

/** How the daemon is known, and the client. PEM. */
export interface Tls {
  /** Whose name the daemon's certificate must have. */
  readonly host: string;
  /** Absent: the roots that Node has. */
  readonly ca?: Buffer | undefined;
  readonly cert?: Buffer | undefined;
  readonly key?: Buffer | undefined;
}

/**
 * The daemon at `address`, else at $AGENTCTL_ADDR, else where daemons listen.
 *
 * That is the first agenticd.sock that exists in $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/agenticd (without that variable:
 * agenticd-<uid> in the temporary directory, if it is the user's own), and /run/agenticd. The token of a port is
 * `token`, else what is in the file $AGENTCTL_TOKEN_FILE, else, without TLS, in the first file `token` that can be read
 * in those directories. With TLS, `ca`, `cert` and `key` are else the files $AGENTCTL_CA_FILE, $AGENTCTL_CERT_FILE and
 * $AGENTCTL_KEY_FILE.
 *
 * Throws InvalidArgument for an address of another form, and for a file that cannot be read or is of no use.
 */
export function find(options: TargetOptions = {}, env: Environment = process.env): Target {
  const given = options.address || env[ADDRESS_VARIABLE] || "";
  if (given === "") {
    const sockets = runtime(env).map((directory) => join(directory, SOCKET));
    const found = sockets.find((path) => existsSync(path)) ?? join(SYSTEM_RUNTIME, SOCKET);
    return onSocket(`unix:${found}`, options);
  }
  return given.startsWith("unix:") || given.startsWith("/") ? onSocket(given, options) : onPort(given, options, env);
}

function onSocket(given: string, options: TargetOptions): Target {
  const path = given.replace(/^unix:/, "");
  if (!path.startsWith("/")) {
    const right = `the path of a Unix socket must be absolute: unix:${SYSTEM_RUNTIME}/${SOCKET}`;
    throw InvalidArgument.of("address", `${right}, not ${given}`);
  }
  withoutTls(given, options);
  return { address: `unix:/${path.replace(/^\/+/, "")}`, loopback: true };
}

function onPort(given: string, options: TargetOptions, env: Environment): Target {
  const place = given.replace(/^tls:/, "");
  const host = hostOf(place, given);
  const loopback = isLoopback(host);
  const plain = loopback && place === given;
  const token = options.token || tokenOf(env, plain);
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw InvalidArgument.of("token", "a token is printable ASCII without spaces, as in the daemon's file");
  }
  const target = { address: `dns:${place}`, loopback, token };
  if (!plain) return { ...target, tls: { host, ca: authorities(options.ca, env), ...ownCertificate(options, env) } };
  withoutTls(given, options);
  return target;
}

/** The host of host:port. Throws InvalidArgument. */
function hostOf(place: string, given: string): string {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})$/.exec(place) ?? [];
  const host = bracketed ?? plain ?? "";
  const numeric = /^[0-9.]*$/.test(host);
  const possible = bracketed === undefined ? !numeric || isIPv4(host) : isIPv6(host);
  const port = Number(digits);
  if (!possible || !(port > 0 && port < 65_536)) {
    const right = "an address is unix:/path, a port of this machine such as 127.0.0.1:50051, or host:port with TLS";
    throw InvalidArgument.of("address", `${right}; not ${given}`);
  }
  return host;
}

function isLoopback(host: string): boolean {
  if (isIP(host) === 0) return host.toLowerCase() === "localhost";
  return LOOPBACK.check(host, isIPv4(host) ? "ipv4" : "ipv6");
}

function withoutTls(given: string, options: TargetOptions): void {
  for (const name of ["ca", "cert", "key"] as const) {
    if (options[name] !== undefined) {
      const right = "certificates need TLS: an address such as tls:127.0.0.1:50051 or voice.example.com:50051";
      throw InvalidArgument.of(name, `${right}, not ${given}`);
    }
  }
}

/** Where daemons keep their sockets and tokens, the nearest first. */
function runtime(env: Environment): string[] {
  const found: string[] = [];
  const own = directory(env, "RUNTIME_DIRECTORY");
  if (own !== undefined) found.push(own);
  const user = directory(env, "XDG_RUNTIME_DIR");
  const uid = process.getuid?.();
  if (user !== undefined) {
    found.push(join(user, "agenticd"));
  } else if (uid !== undefined) {
    const temporary = join(directory(env, "TMPDIR") ?? "/tmp", `agenticd-${uid}`);
    const stat = lstatSync(temporary, { throwIfNoEntry: false });
    // Anybody can make that directory first, to stand in for the daemon.
    if (stat?.isDirectory() && stat.uid === uid) found.push(temporary);
  }
  found.push(SYSTEM_RUNTIME);
  return found;
}

/** A variable's directory: the first of several (systemd), and none that is relative (XDG). */
function directory(env: Environment, name: string): string | undefined {
  const first = env[name]?.split(":")[0];
  return first?.startsWith("/") ? first : undefined;
}

/** A token in the runtime directories is that of a daemon of this machine: no other is shown it. */
function tokenOf(env: Environment, plain: boolean): string | undefined {
  const named = env[TOKEN_VARIABLE];
  if (named) return read("token", named).toString().trim();
  for (const folder of plain ? runtime(env) : []) {
    try {
      return readFileSync(join(folder, TOKEN), "latin1").trim();
    } catch {
      continue; // not there, or not for us: the daemon will ask for it
    }
  }
  return undefined;
}

/** Those that the program names; else those that the system trusts; undefined, Node's own, where none are found. */
function authorities(given: Pem | undefined, env: Environment): Buffer | undefined {
  const ca = pem("ca", given ?? (env[PEM_VARIABLES.ca] || undefined));
  if (ca !== undefined) {
    judge("ca", "no certificates in PEM", { ca });
    return ca;
  }
  const path = env["SSL_CERT_FILE"] || SYSTEM_ROOTS.find((one) => existsSync(one));
  return path === undefined ? undefined : read("ca", path);
}

function ownCertificate(options: TargetOptions, env: Environment): Pick<Tls, "cert" | "key"> {
  let { cert, key } = options;
  if (cert === undefined && key === undefined) {
    cert = env[PEM_VARIABLES.cert] || undefined;
    key = env[PEM_VARIABLES.key] || undefined;
  }
  if ((cert === undefined) !== (key === undefined)) {
    throw InvalidArgument.of(cert ? "key" : "cert", "is missing: a certificate and its key belong together");
  }
  const found = { cert: pem("cert", cert), key: pem("key", key) };
  judge("key", "no certificate with its key in PEM, not encrypted", found);
  return found;
}

function pem(name: string, given: Pem | undefined): Buffer | undefined {
  if (given === undefined) return undefined;
  return typeof given === "string" && !given.includes("-----BEGIN") ? read(name, given) : Buffer.from(given);
}

/** Whether TLS takes it, before gRPC does, which would only fail to connect. */
function judge(name: string, wrong: string, files: SecureContextOptions): void {
  const given = Object.values(files) as (Buffer | undefined)[];
  try {
    if (given.some((file) => file?.includes("-----BEGIN") === false)) throw new Error("no PEM");
    createSecureContext(files);
  } catch (error) {
    throw InvalidArgument.of(name, `${wrong}: ${(error as Error).message}`, error);
  }
}

function read(name: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw InvalidArgument.of(name, `cannot read ${path}: ${(error as Error).message}`, error);
  }
}
