//! Alice: opens a secure channel to Bob's "listener", sends `--count` texts to his "echoer" and checks that each comes back, in order.
//! Sizes of the texts in bytes are given with `--size A,B,…`, used in turn; `--pause` ms lie between two texts, `--window` of them may be
//! out. Prints `identifier: I…`, `channel MS`, a line `echo NUMBER SIZE MICROSECONDS` for each, and `done COUNT`.

use ockam::access_control::AllowAll;
use ockam::identity::{SecureChannelOptions, TrustEveryonePolicy, TrustIdentifierPolicy};
use ockam::{node, route, Address, Context, MessageReceiveOptions, Result};
use peers_0_116::common::{fail, text, Options, EXIT_NO_CHANNEL, EXIT_NO_ECHO};
use peers_0_116::{open, run};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

fn main() {
    let options = Options::parse(&[
        "node",
        "connect",
        "listen",
        "sender",
        "receiver",
        "client-id",
        "interval",
        "peer",
        "count",
        "pause",
        "size",
        "window",
        "timeout",
    ]);
    run(|ctx| alice(ctx, options));
}

async fn alice(ctx: Context, options: Options) -> Result<()> {
    let count = options.number("count", 1);
    let window = options.number("window", 1) as usize;
    let timeout = Duration::from_secs(options.number("timeout", 30));
    let pause = Duration::from_millis(options.number("pause", 0));
    let sizes = options.sizes();

    let mut node = node(ctx).await?;
    let identifier = node.create_identity().await?;
    println!("identifier: {identifier}");
    let way = open(node.context(), &options, true).await?;

    let started = Instant::now();
    let channel_options = SecureChannelOptions::new().with_timeout(timeout);
    let channel_options = match options.get("peer") {
        Some(peer) => channel_options.with_trust_policy(TrustIdentifierPolicy::new(peer.try_into()?)),
        None => channel_options.with_trust_policy(TrustEveryonePolicy),
    };
    let channel = match node
        .create_secure_channel(&identifier, route![way.route, "listener"], channel_options)
        .await
    {
        Ok(channel) => channel,
        Err(error) => fail(EXIT_NO_CHANNEL, format!("no secure channel: {error}")),
    };
    println!("channel {}", started.elapsed().as_millis());

    let address = Address::random_tagged("alice");
    node.flow_controls().add_consumer(address.clone(), channel.flow_control_id());
    let mut mailbox = node.context().new_detached(address, AllowAll, AllowAll).await?;
    let mut out: VecDeque<(u64, String, Instant)> = VecDeque::new();
    let mut next = 0;
    while next < count || !out.is_empty() {
        if next < count && out.len() < window {
            let body = text(next, sizes[next as usize % sizes.len()]);
            mailbox.send(route![channel.clone(), "echoer"], body.clone()).await?;
            out.push_back((next, body, Instant::now()));
            next += 1;
            continue;
        }
        let Some((number, body, sent)) = out.pop_front() else { break };
        match mailbox
            .receive_extended::<String>(MessageReceiveOptions::new().with_timeout(timeout))
            .await
        {
            Ok(echo) if *echo == body => println!("echo {number} {} {}", body.len(), sent.elapsed().as_micros()),
            Ok(echo) => fail(EXIT_NO_ECHO, format!("text {number} came back as {:.60}", *echo)),
            Err(error) => fail(EXIT_NO_ECHO, format!("text {number} did not come back: {error}")),
        }
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
    println!("done {count}");
    node.stop().await
}
