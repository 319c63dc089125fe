//! What fuzzing begins with, and how long it goes on.

use std::fs;
use std::path::Path;

/// The files of `tests/<folder>`, in the order of their names, with their names.
pub(crate) fn corpus(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 20, "the corpus is not there");
    files
        .iter()
        .map(|file| (file.display().to_string(), fs::read(file).unwrap()))
        .collect()
}

/// `FUZZ_ROUNDS` at build time, else as many as usual.
pub(crate) fn rounds(usual: u64) -> u64 {
    option_env!("FUZZ_ROUNDS")
        .and_then(|text| text.parse().ok())
        .unwrap_or(usual)
}
