import static io.agenticd.agentic.v1.Speaker.SPEAKER_CALLER;

import io.agenticd.agentic.AgenticClient;
import io.agenticd.agentic.AgenticException;
import io.agenticd.agentic.StreamOptions;
import io.agenticd.agentic.v1.Event;
import io.agenticd.agentic.v1.LiveWords;
import io.agenticd.agentic.v1.PlaceCallResponse;
import io.agenticd.agentic.v1.Speaker;
import io.agenticd.agentic.v1.TranscriptFinal;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/**
 * Places a call, shows what is said while it is said, and hangs up when a word falls.
 *
 * <pre>java -cp 'target/examples:target/classes:target/lib/*' Transcript +15550002222 goodbye</pre>
 */
public final class Transcript {
  /** Somebody's utterance, as far as it is known. */
  private static final class Utterance {
    final Speaker speaker;
    final StringBuilder text = new StringBuilder();
    int printed;
    boolean whole;

    Utterance(Speaker speaker) {
      this.speaker = speaker;
    }
  }

  private final AgenticClient client;
  private final String lastWord;
  // In the order of the conversation. The first one is on the screen; the others wait for its end.
  private final Map<String, Utterance> conversation = new LinkedHashMap<>();
  private boolean inLine;

  private Transcript(AgenticClient client, String lastWord) {
    this.client = client;
    this.lastWord = lastWord;
  }

  /**
   * Runs the example.
   *
   * @param words whom to call and, perhaps, the word at which to hang up
   */
  public static void main(String[] words) {
    if (words.length == 0) {
      System.err.println("whom to call? For example: Transcript +15550002222 goodbye");
      System.exit(2);
    }
    String lastWord = words.length > 1 ? words[1] : "goodbye";
    try (var client = AgenticClient.connect()) {
      new Transcript(client, lastWord.toLowerCase(Locale.ROOT)).show(client.placeCall(words[0]));
    } catch (AgenticException error) {
      System.err.println(error.getMessage());
      System.exit(1);
    }
  }

  private void show(PlaceCallResponse placed) {
    var options =
        StreamOptions.call(placed).onLive(this::spoken).onResume(at -> note("back again"));
    try (var events = client.events(options)) {
      for (Event event : events) {
        happened(event);
      }
    }
  }

  private void happened(Event event) {
    switch (event.getPayloadCase()) {
      case CALL_QUEUED -> note("calling " + event.getCallQueued().getToAddress());
      case CALL_RINGING -> note("it rings");
      case CALL_ANSWERED -> note("answered");
      // What the caller says is known only after the answer has begun: keep its place.
      case SPEECH_STARTED -> utterance(event.getSpeechStarted().getItemId(), SPEAKER_CALLER);
      case TRANSCRIPT_FINAL -> said(event.getCallId(), event.getTranscriptFinal());
      case CALL_ENDED -> note("ended: " + event.getCallEnded().getEnd().getReason());
      default -> {} // there are more kinds, and there will be others
    }
  }

  private Utterance utterance(String item, Speaker speaker) {
    return conversation.computeIfAbsent(item, none -> new Utterance(speaker));
  }

  /** A few words of an utterance. Some may be missing: they are for the screen. */
  private void spoken(LiveWords words) {
    Utterance utterance = utterance(words.getItemId(), words.getSpeaker());
    int known = utterance.text.codePointCount(0, utterance.text.length());
    if (words.getOffset() == known && !utterance.whole) {
      utterance.text.append(words.getText());
      print();
    }
  }

  /** The whole of it: this never misses anything. */
  private void said(String callId, TranscriptFinal last) {
    Utterance utterance = utterance(last.getItemId(), last.getSpeaker());
    utterance.text.replace(0, utterance.text.length(), last.getText());
    utterance.whole = true;
    // A cough takes a place, and never has words.
    while (conversation.values().iterator().next().text.isEmpty()) {
      conversation.remove(conversation.keySet().iterator().next());
    }
    print();
    if (last.getText().toLowerCase(Locale.ROOT).contains(lastWord)) {
      note("hanging up, for the word was " + lastWord);
      client.hangUp(callId, "somebody said " + lastWord);
    }
  }

  private void print() {
    for (var all = conversation.values().iterator(); all.hasNext(); all.remove()) {
      Utterance first = all.next();
      String rest = first.text.substring(Math.min(first.printed, first.text.length()));
      if (!rest.isEmpty() && !inLine) {
        System.out.print(first.speaker == SPEAKER_CALLER ? "  caller  " : "   agent  ");
        inLine = true;
      }
      System.out.print(rest);
      first.printed = first.text.length();
      if (!first.whole) {
        break;
      }
      endLine();
    }
    System.out.flush();
  }

  private void note(String text) {
    endLine();
    System.out.println("          (" + text + ")");
  }

  private void endLine() {
    System.out.print(inLine ? "\n" : "");
    inLine = false;
  }
}
