//! Does a segment end in the middle of something, as after a broken upload?
//!
//! Such a file is signed as it is, since that is what viewers are given; but whoever signs it wants to know.

use crate::boxes::children;

/// Bytes of a packet in a transport stream (ISO/IEC 13818-1).
const PACKET_BYTES: usize = 188;
/// First byte of each packet.
const SYNC: u8 = 0x47;
/// Boxes that a file of ISO BMFF begins with; other files do not look like that by accident.
const FIRST_BOXES: [&[u8]; 10] =
    [b"ftyp", b"styp", b"moof", b"moov", b"sidx", b"emsg", b"prft", b"mdat", b"free", b"skip"];

/// Says what ends too early; `None` if nothing does, or if this is neither ISO BMFF nor a transport stream.
pub(crate) fn cut_off(bytes: &[u8]) -> Option<String> {
    if bytes.first() == Some(&SYNC) && bytes.get(PACKET_BYTES) == Some(&SYNC) {
        let rest = bytes.len() % PACKET_BYTES;
        let what = || format!("ends with {rest} bytes of a packet; expected whole packets of {PACKET_BYTES}");
        return (rest != 0).then(what);
    }
    let is_boxes = bytes.get(4..8).is_some_and(|kind| FIRST_BOXES.contains(&kind));
    children(bytes, 0..bytes.len()).err().filter(|_| is_boxes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_ends_early_is_noticed() {
        let segment = std::fs::read(crate::testing::media().join("v216/seg_0.m4s")).unwrap();
        assert_eq!(cut_off(&segment), None);
        for length in [segment.len() - 1, segment.len() / 2] {
            let what = cut_off(&segment[..length]).unwrap();
            assert!(what.contains("box at byte"), "{what}");
        }
        let mut packets = vec![0; 3 * PACKET_BYTES];
        packets.iter_mut().step_by(PACKET_BYTES).for_each(|byte| *byte = SYNC);
        assert_eq!(cut_off(&packets), None);
        assert!(cut_off(&packets[..500]).unwrap().contains("124 bytes of a packet"));
    }

    #[test]
    fn of_other_files_nothing_is_known() {
        for bytes in [&b"WEBVTT\n\n00:00.000 --> 00:01.000\nhello"[..], b"", b"G", b"GIF89a", b"ID3\x04"] {
            assert_eq!(cut_off(bytes), None, "{bytes:?}");
        }
    }
}
