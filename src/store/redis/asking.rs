//! Calls to a node of a cluster, and the meaning of its answers.

use redis::{Pipeline, ServerErrorKind, Value};

use super::address::Node;
use super::call::Call;
use super::error::Failure;
use super::server::Server;
use super::slots::{Range, ranges, redirected};

/// The reason why a call has to be repeated.
pub(super) enum Again {
    /// Another node has its slot.
    Moved(Node),
    /// Another node already has its key, though not yet its slot.
    Ask(Node),
    /// Its keys are moving, or the nodes have not agreed yet.
    Wait(Failure),
    /// The node cannot be reached, or is not responsible for any slot.
    Lost(Failure),
}

/// Makes calls that all belong to this node.
pub(super) async fn ask(
    server: &Server,
    calls: &[&Call],
    asking: bool,
) -> Result<Vec<Value>, Failure> {
    if let [Call { replicas: Some(replicas), cmd, .. }] = calls {
        return server.call_and_wait(cmd, *replicas, asking).await.map(|value| vec![value]);
    }
    let mut pipeline = Pipeline::with_capacity(calls.len() + 1);
    if asking {
        pipeline.cmd("ASKING");
    }
    for call in calls {
        pipeline.add_command(call.cmd.clone());
    }
    let mut answers = server.run(&pipeline).await?;
    if asking {
        answers.remove(0);
    }
    Ok(answers)
}

/// The outcome of a call: an answer, or where to repeat it.
pub(super) enum Outcome {
    Answer(Value),
    Again(Again),
}

pub(super) fn read(value: Value, asked: &Node) -> Result<Outcome, Failure> {
    let Value::ServerError(error) = &value else {
        return Ok(Outcome::Answer(value));
    };
    let failure = Failure::Redis(error.clone().into());
    let to = || {
        let details = error.details().unwrap_or_default();
        redirected(details.split_ascii_whitespace().nth(1)?, &asked.0)
    };
    let again = match error.kind() {
        Some(ServerErrorKind::Moved) => to().map(Again::Moved),
        Some(ServerErrorKind::Ask) => to().map(Again::Ask),
        Some(ServerErrorKind::TryAgain | ServerErrorKind::ClusterDown) => {
            Some(Again::Wait(failure.clone()))
        }
        Some(ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading) => {
            Some(Again::Lost(failure.clone()))
        }
        _ => None,
    };
    again.map(Outcome::Again).ok_or(failure)
}

/// The slots as this node sees them, and the epoch of its view.
pub(super) async fn map_of(server: &Server, host: &str) -> Result<(u64, Vec<Range>), Failure> {
    let mut calls = redis::pipe();
    calls.cmd("CLUSTER").arg("INFO").cmd("CLUSTER").arg("SLOTS");
    let mut answers = server.run(&calls).await?.into_iter();
    let info: String = match answers.next() {
        Some(info) => {
            redis::from_redis_value(info.extract_error()?).map_err(redis::RedisError::from)?
        }
        None => return Err(Failure::NotServed),
    };
    let epoch = info.lines().find_map(|line| line.strip_prefix("cluster_current_epoch:"));
    let epoch = epoch.and_then(|epoch| epoch.trim().parse().ok()).unwrap_or(0);
    let mut ranges = ranges(answers.next().unwrap_or(Value::Nil), host)?;
    ranges.sort_by_key(|range| range.first);
    Ok((epoch, ranges))
}
