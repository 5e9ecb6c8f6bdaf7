//! Every name of a policy, and the range of every number: built-in ceilings that no policy can exceed.

/// The range of one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Key, with its section: `upload.slots`.
    pub name: &'static str,
    /// Least value taken.
    pub min: f64,
    /// Greatest value taken.
    pub max: f64,
    /// Whether only whole numbers are taken.
    pub whole: bool,
    /// Out of range: moved to the nearest bound (true) or dropped (false).
    pub clamped: bool,
}

/// Largest integer that JSON readers of every language agree on, 2^53.
const SAFE: f64 = 9_007_199_254_740_992.0;

const fn whole(name: &'static str, min: f64, max: f64) -> Limit {
    Limit { name, min, max, whole: true, clamped: false }
}

const fn real(name: &'static str, min: f64, max: f64) -> Limit {
    Limit { whole: false, ..whole(name, min, max) }
}

/// Ranges of all numbers of a policy; the maxima are ceilings for page options too.
pub const LIMITS: &[Limit] = &[
    whole("version", 0.0, 2_147_483_648.0),
    whole("expiresAt", 0.0, SAFE),
    Limit { clamped: true, ..whole("refreshMs", 10_000.0, 300_000.0) },
    whole("timeouts.p2pBudgetMs", 100.0, 60_000.0),
    whole("timeouts.dialMs", 1_000.0, 60_000.0),
    whole("timeouts.listMs", 100.0, 30_000.0),
    whole("peers.min", 0.0, 32.0),
    whole("peers.max", 0.0, 32.0),
    whole("peers.dialParallel", 1.0, 8.0),
    whole("inFlight.perPeer", 1.0, 16.0),
    whole("inFlight.total", 1.0, 64.0),
    whole("upload.rateBytesPerS", 0.0, 125_000_000.0),
    whole("upload.sessionBytes", 0.0, SAFE),
    whole("upload.slots", 0.0, 16.0),
    real("upload.ratio", 0.0, 100.0),
    whole("memoryBytes", 0.0, 536_870_912.0),
    real("originCopies", 0.1, 16.0),
    whole("stageMs", 50.0, 5_000.0),
    whole("mapRefreshMs", 250.0, 60_000.0),
    whole("mapTtlMs", 500.0, 300_000.0),
    whole("holdoutPercent", 0.0, 100.0),
    real("telemetry.sampleRate", 0.0, 1.0),
    whole("telemetry.intervalMs", 5_000.0, 600_000.0),
];

/// Names of a policy that are not numbers, sections included.
pub const NAMES: &[&str] = &[
    "enabled",
    "cmafMode",
    "timeouts",
    "peers",
    "inFlight",
    "upload",
    "upload.onCellular",
    "upload.onSaveData",
    "rarestFirst",
    "topology",
    "topology.sameCountryOnly",
    "topology.sameAsnOnly",
    "topology.relayOnly",
    "telemetry",
    "telemetry.url",
    "streams",
];

/// The limit of the number of this name.
pub fn limit(name: &str) -> Option<&'static Limit> {
    LIMITS.iter().find(|limit| limit.name == name)
}
