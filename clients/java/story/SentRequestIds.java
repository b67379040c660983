import io.agenticd.agentic.v1.PlaceCallRequest;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.MethodDescriptor;

/** Which request_id goes out: the answer does not have it, and the story asks. */
final class SentRequestIds implements ClientInterceptor {
  private final ThreadLocal<String> last = ThreadLocal.withInitial(() -> "");

  /** That of the thread's last order. */
  String last() {
    return last.get();
  }

  @Override
  public <Q, A> ClientCall<Q, A> interceptCall(
      MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
    return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
      @Override
      public void sendMessage(Q message) {
        if (message instanceof PlaceCallRequest order) {
          last.set(order.getRequestId());
        }
        super.sendMessage(message);
      }
    };
  }
}
