//! Signing a VOD directory: everything or nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that cannot help ends the test")]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use meshedflow_manifest::{Ed25519, KeySet, Kind, Rolling, SignedList, Text, sha256, verify};
use meshedflow_origin::directory::{SignOptions, sign};
use meshedflow_origin::key_sets::FILM_SET_S;
use meshedflow_origin::playlist::Reading;
use support::{Origin, TempDir, With, copy, media, signer};

fn options(root: &Path) -> SignOptions {
    SignOptions {
        root: root.to_path_buf(),
        entry: "master.m3u8".into(),
        reading: Reading::default(),
        stream: Text::new("films/one").unwrap(),
        signer: signer(),
        state: None,
        now_ms: 1_800_000_000_000,
        keys_valid_s: FILM_SET_S,
    }
}

fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                files.insert(entry.clone(), std::fs::read(&entry).unwrap());
            }
        }
    }
    files
}

#[test]
fn every_segment_gets_a_list_that_verifies_beside_it_and_in_the_index() {
    let dir = TempDir::new("sign");
    copy(&media(), &dir.0);
    let signed = sign(&options(&dir.0)).unwrap();
    assert_eq!((signed.renditions, signed.segments, signed.fragments), (3, 18, 144));
    assert_eq!(signed.files, 1 + 18 + 3 + 1);
    let keys = KeySet::parse(&std::fs::read(dir.0.join("keys.json")).unwrap(), None).unwrap();
    let key = keys.keys()[0].key;
    for rendition in ["v360", "v216", "a64"] {
        let folder = dir.0.join(rendition);
        let index = Rolling::parse(&std::fs::read(folder.join("index.mfi.json")).unwrap()).unwrap();
        assert!(index.complete && index.segments.len() == 6);
        assert_eq!((index.epochs[0].epoch, index.epochs[0].last_msn), (signed.epoch, Some(5)));
        let init = std::fs::read(folder.join("init.mp4")).unwrap();
        let init_list =
            verify(index.init[0].list.decode().unwrap(), &key, None, &mut Ed25519::default()).unwrap();
        assert_eq!((init_list.header().kind, init_list.records()[0].sha256), (Kind::Init, sha256(&init)));
        for entry in &index.segments {
            let sidecar = std::fs::read(folder.join(format!("{}.mfi", entry.uri))).unwrap();
            let list = SignedList::parse(&sidecar).unwrap();
            assert_eq!(list, entry.list.decode().unwrap());
            let list = verify(list, &key, None, &mut Ed25519::default()).unwrap();
            let bytes = std::fs::read(folder.join(&entry.uri)).unwrap();
            assert_eq!(list.length() as usize, bytes.len());
            assert_eq!(list.header().init_digest, sha256(&init));
            for record in list.records() {
                assert_eq!(sha256(&bytes[record.offset as usize..record.end() as usize]), record.sha256);
            }
        }
    }
}

#[test]
fn signing_again_takes_a_higher_epoch_even_if_the_clock_went_back() {
    let dir = TempDir::new("sign-again");
    copy(&media(), &dir.0);
    let first = sign(&options(&dir.0)).unwrap().epoch;
    let second = sign(&SignOptions { now_ms: 5, ..options(&dir.0) }).unwrap().epoch;
    assert_eq!(second, first + 1);
}

#[test]
fn a_directory_that_cannot_be_signed_is_left_as_it_was() {
    for (name, break_it) in [
        ("missing", (|dir: &Path| std::fs::remove_file(dir.join("v216/seg_5.m4s")).unwrap()) as fn(&Path)),
        ("endless", |dir| edit(&dir.join("v216/index.m3u8"), "#EXT-X-ENDLIST\n", "")),
        ("twice", |dir| {
            edit(&dir.join("v216/index.m3u8"), "#EXT-X-ENDLIST\n", "#EXT-X-ENDLIST\n#EXT-X-ENDLIST\n")
        }),
        ("state", |dir| std::fs::write(dir.join(".meshedflow-epoch.json"), "?").unwrap()),
    ] {
        let dir = TempDir::new(&format!("sign-{name}"));
        copy(&media(), &dir.0);
        break_it(&dir.0);
        let before = tree(&dir.0);
        let error = sign(&options(&dir.0)).unwrap_err();
        assert_eq!(tree(&dir.0), before, "{name}: {error}");
    }
    // Signed before, broken now: the published lists stay as they were, too.
    let dir = TempDir::new("sign-later");
    copy(&media(), &dir.0);
    sign(&options(&dir.0)).unwrap();
    edit(&dir.0.join("master.m3u8"), "a64/index.m3u8", "b64/index.m3u8");
    let before = tree(&dir.0);
    sign(&options(&dir.0)).unwrap_err();
    assert_eq!(tree(&dir.0), before);
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from));
    std::fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn byte_ranges_are_signed_in_the_index_with_their_base() {
    let dir = TempDir::new("sign-ranges");
    let parts: Vec<_> = ["init.mp4", "seg_0.m4s", "seg_1.m4s"]
        .map(|f| std::fs::read(media().join("v216").join(f)).unwrap())
        .to_vec();
    std::fs::write(dir.0.join("all.mp4"), parts.concat()).unwrap();
    let [init, a, b] = [parts[0].len(), parts[1].len(), parts[2].len()];
    let playlist = format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI=\"all.mp4\",BYTERANGE=\"{init}@0\"\n#EXTINF:4,\n\
         #EXT-X-BYTERANGE:{a}@{init}\nall.mp4\n#EXTINF:4,\n#EXT-X-BYTERANGE:{b}\nall.mp4\n#EXT-X-ENDLIST\n"
    );
    std::fs::write(dir.0.join("one.m3u8"), playlist).unwrap();
    sign(&SignOptions { entry: "one.m3u8".into(), ..options(&dir.0) }).unwrap();
    assert!(!dir.0.join("all.mp4.mfi").exists());
    let index = Rolling::parse(&std::fs::read(dir.0.join("one.mfi.json")).unwrap()).unwrap();
    assert_eq!(index.rendition.as_str(), "main");
    let second = index.segments[1].list.decode().unwrap();
    assert_eq!((second.header.range_base, second.records[0].offset), ((init + a) as u64, 0));
    assert_eq!(second.records.last().unwrap().end(), b as u64);
}

#[test]
fn a_signed_directory_is_served_with_ranges_and_without_its_hidden_files() {
    let dir = TempDir::new("sign-serve");
    copy(&media(), &dir.0);
    sign(&options(&dir.0)).unwrap();
    let origin = Origin::start(With { directory: Some(dir.0.clone()), ..With::default() });
    assert_eq!(origin.get("/vod/dir/v360/index.mfi.json").header("content-type"), "application/json");
    let whole = origin.get("/vod/dir/v360/seg_0.m4s").body;
    assert_eq!(whole, std::fs::read(dir.0.join("v360/seg_0.m4s")).unwrap());
    let part = origin.send("GET", "/vod/dir/v360/seg_0.m4s", &[("Range", "bytes=70000-200000")]);
    assert_eq!((part.status, &part.body[..]), (206, &whole[70_000..=200_000]));
    let beyond = origin.send("GET", "/vod/dir/v360/seg_0.m4s", &[("Range", "bytes=9000000-")]);
    assert_eq!(beyond.status, 416);
    for hidden in [".meshedflow-epoch.json", "%2e%2e/x", "v360/..%2f..%2fx", "v360", "nothing"] {
        assert_eq!(origin.get(&format!("/vod/dir/{hidden}")).status, 404, "{hidden}");
    }
}

#[cfg(unix)]
#[test]
fn links_out_of_the_directory_are_neither_signed_nor_served() {
    use std::os::unix::fs::symlink;
    let (dir, outer) = (TempDir::new("links"), TempDir::new("links-outer"));
    copy(&media(), &dir.0);
    let (segment, moved) = (dir.0.join("v360/seg_2.m4s"), outer.0.join("seg_2.m4s"));
    std::fs::rename(&segment, &moved).unwrap();
    symlink(&moved, &segment).unwrap();
    symlink("master.m3u8", dir.0.join("near.m3u8")).unwrap();
    let before = tree(&dir.0);
    let error = sign(&options(&dir.0)).unwrap_err().to_string();
    assert!(error.contains("seg_2.m4s") && error.contains("leads out of"), "{error}");
    assert_eq!(tree(&dir.0), before);
    std::fs::write(dir.0.join(".meshedflow-epoch.json"), "{\"last\":1}").unwrap();
    symlink(".meshedflow-epoch.json", dir.0.join("hidden.json")).unwrap();
    let origin = Origin::start(With { directory: Some(dir.0.clone()), ..With::default() });
    let refused = origin.get("/vod/dir/v360/seg_2.m4s");
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("v360/seg_2.m4s: a link leads out"), "{}", refused.text());
    assert_eq!(origin.get("/vod/dir/near.m3u8").body, std::fs::read(dir.0.join("master.m3u8")).unwrap());
    assert_eq!(origin.get("/vod/dir/hidden.json").status, 404);
    // A link to a file of the directory is signed like any other.
    std::fs::remove_file(&segment).unwrap();
    std::fs::rename(&moved, dir.0.join("v360/kept.m4s")).unwrap();
    symlink("kept.m4s", &segment).unwrap();
    assert_eq!(sign(&options(&dir.0)).unwrap().segments, 18);
}
