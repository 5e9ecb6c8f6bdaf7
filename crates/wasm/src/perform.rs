//! Outputs, one for one, as calls of the page's Host.

use meshedflow_core::{Event, Expect, HttpGet, IceServer, Loaded, Output, PeerCommand, Purpose, Span};
use meshedflow_json::Object;

use crate::driver::Driver;
use crate::host::{Host, NONE};

impl Driver {
    /// Performs one Output; called with nothing borrowed.
    pub(crate) fn perform(&self, output: Output) {
        let host = &self.host;
        match output {
            Output::Progress { load, verified, total } => {
                host.progress(load.0, verified, total.map_or(NONE, f64::from));
            }
            Output::Loaded(loaded) => tell_loaded(host, &loaded),
            Output::LoadFailed { load, http } => host.load_failed(load.0, http.0),
            Output::Due { load, at, reason } => {
                host.due(load.0, at.map_or(NONE, |at| at.as_ms()), reason.name());
            }
            Output::Get(get) => self.get(&get),
            Output::AbortGet(http) => {
                self.door.borrow_mut().grants.body_ended(http);
                host.abort_get(http.0);
            }
            Output::NewBlob(blob, bytes) => host.new_blob(blob.0, bytes),
            Output::FreeBlob(blob) => {
                self.door.borrow_mut().grants.free(blob);
                host.free_blob(blob.0);
            }
            Output::Expect(expect) => self.expect(expect),
            Output::Forget(grant) => self.door.borrow_mut().grants.forget(grant),
            Output::Connect(url) => host.connect(&url),
            Output::Say(text) => host.say(&text),
            Output::Disconnect => host.disconnect(),
            Output::Peer(conn, command) => {
                if command == PeerCommand::Close {
                    self.post_now(conn);
                    self.door.borrow_mut().grants.drop_peer(conn);
                }
                match command {
                    PeerCommand::Send(frames) => self.post(conn, frames),
                    command => command_peer(host, conn.0, &command),
                }
            }
            Output::Event(event) => tell_event(host, event),
        }
    }

    fn get(&self, get: &HttpGet) {
        if let Some(blob) = get.blob {
            self.door.borrow_mut().grants.body(get.http, blob);
        }
        let (first, end) = get.range.map_or((NONE, NONE), |(first, end)| (first as f64, end as f64));
        let number = |id: Option<u32>| id.map_or(NONE, f64::from);
        self.host.get(
            get.http.0,
            &get.url,
            first,
            end,
            purpose(get.purpose),
            number(get.lane.map(|lane| lane.0.into())),
            number(get.load.map(|load| load.0)),
            number(get.blob.map(|blob| blob.0)),
        );
    }

    fn expect(&self, expect: Expect) {
        let mut door = self.door.borrow_mut();
        door.grants.expect(expect);
        if door.grants.next_late(1).is_some() {
            self.host.soon();
        }
    }
}

/// A warning of this layer itself.
pub(crate) fn warn(host: &Host, code: &str, text: &str) {
    host.event("warn", &Object::new().text("code", code).text("text", text).end());
}

fn tell_loaded(host: &Host, loaded: &Loaded) {
    let parts: Vec<u32> =
        loaded.parts.iter().flat_map(|Span { blob, at, len }| [blob.0, *at, *len]).collect();
    host.loaded(
        loaded.load.0,
        &parts,
        loaded.from_peers,
        loaded.from_http,
        loaded.report_bps.map_or(NONE, f64::from),
        loaded.report_ttfb_ms,
        loaded.reason.name(),
    );
}

fn command_peer(host: &Host, conn: u32, command: &PeerCommand) {
    match command {
        PeerCommand::Open { ice_servers, relay_only } => {
            let servers: Vec<String> = ice_servers.iter().map(ice_server).collect();
            host.peer_open(conn, &["[", &servers.join(","), "]"].concat(), *relay_only);
        }
        PeerCommand::Offer => host.peer_offer(conn),
        PeerCommand::Answer(offer) => host.peer_answer(conn, offer),
        PeerCommand::Accept(answer) => host.peer_accept(conn, answer),
        PeerCommand::Candidate(line) => host.peer_candidate(conn, line),
        // Waits for the end of the entry: see `Driver::post`.
        PeerCommand::Send(_) => {}
        PeerCommand::SendData(frames) => host.peer_send(conn, true, frames),
        PeerCommand::SendMedia(head, Span { blob, at, len }) => {
            host.peer_send_media(conn, head, blob.0, *at, *len);
        }
        PeerCommand::LowMark(bytes) => host.peer_low_mark(conn, *bytes),
        PeerCommand::Close => host.peer_close(conn),
    }
}

/// An `RTCIceServer`; absent members stay absent, as some browsers refuse `null`.
fn ice_server(server: &IceServer) -> String {
    Object::new()
        .texts("urls", server.urls.iter().map(String::as_str))
        .maybe("username", server.username.as_deref())
        .maybe("credential", server.credential.as_deref())
        .end()
}

fn tell_event(host: &Host, event: Event) {
    let object = Object::new();
    let (name, detail) = match event {
        Event::Peer { conn, peer, up, count } => {
            let object = object.whole("conn", conn.0.into()).text("peer", &peer);
            ("peer", object.flag("up", up).whole("count", count.into()))
        }
        Event::Segment { lane, msn, from_peers, from_http, peers, reason } => {
            let object = object.whole("lane", lane.0.into()).whole("msn", msn).whole("peers", peers.into());
            let object = object.whole("fromPeers", from_peers.into()).whole("fromHttp", from_http.into());
            ("segment", object.text("reason", reason.name()))
        }
        Event::Fallback { load, reason } => {
            ("fallback", object.whole("load", load.0.into()).text("reason", reason.name()))
        }
        Event::Sharing { on, reason } => ("sharing", object.flag("on", on).text("reason", reason)),
        Event::Warn { code, text } => return warn(host, code, &text),
    };
    host.event(name, &detail.end());
}

/// The numbers of `js/src/host-http.ts`.
fn purpose(purpose: Purpose) -> u8 {
    match purpose {
        Purpose::Media => 0,
        Purpose::Elected => 1,
        Purpose::Rescue => 2,
        Purpose::List => 3,
        Purpose::Keys => 4,
        Purpose::Policy => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ice_server_has_no_null_members() {
        let stun = IceServer { urls: vec!["stun:s.example:3478".into()], username: None, credential: None };
        assert_eq!(ice_server(&stun), r#"{"urls":["stun:s.example:3478"]}"#);
        let turn = IceServer { username: Some("u".into()), credential: Some("p".into()), ..stun };
        assert!(ice_server(&turn).ends_with(r#","username":"u","credential":"p"}"#));
    }
}
