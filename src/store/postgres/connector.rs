//! Opening a connection.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{AsyncMessage, CancelToken, Client, Config, Connection, Error, NoTls};

use super::connection_string;
use super::error::refused;
use super::notified::Notified;
use super::tls_options::{TlsFiles, TlsOptions};
use crate::store::open_error::OpenError;

/// What is at the other end of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// The server itself. It keeps what is prepared and what is set until the connection ends.
    Server,
    /// A pooler that gives each transaction to whichever server connection is free. What is prepared
    /// or set stays with that, so nothing is.
    Pooler,
}

/// How to open a connection.
pub(super) struct Connector {
    /// With the hosts of the connection string.
    pub(super) config: Config,
    pub(super) peer: Peer,
    pub(super) notified: Arc<Notified>,
    #[cfg(feature = "postgres-tls")]
    pub(super) tls: tokio_postgres_rustls::MakeRustlsConnect,
}

/// What moves bytes between a client and its server.
pub(super) type Pump = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

impl Connector {
    /// One for this connection string.
    pub(super) fn new(string: &str, peer: Peer, files: TlsFiles) -> Result<Self, OpenError> {
        let (url, named) = connection_string::part(string);
        // Why not it says with a part of the string, which may be the password.
        let mut config: Config = url.parse().map_err(|_| {
            refused(
                "the connection string cannot be read; give one such as \
                 `postgres://role:password@host:5432/database`",
            )
        })?;
        let tls = TlsOptions::of(named, files)?;
        config.ssl_mode(tls.mode);
        if config.get_application_name().is_none() {
            config.application_name("tower-curfew");
        }
        // Whether it is the primary is looked at here, and in more ways.
        config.target_session_attrs(TargetSessionAttrs::Any);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(MAX_TIME_TO_OPEN);
        }
        // A server that is gone without a word is noticed by the operating system, too.
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(MAX_SILENCE);
        }
        config
            .keepalives_idle(MAX_SILENCE)
            .keepalives_interval(MAX_SILENCE / 3)
            .keepalives_retries(3);
        Ok(Self {
            #[cfg(feature = "postgres-tls")]
            tls: super::tls::connect_with(&tls)?,
            notified: Arc::default(),
            peer,
            config,
        })
    }

    /// Opens one to a single host, which has a configuration of its own.
    pub(super) async fn open(&self, host: &Config) -> Result<(Client, Pump), Error> {
        #[cfg(feature = "postgres-tls")]
        if host.get_ssl_mode() != tokio_postgres::config::SslMode::Disable {
            let (client, connection) = host.connect(self.tls.clone()).await?;
            return Ok((client, Box::pin(pump(connection, self.notified.clone()))));
        }
        let (client, connection) = host.connect(NoTls).await?;
        Ok((client, Box::pin(pump(connection, self.notified.clone()))))
    }

    /// Asks the server to stop what it does for a connection that has been closed.
    pub(super) async fn cancel(&self, token: &CancelToken) -> Result<(), Error> {
        #[cfg(feature = "postgres-tls")]
        if self.config.get_ssl_mode() != tokio_postgres::config::SslMode::Disable {
            return token.cancel_query(self.tls.clone()).await;
        }
        token.cancel_query(NoTls).await
    }
}

/// Moves bytes until the connection is closed.
async fn pump<S, T>(mut connection: Connection<S, T>, notified: Arc<Notified>) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        if let AsyncMessage::Notification(notification) = message? {
            notified.take(notification.payload());
        }
    }
    Ok(())
}

/// As long as a connection may take to be opened, before calls no longer wait for it.
pub(super) const MAX_TIME_TO_OPEN: Duration = Duration::from_secs(5);

const MAX_SILENCE: Duration = Duration::from_secs(10);
