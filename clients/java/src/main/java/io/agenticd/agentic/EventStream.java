package io.agenticd.agentic;

import io.agenticd.agentic.v1.Event;
import io.grpc.Status.Code;
import java.time.Duration;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * Events that are followed: iterate over it, once. Each event comes once, in order, over restarts
 * of the daemon.
 *
 * <p>It ends when all calls that it is about are closed; without call ids never. While the daemon
 * is away it waits, as long as it takes; another thread can end that with {@link #close}. It throws
 * {@link AgenticException}: at first whatever is wrong, later only what reconnecting does not mend
 * ({@link AgenticException.CursorInvalid}, {@link AgenticException.Unauthenticated} …). A thread
 * that is interrupted while it waits gets an AgenticException of the code {@code CANCELLED}, and
 * may iterate on.
 *
 * <p>One thread iterates; any may close it. What is not read is not buffered: the daemon waits.
 */
public final class EventStream implements Iterable<Event>, AutoCloseable {
  private final Function<Follower.Ask, EventRpc> start;
  private final Function<EventRpc.End, AgenticException> failure;
  private final StreamOptions options;
  private final Follower follower;
  private final Events iterator = new Events();
  private final CountDownLatch left = new CountDownLatch(1);
  private volatile Optional<Cursor> cursor;
  private boolean done; // the reader's
  private EventRpc rpc; // guarded by this: nothing is started once the stream was left

  /** `failure`: the typed error of an end, null for one without. */
  EventStream(
      StreamOptions options,
      boolean proven,
      Function<Follower.Ask, EventRpc> start,
      Function<EventRpc.End, AgenticException> failure) {
    this.options = options;
    this.start = start;
    this.failure = failure;
    follower = new Follower(options.request(), proven);
    cursor = follower.cursor();
  }

  /**
   * Behind the last event that was given: store it when that event is done with.
   *
   * @return empty before the first frame, if the stream was not begun with a cursor
   */
  public Optional<Cursor> cursor() {
    return cursor;
  }

  /**
   * The events.
   *
   * @return always the same iterator: a stream is read once
   */
  @Override
  public Iterator<Event> iterator() {
    return iterator;
  }

  /**
   * Gives each event to the action, until the stream ends or is closed.
   *
   * @param action what is done with an event
   */
  @Override
  public void forEach(Consumer<? super Event> action) {
    iterator.forEachRemaining(action);
  }

  /**
   * The events, for {@link #stream}.
   *
   * @return of the same events as those of {@link #iterator}
   */
  @Override
  public Spliterator<Event> spliterator() {
    int traits = Spliterator.ORDERED | Spliterator.NONNULL;
    return new Spliterators.AbstractSpliterator<>(Long.MAX_VALUE, traits) {
      @Override
      public boolean tryAdvance(Consumer<? super Event> action) {
        Event event = iterator.take();
        if (event == null) {
          return false;
        }
        action.accept(event);
        return true;
      }
    };
  }

  /**
   * The events, for a pipeline. Beware of steps that read ahead, as {@code parallel} does.
   *
   * @return the same events as those of {@link #iterator}; closing it closes this one
   */
  public Stream<Event> stream() {
    return StreamSupport.stream(spliterator(), false).onClose(this::close);
  }

  /**
   * Leaves the stream. Nothing more is given, not even what has come already; {@link #cursor}
   * stays, to resume from. The thread that iterates sees its end.
   *
   * <p>A {@code for} statement asks twice for each event, whether there is one and for it. Where
   * another thread closes in between, it gets a NoSuchElementException; {@link #forEach} and {@link
   * #stream} just end.
   */
  @Override
  public synchronized void close() {
    left.countDown();
    if (rpc != null) {
      rpc.cancel();
    }
  }

  private final class Events implements Iterator<Event> {
    private Event ahead;

    @Override
    public boolean hasNext() {
      while (ahead == null && !done && !isLeft()) {
        ahead = advance();
      }
      return ahead != null && !isLeft();
    }

    @Override
    public Event next() {
      Event event = take();
      if (event == null) {
        throw new NoSuchElementException("the stream has ended");
      }
      return event;
    }

    @Override
    public void forEachRemaining(Consumer<? super Event> action) {
      for (Event event = take(); event != null; event = take()) {
        action.accept(event);
      }
    }

    /** The next event, or null at the end. */
    Event take() {
      if (!hasNext() || !moveCursor()) {
        return null;
      }
      Event event = ahead;
      ahead = null;
      return event;
    }
  }

  /** One step: the next event, or null where the step was another. */
  private Event advance() {
    Follower.Item item = follower.next();
    if (item == null) {
      read();
      moveCursor();
    } else if (item instanceof Follower.Happened happened) {
      return happened.event();
    } else if (item instanceof Follower.Spoken spoken) {
      options.onLive().accept(spoken.words());
    } else if (item instanceof Follower.Resumed resumed) {
      options.onResume().accept(resumed.cursor());
    } else if (item instanceof Follower.Bookmarked bookmarked) {
      if (moveCursor()) {
        options.onBookmark().accept(bookmarked.cursor());
      }
    }
    return null;
  }

  /** Behind what is now handed on; false, and not moved, once the stream was left. */
  private synchronized boolean moveCursor() {
    if (isLeft()) {
      return false;
    }
    cursor = follower.cursor();
    return true;
  }

  private boolean isLeft() {
    return left.getCount() == 0;
  }

  /** One frame more; or the RPC's end, and the time to wait after it. */
  private void read() {
    try {
      EventRpc running = running();
      if (running == null) {
        return;
      }
      EventRpc.Arrival arrival = running.read();
      if (isLeft()) {
        return;
      }
      if (arrival instanceof EventRpc.Frame frame) {
        follower.handle(frame.frame());
      } else if (arrival instanceof EventRpc.End end) {
        forget();
        Optional<Duration> delay = follower.ended(failure.apply(end));
        if (delay.isPresent()) {
          left.await(scattered(delay.get()), TimeUnit.NANOSECONDS);
        } else {
          done = true;
        }
      }
    } catch (InterruptedException interrupt) {
      Thread.currentThread().interrupt();
      var error =
          new AgenticException(Code.CANCELLED, "the thread was interrupted", ErrorDetails.NONE);
      error.initCause(interrupt);
      throw error;
    } catch (AgenticException error) {
      done = true;
      close();
      throw error;
    }
  }

  /** The RPC, started if need be; null when the stream was left. */
  private synchronized EventRpc running() {
    if (isLeft()) {
      return null;
    }
    if (rpc == null) {
      rpc = start.apply(follower.ask());
    }
    return rpc;
  }

  private synchronized void forget() {
    rpc = null;
  }

  /** A little longer: not all who lost the same daemon shall come back in the same moment. */
  private static long scattered(Duration delay) {
    return (long) (delay.toNanos() * ThreadLocalRandom.current().nextDouble(1.0, 1.2));
  }
}
