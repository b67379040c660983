// Calls a number, shows what is said while it is said, and hangs up when a word is said:
//
//     node dist/examples/transcript.js +15550002222 goodbye
import { AgenticError, connect, Speaker, type LiveWords, type TranscriptFinal } from "agenticd-client";

/** The conversation, line by line. A line grows while its words are spoken. */
class Screen {
  #line = ""; // the utterance that is being written, by its id
  readonly #written = new Map<string, string>();

  note(text: string): void {
    this.#begin("", `         ${text}\n`);
  }

  words({ itemId, speaker, offset, text }: LiveWords): void {
    const before = this.#written.get(itemId) ?? "";
    // Begun anew, or something was left out: the whole comes with transcriptFinal.
    if (offset !== Array.from(before).length) return;
    if (this.#line !== itemId) this.#begin(itemId, name(speaker) + (before === "" ? "" : "…"));
    process.stdout.write(text);
    this.#written.set(itemId, before + text);
  }

  utterance({ itemId, speaker, text, heardText, interrupted }: TranscriptFinal): void {
    const whole = this.#written.get(itemId) === text;
    if (!whole) this.#begin(itemId, name(speaker) + text);
    if (interrupted) this.#begin(itemId, `         (heard of it: ${heardText || "nothing"})`);
    if (this.#line === itemId) this.#begin("", "");
  }

  #begin(line: string, text: string): void {
    process.stdout.write((this.#line === "" ? "" : "\n") + text);
    this.#line = line;
  }
}

function name(speaker: Speaker): string {
  return speaker === Speaker.AGENT ? "  agent  " : " caller  ";
}

function contains(said: string, word: string): boolean {
  return said.toLowerCase().includes(word.toLowerCase());
}

async function main(number: string, word: string): Promise<void> {
  const screen = new Screen();
  const client = connect();
  try {
    const placed = await client.placeCall(number);
    const { callId } = placed.call;
    screen.note(`calling ${number}: ${callId}`);
    process.once("SIGINT", () => void client.hangUp(callId, "interrupted"));
    const stream = client.follow(placed, {
      onLive: (words) => screen.words(words),
      onResume: () => screen.note("the daemon is back"),
    });
    for await (const { payload } of stream) {
      switch (payload?.$case) {
        case "callRinging":
          screen.note("it rings");
          break;
        case "callAnswered":
          screen.note("answered");
          break;
        case "transcriptFinal":
          screen.utterance(payload.value);
          if (contains(payload.value.heardText, word)) await client.hangUp(callId, `"${word}" was said`);
          break;
        case "callEnded":
          screen.note(`ended: ${payload.value.end?.reason ?? ""}`);
      }
    }
  } finally {
    client.close();
  }
}

const [number, word = "goodbye"] = process.argv.slice(2);
if (number === undefined) {
  console.error("usage: transcript NUMBER [WORD]");
  process.exitCode = 2;
} else {
  try {
    await main(number, word);
  } catch (error) {
    if (!(error instanceof AgenticError)) throw error;
    console.error(`${error.name}: ${error.message}`);
    process.exitCode = 1;
  }
}
