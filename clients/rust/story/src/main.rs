//! The teller of the Rust client: what the story says (tests/clients), done through the client and nothing else.

mod orders;
mod streams;
mod words;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agentic::{Client, Error};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::task::JoinSet;

use crate::orders::Teller;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let client = connect(std::env::args().skip(1)).map_err(|error| words::error(&error));
    let client = client.map(|client| Arc::new(Teller::new(client)));
    let mut lines = BufReader::new(stdin()).lines();
    let mut orders = JoinSet::new();
    while let Some(line) = lines.next_line().await? {
        let order: Value = serde_json::from_str(&line)?;
        let client = client.clone();
        orders.spawn(async move {
            let outcome = match &client {
                Ok(teller) => teller.obey(&order).await.map_err(|error| words::error(&error)),
                Err(refused) => Err(refused.clone()),
            };
            let (key, value) = outcome.map_or_else(|error| ("error", error), |ok| ("ok", ok));
            words::say(json!({"id": order["id"], key: value})).await;
        });
    }
    Ok(())
}

fn connect(mut arguments: impl Iterator<Item = String>) -> Result<Client, Error> {
    let mut client = Client::builder();
    let (mut certificate, mut key) = (None, None);
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_else(|| panic!("{name} needs a value"));
        match name.as_str() {
            "--address" => client = client.address(value),
            "--token" => client = client.token(value),
            "--ca" => client = client.ca(value),
            "--cert" => certificate = Some(PathBuf::from(value)),
            "--key" => key = Some(PathBuf::from(value)),
            "--timeout" => client = client.timeout(Duration::from_secs_f64(value.parse().expect("seconds"))),
            _ => panic!("{name} is not known"),
        }
    }
    if let Some((certificate, key)) = certificate.zip(key) {
        client = client.identity(certificate, key);
    }
    client.connect()
}
