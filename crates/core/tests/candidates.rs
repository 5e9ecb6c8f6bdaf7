//! Whatever an edge says, a page's browser is aimed at no address within its own network, unless the page itself has
//! reason to believe that the neighbour is there.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a stage that fails is a test that fails"
)]

mod stage;

use meshedflow_core::{ConnNo, Input, Output, PeerCommand, PeerInput, SignalInput};
use stage::{Stage, id};

/// A viewer whom neighbour 1 has called.
fn called() -> (Stage, ConnNo) {
    let mut stage = Stage::new(0, 4, 20);
    stage.meet(&[1]);
    let conn = stage.conns[0];
    (stage, conn)
}

/// The candidate lines that the browser is given because the edge relays this one.
fn handed(stage: &mut Stage, address: &str, port: u16, typ: &str) -> usize {
    let data =
        format!(r#"{{"foundation":"1","priority":5,"address":"{address}","port":{port},"typ":"{typ}"}}"#);
    let peer = id(1).hex();
    let signal = format!(r#"{{"signal":{{"peer":"{peer}","dial":1,"kind":"candidate","data":{data}}}}}"#);
    candidates(&stage.tell(Input::Signal(SignalInput::Text(&signal))))
}

fn candidates(outputs: &[Output]) -> usize {
    outputs.iter().filter(|o| matches!(o, Output::Peer(_, PeerCommand::Candidate(_)))).count()
}

/// This page's own browser found an address.
fn found(stage: &mut Stage, conn: ConnNo, address: &str, typ: &str) -> usize {
    let line = format!("candidate:1 1 udp 5 {address} 40000 typ {typ} raddr 0.0.0.0 rport 0");
    candidates(&stage.tell(Input::Peer(conn, PeerInput::Candidate(&line))))
}

const INWARD: [&str; 8] = [
    "192.168.1.1",
    "10.0.0.138",
    "172.16.0.1",
    "172.31.255.254",
    "100.64.0.1",
    "198.18.0.1",
    "fd00::1",
    "fc00:1::1",
];
const NEVER: [&str; 22] = [
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",
    "169.254.169.254",
    "224.0.0.251",
    "255.255.255.255",
    "240.0.0.1",
    "::",
    "::1",
    "fe80::1",
    "fec0::1",
    "ff02::fb",
    "::ffff:192.168.1.1",
    "::ffff:7f00:1",
    "::192.168.1.1",
    "::ffff:0:10.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::192.168.1.1",
    "2002:c0a8:101::1",
    "2001:0:a00:1::1",
    "2001:db8::5efe:10.0.0.1",
    "192.88.99.1",
];

#[test]
fn an_edge_cannot_aim_a_browser_into_its_own_network() {
    for address in INWARD.into_iter().chain(NEVER) {
        for (port, typ) in [(40_000, "host"), (8_080, "srflx"), (3_478, "relay"), (40_000, "prflx")] {
            let (mut stage, conn) = called();
            // The page knows itself; nothing of it is near.
            found(&mut stage, conn, "192.168.99.7", "host");
            found(&mut stage, conn, "203.0.113.50", "srflx");
            assert_eq!(handed(&mut stage, address, port, typ), 0, "{address} {port} {typ}");
        }
    }
    for port in [0, 22, 53, 80, 443, 1023] {
        assert_eq!(handed(&mut called().0, "203.0.113.7", port, "host"), 0, "port {port}");
    }
    for text in
        ["localhost", "router.local", "10.1", "0x7f.0.0.1", "010.0.0.1", "fe80::1%eth0", "[::1]", "a.example"]
    {
        assert_eq!(handed(&mut called().0, text, 40_000, "host"), 0, "{text}");
    }
}

#[test]
fn what_is_never_right_is_not_even_right_in_the_own_network() {
    for address in NEVER {
        let (mut stage, conn) = called();
        let before = found(&mut stage, conn, address, "host") + found(&mut stage, conn, address, "srflx");
        assert_eq!(before + handed(&mut stage, address, 40_000, "host"), 0, "{address}");
    }
}

#[test]
fn public_addresses_and_names_of_multicast_dns_are_tried() {
    for address in ["203.0.113.7", "2001:db8::7", "2e1d58a8-0655-4604-8b1a-fb485d470a9f.local"] {
        assert_eq!(handed(&mut called().0, address, 40_000, "host"), 1, "{address}");
    }
}

#[test]
fn viewers_of_one_network_reach_each_other() {
    let (mut stage, conn) = called();
    found(&mut stage, conn, "10.88.0.2", "host");
    assert_eq!(handed(&mut stage, "10.88.0.9", 40_000, "host"), 1, "one /24");

    let (mut stage, conn) = called();
    assert_eq!(handed(&mut stage, "10.88.0.9", 40_000, "host"), 0);
    assert_eq!(found(&mut stage, conn, "10.88.0.2", "host"), 1, "the one that waited");
}

#[test]
fn an_edge_that_repeats_this_pages_public_address_proves_nothing() {
    let (mut stage, conn) = called();
    found(&mut stage, conn, "203.0.113.50", "srflx");
    assert_eq!(handed(&mut stage, "192.168.7.5", 40_000, "host"), 0);
    assert_eq!(handed(&mut stage, "203.0.113.50", 40_000, "srflx"), 1, "itself it is public");
    assert_eq!(handed(&mut stage, "192.168.7.1", 40_000, "host"), 0);
}

#[test]
fn no_more_than_two_server_reflexive_addresses_of_a_family_and_twelve_in_all() {
    let (mut stage, _) = called();
    let reflexive = |n: usize| format!("203.0.113.{n}");
    let tried: usize = (1..=5).map(|n| handed(&mut stage, &reflexive(n), 40_000, "srflx")).sum();
    assert_eq!(tried, 2);
    let tried: usize = (1..=30).map(|n| handed(&mut stage, &reflexive(100 + n), 40_000, "host")).sum();
    assert_eq!(tried, 10);
}
