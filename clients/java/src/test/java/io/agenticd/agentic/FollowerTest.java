package io.agenticd.agentic;

import static io.agenticd.agentic.Frames.EPOCH;
import static io.agenticd.agentic.Frames.after;
import static io.agenticd.agentic.Frames.batch;
import static io.agenticd.agentic.Frames.bookmark;
import static io.agenticd.agentic.Frames.error;
import static io.agenticd.agentic.Frames.live;
import static io.agenticd.agentic.Frames.opened;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.rpc.RetryInfo;
import io.agenticd.agentic.v1.StreamEventsRequest;
import io.agenticd.agentic.v1.StreamEventsResponse;
import io.grpc.Status.Code;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The rules of resuming: whatever a connection does, each event is given once, in order. */
class FollowerTest {
  private static final AgenticException GONE = error(Code.UNAVAILABLE, "");

  private static Follower begun(StreamEventsRequest request) {
    var follower = new Follower(request, false);
    follower.handle(opened(request.getAfterRevision()));
    return follower;
  }

  /** The revisions of all that it gives now. */
  private static List<Long> drained(Follower follower) {
    return Stream.generate(follower::next)
        .takeWhile(item -> item != null)
        .filter(item -> item instanceof Follower.Happened)
        .map(item -> ((Follower.Happened) item).event().getRevision())
        .toList();
  }

  private static Cursor cursor(long revision) {
    return new Cursor(EPOCH, revision);
  }

  private static List<Duration> failures(Follower follower, int count) {
    return Stream.generate(() -> follower.ended(GONE).orElseThrow()).limit(count).toList();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8})
  void overAnyCutsEachEventComesOnceAndInOrder(int seed) {
    for (int round = 0; round < 200; round++) {
      overTheseCuts(new Random(seed * 1000L + round));
    }
  }

  private static void overTheseCuts(Random random) {
    List<Long> log = new ArrayList<>(); // revisions rise, not always by one
    for (long last = 0; log.size() < 1 + random.nextInt(20); ) {
      log.add(last += 1 + random.nextInt(3));
    }
    long end = log.get(log.size() - 1);
    boolean fromNow = random.nextInt(4) == 0;
    long head = random.nextInt((int) end + 1);
    long start = fromNow ? head : random.nextInt((int) head + 1);
    var follower =
        new Follower(fromNow ? StreamEventsRequest.getDefaultInstance() : after(start), false);
    List<Long> got = new ArrayList<>();
    for (int rpc = 0; ; rpc++) {
      var request = follower.ask().request();
      assertEquals(rpc == 0 ? "" : EPOCH, request.getEpoch());
      assertEquals(rpc > 0 || !fromNow, request.hasAfterRevision());
      List<StreamEventsResponse> frames =
          frames(log, request.hasAfterRevision() ? request.getAfterRevision() : head, head, random);
      int cut = head == end ? frames.size() : 1 + random.nextInt(frames.size());
      for (var frame : frames.subList(0, cut)) {
        follower.handle(frame);
        for (int reads = random.nextInt(4); reads > 0; reads--) {
          Follower.Item item = follower.next();
          if (item instanceof Follower.Happened happened) {
            got.add(happened.event().getRevision());
            assertEquals(Optional.of(cursor(happened.event().getRevision())), follower.cursor());
          } else if (item instanceof Follower.Bookmarked mark) {
            assertTrue(
                got.containsAll(
                    log.stream()
                        .filter(at -> start < at && at <= mark.cursor().revision())
                        .toList()),
                "a bookmark does not overtake what waits to be read");
          }
        }
      }
      if (head == end) {
        break;
      }
      follower.ended(GONE);
      head = rpc > 20 ? end : head + random.nextInt((int) (end - head) + 1);
    }
    got.addAll(drained(follower));
    assertEquals(log.stream().filter(revision -> revision > start).toList(), got);
  }

  /** One RPC's: batches cut anywhere, with what else a daemon sends between them. */
  private static List<StreamEventsResponse> frames(
      List<Long> log, long after, long head, Random random) {
    List<StreamEventsResponse> frames = new ArrayList<>(List.of(opened(head)));
    List<Long> rest = log.stream().filter(at -> after < at && at <= head).toList();
    while (!rest.isEmpty()) {
      int size = 1 + random.nextInt(rest.size());
      frames.add(batch(rest.subList(0, size).stream().mapToLong(Long::longValue).toArray()));
      switch (random.nextInt(4)) {
        case 0 -> frames.add(bookmark(rest.get(size - 1)));
        case 1 -> frames.add(live("Hel"));
        case 2 -> frames.add(StreamEventsResponse.getDefaultInstance()); // of a newer daemon
        default -> {}
      }
      rest = rest.subList(size, rest.size());
    }
    return frames;
  }

  @Test
  void aDaemonThatRepeatsItselfIsNotRepeated() {
    Follower follower = begun(after(0));
    follower.handle(batch(1, 2, 2, 5));
    follower.handle(batch(3, 5, 6));
    assertEquals(List.of(1L, 2L, 5L, 6L), drained(follower));
  }

  @Test
  void eventsAreNotJudgedByBookmarks() {
    Follower follower = begun(after(0));
    follower.handle(bookmark(9));
    follower.handle(batch(4));
    assertEquals(List.of(4L), drained(follower), "better out of order than lost");
  }

  @Test
  void theNextQuestionBeginsBehindWhatHasArrivedEvenIfItWasNotReadYet() {
    Follower follower =
        begun(
            after(3).toBuilder()
                .addCallIds("one")
                .addTypes("warning")
                .setIncludeLive(true)
                .build());
    follower.handle(batch(4, 5, 9));
    follower.next();
    assertEquals(Optional.of(cursor(4)), follower.cursor());
    follower.ended(GONE);
    Follower.Ask ask = follower.ask();
    assertTrue(ask.waits());
    assertEquals(9, ask.request().getAfterRevision());
    assertEquals(EPOCH, ask.request().getEpoch());
    assertEquals(List.of("one"), List.copyOf(ask.request().getCallIdsList()));
    assertEquals(List.of("warning"), List.copyOf(ask.request().getTypesList()));
    assertTrue(ask.request().getIncludeLive());
    follower.handle(opened(9));
    assertEquals(List.of(5L, 9L), drained(follower));
  }

  @Test
  void bookmarksMoveTheQuestionAtOnceAndTheCursorWhenTheyAreRead() {
    Follower follower = begun(after(0));
    follower.handle(bookmark(7));
    assertEquals(7, follower.ask().request().getAfterRevision());
    assertEquals(Optional.of(cursor(0)), follower.cursor());
    assertEquals(new Follower.Bookmarked(cursor(7)), follower.next());
    assertEquals(Optional.of(cursor(7)), follower.cursor());
  }

  @Test
  void whoComesBackIsToldSoBehindWhatWasStillHere() {
    Follower follower = begun(after(0));
    follower.handle(batch(2));
    follower.ended(GONE);
    follower.handle(opened(2));
    follower.handle(batch(3));
    assertInstanceOf(Follower.Happened.class, follower.next());
    assertEquals(new Follower.Resumed(cursor(2)), follower.next());
    assertEquals(List.of(3L), drained(follower));
  }

  @Test
  void fromNowOnIsFromTheFirstNowOverAllConnections() {
    var follower = new Follower(StreamEventsRequest.getDefaultInstance(), false);
    assertFalse(follower.ask().request().hasAfterRevision());
    follower.handle(opened(7));
    assertEquals(Optional.of(cursor(7)), follower.cursor());
    follower.ended(GONE);
    assertEquals(7, follower.ask().request().getAfterRevision());
    assertTrue(follower.ask().request().hasAfterRevision());
  }

  @Test
  void aCursorThatWasGivenIsKnownAtOnceAndABareRevisionWithTheFirstFrame() {
    var given = after(4).toBuilder().setEpoch(EPOCH).build();
    assertEquals(Optional.of(cursor(4)), new Follower(given, false).cursor());
    var bare = new Follower(after(4), false);
    assertEquals(Optional.empty(), bare.cursor());
    bare.handle(opened(9));
    assertEquals(Optional.of(cursor(4)), bare.cursor());
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void eventsOfAnotherLogAreNeverGiven(boolean seenBefore) {
    var request = after(4).toBuilder().setEpoch(seenBefore ? "" : EPOCH).build();
    var follower = new Follower(request, false);
    if (seenBefore) {
      follower.handle(opened(4));
      follower.ended(GONE);
    }
    var error =
        assertThrows(
            AgenticException.LogReplaced.class, () -> follower.handle(opened(9, "restored")));
    assertEquals("restored", error.epoch());
    assertEquals("LOG_REPLACED", error.reason());
    assertEquals(Code.FAILED_PRECONDITION, error.code());
    assertEquals(Optional.of(cursor(4)), follower.cursor());
  }

  @Test
  void aStreamThatDoesNotBeginWithOpenedIsAnErrorAndNotAnEvent() {
    var follower = new Follower(after(0), false);
    var error = assertThrows(AgenticException.class, () -> follower.handle(batch(1)));
    assertEquals("the daemon began a stream with batch", error.getMessage());
    assertNull(follower.next());
  }

  @Test
  void anEndWithoutAnErrorCompletesOnlyAStreamAboutCalls() {
    Follower calls = begun(after(0).toBuilder().addCallIds("one").build());
    assertEquals(Optional.empty(), calls.ended(null));
    Follower everything = begun(after(0));
    assertEquals(Optional.of(Follower.FIRST_DELAY), everything.ended(null));
  }

  @ParameterizedTest
  @CsvSource({
    "UNAVAILABLE, '', true",
    "UNAVAILABLE, DRAINING, true",
    "UNAVAILABLE, STORE_DOWN, true",
    "ABORTED, CONSUMER_STALLED, true",
    "CANCELLED, '', true",
    "INTERNAL, '', true",
    "UNKNOWN, '', true",
    "ABORTED, '', false",
    "INTERNAL, INTERNAL, false",
    "OUT_OF_RANGE, CURSOR_COMPACTED, false",
    "FAILED_PRECONDITION, LOG_REPLACED, false",
    "UNAUTHENTICATED, '', false",
    "NOT_FOUND, CALL_NOT_FOUND, false",
  })
  void whatIsWaitedFor(Code code, String reason, boolean mends) {
    AgenticException error = error(code, reason);
    var opened = begun(after(0));
    var proven = new Follower(after(0), true);
    for (Follower follower : List.of(opened, proven)) {
      if (mends) {
        assertEquals(Optional.of(Follower.FIRST_DELAY), follower.ended(error));
      } else {
        assertSame(error, assertThrows(AgenticException.class, () -> follower.ended(error)));
      }
    }
    var fresh = new Follower(after(0), false);
    assertFalse(fresh.ask().waits());
    assertSame(
        error,
        assertThrows(AgenticException.class, () -> fresh.ended(error)),
        "a wrong address is an error, not a wait");
  }

  @Test
  void waitsGrowUpToALimitBeginAnewWithEachSignOfLifeAndHeedTheDaemon() {
    Follower follower = begun(after(0));
    assertEquals(
        List.of(100L, 200L, 400L, 800L, 1600L, 3200L, 5000L, 5000L),
        failures(follower, 8).stream().map(Duration::toMillis).toList());
    follower.handle(opened(0));
    assertEquals(
        List.of(Follower.LAST_DELAY),
        failures(follower, 1),
        "a daemon that opens and dies, again and again, is not hammered");
    follower.handle(bookmark(1));
    assertEquals(List.of(Follower.FIRST_DELAY), failures(follower, 1));
    follower.handle(batch(2));
    assertEquals(List.of(Follower.FIRST_DELAY), failures(follower, 1));
    var later = com.google.protobuf.Duration.newBuilder().setSeconds(2).build();
    var draining =
        error(Code.UNAVAILABLE, "DRAINING", RetryInfo.newBuilder().setRetryDelay(later).build());
    assertEquals(Optional.of(Duration.ofSeconds(2)), follower.ended(draining));
  }
}
