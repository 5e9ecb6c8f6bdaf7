//! The golden messages of `tests/vectors/signal`: read as they say, and written as they say.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use meshedflow_protocol::signal::{
    ClientMessage, Parsed, RawSignal, ServerMessage, SignalError, SignalKind, parse_client,
    parse_client_typed, parse_server,
};
use serde::Serialize;
use serde_json::Value;

const CLIENT: &str = include_str!("../../../tests/vectors/signal/client.json");
const SERVER: &str = include_str!("../../../tests/vectors/signal/server.json");

fn vectors(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

fn text(vector: &Value) -> &str {
    vector["text"].as_str().unwrap()
}

fn judge<M: Serialize>(vector: &Value, read: Result<Parsed<M>, SignalError>) {
    let name = &vector["name"];
    match read {
        Ok(Parsed::Known(message)) => {
            assert_eq!(serde_json::to_value(&message).unwrap(), vector["message"], "{name}");
        }
        Ok(Parsed::Unknown(key)) => assert_eq!(vector["unknown"], *key, "{name}"),
        Err(error) => assert_eq!(vector["error"], true, "{name}: {error}"),
    }
}

#[test]
fn messages_from_pages() {
    let vectors = vectors(CLIENT);
    assert!(vectors.len() >= 35);
    vectors.iter().for_each(|vector| judge(vector, parse_client_typed(text(vector))));
}

/// What a page's core writes by hand is what serde writes.
#[test]
fn pages_say_what_serde_would() {
    let mut said = 0;
    for vector in vectors(CLIENT) {
        let Ok(Parsed::Known(message)) = parse_client_typed(text(&vector)) else { continue };
        let text = match &message {
            ClientMessage::Join(join) => join.said(),
            ClientMessage::Lanes(lanes) => lanes.said(),
            ClientMessage::Need(need) => need.said(),
            ClientMessage::Signal(signal) if signal.data.kind() != SignalKind::Other => signal.said(),
            ClientMessage::Bad(bad) => bad.said(),
            ClientMessage::Leave(leave) => leave.said(),
            _ => continue,
        };
        assert_eq!(text, message.to_json(), "{}", vector["name"]);
        said += 1;
    }
    assert!(said >= 15, "{said}");
}

#[test]
fn messages_from_edges() {
    let vectors = vectors(SERVER);
    assert!(vectors.len() >= 20);
    vectors.iter().for_each(|vector| judge(vector, parse_server(text(vector))));
}

/// An edge judges the envelope at once and `data` only when asked; what it passes on is the text it got.
#[test]
fn an_edge_passes_data_on_as_it_came() {
    let mut passed = 0;
    for vector in vectors(CLIENT) {
        match parse_client(text(&vector)) {
            Ok(Parsed::Known(ClientMessage::Signal(signal))) => {
                relay(&vector, &signal);
                passed += 1;
            }
            Ok(Parsed::Known(message)) => {
                assert_eq!(serde_json::to_value(&message).unwrap(), vector["message"], "{}", vector["name"]);
            }
            Ok(Parsed::Unknown(key)) => assert_eq!(vector["unknown"], *key),
            Err(error) => {
                assert!(vector["error"] == true && vector["edge"].is_null(), "{}: {error}", vector["name"]);
            }
        }
    }
    assert!(passed >= 12, "{passed}");
}

fn relay(vector: &Value, signal: &RawSignal<'_>) {
    let refused = vector["error"] == true;
    assert_eq!(signal.typed().is_err(), refused, "{}", vector["name"]);
    let relayed = ServerMessage::Signal(*signal).to_json();
    assert_eq!(parse_server(&relayed).is_err(), refused, "{}", vector["name"]);
    if let Some(data) = signal.data {
        assert!(text(vector).contains(data.get()) && relayed.contains(data.get()), "{}", vector["name"]);
    }
}

#[test]
fn a_message_too_long_is_refused_unread() {
    let long = format!("{{\"leave\":{{}}}}{}", " ".repeat(16 * 1024));
    assert_eq!(parse_client(&long), Err(SignalError::TooLong(long.len(), 16 * 1024)));
}
