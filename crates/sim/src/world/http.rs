//! GETs at the origin: documents at once, media at the link's rate.

use meshedflow_core::{HttpGet, HttpId, HttpInput, Input, Purpose};

use super::World;
use crate::driver::Get;
use crate::event::{Happening, Micros};
use crate::origin::{LANES, OriginFault};

impl World {
    pub(super) fn get(&mut self, v: usize, get: HttpGet) {
        let ttfb = self.setup.ttfb_ms * 1_000;
        let document = match get.url.as_str() {
            url if url.ends_with("policy.json") => Some(self.policy_now()),
            url if url.starts_with(super::ADVERT) => Some(None),
            url if url.starts_with("https://ads.example") => Some(Some(self.origin.adverts_keys_json())),
            url if url.ends_with("keys.json") => Some(Some(self.origin.keys_json(self.now))),
            url if url.contains(".mfi.json") => return self.get_list(v, &get, ttfb),
            _ => None,
        };
        match document {
            Some(Some(json)) => {
                self.plan(v, ttfb, Happening::Body { http: get.http, body: json.into_bytes() })
            }
            Some(None) => self.plan(v, ttfb, Happening::Failed { http: get.http }),
            None => self.get_media(v, &get, ttfb),
        }
    }

    /// A lane's list: at once, or when the segment is complete for which the URL says to wait.
    fn get_list(&mut self, v: usize, get: &HttpGet, ttfb: Micros) {
        let lane = LANES.iter().position(|l| get.url.contains(&format!("/{l}/"))).unwrap_or(0);
        let msn = get.url.split_once("?_msn=").and_then(|(_, n)| n.parse().ok());
        let at = msn.map_or(0, |msn| self.origin.released(msn)).max(self.now);
        let what = match self.origin.list_json(at, lane) {
            Some(json) => Happening::Body { http: get.http, body: json.into_bytes() },
            None => Happening::Failed { http: get.http },
        };
        self.plan(v, at - self.now + ttfb, what);
    }

    fn policy_now(&self) -> Option<String> {
        let mut past = self.setup.policy.iter().rev().skip_while(|(from_ms, _)| from_ms * 1_000 > self.now);
        past.next().map(|(_, text)| (*text).to_owned()).filter(|text| !text.is_empty())
    }

    fn get_media(&mut self, v: usize, get: &HttpGet, ttfb: Micros) {
        if self.setup.fault == OriginFault::RefusesElected && get.purpose == Purpose::Elected {
            return self.plan(v, 0, Happening::Failed { http: get.http });
        }
        if self.setup.fault == OriginFault::HangsElected && get.purpose == Purpose::Elected {
            return;
        }
        let Some((lane, within)) = self.origin.parse(self.now, &get.url) else {
            return self.plan(v, ttfb, Happening::Failed { http: get.http });
        };
        let range = get.range.filter(|_| self.setup.fault != OriginFault::NoRange);
        let (msn, mut body) = self.origin.bytes(lane, &within, range);
        if self.setup.fault == OriginFault::Empty && msn == 12 {
            body.clear();
        }
        let Some(blob) = get.blob else { return };
        let (length, rate) = (body.len() as u32, self.down_of(v).max(1));
        self.origin.log.entry((lane, msn)).or_default().push(length);
        self.with(v, |viewer| {
            viewer.tally.ranges += u32::from(range.is_some());
            viewer.driver.blobs.insert(blob, Vec::new());
            viewer.driver.gets.insert(get.http, Get { blob, body });
        });
        let status = if range.is_some() { 206 } else { 200 };
        self.plan(v, ttfb, Happening::Head { http: get.http, status, length: Some(u64::from(length)) });
        for upto in (0..=length).step_by(16_384).skip(1).chain([length]) {
            self.plan(
                v,
                ttfb + u64::from(upto) * 1_000_000 / rate,
                Happening::Chunk { http: get.http, upto },
            );
        }
        self.plan(v, ttfb + u64::from(length) * 1_000_000 / rate + 1, Happening::Done { http: get.http });
    }

    fn down_of(&self, v: usize) -> u64 {
        self.viewers[v].as_ref().map_or(0, |viewer| viewer.link.down_bytes_per_s)
    }

    /// An aborted GET costs the origin only what had left.
    pub(super) fn cut_log(&mut self, v: usize, http: HttpId) {
        let Some(get) = self.with(v, |viewer| viewer.driver.gets.remove(&http)).flatten() else { return };
        let there =
            self.with(v, |viewer| viewer.driver.blobs.get(&get.blob).map_or(0, Vec::len)).unwrap_or(0);
        let full = get.body.len() as u32;
        if let Some(entry) = self.origin.log.values_mut().flatten().filter(|b| **b == full).last() {
            *entry = there as u32;
        }
    }

    pub(super) fn done(&mut self, v: usize, http: HttpId) {
        let Some(get) = self.with(v, |viewer| viewer.driver.gets.remove(&http)).flatten() else { return };
        let length = get.body.len() as u32;
        self.feed(v, Input::Http(http, HttpInput::Done { length }));
    }
}
