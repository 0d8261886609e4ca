//! The status port: `/livez`, `/readyz` and `/metrics`, for monitoring on a trusted network.

use std::net::TcpListener as StdListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::metrics;
use super::stop::{Stage, either};
use crate::config::ConfigStore;
use crate::control::ControlState;
use crate::phases::Shared;
use crate::proxy::head::{HeadLimits, Scan};
use crate::proxy::request_head::RequestHead;
use crate::proxy::stats::WorkerStats;
use crate::usage_log::UsageLog;

/// How many questions may be open at once: whoever asks more often than that waits in the listener's queue. Each takes a
/// descriptor and a few kilobytes, and clients of the API must not lack them.
const MOST_OPEN: usize = 64;

/// How long one question may take altogether.
const LONGEST: Duration = Duration::from_secs(5);

const LIMITS: HeadLimits = HeadLimits {
    first_line: 2048,
    bytes: 8192,
    count: 64,
};

/// What the status port tells of.
pub(super) struct Facts {
    pub store: Arc<ConfigStore>,
    pub control: Arc<ControlState>,
    pub shared: Arc<Shared>,
    pub stats: Vec<Arc<WorkerStats>>,
    pub log: Arc<UsageLog>,
    pub stage: watch::Receiver<Stage>,
    pub needs_control: bool,
    pub version: String,
}

impl Facts {
    /// Why the gateway should get no requests now; none if it should.
    fn unready(&self) -> Option<String> {
        if *self.stage.borrow() > Stage::Serving {
            return Some("draining".to_owned());
        }
        self.lacking()
    }

    /// What it lacks to serve well; none if nothing.
    pub(super) fn lacking(&self) -> Option<String> {
        let Some(config) = self.store.current() else {
            return Some(self.without_configuration());
        };
        if self.needs_control && !self.control.was_contacted() {
            return Some("control was not reached yet".to_owned());
        }
        let newest = self.control.newest();
        if config.version < newest {
            let fault = self.control.fault().unwrap_or_default();
            return Some(format!(
                "serves version {} of {newest}. {fault}",
                config.version
            ));
        }
        let health = self.log.health();
        let fault = health.shards.iter().find_map(|shard| shard.fault.clone());
        if let Some(fault) = fault.or_else(|| health.space_fault.clone()) {
            return Some(format!("the usage log: {fault}"));
        }
        health.degraded().then(|| {
            let (used, budget) = (health.used_bytes, health.budget_bytes);
            format!("the usage log holds {used} of {budget} bytes; is it being read?")
        })
    }

    fn without_configuration(&self) -> String {
        self.control.fault().map_or_else(
            || "no configuration yet".to_owned(),
            |fault| format!("no configuration yet. {fault}"),
        )
    }

    fn answer(&self, path: &[u8]) -> (&'static str, &'static str, String) {
        const TEXT: &str = "text/plain; charset=utf-8";
        match path {
            b"/livez" => ("200 OK", TEXT, "ok\n".to_owned()),
            b"/readyz" => match self.unready() {
                None => ("200 OK", TEXT, "ready\n".to_owned()),
                Some(why) => (
                    "503 Service Unavailable",
                    TEXT,
                    format!("not ready: {why}\n"),
                ),
            },
            b"/metrics" => ("200 OK", metrics::CONTENT_TYPE, metrics::render(self)),
            _ => (
                "404 Not Found",
                TEXT,
                "try /livez, /readyz or /metrics\n".to_owned(),
            ),
        }
    }
}

/// Answers until dropped, where there is a listener that can be used.
///
/// Of two gateways on the same sockets the one that serves answers: a balancer that asks must not hear from one that
/// isn't ready yet, or not any more.
pub(super) async fn serve(listener: Option<StdListener>, facts: Rc<Facts>) {
    let Some(Ok(listener)) = listener.map(TcpListener::from_std) else {
        return;
    };
    let mut stage = facts.stage.clone();
    let _ = stage.wait_for(|stage| *stage > Stage::Starting).await;
    let replaced = stage.wait_for(|stage| *stage == Stage::Replaced);
    either(answer_all(listener, facts), replaced).await;
}

async fn answer_all(listener: TcpListener, facts: Rc<Facts>) {
    let places = Arc::new(Semaphore::new(MOST_OPEN));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let facts = Rc::clone(&facts);
                tokio::task::spawn_local(async move {
                    let _place = place;
                    let _ = timeout(LONGEST, answer(stream, &facts)).await;
                });
            }
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// One question, one answer, and the end of the connection.
async fn answer(mut stream: TcpStream, facts: &Facts) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let mut scan = Scan::default();
    let length = loop {
        match scan.head_end(&bytes, &LIMITS) {
            Ok(Some(length)) => break length,
            Ok(None) if stream.read_buf(&mut bytes).await? == 0 => return Ok(()),
            Ok(None) => {}
            Err(_) => return write(&mut stream, "400 Bad Request", "text/plain", "", false).await,
        }
    };
    let mut request = RequestHead::default();
    let head = bytes.get(..length).unwrap_or_default();
    if request.parse(head).is_err() {
        return write(&mut stream, "400 Bad Request", "text/plain", "", false).await;
    }
    match request.method.of_head(head) {
        method @ (b"GET" | b"HEAD") => {
            let (status, kind, body) = facts.answer(request.path.of_head(head));
            write(&mut stream, status, kind, &body, method == b"HEAD").await
        }
        _ => {
            write(
                &mut stream,
                "405 Method Not Allowed",
                "text/plain",
                "",
                false,
            )
            .await
        }
    }
}

async fn write(
    stream: &mut TcpStream,
    status: &str,
    kind: &str,
    body: &str,
    head_only: bool,
) -> std::io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    );
    let text = if head_only { head } else { head + body };
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}
