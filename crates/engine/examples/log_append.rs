//! What the usage log costs: an append with its permit, and adding up what was appended.
//!
//! `cargo run --release --example log_append -- DIRECTORY [EVENTS_PER_SECOND [SECONDS]]`. The load comes in
//! turns of 1 ms, as a proxy thread's does.
#![allow(clippy::print_stdout)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)] // a table's figures

use std::error::Error;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tollway_engine::usage_log::{
    Cursors, Level, LogConfig, Reader, UsageEvent, UsageLog, aggregate,
};

const TURN: Duration = Duration::from_millis(1);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments
        .next()
        .ok_or("name an empty directory on the file system to measure")?;
    let rate: u32 = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let seconds: u32 = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let per_turn = (rate / 1000).max(1);
    for level in [Level::Group, Level::Strict, Level::Relaxed] {
        let log = UsageLog::open(LogConfig::new(directory.clone().into(), [1; 16], 1, level))?;
        let shard = log.shard(0).ok_or("no shard")?;
        let mut nanoseconds = Vec::new();
        let mut whole = Duration::ZERO;
        let begun = Instant::now();
        for turn in 1..=seconds * 1000 {
            let turn_begun = Instant::now();
            for number in 0..per_turn {
                let event = UsageEvent {
                    request_id: u128::from(turn * per_turn + number).to_be_bytes(),
                    consumer: u128::from(number % 100).to_be_bytes(),
                    status: 200,
                    path: b"/v1/places/3169070/forecast",
                    ..UsageEvent::default()
                };
                let instant = Instant::now();
                let _ = shard.admit()?.append(&event);
                nanoseconds.push(instant.elapsed().as_nanos() as u64);
            }
            whole += turn_begun.elapsed();
            sleep((TURN * turn).saturating_sub(begun.elapsed()));
        }
        let health = log.health();
        log.close()?;
        nanoseconds.sort_unstable();
        let rank = |share: f64| nanoseconds[((nanoseconds.len() - 1) as f64 * share) as usize];
        println!(
            "{level:?}: an append takes {} ns (p50 {}, p99 {}, p99.9 {}, max {}), the clock's reading included; \
             the oldest event not yet durable was {:.1} ms old, {} times too old",
            whole.as_nanos() as usize / nanoseconds.len(),
            rank(0.5),
            rank(0.99),
            rank(0.999),
            rank(1.0),
            health.shards[0].worst_sync_us as f64 / 1e3,
            health.shards[0].late_syncs,
        );
    }
    let mut reader = Reader::new(directory.into());
    let end: Cursors = reader
        .view()?
        .shards
        .iter()
        .map(|shard| (shard.shard, shard.readable))
        .collect();
    let begun = Instant::now();
    let batch = aggregate(&mut reader, &Cursors::new(), &end, Vec::new(), u64::MAX)?;
    let rate = batch.events as f64 / begun.elapsed().as_secs_f64() / 1e6;
    println!(
        "{} events added up into {} groups: {rate:.1} million a second",
        batch.events,
        batch.groups.len()
    );
    Ok(())
}
