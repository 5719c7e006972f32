//! What tests note beside the built tests for whoever compares it afterwards: one file a process, lines of text.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

/// A folder beside the built tests.
pub(crate) fn folder(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap_or_default();
    tests.parent().and_then(Path::parent).unwrap_or(&tests).join(name)
}

/// Writes a line into this process's file.
pub(crate) fn append(folder: &Path, line: &str) {
    let written = std::fs::create_dir_all(folder).and_then(|()| {
        let path = folder.join(std::process::id().to_string());
        std::fs::OpenOptions::new().create(true).append(true).open(path)?.write_all(line.as_bytes())
    });
    if let Err(error) = written {
        eprintln!("{}: nothing is recorded: {error}", folder.display());
    }
}

/// The lines of all processes.
pub fn lines(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let texts = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}
