package io.agenticd.agentic;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.ResourceInfo;
import com.google.rpc.RetryInfo;
import com.google.rpc.Status;
import io.grpc.Metadata;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What the daemon says in an error beside its code and its message. */
record ErrorDetails(
    String reason,
    Map<String, String> metadata,
    List<Violation> violations,
    Optional<Duration> retryAfter,
    String resource) {

  static final ErrorDetails NONE = new ErrorDetails("", Map.of(), List.of(), Optional.empty(), "");

  static final Metadata.Key<byte[]> KEY =
      Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER);
  private static final String DOMAIN = "agenticd";

  static ErrorDetails of(String reason, Map<String, String> metadata) {
    return new ErrorDetails(reason, metadata, List.of(), Optional.empty(), "");
  }

  /** Those in the trailers; none where nobody, or something else than a daemon, wrote any. */
  static ErrorDetails read(Metadata trailers) {
    byte[] bytes = trailers == null ? null : trailers.get(KEY);
    if (bytes == null) {
      return NONE;
    }
    try {
      return read(Status.parseFrom(bytes));
    } catch (InvalidProtocolBufferException notOurs) {
      return NONE;
    }
  }

  private static ErrorDetails read(Status status) throws InvalidProtocolBufferException {
    ErrorInfo info = ErrorInfo.getDefaultInstance();
    List<Violation> violations = List.of();
    Optional<Duration> retryAfter = Optional.empty();
    String resource = "";
    for (Any detail : status.getDetailsList()) {
      if (detail.is(ErrorInfo.class) && detail.unpack(ErrorInfo.class).getDomain().equals(DOMAIN)) {
        info = detail.unpack(ErrorInfo.class);
      } else if (detail.is(BadRequest.class)) {
        violations =
            detail.unpack(BadRequest.class).getFieldViolationsList().stream()
                .map(wrong -> new Violation(wrong.getField(), wrong.getDescription()))
                .toList();
      } else if (detail.is(RetryInfo.class)) {
        var delay = detail.unpack(RetryInfo.class).getRetryDelay();
        retryAfter = Optional.of(Duration.ofSeconds(delay.getSeconds(), delay.getNanos()));
      } else if (detail.is(ResourceInfo.class)) {
        resource = detail.unpack(ResourceInfo.class).getResourceName();
      }
    }
    var metadata = Map.copyOf(info.getMetadataMap());
    return new ErrorDetails(info.getReason(), metadata, violations, retryAfter, resource);
  }
}
