package io.agenticd.agentic;

import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * Tries a lost connection again after 0.2 s, then twice as long, at most 5 s: a restart of the
 * daemon takes about a second. gRPC's own waits are no setting in Java, and grow to minutes.
 */
final class Reconnector {
  private static final Duration FIRST_DELAY = Duration.ofMillis(200);
  private static final Duration LAST_DELAY = Duration.ofSeconds(5);

  private final ManagedChannel channel;
  private Duration delay = FIRST_DELAY; // touched by one at a time: the channel's next notice

  private Reconnector(ManagedChannel channel) {
    this.channel = channel;
  }

  /** Watches over it until it is shut down. */
  static void watch(ManagedChannel channel) {
    new Reconnector(channel).look();
  }

  private void look() {
    ConnectivityState state = channel.getState(false);
    switch (state) {
      case SHUTDOWN -> {}
      case TRANSIENT_FAILURE ->
          CompletableFuture.delayedExecutor(delay.toMillis(), TimeUnit.MILLISECONDS)
              .execute(this::tryAgain);
      default -> {
        if (state == ConnectivityState.READY) {
          delay = FIRST_DELAY;
        }
        channel.notifyWhenStateChanged(state, this::look);
      }
    }
  }

  private void tryAgain() {
    if (channel.getState(false) == ConnectivityState.TRANSIENT_FAILURE) {
      delay = delay.multipliedBy(2).compareTo(LAST_DELAY) < 0 ? delay.multipliedBy(2) : LAST_DELAY;
      channel.resetConnectBackoff();
    }
    look();
  }
}
