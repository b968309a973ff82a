//! Figures of a run: a table for people, JSON for everything else.

use std::fmt;

use serde_json::json;

/// How good a figure has to be: its ratio if it has one, else itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// What was measured of one candidate, round by round.
#[derive(Debug)]
struct Figure {
    section: &'static str,
    what: String,
    unit: &'static str,
    candidate: String,
    rounds: Vec<f64>,
    /// Of each round, to what it is compared with.
    ratios: Vec<f64>,
    bound: Option<Bound>,
}

/// All figures of a run.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<Figure>);

/// What is measured: its section, its name, its unit.
#[derive(Debug, Clone)]
pub(crate) struct Measure {
    pub(crate) section: &'static str,
    pub(crate) what: String,
    pub(crate) unit: &'static str,
}

impl Measure {
    pub(crate) fn new(section: &'static str, what: impl Into<String>, unit: &'static str) -> Self {
        Self {
            section,
            what: what.into(),
            unit,
        }
    }
}

impl Report {
    /// A figure by itself.
    pub(crate) fn alone(
        &mut self,
        measure: &Measure,
        candidate: &str,
        rounds: &[f64],
        bound: Option<Bound>,
    ) {
        self.push(measure, candidate, rounds, Vec::new(), bound);
    }

    /// A figure beside another of the same rounds.
    pub(crate) fn compared(
        &mut self,
        measure: &Measure,
        candidate: &str,
        rounds: &[f64],
        reference: &[f64],
        bound: Option<Bound>,
    ) {
        let ratios = rounds.iter().zip(reference).map(|(a, b)| a / b).collect();
        self.push(measure, candidate, rounds, ratios, bound);
    }

    fn push(
        &mut self,
        measure: &Measure,
        candidate: &str,
        rounds: &[f64],
        ratios: Vec<f64>,
        bound: Option<Bound>,
    ) {
        let Measure {
            section,
            what,
            unit,
        } = measure.clone();
        let figure = Figure {
            section,
            what,
            unit,
            candidate: candidate.to_owned(),
            rounds: rounds.to_vec(),
            ratios,
            bound,
        };
        eprintln!("{figure}");
        self.0.push(figure);
    }

    /// True if every bound is kept.
    pub(crate) fn holds(&self) -> bool {
        self.0.iter().all(|figure| figure.holds() != Some(false))
    }

    pub(crate) fn to_json(&self) -> String {
        let figures: Vec<_> = self.0.iter().map(Figure::to_json).collect();
        format!("{:#}\n", json!({ "figures": figures }))
    }
}

impl Figure {
    /// Whether the bound is kept, if there is one.
    fn holds(&self) -> Option<bool> {
        let judged = if self.ratios.is_empty() {
            median(&self.rounds)
        } else {
            median(&self.ratios)
        };
        Some(match self.bound? {
            Bound::AtLeast(least) => judged >= least,
            Bound::AtMost(most) => judged <= most,
        })
    }

    fn to_json(&self) -> serde_json::Value {
        let (low, high) = spread(&self.rounds);
        let (bound, kind) = match self.bound {
            Some(Bound::AtLeast(least)) => (Some(least), Some("at least")),
            Some(Bound::AtMost(most)) => (Some(most), Some("at most")),
            None => (None, None),
        };
        json!({
            "section": self.section, "what": self.what, "unit": self.unit, "candidate": self.candidate,
            "median": median(&self.rounds), "low": low, "high": high, "rounds": self.rounds,
            "ratio": (!self.ratios.is_empty()).then(|| median(&self.ratios)), "ratios": self.ratios,
            "bound": bound, "boundIs": kind, "holds": self.holds(),
        })
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = spread(&self.rounds);
        let ratio = if self.ratios.is_empty() {
            String::new()
        } else {
            let (low, high) = spread(&self.ratios);
            format!("{:.2} ({low:.2}–{high:.2})", median(&self.ratios))
        };
        let bound = match self.bound {
            Some(Bound::AtLeast(least)) => format!("≥ {least}"),
            Some(Bound::AtMost(most)) => format!("≤ {most}"),
            None => String::new(),
        };
        let holds = match self.holds() {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "",
        };
        write!(
            f,
            "| {} | {} | {} | {} ({}–{}) {} | {ratio} | {bound} | {holds} |",
            self.section,
            self.what,
            self.candidate,
            number(median(&self.rounds)),
            number(low),
            number(high),
            self.unit,
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| section | what | candidate | median (spread) | ratio (spread) | bound | holds |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        self.0.iter().try_for_each(|figure| writeln!(f, "{figure}"))
    }
}

/// Three digits that count.
fn number(figure: f64) -> String {
    match figure.abs() {
        size if size >= 100.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        size if size >= 1.0 => format!("{figure:.2}"),
        _ => format!("{figure:.3}"),
    }
}

pub(crate) fn median(figures: &[f64]) -> f64 {
    quantile(figures, 0.5)
}

/// The value below which this part of the figures lies.
pub(crate) fn quantile(figures: &[f64], part: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() as f64 * part) as usize;
    sorted
        .get(at.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}

fn spread(figures: &[f64]) -> (f64, f64) {
    (quantile(figures, 0.0), quantile(figures, 1.0))
}
