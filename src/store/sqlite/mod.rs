//! The embedded store: one file, one writer thread, readers that never wait for it.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use super::error::StoreError;

pub(super) mod apply;
mod bulk;
mod functions;
pub(super) mod readers;
mod value;
pub(super) mod writer;

use value::cells;

/// Statements kept prepared by the writer.
const STATEMENTS_CACHED: usize = 128;

/// How long to wait for another process's short transaction. A callback has to be answered within three seconds.
const BUSY_TIMEOUT: Duration = Duration::from_millis(2000);

/// Takes the file's advisory lock, which dies with its process.
///
/// # Errors
/// If another process holds it. If the lock's file can't be made, there is no lock, and opening the database will say
/// why.
fn lock(path: &Path) -> Result<Option<File>, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let Ok(file) = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(name)
    else {
        return Ok(None);
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::taken_by_another(path)),
        Err(std::fs::TryLockError::Error(_)) => Ok(None),
    }
}
