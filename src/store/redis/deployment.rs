//! One server or a cluster: calls are made alike.

use std::sync::Arc;

use redis::{Cmd, Value};

use super::call::Call;
use super::cluster::Cluster;
use super::error::Failure;
use super::server::Server;

pub(super) enum Deployment {
    One(Arc<Server>),
    Cluster(Cluster),
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
            _ if calls.is_empty() => Ok(Vec::new()),
            Self::One(server) if calls.len() == 1 => Ok(vec![server.call(&calls[0].cmd).await?]),
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
                self.all(first).await?;
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

    /// Makes a call at one of the servers, whichever keys it has; `None` if there are no more.
    pub(super) async fn at(&self, server: u32, cmd: &Cmd) -> Result<Option<Value>, Failure> {
        match self {
            Self::One(only) if server == 0 => only.call(cmd).await.map(Some),
            Self::One(_) => Ok(None),
            Self::Cluster(cluster) => match cluster.primaries().await?.get(server as usize) {
                Some((_, server)) => server.call(cmd).await.map(Some),
                None => Ok(None),
            },
        }
    }

    /// Looks, while others go on, whether the primary is still the one that it was.
    pub(super) fn look(&self) {
        if let Self::One(server) = self
            && server.primary().has_sentinels()
        {
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
