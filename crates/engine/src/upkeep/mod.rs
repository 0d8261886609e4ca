//! What the main thread does for upstreams while workers serve: keeps their names' addresses, and asks their targets how
//! they are. Runs on one runtime with everything else of the main thread, so what it knows needs no lock.

mod checks;
mod names;
mod probe;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::ConfigStore;
use crate::names::NameOptions;

/// How often it looks what is due.
const LOOK: Duration = Duration::from_millis(50);

/// Looks after the current configuration's upstreams. Runs until dropped, within a runtime of one thread.
pub async fn run(store: Arc<ConfigStore>, options: NameOptions) {
    let names = names::Keeper::new(options);
    let checks = checks::Checks::default();
    loop {
        let balancers = store.current().map(|config| Arc::clone(&config.balancers));
        let balancers = balancers.unwrap_or_default();
        let now = Instant::now();
        names.look(&balancers, now);
        checks.look(&balancers, now);
        if balancers.is_empty() {
            store.changed().await;
        } else {
            // A new version is looked at at once: its targets' names are waited for.
            let _ = tokio::time::timeout(LOOK, store.changed()).await;
        }
    }
}
