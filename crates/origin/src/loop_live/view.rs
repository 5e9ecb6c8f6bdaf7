//! A live stream as the documents that viewers fetch.

use std::fmt::Write;

use meshedflow_manifest::{EncodedList, EpochRange, InitEntry, Rolling, SegmentEntry, SegmentState};

use super::live::{LiveLoop, LiveSegment};
use super::rendition::{LoopRendition, Seam};
use crate::clock::iso8601;

/// The multivariant playlist, if there is one: the directory's own, which names the same renditions.
pub fn master_playlist(live: &LiveLoop) -> Option<bytes::Bytes> {
    live.source().multivariant.as_ref().map(|multivariant| multivariant.text.clone())
}

/// The media playlist of a rendition: the window of complete segments.
pub fn media_playlist(live: &LiveLoop, index: usize) -> Option<String> {
    let (rendition, state) = live.rendition(index)?;
    let complete: Vec<_> = state.segments.iter().filter(|s| s.is_complete()).collect();
    let window = complete.get(complete.len().saturating_sub(live.window(index))..)?;
    let (first, mut dsn) = window.first().map_or((0, 0), |s| (s.msn, s.dsn));
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:7\n");
    let _ = writeln!(text, "#EXT-X-TARGETDURATION:{}", target_s(rendition));
    let _ = writeln!(text, "#EXT-X-MEDIA-SEQUENCE:{first}");
    if matches!(rendition.seam, Seam::Discontinuity { .. }) {
        let _ = writeln!(text, "#EXT-X-DISCONTINUITY-SEQUENCE:{dsn}");
    }
    if rendition.independent {
        let _ = writeln!(text, "#EXT-X-INDEPENDENT-SEGMENTS");
    }
    let mut init = None;
    for segment in window {
        // The first segment's number is the playlist's own: no tag before it, or players would count it twice.
        (dsn..segment.dsn).for_each(|_| text.push_str("#EXT-X-DISCONTINUITY\n"));
        if segment.init != init {
            map(&mut text, rendition, segment);
        }
        (dsn, init) = (segment.dsn, segment.init);
        if live.options().program_date_time {
            let _ = writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", iso8601(segment.begins_ms));
        }
        let _ = writeln!(text, "#EXTINF:{:.6},", segment.duration_us as f64 / 1e6);
        if let Some(range) = segment.range {
            let _ = writeln!(text, "#EXT-X-BYTERANGE:{}@{}", range.length, range.offset);
        }
        let _ = writeln!(text, "{}", segment.uri);
    }
    Some(text)
}

fn map(text: &mut String, rendition: &LoopRendition, segment: &LiveSegment) {
    if let Some(init) = segment.init.and_then(|init| rendition.inits.get(init)) {
        let _ = writeln!(text, "#EXT-X-MAP:URI=\"{}\"", init.uri);
    }
}

/// The rolling list of a rendition: the window, and the open segment once it has a fragment.
pub fn rolling(live: &LiveLoop, index: usize, now_ms: u64) -> Option<Rolling> {
    let (rendition, state) = live.rendition(index)?;
    let skip = state.segments.len().saturating_sub(live.window(index) + 1);
    let inits = rendition.inits.iter().zip(&state.init_lists);
    let inits = inits.map(|(init, list)| InitEntry { name: init.uri.clone(), list: EncodedList::of(list) });
    let segments = state.segments.iter().skip(skip).filter_map(|s| entry(s, now_ms)).collect();
    Some(Rolling {
        v: 1,
        stream: live.stream().clone(),
        rendition: rendition.name.clone(),
        target_ms: target_s(rendition).saturating_mul(1000),
        complete: false,
        epochs: vec![EpochRange { epoch: live.epoch(), first_msn: state.first_msn, last_msn: None }],
        init: inits.collect(),
        segments,
    })
}

fn entry(segment: &LiveSegment, now_ms: u64) -> Option<SegmentEntry> {
    let list = segment.list.as_ref()?;
    let age = segment.completed_ms.map_or(0, |at| now_ms.saturating_sub(at));
    Some(SegmentEntry {
        msn: segment.msn,
        name: segment.uri.clone(),
        uri: segment.uri.clone(),
        duration_ms: u32::try_from(segment.duration_us.div_ceil(1000)).unwrap_or(u32::MAX),
        released_age_ms: u32::try_from(age).unwrap_or(u32::MAX),
        state: if segment.is_complete() { SegmentState::Complete } else { SegmentState::Growing },
        list: EncodedList::of(list),
    })
}

/// `EXT-X-TARGETDURATION`: no segment, rounded to whole seconds, lasts longer (RFC 8216bis section 4.4.3.1).
pub(crate) fn target_s(rendition: &LoopRendition) -> u32 {
    let rounded = (0..rendition.segments.len() as u64).map(|msn| {
        let (begins, ends) = rendition.span_us(msn);
        (ends - begins + 500_000) / 1_000_000
    });
    u32::try_from(rounded.max().unwrap_or(1).max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::desk::Desk;
    use crate::loop_live::{LoopOptions, LoopSource};
    use crate::playlist::read_media;
    use crate::testing::media;
    use meshedflow_manifest::{Ed25519, Signer, Text, sha256, verify};
    use url::Url;

    const T0: u64 = 1_800_000_000_000;

    fn start() -> LiveLoop {
        let source = LoopSource::load(&media(), "master.m3u8").unwrap();
        let desk = Desk::new(Arc::new(Signer::new([1; 32])), Text::new("demo").unwrap(), 9);
        LiveLoop::start(source, LoopOptions::default(), desk, T0).unwrap()
    }

    fn window(live: &LiveLoop, index: usize) -> Vec<u64> {
        let url = Url::parse("http://a.example/i.m3u8").unwrap();
        let list = read_media(media_playlist(live, index).unwrap().as_bytes(), &url).unwrap();
        assert_eq!(list.target_duration_s, 4);
        list.segments.iter().map(|s| s.msn).collect()
    }

    #[test]
    fn the_whole_window_is_there_at_once_and_then_moves_by_one_segment_every_four_seconds() {
        let mut live = start();
        for index in 0..3 {
            assert_eq!(window(&live, index), [0, 1, 2, 3, 4, 5]);
        }
        let mut steps = 0;
        while live.next_due() < T0 + 40_000 {
            let due = live.next_due();
            assert!(due > T0 && live.advance(due).unwrap());
            steps += 1;
        }
        // Three renditions, two fragments a second each; video renditions share their instants.
        assert!((100..=240).contains(&steps), "{steps}");
        live.advance(T0 + 40_050).unwrap();
        for index in 0..3 {
            assert_eq!(window(&live, index), [10, 11, 12, 13, 14, 15]);
        }
    }

    #[test]
    fn every_list_verifies_as_it_grows_and_matches_the_bytes() {
        let mut live = start();
        let key = Signer::new([1; 32]).public();
        let mut prior = None;
        for step in 1..=8 {
            live.advance(T0 + step * 500 + 30).unwrap();
            let segment = live.segment(1, 6).unwrap();
            let list = segment.list.clone().unwrap();
            assert_eq!(list.records.len(), step as usize);
            let verified = verify(list, &key, prior.as_ref(), &mut Ed25519::default()).unwrap();
            let bytes = segment.released();
            for record in verified.records() {
                let range = record.offset as usize..record.end() as usize;
                assert_eq!(sha256(&bytes[range]), record.sha256);
            }
            prior = Some(verified);
        }
        assert!(prior.unwrap().closed() && live.segment(1, 6).unwrap().is_complete());
    }

    #[test]
    fn the_rolling_list_has_the_window_the_open_segment_and_the_epoch() {
        let mut live = start();
        live.advance(T0 + 1_030).unwrap();
        let list = rolling(&live, 0, T0 + 1_100).unwrap();
        let msns: Vec<_> = list.segments.iter().map(|s| (s.msn, s.state)).collect();
        assert_eq!(msns.len(), 7);
        assert_eq!(msns[6], (6, SegmentState::Growing));
        assert_eq!((list.epochs[0].epoch, list.epochs[0].last_msn, list.target_ms), (9, None, 4000));
        assert!(list.segments[5].released_age_ms >= 1_000 && list.segments[5].released_age_ms < 1_200);
        let parsed = Rolling::parse(list.to_json().as_bytes()).unwrap();
        assert_eq!(parsed, list);
        assert_eq!(
            parsed.init[0].list.decode().unwrap().records[0].length as usize,
            live.source().renditions[0].inits[0].bytes.len()
        );
    }

    #[test]
    fn a_late_clock_catches_up_and_old_segments_go() {
        let mut live = start();
        live.advance(T0 + 3_600_000).unwrap();
        assert_eq!(window(&live, 0), [900, 901, 902, 903, 904, 905]);
        assert!(live.segment(0, 893).is_none() && live.segment(0, 894).is_some());
    }
}
