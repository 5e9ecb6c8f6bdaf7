//! Reading the remote policy, and obeying it: with a policy URL there is no peer before one was read.

use meshedflow_protocol::policy::Patch;

use crate::config::Options;
use crate::http::{JobKind, failure_text};
use crate::input::HttpFailure;
use crate::mesh::Mesh;
use crate::output::{Event, Output, Purpose, Reason};
use crate::policy::Effective;
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
        }
    }
}

impl Mesh {
    /// May anything but HTTP happen on this page now?
    pub(crate) fn may_mesh(&self) -> Result<(), Reason> {
        if !self.effective.enabled {
            return Err(Reason::Killed);
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
        if self.quarantines.until(self.now).is_some() {
            return Err(Reason::Quarantine);
        }
        Ok(())
    }

    /// Never read, expired, or not heard of for three refreshes: fails closed.
    fn policy_is_missing(&self) -> bool {
        if self.feed.url.is_none() {
            return false;
        }
        let silent = self.feed.last_ok.is_none_or(|at| self.now.since(at) > self.effective.refresh * 3);
        let expired = self.patch.as_ref().and_then(|p| p.expires_at).is_some_and(|at| self.unix_now() > at);
        silent || expired
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
                let text: Vec<String> = notices.iter().take(8).map(ToString::to_string).collect();
                if !text.is_empty() {
                    self.warn("policy-notices", format!("{}: {}", self.feed_url(), text.join("; ")));
                }
                self.apply_policy(patch);
            }
            Err(why) => self.warn("policy-refused", format!("{}: {why}", self.feed_url())),
        }
        // After it was applied: it says itself how often it wants to be read.
        self.feed.next = self.now + self.effective.refresh;
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
        self.effective = Effective::fold(&self.options, Some(&patch));
        self.patch = Some(patch);
        self.uploads.retune(&self.effective);
        self.review_sharing();
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
        if push.tighten.is_some_and(|p| p.enabled == Some(false)) {
            self.effective.enabled = false;
            self.review_sharing();
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

    /// Sharing goes on or off as consent, policy and kill switch say; told to the page when it changes.
    pub(crate) fn review_sharing(&mut self) {
        let verdict = self.may_mesh();
        let state = (verdict.is_ok(), verdict.err().unwrap_or(Reason::Policy));
        if self.sharing == Some(state) {
            return;
        }
        let was_on = self.sharing.is_some_and(|(on, _)| on);
        self.sharing = Some(state);
        self.push(Output::Event(Event::Sharing { on: state.0, reason: state.1 }));
        if was_on && !state.0 {
            self.go_silent(state.1);
        }
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
