//! The content package: all bundles and what Work Zone wants to know of them, in one zip.
//!
//! Its version is that of the set: whoever packs keeps it with the set's digest, and raises it when the digest is
//! another one. Cards and package have the same version, because Work Zone takes a card only if both were raised.
//! Source: Work Zone's card samples; the build tool `sap-workzone-cpkg-tools`. Assumed: the shape of `cdmEntities`.

use std::collections::BTreeMap;

use async_zip::base::write::ZipFileWriter;
use async_zip::error::ZipError;
use async_zip::{Compression, ZipDateTimeBuilder, ZipEntryBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::bundle::pretty;
use super::{Card, Deck, manifest, texts};

/// A version that was packed, and what was in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// `1.0.0`
    pub version: String,
    /// Of all files.
    pub digest: String,
}

/// What is uploaded.
#[derive(Debug)]
pub struct Package {
    /// The zip.
    pub bytes: Vec<u8>,
    /// The paths in it.
    pub paths: Vec<String>,
    /// To be kept for the next time.
    pub release: Release,
}

/// Packs a deck: the same bytes for the same deck, and a higher version if it is another one than `last`.
///
/// # Errors
/// If the zip can't be written, which needs more than 4 GiB.
pub async fn package(deck: &Deck, last: Option<&Release>) -> Result<Package, ZipError> {
    let digest = digest(&files(deck, "0.0.0").await?);
    let release = match last {
        Some(last) if last.digest == digest => last.clone(),
        Some(last) => Release {
            version: raised(&last.version),
            digest,
        },
        None => Release {
            version: "1.0.0".to_owned(),
            digest,
        },
    };
    let files = files(deck, &release.version).await?;
    Ok(Package {
        bytes: zip(&files).await?,
        paths: files.into_keys().collect(),
        release,
    })
}

type Files = BTreeMap<String, Vec<u8>>;

async fn files(deck: &Deck, version: &str) -> Result<Files, ZipError> {
    let mut files = Files::new();
    let mut contents = Vec::new();
    let mut entities = Vec::new();
    for card in &deck.cards {
        let base = format!("artifacts/{}", card.name);
        let bundle = card.files(version);
        let descriptor = descriptor(card, version);
        files.insert(format!("{base}/manifest.json"), pretty(&descriptor));
        for (path, file) in &bundle {
            if path.starts_with("i18n/") {
                files.insert(format!("{base}/{path}"), file.clone());
            }
        }
        // One top folder, as in Work Zone's samples.
        let bundle = bundle
            .into_iter()
            .map(|(path, file)| (format!("dist/{path}"), file))
            .collect();
        files.insert(format!("{base}/data.zip"), zip(&bundle).await?);
        contents.push(json!({ "manifest": descriptor, "baseURL": base }));
        entities.push(entity(card, version));
    }
    let manifest = manifest_of(deck, version, &contents, &entities);
    files.insert("manifest.json".to_owned(), pretty(&manifest));
    Ok(files)
}

/// A card as an artifact: its `sap.app` with another name for the version.
fn descriptor(card: &Card, version: &str) -> Value {
    let mut app = manifest::app(card, version, &card.id(), card.kind);
    if let Some(app) = app.as_object_mut() {
        app.remove("applicationVersion");
        app.insert("artifactVersion".to_owned(), json!({ "version": version }));
        app.insert("i18n".to_owned(), json!(texts::file_name("")));
    }
    json!({ "_version": "1.27.0", "sap.artifact": app })
}

/// A card as an app of the site.
fn entity(card: &Card, version: &str) -> Value {
    let id = card.id();
    let keys = ["title", "subtitle"].map(|part| format!("{}.{part}", card.kind.name()));
    let texts: Vec<Value> = texts::LANGUAGES
        .iter()
        .map(|(language, properties)| {
            let dictionary: Map<String, Value> = texts::pairs(properties)
                .filter(|(key, _)| keys.iter().any(|wanted| wanted == key))
                .map(|(key, text)| (key.to_owned(), json!(text)))
                .collect();
            json!({ "locale": language, "textDictionary": dictionary })
        })
        .collect();
    json!({
        "_version": "3.2.0",
        "identification": {
            "id": format!("{id}.app"),
            "title": format!("{{{{{}.title}}}}", card.kind.name()),
            "entityType": "businessapp",
        },
        "payload": {
            "visualizations": {
                format!("{id}.viz"): {
                    "vizType": "sap.card",
                    "vizConfig": manifest::main(card, version),
                    "vizResources": { "artifactId": id },
                },
            },
        },
        "texts": texts,
    })
}

fn manifest_of(deck: &Deck, version: &str, contents: &[Value], entities: &[Value]) -> Value {
    let vendor = "https://example.com/qualtrics-ingester";
    json!({
        "_version": "1.0.0",
        "sap.package": {
            "id": deck.package_id,
            "packageVersion": { "version": version, "upgradeNotification": "all" },
            "title": "Survey feedback",
            "subTitle": "Survey responses as they arrive",
            "description": "Cards over the responses that qualtrics-ingester keeps",
            "icon": "sap-icon://feedback",
            "scope": "external",
            "vendor": { "name": "qualtrics-ingester", "url": vendor },
            "license": { "text": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
            "support": { "url": vendor },
            "prerequisites": { "destinations": [{ "name": manifest::DESTINATION }] },
            "dependencies": { "products": [], "services": [] },
            "contents": contents,
            "cdmEntities": entities,
        },
    })
}

/// The same bytes for the same files: in the order of their paths, all of the same date.
async fn zip(files: &Files) -> Result<Vec<u8>, ZipError> {
    // The first day that the format knows. Unset it would be day 0 of month 0, which strict readers refuse.
    let date = ZipDateTimeBuilder::new().year(1980).month(1).day(1).build();
    let mut writer = ZipFileWriter::new(Vec::new());
    for (path, file) in files {
        let entry = ZipEntryBuilder::new(path.as_str().into(), Compression::Deflate)
            .last_modification_date(date);
        writer.write_entry_whole(entry, file).await?;
    }
    writer.close().await
}

fn digest(files: &Files) -> String {
    let mut digest = Sha256::new();
    for (path, file) in files {
        for part in [path.as_bytes(), file] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
    }
    hex::encode(digest.finalize())
}

/// The next minor version.
fn raised(version: &str) -> String {
    let mut parts = version.split('.').map(|part| part.parse::<u64>().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor)) => format!("{major}.{}.0", minor.saturating_add(1)),
        _ => "1.0.0".to_owned(),
    }
}
