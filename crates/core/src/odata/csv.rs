//! The whole result as CSV, for people with spreadsheets. Source: RFC 4180.

use super::value::text;
use crate::row::Cell;
use crate::sql::Shape;

/// Spreadsheets take a file for UTF-8 only with this in front.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Writes the byte order mark and the names of the properties.
pub fn write_head(shape: &Shape, out: &mut Vec<u8>) {
    out.extend_from_slice(BYTE_ORDER_MARK);
    for (index, column) in shape.columns.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_field(&column.name, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes a row; null is an empty field.
pub fn write_row(shape: &Shape, cells: &[Cell], out: &mut Vec<u8>) {
    for (index, (column, cell)) in shape.columns.iter().zip(cells).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match (cell, text(cell, column.kind)) {
            (Cell::Text(text), _) => write_field(&harmless(text), out),
            (_, text) => write_field(&text.unwrap_or_default(), out),
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Text that a spreadsheet would run as a formula begins with an apostrophe, which makes it text. Numbers, negative
/// ones included, are numbers and stay so. Source: OWASP, "CSV Injection".
fn harmless(text: &str) -> String {
    let dangerous = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if dangerous {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

fn write_field(text: &str, out: &mut Vec<u8>) {
    if text.contains(['"', ',', '\r', '\n']) {
        out.push(b'"');
        out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::ColumnType;
    use crate::sql::ShapeColumn;

    #[test]
    fn fields_are_quoted_and_formulas_are_text() {
        let column = |name: &str, kind| ShapeColumn {
            name: name.to_owned(),
            kind,
        };
        let shape = Shape {
            columns: vec![
                column("Q1", ColumnType::Integer),
                column("Q18", ColumnType::NVarchar(50)),
            ],
            parts: None,
        };
        let mut out = Vec::new();

        write_head(&shape, &mut out);
        for (number, text) in [(-9, "=1+1"), (2, "a,\"b\"\nc"), (3, "@x"), (4, "plain")] {
            write_row(
                &shape,
                &[Cell::Integer(number), Cell::Text(text.to_owned())],
                &mut out,
            );
        }
        write_row(&shape, &[Cell::Null, Cell::Null], &mut out);

        let expected =
            "\u{feff}Q1,Q18\r\n-9,'=1+1\r\n2,\"a,\"\"b\"\"\nc\"\r\n3,'@x\r\n4,plain\r\n,\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
