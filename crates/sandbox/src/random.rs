//! Repeatable randomness: which fault strikes, what a respondent answers, what an id looks like.

/// SplitMix64: small, fast, and the same everywhere for one seed.
///
/// Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

const ALPHANUMERICS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 for 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(1).max(1);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high.saturating_sub(low))
            .unwrap_or(0)
            .saturating_add(1);
        low.saturating_add(i64::try_from(self.next() % span).unwrap_or(0))
    }

    /// True in the given share of calls.
    pub(crate) fn chance(&mut self, share: f64) -> bool {
        if share <= 0.0 {
            return false;
        }
        let drawn = u32::try_from(self.next() >> 32).unwrap_or(0);
        f64::from(drawn) < share * (f64::from(u32::MAX) + 1.0)
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            list.swap(end, self.below(end + 1));
        }
    }

    /// `prefix` and `length` alphanumerics, as Qualtrics' ids are.
    pub(crate) fn id(&mut self, prefix: &str, length: usize) -> String {
        let mut id = String::with_capacity(prefix.len() + length);
        id.push_str(prefix);
        for _ in 0..length {
            id.push(
                self.pick(ALPHANUMERICS)
                    .map_or('0', |byte| char::from(*byte)),
            );
        }
        id
    }

    /// A version 4 UUID, the form of request ids and tokens.
    pub(crate) fn uuid(&mut self) -> String {
        let mut bytes = [0; 16];
        let (high, low) = bytes.split_at_mut(8);
        high.copy_from_slice(&self.next().to_be_bytes());
        low.copy_from_slice(&self.next().to_be_bytes());
        uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence() {
        let (mut one, mut other) = (Random::new(7), Random::new(7));

        assert_eq!(one.id("R_", 15), other.id("R_", 15));
        assert_eq!(one.uuid(), other.uuid());
    }

    #[test]
    fn a_chance_strikes_in_its_share_of_calls() {
        let mut random = Random::new(1);

        let struck = (0..10_000).filter(|_| random.chance(0.25)).count();

        assert!((2_300..2_700).contains(&struck), "{struck}");
        assert!(!random.chance(0.0));
        assert!(random.chance(1.0));
    }
}
