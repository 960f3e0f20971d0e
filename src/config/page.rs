//! The table as text: `braid --help` and `docs/configuration.md`.

use super::unit::Unit;
use super::{PARTS, Setting};
use std::fmt::Write;

/// Width of the help's first column.
const FLAG_WIDTH: usize = 36;
/// Width of the help's second column.
const DOC_WIDTH: usize = 60;

const HELP_HEAD: &str = "\
One server that speaks the Kafka protocol and the Kinesis API over one log.

Usage: braid [serve] [--SETTING VALUE]...
       braid healthcheck [--kinesis-listen ADDRESS]

serve runs the server. healthcheck exits with 0 if the server on --kinesis-listen is ready.
Each setting is also an environment variable and a key of a TOML file: --kafka-listen is
BRAID_KAFKA_LISTEN and kafka-listen. A flag beats the environment, the environment the file.
";

/// What `--help` prints.
pub fn help() -> String {
    let mut help = HELP_HEAD.to_owned();
    for (doc, settings) in PARTS {
        write!(help, "\n{}\n", doc.trim()).expect("a String takes everything");
        for setting in *settings {
            entry(&mut help, &flag(setting), &described(setting));
        }
    }
    help.push_str("\nThe program.\n");
    entry(&mut help, "--config FILE", "The TOML file.");
    entry(&mut help, "--help", "Print this.");
    entry(&mut help, "--version", "Print the version.");
    help
}

fn flag(setting: &Setting) -> String {
    let value = match setting.unit() {
        _ if setting.is_switch => "",
        Unit::Bytes => " SIZE",
        Unit::Milliseconds => " TIME",
        Unit::None => " VALUE",
    };
    format!("--{}{value}", setting.name)
}

fn described(setting: &Setting) -> String {
    match setting.default_text() {
        default if default.is_empty() => setting.doc.trim().to_owned(),
        default => format!("{} [{default}]", setting.doc.trim()),
    }
}

fn entry(help: &mut String, flag: &str, doc: &str) {
    let mut lines = wrapped(doc).into_iter();
    let first = lines.next().unwrap_or_default();
    if flag.len() < FLAG_WIDTH {
        writeln!(help, "  {flag:FLAG_WIDTH$}{first}").expect("a String takes everything");
    } else {
        writeln!(help, "  {flag}\n  {:FLAG_WIDTH$}{first}", "").expect("a String takes everything");
    }
    for line in lines {
        writeln!(help, "  {:FLAG_WIDTH$}{line}", "").expect("a String takes everything");
    }
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always one");
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() <= DOC_WIDTH {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE_HEAD: &str = "\
# Configuration

Derived from the table in `src/config.rs`; `cargo test` compares. To write it anew:
`WRITE_PAGES=1 cargo test --lib page`.

Every setting is a flag, an environment variable and a TOML key of one name: `--kafka-listen`,
`BRAID_KAFKA_LISTEN` and `kafka-listen`. A flag beats the environment, the environment beats the
file named by `--config FILE` or `BRAID_CONFIG`, and the file beats the default. Sizes may be
written as `64MiB`, `1GB` or in bytes, times as `500ms`, `30s`, `2min`, `12h`, `7d` or in
milliseconds. An unknown flag, key or `BRAID_` variable and a value out of range stop the start
with one line that names it.

```toml
# braid.toml
kafka-listen = \"0.0.0.0:9092\"
kafka-advertised = \"broker.example:9092\"
data-dir = \"/var/lib/braid\"
tail-cache-bytes = \"128MiB\"
```
";

    fn page() -> String {
        let mut page = PAGE_HEAD.to_owned();
        for (doc, settings) in PARTS {
            let title = doc.trim().trim_end_matches('.');
            page.push_str(&format!("\n## {title}\n\n"));
            page.push_str("| setting | default | allowed | what it is |\n|---|---|---|---|\n");
            for setting in *settings {
                page.push_str(&row(setting));
            }
        }
        page
    }

    fn row(setting: &Setting) -> String {
        let default = match setting.default_text() {
            none if none.is_empty() => "–".to_owned(),
            default => format!("`{default}`"),
        };
        let allowed = setting.range_text().unwrap_or_else(|| "–".to_owned());
        let doc = setting.doc.trim();
        format!("| `{}` | {default} | {allowed} | {doc} |\n", setting.name)
    }

    #[test]
    fn the_configuration_page_equals_the_table() {
        crate::tidy::assert_page("docs/configuration.md", &page());
    }

    #[test]
    fn help_fits_a_terminal() {
        for line in help().lines() {
            assert!(line.len() <= 100, "{line}");
        }
    }
}
