import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import io.agenticd.agentic.AgenticException;
import io.agenticd.agentic.Cursor;
import io.agenticd.agentic.v1.Call;
import io.agenticd.agentic.v1.Event;
import io.agenticd.agentic.v1.GetCallResponse;
import io.agenticd.agentic.v1.GetStatusResponse;
import io.agenticd.agentic.v1.GetTranscriptResponse;
import io.agenticd.agentic.v1.ListCallsResponse;
import io.agenticd.agentic.v1.LiveWords;
import io.agenticd.agentic.v1.PlaceCallResponse;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** What the teller writes: a line of JSON each, as tests/clients/README.md has them. */
final class Lines {
  private static final Gson JSON =
      new GsonBuilder().serializeNulls().disableHtmlEscaping().create();
  private static final PrintStream OUT =
      new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);

  private Lines() {}

  /** One line, whole, at once. */
  static synchronized void write(Map<String, ?> line) {
    OUT.print(JSON.toJson(line) + "\n");
    OUT.flush();
  }

  /** Names and values, alternately. */
  static Map<String, Object> of(Object... pairs) {
    Map<String, Object> made = new LinkedHashMap<>();
    for (int i = 0; i < pairs.length; i += 2) {
      made.put((String) pairs[i], pairs[i + 1]);
    }
    return made;
  }

  static Map<String, Object> placed(PlaceCallResponse answer, String requestId) {
    Map<String, Object> line = state(answer.getCall());
    line.putAll(
        of(
            "revision", answer.getRevision(),
            "epoch", answer.getEpoch(),
            "replayed", answer.getReplayed(),
            "request_id", requestId));
    return line;
  }

  static Map<String, Object> state(Call call) {
    return of("call_id", call.getCallId(), "state", name(call.getState(), "CALL_STATE_"));
  }

  static Map<String, Object> shown(GetCallResponse answer) {
    Map<String, Object> line = state(answer.getCall());
    line.putAll(
        of(
            "end_reason", name(answer.getCall().getEnd().getReason(), "END_REASON_"),
            "ended_by", name(answer.getCall().getEnd().getEndedBy(), "ENDED_BY_"),
            "revision", answer.getRevision(),
            "epoch", answer.getEpoch()));
    return line;
  }

  static Map<String, Object> listed(List<ListCallsResponse> pages) {
    List<String> ids = new ArrayList<>();
    pages.forEach(page -> page.getCallsList().forEach(call -> ids.add(call.getCallId())));
    ListCallsResponse first = pages.get(0);
    return of("calls", ids, "revision", first.getRevision(), "epoch", first.getEpoch());
  }

  static Map<String, Object> said(GetTranscriptResponse answer) {
    return of(
        "utterances",
        answer.getUtterancesList().stream()
            .map(one -> of("speaker", name(one.getSpeaker(), "SPEAKER_"), "text", one.getText()))
            .toList());
  }

  static Map<String, Object> status(GetStatusResponse answer) {
    return of(
        "version", answer.getVersion(),
        "epoch", answer.getEpoch(),
        "head_revision", answer.getHeadRevision());
  }

  static Map<String, Object> event(Event event) {
    boolean known = event.getPayloadCase() != Event.PayloadCase.PAYLOAD_NOT_SET;
    return of(
        "revision", event.getRevision(),
        "call_id", event.getCallId(),
        "call_sequence", event.getCallSequence(),
        "kind", known ? event.getPayloadCase().name().toLowerCase(Locale.ROOT) : "",
        "text", event.getTranscriptFinal().getText());
  }

  static Map<String, Object> words(LiveWords words) {
    return of(
        "call_id", words.getCallId(),
        "speaker", name(words.getSpeaker(), "SPEAKER_"),
        "offset", words.getOffset(),
        "text", words.getText());
  }

  static String cursor(Optional<Cursor> cursor) {
    return cursor.map(Cursor::toString).orElse("");
  }

  static Map<String, Object> error(RuntimeException failure) {
    String type = failure.getClass().getSimpleName();
    if (!(failure instanceof AgenticException error)) {
      return error(type, "INVALID_ARGUMENT", failure.getMessage());
    }
    Map<String, Object> line = error(type, error.code().name(), error.getMessage());
    line.putAll(
        of(
            "reason", error.reason(),
            "metadata", error.metadata(),
            "violations", error.violations(),
            "retry_after", error.retryAfter().orElse(Duration.ZERO).toMillis() / 1e3,
            "request_id", error.requestId()));
    return line;
  }

  private static Map<String, Object> error(String type, String code, String message) {
    return of(
        "type",
        type,
        "code",
        code,
        "reason",
        "",
        "message",
        message,
        "metadata",
        Map.of(),
        "violations",
        List.of(),
        "retry_after",
        0.0,
        "request_id",
        "");
  }

  private static String name(Enum<?> value, String prefix) {
    return value.name().replace(prefix, "").replace("UNSPECIFIED", "");
  }
}
