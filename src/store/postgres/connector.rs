//! Opening a connection.

use std::future::Future;
use std::pin::Pin;

use tokio_postgres::{Client, Config, Error, NoTls};

use super::asked::Peer;

/// How to open a connection.
pub(super) struct Connector {
    pub(super) config: Config,
    pub(super) peer: Peer,
    #[cfg(feature = "postgres-tls")]
    pub(super) tls: tokio_postgres_rustls::MakeRustlsConnect,
}

/// What moves bytes between a client and its server.
pub(super) type Pump = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

impl Connector {
    pub(super) async fn open(&self) -> Result<(Client, Pump), Error> {
        #[cfg(feature = "postgres-tls")]
        if self.config.get_ssl_mode() != tokio_postgres::config::SslMode::Disable {
            let (client, connection) = self.config.connect(self.tls.clone()).await?;
            return Ok((client, Box::pin(connection)));
        }
        let (client, connection) = self.config.connect(NoTls).await?;
        Ok((client, Box::pin(connection)))
    }
}
