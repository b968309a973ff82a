//! Committing many writes at once, and finding the one that spoils the batch.

use super::error::StoreError;

/// Applies and commits `batch` as one transaction. If that fails because of a write in it, the batch is split until the
/// bad one is alone, so that the others are committed. Answers stand in the order of the batch.
///
/// `commit` applies a slice in one transaction and answers each write, or changes nothing.
pub(super) fn commit<W, A>(
    batch: &[W],
    commit_together: &mut impl FnMut(&[W]) -> Result<Vec<A>, StoreError>,
) -> Vec<Result<A, StoreError>> {
    match commit_together(batch) {
        Ok(answers) => answers.into_iter().map(Ok).collect(),
        Err(error) if batch.len() > 1 && error.concerns_one_write() => {
            let (left, right) = batch.split_at(batch.len() / 2);
            let mut answers = commit(left, commit_together);
            answers.extend(commit(right, commit_together));
            answers
        }
        Err(error) => batch.iter().map(|_| Err(error.clone())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bad_write_fails_alone() {
        let mut committed = Vec::new();
        let bad = |n: &i32| *n % 7 == 3;

        let answers = commit(&(0..20).collect::<Vec<_>>(), &mut |batch: &[i32]| {
            if batch.iter().any(bad) {
                return Err(StoreError::unexpected("spoiled"));
            }
            committed.extend_from_slice(batch);
            Ok(batch.to_vec())
        });

        assert_eq!(answers.len(), 20);
        for (n, answer) in answers.iter().enumerate() {
            assert_eq!(answer.is_err(), n % 7 == 3, "{n}");
        }
        assert_eq!(
            committed,
            (0..20).filter(|n| n % 7 != 3).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_database_that_is_away_is_asked_once() {
        let mut asked = 0;

        let answers = commit(
            &[1, 2, 3],
            &mut |_: &[i32]| -> Result<Vec<()>, StoreError> {
                asked += 1;
                Err(StoreError::unavailable("away"))
            },
        );

        assert_eq!((asked, answers.len()), (1, 3));
    }
}
