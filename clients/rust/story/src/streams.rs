//! Streams that are read side by side, each by a task of its own.

use agentic::v1::event::Payload;
use agentic::{Cursor, EventStream, Item};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::words;

pub(crate) struct Following {
    leave: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Following {
    /// `most`: the stream is left behind so many events.
    pub(crate) fn begin(name: String, stream: EventStream, most: Option<u64>) -> Self {
        let (leave, left) = oneshot::channel();
        Self { leave, task: tokio::spawn(read(name, stream, most, left)) }
    }

    /// Returns when the stream has been left, and its end was told.
    pub(crate) async fn leave(self) {
        let _ended_by_itself = self.leave.send(());
        self.task.await.expect("a stream is read to its end");
    }
}

async fn read(name: String, mut stream: EventStream, most: Option<u64>, mut left: oneshot::Receiver<()>) {
    let mut events = 0;
    let end = loop {
        if most == Some(events) {
            stream.leave();
        }
        let item = tokio::select! {
            biased;
            Ok(()) = &mut left => { stream.leave(); break Value::Null }
            item = stream.next() => item,
        };
        match item {
            Ok(Some(item)) => {
                events += u64::from(matches!(item, Item::Event(_)));
                tell(&name, item).await;
            }
            Ok(None) => break Value::Null,
            Err(error) => break words::error(&error),
        }
    };
    let cursor = stream.cursor().map(Cursor::to_string).unwrap_or_default();
    words::say(json!({"follow": name, "end": end, "cursor": cursor})).await;
}

async fn tell(name: &str, item: Item) {
    let line = match item {
        Item::Event(event) => {
            let text = match &event.payload {
                Some(Payload::TranscriptFinal(said)) => said.text.as_str(),
                _ => "",
            };
            json!({"follow": name, "event": {
                "revision": event.revision,
                "call_id": event.call_id,
                "call_sequence": event.call_sequence,
                "kind": event.kind(),
                "text": text,
            }})
        }
        Item::Live(live) => json!({"follow": name, "live": {
            "call_id": live.call_id,
            "speaker": words::speaker(live.speaker()),
            "offset": live.offset,
            "text": live.text,
        }}),
        Item::Bookmark(cursor) => json!({"follow": name, "cursor": cursor.to_string()}),
        Item::Resumed(cursor) => json!({"follow": name, "resumed": cursor.to_string()}),
        _ => return,
    };
    words::say(line).await;
}
