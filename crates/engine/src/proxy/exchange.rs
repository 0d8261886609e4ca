//! One request: judged by the phases, then answered here or forwarded.

use super::answers::{self, Failure};
use super::connection::{Client, kind_of};
use super::desk::Desk;
use super::forward;
use super::framing::BodyLength;
use super::heads_out::view;
use super::timers::Millis;
use crate::phases::{Answer, AnswerKind, Verdict};

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// The next request may follow.
    Keep,
    /// Nothing more is read or written.
    Close,
    /// The same, and the client must not take it for the end of the answer.
    Cut,
    /// Closed for writing; what the client still sends is read and dropped.
    Linger,
}

/// Serves the request whose head of `length` bytes stands at the start of the desk's input.
pub(super) async fn run(client: &mut Client<'_>, desk: &mut Desk, length: usize) -> After {
    let worker = client.worker;
    let began = worker.now();
    desk.input.hold(length);
    if let Err(fault) = desk.request.parse(desk.input.head()) {
        return refuse(client, desk, kind_of(fault)).await;
    }
    if matches!(desk.request.body, BodyLength::Exact(length) if length > worker.body_bytes) {
        return refuse_known(client, desk, AnswerKind::BodyTooLarge).await;
    }
    client.served += 1;
    if client.served >= worker.requests_per_connection {
        desk.request.keep_alive = false;
    }
    client.due = match worker.timeouts.request_ms {
        Some(limit) => worker.timers.after(limit.get()),
        None => Millis::MAX,
    };
    desk.unread = answers::skippable(&desk.request);
    let mut verdict = {
        let Desk {
            input,
            request,
            exchange,
            ..
        } = &mut *desk;
        let head = view(request, input.head(), &client.peer);
        worker.pipeline.borrow_mut().begin(exchange, &head, began)
    };
    if let Verdict::Count(asked) = verdict {
        let outcome = worker.redis.count(asked).await;
        let mut pipeline = worker.pipeline.borrow_mut();
        verdict = pipeline.resume(&mut desk.exchange, outcome);
    }
    let failure = match verdict {
        Verdict::Respond(answer) => return answers::respond(client, desk, answer).await,
        // Nothing is counted twice.
        Verdict::Count(_) => Failure::Answer(AnswerKind::PluginFault),
        Verdict::Forward(upstream) => {
            match forward::forward(client, desk, &upstream, began).await {
                Ok(after) => return after,
                Err(failure) => failure,
            }
        }
    };
    match failure {
        Failure::Answer(kind) => answers::respond(client, desk, Answer::from(kind)).await,
        Failure::ClientGone => {
            (desk.exchange).abandoned(&worker.pipeline.borrow(), worker.now());
            After::Close
        }
    }
}

/// Answers what is no request, and ends the connection: where the next one would begin is unknown.
pub(super) async fn refuse(client: &mut Client<'_>, desk: &mut Desk, kind: AnswerKind) -> After {
    let answer = begin_refusal(client, desk, kind);
    end_refusal(client, desk, answer).await
}

/// The same of a request that can be read.
async fn refuse_known(client: &mut Client<'_>, desk: &mut Desk, kind: AnswerKind) -> After {
    let answer = begin_refusal(client, desk, kind);
    let head = view(&desk.request, desk.input.head(), &client.peer);
    (client.worker.pipeline.borrow_mut()).note(&mut desk.exchange, &head);
    end_refusal(client, desk, answer).await
}

fn begin_refusal(client: &Client<'_>, desk: &mut Desk, kind: AnswerKind) -> Answer {
    let mut pipeline = client.worker.pipeline.borrow_mut();
    let answer = pipeline.refuse(&mut desk.exchange, kind, client.worker.now());
    desk.exchange.meets(client.peer.client.ip());
    answer
}

async fn end_refusal(client: &mut Client<'_>, desk: &mut Desk, answer: Answer) -> After {
    desk.request.forget();
    desk.unread = None;
    answers::respond(client, desk, answer).await
}
