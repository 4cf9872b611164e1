//! What `deploy/` holds fits the program: its metrics, its configuration, its limits.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use leakgate::config::{self, Config};
use serde_json::Value;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

/// The program's metrics in a text, without what a histogram's series add to its name.
fn metrics(text: &str) -> BTreeSet<String> {
    let names = text.split("leakgate_").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(rest.len());
        rest[..end].trim_end_matches("_bucket").to_owned()
    });
    names.filter(|name| !name.is_empty()).collect()
}

/// The value of a key in a unit file.
fn setting<'a>(unit: &'a str, key: &str) -> &'a str {
    let line = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("{key}= is not there"))
}

#[test]
fn dashboard_and_alerts_use_metrics_that_exist() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documented = metrics(&std::fs::read_to_string(folder.join("docs/operations.md")).unwrap());
    let source = std::fs::read_to_string(folder.join("src/telemetry/metrics.rs")).unwrap();
    for file in ["grafana/leakgate.json", "prometheus/leakgate.rules.yaml"] {
        let used = metrics(&read(file));
        assert!(used.len() > 10, "{file}: {used:?}");
        for name in used {
            assert!(documented.contains(&name), "{file}: leakgate_{name} is not documented");
            assert!(source.contains(&format!("\"{name}\"")), "{file}: no metric leakgate_{name}");
        }
    }
}

#[test]
fn each_panel_of_the_dashboard_asks_for_something() {
    let dashboard: Value = serde_json::from_str(&read("grafana/leakgate.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "an id is there twice");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{}", panel["title"]);
        for target in targets {
            let asked = target["expr"].as_str().unwrap();
            assert!(asked.contains("leakgate_") && asked.contains("$instance"), "{asked}");
        }
    }
}

#[test]
fn the_configurations_load() {
    for file in ["leakgate.toml", "systemd/leakgate.toml"] {
        config::load(Some(&path(file)), std::iter::empty()).unwrap();
    }
    let passed = setting(&read("systemd/leakgate.socket"), "FileDescriptorName").to_owned();
    assert!(read("systemd/leakgate.toml").contains(&format!("\"systemd:{passed}\"")));
}

#[test]
fn descriptors_and_the_time_to_stop_suffice_for_the_defaults() {
    let gateway = Config::default().gateway;
    let descriptors = 2 * gateway.connections.limit;
    let service = read("systemd/leakgate.service");
    assert!(setting(&service, "LimitNOFILE").parse::<usize>().unwrap() > descriptors);
    let stop = setting(&service, "TimeoutStopSec").strip_suffix('s').unwrap().parse().unwrap();
    assert!(gateway.timeouts.drain.as_secs() < stop);
    let compose = read("compose.yaml");
    let value = |key: &str| {
        let line = compose.lines().find_map(|line| line.trim().strip_prefix(key));
        line.unwrap().trim().trim_end_matches('s').parse::<u64>().unwrap()
    };
    assert!(value("nofile:") > descriptors as u64);
    assert!(gateway.timeouts.drain.as_secs() < value("stop_grace_period:"));
}

#[test]
fn what_compose_mounts_is_there() {
    let compose = read("compose.yaml");
    let mounted: Vec<&str> = compose
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- ./")?.split(':').next())
        .collect();
    assert!(mounted.len() >= 4, "{mounted:?}");
    for name in mounted {
        assert!(path(name).exists(), "{name}");
    }
}

#[test]
fn the_image_holds_all_that_the_binary_loads() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let laid = Command::new(path("image-root"))
        .arg(env!("CARGO_BIN_EXE_leakgate"))
        .arg(&root)
        .output()
        .unwrap();
    assert!(laid.status.success(), "{}", String::from_utf8_lossy(&laid.stderr));
    // Its own loader, and nothing but its own libraries.
    let libraries: Vec<PathBuf> = walk(&root)
        .into_iter()
        .filter(|file| file.file_name().unwrap().to_string_lossy().contains(".so"))
        .collect();
    let loader = libraries.iter().find(|file| file.to_string_lossy().contains("/ld-linux"));
    let folders: Vec<String> =
        libraries.iter().map(|file| file.parent().unwrap().display().to_string()).collect();
    let output = Command::new(loader.unwrap())
        .args(["--inhibit-cache", "--library-path", &folders.join(":")])
        .arg(root.join("usr/bin/leakgate"))
        .arg("check-config")
        .arg("--config")
        .arg(root.join("etc/leakgate/leakgate.toml"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    for name in ["etc/ssl/certs/ca-certificates.crt", "var/lib/leakgate"] {
        assert!(root.join(name).exists(), "{name}");
    }
}

/// All files below a folder.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    files
}
