// How the client talks to a daemon: the channel's settings, and the credentials that go with each RPC.
import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";

import { credentials, Metadata, type ChannelCredentials, type ChannelOptions } from "@grpc/grpc-js";

import type { Target } from "./target.js";

// Only what was surely not done, or is safe to repeat: every request is, PlaceCall by its request_id. A stream is asked for
// again by its follower, which heeds RetryInfo and says where to go on.
const SERVICE_CONFIG = {
  methodConfig: [
    { name: [{ service: "agentic.v1.CallService", method: "StreamEvents" }] },
    {
      name: [{ service: "agentic.v1.CallService" }, { service: "agentic.v1.NodeService" }],
      retryPolicy: {
        maxAttempts: 4,
        initialBackoff: "0.1s",
        maxBackoff: "2s",
        backoffMultiplier: 2,
        retryableStatusCodes: ["UNAVAILABLE"],
      },
    },
  ],
};

// What TLS is told as the host's name where there is none: Node warns of an IP address there.
const NO_NAME = "localhost";

/** The settings of docs/resuming.md. */
export function channelOptions(target: Target): ChannelOptions {
  return {
    "grpc.service_config": JSON.stringify(SERVICE_CONFIG),
    "grpc.service_config_disable_resolution": 1,
    // The receiver's window decides how far a daemon runs ahead of a reader.
    "grpc-node.flow_control_window": 65_535,
    // Not below the daemon's minimum of 10 s, or it ends the connection: ENHANCE_YOUR_CALM, "too_many_pings".
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.keepalive_permit_without_calls": 1,
    "grpc.initial_reconnect_backoff_ms": 200,
    "grpc.max_reconnect_backoff_ms": 5_000,
    "grpc.max_receive_message_length": 4 * 1024 * 1024,
    // Clients of a process that look alike share connections, and with them each other's back-off.
    "grpc.use_local_subchannel_pool": 1,
    // grpc-js would ask the proxy of the environment for a port of this machine, too.
    ...(target.loopback && { "grpc.enable_http_proxy": 0 }),
    ...(target.tls && isIP(target.tls.host) !== 0 && { "grpc.ssl_target_name_override": NO_NAME }),
  };
}

/** TLS where the target has it. */
export function channelCredentials({ tls }: Target): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  const { host, ca, cert, key } = tls;
  // Also for an IP address, of which grpc-js knows only NO_NAME.
  return credentials.createSsl(ca ?? null, key ?? null, cert ?? null, {
    checkServerIdentity: (_, found) => checkServerIdentity(host, found),
  });
}

/** What goes with each RPC: the token, if there is one. `wait`: for a daemon that cannot be reached now. */
export function rpcMetadata(target: Target, wait: boolean): Metadata {
  const metadata = new Metadata({ waitForReady: wait });
  if (target.token) metadata.set("authorization", `Bearer ${target.token}`);
  return metadata;
}
