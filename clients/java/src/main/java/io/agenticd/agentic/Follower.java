package io.agenticd.agentic;

import io.agenticd.agentic.v1.Event;
import io.agenticd.agentic.v1.EventBatch;
import io.agenticd.agentic.v1.LiveWords;
import io.agenticd.agentic.v1.StreamEventsRequest;
import io.agenticd.agentic.v1.StreamEventsResponse;
import io.agenticd.agentic.v1.StreamOpened;
import io.grpc.Status.Code;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;

/**
 * One follower's place in the log: what to ask for next, what to give, when to come back. No gRPC
 * call, no clock, no randomness.
 *
 * <p>Drive it so: while {@link #next} gives items, hand them on; else read a frame of the RPC that
 * {@link #ask} describes, and give it to {@link #handle}; when the RPC has ended, {@link #ended}
 * says what to do. Each event is given once, in the order of revisions, whatever is lost, cut or
 * sent again in between.
 */
final class Follower {
  static final Duration FIRST_DELAY = Duration.ofMillis(100);
  static final Duration LAST_DELAY = Duration.ofSeconds(5);

  // What gRPC says by itself when a connection or a daemon goes away in the middle of a stream.
  private static final Set<Code> BROKEN = Set.of(Code.CANCELLED, Code.INTERNAL, Code.UNKNOWN);

  /** What there is to hand on. */
  sealed interface Item {}

  record Happened(Event event) implements Item {}

  record Spoken(LiveWords words) implements Item {}

  /** A lost connection is back; the next event is the one after the cursor. */
  record Resumed(Cursor cursor) implements Item {}

  /** Everything that matches, up to the cursor, was given. */
  record Bookmarked(Cursor cursor) implements Item {}

  /** The RPC to start; `waits`: for a daemon that cannot be reached now. */
  record Ask(StreamEventsRequest request, boolean waits) {}

  private final StreamEventsRequest request;
  private final boolean proven;
  private final Queue<Item> items = new ArrayDeque<>();
  private boolean opened;
  private String epoch;
  private Optional<Cursor> cursor;
  private long received; // as far as frames go, events and bookmarks
  private long lastEvent;
  private int failures;

  /**
   * `proven`: a daemon has answered at this address, so that one which is away is waited for from
   * the start.
   */
  Follower(StreamEventsRequest request, boolean proven) {
    this.request = request;
    this.proven = proven;
    epoch = request.getEpoch();
    received = lastEvent = request.getAfterRevision();
    cursor =
        epoch.isEmpty()
            ? Optional.empty()
            : Optional.of(new Cursor(epoch, request.getAfterRevision()));
  }

  /**
   * Behind the last event or bookmark that {@link #next} gave. Empty while it is not known to which
   * log it belongs.
   */
  Optional<Cursor> cursor() {
    return cursor;
  }

  Ask ask() {
    if (!opened) {
      return new Ask(request, proven);
    }
    return new Ask(request.toBuilder().setEpoch(epoch).setAfterRevision(received).build(), true);
  }

  /**
   * A frame has come. Throws {@link AgenticException.LogReplaced} for another log's, and {@link
   * AgenticException} where the contract is broken.
   */
  void handle(StreamEventsResponse frame) {
    var kind = frame.getFrameCase();
    if (kind == StreamEventsResponse.FrameCase.OPENED) {
      open(frame.getOpened());
      return;
    }
    if (!opened) {
      String message = "the daemon began a stream with " + kind.name().toLowerCase();
      throw new AgenticException(Code.INTERNAL, message, ErrorDetails.NONE);
    }
    switch (kind) {
      case BATCH -> take(frame.getBatch());
      case BOOKMARK -> {
        failures = 0;
        received = Math.max(received, frame.getBookmark().getRevision());
        items.add(new Bookmarked(new Cursor(epoch, received)));
      }
      case LIVE -> items.add(new Spoken(frame.getLive()));
      default -> {} // a newer daemon's
    }
  }

  private void open(StreamOpened frame) {
    if (!epoch.isEmpty() && !frame.getEpoch().equals(epoch)) {
      // The daemon checks it, too; but an event of another log must not come from here.
      throw new AgenticException.LogReplaced(
          Code.FAILED_PRECONDITION,
          "the cursor belongs to another log; this one is " + frame.getEpoch(),
          ErrorDetails.of("LOG_REPLACED", Map.of("epoch", frame.getEpoch())));
    }
    if (opened) {
      items.add(new Resumed(new Cursor(epoch, received)));
      return;
    }
    opened = true;
    epoch = frame.getEpoch();
    if (!request.hasAfterRevision()) {
      received = lastEvent = frame.getRevision();
    }
    cursor = Optional.of(new Cursor(epoch, received));
  }

  private void take(EventBatch batch) {
    failures = 0;
    for (Event event : batch.getEventsList()) {
      // Not judged by bookmarks: should a daemon be wrong about one, better out of order than lost.
      if (event.getRevision() > lastEvent) {
        received = lastEvent = event.getRevision();
        items.add(new Happened(event));
      }
    }
  }

  /** The next item to hand on, or null if none is here. The cursor is then behind it. */
  Item next() {
    Item item = items.poll();
    if (item instanceof Happened happened) {
      cursor = Optional.of(new Cursor(epoch, happened.event().getRevision()));
    } else if (item instanceof Bookmarked bookmarked) {
      cursor = Optional.of(bookmarked.cursor());
    }
    return item;
  }

  /**
   * The RPC has ended, with the error or, if it is null, without one. Returns how long to wait
   * before it is asked again; empty when the stream is complete. Throws the error if asking again
   * does not mend it: before the first frame that is any, unless a daemon is proven to be there, as
   * a wrong address is an error and not a wait.
   */
  Optional<Duration> ended(AgenticException error) {
    if (error == null) {
      if (request.getCallIdsCount() > 0) {
        return Optional.empty();
      }
      String message = "the stream ended without a reason";
      return ended(new AgenticException.Unreachable(Code.UNAVAILABLE, message, ErrorDetails.NONE));
    }
    if (!mends(error)) {
      throw error;
    }
    return Optional.of(backoff(failures++, error.retryAfter()));
  }

  private boolean mends(AgenticException error) {
    if (!(opened || proven)) {
      return false;
    }
    return error instanceof AgenticException.Unavailable
        || error instanceof AgenticException.ConsumerStalled
        || BROKEN.contains(error.code())
            && error.reason().isEmpty()
            // What cannot be decoded cannot be the next time.
            && !(error instanceof AgenticException.Internal);
  }

  /** Longer after each failure, and never less than was asked for. */
  static Duration backoff(int failures, Optional<Duration> asked) {
    Duration grown = FIRST_DELAY.multipliedBy(1L << Math.min(failures, 10));
    Duration delay = grown.compareTo(LAST_DELAY) < 0 ? grown : LAST_DELAY;
    return asked.filter(wanted -> wanted.compareTo(delay) > 0).orElse(delay);
  }
}
