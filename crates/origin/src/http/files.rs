//! Files of a directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use crate::playlist::percent_decode;
use crate::within::{self, Refused};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};

use super::respond::{
    Wanted, content_range, header, not_found, range_of, refuse_method, response, set, sized, text,
    unsatisfiable,
};

/// Most bytes read from a file at once.
const READ_BYTES: u64 = 64 << 10;
/// Nothing here has a version in its name, so everything is checked again.
const CACHE: &str = "no-cache";

/// Routes that serve every file of a directory, `/` included.
pub fn router(root: PathBuf) -> Router {
    let serve = |State(root): State<Arc<PathBuf>>, request: Request<Body>| async move {
        let head = request.map(drop);
        match percent_decode(head.uri().path()) {
            Some(path) => serve(&root, &path, &head).await,
            None => not_found("no such file"),
        }
    };
    Router::new().fallback(serve).with_state(Arc::new(root))
}

/// Answers with the file `path` (as axum decoded it) below `root`, or with its `index.html` if it is a
/// directory. Names that begin with a dot are not served: they are temporary files and secrets.
pub async fn serve(root: &Path, path: &str, request: &Request<()>) -> Response<Body> {
    if let Some(refused) = refuse_method(request.method()) {
        return refused;
    }
    let Some(file) = resolve(path) else { return not_found("no such file") };
    match open(root.to_path_buf(), file).await {
        Ok(Some((handle, named, length, etag))) => answer(request, handle, length, &etag, mime(&named)).await,
        Ok(None) => not_found("no such file"),
        Err(link) => text(StatusCode::FORBIDDEN, &format!("{link}: a link leads out of the directory")),
    }
}

/// The file that `path` names, relative to the directory that is served; `None` if it would leave it, or is hidden.
fn resolve(path: &str) -> Option<PathBuf> {
    let mut file = PathBuf::new();
    for component in path.split('/').filter(|c| !c.is_empty()) {
        // Covers `.` and `..` too.
        if component.starts_with('.') || component.contains(['\\', '\0']) {
            return None;
        }
        file.push(component);
    }
    Some(file)
}

/// An open file, where it is, its length and its entity tag.
type Opened = (File, PathBuf, u64, String);

/// `None`: no such file. An error names what a link leads out of the directory.
async fn open(root: PathBuf, file: PathBuf) -> Result<Option<Opened>, String> {
    let opened = tokio::task::spawn_blocking(move || open_now(&root, file)).await;
    opened.unwrap_or(Ok(None))
}

fn open_now(root: &Path, mut file: PathBuf) -> Result<Option<Opened>, String> {
    if root.join(&file).is_dir() {
        file.push("index.html");
    }
    match within::open(root, &file) {
        // A link to a hidden file is as hidden.
        Ok((handle, real)) if real.to_str().and_then(resolve).is_some() => Ok(opened(handle, file)),
        Ok(_) | Err(Refused::Io(_)) => Ok(None),
        Err(Refused::Outside) => Err(file.display().to_string()),
    }
}

fn opened(handle: std::fs::File, named: PathBuf) -> Option<Opened> {
    let metadata = handle.metadata().ok()?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let etag = format!("\"{:x}-{:x}\"", metadata.len(), modified.as_nanos());
    Some((File::from_std(handle), named, metadata.len(), etag))
}

async fn answer(
    request: &Request<()>,
    mut file: File,
    length: u64,
    etag: &str,
    mime: &'static str,
) -> Response<Body> {
    if header(request, IF_NONE_MATCH) == Some(etag) {
        return meta(response(StatusCode::NOT_MODIFIED, Body::empty()), etag, mime);
    }
    let (first, count, status) = match range_of(request, length) {
        Wanted::Whole => (0, length, StatusCode::OK),
        Wanted::Range(first, last) => (first, last - first + 1, StatusCode::PARTIAL_CONTENT),
        Wanted::Unsatisfiable => return unsatisfiable(length),
    };
    if file.seek(SeekFrom::Start(first)).await.is_err() {
        return not_found("no such file");
    }
    let body =
        if request.method() == Method::HEAD { Body::empty() } else { Body::from_stream(read(file, count)) };
    let mut answer = sized(meta(response(status, body), etag, mime), count);
    if status == StatusCode::PARTIAL_CONTENT {
        answer = content_range(answer, &format!("bytes {first}-{}/{length}", first + count - 1));
    }
    answer
}

fn read(file: File, count: u64) -> impl stream::Stream<Item = std::io::Result<Bytes>> {
    stream::try_unfold((file, count), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let want = left.min(READ_BYTES);
        let mut bytes = BytesMut::with_capacity(want as usize);
        let got = (&mut file).take(want).read_buf(&mut bytes).await? as u64;
        if got == 0 {
            // Shorter than it was: the length is promised already, so the connection has to break.
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some((bytes.freeze(), (file, left - got))))
    })
}

fn meta(mut response: Response<Body>, etag: &str, mime: &'static str) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(mime));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(CACHE));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    set(&mut response, ETAG, etag);
    response
}

/// Media type by file name.
pub(crate) fn mime(path: &Path) -> &'static str {
    match path.extension().and_then(|e| e.to_str()).unwrap_or_default() {
        "m3u8" | "m3u" => "application/vnd.apple.mpegurl",
        "mp4" | "m4s" | "m4v" | "cmfv" => "video/mp4",
        "m4a" | "cmfa" => "audio/mp4",
        "ts" => "video/mp2t",
        "aac" => "audio/aac",
        "vtt" => "text/vtt",
        "json" | "map" => "application/json",
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" | "cjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leaves_the_directory() {
        assert_eq!(resolve("a//b.m4s"), Some(PathBuf::from("a/b.m4s")));
        for bad in ["../x", "a/../../x", ".hidden", "a/.key", "a\\..\\x", "a\0"] {
            assert_eq!(resolve(bad), None, "{bad:?}");
        }
    }
}
