//! Alice: opens a secure channel to Bob's "listener", sends `--count` texts to his "echoer" and checks that each comes back, in order.
//! Sizes of the texts in bytes are given with `--size A,B,…`, used in turn. Prints `identifier: P…`, `channel MS`, a line
//! `echo NUMBER SIZE MICROSECONDS` for each, and `done COUNT`. The crate itself waits 120 s for a channel.

use ockam::{route, Context, Entity, Identity, Result, Route, SecureChannels, TrustEveryonePolicy, TrustIdentifierPolicy, Vault};
use peers_0_25::common::{fail, text, Options, EXIT_NO_CHANNEL, EXIT_NO_ECHO};
use peers_0_25::{open, run};
use std::convert::TryFrom;
use std::time::Instant;

fn main() {
    let options = Options::parse(&[
        "node",
        "connect",
        "sender",
        "receiver",
        "client-id",
        "interval",
        "peer",
        "count",
        "size",
        "timeout",
    ]);
    run(|ctx| alice(ctx, options));
}

async fn alice(mut ctx: Context, options: Options) -> Result<()> {
    let count = options.number("count", 1);
    let timeout = options.number("timeout", 30);
    let sizes = options.sizes();

    let vault = Vault::create(&ctx)?;
    let mut alice = Entity::create(&ctx, &vault)?;
    println!("identifier: {}", alice.identifier()?);
    let mut way = open(&ctx, &options).await?;

    let started = Instant::now();
    let listener: Route = way.modify().append("listener").into();
    let channel = match options.get("peer") {
        Some(peer) => alice.create_secure_channel(listener, TrustIdentifierPolicy::new(TryFrom::try_from(peer)?)),
        None => alice.create_secure_channel(listener, TrustEveryonePolicy),
    };
    let channel = channel.unwrap_or_else(|error| fail(EXIT_NO_CHANNEL, format!("no secure channel: {}", error)));
    println!("channel {}", started.elapsed().as_millis());

    for number in 0..count {
        let body = text(number, sizes[number as usize % sizes.len()]);
        let sent = Instant::now();
        ctx.send(route![channel.clone(), "echoer"], body.clone()).await?;
        match ctx.receive_timeout::<String>(timeout).await {
            Ok(echo) if echo.as_str() == body => println!("echo {} {} {}", number, body.len(), sent.elapsed().as_micros()),
            Ok(echo) => fail(EXIT_NO_ECHO, format!("text {} came back as {:.60}", number, echo.as_str())),
            Err(error) => fail(EXIT_NO_ECHO, format!("text {} did not come back: {}", number, error)),
        }
    }
    println!("done {}", count);
    ctx.stop().await
}
