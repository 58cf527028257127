//! What the endpoints on either crate share and what needs neither: options, exit codes, texts.

use std::collections::HashMap;

pub const EXIT_FAILED: i32 = 1;
pub const EXIT_USAGE: i32 = 2;
pub const EXIT_NO_CHANNEL: i32 = 3;
pub const EXIT_NO_ECHO: i32 = 4;

/// Prints why on stderr and ends the process.
pub fn fail(code: i32, why: impl std::fmt::Display) -> ! {
    eprintln!("error: {why}");
    std::process::exit(code)
}

/// Options of the form `--name VALUE`.
pub struct Options(HashMap<String, String>);

impl Options {
    pub fn parse(known: &[&str]) -> Self {
        let mut options = HashMap::new();
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match (arg.strip_prefix("--"), args.next()) {
                (Some(name), Some(value)) if known.contains(&name) => options.insert(name.to_string(), value),
                _ => fail(
                    EXIT_USAGE,
                    format!("{arg}: not an option with a value; options: --{}", known.join(", --")),
                ),
            };
        }
        Self(options)
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_else(|| fail(EXIT_USAGE, format!("--{name} is missing")))
    }

    pub fn number(&self, name: &str, default: u64) -> u64 {
        match self.get(name).map(str::parse) {
            None => default,
            Some(Ok(number)) => number,
            Some(Err(_)) => fail(EXIT_USAGE, format!("--{name} takes a number")),
        }
    }

    /// The sizes of texts, used in turn.
    pub fn sizes(&self) -> Vec<usize> {
        let sizes = self.get("size").unwrap_or("32").split(',').map(str::parse);
        sizes
            .collect::<Result<_, _>>()
            .unwrap_or_else(|_| fail(EXIT_USAGE, "--size takes numbers"))
    }
}

/// The text with this number: the number, filled up to `size` bytes where there is room.
pub fn text(number: u64, size: usize) -> String {
    let mut text = format!("{number} ");
    while text.len() < size {
        text.push((b'a' + (text.len() % 26) as u8) as char);
    }
    text.truncate(size);
    text
}
