//! Places at which a test makes the process die or a task panic, to prove that nothing is lost or doubled there.
//!
//! Built only with the feature `failpoints`; without it `failpoint!` is nothing. `TOLLWAY_FAILPOINT=NAME`
//! kills this process with SIGKILL when it first reaches the place of that name, `NAME:3` at the third time;
//! `NAME:3:panic` panics there instead.

/// Dies here if the environment asks for it.
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        $crate::failpoint::reached($name);
    };
}

/// Dies if `TOLLWAY_FAILPOINT` names this place and it has been reached often enough.
///
/// # Panics
/// Where that is what was asked for.
#[cfg(feature = "failpoints")]
pub fn reached(name: &str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: LazyLock<Option<(String, u64, bool)>> = LazyLock::new(|| {
        let wanted = std::env::var("TOLLWAY_FAILPOINT").ok()?;
        let mut parts = wanted.split(':');
        let place = parts.next()?.to_owned();
        let count = parts.next().unwrap_or("1").parse().ok()?;
        Some((place, count, parts.next() == Some("panic")))
    });
    static REACHED: AtomicU64 = AtomicU64::new(0);

    if let Some((place, count, panics)) = &*WANTED
        && place == name
        && REACHED.fetch_add(1, Ordering::Relaxed) + 1 == *count
    {
        assert!(!panics, "a failpoint");
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}
