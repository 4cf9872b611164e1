//! SIGHUP: what is right takes effect, what is wrong changes nothing.

use crate::support::program::Program;
use crate::support::upstream::AnsweringUpstream;

#[tokio::test]
async fn a_mistake_changes_nothing_and_the_corrected_file_takes_effect() {
    let (first, second) = (AnsweringUpstream::start().await, AnsweringUpstream::start().await);
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), first.address(), "");
    let file = folder.path().join("leakgate.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    let ask = async || {
        let status = reqwest::get(program.url("/")).await.unwrap().status().as_u16();
        (status, !first.take().is_empty(), !second.take().is_empty())
    };
    assert_eq!(ask().await, (200, true, false));

    let moved = before.replace(&first.address().to_string(), &second.address().to_string());
    std::fs::write(&file, moved.replace("[gateway]", "[gateway]\nmode = \"blok\"\nlisen = 1"))
        .unwrap();
    program.signal("HUP");
    program.errors.after("SIGHUP: the configuration has 2 mistake(s)");
    program.errors.after("gateway.lisen: unknown key; did you mean listen?");
    assert_eq!(ask().await, (200, true, false));

    let moved = moved.replace("[gateway]", "[gateway]\nworkers = 3") + "watch_closed_days = 3\n";
    std::fs::write(&file, moved).unwrap();
    program.signal("HUP");
    program.errors.after("gateway.workers cannot change without a restart");
    program.errors.after("control cannot change without a restart");
    program.errors.after("SIGHUP: the configuration is in force");
    assert_eq!(ask().await, (200, false, true));

    let metrics = reqwest::get(format!("http://{}/metrics", program.control)).await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for line in
        ["config_reloads_total{result=\"ok\"} 1", "config_reloads_total{result=\"failed\"} 1"]
    {
        assert!(metrics.contains(line), "{metrics}");
    }
    assert!(program.terminate());
}
