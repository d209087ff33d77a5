//! Opening a connection to a server.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, SendError};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ProtocolVersion, PushInfo, RedisConnectionInfo,
    RedisResult,
};

use super::address::Node;
#[cfg(feature = "redis-tls")]
use super::tls::Tls;

/// The parameters for opening connections.
pub(super) struct Connector {
    pub(super) login: RedisConnectionInfo,
    /// Returns the current password, if it can change.
    pub(super) password: Option<Password>,
    pub(super) is_encrypted: bool,
    #[cfg(feature = "redis-tls")]
    pub(super) tls: Tls,
}

pub(super) type Password = Arc<dyn Fn() -> String + Send + Sync>;

/// Receives the push messages of a server.
pub(super) type Told = Arc<dyn Fn(PushInfo) -> Result<(), SendError> + Send + Sync>;

impl Connector {
    /// The address of a node, with or without encryption.
    pub(super) fn at(&self, (host, port): &Node) -> ConnectionAddr {
        if self.is_encrypted {
            let host = host.clone();
            ConnectionAddr::TcpTls { host, port: *port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host.clone(), *port)
        }
    }

    pub(super) async fn open(
        &self,
        addr: &ConnectionAddr,
        told: Option<&Told>,
    ) -> RedisResult<MultiplexedConnection> {
        let login = match &self.password {
            Some(password) => self.login.clone().set_password(password()),
            None => self.login.clone(),
        };
        self.open_as(addr, login, told).await
    }

    pub(super) async fn open_as(
        &self,
        addr: &ConnectionAddr,
        mut login: RedisConnectionInfo,
        told: Option<&Told>,
    ) -> RedisResult<MultiplexedConnection> {
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(MAX_TIME_TO_CONNECT))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(PIPELINE_LENGTH);
        if let Some(told) = told.cloned() {
            // In the older protocol a server sends no push messages.
            login = login.set_protocol(ProtocolVersion::RESP3);
            config = config.set_push_sender(move |info| told(info));
        }
        let client = self.client(addr, login)?;
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    fn client(&self, addr: &ConnectionAddr, login: RedisConnectionInfo) -> RedisResult<Client> {
        use redis::IntoConnectionInfo as _;

        let info = addr.clone().into_connection_info()?.set_redis_settings(login);
        #[cfg(feature = "redis-tls")]
        if matches!(addr, ConnectionAddr::TcpTls { .. }) {
            return self.tls.client(info);
        }
        Client::open(info)
    }
}

/// Callers do not wait this long: each has its own timeout, and the attempt continues without them.
pub(super) const MAX_TIME_TO_CONNECT: Duration = Duration::from_secs(5);

const PIPELINE_LENGTH: usize = 256;
