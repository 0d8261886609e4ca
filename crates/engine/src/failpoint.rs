//! Places at which a test makes the process die, to prove that nothing is lost or doubled there.
//!
//! Built only with the feature `failpoints`; without it `failpoint!` is nothing. `TOLLWAY_FAILPOINT=NAME`
//! kills this process with SIGKILL when it first reaches the place of that name, `NAME:3` at the third time.

/// Dies here if the environment asks for it.
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        $crate::failpoint::reached($name);
    };
}

/// Dies if `TOLLWAY_FAILPOINT` names this place and it has been reached often enough.
#[cfg(feature = "failpoints")]
pub fn reached(name: &str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
        let wanted = std::env::var("TOLLWAY_FAILPOINT").ok()?;
        let (place, count) = wanted.split_once(':').unwrap_or((&wanted, "1"));
        Some((place.to_owned(), count.parse().ok()?))
    });
    static REACHED: AtomicU64 = AtomicU64::new(0);

    if let Some((place, count)) = &*WANTED
        && place == name
        && REACHED.fetch_add(1, Ordering::Relaxed) + 1 == *count
    {
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}
