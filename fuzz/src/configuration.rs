//! The configuration as control sends it, frame by frame: what the check accepts a gateway accepts, and serves by.

use std::sync::Arc;

use tollway_engine::config::{ConfigStore, Progress, Updater, check_base, check_rows};

/// The keyed tables.
const TABLES: [&str; 2] = ["consumers", "key_auth"];

/// Lines: the first is a base, each other one a frame.
///
/// # Panics
/// The engine does, or a gateway refuses what the check has accepted.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut lines = text.lines();
    let base = lines.next().unwrap_or_default();
    let accepted = check_base(base).is_ok();
    let mut updater = Updater::new(Arc::<ConfigStore>::default(), None);
    let begin = format!(r#"{{"type":"full_begin","version":1,"base":{base}}}"#);
    let begun = updater.frame(&begin);
    if accepted {
        assert_eq!(begun.map_err(drop), Ok(Progress::Receiving), "{base}");
        let ended = updater.frame(r#"{"type":"full_end","version":1}"#);
        assert_eq!(ended.map_err(drop), Ok(Progress::Applied(1)), "{base}");
    }
    for line in lines {
        for table in TABLES {
            let _ = check_rows(table, line);
        }
        let before = updater.version();
        if updater.frame(line).is_err() {
            assert_eq!(updater.version(), before, "what is refused changes nothing");
        }
    }
}
