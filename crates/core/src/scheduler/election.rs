//! Who fetches a new segment from the origin: everyone computes the same order and keeps to it.
//!
//! Each viewer draws a ticket from the hash of (salt, viewer, lane, epoch, segment), weighted by its class.
//! The lowest ticket fetches at once. The viewer that learned first steps in when nobody says so soon, the
//! others after it by rank. That is for lanes of up to 16 viewers; larger ones hold a lottery.

use meshedflow_protocol::ids::PeerId;
use meshedflow_protocol::wire::View;
use sha2::{Digest, Sha256};

use crate::time::{Duration, Time};

/// How long a mere claim holds others back in a small lane.
pub const CLAIM_SILENCE: Duration = Duration::from_millis(300);

/// Names one segment for a ticket.
#[derive(Clone, Copy, Debug)]
pub struct Draw<'a> {
    /// Given by the edges, per stream and minute, so that ids cannot be ground to suit.
    pub salt: &'a [u8],
    /// Rendition id.
    pub lane: &'a str,
    /// Signer epoch.
    pub epoch: u64,
    /// Media sequence number.
    pub msn: u64,
}

/// The weighted ticket of one viewer: lowest first. `None` for class 0, which is never elected.
pub fn ticket(draw: Draw<'_>, peer: PeerId, class: u8) -> Option<f64> {
    weight(class).map(|weight| lot(draw, peer) / weight)
}

/// The ticket of a viewer of weight 1.
pub fn lot(draw: Draw<'_>, peer: PeerId) -> f64 {
    let mut hash = Sha256::new();
    hash.update(b"meshedflow/ticket/v1\0");
    for part in [draw.salt, &peer.0, draw.lane.as_bytes()] {
        hash.update((part.len() as u32).to_be_bytes());
        hash.update(part);
    }
    hash.update(draw.epoch.to_be_bytes());
    hash.update(draw.msn.to_be_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    let (head, _) = digest.split_at(8);
    let bits = head.iter().fold(0u64, |acc, b| acc << 8 | u64::from(*b));
    // 53 bits, never 0: ln stays finite.
    let fraction = ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    -fraction.ln()
}

/// Weight of an election class, the same at the edges: reluctant viewers draw a quarter of the lots.
pub fn weight(class: u8) -> Option<f64> {
    match class {
        0 => None,
        1 => Some(0.25),
        2 => Some(1.0),
        _ => Some(2.0),
    }
}

/// How many have a lower ticket than `mine`; equal tickets go by id.
pub fn rank(mine: (f64, PeerId), others: impl Iterator<Item = (f64, PeerId)>) -> usize {
    others.filter(|(t, id)| t.total_cmp(&mine.0).then(id.cmp(&mine.1)).is_lt()).count()
}

/// The view of a set of electable viewers, given the hashes of their ids.
pub fn view(marks: impl Iterator<Item = u64>) -> View {
    marks.fold(View::default(), |v, mark| View { count: v.count.saturating_add(1), xor: v.xor ^ mark })
}

/// The hash of an id in views.
pub fn mark(id: PeerId) -> u64 {
    let digest: [u8; 32] = Sha256::digest(id.0).into();
    let (head, _) = digest.split_at(8);
    head.iter().fold(0u64, |acc, b| acc << 8 | u64::from(*b))
}

/// What decides when this viewer may begin.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// When this viewer learned of the segment, less the age it was told.
    pub release: Time,
    /// How many electable viewers draw lower; `None`: not electable itself.
    pub rank: Option<usize>,
    /// All neighbours share this viewer's view.
    pub clique: bool,
    /// Its own player told it, not a neighbour.
    pub first_knower: bool,
    /// Target duration of the lane.
    pub target: Duration,
    /// Longest round trip among the neighbours of the lane.
    pub rtt: Duration,
    /// Until when others' words and proofs hold this viewer back.
    pub silence: Option<Time>,
    /// How long it does no harm to wait.
    pub leisure: Duration,
}

/// When this viewer may begin to fetch; `None`: never by election.
pub fn opens_at(s: &Standing) -> Option<Time> {
    let opens = undisturbed(s)?;
    // All hear of the same fetcher, and all miss it at about the same time: they do not begin at that time together.
    let turn = s.rank.map_or(0, |r| u32::try_from(r.saturating_sub(1)).unwrap_or(u32::MAX));
    let again = s.silence.map(|end| end + step(s).max(s.leisure / 2) * turn);
    Some(opens.max(again.unwrap_or_default()))
}

fn step(s: &Standing) -> Duration {
    Duration::from_millis(300).max(s.rtt * 2)
}

/// The same if nobody has been heard of.
fn undisturbed(s: &Standing) -> Option<Time> {
    // News to the elected one and its claim back need a round trip.
    let grace = CLAIM_SILENCE.min(s.target / 10).max(s.rtt * 3 / 2);
    let by_rank = s.rank.map(|r| match r {
        0 => s.release,
        r => {
            s.release
                + if s.clique { grace } else { Duration::ZERO }
                + step(s) * u32::try_from(r).unwrap_or(u32::MAX)
        }
    });
    let by_knowledge = s.first_knower.then(|| s.release + grace);
    match (by_rank, by_knowledge) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> PeerId {
        PeerId([n; 16])
    }

    fn draw(msn: u64) -> Draw<'static> {
        Draw { salt: b"salt", lane: "v360/index.m3u8", epoch: 7, msn }
    }

    #[test]
    fn each_viewer_wins_about_its_share() {
        let mut wins = [0u32; 4];
        for msn in 0..4_000 {
            let lots = (0..4u8).map(|n| (ticket(draw(msn), id(n), 2).unwrap(), n));
            let (_, winner) = lots.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
            wins[usize::from(winner)] += 1;
        }
        assert!(wins.iter().all(|w| (850..1_150).contains(w)), "{wins:?}");
    }

    /// Any two versions must draw the same lots.
    #[test]
    fn a_lot_is_what_it_always_was() {
        let lots: Vec<String> =
            (1..4).map(|n| format!("{:.12}", lot(draw(u64::from(n) * 9), id(n)))).collect();
        assert_eq!(lots, ["1.024768643775", "1.169763048202", "1.307487429082"]);
    }

    #[test]
    fn class_zero_draws_no_ticket_and_class_one_seldom_wins() {
        assert_eq!(ticket(draw(1), id(1), 0), None);
        let wins = (0..1_000).filter(|m| ticket(draw(*m), id(1), 1) < ticket(draw(*m), id(2), 2)).count();
        assert!((150..250).contains(&wins), "{wins}");
    }

    #[test]
    fn ranks_are_a_permutation() {
        let lots: Vec<_> = (0..8).map(|n| (ticket(draw(5), id(n), 2).unwrap(), id(n))).collect();
        let mut ranks: Vec<_> = lots.iter().map(|me| rank(*me, lots.iter().copied())).collect();
        ranks.sort_unstable();
        assert_eq!(ranks, (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn views_agree_whatever_the_order() {
        let marks = |n: u8| (0..n).map(id).map(mark);
        assert_eq!(view(marks(5)), view(marks(5).rev()));
        assert_ne!(view(marks(5)), view(marks(4)));
    }

    fn standing(rank: Option<usize>, clique: bool, first_knower: bool) -> Standing {
        Standing {
            release: Time(1_000_000),
            rank,
            clique,
            first_knower,
            target: Duration::from_secs(4),
            rtt: Duration::from_millis(40),
            silence: None,
            leisure: Duration::from_secs(1),
        }
    }

    #[test]
    fn whoever_was_kept_waiting_does_not_begin_with_all_others() {
        let end = Time(9_000_000);
        let at = |rank| {
            let s = Standing { silence: Some(end), ..standing(rank, true, false) };
            opens_at(&s).map(|t| t.since(end).as_millis())
        };
        assert_eq!([0, 1, 2, 4].map(|r| at(Some(r))), [0, 0, 500, 1_500].map(Some));
        let hurried =
            Standing { silence: Some(end), leisure: Duration::ZERO, ..standing(Some(2), true, false) };
        assert_eq!(opens_at(&hurried), Some(end + Duration::from_millis(300)));
    }

    #[test]
    fn rank_zero_at_once_then_the_first_knower_then_the_others() {
        let at = |s: Standing| opens_at(&s).map(|t| t.since(Time(1_000_000)).as_millis());
        assert_eq!(at(standing(Some(0), true, false)), Some(0));
        assert_eq!(at(standing(Some(3), true, true)), Some(300));
        assert_eq!(at(standing(Some(1), true, false)), Some(600));
        assert_eq!(at(standing(Some(1), false, false)), Some(300));
        assert_eq!(at(standing(None, true, false)), None);
        let far = Standing { rtt: Duration::from_millis(300), ..standing(Some(1), true, true) };
        assert_eq!(at(far), Some(450), "the elected one's claim may be on its way");
    }

    /// Viewers of any two versions must see the same view in the same neighbours.
    #[test]
    fn a_view_is_what_it_always_was() {
        assert_eq!([1, 2].map(|n| format!("{:016x}", mark(id(n)))), ["cc8cd41cef907c4d", "292afde3b64e6636"]);
        let both = view([mark(id(1)), mark(id(2))].into_iter());
        assert_eq!(both, View { count: 2, xor: mark(id(1)) ^ mark(id(2)) });
        assert_eq!(view([5, 6, 12].into_iter()), View { count: 3, xor: 5 ^ 6 ^ 12 });
    }

    /// From one rank to the next there is time for two round trips, and for 300 ms at least.
    #[test]
    fn ranks_begin_one_after_the_other() {
        let at = |rank, clique, rtt_ms| {
            let s = Standing { rtt: Duration::from_millis(rtt_ms), ..standing(Some(rank), clique, false) };
            opens_at(&s).map(|t| t.since(Time(1_000_000)).as_millis())
        };
        assert_eq!([1, 2, 5].map(|rank| at(rank, false, 40)), [300, 600, 1_500].map(Some));
        assert_eq!([1, 2, 5].map(|rank| at(rank, true, 40)), [600, 900, 1_800].map(Some));
        assert_eq!([1, 2, 5].map(|rank| at(rank, false, 400)), [800, 1_600, 4_000].map(Some));
    }

    /// Who learned first waits for the elected one no longer than a tenth of a segment.
    #[test]
    fn short_segments_are_not_waited_for_as_long() {
        let at = |target_ms| {
            let s = Standing {
                target: Duration::from_millis(target_ms),
                rtt: Duration::from_millis(20),
                ..standing(None, true, true)
            };
            opens_at(&s).map(|t| t.since(Time(1_000_000)).as_millis())
        };
        assert_eq!([500, 1_000, 2_000, 8_000].map(at), [50, 100, 200, 300].map(Some));
    }
}
