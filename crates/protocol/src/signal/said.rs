//! Writing what a page says, member by member: only the messages that a page's core sends, without serde's
//! machinery. An edge's tests compare each with what serde writes.

use meshedflow_json::Object;

use super::client::{Bad, Join, Lanes, Leave, Need};
use super::relayed::{Signal, SignalData};
use super::sdp::{Candidate, Description};
use crate::ids::Name;
use crate::topology::Topology;

/// A message with its one key.
fn message(key: &str, fields: Object) -> String {
    Object::new().json(key, &fields.end()).end()
}

fn names(names: &[Name]) -> impl Iterator<Item = &str> {
    names.iter().map(Name::as_str)
}

impl Join {
    /// The message as JSON text.
    pub fn said(&self) -> String {
        let [low, high] = self.wire.map(|version| version.to_string());
        let mut fields = Object::new()
            .json("wire", &["[", &low, ",", &high, "]"].concat())
            .text("stream", self.stream.as_str())
            .maybe("label", self.label.as_ref().map(Name::as_str))
            .texts("lanes", names(&self.lanes))
            .maybe("token", self.token.as_deref());
        if let Some(hint) = &self.topology_hint {
            fields = fields.json("topologyHint", &topology(hint));
        }
        message("join", fields.whole("class", self.class.into()).maybe("resume", self.resume.as_deref()))
    }
}

fn topology(place: &Topology) -> String {
    let mut fields = Object::new().maybe("country", place.country.as_deref());
    if let Some(asn) = place.asn {
        fields = fields.whole("asn", asn.into());
    }
    fields.maybe("region", place.region.as_deref()).end()
}

impl Lanes {
    /// The message as JSON text.
    pub fn said(&self) -> String {
        message("lanes", Object::new().texts("add", names(&self.add)).texts("drop", names(&self.drop)))
    }
}

impl Need {
    /// The message as JSON text.
    pub fn said(&self) -> String {
        let exclude: Vec<String> = self.exclude.iter().map(|id| id.hex()).collect();
        let fields = Object::new().whole("count", self.count.into());
        message("need", fields.texts("exclude", exclude.iter().map(String::as_str)))
    }
}

impl Bad {
    /// The message as JSON text.
    pub fn said(&self) -> String {
        message("bad", Object::new().text("peer", &self.peer.hex()).text("reason", &self.reason))
    }
}

impl Leave {
    /// The message as JSON text.
    pub fn said(&self) -> String {
        message("leave", Object::new())
    }
}

impl Signal {
    /// The message as JSON text.
    pub fn said(&self) -> String {
        let fields = Object::new().text("peer", &self.peer.hex()).whole("dial", self.dial.into());
        let fields = fields.text("kind", self.data.kind().name());
        message(
            "signal",
            match &self.data {
                SignalData::Offer(d) | SignalData::Answer(d) => fields.json("data", &description(d)),
                SignalData::Candidate(c) => fields.json("data", &candidate(c)),
                SignalData::End | SignalData::Other => fields,
            },
        )
    }
}

fn description(d: &Description) -> String {
    Object::new()
        .text("ufrag", &d.ufrag)
        .text("pwd", &d.pwd)
        .text("fingerprint", &d.fingerprint.to_string())
        .text("setup", d.setup.as_str())
        .text("mid", &d.mid)
        .whole("sctpPort", d.sctp_port.into())
        .whole("maxMessageSize", d.max_message_size.into())
        .end()
}

fn candidate(c: &Candidate) -> String {
    Object::new()
        .text("foundation", &c.foundation)
        .whole("priority", c.priority.into())
        .text("address", &c.address.to_string())
        .whole("port", c.port.into())
        .text("typ", c.kind.as_str())
        .end()
}
