//! Descriptors: each connection takes one, and a process may open only so many.

use core::fmt;

/// What an edge opens besides connections: listeners, the poller, files it reads.
const RESERVED_FILES: usize = 64;

/// The process may not open as many files as the config allows connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileShortage {
    /// Connections that the config allows.
    pub wanted: usize,
    /// Connections that the edge takes instead.
    pub granted: usize,
    /// Files that this process may open.
    pub files: u64,
}

impl fmt::Display for FileShortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wanted, granted, files } = self;
        let needed = wanted + RESERVED_FILES;
        write!(
            f,
            "config `limits.connections` is {wanted}, but this process may open {files} files (RLIMIT_NOFILE); \
             expected a hard limit of at least {needed}; taking {granted} connections at most"
        )
    }
}

/// Raises the limit on open files as far as the system lets this process.
pub(crate) fn raise() -> u64 {
    rlimit::increase_nofile_limit(u64::MAX).unwrap_or(u64::MAX)
}

/// How many of `wanted` connections `files` open files are enough for.
pub(crate) fn shortage(wanted: usize, files: u64) -> Option<FileShortage> {
    let enough = usize::try_from(files).unwrap_or(usize::MAX).saturating_sub(RESERVED_FILES).max(1);
    (enough < wanted).then_some(FileShortage { wanted, granted: enough, files })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_names_its_numbers() {
        assert_eq!(shortage(1_000, 1_064), None);
        let short = shortage(50_000, 4_096).unwrap();
        assert_eq!(short.granted, 4_032);
        let text = short.to_string();
        for number in ["50000", "4096", "50064", "4032", "limits.connections", "RLIMIT_NOFILE"] {
            assert!(text.contains(number), "{text}");
        }
    }

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        let hard = rlimit::getrlimit(rlimit::Resource::NOFILE).unwrap().1;
        raise();
        assert_eq!(rlimit::getrlimit(rlimit::Resource::NOFILE).unwrap().0, hard);
    }
}
