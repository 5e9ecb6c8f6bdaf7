//! Reading the remote policy, and obeying it: with a policy URL there is no peer before one was read.

use meshedflow_protocol::policy::{Patch, PolicyNotice};
use meshedflow_protocol::wire::Frame;

use crate::config::Options;
use crate::http::{JobKind, failure_text};
use crate::input::HttpFailure;
use crate::mesh::Mesh;
use crate::output::{Purpose, Reason};
use crate::policy::{Effective, without_effect};
use crate::time::{Duration, Time, Wakeup};

/// State of the feed.
#[derive(Debug)]
pub(crate) struct PolicyFeed {
    url: Option<String>,
    open: bool,
    next: Time,
    last_read: Time,
    last_ok: Option<Time>,
    highest_version: u32,
    /// An edge tightened something while the policy of this version was in force: until one of a higher version is
    /// read, nothing gets looser.
    tightened_at: Option<u32>,
}

/// An edge may have the policy read again this long after the last reading.
const PUSHED_READ: Duration = Duration::from_secs(10);

impl PolicyFeed {
    pub(crate) fn new(options: &Options) -> Self {
        let url = options.remote_config_url.clone();
        Self {
            url,
            open: false,
            next: Time::default(),
            last_read: Time::default(),
            last_ok: None,
            highest_version: 0,
            tightened_at: None,
        }
    }
}

impl Mesh {
    /// May anything but HTTP happen on this page now?
    pub(crate) fn may_mesh(&self) -> Result<(), Reason> {
        if !self.effective.enabled {
            return Err(Reason::Killed);
        }
        if self.effective.peers_max == 0 {
            return Err(Reason::Capped);
        }
        if !self.consent {
            return Err(Reason::NoConsent);
        }
        if self.policy_is_missing() {
            return Err(Reason::NoPolicy);
        }
        if !self.options.platform.webrtc || self.options.signaling_url.is_none() {
            return Err(Reason::NoPeers);
        }
        if self.disputes_stop_all() {
            return Err(Reason::Quarantine);
        }
        Ok(())
    }

    /// Never read, expired, or not heard of for three refreshes: fails closed.
    fn policy_is_missing(&self) -> bool {
        let silent = self.feed.last_ok.is_none_or(|at| self.now.since(at) > self.effective.refresh * 3);
        let expired = self.effective.expires_at.is_some_and(|at| self.unix_now() > at);
        expired || (silent && self.feed.url.is_some())
    }

    pub(crate) fn read_policy(&mut self) {
        let Some(url) = self.feed.url.clone() else { return };
        self.feed.open = true;
        self.feed.last_read = self.now;
        self.get_document(JobKind::Policy, url, Purpose::Policy);
    }

    pub(crate) fn on_policy(&mut self, body: &[u8]) {
        self.feed.open = false;
        match Patch::parse(body) {
            Ok((patch, notices)) => {
                self.tell_notices(&patch, &notices);
                self.apply_policy(patch);
            }
            Err(why) => self.warn("policy-refused", format!("{}: {why}", self.feed_url())),
        }
        // After it was applied: it says itself how often it wants to be read.
        self.feed.next = self.now + self.effective.refresh;
    }

    /// What of a policy was not taken as it stands, or is taken and has no effect here.
    fn tell_notices(&mut self, patch: &Patch, notices: &[PolicyNotice]) {
        let mut text: Vec<String> = notices.iter().take(8).map(ToString::to_string).collect();
        for p in [Some(patch), patch.for_stream(&self.options.stream_id)].into_iter().flatten() {
            for (name, asked) in without_effect(p) {
                if asked {
                    text.push(name.to_owned() + " has no effect on this SDK");
                }
            }
        }
        if !text.is_empty() {
            self.warn("policy-notices", format!("{}: {}", self.feed_url(), text.join("; ")));
        }
    }

    fn apply_policy(&mut self, patch: Patch) {
        let version = patch.version.unwrap_or(0);
        if version < self.feed.highest_version {
            let (url, floor) = (self.feed_url(), self.feed.highest_version);
            return self
                .warn("policy-version", format!("{url}: version {version}; expected {floor} or higher"));
        }
        self.feed.highest_version = version;
        self.feed.last_ok = Some(self.now);
        let effective = if self.feed.tightened_at.is_some_and(|at| version <= at) {
            self.tightened(&patch)
        } else {
            self.feed.tightened_at = None;
            Effective::fold(&self.options, Some(&patch))
        };
        self.enforce(effective);
    }

    fn tightened(&self, patch: &Patch) -> Effective {
        let mut effective = self.effective.clone();
        effective.tighten(patch, &self.options.stream_id);
        effective
    }

    /// These values hold from now on, for what is open and queued already as well.
    fn enforce(&mut self, effective: Effective) {
        let was_direct = !core::mem::replace(&mut self.effective, effective).relay_only;
        self.uploads.retune(&self.effective);
        self.refuse_queued_uploads();
        self.review_sharing();
        if was_direct && self.effective.relay_only {
            self.close_all_peers(1);
        }
        self.close_surplus_peers();
        self.evict();
    }

    /// More neighbours than are allowed now: those that gave least go, unfinished dials before all.
    fn close_surplus_peers(&mut self) {
        while self.peers.len() > self.effective.peers_max {
            let least = self.peers.iter().min_by_key(|(_, p)| (p.is_open(), p.peer_bytes));
            let Some((conn, open)) = least.map(|(conn, p)| (*conn, p.is_open())) else { return };
            if open {
                self.send(conn, &Frame::Goodbye { reason: 1 });
            }
            self.close_peer(conn, None);
        }
    }

    pub(crate) fn on_policy_failed(&mut self, why: HttpFailure) {
        self.feed.open = false;
        self.feed.next = self.now + self.effective.refresh.min(Duration::from_secs(10));
        self.warn(
            "policy-unread",
            format!("{}: {}; HTTP only until a policy was read", self.feed_url(), failure_text(why)),
        );
    }

    fn feed_url(&self) -> String {
        self.feed.url.clone().unwrap_or_default()
    }

    /// An edge says that the policy changed; unsigned, it may only tighten or ask for a fresh look.
    pub(crate) fn on_policy_push(&mut self, push: meshedflow_protocol::signal::PolicyPush) {
        if push.refetch {
            // An edge that says so all the time must not turn its viewers against the policy's host.
            self.feed.next = self.feed.next.min(self.feed.last_read + PUSHED_READ);
        }
        let Some(tighten) = push.tighten else { return };
        let effective = self.tightened(&tighten);
        if effective != self.effective {
            self.feed.tightened_at = Some(self.feed.highest_version);
            self.enforce(effective);
        }
    }

    pub(crate) fn tick_policy(&mut self) {
        if self.feed.url.is_some() && !self.feed.open && self.feed.next <= self.now {
            self.read_policy();
        }
        self.review_sharing();
    }

    pub(crate) fn policy_wakeup(&self) -> Option<Wakeup> {
        let idle = self.feed.url.is_some() && !self.feed.open;
        idle.then_some(Wakeup { at: self.feed.next, reason: "policy" })
    }

    /// Everyone is told goodbye, every connection closes, only HTTP remains.
    pub(crate) fn go_silent(&mut self, reason: Reason) {
        self.close_all_peers(1);
        self.leave_edge();
        for key in self.awaited_segments() {
            if !self.try_finish(key) {
                self.fetch_over_http(key, reason);
            }
        }
    }
}
