//! Who asks: one thread over 64 connections, each with one request under way. It asks again on a
//! connection as soon as it has read its answer, and needs neither a runtime nor a parser, so that the
//! server is the slower one.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::served::{Server, processor_time};
use crate::apps::{USER, USER_AGENT};

const CONNECTIONS: usize = 64;

pub struct Asking {
    connections: Vec<TcpStream>,
    request: Vec<u8>,
    tasks: String,
}

/// What the answers within some time were like.
#[derive(Clone, Copy)]
pub struct Sample {
    /// Answers a second.
    pub rate: f64,
    /// Seconds of the server's processors for each.
    pub cpu: f64,
}

impl Asking {
    /// Somebody who is signed in.
    pub fn of(server: &Server) -> Self {
        let connect = || {
            let connection = TcpStream::connect(("127.0.0.1", server.port)).expect("it listens");
            connection.set_nodelay(true).expect("a connection");
            connection
        };
        let mut connections = Vec::from_iter((0..CONNECTIONS).map(|_| connect()));
        let sign_in = request(&format!("/sign-in/{USER}"), "");
        connections[0].write_all(&sign_in).expect("it reads");
        let answer = String::from_utf8(answer(&mut connections[0])).expect("text");
        let set = answer.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
        let pairs = set.map(|cookie| cookie.split(';').next().expect("a pair"));
        let cookie = format!("cookie: {}\r\n", Vec::from_iter(pairs).join("; "));
        Self { connections, request: request("/", &cookie), tasks: server.tasks() }
    }

    /// Asks for that long.
    pub fn sample(&mut self, time: Duration) -> Sample {
        let (began, cpu) = (Instant::now(), processor_time(&self.tasks));
        let mut answers = 0;
        for connection in &mut self.connections {
            connection.write_all(&self.request).expect("it reads");
        }
        while began.elapsed() < time {
            for connection in &mut self.connections {
                assert_is_answered(&answer(connection));
                connection.write_all(&self.request).expect("it reads");
                answers += 1;
            }
        }
        for connection in &mut self.connections {
            assert_is_answered(&answer(connection));
            answers += 1;
        }
        let (elapsed, used) = (began.elapsed(), processor_time(&self.tasks) - cpu);
        Sample {
            rate: f64::from(answers) / elapsed.as_secs_f64(),
            cpu: used as f64 / 1e9 / f64::from(answers),
        }
    }
}

fn request(path: &str, cookie: &str) -> Vec<u8> {
    let lines = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/html\r\n");
    format!("{lines}user-agent: {USER_AGENT}\r\n{cookie}\r\n").into_bytes()
}

fn assert_is_answered(answer: &[u8]) {
    let is = answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(USER.as_bytes());
    assert!(is, "{}", String::from_utf8_lossy(answer));
}

/// Reads one answer, which says how long its body is.
fn answer(connection: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::with_capacity(1024);
    let mut part = [0; 1024];
    loop {
        let bytes = connection.read(&mut part).expect("it answers");
        assert!(bytes > 0, "it hung up");
        read.extend_from_slice(&part[..bytes]);
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n")
            && read.len() >= end + 4 + body_length(&read[..end])
        {
            return read;
        }
    }
}

fn body_length(head: &[u8]) -> usize {
    let head = str::from_utf8(head).expect("text");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.map_or(0, |length| length.parse().expect("a number"))
}
