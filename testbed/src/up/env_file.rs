//! `.bookend/env`: `KEY=value` lines for a shell to source, and for us to read.

use std::fs;
use std::path::Path;

use crate::stack::StackError;
use crate::stack::error::file;
use crate::stack::home;

/// Writes the lines; `set -a` around them exports what a shell sources.
pub(super) fn write(path: &Path, env: &[(String, String)]) -> Result<(), StackError> {
    let mut text = String::from("set -a\n");
    for (key, value) in env {
        text.push_str(&format!("{key}={}\n", quote(value)));
    }
    text.push_str("set +a\n");
    // Renamed into place: whoever sees the file sees all of it.
    let staged = path.with_extension("new");
    fs::write(&staged, text).map_err(file("write", &staged))?;
    fs::rename(&staged, path).map_err(file("write", path))
}

/// All keys and values of `.bookend/env`; none when nothing is up.
#[must_use]
pub fn read() -> Vec<(String, String)> {
    let text = fs::read_to_string(home().join("env")).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), unquote(value)))
        .collect()
}

/// One value of `.bookend/env`.
#[must_use]
pub fn value(key: &str) -> Option<String> {
    let mut all = read().into_iter();
    all.find_map(|(name, value)| (name == key).then_some(value))
}

fn quote(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.,:/@%+=".contains(c);
    if value.chars().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

fn unquote(value: &str) -> String {
    let inner = value.strip_prefix('\'').and_then(|v| v.strip_suffix('\''));
    inner.map_or_else(|| value.to_owned(), |inner| inner.replace(r"'\''", "'"))
}

#[cfg(test)]
mod tests {
    use super::{quote, unquote};

    #[test]
    fn a_value_survives_the_shell() {
        for value in ["a", "x&y='z' $HOME", "postgres://u@h:1/d?a=b&c=d", ""] {
            assert_eq!(unquote(&quote(value)), value);
        }
        assert_eq!(quote("a&b"), "'a&b'");
    }
}
