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

/// The peer of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// The server itself. It keeps prepared statements and settings until the connection ends.
    Server,
    /// A pooler that gives each transaction to any free server connection. Prepared statements and
    /// settings would stay on that connection, so none are used.
    Pooler,
}

/// The parameters for opening a connection.
pub(super) struct Connector {
    /// With the hosts of the connection string.
    pub(super) config: Config,
    pub(super) peer: Peer,
    pub(super) notified: Arc<Notified>,
    #[cfg(feature = "postgres-tls")]
    pub(super) tls: tokio_postgres_rustls::MakeRustlsConnect,
}

/// The future that moves bytes between a client and its server.
pub(super) type Pump = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

impl Connector {
    /// A connector for this connection string.
    pub(super) fn new(string: &str, peer: Peer, files: TlsFiles) -> Result<Self, OpenError> {
        let (url, named) = connection_string::part(string);
        // The error would quote a part of the string, which may be the password.
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
        // The store itself checks for the primary, and in more ways.
        config.target_session_attrs(TargetSessionAttrs::Any);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(MAX_TIME_TO_OPEN);
        }
        // The operating system also notices a server that disappeared without closing the
        // connection.
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

    /// Opens a connection to a single host, which has its own configuration.
    pub(super) async fn open(&self, host: &Config) -> Result<(Client, Pump), Error> {
        #[cfg(feature = "postgres-tls")]
        if host.get_ssl_mode() != tokio_postgres::config::SslMode::Disable {
            let (client, connection) = host.connect(self.tls.clone()).await?;
            return Ok((client, Box::pin(pump(connection, self.notified.clone()))));
        }
        let (client, connection) = host.connect(NoTls).await?;
        Ok((client, Box::pin(pump(connection, self.notified.clone()))))
    }

    /// Asks the server to cancel the work of a connection that has been closed.
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

/// How long opening a connection may take before calls stop waiting for it.
pub(super) const MAX_TIME_TO_OPEN: Duration = Duration::from_secs(5);

const MAX_SILENCE: Duration = Duration::from_secs(10);
