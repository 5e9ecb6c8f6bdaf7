//! Reading messages of an edge, member by member: the page's way.

use meshedflow_json::{Fields, Json, JsonError};

use super::{
    ErrorCode, ErrorMessage, Gone, IceServer, PolicyPush, Proposal, Proposals, Reconnect, Salt,
    ServerMessage, Welcome,
};
use crate::ids::{ElectionSalt, Name, PeerId};
use crate::policy::Patch;
use crate::signal::limits::{ICE_SERVERS_LIMIT, LANES_LIMIT, PROPOSALS_LIMIT};
use crate::signal::relayed::Signal;
use crate::sorted::SortedMap;
use crate::topology::Topology;

type Read<T> = Result<T, JsonError>;

impl ServerMessage {
    /// The message of this key; `None` for a key that this version does not know.
    pub(crate) fn read(key: &str, value: &Json<'_>) -> Read<Option<Self>> {
        if let ("peers", Json::List(items)) = (key, value) {
            return proposals(items).map(|list| Some(Self::Peers(list)));
        }
        let fields = || Fields::of(value, key);
        Ok(Some(match key {
            "welcome" => Self::Welcome(Box::new(welcome(fields()?)?)),
            "signal" => Self::Signal(Signal::read(fields()?)?),
            "gone" => Self::Gone(Gone { peer: peer(fields()?)? }),
            "weights" => Self::Weights(weights(fields()?)?),
            "salt" => Self::Salt(salt(fields()?)?),
            "policy" => Self::Policy(policy(fields()?)?),
            "reconnect" => {
                Self::Reconnect(Reconnect { after_ms: fields()?.need_whole("afterMs", U32)? as u32 })
            }
            "error" => Self::Error(error(fields()?)?),
            "peers" => return Err(JsonError::member(key, "a list")),
            _ => return Ok(None),
        }))
    }
}

const U32: u64 = u32::MAX as u64;

/// The 16 bytes of a peer id or a salt.
fn bytes(text: &str) -> Read<[u8; 16]> {
    let id: Result<PeerId, _> = text.parse();
    id.map(|id| id.0).map_err(|error| JsonError::new(error.to_string()))
}

pub(crate) fn peer(fields: Fields<'_, '_>) -> Read<PeerId> {
    bytes(fields.need_text("peer")?).map(PeerId)
}

fn name(text: &str) -> Read<Name> {
    Name::new(text).map_err(|error| JsonError::new(error.to_string()))
}

fn welcome(fields: Fields<'_, '_>) -> Read<Welcome> {
    let servers = fields.list("iceServers", ICE_SERVERS_LIMIT)?;
    Ok(Welcome {
        peer: peer(fields)?,
        edge: fields.need_whole("edge", u16::MAX.into())? as u16,
        resume: fields.string("resume")?.unwrap_or_default(),
        ice_servers: servers.iter().map(ice_server).collect::<Read<_>>()?,
        heartbeat_ms: fields.u32("heartbeatMs")?.unwrap_or_default(),
        weights: match fields.get("weights")? {
            Some(value) => weights(Fields::of(value, "weights")?)?,
            None => SortedMap::new(),
        },
        salt: salt(Fields::of(fields.need("salt")?, "salt")?)?,
        topology: fields.get("topology")?.map(topology).transpose()?,
        policy_version: fields.u32("policyVersion")?,
        until: fields.u64("until")?,
    })
}

fn ice_server(value: &Json<'_>) -> Read<IceServer> {
    let fields = Fields::of(value, "iceServers")?;
    fields.need("urls")?;
    Ok(IceServer {
        urls: fields.texts("urls", ICE_SERVERS_LIMIT)?,
        username: fields.string("username")?,
        credential: fields.string("credential")?,
    })
}

fn topology(value: &Json<'_>) -> Read<Topology> {
    let fields = Fields::of(value, "topology")?;
    Ok(Topology {
        country: fields.string("country")?,
        asn: fields.u32("asn")?,
        region: fields.string("region")?,
    })
}

fn weights(fields: Fields<'_, '_>) -> Read<SortedMap<Name, f64>> {
    let mut weights = SortedMap::new();
    for member in fields.members() {
        let weight = member.value.as_f64().ok_or_else(|| JsonError::member(&member.name, "a number"))?;
        weights.insert(name(&member.name)?, weight);
    }
    Ok(weights)
}

fn salt(fields: Fields<'_, '_>) -> Read<Salt> {
    Ok(Salt {
        current: ElectionSalt(bytes(fields.need_text("current")?)?),
        previous: fields.text("previous")?.map(bytes).transpose()?.map(ElectionSalt),
        valid_ms: fields.u32("validMs")?.unwrap_or_default(),
    })
}

fn proposals(items: &[Json<'_>]) -> Read<Proposals> {
    if items.len() > PROPOSALS_LIMIT {
        return Err(JsonError::new(format!("expected a list of at most {PROPOSALS_LIMIT} proposals")));
    }
    items.iter().map(proposal).collect::<Read<_>>().map(Proposals)
}

fn proposal(value: &Json<'_>) -> Read<Proposal> {
    let fields = Fields::of(value, "peers")?;
    let initiate = fields.flag("initiate")?.ok_or_else(|| JsonError::member("initiate", "true or false"))?;
    let lanes = fields.texts("lanes", LANES_LIMIT)?;
    Ok(Proposal {
        peer: peer(fields)?,
        lanes: lanes.iter().map(|lane| name(lane)).collect::<Read<_>>()?,
        initiate,
        until: fields.u64("until")?,
    })
}

fn policy(fields: Fields<'_, '_>) -> Read<PolicyPush> {
    Ok(PolicyPush {
        refetch: fields.flag("refetch")?.unwrap_or_default(),
        tighten: fields.get("tighten")?.map(Patch::read).transpose()?.map(Box::new),
    })
}

fn error(fields: Fields<'_, '_>) -> Read<ErrorMessage> {
    Ok(ErrorMessage {
        code: ErrorCode::from_name(fields.need_text("code")?),
        message: fields.string("message")?.unwrap_or_default(),
        retry_after_ms: fields.u32("retryAfterMs")?,
    })
}

impl ErrorCode {
    const NAMES: [(&'static str, Self); 18] = [
        ("malformed", Self::Malformed),
        ("unknownMessage", Self::UnknownMessage),
        ("tooLarge", Self::TooLarge),
        ("outOfOrder", Self::OutOfOrder),
        ("version", Self::Version),
        ("unauthorized", Self::Unauthorized),
        ("forbidden", Self::Forbidden),
        ("origin", Self::Origin),
        ("unknownStream", Self::UnknownStream),
        ("full", Self::Full),
        ("rateLimited", Self::RateLimited),
        ("proposalsRefused", Self::ProposalsRefused),
        ("notProposed", Self::NotProposed),
        ("peerGone", Self::PeerGone),
        ("refused", Self::Refused),
        ("resumeRefused", Self::ResumeRefused),
        ("shuttingDown", Self::ShuttingDown),
        ("internal", Self::Internal),
    ];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, code)| *code == self).map_or("other", |(name, _)| name)
    }

    fn from_name(name: &str) -> Self {
        Self::NAMES.iter().find(|(known, _)| *known == name).map_or(Self::Other, |(_, code)| *code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_they_are_written() {
        for (name, code) in ErrorCode::NAMES {
            assert_eq!(serde_json::to_value(code).unwrap(), name);
            assert_eq!((ErrorCode::from_name(name), code.name()), (code, name));
        }
        assert_eq!(ErrorCode::from_name("moonPhase"), ErrorCode::Other);
    }
}
