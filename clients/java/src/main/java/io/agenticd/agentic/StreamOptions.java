package io.agenticd.agentic;

import io.agenticd.agentic.v1.Event;
import io.agenticd.agentic.v1.LiveWords;
import io.agenticd.agentic.v1.PlaceCallResponse;
import io.agenticd.agentic.v1.StreamEventsRequest;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;

/**
 * Which events a stream has, from where on, and who is told of what is no event. Immutable: each
 * method returns another one.
 *
 * <p>The functions that are given here are called by the thread that iterates over the stream,
 * between two events, in the order in which things came.
 */
public final class StreamOptions {
  private final StreamEventsRequest request;
  private final Consumer<LiveWords> onLive;
  private final Consumer<Cursor> onResume;
  private final Consumer<Cursor> onBookmark;

  private StreamOptions(
      StreamEventsRequest request,
      Consumer<LiveWords> onLive,
      Consumer<Cursor> onResume,
      Consumer<Cursor> onBookmark) {
    this.request = request;
    this.onLive = onLive;
    this.onResume = onResume;
    this.onBookmark = onBookmark;
  }

  private static StreamOptions of(StreamEventsRequest.Builder request) {
    return new StreamOptions(request.build(), words -> {}, cursor -> {}, cursor -> {});
  }

  /**
   * What happens from now on.
   *
   * @return of all calls, all kinds
   */
  public static StreamOptions fromNow() {
    return of(StreamEventsRequest.newBuilder());
  }

  /**
   * All that the log keeps, then what comes.
   *
   * @return of all calls, all kinds
   */
  public static StreamOptions fromOldest() {
    return after(0);
  }

  /**
   * What comes after the cursor. Should it belong to another log, the stream fails with {@link
   * AgenticException.LogReplaced}.
   *
   * @param cursor the last revision that the program is done with
   * @return of all calls, all kinds
   */
  public static StreamOptions after(Cursor cursor) {
    return after(cursor.epoch(), cursor.revision());
  }

  /**
   * What comes after an answer about calls, whose revision and epoch are a cursor: without a gap.
   *
   * @param epoch of the answer; empty: whatever log the daemon has
   * @param revision of the answer
   * @return of all calls, all kinds
   */
  public static StreamOptions after(String epoch, long revision) {
    return of(StreamEventsRequest.newBuilder().setEpoch(epoch).setAfterRevision(revision));
  }

  /**
   * What comes after the revision, in whatever log the daemon has.
   *
   * @param revision the last one that the program is done with
   * @return of all calls, all kinds
   */
  public static StreamOptions after(long revision) {
    return after("", revision);
  }

  /**
   * A whole call that was just placed, from its {@code call_queued} to its {@code call_closed}.
   *
   * @param placed the answer to the order
   * @return of that call, all kinds
   */
  public static StreamOptions call(PlaceCallResponse placed) {
    return after(placed.getEpoch(), placed.getRevision() - 1)
        .callIds(List.of(placed.getCall().getCallId()));
  }

  /**
   * Only these calls; the stream then ends when all of them are closed.
   *
   * @param ids at most 1,000; none: all calls
   * @return the same, so changed
   */
  public StreamOptions callIds(Iterable<String> ids) {
    return with(request.toBuilder().clearCallIds().addAllCallIds(ids));
  }

  /**
   * Only these kinds of events.
   *
   * @param kinds none: all
   * @return the same, so changed
   */
  public StreamOptions types(Event.PayloadCase... kinds) {
    return types(Arrays.stream(kinds).map(kind -> kind.name().toLowerCase(Locale.ROOT)).toList());
  }

  /**
   * Only these kinds of events.
   *
   * @param names of the fields of {@code Event.payload}, for example {@code transcript_final};
   *     none: all
   * @return the same, so changed
   */
  public StreamOptions types(Iterable<String> names) {
    return with(request.toBuilder().clearTypes().addAllTypes(names));
  }

  /**
   * Words while they are spoken, too. They are for a screen, not for a record: never sent again,
   * and dropped first for a program that reads slowly.
   *
   * @param show is given each piece
   * @return the same, so changed
   */
  public StreamOptions onLive(Consumer<LiveWords> show) {
    return new StreamOptions(
        request.toBuilder().setIncludeLive(true).build(), show, onResume, onBookmark);
  }

  /**
   * Tell when a lost connection is back. Nothing was lost with it.
   *
   * @param tell is given the cursor behind which the stream goes on
   * @return the same, so changed
   */
  public StreamOptions onResume(Consumer<Cursor> tell) {
    return new StreamOptions(request, onLive, tell, onBookmark);
  }

  /**
   * Tell when the cursor moved without an event. Store it, lest it grow older than what the daemon
   * keeps while the stream is quiet.
   *
   * @param store is given the cursor
   * @return the same, so changed
   */
  public StreamOptions onBookmark(Consumer<Cursor> store) {
    return new StreamOptions(request, onLive, onResume, store);
  }

  private StreamOptions with(StreamEventsRequest.Builder changed) {
    return new StreamOptions(changed.build(), onLive, onResume, onBookmark);
  }

  StreamEventsRequest request() {
    return request;
  }

  Consumer<LiveWords> onLive() {
    return onLive;
  }

  Consumer<Cursor> onResume() {
    return onResume;
  }

  Consumer<Cursor> onBookmark() {
    return onBookmark;
  }
}
