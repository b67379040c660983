package io.agenticd.agentic;

import static io.agenticd.agentic.Frames.EPOCH;
import static io.agenticd.agentic.Frames.batch;
import static io.agenticd.agentic.Frames.bookmark;
import static io.agenticd.agentic.Frames.info;
import static io.agenticd.agentic.Frames.live;
import static io.agenticd.agentic.Frames.opened;
import static io.agenticd.agentic.Frames.trailers;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.agenticd.agentic.v1.Call;
import io.agenticd.agentic.v1.CallServiceGrpc;
import io.agenticd.agentic.v1.Event;
import io.agenticd.agentic.v1.ListCallsRequest;
import io.agenticd.agentic.v1.ListCallsResponse;
import io.agenticd.agentic.v1.PlaceCallRequest;
import io.agenticd.agentic.v1.PlaceCallResponse;
import io.agenticd.agentic.v1.StreamEventsRequest;
import io.agenticd.agentic.v1.StreamEventsResponse;
import io.grpc.MethodDescriptor;
import io.grpc.Server;
import io.grpc.ServerServiceDefinition;
import io.grpc.Status;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The client around the rules of resuming, against a daemon that does what a test says. */
@Timeout(30)
class ClientTest {
  private final Daemon daemon = new Daemon();
  private String name;
  private Server server;
  private AgenticClient client;

  /** Answers streams one after the other, each by one of `streams`. */
  private static final class Daemon extends CallServiceGrpc.CallServiceImplBase {
    final BlockingQueue<Consumer<StreamObserver<StreamEventsResponse>>> streams =
        new LinkedBlockingQueue<>();
    final List<StreamEventsRequest> asked = new ArrayList<>();
    final List<PlaceCallRequest> placed = new ArrayList<>();
    StatusRuntimeException failure;

    @Override
    public void placeCall(PlaceCallRequest order, StreamObserver<PlaceCallResponse> answers) {
      placed.add(order);
      if (failure != null) {
        answers.onError(failure);
        return;
      }
      answers.onNext(
          PlaceCallResponse.newBuilder()
              .setCall(Call.newBuilder().setCallId("one"))
              .setRevision(4)
              .setEpoch(EPOCH)
              .build());
      answers.onCompleted();
    }

    @Override
    public void listCalls(ListCallsRequest request, StreamObserver<ListCallsResponse> answers) {
      int page = request.getPageToken().isEmpty() ? 1 : Integer.parseInt(request.getPageToken());
      answers.onNext(
          ListCallsResponse.newBuilder()
              .addCalls(Call.newBuilder().setCallId(request.getPageSize() + "/" + page))
              .setNextPageToken(page == 3 ? "" : String.valueOf(page + 1))
              .build());
      answers.onCompleted();
    }

    @Override
    public void streamEvents(
        StreamEventsRequest request, StreamObserver<StreamEventsResponse> answers) {
      asked.add(request);
      streams.remove().accept(answers);
    }

    /** The next stream sends these frames and ends with the status; null: it stays open. */
    void sends(Status end, StreamEventsResponse... frames) {
      streams.add(
          answers -> {
            List.of(frames).forEach(answers::onNext);
            if (end != null && end.isOk()) {
              answers.onCompleted();
            } else if (end != null) {
              answers.onError(end.asRuntimeException());
            }
          });
    }
  }

  @BeforeEach
  void start() throws IOException {
    name = InProcessServerBuilder.generateName();
    server =
        InProcessServerBuilder.forName(name).directExecutor().addService(daemon).build().start();
    client = connected(name, Duration.ofSeconds(20));
  }

  private static AgenticClient connected(String name, Duration timeout) {
    var channel =
        InProcessChannelBuilder.forName(name)
            .defaultServiceConfig(Channels.SERVICE_CONFIG)
            .enableRetry()
            .build();
    return new AgenticClient("in process", channel, timeout, channel::shutdownNow);
  }

  @AfterEach
  void stop() {
    client.close();
    server.shutdownNow();
  }

  private static List<Long> revisions(EventStream stream) {
    return stream.stream().map(Event::getRevision).toList();
  }

  @Test
  void anOrderAlwaysCarriesARequestIdAndAnErrorTellsIt() {
    client.placeCall("+15550002222");
    String made = daemon.placed.get(0).getRequestId();
    assertEquals(4, UUID.fromString(made).version());
    client.placeCall(PlaceCallRequest.newBuilder().setRequestId("order-17").build());
    assertEquals("order-17", daemon.placed.get(1).getRequestId());
    daemon.failure =
        new StatusRuntimeException(
            Status.RESOURCE_EXHAUSTED,
            trailers(Code.RESOURCE_EXHAUSTED, "no", info("TOO_MANY_CALLS", Map.of("limit", "2"))));
    var error =
        assertThrows(AgenticException.TooManyCalls.class, () -> client.placeCall("+15550002222"));
    assertEquals(2, error.limit());
    assertEquals(daemon.placed.get(2).getRequestId(), error.requestId());
  }

  @Test
  void allCallsAreReadPageByPage() {
    assertEquals(
        List.of("500/1", "500/2", "500/3"),
        client.allCalls(ListCallsRequest.getDefaultInstance()).map(Call::getCallId).toList());
    var first = client.allCalls(ListCallsRequest.newBuilder().setPageSize(2).build()).findFirst();
    assertEquals("2/1", first.orElseThrow().getCallId());
  }

  @Test
  void aPlacedCallIsFollowedFromItsFirstEventToItsEndOverALostConnection() {
    var placed = client.placeCall("+15550002222");
    daemon.sends(Status.UNAVAILABLE, opened(5), batch(4, 5));
    daemon.sends(Status.OK, opened(7), batch(7));
    List<Cursor> resumed = new ArrayList<>();
    try (var stream = client.events(StreamOptions.call(placed).onResume(resumed::add))) {
      assertEquals(List.of(4L, 5L, 7L), revisions(stream));
      assertEquals(Optional.of(new Cursor(EPOCH, 7)), stream.cursor());
    }
    assertEquals(List.of(new Cursor(EPOCH, 5)), resumed);
    assertEquals(List.of("one"), List.copyOf(daemon.asked.get(0).getCallIdsList()));
    assertEquals(3, daemon.asked.get(0).getAfterRevision());
    assertEquals(5, daemon.asked.get(1).getAfterRevision());
  }

  @Test
  void theCursorIsBehindTheEventThatTheProgramHasAndNotFurther() {
    daemon.sends(null, opened(0), batch(1, 2), bookmark(9), batch(10));
    List<Cursor> marks = new ArrayList<>();
    try (var stream = client.events(StreamOptions.fromOldest().onBookmark(marks::add))) {
      Iterator<Event> events = stream.iterator();
      assertEquals(Optional.empty(), stream.cursor());
      assertTrue(events.hasNext());
      assertEquals(Optional.of(new Cursor(EPOCH, 0)), stream.cursor(), "hasNext gives nothing");
      events.next();
      assertEquals(Optional.of(new Cursor(EPOCH, 1)), stream.cursor());
      events.next();
      assertTrue(events.hasNext());
      assertEquals(List.of(new Cursor(EPOCH, 9)), marks);
      assertEquals(Optional.of(new Cursor(EPOCH, 9)), stream.cursor());
    }
  }

  @Test
  void liveWordsComeBetweenTheEventsAndOnlyIfTheyAreWanted() {
    daemon.sends(Status.OK, opened(0), live("Hel"), batch(1), live("lo"));
    List<String> heard = new ArrayList<>();
    var options =
        StreamOptions.fromOldest()
            .callIds(List.of("one"))
            .types(Event.PayloadCase.CALL_ENDED)
            .onLive(words -> heard.add(words.getText()));
    try (var stream = client.events(options)) {
      stream.forEach(event -> heard.add("event " + event.getRevision()));
    }
    assertEquals(List.of("Hel", "event 1", "lo"), heard);
    assertTrue(daemon.asked.get(0).getIncludeLive());
    assertEquals(List.of("call_ended"), List.copyOf(daemon.asked.get(0).getTypesList()));
  }

  @Test
  void whoLeavesGetsNothingMoreAndKeepsTheCursor() {
    daemon.sends(null, opened(0), batch(1, 2, 3));
    var stream = client.events(StreamOptions.fromOldest());
    Iterator<Event> events = stream.iterator();
    assertEquals(1, events.next().getRevision());
    stream.close();
    assertFalse(events.hasNext());
    assertEquals(Optional.of(new Cursor(EPOCH, 1)), stream.cursor());
  }

  @Test
  void whatWasAheadWhenAnotherThreadClosedIsNotGiven() {
    daemon.sends(null, opened(0), batch(1, 2, 3));
    var stream = client.events(StreamOptions.fromOldest());
    Iterator<Event> events = stream.iterator();
    assertEquals(1, events.next().getRevision());
    assertTrue(events.hasNext());
    stream.close();
    assertFalse(events.hasNext());
    assertThrows(NoSuchElementException.class, events::next);
    assertEquals(List.of(), revisions(stream), "a pipeline just ends");
    assertEquals(Optional.of(new Cursor(EPOCH, 1)), stream.cursor());
  }

  @Test
  void onlyTheFollowerAsksAgainForAStream() {
    daemon.sends(Status.UNAVAILABLE);
    daemon.sends(Status.OK, opened(0));
    try (var stream = client.events(StreamOptions.fromOldest().callIds(List.of("one")))) {
      assertThrows(AgenticException.Unreachable.class, stream.iterator()::hasNext);
    }
    assertEquals(1, daemon.asked.size());
  }

  @Test
  void aFrameThatCannotBeDecodedEndsTheStream() throws IOException {
    var method = CallServiceGrpc.getStreamEventsMethod();
    var raw = method.toBuilder(method.getRequestMarshaller(), new Bytes()).build();
    var garbles =
        ServerCalls.asyncServerStreamingCall(
            (StreamEventsRequest request, StreamObserver<byte[]> answers) -> {
              answers.onNext(opened(0).toByteArray());
              answers.onNext(batch(1).toByteArray());
              answers.onNext(new byte[] {10, 5}); // a field of five bytes that are not there
            });
    String other = InProcessServerBuilder.generateName();
    var service =
        ServerServiceDefinition.builder(CallServiceGrpc.SERVICE_NAME).addMethod(raw, garbles);
    Server garbling = InProcessServerBuilder.forName(other).addService(service.build()).build();
    garbling.start();
    try (var reader = connected(other, Duration.ofSeconds(20));
        var stream = reader.events(StreamOptions.fromOldest())) {
      assertEquals(1, stream.iterator().next().getRevision());
      var error = assertThrows(AgenticException.Internal.class, stream.iterator()::hasNext);
      assertEquals("an answer of in process cannot be decoded", error.getMessage());
      assertFalse(stream.iterator().hasNext(), "it has ended");
    } finally {
      garbling.shutdownNow();
    }
  }

  /** Sends a message's bytes, whatever they are. */
  private static final class Bytes implements MethodDescriptor.Marshaller<byte[]> {
    @Override
    public InputStream stream(byte[] message) {
      return new ByteArrayInputStream(message);
    }

    @Override
    public byte[] parse(InputStream message) {
      throw new UnsupportedOperationException();
    }
  }

  @Test
  void aTimeoutMayBeLongerThanAllTime() {
    try (var patient = connected(name, Duration.ofSeconds(Long.MAX_VALUE))) {
      assertEquals("one", patient.placeCall("+15550002222").getCall().getCallId());
    }
  }

  @Test
  void aThreadThatWaitsSeesTheEndWhenAnotherLeaves() throws InterruptedException {
    var opened = new CountDownLatch(1);
    daemon.streams.add(answers -> opened.countDown());
    var stream = client.events(StreamOptions.fromOldest());
    List<Event> got = new ArrayList<>();
    var reader = new Thread(() -> stream.forEach(got::add));
    reader.start();
    opened.await();
    stream.close();
    reader.join();
    assertEquals(List.of(), got);
  }

  @Test
  void anInterruptIsToldAndTheStreamGoesOn() {
    daemon.sends(null, opened(0), batch(1));
    try (var stream = client.events(StreamOptions.fromOldest())) {
      Iterator<Event> events = stream.iterator();
      Thread.currentThread().interrupt();
      var error = assertThrows(AgenticException.class, events::hasNext);
      assertEquals(Code.CANCELLED, error.code());
      assertTrue(Thread.interrupted(), "the flag stays for the program");
      assertEquals(1, events.next().getRevision());
    }
  }

  @Test
  void aWrongAddressIsAnErrorAndNotAWait() {
    server.shutdownNow();
    try (var stream = client.events(StreamOptions.fromOldest())) {
      var error = assertThrows(AgenticException.Unreachable.class, stream.iterator()::hasNext);
      assertTrue(error.getMessage().startsWith("no connection to in process"));
      assertFalse(stream.iterator().hasNext(), "it has ended");
    }
  }

  @Test
  void aProgramThatDoesNotReadHoldsTheDaemonBack() {
    int[] sent = new int[1];
    daemon.streams.add(
        answers -> {
          var paced = (ServerCallStreamObserver<StreamEventsResponse>) answers;
          answers.onNext(opened(0));
          paced.setOnReadyHandler(
              () -> {
                while (paced.isReady() && sent[0] < 10_000) {
                  paced.onNext(batch(++sent[0]));
                }
              });
        });
    try (var stream = client.events(StreamOptions.fromOldest())) {
      stream.iterator().next();
      assertTrue(sent[0] < 100, sent[0] + " frames are on their way for one that was read");
      for (int read = 2; read <= 500; read++) {
        assertEquals(read, stream.iterator().next().getRevision());
      }
    }
  }

  @Test
  void aClosedClientEndsItsStreamsAndTakesNoOrders() {
    daemon.sends(null, opened(0), batch(1, 2));
    var stream = client.events(StreamOptions.fromOldest());
    stream.iterator().next();
    client.close();
    assertFalse(stream.iterator().hasNext());
    assertThrows(IllegalStateException.class, () -> client.placeCall("+15550002222"));
    assertThrows(IllegalStateException.class, () -> client.events(StreamOptions.fromNow()));
  }
}
