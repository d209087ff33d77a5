//! Addresses of one server, a cluster, or Sentinels.

use redis::{ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo};

use super::error::refused;
use crate::store::open_error::OpenError;

/// The servers of an address, and the credentials for them.
pub(super) struct Address {
    pub(super) servers: Servers,
    pub(super) login: RedisConnectionInfo,
    pub(super) is_encrypted: bool,
}

/// How a primary is found.
pub(super) enum Servers {
    One(ConnectionAddr),
    /// Some of the nodes: they name the others.
    Cluster(Vec<Node>),
    Sentinels {
        sentinels: Vec<Node>,
        /// The name by which they know the primary.
        name: String,
        login: RedisConnectionInfo,
    },
}

/// A host and a port.
pub(super) type Node = (String, u16);

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, OpenError> {
        let (scheme, rest) = text.split_once("://").ok_or_else(unusable)?;
        let is_encrypted = scheme.starts_with("rediss");
        if is_encrypted && !cfg!(feature = "redis-tls") {
            return Err(refused("its address asks for TLS; enable the feature `redis-tls`"));
        }
        match scheme {
            "redis-cluster" | "rediss-cluster" => Self::cluster(rest, is_encrypted),
            "redis-sentinel" | "rediss-sentinel" => Self::sentinels(rest, is_encrypted),
            _ => {
                let (addr, login) = one(text)?;
                Ok(Self { servers: Servers::One(addr), login, is_encrypted })
            }
        }
    }

    /// Parses the part after the scheme: `user:password@a:1,b:2/`.
    fn cluster(rest: &str, is_encrypted: bool) -> Result<Self, OpenError> {
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !matches!(path, "" | "0") {
            return Err(refused(
                "a cluster has no database but 0; leave the number out of the address, and give \
                 stores that share a cluster prefixes of their own",
            ));
        }
        let (nodes, login) = nodes(hosts, 6379)?;
        Ok(Self { servers: Servers::Cluster(nodes), login, is_encrypted })
    }

    /// Parses the part after the scheme:
    /// `user:password@a:1,b:2/name/0?sentinel_username=…&sentinel_password=…`.
    fn sentinels(rest: &str, is_encrypted: bool) -> Result<Self, OpenError> {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (name, database) = path.split_once('/').unwrap_or((path, ""));
        if name.is_empty() {
            return Err(refused(
                "its address lacks the name by which the Sentinels know the primary; give one like \
                 redis-sentinel://a:26379,b:26379/mymaster",
            ));
        }
        let (sentinels, mut login) = nodes(hosts, 26379)?;
        if !database.is_empty() {
            login = login.set_db(database.parse().map_err(|_| unusable())?);
        }
        let mut sentinel_login = RedisConnectionInfo::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            sentinel_login = match &*key {
                "sentinel_username" => sentinel_login.set_username(value),
                "sentinel_password" => sentinel_login.set_password(value),
                _ => return Err(unusable()),
            };
        }
        let name = name.to_owned();
        let servers = Servers::Sentinels { sentinels, name, login: sentinel_login };
        Ok(Self { servers, login, is_encrypted })
    }
}

fn nodes(hosts: &str, port: u16) -> Result<(Vec<Node>, RedisConnectionInfo), OpenError> {
    let (login, hosts) = hosts.rsplit_once('@').unwrap_or(("", hosts));
    let info = one(&format!("redis://{login}{}host/", if login.is_empty() { "" } else { "@" }))?.1;
    let node = |host: &str| match one(&format!("redis://{host}/"))?.0 {
        // Without a port, it returns Redis' default port.
        ConnectionAddr::Tcp(name, _) if !names_port(host) => Ok((name, port)),
        ConnectionAddr::Tcp(name, port) => Ok((name, port)),
        _ => Err(unusable()),
    };
    let nodes = hosts.split(',').map(node).collect::<Result<Vec<_>, OpenError>>()?;
    Ok((nodes, info))
}

/// Colons in brackets are those of an IPv6 address.
fn names_port(host: &str) -> bool {
    host.rsplit(']').next().unwrap_or(host).contains(':')
}

fn one(text: &str) -> Result<(ConnectionAddr, RedisConnectionInfo), OpenError> {
    let info = text.into_connection_info()?;
    Ok((info.addr().clone(), info.redis_settings().clone()))
}

fn unusable() -> OpenError {
    refused(super::error::UNUSABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Vec<Node>, Option<String>, RedisConnectionInfo) {
        let Address { servers, login, .. } = Address::parse(text).unwrap();
        match servers {
            Servers::One(ConnectionAddr::Tcp(host, port)) => (vec![(host, port)], None, login),
            Servers::One(_) => panic!("no host"),
            Servers::Cluster(nodes) => (nodes, None, login),
            Servers::Sentinels { sentinels, name, .. } => (sentinels, Some(name), login),
        }
    }

    fn node(host: &str, port: u16) -> Node {
        (host.to_owned(), port)
    }

    #[test]
    fn addresses_are_read() {
        let (nodes, name, login) = parsed("redis-cluster://ada:s%40cret@a:7001,b,[::1]:7003/");
        assert_eq!(nodes, [node("a", 7001), node("b", 6379), node("::1", 7003)]);
        assert_eq!((login.username(), login.password()), (Some("ada"), Some("s@cret")));
        assert_eq!(name, None);

        let (nodes, name, login) = parsed("redis-sentinel://:secret@a,[::1],b:5/mymaster/2");
        assert_eq!(nodes, [node("a", 26379), node("::1", 26379), node("b", 5)]);
        assert_eq!((name.as_deref(), login.db()), (Some("mymaster"), 2));
        assert_eq!((login.username(), login.password()), (None, Some("secret")));

        let (nodes, _, login) = parsed("redis://cache.internal/3");
        assert_eq!((nodes, login.db()), (vec![node("cache.internal", 6379)], 3));
    }

    #[test]
    fn sentinels_have_a_login_of_their_own() {
        let text = "redis-sentinel://a/main?sentinel_username=eve&sentinel_password=p%26q";
        let Servers::Sentinels { login, .. } = Address::parse(text).unwrap().servers else {
            panic!("no Sentinels");
        };
        assert_eq!((login.username(), login.password()), (Some("eve"), Some("p&q")));
    }

    #[test]
    fn an_address_that_cannot_be_used_is_refused_and_never_shown() {
        for (text, part) in [
            ("", "cannot be used"),
            ("cache:6379", "cannot be used"),
            ("http://secret@cache/", "cannot be used"),
            ("redis://:secret@cache:port/", "cannot be used"),
            ("redis-cluster://:secret@a:1,b:x/", "cannot be used"),
            ("redis-cluster://:secret@a:1/2", "no database but 0"),
            ("redis-sentinel://:secret@a:1/", "lacks the name"),
            ("redis-sentinel://:secret@a:1", "lacks the name"),
            ("redis-sentinel://:secret@a:1/main/x", "cannot be used"),
            ("redis-sentinel://:secret@a:1/main?database=2", "cannot be used"),
        ] {
            let error = Address::parse(text).err().unwrap();
            assert!(error.to_string().contains(part), "{text}: {error}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }
}
