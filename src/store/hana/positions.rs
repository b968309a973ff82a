//! Positions of the change log that are in hand: a thousand at a time come from the database's sequence.

use std::time::{Duration, Instant};

use ingester_core::sql::changes::POSITIONS_AT_ONCE;

/// Positions become visible out of order by as long as they are kept in hand. Readers of the log look back a minute,
/// so a position is given out within seconds or never; gaps mean nothing.
const KEPT: Duration = Duration::from_secs(5);

/// What is left of the positions that were taken.
#[derive(Debug, Default)]
pub(super) struct Positions {
    next: i64,
    end: i64,
    taken: Option<Instant>,
}

impl Positions {
    /// Those that one value of the sequence stands for.
    pub(super) fn taken(first: i64) -> Self {
        Self {
            next: first,
            end: first.saturating_add(POSITIONS_AT_ONCE),
            taken: Some(Instant::now()),
        }
    }
}

impl Iterator for Positions {
    type Item = i64;

    /// Nothing once they are used up, or too old.
    fn next(&mut self) -> Option<i64> {
        let is_fresh = self.taken.is_some_and(|taken| taken.elapsed() < KEPT);
        if !is_fresh || self.next == self.end {
            return None;
        }
        let position = self.next;
        self.next = position.saturating_add(1);
        Some(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_given_out_soon_or_never() {
        assert_eq!(Positions::default().next(), None);
        let mut positions = Positions::taken(2001);
        assert_eq!(positions.next(), Some(2001));
        assert_eq!(positions.by_ref().last(), Some(3000));
        assert_eq!(positions.next(), None);

        let mut old = Positions::taken(1);
        old.taken = Instant::now().checked_sub(KEPT);
        assert_eq!(old.next(), None);
    }
}
