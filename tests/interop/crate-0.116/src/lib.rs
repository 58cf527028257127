//! What the two endpoints share: options, the way to the other side, and how they end.
//!
//! An endpoint reaches the other by two streams at a node (`--node`), or over one TCP connection without a node, which either
//! side may open (`--connect`) or wait for (`--listen`).

#[path = "../../common.rs"]
pub mod common;

use common::{fail, Options, EXIT_FAILED, EXIT_USAGE};
use ockam::flow_control::FlowControlId;
use ockam::stream::Stream;
use ockam::{route, Address, Any, Context, NodeBuilder, Result, Route, Routed, Worker};
use ockam::{TcpConnectionOptions, TcpListenerOptions, TcpTransport};
use std::future::Future;
use std::time::{Duration, Instant};

/// Runs an endpoint to its end. The crate's own log is silent unless OCKAM_LOG asks for it.
pub fn run<F: Future<Output = Result<()>> + Send + 'static>(endpoint: impl FnOnce(Context) -> F) {
    let builder = NodeBuilder::new();
    let builder = if std::env::var("OCKAM_LOG").is_ok() {
        builder
    } else {
        builder.no_logging()
    };
    let (ctx, mut executor) = builder.build();
    let endpoint = endpoint(ctx);
    let ended = executor.execute(async move {
        if let Err(error) = endpoint.await {
            fail(EXIT_FAILED, error);
        }
        Ok(())
    });
    if let Err(error) = ended {
        fail(EXIT_FAILED, error);
    }
}

/// The way to the other side.
pub struct Way {
    pub route: Route,
    /// Whoever receives messages over the connection itself must be a consumer of this flow; none where streams are used.
    pub flow: Option<FlowControlId>,
}

/// Opens the way that the options ask for. Where this side waits for the connection, `await_connection` says whether the way is needed now.
pub async fn open(ctx: &Context, options: &Options, await_connection: bool) -> Result<Way> {
    let tcp = TcpTransport::create(ctx).await?;
    if let Some(address) = options.get("listen") {
        let listener = tcp.listen(address, TcpListenerOptions::new()).await?;
        println!("listening on {}", listener.socket_string());
        let flow = Some(listener.flow_control_id().clone());
        if !await_connection {
            return Ok(Way { route: route![], flow });
        }
        let connection = accepted(&tcp).await;
        return Ok(Way {
            route: route![connection],
            flow,
        });
    }
    let address = options
        .get("connect")
        .or(options.get("node"))
        .unwrap_or_else(|| fail(EXIT_USAGE, "one of --node, --connect, --listen is needed"));
    let connection = tcp.connect(address, TcpConnectionOptions::new()).await?;
    let flow = connection.flow_control_id().clone();
    if options.get("connect").is_some() {
        return Ok(Way {
            route: route![connection],
            flow: Some(flow),
        });
    }
    ctx.start_worker("registrar", Registrar { flow }).await?;
    let mut stream = Stream::new(ctx)
        .await?
        .stream_service("stream_kafka")
        .index_service("stream_kafka_index")
        .with_interval(Duration::from_millis(options.number("interval", 250)));
    if let Some(id) = options.get("client-id") {
        stream = stream.client_id(id);
    }
    let node = route!["registrar", connection];
    let (sender, receiver) = stream.connect(node, options.text("sender"), options.text("receiver")).await?;
    std::mem::forget(receiver); // its context ends with it, and it is not needed: messages carry a route
    Ok(Way {
        route: sender.into(),
        flow: None,
    })
}

/// The first connection that somebody opens to us.
async fn accepted(tcp: &TcpTransport) -> Address {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        if let Some(connection) = tcp.registry().get_all_sender_workers().first() {
            return connection.address().clone();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    fail(EXIT_FAILED, "nobody connected within 60 s")
}

/// Stands between the stream client and the connection. The crate's connections deliver to registered consumers alone, and its stream
/// client registers neither of its workers; this does, when it first sees them send.
struct Registrar {
    flow: FlowControlId,
}

#[ockam::worker]
impl Worker for Registrar {
    type Context = Context;
    type Message = Any;

    async fn handle_message(&mut self, ctx: &mut Context, msg: Routed<Any>) -> Result<()> {
        let mut message = msg.into_local_message();
        message.transport_mut().onward_route.step()?;
        let sender = message.transport().return_route.next()?.clone();
        ctx.flow_controls().add_consumer(sender, &self.flow);
        ctx.forward(message).await
    }
}
