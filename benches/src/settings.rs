//! What a run was told to do, by its arguments and its environment.

use std::env;
use std::path::PathBuf;

use crate::report::Report;

/// How a run is to be done.
pub struct Settings {
    /// Only to see that it runs.
    pub quick: bool,
    /// With ten million sessions.
    pub huge: bool,
    /// Where the page is left.
    pub page: Option<PathBuf>,
    pub redis: Option<String>,
    pub redis_cluster: Option<String>,
    pub postgres: Option<String>,
}

const REDIS: &str = "CURFEW_TEST_REDIS";
const REDIS_CLUSTER: &str = "CURFEW_TEST_REDIS_CLUSTER";
const POSTGRES: &str = "CURFEW_TEST_POSTGRES";

impl Settings {
    /// The settings, and the sections that are named.
    pub fn parse(arguments: Vec<String>) -> Result<(Self, Vec<String>), String> {
        let named = |variable| env::var(variable).ok().filter(|url| !url.is_empty());
        let mut settings = Self {
            quick: false,
            huge: false,
            page: None,
            redis: named(REDIS),
            redis_cluster: named(REDIS_CLUSTER),
            postgres: named(POSTGRES),
        };
        let (mut sections, mut arguments) = (Vec::new(), arguments.into_iter());
        while let Some(argument) = arguments.next() {
            match &argument[..] {
                "--quick" => settings.quick = true,
                "--huge" => settings.huge = true,
                "--markdown" => {
                    let page = arguments.next().ok_or("`--markdown` needs a file")?;
                    settings.page = Some(page.into());
                }
                option if option.starts_with('-') => {
                    return Err(format!("there is no option `{option}`"));
                }
                _ => sections.push(argument),
            }
        }
        Ok((settings, sections))
    }

    pub fn count(&self, usual: usize, quick: usize) -> usize {
        if self.quick { quick } else { usual }
    }

    /// Says which of the servers that a section can use were not named.
    pub fn tell_what_is_left_out(&self, report: &mut Report, used: &[Server]) {
        for server in used {
            let (name, url, variable) = match server {
                Server::Redis => ("Redis", &self.redis, REDIS),
                Server::RedisCluster => ("Redis Cluster", &self.redis_cluster, REDIS_CLUSTER),
                Server::Postgres => ("PostgreSQL", &self.postgres, POSTGRES),
            };
            if url.is_none() {
                report.text(&format!("Left out: {name}, as `{variable}` is not set."));
            }
        }
    }
}

/// A server that the environment may name.
pub enum Server {
    Redis,
    RedisCluster,
    Postgres,
}
