//! Request bodies, limited in size and in time before anybody looks at them.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::BodyExt as _;

use super::error::ApiError;

/// How long a body may take to arrive.
const DEADLINE: Duration = Duration::from_secs(5);
/// How much of a body that is too long is read all the same.
const BYTES_DROPPED_MAX: usize = 2 * 1024 * 1024;

/// Reads a body of at most so many bytes. A longer one is read on for a while and thrown away: a connection that is
/// closed on unread bytes is reset, and its sender would never see the answer.
///
/// # Errors
/// 413 if it is longer, 408 if it does not arrive, 400 if it breaks off.
pub(super) async fn read(mut body: Body, bytes_max: usize) -> Result<Bytes, ApiError> {
    let reading = async {
        let (mut kept, mut dropped) = (BytesMut::new(), 0);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| broken_off())?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if dropped > 0 || kept.len() + data.len() > bytes_max {
                dropped += kept.len() + data.len();
                kept.clear();
                if dropped > BYTES_DROPPED_MAX {
                    break;
                }
            } else {
                kept.extend_from_slice(&data);
            }
        }
        if dropped == 0 {
            Ok(kept.freeze())
        } else {
            Err(too_large(bytes_max))
        }
    };
    tokio::time::timeout(DEADLINE, reading)
        .await
        .map_err(|_| late())?
}

fn too_large(bytes_max: usize) -> ApiError {
    let message = format!("the body has at most {} KiB", bytes_max / 1024);
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", message)
}

fn broken_off() -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "malformed",
        "the body could not be read",
    )
}

fn late() -> ApiError {
    let message = format!(
        "the body did not arrive within {} seconds",
        DEADLINE.as_secs()
    );
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", message)
}
