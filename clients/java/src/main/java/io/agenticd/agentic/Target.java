package io.agenticd.agentic;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Where the daemon is, and what to show there. Nothing here connects. */
sealed interface Target {
  String ADDRESS_VARIABLE = "AGENTCTL_ADDR";
  String TOKEN_VARIABLE = "AGENTCTL_TOKEN_FILE";
  String SOCKET = "agenticd.sock";
  Path SYSTEM_RUNTIME = Path.of("/run/agenticd");

  /** As a program writes it. */
  String address();

  /** A Unix socket: the file's permissions decide. */
  record Socket(Path path) implements Target {
    @Override
    public String address() {
      return "unix:" + path;
    }
  }

  /** A port of this machine without TLS, or any with it. `host` has no brackets. */
  record Port(String host, int port, boolean tls, Optional<String> token) implements Target {
    @Override
    public String address() {
      return (tls && isLoopback(host) ? "tls:" : "")
          + (host.contains(":") ? "[" + host + "]" : host)
          + ":"
          + port;
    }

    @Override
    public String toString() {
      return "Port[" + address() + "]"; // a token is no text for a log
    }
  }

  /**
   * The daemon at `address`, else at $AGENTCTL_ADDR, else where daemons listen: the first
   * agenticd.sock that exists in {@link #runtime}. The token of a port is `token`, else what is in
   * the file $AGENTCTL_TOKEN_FILE, else, on loopback without TLS, in the first file `token` that
   * can be read in those directories. Null and "" are not given.
   *
   * <p>Throws IllegalArgumentException for an address of another form, and UncheckedIOException if
   * $AGENTCTL_TOKEN_FILE cannot be read.
   */
  static Target find(String address, String token, Map<String, String> env) {
    String given = isSet(address) ? address : env.getOrDefault(ADDRESS_VARIABLE, "");
    if (given.isEmpty()) {
      List<Path> sockets = runtime(env).stream().map(folder -> folder.resolve(SOCKET)).toList();
      Path last = sockets.get(sockets.size() - 1);
      return new Socket(sockets.stream().filter(Files::exists).findFirst().orElse(last));
    }
    if (given.startsWith("unix:") || given.startsWith("/")) {
      return socket(given);
    }
    Port port = port(given);
    Optional<String> shown = isSet(token) ? Optional.of(token) : token(env, !port.tls());
    return new Port(port.host(), port.port(), port.tls(), shown);
  }

  private static Target socket(String given) {
    String path = given.startsWith("unix:") ? given.substring("unix:".length()) : given;
    try {
      if (path.startsWith("/") && Path.of(path).isAbsolute()) {
        return new Socket(Path.of(path).normalize());
      }
    } catch (InvalidPathException wrong) {
      // Said below.
    }
    throw new IllegalArgumentException(
        "the path of a Unix socket must be absolute: unix:/run/agenticd/"
            + SOCKET
            + ", not "
            + given);
  }

  private static Port port(String given) {
    boolean asked = given.startsWith("tls:");
    Matcher parts = HOST_AND_PORT.matcher(asked ? given.substring("tls:".length()) : given);
    if (parts.matches()) {
      String host = parts.group(1) == null ? parts.group(2) : parts.group(1);
      int port = Integer.parseInt(parts.group(3));
      if (0 < port && port < 65536) {
        return new Port(host, port, asked || !isLoopback(host), Optional.empty());
      }
    }
    throw new IllegalArgumentException(
        given
            + " is no address: unix:/path, a port on loopback such as 127.0.0.1:50051, or"
            + " host:port or tls:host:port, with TLS");
  }

  /** "[host]:port" with an IPv6 address, or "host:port". */
  Pattern HOST_AND_PORT =
      Pattern.compile("(?:\\[([0-9A-Fa-f:.]+)]|([A-Za-z0-9](?:[A-Za-z0-9._-]*))):([0-9]{1,5})");

  private static boolean isLoopback(String host) {
    return host.equals("localhost")
        || host.equals("::1")
        || host.matches("127(\\.(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}");
  }

  /** Where daemons keep their sockets and tokens, the nearest first. Never empty. */
  static List<Path> runtime(Map<String, String> env) {
    List<Path> found = new ArrayList<>();
    folder(env, "RUNTIME_DIRECTORY").ifPresent(found::add);
    Optional<Path> users = folder(env, "XDG_RUNTIME_DIR");
    if (users.isPresent()) {
      found.add(users.get().resolve("agenticd"));
    } else {
      temporary(folder(env, "TMPDIR").orElse(Path.of("/tmp"))).ifPresent(found::add);
    }
    found.add(SYSTEM_RUNTIME);
    return found;
  }

  /** A variable's directory: the first of several (systemd), and none that is relative (XDG). */
  private static Optional<Path> folder(Map<String, String> env, String name) {
    String first = env.getOrDefault(name, "").split(":", 2)[0];
    return first.startsWith("/") ? Optional.of(Path.of(first)) : Optional.empty();
  }

  /** Anybody can make that directory first, to stand in for the daemon: it must be the user's. */
  private static Optional<Path> temporary(Path folder) {
    try {
      long user = new com.sun.security.auth.module.UnixSystem().getUid();
      Path mine = folder.resolve("agenticd-" + user);
      boolean isMine =
          Files.isDirectory(mine, LinkOption.NOFOLLOW_LINKS)
              && ((Integer) Files.getAttribute(mine, "unix:uid", LinkOption.NOFOLLOW_LINKS))
                  == user;
      return isMine ? Optional.of(mine) : Optional.empty();
    } catch (IOException | UnsupportedOperationException | LinkageError notUnix) {
      return Optional.empty();
    }
  }

  private static Optional<String> token(Map<String, String> env, boolean plain) {
    String named = env.getOrDefault(TOKEN_VARIABLE, "");
    if (!named.isEmpty()) {
      try {
        return Optional.of(Files.readString(Path.of(named)).strip());
      } catch (IOException failure) {
        throw new UncheckedIOException(
            "$" + TOKEN_VARIABLE + " cannot be read: " + failure, failure);
      }
    }
    if (plain) { // This machine's token is nobody else's business.
      for (Path folder : runtime(env)) {
        try {
          return Optional.of(Files.readString(folder.resolve("token")).strip());
        } catch (IOException absent) {
          continue; // not there, or not for us: the daemon will ask for it
        }
      }
    }
    return Optional.empty();
  }

  private static boolean isSet(String text) {
    return text != null && !text.isEmpty();
  }
}
