import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.agenticd.agentic.AgenticClient;
import io.agenticd.agentic.AgenticException;
import io.agenticd.agentic.Cursor;
import io.agenticd.agentic.EventStream;
import io.agenticd.agentic.StreamOptions;
import io.agenticd.agentic.v1.Call;
import io.agenticd.agentic.v1.ListCallsRequest;
import io.agenticd.agentic.v1.ListCallsResponse;
import io.agenticd.agentic.v1.PlaceCallRequest;
import io.agenticd.agentic.v1.PlaceCallResponse;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Does what it is told through the client, and tells what came of it: tests/clients/README.md. */
public final class Teller {
  private record Following(EventStream stream, Thread thread) {}

  private final AgenticClient client;
  private final SentRequestIds sent;
  private final Map<String, Following> streams = new ConcurrentHashMap<>();

  private Teller(AgenticClient client, SentRequestIds sent) {
    this.client = client;
    this.sent = sent;
  }

  /**
   * Obeys until the input ends.
   *
   * @param words the options that the README names
   * @throws IOException if the input cannot be read
   */
  public static void main(String[] words) throws IOException {
    var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    var sent = new SentRequestIds();
    try (AgenticClient client = connect(words, sent)) {
      var teller = new Teller(client, sent);
      for (String line = input.readLine(); line != null; line = input.readLine()) {
        JsonObject order = JsonParser.parseString(line).getAsJsonObject();
        begin(() -> teller.obey(order)).start();
      }
    } catch (IllegalArgumentException | UncheckedIOException refusal) {
      for (String line = input.readLine(); line != null; line = input.readLine()) {
        JsonObject order = JsonParser.parseString(line).getAsJsonObject();
        Lines.write(Lines.of("id", order.get("id"), "error", Lines.error(refusal)));
      }
    }
  }

  private static AgenticClient connect(String[] words, SentRequestIds sent) {
    Map<String, String> given = new HashMap<>();
    for (int i = 0; i < words.length; i += 2) {
      given.put(words[i], words[i + 1]);
    }
    var builder = AgenticClient.builder().intercept(sent);
    builder.address(given.get("--address")).token(given.get("--token"));
    if (given.containsKey("--ca")) {
      builder.ca(Path.of(given.get("--ca")));
    }
    if (given.containsKey("--cert") || given.containsKey("--key")) {
      builder.certificate(path(given.get("--cert")), path(given.get("--key")));
    }
    if (given.containsKey("--timeout")) {
      double seconds = Double.parseDouble(given.get("--timeout"));
      builder.timeout(Duration.ofNanos((long) (seconds * 1e9)));
    }
    return builder.connect();
  }

  private static Path path(String text) {
    return text == null ? null : Path.of(text);
  }

  private static Thread begin(Runnable work) {
    var thread = new Thread(work);
    thread.setDaemon(true);
    return thread;
  }

  private void obey(JsonObject order) {
    try {
      if (order.get("do").getAsString().startsWith("follow")) {
        follow(order);
        return; // it has answered
      }
      Lines.write(Lines.of("id", order.get("id"), "ok", done(order)));
    } catch (AgenticException | IllegalArgumentException error) {
      Lines.write(Lines.of("id", order.get("id"), "error", Lines.error(error)));
    }
  }

  private Map<String, Object> done(JsonObject order) {
    return switch (order.get("do").getAsString()) {
      case "place" -> {
        PlaceCallResponse answer = client.placeCall(wanted(order));
        yield Lines.placed(answer, sent.last());
      }
      case "hang_up" ->
          Lines.state(client.hangUp(text(order, "call_id"), text(order, "reason")).getCall());
      case "get" -> Lines.shown(client.getCall(text(order, "call_id")));
      case "list" -> Lines.listed(pages(order));
      case "transcript" -> Lines.said(client.transcript(text(order, "call_id")));
      case "status" -> Lines.status(client.status());
      case "leave" -> leave(text(order, "name"));
      default -> throw new IllegalArgumentException("no order is called " + order.get("do"));
    };
  }

  private static PlaceCallRequest wanted(JsonObject order) {
    var request =
        PlaceCallRequest.newBuilder()
            .setToAddress(text(order, "to"))
            .setAgent(text(order, "agent"))
            .setRequestId(text(order, "request_id"));
    if (order.has("greeting")) {
      request.getOverridesBuilder().setGreeting(text(order, "greeting"));
    }
    if (order.has("metadata")) {
      order
          .getAsJsonObject("metadata")
          .entrySet()
          .forEach(entry -> request.putMetadata(entry.getKey(), entry.getValue().getAsString()));
    }
    return request.build();
  }

  private List<ListCallsResponse> pages(JsonObject order) {
    int size = order.has("page_size") ? order.get("page_size").getAsInt() : 0;
    var request = ListCallsRequest.newBuilder().setPageSize(size);
    List<ListCallsResponse> pages = new ArrayList<>();
    do {
      pages.add(client.listCalls(request.build()));
      request.setPageToken(pages.get(pages.size() - 1).getNextPageToken());
    } while (!request.getPageToken().isEmpty());
    return pages;
  }

  private Map<String, Object> leave(String name) {
    Following following = streams.get(name);
    following.stream().close();
    try {
      following.thread().join();
    } catch (InterruptedException nobodyDoes) {
      throw new AssertionError(nobodyDoes);
    }
    return Map.of();
  }

  private void follow(JsonObject order) {
    String name = text(order, "name");
    StreamOptions options =
        order.get("do").getAsString().equals("follow")
            ? options(order)
            : StreamOptions.call(placed(order));
    EventStream stream =
        client.events(
            options
                .onResume(at -> Lines.write(Lines.of("follow", name, "resumed", at.toString())))
                .onBookmark(at -> Lines.write(Lines.of("follow", name, "cursor", at.toString()))));
    int most = order.has("most") ? order.get("most").getAsInt() : 0;
    Thread thread = begin(() -> read(name, stream, most));
    streams.put(name, new Following(stream, thread));
    Lines.write(Lines.of("id", order.get("id"), "ok", Map.of())); // before the stream's first line
    thread.start();
  }

  private static StreamOptions options(JsonObject order) {
    StreamOptions options = StreamOptions.fromNow();
    if (order.has("cursor")) {
      options = StreamOptions.after(Cursor.parse(text(order, "cursor")));
    } else if (order.has("after")) {
      options = StreamOptions.after(order.get("after").getAsLong());
    }
    if (order.has("live") && order.get("live").getAsBoolean()) {
      String name = text(order, "name");
      options =
          options.onLive(
              words -> Lines.write(Lines.of("follow", name, "live", Lines.words(words))));
    }
    return options.callIds(texts(order, "call_ids")).types(texts(order, "types"));
  }

  private static PlaceCallResponse placed(JsonObject order) {
    return PlaceCallResponse.newBuilder()
        .setCall(Call.newBuilder().setCallId(text(order, "call_id")))
        .setRevision(order.get("revision").getAsLong())
        .setEpoch(text(order, "epoch"))
        .build();
  }

  private static void read(String name, EventStream stream, int most) {
    int[] events = new int[1];
    try {
      stream.forEach(
          event -> {
            Lines.write(Lines.of("follow", name, "event", Lines.event(event)));
            if (++events[0] == most) {
              stream.close();
            }
          });
      end(name, null, stream);
    } catch (AgenticException error) {
      end(name, Lines.error(error), stream);
    }
  }

  private static void end(String name, Map<String, Object> error, EventStream stream) {
    String cursor = Lines.cursor(stream.cursor());
    Lines.write(Lines.of("follow", name, "end", error, "cursor", cursor));
  }

  private static String text(JsonObject order, String name) {
    return order.has(name) ? order.get(name).getAsString() : "";
  }

  private static List<String> texts(JsonObject order, String name) {
    List<String> found = new ArrayList<>();
    if (order.has(name)) {
      for (JsonElement one : order.getAsJsonArray(name)) {
        found.add(one.getAsString());
      }
    }
    return found;
  }
}
