package io.agenticd.agentic;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A reader's place in the event log, to be stored and resumed from.
 *
 * @param epoch the log's
 * @param revision the last one that was read
 */
public record Cursor(String epoch, long revision) {
  private static final Pattern FORM = Pattern.compile("([^\\s:]+):(0|[1-9][0-9]{0,18})");

  /**
   * The cursor that the text is.
   *
   * @param text as {@link #toString} writes it; white space around it is ignored
   * @return the same cursor
   * @throws IllegalArgumentException for any other text
   */
  public static Cursor parse(String text) {
    Matcher parts = FORM.matcher(text.strip());
    try {
      if (parts.matches()) {
        return new Cursor(parts.group(1), Long.parseLong(parts.group(2)));
      }
    } catch (NumberFormatException tooLarge) {
      // Said below.
    }
    throw new IllegalArgumentException(
        "a cursor is epoch:revision, for example 5f0c2a19d3b84e67:1042; not " + text.strip());
  }

  /** As text: {@code epoch:revision}. */
  @Override
  public String toString() {
    return epoch + ":" + revision;
  }
}
