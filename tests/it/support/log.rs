//! What the crate says to the log.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Keeps every event with its level and all its fields.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<(Level, String)>>>);

impl Log {
    /// What a story answers, and what it says meanwhile.
    pub async fn of<T>(story: impl AsyncFn() -> T) -> (T, Vec<(Level, String)>) {
        // Where an event is passed for the first time, `tracing` asks who wants it. To be asked only
        // by this thread, and before any other, this one passes them all once in silence.
        story().await;
        let log = Self::default();
        // If there were only one, a thread without a subscriber would ask nobody and switch it off.
        let _another = tracing::Dispatch::new(log.clone());
        let _guard = tracing::subscriber::set_default(log.clone());
        let answer = story().await;
        let lines = std::mem::take(&mut *log.0.lock().unwrap());
        (answer, lines)
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &Event<'_>) {
        struct Line(String);
        impl Visit for Line {
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                write!(self.0, "{field}={value:?} ").unwrap();
            }
        }
        let mut line = Line(format!("{} ", event.metadata().target()));
        event.record(&mut line);
        if line.0.starts_with("tower_curfew") {
            self.0.lock().unwrap().push((*event.metadata().level(), line.0));
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
