//! One worker of Tollway's own proxy.

use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;

use tokio::runtime::{Builder, LocalOptions};
use tollway_engine::phases::Pipeline;
use tollway_engine::proxy::worker::Protocols;
use tollway_engine::proxy::worker::Worker;
use tollway_engine::server::options::{Limits, Timeouts};
use tollway_on_pingora::{Setup, setup};

fn main() {
    let Setup { port, shared, log } = setup();
    let shard = Arc::clone(log.shard(0).unwrap());
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .unwrap();
    runtime.block_on(async move {
        let worker = Rc::new(Worker::new(
            Pipeline::new(&shared).unwrap(),
            shard,
            Arc::default(),
            Timeouts::default(),
            Limits::default(),
        ));
        let ticking = Rc::clone(&worker);
        tokio::task::spawn_local(async move { ticking.tick().await });
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        worker.accept(listener, Protocols::default()).await;
    });
}
