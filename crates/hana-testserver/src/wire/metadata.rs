//! PARAMETERMETADATA and RESULTSETMETADATA.

use super::bytes::length_u32;
use super::cesu8;
use super::part::{Part, kind};
use crate::dialect::plan::{OutputColumn, Parameter};

const NO_NAME: u32 = u32::MAX;
const MANDATORY: u8 = 1;
const NULLABLE: u8 = 2;
const HAS_DEFAULT: u8 = 4;

/// 16 bytes a parameter, no names.
pub(crate) fn parameters(parameters: &[Parameter], format: i32) -> Part {
    let mut out = Vec::with_capacity(parameters.len() * 16);
    for parameter in parameters {
        let (length, fraction) = parameter.sql_type.length_and_fraction();
        let nullable = if parameter.nullable {
            NULLABLE
        } else {
            MANDATORY
        };
        let default = if parameter.has_default {
            HAS_DEFAULT
        } else {
            0
        };
        out.extend([
            nullable | default,
            parameter.sql_type.wire_code(format),
            1,
            0,
        ]);
        out.extend(NO_NAME.to_le_bytes());
        out.extend(length.to_le_bytes());
        out.extend(fraction.to_le_bytes());
        out.extend([0; 4]);
    }
    Part::new(kind::PARAMETER_METADATA, parameters.len(), out)
}

/// 24 bytes a column, then the names. hdbconnect reads as many names as there are distinct offsets and assumes that
/// they lie without gaps, so equal names are shared.
pub(crate) fn result_set(columns: &[OutputColumn], format: i32) -> Part {
    let mut names = Names::default();
    let mut out = Vec::with_capacity(columns.len() * 24);
    for column in columns {
        let (length, fraction) = column.sql_type.length_and_fraction();
        out.extend([
            if column.nullable { NULLABLE } else { MANDATORY },
            column.sql_type.wire_code(format),
        ]);
        out.extend(fraction.to_le_bytes());
        out.extend(length.to_le_bytes());
        out.extend([0; 2]);
        for name in [&column.table, &column.schema, &column.column] {
            let offset = name.as_deref().map_or(NO_NAME, |name| names.offset(name));
            out.extend(offset.to_le_bytes());
        }
        out.extend(names.offset(&column.name).to_le_bytes());
    }
    out.extend(names.bytes);
    Part::new(kind::RESULT_SET_METADATA, columns.len(), out)
}

#[derive(Default)]
struct Names {
    bytes: Vec<u8>,
    known: Vec<(String, u32)>,
}

impl Names {
    fn offset(&mut self, name: &str) -> u32 {
        if let Some((_, offset)) = self.known.iter().find(|(known, _)| known == name) {
            return *offset;
        }
        let offset = length_u32(self.bytes.len());
        let encoded = cesu8::encode(name);
        let length = u8::try_from(encoded.len()).unwrap_or(u8::MAX);
        self.bytes.push(length);
        self.bytes.extend(encoded.iter().take(usize::from(length)));
        self.known.push((name.to_owned(), offset));
        offset
    }
}
