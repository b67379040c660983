package io.agenticd.agentic;

import io.agenticd.agentic.v1.CallServiceGrpc;
import io.agenticd.agentic.v1.StreamEventsRequest;
import io.agenticd.agentic.v1.StreamEventsResponse;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * One StreamEvents RPC. A frame is asked for when somebody wants to read it: what is not read stays
 * in the connection's window, which holds the daemon back.
 */
final class EventRpc extends ClientCall.Listener<StreamEventsResponse> {
  /** What comes of an RPC. */
  sealed interface Arrival {}

  record Frame(StreamEventsResponse frame) implements Arrival {}

  record End(Status status, Metadata trailers) implements Arrival {}

  private final ClientCall<StreamEventsRequest, StreamEventsResponse> call;
  // At most one frame and the end.
  private final BlockingQueue<Arrival> arrived = new LinkedBlockingQueue<>();
  private final Runnable answered;
  private boolean asked; // the reader's

  /**
   * Starts it; `waits`: for a daemon that cannot be reached now. `answered` is run when one begins
   * to answer.
   */
  EventRpc(Channel channel, StreamEventsRequest request, boolean waits, Runnable answered) {
    this.answered = answered;
    var options = waits ? CallOptions.DEFAULT.withWaitForReady() : CallOptions.DEFAULT;
    call = channel.newCall(CallServiceGrpc.getStreamEventsMethod(), options);
    call.start(this, new Metadata());
    call.sendMessage(request);
    call.halfClose();
  }

  /** Waits for the next frame, or the end. After an interrupt it can be called again. */
  Arrival read() throws InterruptedException {
    if (!asked) {
      asked = true;
      call.request(1);
    }
    Arrival arrival = arrived.take();
    asked = false;
    return arrival;
  }

  /** Gives it up, from any thread; {@link #read} then comes to the end. */
  void cancel() {
    call.cancel("the stream was left", null);
  }

  @Override
  public void onHeaders(Metadata headers) {
    answered.run();
  }

  @Override
  public void onMessage(StreamEventsResponse frame) {
    arrived.add(new Frame(frame));
  }

  @Override
  public void onClose(Status status, Metadata trailers) {
    arrived.add(new End(status, trailers));
  }
}
