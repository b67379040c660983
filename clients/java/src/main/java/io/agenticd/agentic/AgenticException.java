package io.agenticd.agentic;

import com.google.protobuf.InvalidProtocolBufferException;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.Status.Code;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A request was refused, or failed. The message is English for a person; branch on the class, or on
 * {@link #reason}.
 *
 * <pre>
 * AgenticException
 * ├── InvalidArgument            a field is missing or wrong: see violations()
 * │   └── RequestIdReused        the same request_id with another request
 * ├── CallNotFound               see callId()
 * ├── CallNotLive                it has ended: see state()
 * ├── TooManyCalls               see limit(); try again after retryAfter()
 * ├── Unavailable                try again
 * │   ├── Draining               the daemon is stopping
 * │   ├── StoreDown              its log cannot be written or read
 * │   └── Unreachable            nobody answers at the address
 * ├── CursorInvalid              list the calls, then follow from that answer's revision
 * │   ├── CursorCompacted        the cursor lies before firstRevision()
 * │   └── LogReplaced            the cursor belongs to another log
 * ├── ConsumerStalled            the stream was not read for too long
 * ├── CarrierRejected            Twilio refused: see carrierCode()
 * ├── Unauthenticated            the token, or the certificate, is missing or wrong
 * ├── DeadlineExceeded           no answer in time; whether it was done is not known
 * └── Internal                   a defect of the daemon: its log has more under incident()
 * </pre>
 */
public class AgenticException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final Code code;
  private final transient ErrorDetails details;
  private String requestId = "";

  AgenticException(Code code, String message, ErrorDetails details) {
    super(message);
    this.code = code;
    this.details = details;
  }

  /**
   * What kind of failure it is, in gRPC's terms.
   *
   * @return the status code, for example {@code NOT_FOUND}
   */
  public Code code() {
    return code;
  }

  /**
   * What kind of failure it is, in the contract's terms.
   *
   * @return the name of an {@code ErrorReason} without its prefix, for example {@code
   *     CALL_NOT_FOUND}; empty when it was not the daemon that answered
   */
  public String reason() {
    return details().reason();
  }

  /**
   * What the daemon said beside the reason, by the names that {@code errors.proto} gives.
   *
   * @return numbers are text, too
   */
  public Map<String, String> metadata() {
    return details().metadata();
  }

  /**
   * The fields of the request that are wrong.
   *
   * @return empty where the failure is of another kind
   */
  public List<Violation> violations() {
    return details().violations();
  }

  /**
   * When to try again.
   *
   * @return empty when the daemon did not say
   */
  public Optional<Duration> retryAfter() {
    return details().retryAfter();
  }

  /**
   * That of a {@code placeCall}: with it the order can be repeated within 24 hours without dialling
   * twice.
   *
   * @return empty for every other request
   */
  public String requestId() {
    return requestId;
  }

  void requestId(String sent) {
    requestId = sent;
  }

  ErrorDetails details() {
    return details == null ? ErrorDetails.NONE : details; // null where it was deserialised
  }

  long number(String key) {
    try {
      return Long.parseLong(metadata().getOrDefault(key, "0"));
    } catch (NumberFormatException notSaid) {
      return 0;
    }
  }

  /** The typed failure for gRPC's; `address` is where it was asked. */
  static AgenticException of(Status status, Metadata trailers, String address) {
    ErrorDetails details = ErrorDetails.read(trailers);
    AgenticException error =
        isUndecodable(status)
            ? new Internal(Code.INTERNAL, "an answer of " + address + " cannot be decoded", details)
            : typed(status, details, message(status, details, address));
    if (status.getCause() != null) {
      error.initCause(status.getCause());
    }
    return error;
  }

  /** gRPC has no code for it: it calls the RPC cancelled, because of what protobuf has thrown. */
  private static boolean isUndecodable(Status status) {
    Throwable cause = status.getCause();
    while (cause != null && !(cause instanceof InvalidProtocolBufferException)) {
      cause = cause.getCause();
    }
    return cause != null;
  }

  private static String message(Status status, ErrorDetails details, String address) {
    String said =
        status.getDescription() == null ? status.getCode().name() : status.getDescription();
    boolean daemonSaid = !details.reason().isEmpty();
    if (!daemonSaid && status.getCode() == Code.DEADLINE_EXCEEDED) {
      return "no answer from " + address + " in time";
    }
    if (daemonSaid || status.getCode() != Code.UNAVAILABLE) {
      return said;
    }
    return "no connection to " + address + ": " + why(status.getCause(), said);
  }

  // The JDK's words for what goes wrong before a daemon is reached, and ours.
  private static final Map<String, String> FAULTS =
      Map.of(
          "CertificateExpiredException", "the daemon's certificate has expired",
          "No subject alternative", "the daemon's certificate is for other names than this one",
          "No name matching", "the daemon's certificate is for other names than this one",
          "valid certification path",
              "the daemon's certificate is signed by nobody who is believed here",
          "not an SSL/TLS record", "what listens there speaks no TLS",
          "Network closed",
              "it is closed at once; perhaps TLS, or a client's certificate, is missing",
          "UnknownHostException", "there is no such host");

  private static String why(Throwable outer, String said) {
    // gRPC says "io exception" and the handlers of its pipeline; the innermost cause says why.
    Throwable cause = outer;
    while (cause != null && cause.getCause() != null) {
      cause = cause.getCause();
    }
    String words = cause == null || cause.getMessage() == null ? said : cause.getMessage();
    String text = String.valueOf(cause == null ? said : cause);
    return FAULTS.entrySet().stream()
        .filter(fault -> text.contains(fault.getKey()))
        .map(Map.Entry::getValue)
        .findFirst()
        .orElse(words.lines().findFirst().orElse(""));
  }

  private static AgenticException typed(Status status, ErrorDetails details, String message) {
    Code code = status.getCode();
    return switch (details.reason()) {
      case "INVALID_ARGUMENT" -> new InvalidArgument(code, message, details);
      case "REQUEST_ID_REUSED" -> new RequestIdReused(code, message, details);
      case "CALL_NOT_FOUND" -> new CallNotFound(code, message, details);
      case "CALL_NOT_LIVE" -> new CallNotLive(code, message, details);
      case "TOO_MANY_CALLS" -> new TooManyCalls(code, message, details);
      case "DRAINING" -> new Draining(code, message, details);
      case "STORE_DOWN" -> new StoreDown(code, message, details);
      case "CURSOR_COMPACTED" -> new CursorCompacted(code, message, details);
      case "LOG_REPLACED" -> new LogReplaced(code, message, details);
      case "CONSUMER_STALLED" -> new ConsumerStalled(code, message, details);
      case "CARRIER_REJECTED" -> new CarrierRejected(code, message, details);
      case "UNAUTHENTICATED" -> new Unauthenticated(code, message, details);
      case "INTERNAL" -> new Internal(code, message, details);
      // gRPC's own failures, and the reasons of a newer daemon.
      default ->
          switch (code) {
            case INVALID_ARGUMENT -> new InvalidArgument(code, message, details);
            case UNAVAILABLE ->
                details.reason().isEmpty()
                    ? new Unreachable(code, message, details)
                    : new Unavailable(code, message, details);
            case DEADLINE_EXCEEDED -> new DeadlineExceeded(code, message, details);
            case UNAUTHENTICATED -> new Unauthenticated(code, message, details);
            default -> new AgenticException(code, message, details);
          };
    };
  }

  /** A field is missing or wrong: {@link #violations} has each. */
  public static class InvalidArgument extends AgenticException {
    private static final long serialVersionUID = 1L;

    InvalidArgument(Code code, String message, ErrorDetails details) {
      super(code, message, details);
    }
  }

  /** The request_id was used within 24 hours with another request. Use a new one. */
  public static final class RequestIdReused extends InvalidArgument {
    private static final long serialVersionUID = 1L;

    RequestIdReused(Code code, String message, ErrorDetails details) {
      super(code, message, details);
    }
  }

  /** No such call, or it was deleted by retention. */
  public static final class CallNotFound extends AgenticException {
    private static final long serialVersionUID = 1L;

    CallNotFound(Code code, String message, ErrorDetails details) {
      super(code, message, details);
    }

    /**
     * The id that is not known.
     *
     * @return empty when the daemon did not say
     */
    public String callId() {
      return details().resource();
    }
  }

  /** The call has ended. */
  public static final class CallNotLive extends AgenticException {
    private static final long serialVersionUID = 1L;

    CallNotLive(Code code, String message, ErrorDetails details) {
      super(code, message, details);
    }

    /**
     * The call's state.
     *
     * @return for example {@code ENDED}; empty when the daemon did not say
     */
    public String state() {
      return metadata().getOrDefault("state", "");
    }
  }

  /** The daemon holds as many calls as it may. Try again after {@link #retryAfter}. */
  public static final class TooManyCalls extends AgenticException {
    private static final long serialVersionUID = 1L;

    TooManyCalls(Code code, String message, ErrorDetails details) {
      super(code, message, details);
    }

    /**
     * How many those are.
     *
     * @return 0 when the daemon did not say
     */
    public long limit() {
      return number("limit");
    }
  }

  /**
   * It may be tried again. Nothing was done, except perhaps where nobody answered: see {@link
   * Unreachable}.
   */
  public static class Unavailable extends AgenticException {
    private static final long serialVersionUID = 1L;

    Unavailable(Code code, String message, ErrorDetails details) {
      super(code, message, details);
    }
  }

  /** The daemon is stopping and takes no new work. */
  public static final class Draining extends Unavailable {
    private static final long serialVersionUID = 1L;

    Draining(Code code, String message, ErrorDetails details) {
      super(code, message, details);
    }
  }

  /** The daemon's log cannot be written or read. */
  public static final class StoreDown extends Unavailable {
    private static final long serialVersionUID = 1L;

    StoreDown(Code code, String message, ErrorDetails details) {
      super(code, message, details);
    }
  }

  /**
   * Nobody answers at the address. A connection that broke behind a request looks the same: whether
   * it was done is then not known. Every request may be repeated; a {@code placeCall} with this
   * exception's {@link #requestId}.
   */
  public static final class Unreachable extends Unavailable {
    private static final long serialVersionUID = 1L;

    Unreachable(Code code, String message, ErrorDetails details) {
      super(code, message, details);
    }
  }

  /**
   * The cursor cannot be followed from: list the calls, then follow from that answer's revision.
   */
  public static class CursorInvalid extends AgenticException {
    private static final long serialVersionUID = 1L;

    CursorInvalid(Code code, String message, ErrorDetails details) {
      super(code, message, details);
    }
  }

  /** The cursor lies before what the log still keeps. */
  public static final class CursorCompacted extends CursorInvalid {
    private static final long serialVersionUID = 1L;

    CursorCompacted(Code code, String message, ErrorDetails details) {
      super(code, message, details);
    }

    /**
     * The oldest revision that is kept.
     *
     * @return 0 when the daemon did not say
     */
    public long firstRevision() {
      return number("first_revision");
    }
  }

  /** The cursor belongs to another log: the daemon's store was replaced or restored. */
  public static final class LogReplaced extends CursorInvalid {
    private static final long serialVersionUID = 1L;

    LogReplaced(Code code, String message, ErrorDetails details) {
      super(code, message, details);
    }

    /**
     * The present log's epoch.
     *
     * @return empty when the daemon did not say
     */
    public String epoch() {
      return metadata().getOrDefault("epoch", "");
    }
  }

  /**
   * The stream was not read for too long. An {@link EventStream} does not throw it: it follows
   * again, and loses nothing.
   */
  public static final class ConsumerStalled extends AgenticException {
    private static final long serialVersionUID = 1L;

    ConsumerStalled(Code code, String message, ErrorDetails details) {
      super(code, message, details);
    }
  }

  /** Twilio refused. */
  public static final class CarrierRejected extends AgenticException {
    private static final long serialVersionUID = 1L;

    CarrierRejected(Code code, String message, ErrorDetails details) {
      super(code, message, details);
    }

    /**
     * Twilio's error code.
     *
     * @return for example 21211; 0 when it gave none
     */
    public long carrierCode() {
      return number("carrier_code");
    }
  }

  /** The address needs the daemon's token, or a certificate, and none or a wrong one was shown. */
  public static final class Unauthenticated extends AgenticException {
    private static final long serialVersionUID = 1L;

    Unauthenticated(Code code, String message, ErrorDetails details) {
      super(code, message, details);
    }
  }

  /**
   * No answer came in time; whether it was done is not known. Every request may be repeated; a
   * {@code placeCall} with this exception's {@link #requestId}.
   */
  public static final class DeadlineExceeded extends AgenticException {
    private static final long serialVersionUID = 1L;

    DeadlineExceeded(Code code, String message, ErrorDetails details) {
      super(code, message, details);
    }
  }

  /** A defect of the daemon. Without a {@link #reason}: what it sent cannot be decoded. */
  public static final class Internal extends AgenticException {
    private static final long serialVersionUID = 1L;

    Internal(Code code, String message, ErrorDetails details) {
      super(code, message, details);
    }

    /**
     * The id under which the daemon's log has the details.
     *
     * @return empty when the daemon did not say
     */
    public String incident() {
      return metadata().getOrDefault("incident", "");
    }
  }
}
