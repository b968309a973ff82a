//! `$metadata`: the model as CSDL, in XML and in JSON. Source: OData CSDL XML 4.01 and CSDL JSON 4.01.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, Event};
use serde_json::{Map, Value, json};

use super::model::{EntitySet, Model, Property};
use crate::row::ColumnType;

/// Vocabularies that annotations are from: address, namespace, alias.
const VOCABULARIES: [(&str, &str, &str); 3] = [
    (
        "https://oasis-tcs.github.io/odata-vocabularies/vocabularies/Org.OData.Core.V1.xml",
        "Org.OData.Core.V1",
        "Core",
    ),
    (
        "https://oasis-tcs.github.io/odata-vocabularies/vocabularies/Org.OData.Capabilities.V1.xml",
        "Org.OData.Capabilities.V1",
        "Capabilities",
    ),
    (
        "https://sap.github.io/odata-vocabularies/vocabularies/Common.xml",
        "com.sap.vocabularies.Common.v1",
        "Common",
    ),
];

/// What an entity set does not allow: term, and the property of its record that says so.
const READ_ONLY: [(&str, &str); 3] = [
    ("Capabilities.InsertRestrictions", "Insertable"),
    ("Capabilities.UpdateRestrictions", "Updatable"),
    ("Capabilities.DeleteRestrictions", "Deletable"),
];

/// The container's name.
const CONTAINER: &str = "EntityContainer";

/// A property's type with its facets.
struct EdmType {
    name: &'static str,
    max_length: Option<u32>,
    precision: Option<u8>,
    scale: Option<u8>,
}

impl From<ColumnType> for EdmType {
    fn from(kind: ColumnType) -> Self {
        let plain = |name| Self {
            name,
            max_length: None,
            precision: None,
            scale: None,
        };
        match kind {
            ColumnType::Integer => plain("Edm.Int32"),
            ColumnType::BigInt => plain("Edm.Int64"),
            ColumnType::Double => plain("Edm.Double"),
            ColumnType::Boolean => plain("Edm.Boolean"),
            ColumnType::Date => plain("Edm.Date"),
            ColumnType::NClob => plain("Edm.String"),
            ColumnType::NVarchar(length) => Self {
                max_length: Some(length),
                ..plain("Edm.String")
            },
            ColumnType::Timestamp => Self {
                precision: Some(7),
                ..plain("Edm.DateTimeOffset")
            },
            ColumnType::Decimal { precision, scale } => Self {
                precision: Some(precision),
                scale: Some(scale),
                ..plain("Edm.Decimal")
            },
        }
    }
}

/// The model as CSDL XML.
#[must_use]
pub fn xml(model: &Model) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    // Writing to a vector can't fail.
    let written = write_document(&mut writer, model);
    written.map(|()| writer.into_inner()).unwrap_or_default()
}

type Xml = Writer<Vec<u8>>;

fn write_document(writer: &mut Xml, model: &Model) -> io::Result<()> {
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
    let edmx = writer
        .create_element("edmx:Edmx")
        .with_attribute(("Version", "4.0"))
        .with_attribute(("xmlns:edmx", "http://docs.oasis-open.org/odata/ns/edmx"));
    edmx.write_inner_content(|writer| {
        for (address, namespace, alias) in VOCABULARIES {
            let reference = writer
                .create_element("edmx:Reference")
                .with_attribute(("Uri", address));
            reference.write_inner_content(|writer| {
                let include = writer
                    .create_element("edmx:Include")
                    .with_attribute(("Namespace", namespace));
                include
                    .with_attribute(("Alias", alias))
                    .write_empty()
                    .map(drop)
            })?;
        }
        writer
            .create_element("edmx:DataServices")
            .write_inner_content(|writer| {
                let schema = writer
                    .create_element("Schema")
                    .with_attribute(("Namespace", model.namespace.as_str()))
                    .with_attribute(("xmlns", "http://docs.oasis-open.org/odata/ns/edm"));
                schema
                    .write_inner_content(|writer| write_schema(writer, model))
                    .map(drop)
            })?;
        Ok(())
    })?;
    Ok(())
}

fn write_schema(writer: &mut Xml, model: &Model) -> io::Result<()> {
    for set in &model.sets {
        let entity_type = writer
            .create_element("EntityType")
            .with_attribute(("Name", set.name.as_str()));
        entity_type.write_inner_content(|writer| write_entity_type(writer, set))?;
    }
    let container = writer
        .create_element("EntityContainer")
        .with_attribute(("Name", CONTAINER));
    container.write_inner_content(|writer| {
        for set in &model.sets {
            let entity_set = writer
                .create_element("EntitySet")
                .with_attribute(("Name", set.name.as_str()))
                .with_attribute((
                    "EntityType",
                    format!("{}.{}", model.namespace, set.name).as_str(),
                ));
            entity_set.write_inner_content(|writer| {
                READ_ONLY
                    .iter()
                    .try_for_each(|(term, property)| write_restriction(writer, term, property))
            })?;
        }
        Ok(())
    })?;
    Ok(())
}

fn write_restriction(writer: &mut Xml, term: &str, property: &str) -> io::Result<()> {
    let annotation = writer
        .create_element("Annotation")
        .with_attribute(("Term", term));
    annotation.write_inner_content(|writer| {
        writer
            .create_element("Record")
            .write_inner_content(|writer| {
                let value = writer
                    .create_element("PropertyValue")
                    .with_attribute(("Property", property));
                value
                    .with_attribute(("Bool", "false"))
                    .write_empty()
                    .map(drop)
            })?;
        Ok(())
    })?;
    Ok(())
}

fn write_entity_type(writer: &mut Xml, set: &EntitySet) -> io::Result<()> {
    writer.create_element("Key").write_inner_content(|writer| {
        for key in set.key() {
            let reference = writer
                .create_element("PropertyRef")
                .with_attribute(("Name", key.name.as_str()));
            reference.write_empty()?;
        }
        Ok(())
    })?;
    set.properties
        .iter()
        .try_for_each(|property| write_property(writer, property))
}

fn write_property(writer: &mut Xml, property: &Property) -> io::Result<()> {
    let edm = EdmType::from(property.kind);
    let facets = [
        ("MaxLength", edm.max_length.map(|length| length.to_string())),
        (
            "Precision",
            edm.precision.map(|precision| precision.to_string()),
        ),
        ("Scale", edm.scale.map(|scale| scale.to_string())),
        (
            "Nullable",
            (!property.nullable || property.key).then(|| "false".to_owned()),
        ),
    ];
    let mut element = writer
        .create_element("Property")
        .with_attribute(("Name", property.name.as_str()))
        .with_attribute(("Type", edm.name));
    for (name, value) in &facets {
        if let Some(value) = value {
            element = element.with_attribute((*name, value.as_str()));
        }
    }
    let label = property.label.as_deref().map(legible);
    if label.is_none() && !property.is_computed() {
        return element.write_empty().map(drop);
    }
    element.write_inner_content(|writer| {
        if let Some(label) = label {
            let annotation = writer
                .create_element("Annotation")
                .with_attribute(("Term", "Common.Label"));
            annotation
                .with_attribute(("String", label.as_str()))
                .write_empty()?;
        }
        if property.is_computed() {
            let annotation = writer
                .create_element("Annotation")
                .with_attribute(("Term", "Core.Computed"));
            annotation.with_attribute(("Bool", "true")).write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

/// The text without the characters that XML has no way to write: one of them, and clients read nothing of the document.
/// Source: XML 1.0, 2.2.
fn legible(text: &str) -> String {
    let legal = |char: char| matches!(char, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    text.chars()
        .map(|char| if legal(char) { char } else { ' ' })
        .collect()
}

/// The model as CSDL JSON.
#[must_use]
pub fn json(model: &Model) -> Vec<u8> {
    let references: Map<String, Value> = VOCABULARIES
        .iter()
        .map(|(address, namespace, alias)| {
            let include = json!({ "$Include": [{ "$Namespace": namespace, "$Alias": alias }] });
            ((*address).to_owned(), include)
        })
        .collect();
    let mut schema = Map::new();
    let mut container = Map::new();
    container.insert("$Kind".to_owned(), json!("EntityContainer"));
    for set in &model.sets {
        schema.insert(set.name.clone(), json_entity_type(set));
        let mut entity_set = Map::new();
        entity_set.insert("$Collection".to_owned(), json!(true));
        entity_set.insert(
            "$Type".to_owned(),
            json!(format!("{}.{}", model.namespace, set.name)),
        );
        for (term, property) in READ_ONLY {
            entity_set.insert(format!("@{term}"), json!({ property: false }));
        }
        container.insert(set.name.clone(), Value::Object(entity_set));
    }
    schema.insert(CONTAINER.to_owned(), Value::Object(container));
    let document = json!({
        "$Version": "4.0",
        "$EntityContainer": format!("{}.{CONTAINER}", model.namespace),
        "$Reference": references,
        model.namespace.as_str(): schema,
    });
    document.to_string().into_bytes()
}

fn json_entity_type(set: &EntitySet) -> Value {
    let mut entity_type = Map::new();
    let keys: Vec<&str> = set.key().map(|key| key.name.as_str()).collect();
    entity_type.insert("$Kind".to_owned(), json!("EntityType"));
    entity_type.insert("$Key".to_owned(), json!(keys));
    for property in &set.properties {
        let edm = EdmType::from(property.kind);
        let mut object = Map::new();
        // Edm.String is the default type, false the default of $Nullable.
        if edm.name != "Edm.String" {
            object.insert("$Type".to_owned(), json!(edm.name));
        }
        if property.nullable && !property.key {
            object.insert("$Nullable".to_owned(), json!(true));
        }
        let facets = [
            ("$MaxLength", edm.max_length),
            ("$Precision", edm.precision.map(u32::from)),
            ("$Scale", edm.scale.map(u32::from)),
        ];
        for (name, value) in facets {
            if let Some(value) = value {
                object.insert(name.to_owned(), json!(value));
            }
        }
        if let Some(label) = &property.label {
            object.insert("@Common.Label".to_owned(), json!(label));
        }
        if property.is_computed() {
            object.insert("@Core.Computed".to_owned(), json!(true));
        }
        entity_type.insert(property.name.clone(), Value::Object(object));
    }
    Value::Object(entity_type)
}
