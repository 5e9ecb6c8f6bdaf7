//! Source text with comments, strings and other literals blanked, so that braces can be counted.

/// How a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// Raw strings, lifetimes, nested comments.
    Rust,
    /// Templates and regular expressions.
    TypeScript,
}

/// The text with every literal and comment replaced by spaces; lines stay where they are.
pub(super) fn blank(text: &str, language: Language) -> String {
    let mut blanker =
        Blanker { rest: text.chars().collect(), at: 0, out: String::with_capacity(text.len()), language };
    while blanker.at < blanker.rest.len() {
        blanker.step();
    }
    blanker.out
}

struct Blanker {
    rest: Vec<char>,
    at: usize,
    out: String,
    language: Language,
}

impl Blanker {
    fn step(&mut self) {
        match (self.language, self.peek(0), self.peek(1)) {
            (_, '/', '/') => self.hide_while(|c| c != '\n'),
            (_, '/', '*') => self.hide_comment(),
            (_, '"', _) => self.hide_string('"'),
            (Language::Rust, 'r', '"' | '#') if !self.after_word() => self.hide_raw(),
            (Language::Rust, 'b', 'r') if !self.after_word() && matches!(self.peek(2), '"' | '#') => {
                self.hide(1);
                self.hide_raw();
            }
            (Language::Rust, '\'', next) if next == '\\' || self.peek(2) == '\'' => self.hide_string('\''),
            (Language::TypeScript, '\'', _) => self.hide_string('\''),
            (Language::TypeScript, '`', _) => self.hide_template(),
            (Language::TypeScript, '/', _) if self.regex_may_start() => self.hide_regex(),
            _ => self.keep(),
        }
    }

    /// The character `ahead` of here; NUL past the end.
    fn peek(&self, ahead: usize) -> char {
        self.rest.get(self.at + ahead).copied().unwrap_or_default()
    }

    fn keep(&mut self) {
        let c = self.peek(0);
        self.out.push(c);
        self.at += 1;
    }

    fn hide(&mut self, count: usize) {
        for _ in 0..count.min(self.rest.len() - self.at) {
            self.out.push(if self.peek(0) == '\n' { '\n' } else { ' ' });
            self.at += 1;
        }
    }

    fn hide_while(&mut self, inside: impl Fn(char) -> bool) {
        while self.at < self.rest.len() && inside(self.peek(0)) {
            self.hide(1);
        }
    }

    fn hide_comment(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.rest.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') if depth == 0 || self.language == Language::Rust => {
                    depth += 1;
                    self.hide(2);
                }
                ('*', '/') => {
                    depth -= 1;
                    self.hide(2);
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.hide(1),
            }
        }
    }

    fn hide_string(&mut self, quote: char) {
        self.hide(1);
        while self.at < self.rest.len() {
            match self.peek(0) {
                '\\' => self.hide(2),
                c if c == quote => return self.hide(1),
                _ => self.hide(1),
            }
        }
    }

    /// `r"..."` and `r#"..."#`; a raw identifier such as `r#fn` is kept.
    fn hide_raw(&mut self) {
        let hashes = (1..).take_while(|ahead| self.peek(*ahead) == '#').count();
        if self.peek(1 + hashes) != '"' {
            return self.keep();
        }
        self.hide(2 + hashes);
        while self.at < self.rest.len() {
            let ends = self.peek(0) == '"' && (1..=hashes).all(|ahead| self.peek(ahead) == '#');
            if ends {
                return self.hide(1 + hashes);
            }
            self.hide(1);
        }
    }

    /// A template with what it interpolates: no function of any length belongs in there.
    fn hide_template(&mut self) {
        self.hide(1);
        let mut depth = 0_usize;
        while self.at < self.rest.len() {
            match (self.peek(0), self.peek(1)) {
                ('\\', _) => self.hide(2),
                ('`', _) if depth == 0 => return self.hide(1),
                ('`', _) => self.hide_template(),
                ('$', '{') if depth == 0 => {
                    depth = 1;
                    self.hide(2);
                }
                ('{', _) if depth > 0 => {
                    depth += 1;
                    self.hide(1);
                }
                ('}', _) if depth > 0 => {
                    depth -= 1;
                    self.hide(1);
                }
                _ => self.hide(1),
            }
        }
    }

    /// A slash begins a regular expression where no value stands before it.
    fn regex_may_start(&self) -> bool {
        let before = self.out.trim_end();
        before.ends_with("return") || before.is_empty() || before.ends_with(|c| "(,=:[!&|?{};".contains(c))
    }

    fn hide_regex(&mut self) {
        self.hide(1);
        let mut in_class = false;
        while self.at < self.rest.len() {
            match self.peek(0) {
                '\\' => self.hide(2),
                '/' if !in_class => return self.hide(1),
                '\n' => return,
                c => {
                    in_class = (in_class || c == '[') && c != ']';
                    self.hide(1);
                }
            }
        }
    }

    fn after_word(&self) -> bool {
        self.out.ends_with(|c: char| c.is_alphanumeric() || c == '_')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(text: &str, language: Language) -> String {
        blank(text, language).split_whitespace().collect()
    }

    #[test]
    fn rust_literals_and_comments_vanish() {
        let code = "a /* { /* } */ { */ b // {\n r#\"{\"}\"# r\"{\" br\"{\" b\"{\" '{' '\\'' c<'a> \"\\\"{\" for r#fn";
        assert_eq!(bare(code, Language::Rust), "abbc<'a>forr#fn");
    }

    #[test]
    fn typescript_literals_and_comments_vanish() {
        let code = "a('{', \"{\", `{${b(`}`, {})}{`, /[/{]\\//g) / 2 /* { */ // {\n";
        assert_eq!(bare(code, Language::TypeScript), "a(,,,g)/2");
    }

    #[test]
    fn lines_stay_where_they_are() {
        let code = "a\n/* x\ny */\n\"s\n t\"\nb";
        assert_eq!(blank(code, Language::Rust).lines().count(), code.lines().count());
    }
}
