//! Writes in the order in which a database of several writers takes them best.

use std::collections::HashSet;
use std::hash::Hash;

/// Splits writes so that no wave has a key twice, each wave sorted by key.
///
/// Two transactions that touch the same rows in another order are a deadlock (133), and what a batch does that names
/// one row twice is nowhere documented. Of writes with the same key the first stays first.
pub(super) fn waves<W, K: Ord + Hash + Clone>(
    writes: Vec<W>,
    key: impl Fn(&W) -> K,
) -> Vec<Vec<W>> {
    let mut waves: Vec<(HashSet<K>, Vec<W>)> = Vec::new();
    for write in writes {
        let own = key(&write);
        match waves.iter_mut().find(|(keys, _)| !keys.contains(&own)) {
            Some((keys, wave)) => {
                keys.insert(own);
                wave.push(write);
            }
            None => waves.push((HashSet::from([own]), vec![write])),
        }
    }
    waves
        .into_iter()
        .map(|(_, mut wave)| {
            wave.sort_by_cached_key(&key);
            wave
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_once_a_wave_and_waves_are_sorted() {
        let writes = vec![("b", 1), ("a", 1), ("b", 2), ("b", 3), ("c", 1)];

        let waves = waves(writes, |(key, _)| *key);

        assert_eq!(
            waves,
            [
                vec![("a", 1), ("b", 1), ("c", 1)],
                vec![("b", 2)],
                vec![("b", 3)]
            ]
        );
    }
}
