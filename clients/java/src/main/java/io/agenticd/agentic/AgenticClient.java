package io.agenticd.agentic;

import io.agenticd.agentic.v1.Call;
import io.agenticd.agentic.v1.CallServiceGrpc;
import io.agenticd.agentic.v1.DrainRequest;
import io.agenticd.agentic.v1.DrainResponse;
import io.agenticd.agentic.v1.GetCallRequest;
import io.agenticd.agentic.v1.GetCallResponse;
import io.agenticd.agentic.v1.GetStatusRequest;
import io.agenticd.agentic.v1.GetStatusResponse;
import io.agenticd.agentic.v1.GetTranscriptRequest;
import io.agenticd.agentic.v1.GetTranscriptResponse;
import io.agenticd.agentic.v1.HangUpRequest;
import io.agenticd.agentic.v1.HangUpResponse;
import io.agenticd.agentic.v1.ListCallsRequest;
import io.agenticd.agentic.v1.ListCallsResponse;
import io.agenticd.agentic.v1.NodeServiceGrpc;
import io.agenticd.agentic.v1.PlaceCallRequest;
import io.agenticd.agentic.v1.PlaceCallResponse;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientInterceptor;
import io.grpc.ClientInterceptors;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.WeakHashMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * A client of one daemon: a method for each RPC, with typed errors, deadlines, and retries that
 * cannot dial twice. Threads may share it.
 *
 * <pre>{@code
 * try (var client = AgenticClient.connect()) {
 *   var placed = client.placeCall("+15550002222");
 *   try (var events = client.follow(placed)) {
 *     for (var event : events) {
 *       System.out.println(event.getCallSequence() + " " + event.getPayloadCase());
 *     }
 *   }
 * }
 * }</pre>
 *
 * <p>Every method throws {@link AgenticException}; in what cases is in the contract's comments,
 * which the classes of {@code io.agenticd.agentic.v1} carry. While a daemon that has answered
 * before is away, a request waits for it until the timeout is over; where none ever answered it
 * fails at once, for the address is most likely wrong. A closed client throws
 * IllegalStateException.
 */
public final class AgenticClient implements AutoCloseable {
  /** How long an answer may take, if nothing else is said: 10 seconds. */
  public static final Duration DEFAULT_TIMEOUT = Duration.ofSeconds(10);

  private static final int LARGEST_PAGE = 500;

  // Some 30 years: what is longer may be no number of nanoseconds any more.
  private static final Duration LONGEST_TIMEOUT = Duration.ofDays(30 * 365);

  private final String address;
  private final Duration timeout;
  private final Runnable hangUp;
  private final Channel channel;
  private final Set<EventStream> streams =
      Collections.synchronizedSet(Collections.newSetFromMap(new WeakHashMap<>()));
  private volatile boolean proven; // a daemon has answered here
  private volatile boolean closed;

  /** `hangUp` closes the channel. */
  AgenticClient(String address, Channel channel, Duration timeout, Runnable hangUp) {
    this.address = address;
    this.channel = channel;
    this.timeout = timeout.compareTo(LONGEST_TIMEOUT) < 0 ? timeout : LONGEST_TIMEOUT;
    this.hangUp = hangUp;
  }

  /**
   * A client of the daemon at $AGENTCTL_ADDR, else of the one that is found on this machine: see
   * {@link Builder#address}. It connects with the first request.
   *
   * @return to be closed
   */
  public static AgenticClient connect() {
    return builder().connect();
  }

  /**
   * A client of the daemon at an address: see {@link Builder#address}. It connects with the first
   * request.
   *
   * @param address for example {@code unix:/run/agenticd/agenticd.sock}
   * @return to be closed
   */
  public static AgenticClient connect(String address) {
    return builder().address(address).connect();
  }

  /**
   * A client with other settings.
   *
   * @return the settings as they are by default
   */
  public static Builder builder() {
    return new Builder();
  }

  /** Where the daemon is, and what is shown there. */
  public static final class Builder {
    private String address;
    private String token;
    private Path ca;
    private Path certificate;
    private Path key;
    private Duration timeout = DEFAULT_TIMEOUT;
    private final List<ClientInterceptor> interceptors = new ArrayList<>();

    private Builder() {}

    /**
     * Where the daemon is: {@code unix:/path}, where the file's permissions decide; a port on
     * loopback, {@code 127.0.0.1:50051}, without TLS; {@code host:port} on another machine, always
     * with TLS; or {@code tls:host:port}, with TLS on loopback, too.
     *
     * <p>By default $AGENTCTL_ADDR, else the first {@code agenticd.sock} that exists in
     * $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/agenticd (without that variable: {@code agenticd-<uid>}
     * in the temporary directory, if it is the user's own), and /run/agenticd.
     *
     * @param where null or empty: the default
     * @return this
     */
    public Builder address(String where) {
      address = where;
      return this;
    }

    /**
     * What is shown at a port. By default what is in the file $AGENTCTL_TOKEN_FILE; on loopback
     * without TLS else in the first file {@code token} that can be read in the directories of
     * {@link #address}.
     *
     * @param secret null or empty: the default
     * @return this
     */
    public Builder token(String secret) {
      token = secret;
      return this;
    }

    /**
     * Whose certificates are believed where TLS is spoken. By default $AGENTCTL_CA_FILE, else the
     * JDK's roots.
     *
     * @param pem a file of certificates
     * @return this
     */
    public Builder ca(Path pem) {
      ca = pem;
      return this;
    }

    /**
     * What a daemon is shown that asks its clients for a certificate. By default
     * $AGENTCTL_CERT_FILE and $AGENTCTL_KEY_FILE.
     *
     * @param pem a file of the certificate, and of those between it and its root
     * @param pkcs8 a file of its key: {@code BEGIN PRIVATE KEY}
     * @return this
     */
    public Builder certificate(Path pem, Path pkcs8) {
      certificate = pem;
      key = pkcs8;
      return this;
    }

    /**
     * How long an answer may take. By default {@link #DEFAULT_TIMEOUT}; streams have no limit.
     *
     * @param within more than zero
     * @return this
     */
    public Builder timeout(Duration within) {
      if (within.isZero() || within.isNegative()) {
        throw new IllegalArgumentException("a timeout must be more than zero, not " + within);
      }
      timeout = within;
      return this;
    }

    /**
     * Lets something of gRPC's see each request and each stream: tracing, metrics, headers.
     *
     * @param between the last one that is given sees a request first
     * @return this
     */
    public Builder intercept(ClientInterceptor between) {
      interceptors.add(between);
      return this;
    }

    /**
     * A client with these settings. It connects with the first request.
     *
     * @return to be closed
     * @throws IllegalArgumentException for an address of another form, and for certificates where
     *     no TLS is spoken
     * @throws java.io.UncheckedIOException if a file that was named cannot be read
     */
    public AgenticClient connect() {
      var certificates = new Channels.Certificates(ca, certificate, key);
      Target target = Target.find(address, token, System.getenv());
      var connection = Channels.open(target, certificates, System.getenv());
      List<ClientInterceptor> all = new ArrayList<>(interceptors);
      if (target instanceof Target.Port port && port.token().isPresent()) {
        all.add(0, authorization(port.token().get()));
      }
      Channel channel = ClientInterceptors.intercept(connection.channel(), all);
      return new AgenticClient(target.address(), channel, timeout, connection::close);
    }

    private static ClientInterceptor authorization(String token) {
      var headers = new Metadata();
      headers.put(
          Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + token);
      return MetadataUtils.newAttachHeadersInterceptor(headers);
    }
  }

  /**
   * Where the daemon is.
   *
   * @return as {@link Builder#address} takes it
   */
  public String address() {
    return address;
  }

  /**
   * The connection, with the token on it, for stubs of your own.
   *
   * @return it lives as long as this client
   */
  public Channel channel() {
    return channel;
  }

  /**
   * Has an agent call somebody. See {@link #placeCall(PlaceCallRequest)}.
   *
   * @param toAddress {@code +15550001111} or {@code sip:user@host}
   * @return the call, and the cursor from which to follow it
   */
  public PlaceCallResponse placeCall(String toAddress) {
    return placeCall(PlaceCallRequest.newBuilder().setToAddress(toAddress).build());
  }

  /**
   * Has an agent call somebody. Answers when the call is durably queued; then {@link #follow} it.
   *
   * <p>Without a {@code request_id} a random one is sent, so that a retry cannot dial twice. Where
   * the outcome is not known ({@link AgenticException.DeadlineExceeded}, {@link
   * AgenticException.Unreachable}), {@link AgenticException#requestId} has it: to repeat the order
   * with it within 24 hours is safe.
   *
   * @param order the contract's message
   * @return the call, and the cursor from which to follow it
   */
  public PlaceCallResponse placeCall(PlaceCallRequest order) {
    PlaceCallRequest sent =
        order.getRequestId().isEmpty()
            ? order.toBuilder().setRequestId(UUID.randomUUID().toString()).build()
            : order;
    try {
      return ask(CallServiceGrpc.getPlaceCallMethod(), sent);
    } catch (AgenticException error) {
      error.requestId(sent.getRequestId());
      throw error;
    }
  }

  /**
   * Ends a call, whatever its state. One that has ended is shown as it ended.
   *
   * @param callId the call's
   * @param reason for the record; at most 256 characters
   * @return the call
   */
  public HangUpResponse hangUp(String callId, String reason) {
    var request = HangUpRequest.newBuilder().setCallId(callId).setReason(reason).build();
    return ask(CallServiceGrpc.getHangUpMethod(), request);
  }

  /**
   * Shows a call.
   *
   * @param callId the call's
   * @return the call, and the cursor as of which it is so
   */
  public GetCallResponse getCall(String callId) {
    var request = GetCallRequest.newBuilder().setCallId(callId).build();
    return ask(CallServiceGrpc.getGetCallMethod(), request);
  }

  /**
   * A page of calls, newest first.
   *
   * @param filter the contract's message
   * @return the page, and the cursor as of which it is so
   */
  public ListCallsResponse listCalls(ListCallsRequest filter) {
    return ask(CallServiceGrpc.getListCallsMethod(), filter);
  }

  /**
   * All calls, newest first. The pages are asked for as they are read.
   *
   * @param filter which; its page size is as much as is asked for at a time, by default 500
   * @return to be read once
   */
  public Stream<Call> allCalls(ListCallsRequest filter) {
    int size = filter.getPageSize() > 0 ? filter.getPageSize() : LARGEST_PAGE;
    ListCallsRequest sized = filter.toBuilder().setPageSize(size).build();
    return Stream.iterate(
            listCalls(sized), Objects::nonNull, page -> pageAfter(page.getNextPageToken(), sized))
        .map(ListCallsResponse::getCallsList)
        .flatMap(List::stream);
  }

  private ListCallsResponse pageAfter(String token, ListCallsRequest filter) {
    return token.isEmpty() ? null : listCalls(filter.toBuilder().setPageToken(token).build());
  }

  /**
   * What was said in a call so far, in the order of the conversation.
   *
   * @param callId the call's
   * @return the utterances, and the cursor as of which it is so
   */
  public GetTranscriptResponse transcript(String callId) {
    var request = GetTranscriptRequest.newBuilder().setCallId(callId).build();
    return ask(CallServiceGrpc.getGetTranscriptMethod(), request);
  }

  /**
   * What the daemon is and does.
   *
   * @return as of now
   */
  public GetStatusResponse status() {
    return ask(NodeServiceGrpc.getGetStatusMethod(), GetStatusRequest.getDefaultInstance());
  }

  /**
   * Lets the daemon take no new calls until it is started again; those that live go on to their
   * ends.
   *
   * @return how many live
   */
  public DrainResponse drain() {
    return ask(NodeServiceGrpc.getDrainMethod(), DrainRequest.getDefaultInstance());
  }

  /**
   * All events of a call that {@link #placeCall} has placed, from its first to its last: {@link
   * StreamOptions#call}.
   *
   * @param placed the answer to the order
   * @return to be read by one thread, and closed
   */
  public EventStream follow(PlaceCallResponse placed) {
    return events(StreamOptions.call(placed));
  }

  /**
   * Follows events. Nothing is asked before the stream is read.
   *
   * @param options which, and from where on
   * @return to be read by one thread, and closed
   */
  public EventStream events(StreamOptions options) {
    checkOpen();
    var stream =
        new EventStream(
            options,
            proven,
            ask -> new EventRpc(channel, ask.request(), ask.waits(), () -> proven = true),
            end -> end.status().isOk() ? null : failure(end.status(), end.trailers()));
    streams.add(stream);
    if (closed) { // meanwhile, and perhaps without this one
      stream.close();
    }
    return stream;
  }

  /** Hangs up on the daemon: open streams end, requests that wait fail. */
  @Override
  public void close() {
    closed = true;
    List<EventStream> open;
    synchronized (streams) {
      open = List.copyOf(streams);
    }
    open.forEach(EventStream::close);
    hangUp.run();
  }

  private <Q, A> A ask(MethodDescriptor<Q, A> method, Q request) {
    checkOpen();
    var limited = CallOptions.DEFAULT.withDeadlineAfter(timeout.toNanos(), TimeUnit.NANOSECONDS);
    var options = proven ? limited.withWaitForReady() : limited;
    try {
      A answer = ClientCalls.blockingUnaryCall(channel, method, options, request);
      proven = true;
      return answer;
    } catch (StatusRuntimeException failure) {
      throw failure(failure.getStatus(), failure.getTrailers());
    }
  }

  private AgenticException failure(Status status, Metadata trailers) {
    if (closed) {
      return new AgenticException(Code.CANCELLED, "the client was closed", ErrorDetails.NONE);
    }
    AgenticException error = AgenticException.of(status, trailers, address);
    proven = proven || !error.reason().isEmpty();
    return error;
  }

  private void checkOpen() {
    if (closed) {
      throw new IllegalStateException("the client is closed");
    }
  }
}
