//! Signed callbacks, numbered.

use secrecy::SecretString;

/// The sandbox's survey.
pub(crate) const SURVEY: &str = "SV_22VlHYNeldrrrk1";
/// What callbacks are signed with.
pub(crate) const KEY: &str = "bench-shared-key";

/// A response's id by its number.
pub(crate) fn response(number: u64) -> String {
    format!("R_{number:015}")
}

/// The number of the response that a line names.
pub(crate) fn number_in(line: &str) -> Option<u64> {
    let (_, id) = line.split_once("R_")?;
    id.get(..15)?.parse().ok()
}

/// The whole request that tells of a response.
pub(crate) fn request(key: &SecretString, number: u64) -> Vec<u8> {
    let response = response(number);
    let message = format!(
        r#"{{"Status":"Complete","SurveyID":"{SURVEY}","ResponseID":"{response}","CompletedDate":"2026-06-01 12:00:00","BrandID":"b"}}"#
    );
    let signature = ingester_core::callback::sign(key, message.as_bytes());
    let message =
        percent_encoding::utf8_percent_encode(&message, percent_encoding::NON_ALPHANUMERIC);
    let body =
        format!("Topic=b.surveyengine.completedResponse.{SURVEY}&HMAC={signature}&MSG={message}");
    format!(
        "POST /webhooks/qualtrics HTTP/1.1\r\nhost: bench\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
