//! Response exports.

#[derive(Debug, Default)]
pub(crate) struct Jobs;

impl Jobs {
    pub(crate) fn clear(&self) {}
}
