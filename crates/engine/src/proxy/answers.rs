//! The one place where faults become answers. Whoever finds a fault names it; what is said about it, and what
//! becomes of the connection, is decided here.

use super::connection::Client;
use super::desk::Desk;
use super::exchange::After;
use super::framing::BodyLength;
use super::heads_out::{end_head, push_date, push_length, status_line};
use super::request_head::RequestHead;
use super::request_side::RequestFault;
use super::response_side::ResponseFault;
use crate::phases::{Answer, AnswerKind};

/// Unread body up to which it is cheaper to read on than to lose the connection.
const MOST_SKIPPED: u64 = 64 * 1024;

/// Why a request was not forwarded to its end, before anything was said to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The client is told this.
    Answer(AnswerKind),
    /// There is nobody to tell.
    ClientGone,
}

impl From<AnswerKind> for Failure {
    fn from(kind: AnswerKind) -> Self {
        Self::Answer(kind)
    }
}

impl From<RequestFault> for Failure {
    fn from(fault: RequestFault) -> Self {
        match fault {
            RequestFault::ClientGone => Self::ClientGone,
            RequestFault::ClientMalformed => Self::Answer(AnswerKind::BadRequest),
            RequestFault::TooLarge => Self::Answer(AnswerKind::BodyTooLarge),
        }
    }
}

impl From<ResponseFault> for Failure {
    fn from(fault: ResponseFault) -> Self {
        match fault {
            ResponseFault::ClientGone => Self::ClientGone,
            ResponseFault::Unanswered | ResponseFault::Invalid | ResponseFault::BrokenOff => {
                Self::Answer(AnswerKind::UpstreamInvalid)
            }
        }
    }
}

/// Writes an answer of the gateway's own. No usage event: it is counted, never billed.
pub(super) async fn respond(client: &mut Client<'_>, desk: &mut Desk, answer: Answer) -> After {
    let worker = client.worker;
    let keep = desk.request.keep_alive && !worker.is_draining() && desk.unread.is_some();
    let now = worker.now();
    // Whatever was gathered in either direction is void now; the one's room serves for the body.
    desk.to_client.clear();
    desk.to_upstream.clear();
    let Desk {
        request,
        exchange,
        to_client,
        to_upstream,
        input,
        ..
    } = &mut *desk;
    let (text, body) = (to_client.text(), to_upstream.text());
    let status = if exchange.is_call() {
        // gRPC's clients look for what went wrong in trailers, which a head without a body is to them.
        200
    } else {
        exchange.answer_body(answer, body);
        answer.status
    };
    status_line(text, status, reason(status).as_bytes());
    exchange.answer_headers(answer, now, text);
    push_date(text, &worker.date.at(now.wall));
    // Behind these statuses a client takes whatever follows for its next answer. A limit's `error_code` may be one.
    let bodiless = matches!(status, 204 | 304);
    if !bodiless {
        push_length(text, body.len() as u64);
    }
    end_head(text, request, keep);
    if !bodiless && request.method.of_head(input.head()) != b"HEAD" {
        text.extend_from_slice(body);
        exchange.says(body.len() as u64);
    }
    exchange.answered(&worker.pipeline.borrow(), answer, now);
    let soon = (keep && desk.unread == Some(0)).then_some(&worker.outbox);
    let written = client.write(&mut desk.to_client, soon).await;
    match (written, desk.unread) {
        (Err(_), _) => After::Close,
        (Ok(()), Some(0)) if keep => After::Keep,
        (Ok(()), Some(length)) if keep && client.skip(desk, length).await => After::Keep,
        _ => After::Linger,
    }
}

/// How much of a request's body is still to come, where it is little enough to be read and dropped.
pub(super) fn skippable(request: &RequestHead) -> Option<u64> {
    match request.body {
        BodyLength::Empty => Some(0),
        BodyLength::Exact(length) if length <= MOST_SKIPPED && !request.expects_continue => {
            Some(length)
        }
        _ => None,
    }
}

/// The reason phrase of a status that the gateway gives itself.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        301 => "Moved Permanently",
        302 => "Found",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        // A configured status without a phrase here: an empty one is allowed.
        _ => "",
    }
}
