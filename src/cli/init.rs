//! `init`: the configuration file, from what Qualtrics says of the surveys.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use ingester_core::id::SurveyId;
use ingester_core::mapping::{CodebookEntry, ColumnMap, MapOptions};
use ingester_core::survey::SurveyDefinition;

use super::check::Report;
use super::error::CliError;
use super::{Globals, output, parts};
use crate::config::{Config, Sources};
use crate::lifecycle::Lifecycle;

/// Metadata that says who somebody is; columns only where they are named.
/// Source: Qualtrics, "Understanding your dataset".
const PERSONAL: [(&str, &str); 7] = [
    ("IPAddress", "IP address"),
    ("RecipientLastName", "Recipient's last name"),
    ("RecipientFirstName", "Recipient's first name"),
    ("RecipientEmail", "Recipient's e-mail address"),
    ("ExternalReference", "External data reference"),
    ("LocationLatitude", "Location, latitude"),
    ("LocationLongitude", "Location, longitude"),
];

/// Longer question texts are cut in comments.
const REMARK_CHARS_MAX: usize = 100;
/// Longer names make unwieldy addresses.
const NAME_CHARS_MAX: usize = 60;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  qualtrics-ingester init --survey SV_22VlHYNeldrrrk1\n  qualtrics-ingester init --print > ingester.toml"
)]
pub(super) struct Init {
    /// The surveys; otherwise all that the credentials see.
    #[arg(long = "survey", value_name = "SV_…")]
    surveys: Vec<SurveyId>,
    /// Prints the file instead of writing it.
    #[arg(long)]
    print: bool,
}

impl Init {
    pub(super) async fn run(self, globals: &Globals) -> Result<(), CliError> {
        let path = globals
            .config
            .clone()
            .unwrap_or_else(|| PathBuf::from("ingester.toml"));
        if !self.print && path.exists() {
            return Err(exists(&path));
        }
        // The file that is to be written can't be read yet.
        let known = globals.config.as_deref().filter(|path| path.exists());
        let config = parts::quiet(&Sources::from_process(known)?)?;
        let text = self.text(&config).await?;
        if self.print {
            output::raw(text.as_bytes());
            return Ok(());
        }
        create(&path, &text)?;
        output::note(format!("wrote {}", path.display()));
        let config = parts::quiet(&Sources::from_process(Some(&path))?)?;
        let mut report = Report::default();
        report.check(&config, false).await;
        report.print(globals);
        // The file is written, which was the work; what `check` found is the next.
        if let Err(found) = report.judge() {
            output::note(found.to_string());
        }
        Ok(())
    }

    async fn text(&self, config: &Config) -> Result<String, CliError> {
        let qualtrics = parts::qualtrics(config, &Lifecycle::new())?;
        let ids = if self.surveys.is_empty() {
            let all = qualtrics.surveys().await?;
            all.into_iter().map(|survey| survey.id).collect()
        } else {
            self.surveys.clone()
        };
        let mut definitions = Vec::new();
        for id in ids {
            definitions.push(parts::definition(&qualtrics, &id).await?);
        }
        if definitions.is_empty() {
            return Err(CliError::failed(
                "the credentials see no survey: share one with their owner in Qualtrics",
            ));
        }
        Ok(file(&definitions))
    }
}

fn exists(path: &Path) -> CliError {
    CliError::usage(format!(
        "{} is there already and is not overwritten: say --print, or name another file with --config",
        path.display()
    ))
}

/// Writes a file that is not there; whoever makes it meanwhile keeps theirs.
fn create(path: &Path, text: &str) -> Result<(), CliError> {
    let opened = std::fs::File::options()
        .write(true)
        .create_new(true)
        .open(path);
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(path),
        _ => CliError::failed(format!("{} can't be written: {error}", path.display())),
    };
    opened
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(failed)
}

/// The whole file.
fn file(definitions: &[SurveyDefinition]) -> String {
    let mut text = String::from(
        "# Written by `qualtrics-ingester init`; ingester.example.toml explains every setting. Secrets belong into the environment\n\
         # or into a bound service. A survey without `columns` has all its questions as columns, new ones included.\n",
    );
    let mut names = Vec::new();
    for definition in definitions {
        survey(&mut text, definition, &mut names);
    }
    access(&mut text, definitions.first());
    text
}

fn survey(text: &mut String, definition: &SurveyDefinition, names: &mut Vec<String>) {
    let name = unique_name(definition, names);
    let mut put = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    put(format!("\n# {}", remark(definition.name())));
    put("[[survey]]".to_owned());
    put(format!("id = {}", quoted(definition.id().as_ref())));
    put(format!("name = {}", quoted(&name)));
    if let Some(lines) = columns(definition, &name) {
        put("columns = [".to_owned());
        for (column, about) in &lines {
            let column = format!("{},", quoted(column));
            put(format!("  {column:<28} # {}", remark(about)));
        }
        put("  # Personal:".to_owned());
        for (column, about) in PERSONAL {
            if !lines.iter().any(|(there, _)| there == column) {
                let column = format!("#{},", quoted(column));
                put(format!("  {column:<28} # {about}"));
            }
        }
        put("]".to_owned());
    }
    names.push(name);
}

/// How a column is named in the settings, and what it asks.
type Line = (String, String);

/// A way to name one column, given all of them.
type Naming = fn(&[CodebookEntry], &CodebookEntry) -> Line;

/// All columns of a survey; nothing if no list says what the default says.
fn columns(definition: &SurveyDefinition, name: &str) -> Option<Vec<Line>> {
    let options = MapOptions::new(format!("\"{}\"", name.to_uppercase()).parse().ok()?);
    let compile = |columns: Option<&[Line]>| {
        let names = |lines: &[Line]| lines.iter().map(|(name, _)| name.clone()).collect();
        let options = MapOptions {
            columns: columns.map(names),
            ..options.clone()
        };
        ColumnMap::compile(definition, &options, &[])
            .ok()
            .map(|(map, _)| map)
    };
    let wanted = compile(None)?;
    let ways: [Naming; 2] = [by_tag, by_key];
    ways.iter().find_map(|way| {
        let mut lines: Vec<Line> = Vec::new();
        for entry in wanted.codebook() {
            let line = way(wanted.codebook(), entry);
            if !lines.iter().any(|(name, _)| *name == line.0) {
                lines.push(line);
            }
        }
        let made = compile(Some(&lines))?;
        let is_same = |map: &ColumnMap| {
            let mut columns: Vec<_> = map
                .table()
                .columns
                .iter()
                .map(|one| &one.name)
                .cloned()
                .collect();
            columns.sort();
            columns
        };
        (is_same(&made) == is_same(&wanted)).then_some(lines)
    })
}

/// By export tag; a multi-answer question's own tag stands for all its choices, and a tag that comes twice for none.
fn by_tag(all: &[CodebookEntry], entry: &CodebookEntry) -> Line {
    if all.iter().filter(|other| other.tag == entry.tag).count() > 1 {
        return by_key(all, entry);
    }
    let whole = || {
        entry.choice.as_ref()?;
        let choice = entry.choices.first()?;
        let tag = entry.tag.strip_suffix(&format!("_{}", choice.recode))?;
        let text = entry.text.strip_suffix(&format!(" - {}", choice.label));
        Some((tag.to_owned(), text.unwrap_or(&entry.text).to_owned()))
    };
    whole().unwrap_or_else(|| (entry.tag.clone(), entry.text.clone()))
}

/// By the key, which says nothing to people; by the property where the key is also another column's tag.
fn by_key(all: &[CodebookEntry], entry: &CodebookEntry) -> Line {
    let key = entry.question_key();
    let is_tag = |other: &CodebookEntry| other.column != entry.column && other.tag == key;
    let name = if all.iter().any(is_tag) {
        entry.property.clone()
    } else {
        key
    };
    (name, format!("{}: {}", entry.tag, entry.text))
}

/// The survey's title as an OData identifier that no other survey has, else its id.
fn unique_name(definition: &SurveyDefinition, taken: &[String]) -> String {
    let words = definition
        .name()
        .split(|c: char| !c.is_ascii_alphanumeric());
    let mut name = String::new();
    for word in words {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.extend(letters);
    }
    let is_good = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= NAME_CHARS_MAX
        && !["Surveys", "Questions"]
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own))
        && !name.to_ascii_uppercase().starts_with("QUALTRICS")
        && !taken.iter().any(|other| other.eq_ignore_ascii_case(&name));
    if is_good {
        name
    } else {
        definition.id().to_string()
    }
}

fn access(text: &mut String, definition: Option<&SurveyDefinition>) {
    text.push_str(
        "\n# Who sees which rows, where AUTH is not none: the first rule that matches decides; no match, no rows.\n\
         #[[access]]\n#domain = \"example.com\"\n#rows = \"all\"\n",
    );
    let field = definition.and_then(|definition| {
        let is_plain = |name: &&str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let mut fields = definition.embedded_fields();
        fields.find(|name| {
            is_plain(name)
                && !name.starts_with("Q_")
                && !PERSONAL.iter().any(|(own, _)| own == name)
        })
    });
    if let Some(field) = field {
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "#[[access]]\n#domain = \"partner.example\"\n#where = {{ {field} = [\"ACME\"] }}\n"
        );
    }
}

/// A text in a comment: one line, not too long.
fn remark(text: &str) -> String {
    let line = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    let mut short: String = line.chars().take(REMARK_CHARS_MAX).collect();
    if line.chars().nth(REMARK_CHARS_MAX).is_some() {
        short.push('…');
    }
    short
}

/// A TOML string. Source: TOML 1.0, "String".
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            // U+007F too is a control character there.
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_read_back() {
        for text in ["Q1", "a\"b\\c", "line\nend\u{7f}\u{0}", "größer 🙂"] {
            let read: toml::Value = toml::from_str::<toml::Table>(&format!("a = {}", quoted(text)))
                .unwrap()["a"]
                .clone();
            assert_eq!(read.as_str(), Some(text));
        }
    }

    #[test]
    fn a_remark_never_ends_its_line() {
        assert_eq!(
            remark("How\r\n\u{2028}satisfied?\u{85}[[survey]]"),
            "How satisfied? [[survey]]"
        );
        assert_eq!(remark(&"x".repeat(300)).chars().count(), 101);
    }
}
