//! The rules of the house that a machine can check (clippy and rustfmt check the others).

mod compatibility;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const COLUMNS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 400;
/// Tests that are longer have a file of their own.
const TEST_LINES_MAX: usize = 150;
const DECISION_LINES_MAX: usize = 50;

/// What the repository holds, dotfiles aside.
const TOP_LEVEL: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "README.md",
    "compat-tests",
    "docs",
    "src",
];
/// What building and running leave there.
const LEFT_BEHIND: &[&str] = &["target", "braid-data"];

/// One file of `src` or of a test crate.
struct Source {
    /// From the top of the repository, with `/`.
    path: String,
    text: String,
    /// Whether the whole file is compiled for tests only.
    is_test: bool,
}

impl Source {
    /// The lines outside the tests, with their numbers.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = if self.is_test { 0 } else { self.tests_begin() };
        (1..).zip(self.text.lines()).take(end)
    }

    /// How many lines stand before the tests at the file's end.
    fn tests_begin(&self) -> usize {
        let lines: Vec<&str> = self.text.lines().collect();
        let opens = |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1] == "mod tests {";
        lines.windows(2).position(opens).unwrap_or(lines.len())
    }

    fn is_in(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, into: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("a folder of the repository");
    for entry in entries {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        if name.starts_with('.') || matches!(&*name, "target" | "node_modules" | "__pycache__") {
            continue;
        }
        match path.is_dir() {
            true => files_below(&path, into),
            false => into.push(path),
        }
    }
}

fn files(folder: &str, extension: &str) -> Vec<(String, String)> {
    let (root, mut found) = (root(), Vec::new());
    files_below(&root.join(folder), &mut found);
    found.retain(|path| path.extension().is_some_and(|found| found == extension));
    found.sort();
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(&root).expect("below the root");
        let text = fs::read_to_string(path).expect("text");
        (name.to_string_lossy().into_owned(), text)
    };
    found.iter().map(read).collect()
}

/// Everything in Rust.
fn sources() -> Vec<Source> {
    let mut all = files("src", "rs");
    all.extend(files("compat-tests", "rs"));
    let test_modules: Vec<String> = all.iter().flat_map(test_modules).collect();
    let source = |(path, text): (String, String)| {
        let stem = path.trim_end_matches(".rs").to_owned();
        let is_below = |module: &String| stem == *module || stem.starts_with(&format!("{module}/"));
        let is_test = path.starts_with("compat-tests/") || test_modules.iter().any(is_below);
        Source {
            path,
            text,
            is_test,
        }
    };
    all.into_iter().map(source).collect()
}

/// Paths of the modules that this file declares for tests only.
fn test_modules((path, text): &(String, String)) -> Vec<String> {
    let stem = path.trim_end_matches(".rs");
    let folder = match stem.rsplit_once('/') {
        Some((folder, "mod" | "lib")) => folder,
        _ => stem,
    };
    let lines: Vec<&str> = text.lines().collect();
    let declared = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
    let name = |pair: &[&str]| {
        let name = pair[1].split_once("mod ")?.1.strip_suffix(';')?;
        Some(format!("{folder}/{name}"))
    };
    declared.filter_map(name).collect()
}

/// Lines of code in `sources` that hold one of `words`.
fn lines_with(sources: &[Source], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        for (number, line) in source.code() {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    found
}

fn assert_none(offenders: &[String], rule: &str) {
    assert!(offenders.is_empty(), "{rule}:\n{}", offenders.join("\n"));
}

fn sources_in(folder: &str) -> Vec<Source> {
    let mut sources = sources();
    sources.retain(|source| source.is_in(folder));
    sources
}

fn sources_except(files: &[&str]) -> Vec<Source> {
    let mut sources = sources_in("src/");
    sources.retain(|source| !files.contains(&source.path.as_str()));
    sources
}

/// A generated page must equal its table. `WRITE_PAGES=1` writes it anew.
pub fn assert_page(path: &str, expected: &str) {
    let file = root().join(path);
    if std::env::var_os("WRITE_PAGES").is_some() {
        fs::write(&file, expected).expect("to write the page");
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    let hint = "run `WRITE_PAGES=1 cargo test --lib page`";
    assert!(found == expected, "{path} is behind its table: {hint}");
}

#[test]
fn every_file_opens_with_a_sentence_that_says_what_it_is() {
    let all = sources();
    let silent = all.iter().filter(|source| !source.text.starts_with("//! "));
    let silent: Vec<String> = silent.map(|source| source.path.clone()).collect();
    assert_none(&silent, "open these with a `//!` sentence");
}

#[test]
fn no_line_is_longer_than_a_hundred_columns() {
    let mut long = Vec::new();
    for source in sources() {
        for (number, line) in (1..).zip(source.text.lines()) {
            if line.chars().count() > COLUMNS_MAX {
                long.push(format!("{}:{number}", source.path));
            }
        }
    }
    assert_none(&long, "break these lines");
}

#[test]
fn no_file_has_more_than_four_hundred_lines_without_its_tests() {
    let lines = |source: &Source| (source.path.clone(), source.code().count());
    let all: Vec<_> = sources().iter().map(lines).collect();
    let large = all.iter().filter(|(_, lines)| *lines > FILE_LINES_MAX);
    let large: Vec<String> = large
        .map(|(path, lines)| format!("{path}: {lines}"))
        .collect();
    assert_none(&large, "split these files by reason");
}

#[test]
fn long_tests_have_a_file_of_their_own() {
    let inside = |source: &Source| source.text.lines().count() - source.tests_begin();
    let all = sources();
    let long = all.iter().filter(|source| inside(source) > TEST_LINES_MAX);
    let long: Vec<String> = long.map(|source| source.path.clone()).collect();
    assert_none(&long, "move these tests to a sibling `tests.rs`");
}

#[test]
fn the_store_speaks_its_own_words() {
    let words = [
        "topic",
        "sequence number",
        "sequence_number",
        "sequencenumber",
        "shard iterator",
        "shard_iterator",
        "sharditerator",
        "partition key",
        "partition_key",
        "partitionkey",
    ];
    let mut store = sources_in("src/store/");
    for source in &mut store {
        source.text = source.text.to_lowercase();
    }
    assert_none(&lines_with(&store, &words), "these words belong to a face");
}

#[test]
fn the_faces_never_import_each_other_and_the_store_imports_neither() {
    let kafka = lines_with(&sources_in("src/kafka/"), &["crate::kinesis"]);
    let kinesis = lines_with(&sources_in("src/kinesis/"), &["crate::kafka"]);
    let store = lines_with(
        &sources_in("src/store/"),
        &[
            "crate::kafka",
            "crate::kinesis",
            "crate::admin",
            "crate::server",
        ],
    );
    assert_none(
        &[kafka, kinesis, store].concat(),
        "these point the wrong way",
    );
}

#[test]
fn only_the_disk_touches_the_file_system() {
    let others = sources_except(&["src/store/engine/local/disk.rs", "src/config/given.rs"]);
    let words = [
        "std::fs",
        "tokio::fs",
        "rustix::fs",
        "File::open",
        "OpenOptions",
    ];
    assert_none(&lines_with(&others, &words), "only disk.rs does this");
}

#[test]
fn only_the_faces_edges_touch_sockets() {
    let others = sources_except(&[
        "src/healthcheck.rs",
        "src/kafka/connection.rs",
        "src/kinesis/http.rs",
        "src/server.rs",
    ]);
    let words = [
        "TcpListener",
        "TcpStream",
        "TcpSocket",
        "UdpSocket",
        "UnixStream",
    ];
    assert_none(&lines_with(&others, &words), "sockets end before this");
}

#[test]
fn only_the_clock_reads_time() {
    let others = sources_except(&["src/clock.rs"]);
    let words = ["SystemTime::now", "Instant::now", ".elapsed()"];
    assert_none(
        &lines_with(&others, &words),
        "ask the clock that was passed in",
    );
}

#[test]
fn an_exception_to_a_lint_has_a_reason_and_ends_with_its_need() {
    let words = ["[allow(", "[rustfmt::skip]", ".unwrap()", "todo!("];
    assert_none(
        &lines_with(&sources_except(&[]), &words),
        "use #[expect(…, reason)] or mend",
    );
}

#[test]
fn a_thing_is_named_for_what_it_is_and_not_for_its_job() {
    let titles = [
        "Manager",
        "Helper",
        "Util",
        "Utils",
        "Service",
        "Processor",
        "Base",
    ];
    let is_titled = |line: &str| {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        let declares = words.any(|word| matches!(word, "struct" | "enum" | "trait"));
        let name = words.next().unwrap_or_default();
        declares && titles.iter().any(|title| name.ends_with(title))
    };
    let mut titled = Vec::new();
    for source in sources() {
        let found = source.code().filter(|(_, line)| is_titled(line));
        titled.extend(found.map(|(number, _)| format!("{}:{number}", source.path)));
    }
    assert_none(&titled, "name the thing");
}

#[test]
fn the_top_of_the_repository_is_the_map() {
    let entries = fs::read_dir(root()).expect("the repository");
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let names: BTreeSet<String> = entries
        .map(|entry| name(entry.expect("an entry")))
        .collect();
    let is_known = |name: &&String| {
        name.starts_with('.')
            || TOP_LEVEL.contains(&name.as_str())
            || LEFT_BEHIND.contains(&name.as_str())
    };
    let unknown: Vec<String> = names
        .iter()
        .filter(|name| !is_known(name))
        .cloned()
        .collect();
    assert_none(&unknown, "these have no place at the top");
    for name in TOP_LEVEL {
        assert!(names.contains(*name), "{name} is missing");
    }
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let mut pages = files("docs", "md");
    pages.extend(files("compat-tests", "md"));
    let readme = fs::read_to_string(root().join("README.md")).expect("a README");
    pages.push(("README.md".into(), readme));
    let mut broken = Vec::new();
    for (page, text) in &pages {
        let folder = root().join(page).parent().expect("a folder").to_owned();
        let targets = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        let local = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
        let paths = local.filter_map(|target| target.split('#').next());
        let missing = paths.filter(|path| !folder.join(path).exists());
        broken.extend(missing.map(|path| format!("{page}: {path}")));
    }
    assert_none(&broken, "these links lead nowhere");
}

#[test]
fn a_decision_is_numbered_and_fits_on_a_screen() {
    for (path, text) in files("docs/decisions", "md") {
        let name = path.rsplit('/').next().expect("a name");
        let number = name.split('-').next().expect("a first part");
        assert!(
            number.len() == 4 && number.parse::<u16>().is_ok(),
            "{path} has no number"
        );
        assert!(
            text.lines().count() <= DECISION_LINES_MAX,
            "{path} is too long"
        );
    }
}
