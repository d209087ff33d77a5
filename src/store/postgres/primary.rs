//! The one server that all connections of a node lead to.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use super::open_failure::OpenFailure;
use super::server::Server;

/// The primary, as far as this node knows. It never goes back to an older timeline.
#[derive(Default)]
pub(super) struct Primary {
    known: watch::Sender<Option<Server>>,
    /// Changes with the server, so that answers are checked without a lock.
    number: AtomicU64,
}

impl Primary {
    pub(super) fn known(&self) -> Option<Server> {
        *self.known.borrow()
    }

    /// Whether a connection to the server of this number may still be used.
    pub(super) fn is(&self, number: u64) -> bool {
        self.number.load(Ordering::Acquire) == number
    }

    /// Makes a server the primary, and returns its number. From now on, answers of other servers do
    /// not count.
    pub(super) fn take(&self, server: Server) -> Result<u64, OpenFailure> {
        let mut outcome = Ok(0);
        self.known.send_if_modified(|known| {
            if let Err(failure) = fits(*known, server) {
                outcome = Err(failure);
                return false;
            }
            let is_other = *known != Some(server);
            if is_other {
                *known = Some(server);
                self.number.fetch_add(1, Ordering::AcqRel);
            }
            outcome = Ok(self.number.load(Ordering::Acquire));
            is_other
        });
        outcome
    }

    /// Returns when another server than that of this number is the primary.
    pub(super) async fn is_no_longer(&self, number: u64) {
        let mut known = self.known.subscribe();
        let _ = known.wait_for(|_| !self.is(number)).await;
    }
}

/// The primary among the servers that accept writes.
pub(super) fn choose(
    known: Option<Server>,
    found: impl IntoIterator<Item = Server>,
) -> Result<usize, OpenFailure> {
    let mut best = None::<(usize, Server)>;
    let mut failure = OpenFailure::ReadOnly;
    for (place, server) in found.into_iter().enumerate() {
        if let Err(unfit) = fits(known, server) {
            failure = unfit;
            continue;
        }
        match best {
            // Before the first contact, either of the two databases could be meant.
            Some((_, other)) if other.system != server.system => {
                return Err(OpenFailure::OtherSystem);
            }
            // With two on one timeline, the current one stays, or the first is taken.
            Some((_, other))
                if server.timeline < other.timeline
                    || server.timeline == other.timeline && known != Some(server) => {}
            _ => best = Some((place, server)),
        }
    }
    best.map(|(place, _)| place).ok_or(failure)
}

fn fits(known: Option<Server>, server: Server) -> Result<(), OpenFailure> {
    match known {
        Some(known) if known.system != server.system => Err(OpenFailure::OtherSystem),
        Some(known) if server.timeline < known.timeline => Err(OpenFailure::OldPrimary),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{OpenFailure, Primary, Server, choose};

    fn server(system: i64, timeline: i64, started: i64) -> Server {
        Server { system, timeline, started }
    }

    #[test]
    fn trap_46_the_newest_timeline_is_the_primary() {
        let (old, new, twin) = (server(7, 1, 10), server(7, 2, 20), server(7, 2, 30));
        let chosen = |known, found: &[Server]| choose(known, found.iter().copied()).ok();
        assert_eq!(chosen(None, &[old, new]), Some(1));
        assert_eq!(chosen(None, &[new, old]), Some(0));
        assert_eq!(chosen(Some(old), &[old, new]), Some(1));
        assert_eq!(chosen(Some(new), &[old]), None, "an older one is not used");
        assert_eq!(chosen(Some(new), &[old, twin]), Some(1));
        assert_eq!(chosen(Some(twin), &[new, twin]), Some(1), "it stays with the one that it has");
        assert_eq!(chosen(None, &[new, twin]), Some(0));
        assert!(matches!(choose(None, []), Err(OpenFailure::ReadOnly)));
        assert!(matches!(choose(Some(new), [old]), Err(OpenFailure::OldPrimary)));
        let stranger = server(8, 9, 20);
        assert!(matches!(choose(Some(new), [stranger]), Err(OpenFailure::OtherSystem)));
        assert!(matches!(choose(None, [new, stranger]), Err(OpenFailure::OtherSystem)));
        assert_eq!(chosen(Some(new), &[stranger, new]), Some(1));
    }

    #[test]
    fn trap_46_no_answer_of_an_older_primary_counts() {
        let primary = Primary::default();
        let old = primary.take(server(7, 1, 10)).ok().unwrap();
        assert!(primary.is(old));
        assert_eq!(primary.take(server(7, 1, 10)).ok(), Some(old), "the same");
        let new = primary.take(server(7, 2, 20)).ok().unwrap();
        assert!(primary.is(new) && !primary.is(old));
        assert!(primary.take(server(7, 1, 10)).is_err());
        assert!(primary.is(new), "what is refused changes nothing");
    }
}
