//! Whom a budget belongs to. A connection, and with it a peer id, costs nothing to get anew; an address and a
//! token's subject do.

use core::fmt;

use sha2::{Digest, Sha256};

use crate::place::Household;

/// The subject of a token: the first 16 bytes of its SHA-256, so that its length is no matter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject([u8; 16]);

/// One holder of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Payer {
    /// All connections from one IPv4 address or IPv6 /56.
    Household(Household),
    /// All connections with one subject in their tokens.
    Subject(Subject),
}

/// Those who pay for one connection: its household, and its subject if its token has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payers {
    household: Household,
    subject: Option<Subject>,
}

impl Subject {
    /// The subject of this text.
    pub fn of(text: &str) -> Self {
        let hash = Sha256::new().chain_update(b"meshedflow/subject/v1\0").chain_update(text).finalize();
        let mut short = [0; 16];
        short.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Self(short)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subject(hashed)")
    }
}

impl Payers {
    /// Who pays for a connection from `household` with this `subject`.
    pub fn new(household: Household, subject: Option<Subject>) -> Self {
        Self { household, subject }
    }

    /// One or two of them.
    pub fn iter(&self) -> impl Iterator<Item = Payer> + use<> {
        let subject = self.subject.map(Payer::Subject);
        [Some(Payer::Household(self.household)), subject].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;

    #[test]
    fn a_subject_is_told_by_its_text_alone() {
        assert_eq!(Subject::of("ann"), Subject::of("ann"));
        assert_ne!(Subject::of("ann"), Subject::of("bob"));
        assert!(!format!("{:?}", Subject::of("ann")).contains("ann"));
    }

    #[test]
    fn a_subject_pays_beside_its_household() {
        let household = Place::new([192, 0, 2, 1].into()).household();
        assert_eq!(Payers::new(household, None).iter().count(), 1);
        assert_eq!(Payers::new(household, Some(Subject::of("ann"))).iter().count(), 2);
    }
}
