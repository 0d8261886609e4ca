//! One connection to a server: whoever asks leaves the question, and a task of its own sends, reads and connects again.
//!
//! ```text
//!              connected                 no answer in time, refused
//! CONNECTING ------------> UP --------------------------------------> DOWN
//!     ^                     |  closed by the server after a while       |  tried again after a pause,
//!     '---------------------'                                           |  longer each time
//!                           ^------------------ connected --------------'
//! ```
//!
//! While CONNECTING questions wait; while DOWN they fail at once.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::resp::{MOST_BYTES, Reply, parse, push_command};
use super::{Fault, Namespace, RedisStats, SCRIPT, Server, SharedCount};
use crate::limits::{Counted, WINDOWS, Window};
use crate::proxy::timers::{Millis, Timers};

/// A connection without questions is closed after so long, and so is a try to make one given up.
const IDLE_MS: Millis = 60_000;
/// A connection that lasted so long ended for a reason that may be over: it is made anew at once.
const STEADY: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

type Answer = Result<Counted, Fault>;

/// See the module.
#[derive(Debug)]
pub(super) struct Link {
    server: Arc<Server>,
    namespace: Namespace,
    timers: Rc<Timers>,
    stats: Arc<RedisStats>,
    state: Cell<State>,
    asked_at: Cell<Millis>,
    /// Not sent yet.
    asked: RefCell<VecDeque<Question>>,
    /// Who sends them.
    driver: RefCell<Option<Waker>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Connecting,
    Up,
    Down,
    /// Nobody asked for a while; the task has ended.
    Ended,
}

#[derive(Debug)]
struct Question {
    count: SharedCount,
    answer: oneshot::Sender<Answer>,
    began: Instant,
    due: Millis,
    /// The server had forgotten the script: it is sent with the question.
    with_script: bool,
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// An answer didn't come in time.
    Slow,
    /// It broke, or said what makes no sense, or that it isn't the server to ask.
    Lost,
    /// Nobody asked for a while.
    Idle,
}

impl Link {
    /// Starts the task that keeps the connection.
    pub(super) fn start(
        server: Arc<Server>,
        namespace: Namespace,
        timers: Rc<Timers>,
        stats: Arc<RedisStats>,
    ) -> Rc<Self> {
        let link = Rc::new(Self {
            server,
            namespace,
            asked_at: Cell::new(timers.now()),
            timers,
            stats,
            state: Cell::new(State::Connecting),
            asked: RefCell::default(),
            driver: RefCell::default(),
        });
        tokio::task::spawn_local(Rc::clone(&link).run());
        link
    }

    pub(super) fn is_to(&self, server: &Arc<Server>) -> bool {
        !self.has_ended() && (Arc::ptr_eq(&self.server, server) || self.server == *server)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state.get() == State::Ended
    }

    /// Leaves a question; none where the server is known to be down.
    pub(super) fn ask(&self, count: SharedCount) -> Option<oneshot::Receiver<Answer>> {
        self.asked_at.set(self.timers.now());
        if matches!(self.state.get(), State::Down | State::Ended) {
            return None;
        }
        let (answer, receiver) = oneshot::channel();
        self.asked.borrow_mut().push_back(Question {
            count,
            answer,
            began: Instant::now(),
            due: self.timers.after(u64::from(self.server.timeout)),
            with_script: false,
        });
        if let Some(driver) = self.driver.borrow_mut().take() {
            driver.wake();
        }
        Some(receiver)
    }

    fn is_idle(&self) -> bool {
        self.timers.now() >= self.asked_at.get() + IDLE_MS
    }

    /// Connects, and connects again, until nobody asks any more.
    async fn run(self: Rc<Self>) {
        let mut pause = FIRST_PAUSE;
        while self.state.get() != State::Ended {
            let most = Duration::from_millis(u64::from(self.server.timeout));
            let Ok(Ok((stream, digest))) = timeout(most, connect(&self.server)).await else {
                self.stats.connect_failures.increment();
                self.rest(&mut pause).await;
                continue;
            };
            let connected = Instant::now();
            self.stats.connects.increment();
            self.stats.connections.increment();
            self.state.set(State::Up);
            let end = self.serve(stream, &digest).await;
            self.stats.connections.decrement();
            match end {
                End::Idle => self.state.set(State::Ended),
                End::Lost if connected.elapsed() >= STEADY => {
                    pause = FIRST_PAUSE;
                    self.state.set(State::Connecting);
                }
                End::Slow | End::Lost => self.rest(&mut pause).await,
            }
        }
    }

    /// Tells whoever waits that the server is down, and rests before it is tried again.
    async fn rest(&self, pause: &mut Duration) {
        self.state.set(State::Down);
        self.asked.borrow_mut().clear();
        sleep(*pause).await;
        *pause = (*pause * 2).min(LONGEST_PAUSE);
        if self.is_idle() {
            self.state.set(State::Ended);
        }
    }

    /// Sends questions and hands out answers until the connection ends. Those who wait then are told.
    async fn serve(&self, stream: TcpStream, digest: &[u8]) -> End {
        let mut wire = Wire {
            stream,
            digest,
            out: Vec::new(),
            written: 0,
            read: Vec::new(),
            sent: VecDeque::new(),
        };
        let alarm = self.timers.alarm();
        let end = poll_fn(|context| {
            *self.driver.borrow_mut() = Some(context.waker().clone());
            if let Err(end) = wire.go_on(self, context) {
                return Poll::Ready(end);
            }
            // Questions are sent in their order, and all have the same time.
            let (due, end) = match wire.sent.front() {
                Some(question) => (question.due, End::Slow),
                None => (self.asked_at.get() + IDLE_MS, End::Idle),
            };
            if self.timers.now() >= due {
                return Poll::Ready(end);
            }
            alarm.set(due, context.waker());
            Poll::Pending
        })
        .await;
        let fault = match end {
            End::Slow => Fault::Timeout,
            End::Lost | End::Idle => Fault::Unreachable,
        };
        for question in wire.sent {
            // Who doesn't wait any more needs no answer; the same below.
            let _ = question.answer.send(Err(fault));
        }
        end
    }
}

/// What is on its way over a connection.
struct Wire<'a> {
    stream: TcpStream,
    /// The script's name on the server.
    digest: &'a [u8],
    out: Vec<u8>,
    written: usize,
    read: Vec<u8>,
    /// Asked, and not answered.
    sent: VecDeque<Question>,
}

impl Wire<'_> {
    /// Does what can be done now.
    fn go_on(&mut self, link: &Link, context: &mut Context<'_>) -> Result<(), End> {
        loop {
            for question in link.asked.borrow_mut().drain(..) {
                push_question(&question, self.digest, link.namespace, &mut self.out);
                self.sent.push_back(question);
            }
            self.write(context).map_err(|_| End::Lost)?;
            match self.fill(context).map_err(|_| End::Lost)? {
                Poll::Ready(()) => self.hand_out(link)?,
                Poll::Pending if link.asked.borrow().is_empty() => return Ok(()),
                Poll::Pending => {}
            }
        }
    }

    fn write(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while self.written < self.out.len() {
            let rest = &self.out[self.written..];
            match Pin::new(&mut self.stream).poll_write(context, rest)? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(length) => self.written += length,
                Poll::Pending => return Ok(()),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }

    fn fill(&mut self, context: &mut Context<'_>) -> io::Result<Poll<()>> {
        let mut room = [0; MOST_BYTES];
        let mut buffer = ReadBuf::new(&mut room);
        match Pin::new(&mut self.stream).poll_read(context, &mut buffer)? {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(()) if buffer.filled().is_empty() => {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Poll::Ready(()) => {
                self.read.extend_from_slice(buffer.filled());
                Ok(Poll::Ready(()))
            }
        }
    }

    fn hand_out(&mut self, link: &Link) -> Result<(), End> {
        let mut at = 0;
        while let Some((reply, length)) = parse(&self.read[at..]).map_err(|_| End::Lost)? {
            at += length;
            let mut question = self.sent.pop_front().ok_or(End::Lost)?;
            if let Reply::Error(error) = reply
                && error.starts_with(b"NOSCRIPT")
                && !question.with_script
            {
                // Somebody emptied the server's scripts. It wasn't counted, so it may be asked again.
                question.with_script = true;
                push_question(&question, self.digest, link.namespace, &mut self.out);
                self.sent.push_back(question);
                continue;
            }
            let answer = counted(reply).ok_or(Fault::Refused);
            link.stats.answered(question.began.elapsed());
            let _ = question.answer.send(answer);
            if let Reply::Error(error) = reply
                && is_elsewhere(error)
            {
                return Err(End::Lost);
            }
        }
        self.read.drain(..at);
        Ok(())
    }
}

/// Whether the server says that it isn't, or not any more, the one to ask.
fn is_elsewhere(error: &[u8]) -> bool {
    [&b"READONLY"[..], b"MASTERDOWN", b"NOAUTH", b"LOADING"]
        .iter()
        .any(|code| error.starts_with(code))
}

fn counted(reply: Reply<'_>) -> Option<Counted> {
    let Reply::Integers(8, numbers) = reply else {
        return None;
    };
    let mut counts = numbers.map(|number| u64::try_from(number).ok());
    let (admitted, time) = (counts[0].take()?, counts[1].take()?);
    let mut used = [0; WINDOWS];
    for (used, count) in used.iter_mut().zip(&counts[2..]) {
        *used = (*count)?;
    }
    Some(Counted::new(admitted == 1, time, used))
}

fn push_question(
    question: &Question,
    digest: &[u8],
    Namespace(namespace): Namespace,
    out: &mut Vec<u8>,
) {
    let SharedCount { plugin, counter } = &question.count;
    let key = format!(
        "tollway:{namespace:016x}:{:016x}{:016x}",
        counter.high, counter.low
    );
    let limits = Window::ALL.map(|window| match plugin.limits.get(window) {
        Some(limit) => limit.to_string(),
        None => String::new(),
    });
    let (verb, script) = if question.with_script {
        (&b"EVAL"[..], SCRIPT.as_bytes())
    } else {
        (&b"EVALSHA"[..], digest)
    };
    let mut words: [&[u8]; 4 + WINDOWS] = [b""; 4 + WINDOWS];
    words[..4].copy_from_slice(&[verb, script, b"1", key.as_bytes()]);
    for (word, limit) in words[4..].iter_mut().zip(&limits) {
        *word = limit.as_bytes();
    }
    push_command(&words, out);
}

/// Connects and greets; gives the script's name on the server.
async fn connect(server: &Server) -> io::Result<(TcpStream, Vec<u8>)> {
    let mut stream = TcpStream::connect((&*server.host, server.port)).await?;
    stream.set_nodelay(true)?;
    if let Some(password) = &server.password {
        let unknown = || io::Error::from(io::ErrorKind::PermissionDenied);
        let password = password.read().ok_or_else(unknown)?;
        let mut words = vec![&b"AUTH"[..]];
        let username = server.username.as_ref();
        let username = username.map(|name| name.read().ok_or_else(unknown));
        let username = username.transpose()?;
        words.extend(username.as_deref().map(str::as_bytes));
        words.push(password.as_bytes());
        greet(&mut stream, &words).await?;
    }
    if server.database != 0 {
        let database = server.database.to_string();
        greet(&mut stream, &[b"SELECT", database.as_bytes()]).await?;
    }
    let digest = greet(&mut stream, &[b"SCRIPT", b"LOAD", SCRIPT.as_bytes()]).await?;
    Ok((stream, digest))
}

/// Says one thing and waits for a good answer. What a bad one says is not passed on: it may repeat a password.
async fn greet(stream: &mut TcpStream, words: &[&[u8]]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    push_command(words, &mut bytes);
    stream.write_all(&bytes).await?;
    bytes.clear();
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match parse(&bytes) {
            Ok(None) => {}
            Ok(Some((Reply::Simple(said) | Reply::Bulk(said), length)))
                if length == bytes.len() =>
            {
                return Ok(said.to_vec());
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}
