//! The rules of the house that a machine can check.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A generated page must equal its table. `WRITE_PAGES=1` writes it anew.
pub fn assert_page(path: &str, expected: &str) {
    let file = root().join(path);
    if std::env::var_os("WRITE_PAGES").is_some() {
        std::fs::write(&file, expected).expect("to write the page");
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    let hint = "run `WRITE_PAGES=1 cargo test --lib page`";
    assert!(found == expected, "{path} is behind its table: {hint}");
}
