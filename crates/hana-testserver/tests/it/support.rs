//! Starts servers, connects to them, and shows what they answer.

use hana_testserver::{Options, Server};
use hdbconnect_async::{Connection, HdbError, HdbResult, HdbValue};

pub(crate) async fn start() -> Server {
    start_with(Options::default()).await
}

pub(crate) async fn start_with(options: Options) -> Server {
    Server::start("127.0.0.1:0".parse().unwrap(), options)
        .await
        .unwrap()
}

pub(crate) async fn connect(server: &Server) -> Connection {
    let connection = try_connect(server).await.unwrap();
    connection.set_application("tests").await;
    connection
}

pub(crate) async fn try_connect(server: &Server) -> HdbResult<Connection> {
    Connection::new(format!("{}?no_compression", server.url())).await
}

/// Rows between `;`, values between `|`.
pub(crate) async fn text_of(connection: &Connection, sql: &str) -> String {
    let rows = match connection.query(sql).await {
        Ok(rows) => rows.into_rows().await.unwrap(),
        Err(error) => panic!("{sql}: {error:?}"),
    };
    let rows: Vec<String> = rows
        .into_iter()
        .map(|row| row.map(|value| shown(&value)).collect::<Vec<_>>().join("|"))
        .collect();
    rows.join(";")
}

pub(crate) fn shown(value: &HdbValue<'_>) -> String {
    match value {
        HdbValue::NULL => "NULL".to_owned(),
        other => other.to_string(),
    }
}

/// The code with which a statement fails.
pub(crate) async fn code_of(connection: &Connection, sql: &str) -> Option<i32> {
    match connection.statement(sql).await {
        Err(HdbError::DbError { source }) => Some(source.code()),
        _ => None,
    }
}
