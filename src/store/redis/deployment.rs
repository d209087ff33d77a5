//! One server or a cluster: calls are made alike.

use redis::{Cmd, Value};

use super::cluster::Cluster;
use super::error::Failure;
use super::server::Server;

pub(super) enum Deployment {
    One(Server),
    Cluster(Cluster),
}

/// A call, and the key by which it finds its server: all of its keys are in the slot of that one.
pub(super) struct Call {
    pub(super) key: Vec<u8>,
    pub(super) cmd: Cmd,
    /// It is done when it has reached so many replicas.
    pub(super) replicas: Option<u32>,
}

impl Call {
    pub(super) fn new(key: impl Into<Vec<u8>>, cmd: Cmd) -> Self {
        Self { key: key.into(), cmd, replicas: None }
    }
}

impl Deployment {
    /// Makes one call. Whatever breaks under it, it is made once more.
    pub(super) async fn call(&self, call: Call) -> Result<Value, Failure> {
        match self {
            Self::One(server) => match call.replicas {
                None => server.call(&call.cmd).await,
                Some(replicas) => {
                    let answer = server.call_and_wait(&call.cmd, replicas, false).await?;
                    Ok(answer.extract_error()?)
                }
            },
            Self::Cluster(cluster) => cluster.all(&[call]).await?.pop().ok_or(Failure::NotServed),
        }
    }

    /// Makes calls that do not wait for each other: over one server in this order, and over a cluster
    /// in any.
    pub(super) async fn all(&self, calls: Vec<Call>) -> Result<Vec<Value>, Failure> {
        match self {
            Self::One(server) => {
                let answers = server.run(&pipeline(calls)).await?;
                Ok(answers.into_iter().map(Value::extract_error).collect::<Result<_, _>>()?)
            }
            Self::Cluster(cluster) => cluster.all(&calls).await,
        }
    }

    /// Makes calls, and then one more, when they are done. Hands back its answer.
    pub(super) async fn then(&self, mut first: Vec<Call>, last: Call) -> Result<Value, Failure> {
        match self {
            Self::One(_) if last.replicas.is_none() => {
                first.push(last);
                self.all(first).await?.pop().ok_or(Failure::NotServed)
            }
            _ => {
                if !first.is_empty() {
                    self.all(first).await?;
                }
                self.call(last).await
            }
        }
    }

    /// Makes calls that read, and makes sure that who answers is a primary.
    pub(super) async fn all_on_primary(&self, calls: Vec<Call>) -> Result<Vec<Value>, Failure> {
        match self {
            Self::One(server) => {
                let answers = server.run_on_primary(pipeline(calls)).await?;
                Ok(answers.into_iter().map(Value::extract_error).collect::<Result<_, _>>()?)
            }
            // There each answers only for what it is responsible for.
            Self::Cluster(cluster) => cluster.all(&calls).await,
        }
    }

    /// Looks, while others go on, whether the primary is still the one that it was.
    pub(super) fn look(&self) {
        if let Self::One(server) = self {
            let primary = server.primary().clone();
            tokio::spawn(async move { primary.look().await });
        }
    }
}

fn pipeline(calls: Vec<Call>) -> redis::Pipeline {
    let mut pipeline = redis::Pipeline::with_capacity(calls.len());
    for call in calls {
        pipeline.add_command(call.cmd);
    }
    pipeline
}
