//! Command line flags: `--name`, `--name VALUE` or `--name=VALUE`, and nothing that was not declared.

/// One declared flag.
pub(crate) struct Flag {
    name: &'static str,
    value: Option<&'static str>,
    pub(crate) about: &'static str,
}

impl Flag {
    /// A flag that is there or not.
    pub(crate) const fn switch(name: &'static str, about: &'static str) -> Self {
        Self { name, value: None, about }
    }

    /// A flag that carries a value, called `value` in the help.
    pub(crate) const fn value(name: &'static str, value: &'static str, about: &'static str) -> Self {
        Self { name, value: Some(value), about }
    }

    /// How the flag is written.
    pub(crate) fn usage(&self) -> String {
        match self.value {
            None => format!("--{}", self.name),
            Some(value) => format!("--{} {value}", self.name),
        }
    }
}

/// The flags of one call, as given.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    given: Vec<(&'static str, String)>,
}

impl Flags {
    /// Reads `words` for `command`; the error says which word was not understood.
    pub(crate) fn parse(command: &str, known: &[Flag], words: &[String]) -> Result<Self, String> {
        let mut flags = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let (name, inline) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            let flag = known
                .iter()
                .find(|flag| name.strip_prefix("--") == Some(flag.name))
                .ok_or_else(|| format!("`{command}` does not know `{word}`"))?;
            let value = match (flag.value, inline) {
                (None, None) => String::new(),
                (None, Some(_)) => return Err(format!("`{name}` takes no value")),
                (Some(_), Some(value)) => value,
                (Some(_), None) => words
                    .next()
                    .cloned()
                    .ok_or_else(|| format!("`{name}` needs a value: {}", flag.usage()))?,
            };
            flags.given.push((flag.name, value));
        }
        Ok(flags)
    }

    /// Was the flag given?
    pub(crate) fn has(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    /// The flag's value; the last one given counts.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.given.iter().rev().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    /// The flag's value as a number, or `default` where it was not given.
    pub(crate) fn number(&self, name: &str, default: u16) -> Result<u16, String> {
        match self.text(name) {
            None => Ok(default),
            Some(text) => {
                text.parse().map_err(|_| format!("--{name} expects a number up to 65535, not `{text}`"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Flag] = &[Flag::switch("check", ""), Flag::value("port", "N", "")];

    fn parse(line: &str) -> Result<Flags, String> {
        let words: Vec<String> = line.split_whitespace().map(String::from).collect();
        Flags::parse("demo", KNOWN, &words)
    }

    #[test]
    fn both_spellings_of_a_value_are_read() {
        assert_eq!(parse("--port 81 --check").unwrap().number("port", 1), Ok(81));
        assert_eq!(parse("--port=82").unwrap().number("port", 1), Ok(82));
        assert_eq!(parse("").unwrap().number("port", 1), Ok(1));
        assert!(parse("--check").unwrap().has("check"));
    }

    #[test]
    fn what_was_not_declared_is_refused() {
        for line in ["--prot 1", "--check=yes", "--port", "port", "-p"] {
            assert!(parse(line).is_err(), "{line} was accepted");
        }
        assert!(parse("--port=many").unwrap().number("port", 1).is_err());
    }
}
