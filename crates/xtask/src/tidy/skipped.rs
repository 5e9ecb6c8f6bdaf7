//! No test may be switched off, and none may switch the others off.

/// Attributes that switch Rust tests off, put together here so that this file does not hold them itself.
const RUST: &[&str] = &[concat!("#[", "ignore"), concat!(", ", "ignore)]"), concat!("```", "ignore")];
/// Calls and options that do so in JavaScript.
const SCRIPT: &[&str] = &[".skip(", ".only(", ".todo(", "skip: true", "only: true", "skip: '", "skip: \""];

/// Lines that switch a test off.
pub(super) fn complaints(path: &str, text: &str) -> Vec<String> {
    let extension = path.rsplit('.').next().unwrap_or_default();
    let signs = match extension {
        "rs" => RUST,
        "ts" | "mts" | "js" | "mjs" => SCRIPT,
        _ => return Vec::new(),
    };
    let mut complaints = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(sign) = signs.iter().find(|sign| line.contains(**sign)) {
            complaints.push(format!("{path}:{}: `{sign}` switches tests off", index + 1));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switched_off_tests_are_found() {
        let rust = ["#[", "ignore = \"slow\"]\nfn f() {}"].concat();
        assert_eq!(complaints("a.rs", &rust), [format!("a.rs:1: `{}` switches tests off", RUST[0])]);
        assert_eq!(complaints("a.mjs", "test.only('x')").len(), 1);
        assert_eq!(complaints("a.ts", "it.skip('x')").len(), 1);
    }

    #[test]
    fn what_only_looks_like_it_is_left_alone() {
        assert!(complaints("a.rs", "iter.skip(1)").is_empty());
        assert!(complaints("README.md", "test.only(").is_empty());
    }
}
