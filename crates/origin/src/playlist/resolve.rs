//! The URL that HLS.js makes of a reference, before a browser reads that URL in its own way.
//!
//! HLS.js joins by the rules of RFC 1808: a backslash, `%2e` and a tab mean nothing to it, and what looks like a
//! scheme is one. A browser that joined the reference itself would sometimes end elsewhere.

use super::text::trim;

/// A reference in its parts, each with its own delimiter.
#[derive(Clone, Copy, Debug, Default)]
struct Parts<'a> {
    scheme: &'a str,
    host: &'a str,
    path: &'a str,
    parameters: &'a str,
    query: &'a str,
    fragment: &'a str,
}

/// `reference` as it stands in the document at `base`, an absolute URL.
pub(super) fn join(base: &str, reference: &str) -> String {
    let base = Parts::of(base);
    let reference = trim(reference);
    if reference.is_empty() {
        return base.with_path(&normal(base.path));
    }
    let own = Parts::of(reference);
    if !own.scheme.is_empty() {
        return own.with_path(&normal(own.path));
    }
    let own = Parts { scheme: base.scheme, ..own };
    if !own.host.is_empty() {
        return own.with_path(&normal(own.path));
    }
    let own = Parts { host: base.host, ..own };
    if own.path.starts_with('/') {
        return own.with_path(&normal(own.path));
    }
    if own.path.is_empty() {
        return own.inheriting(base);
    }
    let directory = base.path.rfind('/').and_then(|slash| base.path.get(..=slash)).unwrap_or("/");
    own.with_path(&normal(&format!("{directory}{}", own.path)))
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let (scheme, rest) = scheme(text);
        let host_length = match rest.strip_prefix("//") {
            Some(after) => 2 + after.find(['/', '?', '#']).unwrap_or(after.len()),
            None => 0,
        };
        let (host, rest) = rest.split_at(host_length);
        let (path, rest) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
        // Only the last component has parameters.
        let last = path.rfind('/').map_or(0, |slash| slash + 1);
        let semicolon = path.get(last..).and_then(|file| file.find(';')).map_or(path.len(), |at| last + at);
        let (path, parameters) = path.split_at(semicolon);
        let (query, fragment) = rest.split_at(rest.find('#').unwrap_or(rest.len()));
        Self { scheme, host, path, parameters, query, fragment }
    }

    fn with_path(&self, path: &str) -> String {
        [self.scheme, self.host, path, self.parameters, self.query, self.fragment].concat()
    }

    /// A reference without a path names the base document itself, but for what it says.
    fn inheriting(mut self, base: Self) -> String {
        if self.parameters.is_empty() {
            self.parameters = base.parameters;
            if self.query.is_empty() {
                self.query = base.query;
            }
        }
        self.with_path(if base.path.is_empty() { "/" } else { base.path })
    }
}

fn scheme(text: &str) -> (&str, &str) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    match text.find(|c| !is_part(c)) {
        Some(end) if end > 0 && text.get(end..).is_some_and(|rest| rest.starts_with(':')) => {
            text.split_at(end + 1)
        }
        _ => ("", text),
    }
}

/// Without `.` and `..` as far as there is something to go up from. Both work from the end to the beginning.
fn normal(path: &str) -> String {
    let mut components: Vec<&str> = path.split('/').collect();
    drop_dots(&mut components);
    while drop_parents(&mut components) {}
    components.join("/")
}

/// Takes out each `.` that a slash precedes.
fn drop_dots(components: &mut Vec<&str>) {
    let last = components.len().saturating_sub(1);
    if last > 0
        && let Some(end) = components.last_mut().filter(|end| **end == ".")
    {
        *end = "";
    }
    let mut index = 0;
    components.retain(|component| {
        let between = index > 0 && index < last;
        index += 1;
        !(between && *component == ".")
    });
}

/// Takes out each `component/..`, seen from the end; true if there was one.
fn drop_parents(components: &mut Vec<&str>) -> bool {
    let mut kept: Vec<&str> = Vec::with_capacity(components.len());
    let mut dropped = false;
    let mut left = components.len();
    while let Some(index) = left.checked_sub(1) {
        let Some(component) = components.get(index) else { break };
        let parent = index.checked_sub(1).and_then(|before| components.get(before));
        // The component gone up from must have a slash before it, and be none that goes up itself.
        match parent {
            Some(parent) if *component == ".." && *parent != ".." && index >= 2 => {
                dropped = true;
                if kept.is_empty() {
                    kept.push("");
                }
                left = index - 1;
            }
            _ => {
                kept.push(component);
                left = index;
            }
        }
    }
    kept.reverse();
    *components = kept;
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_joined_by_the_old_rules() {
        let base = "http://h/a/b/c.m3u8;p?q=/x#f";
        for (reference, url) in [
            ("s.ts", "http://h/a/b/s.ts"),
            (" s.ts\u{a0}", "http://h/a/b/s.ts"),
            ("./x/../s.ts?t=../u", "http://h/a/b/s.ts?t=../u"),
            ("../../s.ts", "http://h/s.ts"),
            ("../../../s.ts", "http://h/../s.ts"),
            ("/r/./s.ts", "http://h/r/s.ts"),
            ("//o/r/../s.ts", "http://o/s.ts"),
            ("https://o/r/../s.ts", "https://o/s.ts"),
            ("1:2.ts", "1:2.ts"),
            ("./1:2.ts", "http://h/a/b/1:2.ts"),
            ("x\\..\\s.ts", "http://h/a/b/x\\..\\s.ts"),
            ("%2e%2e/s.ts", "http://h/a/b/%2e%2e/s.ts"),
            ("x//../s.ts", "http://h/a/b/x/s.ts"),
            ("x/..", "http://h/a/b/"),
            ("x/.", "http://h/a/b/x/"),
            ("s.ts;v=1/../t.ts", "http://h/a/b/t.ts"),
            ("?y", "http://h/a/b/c.m3u8;p?y"),
            ("", base),
            ("..", "http://h/a/"),
            ("/..", "http://h/.."),
            ("a/b/../../../c", "http://h/a/c"),
            ("a:x/../y", "a:x/../y"),
            ("...//..", "http://h/a/b/.../"),
        ] {
            assert_eq!(join(base, reference), url, "{reference:?}");
        }
    }
}
