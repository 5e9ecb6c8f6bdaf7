//! How long a file and a function may be.
//!
//! The limits are the ratchet: above what is written today, below what nobody reads to the end. They move down
//! when the code does, and up only with a reason in the change that moves them.
//!
//! Functions are found by counting braces in text whose comments and strings are blanked. That is no parser, and
//! need not be one: it reads formatted code, and what it misses is shorter than what it is there for.

use super::code::{Language, blank};

/// Lines of a source file.
const FILE_LINES: usize = 600;
/// Lines of a function, from its name to its closing brace.
const FUNCTION_LINES: usize = 70;

/// Words that stand before parentheses and a brace without being functions.
const CONTROL: &[&str] = &["if", "for", "while", "switch", "catch", "with"];

/// Where a file or one of its functions is too long.
pub(super) fn complaints(path: &str, text: &str) -> Vec<String> {
    let language = match path.rsplit('.').next() {
        Some("rs") => Language::Rust,
        Some("ts") => Language::TypeScript,
        _ => return Vec::new(),
    };
    let mut complaints = Vec::new();
    let lines = text.lines().count();
    if lines > FILE_LINES {
        complaints.push(format!("{path}: {lines} lines, at most {FILE_LINES}"));
    }
    for function in functions(&blank(text, language), language) {
        if function.lines > FUNCTION_LINES {
            let Function { name, line, lines } = function;
            complaints.push(format!("{path}:{line}: `{name}` has {lines} lines, at most {FUNCTION_LINES}"));
        }
    }
    complaints
}

#[derive(Debug, PartialEq, Eq)]
struct Function {
    name: String,
    line: usize,
    lines: usize,
}

fn functions(code: &str, language: Language) -> Vec<Function> {
    let starts = match language {
        Language::Rust => rust_starts(code),
        Language::TypeScript => script_starts(code),
    };
    starts.into_iter().filter_map(|start| measure(code, start)).collect()
}

/// A function's name, where it stands, and where its body opens.
struct Start {
    name: String,
    at: usize,
    open: usize,
}

fn measure(code: &str, start: Start) -> Option<Function> {
    let length = closing(code.get(start.open..)?, '{', '}')?;
    let line = newlines(code.get(..start.at)?) + 1;
    let lines = newlines(code.get(start.at..start.open + length)?) + 1;
    Some(Function { name: start.name, line, lines })
}

fn newlines(code: &str) -> usize {
    code.bytes().filter(|byte| *byte == b'\n').count()
}

/// Every `fn name` whose next `{` comes before a `;`.
fn rust_starts(code: &str) -> Vec<Start> {
    let mut starts = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let head = code.get(..at).unwrap_or_default();
        let rest = code.get(at + 3..).unwrap_or_default();
        let name: String = rest.chars().take_while(|c| is_word(*c)).collect();
        if name.is_empty() || head.ends_with(is_word) {
            continue;
        }
        if let Some(open) = body_after(rest, &[';']) {
            starts.push(Start { name, at, open: at + 3 + open });
        }
    }
    starts
}

/// Every `name(...) {`, `name(...): Type {` and `(...) => {` that is no control statement.
fn script_starts(code: &str) -> Vec<Start> {
    let mut starts = Vec::new();
    for (at, _) in code.match_indices('(') {
        let head = code.get(..at).unwrap_or_default().trim_end();
        let name: String = head.chars().rev().take_while(|c| is_word(*c)).collect();
        let name: String = name.chars().rev().collect();
        let Some(length) = code.get(at..).and_then(|rest| closing(rest, '(', ')')) else { continue };
        if CONTROL.contains(&name.as_str()) {
            continue;
        }
        let rest = code.get(at + length..).unwrap_or_default();
        if let Some(open) = script_body(rest) {
            starts.push(Start { name, at, open: at + length + open });
        }
    }
    starts
}

/// Where the body opens behind a parameter list, if what follows is a body.
fn script_body(rest: &str) -> Option<usize> {
    let trimmed = rest.trim_start();
    let offset = rest.len() - trimmed.len();
    if trimmed.starts_with('{') {
        return Some(offset);
    }
    let behind = trimmed.strip_prefix("=>").or_else(|| trimmed.strip_prefix(':'))?;
    let skipped = offset + trimmed.len() - behind.len();
    body_after(behind, &[';', ',', ')', ']', '?']).map(|open| skipped + open)
}

/// The first `{` outside brackets, unless one of `ends` comes before it.
fn body_after(rest: &str, ends: &[char]) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in rest.char_indices() {
        match c {
            '{' if depth == 0 => return Some(at),
            '(' | '[' => depth += 1,
            _ if depth == 0 && ends.contains(&c) => return None,
            ')' | ']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// Length of the bracketed text at the start of `rest`, brackets included.
fn closing(rest: &str, open: char, close: char) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in rest.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(at + c.len_utf8());
            }
        }
    }
    None
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(code: &str, language: Language) -> Vec<(String, usize)> {
        let found = functions(&blank(code, language), language);
        found.into_iter().map(|function| (function.name, function.lines)).collect()
    }

    #[test]
    fn rust_functions_are_measured() {
        let code = "trait T { fn only_declared(&self); }\n\
                    fn one() -> &'static str { \"}}} fn no() {\" }\n\
                    impl X {\n    fn two<F: Fn(u8)>(a: [u8; 2], f: F)\n    where\n        F: Copy,\n    {\n        // }\n        f('{');\n    }\n}\n";
        assert_eq!(lengths(code, Language::Rust), [("one".into(), 1), ("two".into(), 7)]);
    }

    #[test]
    fn typescript_functions_are_measured() {
        let code = "export function one(a: number): void {\n  if (a) {\n  }\n}\nclass C {\n  two(x = f(1)) {\n    return `}${x}`;\n  }\n}\nconst three = (r: RegExp): boolean => {\n  return /[{/]\\{/.test('}');\n};\n";
        let found = lengths(code, Language::TypeScript);
        let expected = [("one".to_owned(), 4), ("two".to_owned(), 3), (String::new(), 3)];
        assert_eq!(found, expected);
    }

    #[test]
    fn long_files_and_functions_are_found() {
        let body = "    x();\n".repeat(FUNCTION_LINES);
        assert_eq!(complaints("a.rs", &format!("fn long() {{\n{body}}}\n")).len(), 1);
        assert_eq!(complaints("a.ts", &format!("function long() {{\n{body}}}\n")).len(), 1);
        assert!(complaints("a.rs", &format!("fn fits() {{\n{}}}\n", "    x();\n".repeat(68))).is_empty());
        assert_eq!(complaints("a.rs", &"// x\n".repeat(FILE_LINES + 1)).len(), 1);
        assert!(complaints("a.md", &"x\n".repeat(FILE_LINES + 1)).is_empty());
    }
}
