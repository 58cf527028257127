//! Bob: listens for secure channels at "listener" and echoes what arrives at "echoer". Prints `identifier: P…` and `ready`, then a line
//! `received LENGTH BEGINNING` for each text, with its first 40 characters; runs until he is ended.

use ockam::{Context, Entity, Identity, Result, Routed, SecureChannels, TrustEveryonePolicy, Vault, Worker};
use peers_0_25::{common::Options, open, run};

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
    let options = Options::parse(&["node", "listen", "sender", "receiver", "client-id", "interval"]);
    run(|ctx| bob(ctx, options));
}

async fn bob(ctx: Context, options: Options) -> Result<()> {
    let vault = Vault::create(&ctx)?;
    let mut bob = Entity::create(&ctx, &vault)?;
    println!("identifier: {}", bob.identifier()?);
    bob.create_secure_channel_listener("listener", TrustEveryonePolicy)?;
    ctx.start_worker("echoer", Echoer).await?;
    open(&ctx, &options).await?;
    println!("ready");
    Ok(())
}
