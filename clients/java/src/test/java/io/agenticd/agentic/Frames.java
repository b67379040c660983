package io.agenticd.agentic;

import com.google.protobuf.Any;
import com.google.protobuf.Message;
import com.google.rpc.ErrorInfo;
import io.agenticd.agentic.v1.Bookmark;
import io.agenticd.agentic.v1.Event;
import io.agenticd.agentic.v1.EventBatch;
import io.agenticd.agentic.v1.LiveWords;
import io.agenticd.agentic.v1.StreamEventsRequest;
import io.agenticd.agentic.v1.StreamEventsResponse;
import io.agenticd.agentic.v1.StreamOpened;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.Status.Code;
import java.util.Map;

/** What a daemon sends, in few words. */
final class Frames {
  static final String EPOCH = "5f0c2a19d3b84e67";

  private Frames() {}

  static StreamEventsRequest after(long revision) {
    return StreamEventsRequest.newBuilder().setAfterRevision(revision).build();
  }

  static StreamEventsResponse opened(long revision) {
    return opened(revision, EPOCH);
  }

  static StreamEventsResponse opened(long revision, String epoch) {
    return StreamEventsResponse.newBuilder()
        .setOpened(StreamOpened.newBuilder().setRevision(revision).setEpoch(epoch))
        .build();
  }

  static StreamEventsResponse batch(long... revisions) {
    var batch = EventBatch.newBuilder();
    for (long revision : revisions) {
      batch.addEvents(Event.newBuilder().setRevision(revision));
    }
    return StreamEventsResponse.newBuilder().setBatch(batch).build();
  }

  static StreamEventsResponse bookmark(long revision) {
    return StreamEventsResponse.newBuilder()
        .setBookmark(Bookmark.newBuilder().setRevision(revision))
        .build();
  }

  static StreamEventsResponse live(String text) {
    return StreamEventsResponse.newBuilder().setLive(LiveWords.newBuilder().setText(text)).build();
  }

  /** The trailers of an error with these details, as the daemon writes them. */
  static Metadata trailers(Code code, String message, Message... details) {
    var status = com.google.rpc.Status.newBuilder().setCode(code.value()).setMessage(message);
    for (Message detail : details) {
      status.addDetails(Any.pack(detail));
    }
    var trailers = new Metadata();
    trailers.put(ErrorDetails.KEY, status.build().toByteArray());
    return trailers;
  }

  static ErrorInfo info(String reason, Map<String, String> metadata) {
    return ErrorInfo.newBuilder()
        .setDomain("agenticd")
        .setReason(reason)
        .putAllMetadata(metadata)
        .build();
  }

  /** The client's error for the daemon's; without a reason: gRPC's own. */
  static AgenticException error(Code code, String reason, Message... more) {
    var details = new Message[more.length + 1];
    details[0] = info(reason, Map.of());
    System.arraycopy(more, 0, details, 1, more.length);
    var trailers = reason.isEmpty() ? new Metadata() : trailers(code, "no", details);
    return AgenticException.of(Status.fromCode(code).withDescription("no"), trailers, "nowhere");
  }
}
