package io.agenticd.agentic;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Where a client looks for its daemon, and what it shows there. */
class TargetTest {
  @TempDir Path folder;
  private Path runtime;
  private Map<String, String> env;

  @BeforeEach
  void aRuntimeDirectory() throws IOException {
    runtime = Files.createDirectory(folder.resolve("agenticd"));
    env = Map.of("XDG_RUNTIME_DIR", folder.toString());
  }

  private Optional<String> token(String address, String token, Map<String, String> env) {
    return ((Target.Port) Target.find(address, token, env)).token();
  }

  @ParameterizedTest
  @CsvSource({
    "unix:/run/agenticd/agenticd.sock, unix:/run/agenticd/agenticd.sock",
    "/tmp/a.sock, unix:/tmp/a.sock",
    "unix:///tmp/a.sock, unix:/tmp/a.sock",
    "127.0.0.1:50051, 127.0.0.1:50051",
    "localhost:50051, localhost:50051",
    "[::1]:50051, [::1]:50051",
    "tls:localhost:50051, tls:localhost:50051",
    "voice.example.com:443, voice.example.com:443",
    "tls:10.0.0.7:443, 10.0.0.7:443",
    "[fd00::7]:443, [fd00::7]:443",
    "127.0.0.1.example.com:443, 127.0.0.1.example.com:443",
  })
  void anAddressIsASocketOrAPortWithTlsUnlessItIsOnLoopback(String given, String address) {
    Target target = Target.find(given, null, env);
    assertEquals(address, target.address());
    boolean plain = address.matches("unix:.*|127.0.0.1:.*|localhost:.*|\\[::1]:.*");
    assertEquals(!plain, target instanceof Target.Port port && port.tls());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "unix:run/agenticd.sock", "50051", ":50051", "localhost", "localhost:", "localhost:0",
        "localhost:65536", "::1:50051", "https://localhost:50051", "tls:unix:/a", "tls:", "a b:1"
      })
  void anotherFormIsRefusedAndSaysWhichWouldBeRight(String given) {
    var refusal = assertThrows(IllegalArgumentException.class, () -> Target.find(given, null, env));
    assertTrue(refusal.getMessage().contains(given), refusal.getMessage());
    assertTrue(refusal.getMessage().contains("unix:/"), refusal.getMessage());
  }

  @Test
  void withoutAnAddressTheEnvironmentsIsTakenElseTheNearestSocketThatExists() throws IOException {
    assertEquals(
        "127.0.0.1:5", Target.find("", null, Map.of("AGENTCTL_ADDR", "127.0.0.1:5")).address());
    assertEquals(
        "unix:/run/agenticd/agenticd.sock",
        Target.find(null, null, env).address(),
        "none exists: the system's");
    Files.createFile(runtime.resolve("agenticd.sock"));
    assertEquals(
        "unix:" + runtime.resolve("agenticd.sock"), Target.find(null, null, env).address());
    Path service = Files.createDirectory(folder.resolve("service"));
    Files.createFile(service.resolve("agenticd.sock"));
    var both =
        Map.of("XDG_RUNTIME_DIR", folder.toString(), "RUNTIME_DIRECTORY", service + ":/elsewhere");
    assertEquals(
        "unix:" + service.resolve("agenticd.sock"), Target.find(null, null, both).address());
  }

  @Test
  void aTemporaryDirectoryThatIsNotTheUsersIsNotLookedAt() throws IOException {
    long user = new com.sun.security.auth.module.UnixSystem().getUid();
    var temporary = Map.of("TMPDIR", folder.toString());
    Path mine = folder.resolve("agenticd-" + user);
    Files.createSymbolicLink(mine, runtime);
    assertTrue(!Target.runtime(temporary).contains(mine), "a link may lead anywhere");
    Files.delete(mine);
    Files.createDirectory(mine);
    assertEquals(mine, Target.runtime(temporary).get(0));
  }

  @Test
  void onLoopbackTheTokenIsTheOneThatIsGivenOrNamedOrFound() throws IOException {
    assertEquals(Optional.empty(), token("127.0.0.1:5", null, env));
    Files.writeString(runtime.resolve("token"), "found\n");
    assertEquals(Optional.of("found"), token("127.0.0.1:5", null, env));
    assertEquals(Optional.empty(), token("tls:localhost:5", "", env), "TLS may lead anywhere");
    Path named = Files.writeString(folder.resolve("named"), "named\n");
    var naming =
        Map.of("XDG_RUNTIME_DIR", folder.toString(), "AGENTCTL_TOKEN_FILE", named.toString());
    assertEquals(Optional.of("named"), token("127.0.0.1:5", null, naming));
    assertEquals(Optional.of("named"), token("tls:localhost:5", null, naming));
    assertEquals(Optional.of("given"), token("127.0.0.1:5", "given", naming));
  }

  @Test
  void anotherMachineIsNotShownThisOnesToken() throws IOException {
    Files.writeString(runtime.resolve("token"), "found");
    assertEquals(Optional.empty(), token("voice.example.com:443", null, env));
    Path named = Files.writeString(folder.resolve("named"), "named");
    var naming = Map.of("AGENTCTL_TOKEN_FILE", named.toString());
    assertEquals(Optional.of("named"), token("voice.example.com:443", null, naming));
  }

  @Test
  void aTokenFileThatWasNamedMustBeThere() {
    var naming = Map.of("AGENTCTL_TOKEN_FILE", folder.resolve("absent").toString());
    var refusal =
        assertThrows(UncheckedIOException.class, () -> Target.find("127.0.0.1:5", null, naming));
    assertTrue(refusal.getMessage().startsWith("$AGENTCTL_TOKEN_FILE cannot be read"));
  }

  @Test
  void aTokenIsNotInAText() {
    assertEquals("Port[127.0.0.1:5]", Target.find("127.0.0.1:5", "secret", env).toString());
  }

  @Test
  void certificatesAreRefusedWhereTheyAreOfNoUse() {
    var builder = AgenticClient.builder().address("unix:/a").ca(folder.resolve("ca.pem"));
    var refusal = assertThrows(IllegalArgumentException.class, builder::connect);
    assertTrue(refusal.getMessage().contains("unix:/a has none"), refusal.getMessage());
    var half = AgenticClient.builder().address("a:1").certificate(folder.resolve("c"), null);
    assertThrows(IllegalArgumentException.class, half::connect);
    var absent = AgenticClient.builder().address("a:1").ca(folder.resolve("absent.pem"));
    var missing = assertThrows(UncheckedIOException.class, absent::connect);
    assertTrue(missing.getMessage().contains("absent.pem"), missing.getMessage());
  }

  @Test
  void aFileThatIsOfNoUseIsRefusedByItsName() throws IOException {
    Path other = Files.writeString(folder.resolve("other.pem"), "-----BEGIN EC PRIVATE KEY-----");
    Path pem = Files.writeString(folder.resolve("c.pem"), "-----BEGIN CERTIFICATE-----");
    for (var builder :
        List.of(
            AgenticClient.builder().address("a:1").ca(other),
            AgenticClient.builder().address("a:1").certificate(pem, other))) {
      var refusal = assertThrows(IllegalArgumentException.class, builder::connect);
      assertTrue(refusal.getMessage().startsWith(other + " has no "), refusal.getMessage());
    }
  }
}
