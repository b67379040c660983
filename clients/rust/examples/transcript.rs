//! Place a call, show what is said while it is said, and hang up when a word falls:
//!
//! cargo run --example transcript -- +15550002222 goodbye

use std::io::{IsTerminal, Write};

use agentic::v1::event::Payload;
use agentic::v1::{CallEnd, LiveWords, Speaker, TranscriptFinal};
use agentic::{Client, Follow, Item};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let number = arguments.next().ok_or("say whom to call: transcript +15550002222 [word]")?;
    let word = arguments.next().unwrap_or_else(|| "goodbye".to_owned());

    let client = Client::connect()?;
    let placed = client.place_call(number).await?;
    let call_id = placed.call.as_ref().map_or("", |call| &call.call_id);

    let mut screen = Screen::default();
    screen.note(&format!("call {call_id}; it ends when somebody says {word:?}"));
    let mut stream = client.events(Follow::placed(&placed).live());
    while let Some(item) = stream.next().await? {
        match item {
            Item::Live(words) => screen.live(&words),
            Item::Event(event) => match event.payload {
                Some(Payload::CallRinging(_)) => screen.note("the phone rings"),
                Some(Payload::CallAnswered(_)) => screen.note("answered"),
                Some(Payload::TranscriptFinal(said)) => {
                    screen.whole(&said);
                    if says(&said.heard_text, &word) {
                        client.hang_up(call_id, "the word was said").await?;
                    }
                }
                Some(Payload::CallEnded(ended)) => screen.note(&describe(&ended.end.unwrap_or_default())),
                _ => {}
            },
            Item::Resumed(_) => screen.note("the connection was lost, and is back; nothing was missed"),
            _ => {}
        }
    }
    Ok(())
}

/// Whether the word is among the text's, whatever stands around it.
fn says(text: &str, word: &str) -> bool {
    text.split(|letter: char| !letter.is_alphanumeric()).any(|one| one.to_lowercase() == word.to_lowercase())
}

fn describe(end: &CallEnd) -> String {
    let reason = end.reason().as_str_name().trim_start_matches("END_REASON_").to_owned();
    let by = end.ended_by().as_str_name().trim_start_matches("ENDED_BY_").to_owned();
    format!("the call has ended: {reason}, by {by}. {}", end.message).trim_end().to_owned()
}

/// The conversation, and below it what is being said just now. That part is drawn again as it grows, for the words of a
/// caller are often known only when the agent has begun to answer, and belong above.
#[derive(Default)]
struct Screen {
    /// The utterances that grow: the id of each, who speaks, and the words so far.
    live: Vec<(String, Speaker, String)>,
    /// How many rows of the terminal they have.
    rows: usize,
}

impl Screen {
    fn live(&mut self, words: &LiveWords) {
        let offset = usize::try_from(words.offset).unwrap_or(0);
        let known = self.live.iter_mut().find(|(item_id, ..)| *item_id == words.item_id);
        match known {
            Some((.., text)) if offset == text.chars().count() => *text += &words.text,
            // It was begun anew, or some words were dropped: then the whole comes with transcript_final.
            Some((.., text)) => *text = format!("{:offset$}{}", "", words.text),
            None => self.live.push((words.item_id.clone(), words.speaker(), words.text.clone())),
        }
        self.draw(None);
    }

    fn whole(&mut self, said: &TranscriptFinal) {
        self.live.retain(|(item_id, ..)| *item_id != said.item_id);
        let cut = if said.interrupted { " [cut]" } else { "" };
        self.draw(Some(row(said.speaker(), &format!("{}{cut}", said.heard_text))));
    }

    fn note(&mut self, text: &str) {
        self.draw(Some(format!("          ({text})")));
    }

    /// Put a line above what grows.
    fn draw(&mut self, line: Option<String>) {
        let mut out = std::io::stdout().lock();
        let mut text = String::new();
        if self.rows > 0 {
            text += &format!("\x1b[{}A\r\x1b[J", self.rows); // up to its first row, and erase
        }
        text.extend(line.map(|line| line + "\n"));
        self.rows = 0;
        for (_, speaker, words) in self.live.iter().filter(|_| out.is_terminal()) {
            let growing = row(*speaker, words);
            self.rows += growing.lines().count();
            text = text + &growing + "\n";
        }
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).expect("somebody watches");
    }
}

/// Who says what, in rows of at most 78 characters.
fn row(speaker: Speaker, text: &str) -> String {
    let mut rows = format!("{:>8} ", if speaker == Speaker::Caller { "caller" } else { "agent" });
    let mut width = 9;
    for word in text.split_whitespace() {
        if width + 1 + word.chars().count() > 78 {
            rows += "\n         ";
            width = 9;
        }
        rows = rows + " " + word;
        width += 1 + word.chars().count();
    }
    rows
}
