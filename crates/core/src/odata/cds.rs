//! A survey's table as a CDS entity, for CAP applications that read it.

use crate::row::{Column, ColumnName, ColumnType};

/// One element: the column, and what people call it.
#[derive(Debug, Clone)]
pub struct Element<'a> {
    /// The column as the database has it.
    pub column: &'a Column,
    /// The question's text; empty where there is none.
    pub title: &'a str,
}

/// Words that an element's name must be delimited for, found by compiling each. Delimiting is always allowed.
const RESERVED: [&str; 21] = [
    "all", "any", "as", "by", "case", "cast", "distinct", "exists", "false", "from", "in", "key",
    "not", "null", "of", "on", "select", "some", "true", "when", "where",
];

/// The entity: no table is generated for it, the key stands first. An element's name folds to its column's, because CAP
/// addresses HANA by names in upper case; a column that it could not reach is left out.
#[must_use]
pub fn entity(table: &str, remark: &str, elements: &[Element<'_>]) -> String {
    let mut text = format!("// {}\n@cds.persistence.exists\n", one_line(remark));
    text.push_str(&format!("entity {} {{\n", name(&table.to_uppercase())));
    let is_key = |element: &&Element<'_>| element.column.name.as_ref() == ColumnName::RESPONSE_ID;
    let is_reached = |element: &&Element<'_>| {
        element.column.property.to_uppercase() == element.column.name.as_ref()
    };
    let keys = elements.iter().filter(is_key);
    let others = elements.iter().filter(|element| !is_key(element));
    for element in keys.chain(others).filter(is_reached) {
        let key = if is_key(&element) { "key " } else { "    " };
        let title = match one_line(element.title) {
            title if title.is_empty() => String::new(),
            title => format!("  @title: '{}'", title.replace('\'', "''")),
        };
        let property = name(&element.column.property);
        text.push_str(&format!(
            "  {key}{property} : {}{title};\n",
            kind(element.column.kind)
        ));
    }
    text.push('}');
    text
}

fn name(text: &str) -> String {
    let mut characters = text.chars();
    let is_plain = characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|character| character.is_ascii_alphanumeric() || character == '_')
        && !RESERVED.contains(&text.to_ascii_lowercase().as_str());
    if is_plain {
        text.to_owned()
    } else {
        format!("![{}]", text.replace(']', "]]"))
    }
}

fn kind(kind: ColumnType) -> String {
    match kind {
        ColumnType::Integer => "Integer".to_owned(),
        ColumnType::BigInt => "Integer64".to_owned(),
        ColumnType::Double => "Double".to_owned(),
        ColumnType::Decimal { precision, scale } => format!("Decimal({precision}, {scale})"),
        ColumnType::Boolean => "Boolean".to_owned(),
        ColumnType::Date => "Date".to_owned(),
        ColumnType::Timestamp => "Timestamp".to_owned(),
        ColumnType::NVarchar(length) => format!("String({length})"),
        ColumnType::NClob => "LargeString".to_owned(),
    }
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|character: char| character.is_whitespace() || character.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_is_what_cap_can_read() {
        let column = |name: &str, property: &str, kind| Column {
            name: name.parse().unwrap(),
            property: property.to_owned(),
            kind,
            nullable: true,
        };
        let columns = [
            column("Q1", "Q1", ColumnType::Integer),
            column("RESPONSEID", "ResponseId", ColumnType::NVarchar(50)),
            column("CASE", "Case", ColumnType::NClob),
            column("mixed", "mixed", ColumnType::Double),
        ];
        let titles = ["What's\n*/ best; }", "", "Case", ""];
        let elements: Vec<Element<'_>> = columns
            .iter()
            .zip(titles)
            .map(|(column, title)| Element { column, title })
            .collect();

        assert_eq!(
            entity("Feedback", "SV_1\nof today", &elements),
            "// SV_1 of today\n@cds.persistence.exists\nentity FEEDBACK {\n  key ResponseId : String(50);\n      \
             Q1 : Integer  @title: 'What''s */ best; }';\n      ![Case] : LargeString  @title: 'Case';\n}"
        );
    }
}
