//! Responses that were erased here: a salted hash each, so that nothing brings them back.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{Statement, in_list, stamp, text};
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

/// One row if any response was erased here.
#[must_use]
pub fn any() -> Statement {
    Statement::new("/* erased.any */ SELECT 1 FROM \"QUALTRICS_ERASED\" LIMIT 1")
}

/// Keeps a hash.
#[must_use]
pub fn add(hash: &str, now: Timestamp) -> Statement {
    let sqlite = "/* erased.add */ INSERT INTO \"QUALTRICS_ERASED\" (\"HASH\", \"ERASED_AT\") VALUES (?, ?) ON CONFLICT (\"HASH\") DO NOTHING";
    let hana = "/* erased.add */ UPSERT \"QUALTRICS_ERASED\" (\"HASH\", \"ERASED_AT\") VALUES (?, ?) WITH PRIMARY KEY";
    let form = |sql| Statement::new(sql).with([text(hash), stamp(now)]);
    Statement::either(form(sqlite), form(hana))
}

/// HANA only: which of these hashes are kept.
#[must_use]
pub fn find_all<'a>(hashes: impl IntoIterator<Item = &'a str>) -> Statement {
    let mut statement =
        Statement::new("/* erased.find_all */ SELECT \"HASH\" FROM \"QUALTRICS_ERASED\" WHERE ");
    in_list(&mut statement, "\"HASH\"", hashes.into_iter().map(text));
    statement
}

/// Lifts an erasure.
#[must_use]
pub fn forget(hash: &str) -> Statement {
    Statement::new("/* erased.forget */ DELETE FROM \"QUALTRICS_ERASED\" WHERE \"HASH\" = ?")
        .with([text(hash)])
}
