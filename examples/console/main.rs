//! The pages that people and admins know: signing in, active sessions, tokens, and the session
//! security of an organization, with a warning before a session ends.
//!
//! ```text
//! cargo run --example console
//! cargo run --example console -- --store memory --sample
//! cargo run --example console -- --store memory --idle 30s --policy-minimum 10s
//! cargo run --example console -- --show-session 52fc…
//! cargo run --example console -- --operations 127.0.0.1:9090
//! cargo run --example console -- copy --from sqlite:console.db --to postgres://…
//! cargo run --example console -- list --user ada --store sqlite:console.db
//! cargo run --example console -- revoke --user ada --as "incident 17" --store sqlite:console.db
//! ```
//!
//! Then open <http://localhost:3000> and sign in as one of the users that it prints. With `--sample`
//! there are sessions of the last weeks to look at. What people do is in `account.rs` and `tokens.rs`,
//! what admins do in `admin.rs`, and how sessions are set up in `options.rs`; `app.rs` puts it
//! together. `picture.rs` draws what a policy does before it is saved. `copying.rs` moves to another
//! store, `operator.rs` ends sessions in an incident, `keys.rs` looks at a file of keys, and
//! `operations.rs` tells how the app is. `hashing.rs`, `places.rs`, `device_names.rs`, and `signals.rs`
//! beside this folder, can be copied into an app as they are. All of it works without JavaScript,
//! except for the warning and the button that copies a token.

mod account;
mod admin;
mod admin_form;
mod app;
mod copying;
mod device_names;
mod ends;
mod hashing;
mod keys;
mod operations;
mod operator;
mod options;
mod page;
mod picture;
mod places;
mod policy_form;
mod sample;
mod sign_in;
#[path = "../signals.rs"]
mod signals;
mod strip;
#[cfg(test)]
mod tests;
mod tokens;
mod users;
mod words;

use std::net::SocketAddr;

use anyhow::Context;
use clap::Parser;
use tokio::net::TcpListener;

use options::Options;
use sample::LateClock;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "tells where it listens, and who may sign in")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(command) = &options.command {
        print!("{}", command.run().await?);
        return Ok(());
    }
    if let Some(session) = options.show_session {
        print!("{}", options.facts(session).await?);
        return Ok(());
    }
    let figures = operations::builder()?.install_recorder()?;
    let clock = LateClock::default();
    let curfew = options.open(clock.clone()).await?;
    if options.sample {
        sample::fill(&curfew, &clock).await?;
    }
    if let Some(addr) = &options.operations {
        let routes = operations::routes(curfew.clone(), figures);
        let listener = listen(addr, "--operations").await?;
        println!("figures at http://{}/metrics", listener.local_addr()?);
        tokio::spawn(async move { axum::serve(listener, routes).await });
    }
    let app = app::app(&curfew, options.limits()?, clock);

    let listener = listen(&options.addr, "--addr").await?;
    println!("listening on http://{}", listener.local_addr()?);
    for user in &users::USERS {
        println!("sign in as {user}");
    }
    // Without the connect info, no address is known, and so no location.
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(signals::told_to_stop()?)
        .await?;
    curfew.shutdown().await;
    Ok(())
}

async fn listen(addr: &str, option: &str) -> anyhow::Result<TcpListener> {
    let advice = || format!("cannot listen on {addr}; give another {option}");
    TcpListener::bind(addr).await.with_context(advice)
}
