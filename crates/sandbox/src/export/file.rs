//! The content of an export file, written as a stream: table, JSON or one document a line.

use std::io::{self, Write};

use crate::clock::{self, Millis};
use crate::export::columns::{self, Column};
use crate::export::parameters::{Format, Order};
use crate::response::document::Document;
use crate::response::store::{Place, Store};
use crate::survey::Survey;
use crate::survey::field::Shape;
use crate::survey::metadata;

/// Everything a file is made from.
#[derive(Debug)]
pub(crate) struct Content<'a> {
    pub(crate) survey: &'a Survey,
    pub(crate) order: &'a Order,
    /// The documents and their dates of change.
    pub(crate) places: &'a [(Millis, Place)],
    /// Whether one line of `{}` stands among the documents, as a connector found in real files.
    pub(crate) stray_line: bool,
}

impl Content<'_> {
    /// # Errors
    /// The reader hung up, or a document can't be read back.
    pub(crate) fn write(&self, store: &Store, sink: &mut impl Write) -> io::Result<()> {
        match self.order.format {
            Format::Csv => self.table(store, sink, b','),
            Format::Tsv => self.table(store, sink, b'\t'),
            Format::Json => {
                sink.write_all(b"{\"responses\":[")?;
                for (at, place) in self.places.iter().enumerate() {
                    if at > 0 {
                        sink.write_all(b",")?;
                    }
                    sink.write_all(&self.document(store, place)?)?;
                }
                sink.write_all(b"]}")
            }
            Format::Ndjson => {
                for (at, place) in self.places.iter().enumerate() {
                    sink.write_all(&self.document(store, place)?)?;
                    sink.write_all(if at == 0 && self.stray_line {
                        b"\n{}\n"
                    } else {
                        b"\n"
                    })?;
                }
                Ok(())
            }
        }
    }

    /// As it was stored, where nothing is to be left out.
    fn document(&self, store: &Store, (modified, place): &(Millis, Place)) -> io::Result<Vec<u8>> {
        let mut document = store.read(*place)?;
        // A raw line break can only stand between members.
        for byte in document
            .iter_mut()
            .filter(|byte| matches!(**byte, b'\n' | b'\r'))
        {
            *byte = b' ';
        }
        if self.order.parameters.is_subset()
            && let Ok(mut parsed) = serde_json::from_slice(&document)
        {
            self.reduce(&mut parsed);
            document = serde_json::to_vec(&parsed)?;
        }
        if self.order.parameters.by_modification() {
            let date = format!(
                "\"values\":{{\"lastModifiedDate\":\"{}\",",
                clock::millis(*modified)
            );
            insert(&mut document, b"\"values\":{", date.as_bytes());
        }
        Ok(document)
    }

    /// Source: the documented `questionIds`, `embeddedDataIds`, `surveyMetadataIds`; an empty array means none.
    fn reduce(&self, document: &mut Document) {
        let parameters = &self.order.parameters;
        let known: Vec<&str> = self
            .survey
            .definition
            .get("Questions")
            .and_then(|all| all.as_object())
            .map_or_else(Vec::new, |all| all.keys().map(String::as_str).collect());
        let wanted = |ids: &Option<Vec<String>>, id: &str| {
            ids.as_ref()
                .is_none_or(|ids| ids.iter().any(|one| one == id))
        };
        let keep = |key: &str| {
            if metadata::METADATA.iter().any(|field| field.key == key) {
                return wanted(&parameters.survey_metadata_ids, key);
            }
            let behind_loop = key
                .split_once('_')
                .filter(|(turn, _)| turn.bytes().all(|byte| byte.is_ascii_digit()));
            let bare = behind_loop.map_or(key, |(_, rest)| rest);
            let question = bare.split(['_', '#']).next().unwrap_or_default();
            if known.contains(&question) {
                wanted(&parameters.question_ids, question)
            } else {
                wanted(&parameters.embedded_data_ids, key)
            }
        };
        document.values.retain(keep);
        document.labels.retain(keep);
        document.displayed_values.retain(keep);
        document.displayed_fields.retain(|key| keep(key));
    }

    /// CRLF between records, LF inside cells, no byte order mark. Source: recorded file.
    fn table(&self, store: &Store, sink: &mut impl Write, separator: u8) -> io::Result<()> {
        let columns = columns::columns(self.survey, &self.order.parameters);
        let header = |text: fn(&Column) -> &str| {
            columns
                .iter()
                .map(text)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        line(sink, &header(|column| &column.tag), separator)?;
        line(sink, &header(|column| &column.text), separator)?;
        line(sink, &header(|column| &column.import), separator)?;
        for (modified, place) in self.places {
            let Ok(mut document) = serde_json::from_slice::<Document>(&store.read(*place)?) else {
                continue;
            };
            if self.order.parameters.by_modification() {
                document
                    .values
                    .push("lastModifiedDate", clock::millis(*modified));
            }
            let cells: Vec<String> = columns
                .iter()
                .map(|column| column.cell(&document, &self.order.parameters))
                .collect();
            line(sink, &cells, separator)?;
        }
        Ok(())
    }
}

fn line(sink: &mut impl Write, cells: &[String], separator: u8) -> io::Result<()> {
    let mut text = Vec::new();
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            text.push(separator);
        }
        let quoted = cell
            .bytes()
            .any(|byte| byte == separator || matches!(byte, b'"' | b'\n' | b'\r'));
        if quoted {
            text.push(b'"');
            text.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
            text.push(b'"');
        } else {
            text.extend_from_slice(cell.as_bytes());
        }
    }
    text.extend_from_slice(b"\r\n");
    sink.write_all(&text)
}

fn insert(document: &mut Vec<u8>, old: &[u8], new: &[u8]) {
    if let Some(at) = document.windows(old.len()).position(|window| window == old) {
        document.splice(at..at + old.len(), new.iter().copied());
    }
}

/// Whether a shape of the survey makes its table a guess.
pub(crate) fn is_guess(survey: &Survey) -> bool {
    survey.is_guess()
        || survey
            .fields
            .iter()
            .any(|field| matches!(field.shape, Shape::Points | Shape::Regions))
}
