//! Archives, whole and otherwise, without a network.

use async_zip::base::write::ZipFileWriter;
use async_zip::{Compression, ZipEntryBuilder};
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::stream::{self, StreamExt as _};

use super::super::archive::Documents;
use super::super::{File, QualtricsError};

/// How an archive is written: lengths before the file, or behind it, as a writer does that does not know them before.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Style {
    Whole,
    Streamed,
    Stored,
    Large,
}

/// An archive as another library writes it. The title has characters that no file name should have.
pub(super) async fn archive(content: &[u8], style: Style) -> Bytes {
    let compression = if style == Style::Stored {
        Compression::Stored
    } else {
        Compression::Deflate
    };
    let entry = ZipEntryBuilder::new(
        "Kaffee & Co: „Ü/ber“?.ndjson".to_owned().into(),
        compression,
    );
    let mut writer = ZipFileWriter::new(Vec::new());
    if style == Style::Large {
        writer = writer.force_zip64();
    }
    if style == Style::Streamed {
        use tokio::io::AsyncWriteExt as _;
        use tokio_util::compat::FuturesAsyncWriteCompatExt as _;
        let mut file = writer
            .write_entry_stream(entry)
            .await
            .unwrap()
            .compat_write();
        file.write_all(content).await.unwrap();
        file.into_inner().close().await.unwrap();
    } else {
        writer.write_entry_whole(entry, content).await.unwrap();
    }
    writer.close().await.unwrap().into()
}

/// The documents of a file that comes in pieces of this size.
fn documents(file: &Bytes, piece: usize) -> Documents {
    let pieces: Vec<_> = file
        .chunks(piece)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    Documents::new(File(stream::iter(pieces).boxed()))
}

/// What reading a file ends with.
async fn read(file: Bytes, piece: usize) -> Result<Vec<Bytes>, QualtricsError> {
    let mut documents = documents(&file, piece);
    let mut all = Vec::new();
    while let Some(document) = documents.next().await? {
        all.push(document);
    }
    Ok(all)
}

#[tokio::test]
async fn a_recorded_export_comes_document_by_document() {
    let content = include_bytes!("../recorded/export.ndjson");
    for style in [Style::Whole, Style::Streamed, Style::Stored, Style::Large] {
        for piece in [1, 7, 4096] {
            let documents = read(archive(content, style).await, piece).await.unwrap();

            assert_eq!(documents.len(), 2);
            assert_eq!(documents[0], content.split(|b| *b == b'\n').next().unwrap());
            assert!(documents[1].starts_with(br#"{"responseId":"R_1pKcm3b4BQjh6zF""#));
        }
    }
}

#[tokio::test]
async fn empty_objects_blank_lines_and_a_missing_last_line_end_are_nothing_special() {
    let content = b"\xef\xbb\xbf{\"a\":1}\r\n{}\n\n  { }\n\r\n{\"b\":{}}";

    let documents = read(archive(content, Style::Streamed).await, 5)
        .await
        .unwrap();

    assert_eq!(documents, [&b"{\"a\":1}"[..], b"{\"b\":{}}"]);
}

#[tokio::test]
async fn an_export_of_nothing_is_complete() {
    for style in [Style::Whole, Style::Streamed, Style::Stored] {
        assert_eq!(
            read(archive(b"", style).await, 10).await.unwrap(),
            [] as [Bytes; 0]
        );
    }
}

/// Lines that don't pack well, so that the archive has some length.
fn many_lines() -> Vec<u8> {
    let mut seed = 1_u64;
    let mut line = |number: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        format!("{{\"responseId\":\"R_{number}\",\"values\":{{\"x\":\"{seed:x}\"}}}}\n")
    };
    (0..5000)
        .flat_map(|number| line(number).into_bytes())
        .collect()
}

#[tokio::test]
async fn a_long_export_is_whole() {
    let content = many_lines();

    let documents = read(archive(&content, Style::Streamed).await, 1000)
        .await
        .unwrap();

    assert_eq!(documents.len(), 5000);
    assert_eq!(documents.concat().len(), content.len() - 5000);
}

#[tokio::test]
async fn a_cut_archive_says_repeat() {
    let whole = archive(&many_lines(), Style::Streamed).await;
    for cut in [
        0,
        1,
        20,
        1000,
        whole.len() / 2,
        whole.len() - 60,
        whole.len() - 1,
    ] {
        let error = read(whole.slice(..cut), 1000).await.unwrap_err();

        assert_eq!(error.code(), "export-damaged", "cut at {cut}");
        assert!(error.to_string().ends_with("repeat the export"), "{error}");
    }
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_the_file_is_noticed() {
    for style in [Style::Stored, Style::Streamed] {
        let whole = archive(&many_lines(), style).await;
        for place in 1..40 {
            let mut altered = whole.to_vec();
            altered[100 + place * (whole.len() - 400) / 40] ^= 0x04;

            let error = read(altered.into(), 4096).await.unwrap_err();

            assert_eq!(error.code(), "export-damaged");
        }
    }
}

#[tokio::test]
async fn what_is_no_archive_of_one_file_is_refused() {
    let one = archive(b"{\"a\":1}\n", Style::Whole).await;
    let mut two = ZipFileWriter::new(Vec::new());
    for name in ["a", "b"] {
        let entry = ZipEntryBuilder::new(name.to_owned().into(), Compression::Deflate);
        two.write_entry_whole(entry, b"{\"a\":1}\n").await.unwrap();
    }
    let none = ZipFileWriter::new(Vec::new()).close().await.unwrap();
    for file in [
        Bytes::from(two.close().await.unwrap()),
        Bytes::from(none),
        Bytes::from_static(b"{\"a\":1}\n"),
        [one, Bytes::from(vec![0; 300 * 1024])].concat().into(),
    ] {
        assert_eq!(read(file, 100).await.unwrap_err().code(), "export-damaged");
    }
}

#[tokio::test]
async fn an_endless_line_is_cut_and_does_not_stay_in_memory() {
    let bomb = archive(&vec![b' '; 64 * 1024 * 1024], Style::Whole).await;
    assert!(bomb.len() < 100_000);

    assert_eq!(read(bomb, 4096).await.unwrap_err().code(), "too-large");
}

#[tokio::test]
async fn a_reader_may_be_dropped_and_begin_again() {
    let file = archive(&many_lines(), Style::Streamed).await;
    let pieces: Vec<_> = file
        .chunks(100)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    let slow = stream::iter(pieces).then(|piece| async {
        tokio::task::yield_now().await;
        piece
    });
    let mut documents = Documents::new(File(slow.boxed()));
    let (mut count, mut dropped) = (0, 0);
    loop {
        match documents.next().now_or_never() {
            Some(Ok(Some(_))) => count += 1,
            Some(Ok(None)) => break,
            Some(Err(error)) => panic!("{error}"),
            None => {
                dropped += 1;
                tokio::task::yield_now().await; // the budget of a task that never yields ends
            }
        }
    }

    assert_eq!(count, 5000);
    assert!(dropped > 100, "{dropped}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Whatever happens to an archive on its way: its documents are right in the end, or it says that they are not.
    #[test]
    fn an_altered_archive_is_never_taken_for_a_whole_one(
        changes in proptest::collection::vec((0..1_000_000_usize, proptest::num::u8::ANY), 1..4),
        piece in 1..200_usize,
    ) {
        let content = b"{\"a\":1}\n{\"b\":\"text that is a little longer\"}\n".repeat(3);
        for style in [Style::Whole, Style::Streamed, Style::Stored, Style::Large] {
            let whole = now(archive(&content, style));
            let mut altered = whole.to_vec();
            for (place, byte) in &changes {
                let place = place % altered.len();
                altered[place] = *byte;
            }

            match now(read(altered.into(), piece)) {
                Ok(documents) => assert_eq!(documents, now(read(whole, 4096)).unwrap()),
                Err(error) => assert_eq!(error.code(), "export-damaged"),
            }
        }
    }
}

/// Runs what waits for nobody.
fn now<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(future)
}
