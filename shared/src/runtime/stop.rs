//! One stop signal for the whole process, for tasks and for plain threads.

use tokio::sync::watch;

/// Set once, by SIGTERM, SIGINT or the service itself.
#[derive(Debug)]
pub struct Stop(watch::Sender<bool>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Stop {
    /// Asks everybody to stop.
    pub fn set(&self) {
        self.0.send_replace(true);
    }

    /// Whether to stop.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is set.
    pub async fn wait(&self) {
        let mut receiver = self.0.subscribe();
        // An error means that the sender is gone, which cannot be while we borrow it.
        drop(receiver.wait_for(|set| *set).await);
    }

    /// Sets it at SIGTERM or SIGINT. Returns when one came.
    ///
    /// # Errors
    /// The handlers could not be installed.
    pub async fn on_signal(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        }
        self.set();
        Ok(())
    }
}
