//! What the two endpoints share: the way to the other side, and how they run. Two streams at a node (`--node`), or one TCP connection
//! without a node, which Alice opens (`--connect`) and Bob waits for (`--listen`).

#[path = "../../common.rs"]
pub mod common;

use common::{fail, Options, EXIT_FAILED, EXIT_USAGE};
use ockam::stream::Stream;
use ockam::{route, start_node, Context, Result, Route, TcpTransport, TCP};
use std::future::Future;
use std::time::Duration;

/// Runs an endpoint to its end. The crate's own log is silent unless OCKAM_LOG asks for it.
pub fn run<F: Future<Output = Result<()>> + Send + 'static>(endpoint: impl FnOnce(Context) -> F) {
    if std::env::var("OCKAM_LOG").is_err() {
        std::env::set_var("OCKAM_LOG", "off");
    }
    let (ctx, mut executor) = start_node();
    let endpoint = endpoint(ctx);
    let ended = executor.execute(async move {
        if let Err(error) = endpoint.await {
            fail(EXIT_FAILED, error);
        }
    });
    if let Err(error) = ended {
        fail(EXIT_FAILED, error);
    }
}

/// Opens the way that the options ask for; the route leads to the other side, and is empty where this side waits for the connection.
pub async fn open(ctx: &Context, options: &Options) -> Result<Route> {
    let tcp = TcpTransport::create(ctx).await?;
    if let Some(address) = options.get("listen") {
        tcp.listen(address).await?;
        return Ok(route![]);
    }
    if let Some(address) = options.get("connect") {
        return Ok(route![(TCP, address)]);
    }
    let node = options
        .get("node")
        .unwrap_or_else(|| fail(EXIT_USAGE, "one of --node, --connect, --listen is needed"));
    let mut stream = Stream::new(ctx)?
        .stream_service("stream_kafka")
        .index_service("stream_kafka_index")
        .with_interval(Duration::from_millis(options.number("interval", 250)));
    if let Some(id) = options.get("client-id") {
        stream = stream.client_id(id);
    }
    let (sender, _receiver) = stream
        .connect(route![(TCP, node)], options.text("sender"), options.text("receiver"))
        .await?;
    Ok(sender.into())
}
