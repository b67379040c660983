//! Small things that the contract's messages can do.

use crate::random::uuid;
use crate::v1::event::Payload;
use crate::v1::{Event, PlaceCallRequest};

impl Event {
    /// The name of what happened, as in the `types` of a stream: that of the payload's field. Empty for a payload that
    /// this version does not know.
    pub fn kind(&self) -> &'static str {
        match &self.payload {
            None => "",
            Some(Payload::CallQueued(_)) => "call_queued",
            Some(Payload::CallDialing(_)) => "call_dialing",
            Some(Payload::CallRinging(_)) => "call_ringing",
            Some(Payload::CallAnswered(_)) => "call_answered",
            Some(Payload::CallEnding(_)) => "call_ending",
            Some(Payload::CallEnded(_)) => "call_ended",
            Some(Payload::CallClosed(_)) => "call_closed",
            Some(Payload::MediaConnected(_)) => "media_connected",
            Some(Payload::MediaLost(_)) => "media_lost",
            Some(Payload::ModelConnected(_)) => "model_connected",
            Some(Payload::ModelLost(_)) => "model_lost",
            Some(Payload::SpeechStarted(_)) => "speech_started",
            Some(Payload::SpeechStopped(_)) => "speech_stopped",
            Some(Payload::TranscriptFinal(_)) => "transcript_final",
            Some(Payload::AgentInterrupted(_)) => "agent_interrupted",
            Some(Payload::DigitReceived(_)) => "digit_received",
            Some(Payload::TurnMeasured(_)) => "turn_measured",
            Some(Payload::UsageReported(_)) => "usage_reported",
            Some(Payload::Warning(_)) => "warning",
        }
    }
}

impl From<&str> for PlaceCallRequest {
    /// The order to call this address, with a request_id of its own: it may be stored before it is sent, and sent again.
    fn from(to_address: &str) -> Self {
        Self { to_address: to_address.to_owned(), request_id: uuid(), ..Self::default() }
    }
}

impl From<String> for PlaceCallRequest {
    /// As from a `&str`.
    fn from(to_address: String) -> Self {
        Self::from(to_address.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of Event.payload, as the contract has them.
    fn kinds() -> Vec<String> {
        let contract = include_str!("gen/agentic/v1/agentic.v1.rs");
        let (_, payload) = contract.split_once("pub enum Payload {").expect("the payload's enum");
        let (payload, _) = payload.split_once("\n    }").expect("its end");
        let variants = payload.lines().filter_map(|line| line.trim().split_once('('));
        let names = variants.map(|(name, _)| name).filter(|name| name.chars().all(char::is_alphanumeric));
        names.map(snake).collect()
    }

    fn snake(name: &str) -> String {
        let mut text = String::new();
        for letter in name.chars() {
            if letter.is_uppercase() && !text.is_empty() {
                text.push('_');
            }
            text.extend(letter.to_lowercase());
        }
        text
    }

    #[test]
    fn every_kind_of_the_contract_has_its_fields_name() {
        let source = include_str!("event.rs");
        let kinds = kinds();
        assert_eq!(kinds.len(), 19, "{kinds:?}");
        for kind in kinds {
            assert!(source.contains(&format!("=> \"{kind}\"")), "{kind}");
        }
        assert_eq!(Event::default().kind(), "", "a newer daemon's");
        let warned = Event { payload: Some(Payload::Warning(Default::default())), ..Event::default() };
        assert_eq!(warned.kind(), "warning");
    }

    #[test]
    fn an_order_has_an_id_before_it_is_sent() {
        let (one, two) = (PlaceCallRequest::from("+15550002222"), PlaceCallRequest::from("+15550002222".to_owned()));
        assert_eq!(one.to_address, two.to_address);
        assert_ne!(one.request_id, two.request_id);
    }
}
