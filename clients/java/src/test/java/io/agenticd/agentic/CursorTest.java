package io.agenticd.agentic;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CursorTest {
  @Test
  void aCursorThatWasWrittenIsReadAgain() {
    var cursor = new Cursor("5f0c2a19d3b84e67", 1042);
    assertEquals("5f0c2a19d3b84e67:1042", cursor.toString());
    assertEquals(cursor, Cursor.parse(" 5f0c2a19d3b84e67:1042\n"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "1042", "e:", ":1", "e:01", "e:-1", "e:1:2", "e:9999999999999999999"})
  void whatIsNoneIsRefused(String text) {
    var refusal = assertThrows(IllegalArgumentException.class, () -> Cursor.parse(text));
    assertTrue(refusal.getMessage().contains("epoch:revision"));
  }
}
