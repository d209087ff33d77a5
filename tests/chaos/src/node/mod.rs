//! One node: an app over the store under test, in a process of its own.
//!
//! Each line of its standard input is a number of milliseconds, by which its clock is ahead from then on.
//! When that input ends, so does the node.

mod app;

pub(crate) use app::{ChangePolicy, NODE_HEADER, Revoke, SignIn};

use std::io::{BufRead as _, stdin};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Context as _;
use clap::Args;
use time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tower_curfew::clock::{Clock, SystemClock, Timestamp};
use tower_curfew::store::{PostgresStore, RedisStore, SqliteStore, Store};
use tower_curfew::{Curfew, Keyring};

use crate::plant::{Broken, Flaw, Plant};
use crate::rules;

#[derive(Args)]
pub(crate) struct Options {
    /// The store: `redis://…`, `redis-cluster://…`, `postgres://…`, or a file of SQLite.
    #[arg(long)]
    store: String,
    /// How many replicas acknowledge what ends.
    #[arg(long)]
    acknowledged_by: u32,
    /// Where it listens, on the loopback interface.
    #[arg(long)]
    port: u16,
    /// The file of the key that signs cookies.
    #[arg(long)]
    key: PathBuf,
    /// What is wrong with the store.
    #[arg(long)]
    plant: Option<Plant>,
    /// What chance begins with.
    #[arg(long)]
    seed: u64,
}

pub(crate) fn serve(options: Options) -> anyhow::Result<()> {
    Runtime::new()?.block_on(async {
        let clock = SteppedClock::default();
        let steps = clock.clone();
        std::thread::spawn(move || {
            for line in stdin().lock().lines().map_while(Result::ok) {
                steps.0.store(line.parse().unwrap_or_default(), Ordering::SeqCst);
            }
            std::process::exit(0);
        });
        let curfew = options.open(clock).await?;
        let listener = TcpListener::bind(("127.0.0.1", options.port))
            .await
            .with_context(|| format!("cannot listen on port {}; run again", options.port))?;
        let mut terminate = signal(SignalKind::terminate())?;
        let asked_to_end = async move { terminate.recv().await.unwrap_or_default() };
        let app = app::app(curfew.clone(), options.port);
        axum::serve(listener, app).with_graceful_shutdown(asked_to_end).await?;
        curfew.shutdown().await;
        Ok(())
    })
}

impl Options {
    async fn open(&self, clock: SteppedClock) -> anyhow::Result<Curfew> {
        let Self { store: url, acknowledged_by, .. } = self;
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        match scheme {
            "redis" | "redis-cluster" => {
                let options = RedisStore::options(url).acknowledged_by(*acknowledged_by);
                self.curfew(options.connect().await?, clock).await
            }
            "postgres" => {
                let options = PostgresStore::options(url).acknowledged_by(*acknowledged_by);
                self.curfew(options.connect().await?, clock).await
            }
            _ => self.curfew(SqliteStore::open(url).await?, clock).await,
        }
    }

    async fn curfew(&self, store: impl Store, clock: SteppedClock) -> anyhow::Result<Curfew> {
        let flaw = match self.plant {
            None | Some(Plant::TwoPrimaries) => Flaw::None,
            Some(Plant::Forgets) => Flaw::forgets(self.seed),
            Some(Plant::Lags) => Flaw::lags(),
            Some(Plant::Upserts) => Flaw::upserts(&self.store).await?,
        };
        let (sessions, at_cap) = rules::cap();
        let (shortest, longest) = rules::POLICY_BOUNDS;
        let curfew = Curfew::builder(Broken { store, flaw }, Keyring::load_or_create(&self.key)?)
            .limits(rules::limits())
            .at_most_per_user(sessions, at_cap)
            .policy_bounds(shortest, longest)
            .refresh_every(rules::REFRESH)
            // People come by plain http.
            .insecure_cookie()
            .clock(clock)
            .build()?;
        Ok(curfew)
    }
}

/// The clock of this machine, and by how many milliseconds it is off.
#[derive(Clone, Default)]
struct SteppedClock(Arc<AtomicI64>);

impl Clock for SteppedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + Duration::milliseconds(self.0.load(Ordering::SeqCst))
    }
}
