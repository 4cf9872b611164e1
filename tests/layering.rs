//! Holds the arrows between rooms: the only imports allowed, as ARCHITECTURE.md draws them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Room → rooms it may import.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("config", &["model"]),
    ("telemetry", &["model", "config"]),
    ("decode", &["model"]),
    ("inspect", &["model", "config", "decode", "matcher"]),
    ("matcher", &["model", "config"]),
    ("events", &["model", "config", "telemetry"]),
    ("proxy", &["model", "config", "telemetry", "inspect", "matcher", "events"]),
    ("store", &["model", "config"]),
    ("reports", &["model"]),
    ("control", &["model", "config", "telemetry", "store", "matcher", "events", "reports"]),
    ("console", &["model", "control"]),
    ("client", &["model", "config", "reports"]),
];

/// The one room that sees them all, and the files that only name it.
const ROOT: &[&str] = &["app", "main.rs", "lib.rs"];

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The rooms that a source file names, by `crate::room`, or `leakgate::room` in the binary.
fn named_rooms(text: &str) -> Vec<(usize, String)> {
    let mut rooms = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for part in code.split("crate::").skip(1) {
            let name: String =
                part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if name.is_empty() {
                panic!(
                    "line {}: name one room in each use of crate::, so that this test sees it",
                    number + 1
                );
            }
            rooms.push((number + 1, name));
        }
    }
    rooms
}

#[test]
fn rooms_import_only_along_the_arrows() {
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for entry in fs::read_dir(&source).unwrap() {
        let path = entry.unwrap().path();
        let room = path.file_name().unwrap().to_str().unwrap().to_owned();
        if ROOT.contains(&room.as_str()) {
            continue;
        }
        let Some(allowed) = arrows.get(room.as_str()) else {
            wrong.push(format!("src/{room}: no such room is drawn in tests/layering.rs"));
            continue;
        };
        let mut paths = Vec::new();
        files(&path, &mut paths);
        for path in paths {
            for (line, name) in named_rooms(&fs::read_to_string(&path).unwrap()) {
                if name != room && !allowed.contains(&name.as_str()) {
                    let file = path.strip_prefix(&source).unwrap().display();
                    wrong.push(format!("src/{file}:{line}: {room} may not import {name}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_drawn_is_there() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (room, _) in ARROWS {
        assert!(source.join(room).join("mod.rs").is_file(), "src/{room}/mod.rs is missing");
    }
}

#[test]
fn files_have_one_subject_and_stay_short() {
    let mut paths = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut paths);
    for path in paths {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 600, "{} has {lines} lines: is it two subjects?", path.display());
    }
}
