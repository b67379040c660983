package io.agenticd.agentic;

import static io.agenticd.agentic.Frames.error;
import static io.agenticd.agentic.Frames.info;
import static io.agenticd.agentic.Frames.trailers;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;

import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.ResourceInfo;
import com.google.rpc.RetryInfo;
import io.agenticd.agentic.v1.ErrorReason;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.Status.Code;
import java.io.IOException;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Errors are typed by the contract's reasons, and carry what the daemon said beside. */
class AgenticExceptionTest {
  private static <E extends AgenticException> E said(
      Class<E> type, String reason, Map<String, String> metadata) {
    var trailers = trailers(Code.OUT_OF_RANGE, "no", info(reason, metadata));
    return type.cast(AgenticException.of(Status.OUT_OF_RANGE, trailers, "nowhere"));
  }

  @Test
  void everyReasonOfTheContractHasItsOwnClass() {
    List<String> reasons =
        Arrays.stream(ErrorReason.values())
            .filter(reason -> reason != ErrorReason.UNRECOGNIZED)
            .filter(reason -> reason != ErrorReason.ERROR_REASON_UNSPECIFIED)
            .map(reason -> reason.name().replace("ERROR_REASON_", ""))
            .toList();
    Set<Class<?>> classes =
        reasons.stream()
            .map(reason -> error(Code.DATA_LOSS, reason).getClass())
            .collect(Collectors.toSet());
    assertEquals(reasons.size(), classes.size());
    for (String reason : reasons) {
      AgenticException error = error(Code.DATA_LOSS, reason);
      assertNotSame(AgenticException.class, error.getClass());
      String name = error.getClass().getSimpleName().replaceAll("(?<=.)([A-Z])", "_$1");
      assertEquals(reason, name.toUpperCase());
      assertEquals(reason, error.reason());
    }
  }

  @Test
  void whatHasNoReasonOrANewOneIsTypedByItsCode() {
    assertSame(
        AgenticException.InvalidArgument.class, error(Code.INVALID_ARGUMENT, "SPAM").getClass());
    assertEquals("SPAM", error(Code.INVALID_ARGUMENT, "SPAM").reason());
    assertSame(AgenticException.class, error(Code.DATA_LOSS, "SPAM").getClass());
    assertSame(AgenticException.Unavailable.class, error(Code.UNAVAILABLE, "SPAM").getClass());
    assertSame(AgenticException.Unreachable.class, error(Code.UNAVAILABLE, "").getClass());
    assertSame(
        AgenticException.DeadlineExceeded.class, error(Code.DEADLINE_EXCEEDED, "").getClass());
    assertSame(AgenticException.Unauthenticated.class, error(Code.UNAUTHENTICATED, "").getClass());
  }

  @Test
  void wrongFieldsAndWaitingTimesAreThere() {
    var wrong =
        BadRequest.FieldViolation.newBuilder()
            .setField("to_address")
            .setDescription("begins with +");
    var retry = com.google.protobuf.Duration.newBuilder().setSeconds(2).setNanos(500_000_000);
    AgenticException error =
        error(
            Code.INVALID_ARGUMENT,
            "INVALID_ARGUMENT",
            BadRequest.newBuilder().addFieldViolations(wrong).build(),
            RetryInfo.newBuilder().setRetryDelay(retry).build());
    assertEquals(List.of(new Violation("to_address", "begins with +")), error.violations());
    assertEquals(Optional.of(Duration.ofMillis(2500)), error.retryAfter());
  }

  @Test
  void whatAReasonSaysMoreHasAName() {
    var compacted = Map.of("first_revision", "40");
    assertEquals(
        40,
        said(AgenticException.CursorCompacted.class, "CURSOR_COMPACTED", compacted)
            .firstRevision());
    assertEquals(
        "e",
        said(AgenticException.LogReplaced.class, "LOG_REPLACED", Map.of("epoch", "e")).epoch());
    assertEquals(
        21211,
        said(
                AgenticException.CarrierRejected.class,
                "CARRIER_REJECTED",
                Map.of("carrier_code", "21211"))
            .carrierCode());
    assertEquals(
        "ENDED",
        said(AgenticException.CallNotLive.class, "CALL_NOT_LIVE", Map.of("state", "ENDED"))
            .state());
    assertEquals(
        500,
        said(AgenticException.TooManyCalls.class, "TOO_MANY_CALLS", Map.of("limit", "500"))
            .limit());
    assertEquals(
        0,
        said(AgenticException.TooManyCalls.class, "TOO_MANY_CALLS", Map.of("limit", "many"))
            .limit(),
        "what is no number was not said");
    assertEquals(
        "i7",
        said(AgenticException.Internal.class, "INTERNAL", Map.of("incident", "i7")).incident());
    var resource = ResourceInfo.newBuilder().setResourceName("01X").build();
    var unknown = (AgenticException.CallNotFound) error(Code.NOT_FOUND, "CALL_NOT_FOUND", resource);
    assertEquals("01X", unknown.callId());
  }

  @Test
  void whatIsNotOfAgenticdIsNoReason() {
    var foreign = ErrorInfo.newBuilder().setDomain("example.com").setReason("INTERNAL").build();
    var trailers = trailers(Code.UNAVAILABLE, "no", foreign);
    var error = AgenticException.of(Status.UNAVAILABLE, trailers, "nowhere");
    assertSame(AgenticException.Unreachable.class, error.getClass());
    var garbage = new Metadata();
    garbage.put(ErrorDetails.KEY, new byte[] {1, 2, 3});
    assertEquals("", AgenticException.of(Status.UNAVAILABLE, garbage, "nowhere").reason());
    assertEquals("", AgenticException.of(Status.UNAVAILABLE, null, "nowhere").reason());
  }

  @ParameterizedTest
  @CsvSource({
    "Connection refused, Connection refused",
    "not an SSL/TLS record: 0000, what listens there speaks no TLS",
    "No name matching a found, the daemon's certificate is for other names than this one",
  })
  void whereThereIsNoConnectionTheErrorSaysWhereAndWhy(String inner, String why) {
    var refused = new IOException("the channel broke", new IOException(inner));
    var status = Status.UNAVAILABLE.withDescription("io exception\nPipeline").withCause(refused);
    var error = AgenticException.of(status, new Metadata(), "127.0.0.1:1");
    assertEquals("no connection to 127.0.0.1:1: " + why, error.getMessage());
    assertSame(refused, error.getCause());
  }

  @Test
  void whereNoAnswerComesTheErrorSaysFromWhom() {
    var error = AgenticException.of(Status.DEADLINE_EXCEEDED, new Metadata(), "127.0.0.1:1");
    assertEquals("no answer from 127.0.0.1:1 in time", error.getMessage());
  }
}
