//! Signs a finished VOD directory.
//!
//! All playlists and all media are read, cut and signed before the first file is written; then everything
//! appears at once (see [`crate::atomic`]). A directory that cannot be signed is left as it was.
//! Links are followed inside the directory only.
//!
//! ```text
//! <playlist>.mfi.json   beside each media playlist: every segment with its closed list
//! <segment>.mfi         beside each segment file: its closed list alone, binary. Not for byte ranges, nor
//!                       for a file that is used twice: the list of such a file is in the index only
//! keys.json             the key set, to be published at /.well-known/meshedflow/keys.json: what it named stays
//! .meshedflow-epoch.json  the epoch state (unless kept elsewhere)
//! ```
//!
//! Every run takes a new epoch: its lists differ from an earlier run's at least in when they were issued, and
//! two lists for one segment in one epoch would look like an attack to a viewer.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use meshedflow_manifest::{
    EncodedList, EpochRange, InitEntry, KeyState, Kind, ROLLING_LIMIT_BYTES, ROLLING_SEGMENT_LIMIT, Rolling,
    SEGMENT_LIMIT_BYTES, SegmentEntry, SegmentState, SignedList, Signer, Text, sha256,
};

use crate::atomic::{Batch, Mode, Turn};
use crate::clock::unix_s;
use crate::cut::{cut, whole};
use crate::cut_off::cut_off;
use crate::desk::{Desk, Subject};
use crate::key_sets::{self, Changes, Named};
use crate::playlist::{ByteRange, LeftOut, Presentation, Reading, Rendition, Resource, Segment};
use crate::remarks::{self, Remark, Remarks};
use crate::{OriginError, epoch, keys, within};

/// What to sign, and as what.
#[derive(Clone)]
pub struct SignOptions {
    /// The directory.
    pub root: PathBuf,
    /// File name of the entry playlist (multivariant, or the only media playlist).
    pub entry: String,
    /// Where it is published, and what to do with renditions that cannot be read.
    pub reading: Reading,
    /// The stream.
    pub stream: Text,
    /// Whose key.
    pub signer: Arc<Signer>,
    /// Where the last epoch is kept; `None`: `.meshedflow-epoch.json` in the directory.
    pub state: Option<PathBuf>,
    /// Wall clock in milliseconds.
    pub now_ms: u64,
    /// For how many seconds `keys.json` counts from now on.
    pub keys_valid_s: u64,
}

/// What was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The epoch that all lists carry.
    pub epoch: u64,
    /// Media playlists.
    pub renditions: usize,
    /// Segments.
    pub segments: usize,
    /// Fragments of all segments.
    pub fragments: usize,
    /// Files written.
    pub files: usize,
    /// Until when `keys.json` counts, Unix seconds.
    pub keys_until: u64,
    /// A root signed `keys.json`, which stays as it is.
    pub keys_by_root: bool,
    /// What the publisher should know of `keys.json`, a line each.
    pub notes: Vec<String>,
    /// What is in no list, and what was signed with a doubt.
    pub remarks: Remarks,
}

/// Signs the directory and publishes all lists, or leaves it as it was.
pub fn sign(options: &SignOptions) -> Result<Signed, OriginError> {
    keys::check_clock(&options.signer, options.now_ms)?;
    let keys = key_set(options)?;
    let presentation = Presentation::open(&options.root, &options.entry, &options.reading)?;
    let state = options.state.clone().unwrap_or_else(|| options.root.join(".meshedflow-epoch.json"));
    let epoch = epoch::next(&state, options.now_ms)?;
    let mut signing = Signing {
        root: &options.root,
        desk: Desk::new(Arc::clone(&options.signer), options.stream.clone(), epoch),
        issued_at: unix_s(options.now_ms),
        uses: count_uses(&presentation)?,
        batch: Batch::default(),
        named: BTreeMap::new(),
        signed: Signed {
            epoch,
            renditions: 0,
            segments: 0,
            fragments: 0,
            files: 0,
            keys_until: keys.until,
            keys_by_root: keys.json.is_none(),
            notes: keys.notes,
            remarks: Remarks::default(),
        },
    };
    // First into place: an epoch that was spent for nothing does no harm, one that is used twice does.
    signing.batch.stage_in(Turn::State, &state, epoch::state_json(epoch).as_bytes(), Mode::Public)?;
    presentation.remarks.iter().cloned().for_each(|remark| signing.signed.remarks.add(remark));
    for rendition in &presentation.renditions {
        signing.rendition(rendition)?;
    }
    if signing.signed.renditions == 0 {
        return Err(nothing_to_sign(options, &signing.signed.remarks));
    }
    if let Some(json) = keys.json {
        let path = options.root.join("keys.json");
        signing.batch.stage_in(Turn::Keys, &path, json.as_bytes(), Mode::Public)?;
    }
    let files = signing.batch.len();
    signing.batch.publish()?;
    Ok(Signed { files, ..signing.signed })
}

/// What becomes of `keys.json`.
struct Keys {
    /// `None`: it stays as it is.
    json: Option<String>,
    until: u64,
    notes: Vec<String>,
}

/// The set that was there, with this key and stream. One that a root signed is the root's to change.
fn key_set(options: &SignOptions) -> Result<Keys, OriginError> {
    let (path, now, stream) =
        (options.root.join("keys.json"), options.now_ms / 1000, options.stream.as_str());
    if let Some(file) = key_sets::read(&path)?.filter(|file| file.signed) {
        let reason = |why| {
            format!(
                "is signed by a root key and does not let this key sign {stream:?}: {why}; expected it to be published first, by `meshedflow keys publish --root`"
            )
        };
        key_sets::lets_sign(&file, &options.signer.public(), stream, now)
            .map_err(|why| OriginError::KeySet { path, reason: reason(why) })?;
        return Ok(Keys { json: None, until: file.set.expires(), notes: Vec::new() });
    }
    let changes = Changes {
        keys: vec![(Named::of(&options.signer), KeyState::Active)],
        streams: vec![stream.to_owned()],
        valid_s: options.keys_valid_s,
        ..Changes::default()
    };
    let published = key_sets::change(&path, &changes, now)?;
    Ok(Keys { json: Some(published.json), until: published.set.expires(), notes: published.notes })
}

fn nothing_to_sign(options: &SignOptions, remarks: &Remarks) -> OriginError {
    let why: Vec<_> = remarks.lines().collect();
    OriginError::playlist(options.root.join(&options.entry), format!("nothing to sign: {}", why.join("; ")))
}

/// How often each file is named as a segment, over all renditions.
fn count_uses(presentation: &Presentation) -> Result<BTreeMap<PathBuf, usize>, OriginError> {
    let mut uses = BTreeMap::new();
    for rendition in &presentation.renditions {
        for segment in rendition.playlist.segments.iter().filter(|s| s.left_out.is_none()) {
            *uses.entry(rendition.file(&segment.uri)?).or_default() += 1;
        }
    }
    Ok(uses)
}

struct Signing<'a> {
    root: &'a Path,
    desk: Desk,
    issued_at: u32,
    uses: BTreeMap<PathBuf, usize>,
    batch: Batch,
    /// Names by media sequence number and content.
    named: BTreeMap<(u64, [u8; 32]), String>,
    signed: Signed,
}

/// An init segment of a rendition, once signed.
struct Init {
    digest: [u8; 32],
    entry: InitEntry,
}

impl Signing<'_> {
    fn rendition(&mut self, rendition: &Rendition) -> Result<(), OriginError> {
        let playlist = &rendition.playlist;
        if !playlist.ended {
            let reason = "has no EXT-X-ENDLIST; expected a finished playlist";
            return Err(OriginError::playlist(self.root.join(&rendition.path), reason));
        }
        let mut inits = BTreeMap::new();
        let mut segments = Vec::with_capacity(playlist.segments.len());
        for segment in &playlist.segments {
            let signed = match &segment.left_out {
                Some(why) => Err(why.clone()),
                None => self
                    .whole_segment(rendition, segment, &mut inits)
                    .map_err(|error| self.at_line(rendition, segment, &error))?,
            };
            match signed {
                Ok(entry) => segments.push(entry),
                Err(why) => self.remark(why.kind, place(rendition, segment), why.what),
            }
        }
        if segments.is_empty() {
            let (place, what) =
                (rendition.path.display().to_string(), "all its segments are left out".into());
            self.remark(remarks::Kind::Rendition, place, what);
            return Ok(());
        }
        self.index(rendition, inits.into_values().map(|i| i.entry).collect(), segments)
    }

    /// A segment and, if it is the first to need it, its init segment; or why they are in no list.
    fn whole_segment(
        &mut self,
        rendition: &Rendition,
        segment: &Segment,
        inits: &mut BTreeMap<Resource, Init>,
    ) -> Result<Result<SegmentEntry, LeftOut>, OriginError> {
        let bytes = self.read(rendition, &segment.uri, segment.range)?;
        if bytes.is_empty() {
            return Ok(Err(empty(&segment.uri)));
        }
        let mut init_digest = [0; 32];
        if let Some(init) = &segment.init {
            if !inits.contains_key(init) {
                match self.init(rendition, segment, init)? {
                    Ok(signed) => drop(inits.insert(init.clone(), signed)),
                    Err(why) => return Ok(Err(why)),
                }
            }
            init_digest = inits.get(init).map_or(init_digest, |known| known.digest);
        }
        self.segment(rendition, segment, &bytes, init_digest).map(Ok)
    }

    fn remark(&mut self, kind: remarks::Kind, place: String, what: String) {
        self.signed.remarks.add(Remark { kind, place, what });
    }

    /// The line is where the owner of a playlist looks first.
    fn at_line(&self, rendition: &Rendition, segment: &Segment, error: &OriginError) -> OriginError {
        let path = self.root.join(&rendition.path);
        OriginError::playlist(path, format!("line {}: {error}", segment.line))
    }

    fn init(
        &mut self,
        rendition: &Rendition,
        first: &Segment,
        init: &Resource,
    ) -> Result<Result<Init, LeftOut>, OriginError> {
        let bytes = self.read(rendition, &init.uri, init.range)?;
        if bytes.is_empty() {
            return Ok(Err(empty(&init.uri)));
        }
        self.doubt_end(rendition, first, &init.uri, &bytes);
        let name = rendition.resource_name(&init.uri)?;
        let cut = whole(&bytes).ok_or_else(|| too_long(Path::new(&init.uri)))?;
        let subject = self.subject(rendition, first, Kind::Init, name.clone(), init.range, [0; 32]);
        let list = self.desk.sign_whole(subject, &bytes, &[cut])?;
        Ok(Ok(Init { digest: sha256(&bytes), entry: InitEntry { name, list: EncodedList::of(&list) } }))
    }

    fn segment(
        &mut self,
        rendition: &Rendition,
        segment: &Segment,
        bytes: &[u8],
        init_digest: [u8; 32],
    ) -> Result<SegmentEntry, OriginError> {
        let (kind, cuts) = cut(bytes).map_err(|e| OriginError::media(&segment.uri, e.to_string()))?;
        let name = rendition.resource_name(&segment.uri)?;
        let subject = self.subject(rendition, segment, kind, name.clone(), segment.range, init_digest);
        let list = self.desk.sign_whole(subject, bytes, &cuts)?;
        self.doubt_end(rendition, segment, &segment.uri, bytes);
        self.doubt_name(rendition, segment, &name, &list);
        self.sidecar(rendition, segment, &list)?;
        self.signed.segments += 1;
        self.signed.fragments += list.records.len();
        Ok(SegmentEntry {
            msn: segment.msn,
            name,
            uri: segment.uri.clone(),
            duration_ms: (segment.duration_s * 1000.0).round() as u32,
            released_age_ms: 0,
            state: SegmentState::Complete,
            list: EncodedList::of(&list),
        })
    }

    fn doubt_end(&mut self, rendition: &Rendition, segment: &Segment, uri: &str, bytes: &[u8]) {
        if let Some(why) = cut_off(bytes) {
            self.remark(remarks::Kind::CutOff, place(rendition, segment), format!("{uri:?}: {why}"));
        }
    }

    /// Viewers of two renditions share a segment only if both call it the same.
    fn doubt_name(&mut self, rendition: &Rendition, segment: &Segment, name: &str, list: &SignedList) {
        let content = sha256(&list.records.iter().flat_map(|record| record.sha256).collect::<Vec<_>>());
        match self.named.entry((segment.msn, content)) {
            Entry::Vacant(entry) => drop(entry.insert(name.to_owned())),
            Entry::Occupied(entry) if entry.get() == name => {}
            Entry::Occupied(entry) => {
                let what = format!("{name:?} has the bytes of {:?}", entry.get());
                self.remark(remarks::Kind::OtherName, place(rendition, segment), what);
            }
        }
    }

    fn subject(
        &self,
        rendition: &Rendition,
        segment: &Segment,
        kind: Kind,
        name: String,
        range: Option<ByteRange>,
        init_digest: [u8; 32],
    ) -> Subject {
        Subject {
            rendition: rendition.name.clone(),
            kind,
            msn: segment.msn,
            dsn: segment.dsn,
            name,
            range_base: range.map_or(0, |r| r.offset),
            init_digest,
            issued_at: self.issued_at,
        }
    }

    fn sidecar(
        &mut self,
        rendition: &Rendition,
        segment: &Segment,
        list: &SignedList,
    ) -> Result<(), OriginError> {
        let file = rendition.file(&segment.uri)?;
        if segment.range.is_some() || self.uses.get(&file) != Some(&1) {
            return Ok(());
        }
        let path = rendition.sidecar_path(&segment.uri)?;
        self.batch.stage(&self.root.join(path), &list.encode(), Mode::Public)
    }

    fn index(
        &mut self,
        rendition: &Rendition,
        init: Vec<InitEntry>,
        segments: Vec<SegmentEntry>,
    ) -> Result<(), OriginError> {
        let bad = |reason: String| OriginError::playlist(self.root.join(&rendition.path), reason);
        if segments.len() > ROLLING_SEGMENT_LIMIT {
            return Err(bad(format!(
                "{} segments; expected at most {ROLLING_SEGMENT_LIMIT}",
                segments.len()
            )));
        }
        let (first, last) = (segments.first().map_or(0, |s| s.msn), segments.last().map(|s| s.msn));
        let json = Rolling {
            v: 1,
            stream: self.desk.stream().clone(),
            rendition: rendition.name.clone(),
            target_ms: rendition.playlist.target_duration_s.saturating_mul(1000),
            complete: true,
            epochs: vec![EpochRange { epoch: self.desk.epoch(), first_msn: first, last_msn: last }],
            init,
            segments,
        }
        .to_json();
        if json.len() > ROLLING_LIMIT_BYTES {
            return Err(bad(format!(
                "index of {} bytes; expected at most {ROLLING_LIMIT_BYTES}",
                json.len()
            )));
        }
        let path = rendition.index_path()?;
        self.batch.stage_in(Turn::Index, &self.root.join(path), json.as_bytes(), Mode::Public)?;
        self.signed.renditions += 1;
        Ok(())
    }

    fn read(
        &self,
        rendition: &Rendition,
        uri: &str,
        range: Option<ByteRange>,
    ) -> Result<Vec<u8>, OriginError> {
        read_range(self.root, &rendition.file(uri)?, range)
    }
}

fn place(rendition: &Rendition, segment: &Segment) -> String {
    format!("{} line {}", rendition.path.display(), segment.line)
}

fn empty(uri: &str) -> LeftOut {
    LeftOut { kind: remarks::Kind::Empty, what: format!("{uri:?} has no bytes; expected media") }
}

/// A file of the directory, or a part of one.
pub(crate) fn read_range(root: &Path, file: &Path, range: Option<ByteRange>) -> Result<Vec<u8>, OriginError> {
    let (path, mut file) = (&root.join(file), within::open_for("cannot read media file", root, file)?);
    let length = file.metadata().map_err(OriginError::io("cannot read media file", path))?.len();
    let range = range.unwrap_or(ByteRange { offset: 0, length });
    if range.offset.checked_add(range.length).is_none_or(|end| end > length) {
        let reason = format!("has {length} bytes; expected {} from {} on", range.length, range.offset);
        return Err(OriginError::media(path, reason));
    }
    if range.length > SEGMENT_LIMIT_BYTES.into() {
        return Err(too_long(path));
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(range.offset))
        .and_then(|_| file.take(range.length).read_to_end(&mut bytes))
        .map_err(OriginError::io("cannot read media file", path))?;
    Ok(bytes)
}

fn too_long(path: &Path) -> OriginError {
    OriginError::media(path, format!("is longer than a signed segment may be, {SEGMENT_LIMIT_BYTES} bytes"))
}
