//! Forwarding one request, and the order that money depends on: room in the usage log before anything is sent, the
//! usage event before the last byte of the answer leaves.

use super::answers::Failure;
use super::bill::{Bill, Opening};
use super::body::Body;
use super::connection::Client;
use super::desk::Desk;
use super::dial::server_name;
use super::exchange::After;
use super::framing::BodyLength;
use super::heads_out::{delivery, end_head, push_date, write_response};
use super::tunnel;
use super::upstream::Attempts;
use super::way::Way;
use crate::config::Upstream;
use crate::failpoint;
use crate::phases::{Now, UpstreamTimes, grpc};
use crate::usage_log::Completion;

/// Forwards the request at the desk.
///
/// # Errors
/// [`Failure`] as long as nothing was said to the client: what goes wrong later can only end the connection.
pub(super) async fn forward(
    client: &mut Client<'_>,
    desk: &mut Desk,
    upstream: &Upstream,
    began: Now,
) -> Result<After, Failure> {
    let worker = client.worker;
    let permit = worker.room()?;
    let sent = worker.now();
    desk.exchange.asks(sent);
    let host = (desk.request.host).map(|host| host.of_head(desk.input.head()));
    let host = desk.exchange.preserved_host(host);
    let mut attempts = Attempts::new(host.and_then(|host| server_name(upstream, Some(host))));
    let mut way = Way::open(client, desk, upstream, &mut attempts).await?;
    if let Err(failure) = way.await_head(client, desk, &mut attempts).await {
        attempts.failed(worker, failure);
        return Err(failure);
    }
    let times = UpstreamTimes {
        sent,
        head: worker.now(),
    };
    let took = times.head.mono.saturating_sub(sent.mono);
    attempts.answered(worker, desk.response.status, took);

    let opening = Opening {
        status: desk.response.status,
        attempts: attempts.count(),
        began,
        upstream: times,
    };
    if desk.response.is_interim() {
        return tunnel::run(client, desk, way, permit, opening).await;
    }

    let Desk {
        request,
        response,
        exchange,
        input,
        to_client,
        to_upstream,
        ..
    } = desk;
    let length = response.body;
    let delivery = delivery(request, length, worker.is_draining());
    let text = to_client.text();
    write_response(response, way.head(), delivery, exchange, &times, text);
    if !response.is_dated {
        push_date(text, &worker.date.at(times.head.wall));
    }
    end_head(text, request, delivery.keep);
    let is_call = exchange.is_call() || (upstream.http2 && response.is_grpc(way.head()));
    let call_ended = is_call
        .then(|| response.value(b"grpc-status", way.head()))
        .flatten()
        .map(|value| grpc::status(Some(value)));
    way.begin_body(length, delivery.chunked);
    let mut bill = Bill::open(worker, exchange, permit, opening);
    failpoint!("proxy.bill_open");
    if let Some(status) = call_ended {
        bill.call_ended(status);
    }
    let completion = Body {
        way: &mut way,
        bill,
        is_call: is_call && call_ended.is_none(),
        keep: delivery.keep,
        input,
        to_client,
        to_upstream,
    }
    .pass_on(client)
    .await;

    if completion != Completion::Complete {
        if length == BodyLength::UntilClose && !delivery.chunked {
            // The usual end of the connection would be taken for the end of the body.
            return Ok(After::Cut);
        }
        return Ok(After::Close);
    }
    let all_read = way.body_was_read();
    way.part(response.keep_alive, worker);
    Ok(match (all_read, delivery.keep) {
        (true, true) => After::Keep,
        (true, false) if input.is_empty() => After::Close,
        _ => After::Linger,
    })
}
