//! What is looked at before a store is had.

use std::net::TcpListener;

use redis::AsyncCommands as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower_curfew::store::RedisStore;

use super::server::{server, url_at};
use super::support::{in_time, now, place, record};
use crate::processes::free_port;

#[tokio::test]
async fn keys_of_another_format_are_refused_with_advice() {
    let Some(mut place) = place("keys_of_another_format_are_refused_with_advice").await else {
        return;
    };
    let session = place.insert(record("ada")).await;
    let key = place.key("format", "");
    let known: String = place.raw.get(&key).await.unwrap();
    let newer = (known.parse::<u32>().unwrap() + 1).to_string();
    for (format, part) in [
        ("1", "a version before the first release; give another prefix, or delete them"),
        (&*newer, "a newer version of tower-curfew has written the keys under its prefix; upgrade"),
        ("nonsense", "see the source"),
    ] {
        let () = place.raw.set(&key, format).await.unwrap();
        let error = place.options().connect().await.unwrap_err();
        assert!(error.to_string().contains(part), "{format}: {error}");
        let found: String = place.raw.get(&key).await.unwrap();
        assert_eq!(found, format, "it is not overwritten");
    }
    let () = place.raw.set(&key, known).await.unwrap();
    place.options().connect().await.unwrap();
    assert!(place.load(session.id()).await.is_some(), "and nothing is deleted");
    place.clear().await;
}

/// Such keys have no format.
#[tokio::test]
async fn keys_from_before_there_were_formats_are_refused_with_advice() {
    let name = "keys_from_before_there_were_formats_are_refused_with_advice";
    let Some(mut place) = place(name).await else { return };
    place.delete("format", "").await;
    let () = place.raw.zadd(place.key("purge", ""), "id", 1).await.unwrap();
    let error = place.options().connect().await.unwrap_err();
    assert!(error.to_string().contains("a version before the first release"), "{error}");
    assert_eq!(place.all_keys().await, [b"purge"]);
    place.clear().await;
}

#[tokio::test]
async fn a_prefix_must_be_plain() {
    let Some(place) = place("a_prefix_must_be_plain").await else { return };
    for prefix in ["", "{a}", "a b", "ä:", "a\n", &"a".repeat(65)] {
        let error = place.options().prefix(prefix).connect().await.unwrap_err();
        assert!(error.to_string().contains("prefix"), "{error}");
    }
    place.clear().await;
}

#[tokio::test]
async fn a_store_shows_its_prefix_and_no_password() {
    let Some(place) = place("a_store_shows_its_prefix_and_no_password").await else { return };
    let shown = format!("{:?}", place.store);
    assert_eq!(shown, format!("RedisStore {{ prefix: {:?}, .. }}", place.prefix));
    let options = RedisStore::options("redis://ada:secret@127.0.0.1");
    assert!(!format!("{options:?}").contains("secret"));
    place.clear().await;
}

#[tokio::test]
async fn a_server_that_will_not_do_is_refused() {
    let name = "a_server_that_will_not_do_is_refused";
    let refused = async |options: &[&'static str], address: fn(u16) -> String, part: &str| {
        let Some(server) = server(name, options).await else { return };
        let error = RedisStore::connect(address(server.port())).await.unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    };
    let wrong = |port| format!("redis://:hunter2@127.0.0.1:{port}/");
    refused(&["--requirepass", "other"], url_at, "the user or the password").await;
    refused(&["--requirepass", "other"], wrong, "the user or the password").await;
    refused(&["--cluster-enabled", "yes"], url_at, "begins with redis-cluster://").await;
    let evicts = ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"];
    refused(&evicts, url_at, "maxmemory-policy to noeviction").await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_refused_in_time() {
    for (address, part) in [
        (url_at(free_port()), "cannot be reached"),
        ("http://127.0.0.1/".into(), "the address cannot be used"),
        (String::new(), "the address cannot be used"),
    ] {
        let error = in_time(RedisStore::connect(address)).await.unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

/// A connection that was accepted and then says nothing.
#[tokio::test]
async fn a_server_that_is_silent_is_refused_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = url_at(listener.local_addr().unwrap().port());
    let error = in_time(RedisStore::connect(address)).await.unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
}

/// A server whose clock is an hour ahead, as far as it says.
#[tokio::test]
async fn a_server_whose_clock_is_apart_is_refused_with_advice() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = url_at(listener.local_addr().unwrap().port());
    let says = tokio::spawn(async move {
        loop {
            let (mut caller, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut asked = vec![0; 4096];
                while let Ok(read @ 1..) = caller.read(&mut asked).await {
                    let asked = String::from_utf8_lossy(&asked[..read]).to_uppercase();
                    let mut answers = String::new();
                    // Each command is an array whose second line is its name.
                    for command in asked.split('*').skip(1) {
                        answers += &match command.lines().nth(2) {
                            Some("INFO") => bulk("redis_version:7.0.0\r\nrole:master\r\n"),
                            Some("TIME") => {
                                let seconds = now().unix_millis() / 1000 + 3600;
                                format!("*2\r\n{}{}", bulk(&seconds.to_string()), bulk("0"))
                            }
                            Some("ROLE") => format!("*1\r\n{}", bulk("master")),
                            _ => "+OK\r\n".to_owned(),
                        };
                    }
                    caller.write_all(answers.as_bytes()).await.unwrap();
                }
            });
        }
    });
    let error = in_time(RedisStore::connect(address)).await.unwrap_err();
    assert!(error.to_string().contains("more than a minute apart; set both right"), "{error:?}");
    says.abort();
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}
