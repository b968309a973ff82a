//! Form bytes to a trusted callback.
