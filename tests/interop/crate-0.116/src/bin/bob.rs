//! Bob: listens for secure channels at "listener" and echoes what arrives at "echoer". Prints `identifier: I…` and `ready`, then a line
//! `received LENGTH BEGINNING` for each text, with its first 40 characters; runs until he is ended.

use ockam::identity::{SecureChannelListenerOptions, TrustEveryonePolicy, TrustIdentifierPolicy};
use ockam::{node, Context, Result, Routed, Worker};
use peers_0_116::{common::Options, open, run};

struct Echoer;

#[ockam::worker]
impl Worker for Echoer {
    type Context = Context;
    type Message = String;

    async fn handle_message(&mut self, ctx: &mut Context, msg: Routed<String>) -> Result<()> {
        println!("received {} {:.40}", msg.len(), msg.as_str());
        ctx.send(msg.return_route(), msg.body()).await
    }
}

fn main() {
    let options = Options::parse(&["node", "connect", "listen", "sender", "receiver", "client-id", "interval", "trust"]);
    run(|ctx| bob(ctx, options));
}

async fn bob(ctx: Context, options: Options) -> Result<()> {
    let node = node(ctx).await?;
    let identifier = node.create_identity().await?;
    println!("identifier: {identifier}");

    let way = open(node.context(), &options, false).await?;
    let mut listener = SecureChannelListenerOptions::new();
    listener = match options.get("trust") {
        Some(trusted) => listener.with_trust_policy(TrustIdentifierPolicy::new(trusted.try_into()?)),
        None => listener.with_trust_policy(TrustEveryonePolicy),
    };
    if let Some(flow) = &way.flow {
        listener = listener.as_consumer(flow);
    }
    node.flow_controls().add_consumer("echoer", &listener.spawner_flow_control_id());
    node.start_worker("echoer", Echoer).await?;
    node.create_secure_channel_listener(&identifier, "listener", listener).await?;
    println!("ready");
    Ok(())
}
