// Where the daemon is: an address that was given, or the sockets where daemons listen. Nothing here connects.
import { existsSync, lstatSync, readFileSync } from "node:fs";
import { BlockList, isIP, isIPv4 } from "node:net";
import { join } from "node:path";

import { InvalidArgument } from "./errors.js";

export const ADDRESS_VARIABLE = "AGENTCTL_ADDR";
export const TOKEN_VARIABLE = "AGENTCTL_TOKEN_FILE";
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
 * `token`, else what is in the file $AGENTCTL_TOKEN_FILE, else, on this machine, in the first file `token` that can be
 * read in those directories.
 *
 * Throws InvalidArgument for an address of another form, for one on another machine without token and certificate, and
 * for a file that cannot be read.
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
  const token = options.token || tokenOf(env, loopback);
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw InvalidArgument.of("token", "a token is printable ASCII without spaces, as in the daemon's file");
  }
  const target = { address: `dns:${place}`, loopback, token };
  if (loopback && place === given) {
    withoutTls(given, options);
    return target;
  }
  if ((options.cert === undefined) !== (options.key === undefined)) {
    throw InvalidArgument.of(options.cert ? "key" : "cert", "a client's certificate needs both, cert and key");
  }
  if (!loopback && !token && !options.cert) {
    const right = "a daemon on another machine needs its token, or a client's certificate: give token, or cert and key";
    throw InvalidArgument.of("token", right);
  }
  const { ca, cert, key } = options;
  const trusted = ca === undefined ? roots(env) : pem("ca", ca);
  return { ...target, tls: { host, ca: trusted, cert: pem("cert", cert), key: pem("key", key) } };
}

/** The host of host:port. Throws InvalidArgument. */
function hostOf(place: string, given: string): string {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})$/.exec(place) ?? [];
  const host = bracketed !== undefined && isIP(bracketed) === 6 ? bracketed : plain;
  const port = Number(digits);
  if (host === undefined || !(port > 0 && port < 65_536)) {
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

/** The tokens in the runtime directories are those of daemons of this machine: no other machine is shown them. */
function tokenOf(env: Environment, loopback: boolean): string | undefined {
  const named = env[TOKEN_VARIABLE];
  if (named) return read("token", named).toString().trim();
  for (const folder of loopback ? runtime(env) : []) {
    try {
      return readFileSync(join(folder, TOKEN), "latin1").trim();
    } catch {
      continue; // not there, or not for us: the daemon will ask for it
    }
  }
  return undefined;
}

function pem(name: string, given: Pem | undefined): Buffer | undefined {
  if (given === undefined) return undefined;
  const found = typeof given === "string" && !given.includes("-----BEGIN") ? read(name, given) : Buffer.from(given);
  if (!found.includes("-----BEGIN")) throw InvalidArgument.of(name, "not PEM: it must begin with -----BEGIN");
  return found;
}

/** The roots that the system trusts; Node's own where none are found. */
function roots(env: Environment): Buffer | undefined {
  const named = env["SSL_CERT_FILE"];
  if (named) return read("SSL_CERT_FILE", named);
  const path = SYSTEM_ROOTS.find((one) => existsSync(one));
  return path === undefined ? undefined : read("ca", path);
}

function read(name: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw InvalidArgument.of(name, `cannot read ${path}: ${(error as Error).message}`, error);
  }
}
