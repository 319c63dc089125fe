//! Ctrl-C and SIGTERM while an action runs: the step at hand is finished and noted, the rest is
//! left. A second one ends the process at once, which loses nothing but the note.

use std::cell::Cell;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// The code of a process that was interrupted.
const INTERRUPTED: i32 = 130;

/// Whether somebody wants it to end.
pub(crate) struct Interrupt {
    signals: Receiver<()>,
    raised: Cell<bool>,
}

impl Interrupt {
    /// Listens from now on; before, a signal ends the process as usual.
    ///
    /// # Errors
    /// 1 when signals cannot be listened to.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let failed = |source| Failure::Runtime { source };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .map_err(failed)?;
        let signals = {
            let _within = runtime.enter();
            let interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
            let terminate = signal(SignalKind::terminate()).map_err(failed)?;
            [interrupt, terminate]
        };
        let (raise, receiver) = channel();
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || runtime.block_on(forward(signals, raise)))
            .map_err(failed)?;
        Ok(Self {
            signals: receiver,
            raised: Cell::new(false),
        })
    }

    /// Whether it was raised.
    pub(crate) fn is_raised(&self) -> bool {
        self.wait(Duration::ZERO)
    }

    /// Waits for `time`, or until it is raised; whether it is.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        if self.raised.get() {
            return true;
        }
        match self.signals.recv_timeout(time) {
            Ok(()) => self.raised.set(true),
            Err(RecvTimeoutError::Timeout) => {}
            // The listener is gone: the time is waited all the same.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(time),
        }
        self.raised.get()
    }
}

async fn forward([mut interrupt, mut terminate]: [Signal; 2], raise: Sender<()>) {
    for second in [false, true] {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if second || raise.send(()).is_err() {
            std::process::exit(INTERRUPTED);
        }
    }
}
