//! Responses that were erased here: a salted hash each, so that nothing brings them back.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{Statement, stamp, text};
use crate::id::{ResponseId, SurveyId};
use crate::time::Timestamp;

/// What stands in `QUALTRICS_ERASED.HASH`: HMAC-SHA-256 of survey and response under the database's salt, hexadecimal.
#[must_use]
pub fn hash(salt: &[u8], survey: &SurveyId, response: &ResponseId) -> String {
    // HMAC takes keys of any length; the Result is the trait's, not the algorithm's.
    Hmac::<Sha256>::new_from_slice(salt)
        .map(|mac| {
            let mac = mac
                .chain_update(survey.as_ref())
                .chain_update(b"/")
                .chain_update(response.as_ref());
            hex::encode(mac.finalize().into_bytes())
        })
        .unwrap_or_default()
}

/// One row if the response was erased here.
#[must_use]
pub fn find(hash: &str) -> Statement {
    Statement::new("/* erased.find */ SELECT 1 FROM \"QUALTRICS_ERASED\" WHERE \"HASH\" = ?")
        .with([text(hash)])
}

/// Keeps a hash.
#[must_use]
pub fn add(hash: &str, now: Timestamp) -> Statement {
    Statement::new(
        "/* erased.add */ INSERT INTO \"QUALTRICS_ERASED\" (\"HASH\", \"ERASED_AT\") VALUES (?, ?) ON CONFLICT (\"HASH\") DO NOTHING",
    )
    .with([text(hash), stamp(now)])
}

/// Lifts an erasure.
#[must_use]
pub fn forget(hash: &str) -> Statement {
    Statement::new("/* erased.forget */ DELETE FROM \"QUALTRICS_ERASED\" WHERE \"HASH\" = ?")
        .with([text(hash)])
}
