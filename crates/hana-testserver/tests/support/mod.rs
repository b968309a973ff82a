//! Starts servers and connects to them.

use hana_testserver::{Options, Server};
use hdbconnect_async::{Connection, ConnectionConfiguration};

pub(crate) async fn start() -> Server {
    start_with(Options::default()).await
}

pub(crate) async fn start_with(options: Options) -> Server {
    Server::start("127.0.0.1:0".parse().unwrap(), options)
        .await
        .unwrap()
}

pub(crate) async fn connect(server: &Server) -> Connection {
    try_connect(server).await.unwrap()
}

pub(crate) async fn try_connect(server: &Server) -> hdbconnect_async::HdbResult<Connection> {
    let url = format!("{}?no_compression", server.url());
    Connection::with_configuration(url, &ConnectionConfiguration::default()).await
}
