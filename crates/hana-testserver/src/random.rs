//! Random numbers for nonces and chances. The standard library seeds its hash maps from the system; that is enough for
//! a development component.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};

/// 64 random bits.
pub(crate) fn number() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// So many random bytes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    for chunk in out.chunks_mut(8) {
        for (to, from) in chunk.iter_mut().zip(number().to_le_bytes()) {
            *to = from;
        }
    }
    out
}

/// True with this probability.
pub(crate) fn happens(probability: f64) -> bool {
    let share = u32::try_from(number() >> 32).unwrap_or_default();
    f64::from(share) / f64::from(u32::MAX) < probability
}
