//! What each order does, and what is answered.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use agentic::v1::{AgentOverrides, Call, ListCallsRequest, PlaceCallRequest, PlaceCallResponse};
use agentic::{Client, Cursor, Error, Follow};
use serde_json::{Value, json};

use crate::streams::Following;
use crate::words;

pub(crate) struct Teller {
    client: Client,
    streams: Mutex<HashMap<String, Following>>,
}

impl Teller {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, streams: Mutex::default() }
    }

    pub(crate) async fn obey(&self, order: &Value) -> Result<Value, Error> {
        let call_id = text(order, "call_id");
        Ok(match text(order, "do") {
            "place" => return self.place(order).await,
            "hang_up" => {
                let call = self.client.hang_up(call_id, text(order, "reason")).await?.call.unwrap_or_default();
                json!({"call_id": call.call_id, "state": words::state(call.state())})
            }
            "get" => {
                let answer = self.client.get_call(call_id).await?;
                shown(&answer.call.unwrap_or_default(), answer.revision, &answer.epoch)
            }
            "list" => return self.list(order).await,
            "transcript" => {
                let said = self.client.transcript(call_id).await?.utterances;
                let said = said.iter().map(|one| json!({"speaker": words::speaker(one.speaker()), "text": one.text}));
                json!({"utterances": said.collect::<Vec<_>>()})
            }
            "status" => {
                let status = self.client.status().await?;
                json!({"version": status.version, "epoch": status.epoch, "head_revision": status.head_revision})
            }
            "follow" => self.follow(order, wanted(order)?),
            "follow_call" => self.follow(order, Follow::placed(&placed(order))),
            "leave" => {
                let stream = self.streams.lock().unwrap().remove(text(order, "name"));
                if let Some(stream) = stream {
                    stream.leave().await;
                }
                json!({})
            }
            other => panic!("{other} is not in the story"),
        })
    }

    async fn place(&self, order: &Value) -> Result<Value, Error> {
        let overrides = order["greeting"]
            .as_str()
            .map(|greeting| AgentOverrides { greeting: Some(greeting.to_owned()), ..AgentOverrides::default() });
        let mut request = PlaceCallRequest {
            agent: text(order, "agent").to_owned(),
            overrides,
            metadata: pairs(&order["metadata"]),
            ..PlaceCallRequest::from(text(order, "to"))
        };
        if let Some(request_id) = order["request_id"].as_str() {
            request.request_id = request_id.to_owned();
        }
        let request_id = request.request_id.clone();
        let placed = self.client.place_call(request).await?;
        let call = placed.call.unwrap_or_default();
        Ok(json!({
            "call_id": call.call_id,
            "state": words::state(call.state()),
            "revision": placed.revision,
            "epoch": placed.epoch,
            "replayed": placed.replayed,
            "request_id": request_id,
        }))
    }

    async fn list(&self, order: &Value) -> Result<Value, Error> {
        let page_size = i32::try_from(order["page_size"].as_i64().unwrap_or(0)).expect("a page's size");
        let mut calls = self.client.all_calls(ListCallsRequest { page_size, ..ListCallsRequest::default() });
        let mut ids = Vec::new();
        while let Some(call) = calls.next().await? {
            ids.push(call.call_id);
        }
        let first = calls.cursor().expect("a page was read");
        Ok(json!({"calls": ids, "revision": first.revision, "epoch": first.epoch}))
    }

    fn follow(&self, order: &Value, wanted: Follow) -> Value {
        let name = text(order, "name").to_owned();
        let following = Following::begin(name.clone(), self.client.events(wanted), order["most"].as_u64());
        self.streams.lock().unwrap().insert(name, following);
        json!({})
    }
}

fn wanted(order: &Value) -> Result<Follow, Error> {
    let mut wanted = Follow::calls(texts(&order["call_ids"])).types(texts(&order["types"]));
    if let Some(cursor) = order["cursor"].as_str() {
        wanted = wanted.after(cursor.parse::<Cursor>()?);
    } else if let Some(revision) = order["after"].as_i64() {
        wanted = wanted.after_revision(revision);
    }
    Ok(if order["live"].as_bool().unwrap_or(false) { wanted.live() } else { wanted })
}

/// The answer that the order repeats.
fn placed(order: &Value) -> PlaceCallResponse {
    PlaceCallResponse {
        call: Some(Call { call_id: text(order, "call_id").to_owned(), ..Call::default() }),
        revision: order["revision"].as_i64().expect("a revision"),
        epoch: text(order, "epoch").to_owned(),
        replayed: false,
    }
}

fn shown(call: &Call, revision: i64, epoch: &str) -> Value {
    let end = call.end.clone().unwrap_or_default();
    json!({
        "call_id": call.call_id,
        "state": words::state(call.state()),
        "end_reason": words::end_reason(end.reason()),
        "ended_by": words::ended_by(end.ended_by()),
        "revision": revision,
        "epoch": epoch,
    })
}

fn text<'a>(order: &'a Value, key: &str) -> &'a str {
    order[key].as_str().unwrap_or_default()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn pairs(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}
