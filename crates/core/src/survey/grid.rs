//! Matrices and side by sides: rows that are answered one by one.

use super::asked::{Asked, Part};
use super::derive::{Derivation, Stem, list};
use super::field::{Answer, Kind, Spread};

impl Derivation<'_> {
    /// The rows of a matrix, or of one column of a side by side. Tags count rows by position, keys by id; a row's own tag
    /// stands alone.
    pub(super) fn rows(&mut self, grid: &Asked, stem: &Stem) {
        let asked = self.asked;
        let side_by_side = !asked.columns.is_empty();
        // A side by side's columns may leave out the rows, which are the same for all.
        let rows = if side_by_side && !grid.choices.is_empty() {
            &grid.choices
        } else {
            &asked.choices
        };
        for (position, row) in (1..).zip(rows) {
            let position: usize = position;
            let row_stem = match &row.tag {
                Some(own) if !side_by_side => Stem {
                    key: format!("{}_{}", stem.key, row.id),
                    tag: own.clone(),
                },
                _ => stem.with(
                    format_args!("_{}", row.id),
                    format_args!("_{}", place(row, position)),
                ),
            };
            self.row(grid, row, &row_stem);
        }
    }

    fn row(&mut self, grid: &Asked, row: &Part, stem: &Stem) {
        let entered = match grid.selector.as_str() {
            "TE" => Some((Kind::Text, Answer::Text)),
            "CS" => Some((Kind::Number, self.number())),
            "RO" => Some((Kind::Rank, Answer::Integer)),
            _ => None,
        };
        if let Some((kind, answer)) = entered {
            for (position, column) in (1..).zip(&grid.answers) {
                let position: usize = position;
                let cell = stem.with(format_args!("_{}", column.id), format_args!("_{position}"));
                let aliases = vec![
                    format!("{}_TEXT", cell.key),
                    format!("{}-{}-{}-TEXT", self.asked.id, row.id, column.id),
                ];
                self.add(
                    cell,
                    &format!("{} - {}", row.label, column.label),
                    kind,
                    answer,
                );
                self.aliases(aliases);
            }
        } else if grid.is_multiple() {
            self.add(
                stem.with("", ""),
                &row.label,
                Kind::MultipleChoice,
                Answer::Recode,
            );
            self.choices(list(grid.answers_of(row)), Spread::Chosen);
        } else {
            self.add(
                stem.with("", ""),
                &row.label,
                Kind::MatrixChoice,
                Answer::Recode,
            );
            self.choices(list(grid.answers_of(row)), Spread::One);
        }
        if row.has_text {
            self.add(
                stem.with("_TEXT", "_TEXT"),
                &row.label,
                Kind::ChoiceText,
                Answer::Text,
            );
        }
    }
}

/// What the row's tag ends with: as the column map of `GET /surveys` has it, else the row's position.
pub(super) fn place(row: &Part, position: usize) -> String {
    row.suffix.clone().unwrap_or_else(|| position.to_string())
}
