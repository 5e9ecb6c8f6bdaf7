//! Peer or origin: decided anew for a segment whenever something changes, always with a reason.

use crate::input::LaneNo;
use crate::lane::Lane;
use crate::mesh::Mesh;
use crate::output::Reason;
use crate::peer::claims::SUPERSEDES;
use crate::scheduler::deadline::{due_by_loads, due_by_player};
use crate::scheduler::election::{self, Standing};
use crate::scheduler::lottery;
use crate::segment::{SegKey, Segment};
use crate::time::{Duration, Time, Wakeup};

/// Neighbours that are to bring the last bytes are looked at so often.
const WATCH: Duration = Duration::from_millis(50);
/// And the page hears so often that the core still answers for them.
const RENEWED: Duration = Duration::from_millis(400);

impl Mesh {
    /// Looks at one segment: deliver it, ask neighbours, fetch it, or wait for a time that is told.
    pub(crate) fn decide(&mut self, key: SegKey) {
        let now = self.now;
        if let Some(seg) = self.seg_mut(key) {
            seg.mind_flow(now);
            seg.look_again = None;
        }
        if self.try_finish(key) || self.seg(key).is_none() {
            return;
        }
        let wanted = self.has_load(key);
        if let Err(reason) = self.may_share(key) {
            if wanted && !self.options.mutant("wait-for-list") {
                self.fetch_over_http(key, reason);
            }
            return;
        }
        self.drop_hung(key);
        self.draw_lots(key);
        if !self.probe(key) {
            self.ask_neighbours(key);
            self.follow(key);
        }
        if wanted {
            self.decide_load(key);
        }
        self.decide_election(key);
    }

    /// May this segment come from neighbours at all?
    pub(crate) fn may_share(&self, key: SegKey) -> Result<(), Reason> {
        self.may_mesh()?;
        let lane = self.lanes.get(&key.lane).ok_or(Reason::HttpOnly)?;
        if let Some(reason) = self.lane_refusal(lane) {
            return Err(reason);
        }
        if !lane.proven {
            return Err(Reason::NoList);
        }
        let seg = lane.segments.get(&key.msn).ok_or(Reason::HttpOnly)?;
        match seg {
            s if s.quarantined => Err(Reason::Quarantine),
            s if s.mismatch => Err(Reason::ListMismatch),
            s if s.tainted => Err(Reason::Unverified),
            s if s.list.as_ref().is_some_and(|l| u64::from(l.length()) > self.effective.memory_bytes / 4) => {
                Err(Reason::TooLarge)
            }
            _ => Ok(()),
        }
    }

    fn decide_load(&mut self, key: SegKey) {
        if self.http_covers_rest(key) {
            let reason = self.seg(key).and_then(|s| s.reason).unwrap_or(Reason::Startup);
            return self.loads_of(key).into_iter().for_each(|id| self.tell_due(id, None, reason));
        }
        let covered = self.neighbours_cover(key);
        let rescue = self.rescue_if(key, covered);
        match self.http_reason(key, covered, rescue) {
            Some(reason) => self.fetch_over_http(key, reason),
            None => self.tell_due_of(key, rescue),
        }
    }

    /// Why the player's request must go to the origin now, if it must.
    fn http_reason(&self, key: SegKey, covered: bool, rescue: Option<Time>) -> Option<Reason> {
        if self.options.mutant("wait-for-peers") {
            return None;
        }
        let lane = self.lanes.get(&key.lane)?;
        if self.led_until(key).is_some() {
            return None;
        }
        if lane.media_loads <= 1 {
            return Some(Reason::Startup);
        }
        if !self.lane_has_company(key.lane) {
            let patient = lane.bound.segments() >= 2 && self.company_may_come(lane);
            let early = self.now + Duration::from_secs(1) < rescue?;
            return (!patient || !early).then_some(Reason::NoPeers);
        }
        if lane.bound.segments() < 2 && !covered
            || covered && self.is_thin(key) && !self.neighbours_suffice(key)
        {
            return Some(Reason::Startup);
        }
        if self.now >= rescue? {
            let asked = self.seg(key).is_some_and(|s| !s.asked.is_empty());
            return Some(match covered {
                true if asked => Reason::PeerSlow,
                true => Reason::PeerBusy,
                false => Reason::Urgent,
            });
        }
        let hopeless = !covered && !lane.live && !self.seg(key)?.hearsay.claimed();
        hopeless.then_some(Reason::NoHolder)
    }

    /// Just arrived, and neighbours are being met: with two segments delivered the next may wait for them.
    fn company_may_come(&self, lane: &crate::lane::Lane) -> bool {
        let new = lane.first_load.is_some_and(|at| self.now.since(at) < Duration::from_secs(3));
        new && (self.roster.is_joining() || self.peers.values().any(|p| p.hello.is_none()))
    }

    /// By when the earliest load of a segment must be complete.
    pub(crate) fn deadline(&self, key: SegKey) -> Option<Time> {
        let lane = self.lanes.get(&key.lane)?;
        let http = self.http_time(key);
        let by_loads = |asked: Time, duration: Duration| {
            due_by_loads(asked, duration, self.least_ahead(lane, asked), http)
        };
        let of_load = |l: &crate::load::Load| {
            let bound = by_loads(l.asked, Duration::from_millis(l.request.duration_ms.into()));
            match self.player.ahead(self.now) {
                Some((ahead, rate)) if lane.is_media() => {
                    due_by_player(self.now, ahead, rate).max(l.asked + Duration::from_millis(200))
                }
                _ => bound,
            }
        };
        self.loads.values().filter(|l| l.route == crate::load::Route::Segment(key)).map(of_load).min()
    }

    /// What is surely buffered, of this lane and of every other that is played beside it.
    fn least_ahead(&self, lane: &Lane, at: Time) -> Duration {
        let beside = self.lanes.values().filter(|l| l.is_media() && l.is_active(self.now));
        let begun = beside.filter(|l| l.bound.segments() > 0).map(|l| l.bound.ahead(at));
        begun.fold(lane.bound.ahead(at), Duration::min)
    }

    /// What the player has in front of it, as it tells or as can be told from its loads.
    pub(crate) fn ahead_of_player(&self, lane: &Lane) -> Duration {
        self.player.ahead(self.now).map_or_else(|| self.least_ahead(lane, self.now), |(ahead, _)| ahead)
    }

    /// What HTTP would need for the missing bytes.
    pub(crate) fn http_time(&self, key: SegKey) -> Duration {
        let Some(seg) = self.seg(key) else { return Duration::ZERO };
        let rate = f64::from(seg.bitrate_bps.max(400_000)) / 8.0 * 2.0;
        self.http.time_for(self.missing_bytes(seg), rate) * self.http.crowd(self.now)
    }

    fn missing_bytes(&self, seg: &Segment) -> u64 {
        match seg.length() {
            Some(length) => u64::from(length.saturating_sub(seg.verified_bytes())),
            None => (f64::from(seg.bitrate_bps.max(64_000)) / 8.0 * seg.duration.as_secs_f64()) as u64,
        }
    }

    /// Neighbours are about to bring all: the load is theirs while that is so, at most until the player needs it.
    pub(crate) fn tell_due_by_deadline(&mut self, key: SegKey) {
        let Some(deadline) = self.deadline(key) else { return };
        self.tell_due_until(key, deadline);
    }

    /// The core answers for a load that is left to somebody else from moment to moment, until then at most.
    fn tell_due_until(&mut self, key: SegKey, until: Time) {
        let now = self.now;
        let at = until.min(now + RENEWED);
        for id in self.loads_of(key) {
            let told = self.loads.get(&id).and_then(|l| l.due).flatten();
            if told.is_none_or(|due| due < now + RENEWED / 3 || due > until) {
                self.tell_due(id, Some(at), Reason::Peer);
            }
        }
    }

    fn tell_due_of(&mut self, key: SegKey, rescue: Option<Time>) {
        let Some(rescue) = rescue else { return };
        let now = self.now;
        if let Some(until) = self.led_until(key).filter(|until| rescue < *until) {
            return self.tell_due_until(key, until);
        }
        let Some(lane) = self.lanes.get(&key.lane) else { return };
        let duration = self.seg(key).map_or(lane.target, |s| s.duration);
        let thin = self.player.ahead(now).is_none() && lane.bound.ahead(now) < duration * 2;
        let at = if thin { rescue.min(now + duration * 2 / 5) } else { rescue };
        let renew = |due: Time| due <= now + Duration::from_millis(50) || due > rescue;
        for id in self.loads_of(key) {
            let told = self.loads.get(&id).and_then(|l| l.due).flatten();
            if told.is_none_or(renew) {
                self.tell_due(id, Some(at), Reason::Peer);
            }
        }
    }

    /// A viewer learned of a segment: start its clock, pass it on, see who fetches.
    pub(crate) fn learned(&mut self, key: SegKey, age: Duration, first_knower: bool, hops: u8) {
        let now = self.now;
        let Some(lane) = self.lanes.get_mut(&key.lane) else { return };
        let news = lane.newest.is_none_or(|n| key.msn > n);
        let next = lane.newest.is_none_or(|n| n.checked_add(1) == Some(key.msn));
        match hops {
            0 => lane.knows_of(key.msn),
            _ => lane.newest = lane.newest.max(Some(key.msn)),
        }
        let live = lane.live;
        let seg = lane.segment(key.msn);
        let released = seg.release.is_some();
        // The list's age may show that it is older than this viewer thought.
        seg.release = Some(seg.release.unwrap_or(now).min(now.back(age)));
        if !released {
            seg.first_knower = first_knower;
        }
        if !released && news && live {
            if next && hops <= 1 {
                self.say_known(key, age, hops);
            }
            if let Some(msn) = key.msn.checked_sub(2) {
                self.note_fetchers(SegKey { msn, ..key });
            }
            // A player that pauses asks for nothing, and still hears of all that is new.
            self.evict();
            self.decide(key);
        }
    }

    /// Does the election say that this viewer fetches it now?
    fn decide_election(&mut self, key: SegKey) {
        let Some((at, stage, reason)) = self.election(key, None) else { return };
        if self.now >= at {
            self.begin_fetch(key, stage, reason);
        }
    }

    /// When this viewer's turn comes, at which stage, and why; `covered`: whether neighbours cover it, if that is known.
    fn election(&self, key: SegKey, covered: Option<bool>) -> Option<(Time, u8, Reason)> {
        let lane = self.lanes.get(&key.lane)?;
        let seg = lane.segments.get(&key.msn)?;
        let release = seg.release?;
        let over = seg.mine.is_some() || seg.transferring() || seg.body.is_some() || seg.is_complete();
        let stale = self.now.since(release) > lane.target.max(Duration::from_secs(2)) * 2;
        if over || stale || !lane.live || !self.lane_has_company(key.lane) {
            return None;
        }
        if covered.unwrap_or_else(|| self.neighbours_cover(key)) {
            return None;
        }
        let prefetch = !self.has_load(key);
        let ticket = self.my_ticket(key);
        // What this viewer will not play soon is for those who will.
        let unfit =
            || self.now < lane.prefetch_blocked_until || !lane.is_active(self.now) || !lane.is_ahead(key.msn);
        if prefetch && (ticket.is_none() || unfit() || self.needs_its_line(key) || self.is_starved()) {
            return None;
        }
        let fetchable = if prefetch { self.fetchable_from(key)? } else { Time::default() };
        let coming = self.rest_comes_until(key).unwrap_or_default().max(fetchable);
        let (at, stage, reason) = match self.large_lane(key.lane) {
            Some(weight) => {
                let stage = lottery::stage(ticket?, lane.chance.value(), weight);
                let words = seg.hearsay.silent_until(lottery::words_end, self.leisure_of_many(key));
                (lottery::opens_after(release, words, stage), stage, Reason::Elected)
            }
            None => self.turn(key, release)?,
        };
        Some((at.max(coming).max(self.led_until(key).unwrap_or_default()), stage, reason))
    }

    /// The same in a small lane, by rank.
    fn turn(&self, key: SegKey, release: Time) -> Option<(Time, u8, Reason)> {
        let lane = self.lanes.get(&key.lane)?;
        let seg = lane.segments.get(&key.msn)?;
        let rank = self.rank_in(key);
        let silence = self.claim_silence(key, seg);
        let leisure = self.leisure(key);
        let standing = Standing {
            release,
            rank,
            clique: self.views_agree(key.lane),
            first_knower: seg.first_knower,
            target: lane.target,
            rtt: self.longest_rtt(key.lane),
            silence: seg.hearsay.silent_until(|first| first + silence, leisure),
            leisure,
        };
        let at = election::opens_at(&standing)?;
        let (stage, reason) = match rank {
            Some(0) => (0, Reason::Elected),
            Some(r) if !seg.first_knower => (u8::try_from(r).unwrap_or(253), Reason::Backup),
            _ => (SUPERSEDES, Reason::FirstKnower),
        };
        Some((at, stage, reason))
    }

    /// Words hold others back for 300 ms, longer only where a fetcher needs longer to show something: it asks for the
    /// list that names the URL, then for the body, and news of that need a round trip.
    fn claim_silence(&self, key: SegKey, seg: &Segment) -> Duration {
        let fragment = self.missing_bytes(seg) / 8;
        let rate = f64::from(seg.bitrate_bps.max(400_000)) / 8.0 * 2.0;
        let first = self.http.time_for(fragment, rate) * 5 / 2 + self.longest_rtt(key.lane);
        // Of what the player has not asked for yet only the lane's usual duration is known.
        let target = self.lanes.get(&key.lane).map_or(seg.duration, |l| l.target);
        first.min(target / 2).max(election::CLAIM_SILENCE)
    }

    /// All that must be looked at when its time comes: loads that wait, elections that open, lists to retry.
    pub(crate) fn tick_segments(&mut self) {
        let mut keys = self.awaited_segments();
        for lane in self.lanes.keys().copied().collect::<Vec<_>>() {
            keys.extend(self.open_segments(lane).map(|msn| SegKey { lane, msn }));
        }
        self.tick_asks();
        for key in keys {
            self.retry_list(key);
            self.decide(key);
        }
    }

    /// The newest segments of a lane: the only ones in which an election can be open or a list be late.
    fn open_segments(&self, lane: LaneNo) -> impl Iterator<Item = u64> + '_ {
        self.lanes.get(&lane).into_iter().flat_map(|l| l.near(6)).map(|(msn, _)| msn)
    }

    pub(crate) fn segments_wakeup(&self) -> Option<Wakeup> {
        let mut soonest: Option<Wakeup> = self.asks_wakeup();
        let mut offer = |at: Option<Time>, reason: &'static str| {
            if let Some(at) = at.filter(|at| soonest.is_none_or(|s| *at < s.at)) {
                soonest = Some(Wakeup { at, reason });
            }
        };
        let mut covered: Vec<(SegKey, bool)> = Vec::new();
        for load in self.loads.values() {
            let crate::load::Route::Segment(key) = load.route else { continue };
            if let Some(due) = load.due.flatten() {
                offer(Some(due), "load due");
                // Past it neighbours are watched closely.
                let cover = self.neighbours_cover(key);
                covered.push((key, cover));
                let rescue = self.rescue_if(key, cover);
                offer(rescue.map(|r| if r > self.now { r } else { self.now + WATCH }), "rescue");
            }
            offer(self.hung_at(key), "hung transfer");
            offer(self.pace_check(key), "slow transfer");
        }
        for (no, lane) in &self.lanes {
            for (msn, seg) in lane.near(6) {
                let key = SegKey { lane: *no, msn };
                // Most are complete.
                let open = !seg.is_complete() && self.may_share(key).is_ok();
                let covered = covered.iter().find(|(of, _)| *of == key).map(|(_, cover)| *cover);
                let turn = open.then(|| self.election(key, covered)).flatten();
                offer(turn.map(|(at, ..)| at), "election");
                offer(seg.list_retry, "list retry");
                offer(seg.look_again, "neighbours spared");
            }
        }
        soonest
    }
}
