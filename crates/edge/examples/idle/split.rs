//! What a relay costs before and after the queue: two sessions in this process, no sockets.

use std::sync::Arc;

use meshedflow_hub::{
    Admission, Limits, Proposed, RelayKind, RoomKey, Salter, Session, SessionInput, SessionOutput,
};
use meshedflow_protocol::ids::{Name, PeerId};
use meshedflow_protocol::signal::{ClientMessage, Parsed, parse_client};
use meshedflow_protocol::topology::Topology;

use crate::load::offer_text;
use crate::process::own_cpu;

const ROUNDS: u32 = 20_000;

pub(crate) fn print() {
    let limits = Limits { messages_per_s: u32::MAX, messages_burst: u32::MAX, ..Limits::default() };
    let limits = Arc::new(limits);
    let ids = [1, 2].map(|slot| PeerId::compose(1, 0, slot, 0, [0; 6]));
    let [mut from, mut to] = ids.map(|id| joined(&limits, id));
    let [_, recipient] = ids;
    let proposal =
        Proposed { peer: recipient, lanes: Vec::new(), initiate: true, until: None, together: false };
    from.handle_input(0, SessionInput::Proposed(vec![proposal]));
    while from.poll_output().is_some() {}
    let texts: Vec<String> = (0..ROUNDS).map(|dial| offer_text(recipient, dial)).collect();

    let started = own_cpu();
    let relays: Vec<_> = texts.iter().filter_map(|text| relayed(&mut from, text)).collect();
    let sending = (own_cpu() - started) / ROUNDS;
    assert!(relays.iter().all(|relay| matches!(relay.kind, RelayKind::Offer(_))) && !relays.is_empty());
    let started = own_cpu();
    for relay in relays {
        to.handle_input(0, SessionInput::Relayed(relay));
        while to.poll_output().is_some() {}
    }
    let receiving = (own_cpu() - started) / ROUNDS;
    let started = own_cpu();
    texts.iter().for_each(|text| assert!(is_signal(text)));
    let parsing = (own_cpu() - started) / ROUNDS;
    println!(
        "split: parse, guard and splice an offer {sending:.1?} (of which parse {parsing:.1?}), receive {receiving:.1?}"
    );
}

fn is_signal(text: &str) -> bool {
    matches!(parse_client(text), Ok(Parsed::Known(ClientMessage::Signal(_))))
}

fn relayed(session: &mut Session, text: &str) -> Option<meshedflow_hub::Relay> {
    session.handle_input(0, SessionInput::Text(text));
    let mut relay = None;
    while let Some(output) = session.poll_output() {
        if let SessionOutput::Deliver { relay: found, .. } = output {
            relay = Some(found);
        }
    }
    relay
}

/// A session that joined.
fn joined(limits: &Arc<Limits>, peer: PeerId) -> Session {
    let mut session = Session::new(limits.clone(), [127, 0, 0, 1].into(), 0);
    session.handle_input(0, SessionInput::Text("{\"join\":{\"wire\":[1,1],\"stream\":\"bench\"}}"));
    let Some(SessionOutput::Admit(join)) = session.poll_output() else { return session };
    let Ok(stream) = Name::new("bench") else { return session };
    let admission = Admission {
        join,
        peer,
        resumed: false,
        resume_refused: false,
        subject: None,
        room: RoomKey { stream, bucket: 0 },
        until: None,
        resume: String::new(),
        ice_servers: Vec::new(),
        weights: Default::default(),
        salter: Salter::new([0; 32]),
        salt_delay_ms: 0,
        topology: Topology::default(),
        policy_version: None,
    };
    session.handle_input(0, SessionInput::Admitted(Box::new(admission)));
    while session.poll_output().is_some() {}
    session
}
