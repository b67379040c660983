package io.agenticd.agentic;

import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.TlsChannelCredentials;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.channel.ChannelOption;
import io.grpc.netty.shaded.io.netty.channel.EventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.MultiThreadIoEventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.nio.NioIoHandler;
import io.grpc.netty.shaded.io.netty.channel.socket.nio.NioDomainSocketChannel;
import io.grpc.netty.shaded.io.netty.util.concurrent.DefaultThreadFactory;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.UnixDomainSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** How a client talks to a daemon: the channel's settings. */
final class Channels {
  // Only what was surely not done, or is safe to repeat: every RPC is, PlaceCall by its request_id.
  // Not StreamEvents: the follower itself asks again, and heeds the daemon's RetryInfo.
  static final Map<String, ?> SERVICE_CONFIG =
      Map.of(
          "methodConfig",
          List.of(
              Map.of(
                  "name",
                  List.of(
                      Map.of("service", "agentic.v1.CallService"),
                      Map.of("service", "agentic.v1.NodeService")),
                  "retryPolicy",
                  Map.of(
                      "maxAttempts",
                      4.0,
                      "initialBackoff",
                      "0.1s",
                      "maxBackoff",
                      "2s",
                      "backoffMultiplier",
                      2.0,
                      "retryableStatusCodes",
                      List.of("UNAVAILABLE"))),
              Map.of(
                  "name",
                  List.of(Map.of("service", "agentic.v1.CallService", "method", "StreamEvents")))));

  private Channels() {}

  /** A connection to the daemon, and what it runs on, if that is its own. */
  record Connection(ManagedChannel channel, EventLoopGroup loop) implements AutoCloseable {
    @Override
    public void close() {
      channel.shutdownNow();
      if (loop != null) {
        loop.shutdownGracefully(0, 1, TimeUnit.SECONDS);
      }
    }
  }

  /**
   * Nothing is connected before the first RPC. For TLS, files that are not given are those that
   * `env` names. Throws IllegalArgumentException where certificates are of no use, and
   * UncheckedIOException for files that cannot be read or are none.
   */
  static Connection open(Target target, Certificates certificates, Map<String, String> env) {
    if (target instanceof Target.Port port) {
      var credentials = port.tls() ? tls(certificates.or(env)) : plain(port, certificates);
      var builder = NettyChannelBuilder.forAddress(port.host(), port.port(), credentials);
      return connection(builder, null);
    }
    var socket = (Target.Socket) target;
    var credentials = plain(socket, certificates);
    // The JDK's own Unix sockets, by NIO: the same on every system, and nothing native.
    var threads = new DefaultThreadFactory("agentic", true);
    var loop = new MultiThreadIoEventLoopGroup(1, threads, NioIoHandler.newFactory());
    var builder =
        NettyChannelBuilder.forAddress(UnixDomainSocketAddress.of(socket.path()), credentials)
            .channelType(NioDomainSocketChannel.class, UnixDomainSocketAddress.class)
            .eventLoopGroup(loop)
            // gRPC sets it everywhere, and netty warns that a Unix socket has none.
            .withOption(ChannelOption.SO_KEEPALIVE, null)
            .overrideAuthority("localhost");
    return connection(builder, loop);
  }

  private static Connection connection(NettyChannelBuilder builder, EventLoopGroup loop) {
    var channel =
        builder
            .defaultServiceConfig(SERVICE_CONFIG)
            .disableServiceConfigLookUp()
            .enableRetry()
            // The receiver's window decides how far a daemon runs ahead of a reader. One that is
            // given never grows.
            .flowControlWindow(64 * 1024)
            // Not below the daemon's minimum of 10 s, or it ends the connection: "too_many_pings".
            .keepAliveTime(30, TimeUnit.SECONDS)
            .keepAliveTimeout(10, TimeUnit.SECONDS)
            .keepAliveWithoutCalls(true)
            .maxInboundMessageSize(4 * 1024 * 1024)
            .build();
    Reconnector.watch(channel);
    return new Connection(channel, loop);
  }

  private static ChannelCredentials plain(Target target, Certificates certificates) {
    if (!certificates.equals(Certificates.NONE)) {
      throw new IllegalArgumentException(
          "certificates are for addresses with TLS, host:port or tls:host:port; "
              + target.address()
              + " has none");
    }
    return InsecureChannelCredentials.create();
  }

  private static ChannelCredentials tls(Certificates certificates) {
    var credentials = TlsChannelCredentials.newBuilder();
    try {
      if (certificates.ca() != null) {
        credentials.trustManager(pem(certificates.ca(), "CERTIFICATE", "no certificate"));
      }
      if (certificates.certificate() != null) {
        credentials.keyManager(
            pem(certificates.certificate(), "CERTIFICATE", "no certificate"),
            pem(
                certificates.key(),
                "PRIVATE KEY",
                "no key in PKCS #8 without a passphrase; openssl pkcs8 -topk8 -nodes makes one"));
      }
    } catch (IOException failure) {
      throw new UncheckedIOException(failure.toString(), failure);
    }
    return credentials.build();
  }

  private static InputStream pem(Path path, String kind, String missing) throws IOException {
    byte[] bytes = Files.readAllBytes(path);
    String begin = "-----BEGIN " + kind + "-----";
    if (!new String(bytes, StandardCharsets.ISO_8859_1).contains(begin)) {
      throw new IllegalArgumentException(path + " has " + missing + " (" + begin + ")");
    }
    return new ByteArrayInputStream(bytes);
  }

  /** PEM files, or null: whom to trust, and what to show. Certificate and key are a pair. */
  record Certificates(Path ca, Path certificate, Path key) {
    static final Certificates NONE = new Certificates(null, null, null);

    Certificates {
      if ((certificate == null) != (key == null)) {
        throw new IllegalArgumentException(
            "a certificate and its key belong together: give both, or none");
      }
    }

    /** These, else those that the environment names. */
    Certificates or(Map<String, String> env) {
      Path named = ca == null ? path(env, "AGENTCTL_CA_FILE") : ca;
      return certificate == null
          ? new Certificates(named, path(env, "AGENTCTL_CERT_FILE"), path(env, "AGENTCTL_KEY_FILE"))
          : new Certificates(named, certificate, key);
    }

    private static Path path(Map<String, String> env, String name) {
      String text = env.getOrDefault(name, "");
      return text.isEmpty() ? null : Path.of(text);
    }
  }
}
