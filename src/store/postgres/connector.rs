//! Opening a connection.

use std::future::Future;
use std::pin::Pin;

use tokio_postgres::{CancelToken, Client, Config, Error, NoTls};

/// How to open a connection.
pub(super) struct Connector {
    /// With the hosts of the connection string.
    pub(super) config: Config,
    #[cfg(feature = "postgres-tls")]
    pub(super) tls: tokio_postgres_rustls::MakeRustlsConnect,
}

/// What moves bytes between a client and its server.
pub(super) type Pump = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

impl Connector {
    /// Opens one to a single host, which has a configuration of its own.
    pub(super) async fn open(&self, host: &Config) -> Result<(Client, Pump), Error> {
        #[cfg(feature = "postgres-tls")]
        if host.get_ssl_mode() != tokio_postgres::config::SslMode::Disable {
            let (client, connection) = host.connect(self.tls.clone()).await?;
            return Ok((client, Box::pin(connection)));
        }
        let (client, connection) = host.connect(NoTls).await?;
        Ok((client, Box::pin(connection)))
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
