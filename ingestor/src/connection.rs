//! A connection that is cut when it dawdles: idle, or dripping a head.
//!
//! The framework times the first head of a connection and no later one, and stops its keep-alive
//! timer at the first byte. So the time between requests is bounded here, under the framework,
//! by closing the reading side. Invariant: while no request is served, a connection lives no
//! longer than [`Bounds`] permits, whatever it sends. Deliberately absent: a body's time (see
//! [`crate::body`]) and any look at the bytes.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long a connection stays after its last answer, so that the answer is read.
pub const LINGER: Duration = Duration::from_secs(2);

/// How long a connection may take between two requests.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// From a head's first byte to its end; of a first head, from the opening on.
    pub head: Duration,
    /// Without a byte, after an answer.
    pub idle: Duration,
}

impl Bounds {
    /// When a connection is cut that serves nothing.
    ///
    /// `waits_since`: its opening or last answer; `head_since`: its head's first byte.
    fn cut_at(self, first: bool, waits_since: Instant, head_since: Option<Instant>) -> Instant {
        match head_since {
            // The framework answers 408 to a first head that is late: it has the first say.
            _ if first => waits_since + self.head + Duration::from_secs(1),
            Some(began) => began + self.head,
            None => waits_since + self.idle,
        }
    }
}

/// What a connection does, shared by its stream and its requests (all on one thread).
#[derive(Debug)]
pub struct Progress {
    first: Cell<bool>,
    waits_since: Cell<Instant>,
    head_since: Cell<Option<Instant>>,
    serving: Cell<bool>,
    closing: Cell<bool>,
}

impl Progress {
    fn new(now: Instant) -> Self {
        Self {
            first: Cell::new(true),
            waits_since: Cell::new(now),
            head_since: Cell::new(None),
            serving: Cell::new(false),
            closing: Cell::new(false),
        }
    }

    /// The answer that is made says that it is the connection's last. The framework reads ahead:
    /// what it has of later requests must not be served (RFC 9112, section 9.6).
    pub fn close(&self) {
        self.closing.set(true);
    }

    /// Whether the last answer was made.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// A head is complete: a request is served until the guard is dropped. `None`: how long its
    /// head took is not known, because it came together with another.
    #[must_use]
    pub fn serve(self: &Rc<Self>) -> Serving {
        self.serving.set(true);
        let head = self.head_since.take().map(|began| began.elapsed());
        Serving {
            progress: Rc::clone(self),
            head,
        }
    }
}

/// A request that is being served.
#[derive(Debug)]
pub struct Serving {
    progress: Rc<Progress>,
    /// From the head's first byte to its end.
    pub head: Option<Duration>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.progress.serving.set(false);
        self.progress.first.set(false);
        self.progress.head_since.set(None);
        self.progress.waits_since.set(Instant::now());
    }
}

/// A TCP stream that ends when its connection dawdles.
pub struct Timed {
    stream: TcpStream,
    progress: Rc<Progress>,
    bounds: Bounds,
    alarm: Pin<Box<Sleep>>,
}

impl Timed {
    /// Counts from now.
    #[must_use]
    pub fn new(stream: TcpStream, bounds: Bounds) -> Self {
        let now = Instant::now();
        Self {
            stream,
            progress: Rc::new(Progress::new(now)),
            bounds,
            alarm: Box::pin(sleep_until(now + bounds.head)),
        }
    }

    /// What its requests share with it.
    #[must_use]
    pub fn progress(&self) -> Rc<Progress> {
        Rc::clone(&self.progress)
    }

    /// Ready when the connection is to be cut. The alarm is moved only when it rings: an answer
    /// wakes nobody who would move it.
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = Instant::now();
            let cut_at = if self.progress.serving.get() {
                now + self.bounds.head
            } else {
                let since = self.progress.waits_since.get();
                let (first, head) = (self.progress.first.get(), self.progress.head_since.get());
                if self.progress.is_closing() {
                    // The framework would wait for the rest of a chunked body.
                    since + LINGER
                } else {
                    self.bounds.cut_at(first, since, head)
                }
            };
            if cut_at <= now {
                return Poll::Ready(());
            }
            if cut_at < self.alarm.deadline() {
                self.alarm.as_mut().reset(cut_at);
            }
            ready!(self.alarm.as_mut().poll(cx));
            self.alarm.as_mut().reset(cut_at);
        }
    }
}

impl AsyncRead for Timed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(cx, buffer) {
            let some = buffer.filled().len() > before;
            let progress = &this.progress;
            if read.is_err() || !some || progress.serving.get() {
                return Poll::Ready(read);
            }
            if progress.head_since.get().is_none() {
                progress.head_since.set(Some(Instant::now()));
                return Poll::Ready(read);
            }
            // A drip must not put the cut off: it is looked at after each later byte, too.
            return match this.poll_cut(cx) {
                Poll::Ready(()) => {
                    buffer.set_filled(before);
                    Poll::Ready(Ok(()))
                }
                Poll::Pending => Poll::Ready(read),
            };
        }
        // No byte and no error is the end of the stream: nothing is answered to who dawdles.
        this.poll_cut(cx).map(Ok)
    }
}

impl AsyncWrite for Timed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_cut_by_what_it_waits_for() {
        let bounds = Bounds {
            head: Duration::from_secs(5),
            idle: Duration::from_secs(60),
        };
        let now = Instant::now();
        let later = now + Duration::from_secs(30);
        let first = now + Duration::from_secs(6);
        assert_eq!(bounds.cut_at(true, now, None), first);
        assert_eq!(bounds.cut_at(true, now, Some(later)), first);
        assert_eq!(bounds.cut_at(false, now, None), now + bounds.idle);
        // A head's first byte ends the idle time and begins a shorter one.
        assert_eq!(bounds.cut_at(false, now, Some(later)), later + bounds.head);
    }
}
