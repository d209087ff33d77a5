//! Checks of the servers and of existing data, before they are used.

use std::sync::Arc;

use redis::{FromRedisValue, Value};

use super::answer::time;
use super::call::Call;
use super::deployment::Deployment;
use super::error::{Failure, NO_CLUSTER, SLOTS_MISSING, TOO_FEW_RIGHTS, refused};
use super::scripts::Scripts;
use super::server::Server;
use crate::clock::{Clock as _, ServerClock, SystemClock};
use crate::encoding::Unreadable;
use crate::store::open_error::OpenError;

/// The requirements for servers.
pub(super) struct Expected<'a> {
    pub(super) prefix: &'a str,
    pub(super) checks_clock: bool,
    pub(super) replicas: Option<u32>,
}

/// Checks each server, and returns whether all of them support flags in scripts.
pub(super) async fn look(
    deployment: Deployment,
    scripts: Arc<Scripts>,
    expected: &Expected<'_>,
) -> Result<bool, OpenError> {
    let mut knows_flags = true;
    match &deployment {
        Deployment::One(server) => {
            let info = look_at(server, &scripts, expected).await?;
            if is_part_of_cluster(&info) {
                return Err(refused(
                    "it is part of a cluster; give an address that begins with redis-cluster:// \
                     (or rediss-cluster://)",
                ));
            }
            knows_flags = check(&info)?;
        }
        Deployment::Cluster(cluster) => {
            for (_, server) in cluster.primaries().await? {
                let info = look_at(&server, &scripts, expected).await?;
                if !is_part_of_cluster(&info) {
                    return Err(refused(NO_CLUSTER));
                }
                knows_flags &= check(&info)?;
            }
            if cluster.missing() != 0 {
                return Err(refused(SLOTS_MISSING));
            }
        }
    }
    format(&deployment, expected.prefix).await?;
    rights(&deployment, &scripts, expected.prefix).await?;
    Ok(knows_flags)
}

async fn look_at(
    server: &Server,
    scripts: &Scripts,
    expected: &Expected<'_>,
) -> Result<String, OpenError> {
    let mut calls = redis::pipe();
    calls.cmd("INFO").cmd("TIME").cmd("ROLE");
    let mut answers = server.run(&calls).await?.into_iter();
    let info = text(answers.next())?;
    if field(&info, "redis_mode") == Some("sentinel") {
        return Err(refused(
            "it is a Sentinel; give an address like redis-sentinel://host:26379/mymaster, with the \
             name by which it knows the primary",
        ));
    }
    let shown = time(Some(value(answers.next())?))?;
    value(answers.next())?;
    // It may know them already, and this user may not be allowed to load any.
    for answer in server.run(&scripts.load()).await? {
        value(Some(answer))?;
    }
    if expected.checks_clock && ServerClock::is_apart(shown, SystemClock.now()) {
        return Err(refused(
            "the clocks of this machine and of the server are more than a minute apart; set both \
             right, by NTP",
        ));
    }
    let replicas: u32 =
        field(&info, "connected_slaves").and_then(|count| count.parse().ok()).unwrap_or(0);
    if expected.replicas.is_some_and(|expected| replicas < expected) {
        return Err(refused(format!(
            "it has {replicas} replicas, and no end could be acknowledged by as many as it should \
             be; add replicas, or lower the number of `acknowledged_by`",
        )));
    }
    Ok(info)
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

fn is_part_of_cluster(info: &str) -> bool {
    field(info, "cluster_enabled") == Some("1") || field(info, "redis_mode") == Some("cluster")
}

/// Refuses an unsuitable server; returns whether it supports flags in scripts.
fn check(info: &str) -> Result<bool, OpenError> {
    let mut numbers =
        field(info, "redis_version").unwrap_or_default().split('.').map(str::parse::<u32>);
    let mut number = || numbers.next().and_then(Result::ok).unwrap_or(0);
    let version = (number(), number());
    if version < (6, 2) {
        return Err(refused("it is too old; use Redis 6.2, Valkey 7.2, or a later one"));
    }
    if field(info, "role") == Some("slave") {
        return Err(refused("it is a replica; give the address of its primary"));
    }
    // Without the index entry of a session, signing out everywhere would miss it; without its
    // rules, an organization would lose its policy. A warning is not enough.
    if field(info, "maxmemory") != Some("0")
        && field(info, "maxmemory_policy") != Some("noeviction")
    {
        return Err(refused(
            "it may throw sessions away to make room, and then a sign-out would miss some; set its maxmemory-policy to noeviction",
        ));
    }
    Ok((7, 0) <= version)
}

async fn format(deployment: &Deployment, prefix: &str) -> Result<(), OpenError> {
    // Before there were formats, all sessions were listed here by the time they are due.
    let older = format!("{prefix}purge");
    let mut exists = redis::cmd("EXISTS");
    exists.arg(&older);
    if deployment.call(Call::new(older, exists)).await? != Value::Int(0) {
        return Err(refused(OLDER));
    }
    let key = format!("{prefix}format");
    let get = || {
        let mut get = redis::cmd("GET");
        get.arg(&key);
        Call::new(&*key, get)
    };
    let mut format: Option<u32> = from(deployment.call(get()).await?)?;
    // A full server refuses every `SET`, even one that would change nothing.
    if format.is_none() {
        let mut set = redis::cmd("SET");
        set.arg(&key).arg(FORMAT).arg("NX");
        deployment.call(Call::new(&*key, set)).await?;
        format = from(deployment.call(get()).await?)?;
    }
    match format.unwrap_or_default() {
        FORMAT => Ok(()),
        newer if FORMAT < newer => Err(refused(NEWER)),
        _ => Err(refused(OLDER)),
    }
}

/// Missing rights cause an error now rather than at the first sign-in.
async fn rights(deployment: &Deployment, scripts: &Scripts, prefix: &str) -> Result<(), OpenError> {
    let key = format!("{prefix}rights").into_bytes();
    let attempt = scripts.rights.over(std::slice::from_ref(&key));
    let refusals: Vec<String> = from(deployment.call(Call::new(key, attempt)).await?)?;
    if refusals.is_empty() {
        return Ok(());
    }
    Err(refused(format!("{TOO_FEW_RIGHTS}; it lacks `{}`", refusals.join("`, `"))))
}

fn from<T: FromRedisValue>(value: Value) -> Result<T, Failure> {
    redis::from_redis_value(value).map_err(|error| Failure::Redis(error.into()))
}

fn value(answer: Option<Value>) -> Result<Value, Failure> {
    Ok(answer.ok_or(Unreadable)?.extract_error()?)
}

fn text(answer: Option<Value>) -> Result<String, Failure> {
    from(value(answer)?)
}

/// The format of the keys. Another format is refused.
const FORMAT: u32 = 2;

const OLDER: &str = "the keys under its prefix have the format of a version before the first release; \
                     give another prefix, or delete them, which signs everybody out";
const NEWER: &str = "a newer version of tower-curfew has written the keys under its prefix; upgrade \
                     tower-curfew here as well";
