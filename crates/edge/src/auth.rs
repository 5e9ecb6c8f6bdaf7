//! Who may join. The edge asks through one trait; open admission is one of its answers.

use meshedflow_hub::Denial;
use meshedflow_protocol::signal::Join;

/// Judges joins and renewals. Called on the connection's own task: it must not block on IO.
pub trait Auth: Send + Sync + 'static {
    /// Whether this join is welcome. `origin` is the page's Origin header, manners and not proof.
    fn admit(&self, join: &Join, origin: Option<&str>, now_ms: u64) -> Result<Admitted, Denial>;

    /// Whether this token extends a membership of `subject`.
    fn renew(&self, token: &str, subject: Option<&str>, now_ms: u64) -> Result<Admitted, Denial>;
}

/// An admitted viewer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admitted {
    /// The token's subject.
    pub subject: Option<String>,
    /// Unix seconds at which membership ends unless renewed.
    pub until: Option<u64>,
}

/// Everybody may join every stream. An edge that others can reach does this only if its config says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open;

impl Auth for Open {
    fn admit(&self, _: &Join, _: Option<&str>, _: u64) -> Result<Admitted, Denial> {
        Ok(Admitted::default())
    }

    fn renew(&self, _: &str, _: Option<&str>, _: u64) -> Result<Admitted, Denial> {
        Ok(Admitted::default())
    }
}
