//! An export of many documents into the table, against a bare program and a script, all of them reading the same
//! archive from the same stand-in.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use crate::callbacks::{SURVEY, response};
use crate::process::{self, PART, Process, Site, Usage};
use crate::report::{Bound, Measure, Report};
use crate::{bare, standin};

const SECTION: &str = "backfill";
/// Rows, and rounds.
const SIZES: [(u64, usize); 2] = [(50_000, 3), (1_000_000, 1)];
/// Documents between two commits of the bare program.
const TOGETHER: usize = 1_000;

pub(crate) fn run(report: &mut Report, _: Option<u64>) {
    for (rows, rounds) in SIZES {
        let folder = tempfile::tempdir_in(process::scratch()).unwrap();
        let archive = folder.path().join("export.zip");
        write_archive(&archive, rows);
        let archive = archive.display().to_string();
        let qualtrics = Process::part(&["stand-in", "answer", &archive]);
        let script = Script::find();
        let (mut ours, mut bare, mut by_script) =
            (Runs::default(), Runs::default(), Runs::default());
        for _ in 0..rounds {
            let addr = qualtrics.addr.to_string();
            let database = folder.path().join("bare.db").display().to_string();
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args([PART, "bare", "backfill", &database, &addr]);
            bare.add(&qualtrics, command, rows);
            for file in ["bare.db", "bare.db-wal", "bare.db-shm"] {
                drop(std::fs::remove_file(folder.path().join(file)));
            }
            let site = Site::new(qualtrics.addr);
            // Short enough for one export.
            let yesterday = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24);
            let since = yesterday.to_string();
            ours.add(
                &qualtrics,
                site.command(&["backfill", "--survey", SURVEY, "--since", &since]),
                rows,
            );
            assert_eq!(count(&site.database()), rows);
            if let (Some(script), true) = (&script, rows <= 50_000) {
                let database = folder.path().join("pandas.db");
                drop(std::fs::remove_file(&database));
                by_script.add(&qualtrics, script.command(&database, &addr), rows);
                assert_same(&site.database(), &database);
            }
        }
        tell(report, rows, &ours, &bare, &by_script);
    }
}

fn tell(report: &mut Report, rows: u64, ours: &Runs, bare: &Runs, script: &Runs) {
    let measure = Measure::new(SECTION, format!("{rows} rows"), "rows/s");
    report.alone(&measure, "bare", &bare.per_second, None);
    report.compared(
        &measure,
        "backfill",
        &ours.per_second,
        &bare.per_second,
        Some(Bound::AtLeast(0.6)),
    );
    if !script.per_second.is_empty() {
        let measure = Measure::new(SECTION, format!("{rows} rows, to pandas"), "rows/s");
        report.alone(&measure, "pandas", &script.per_second, None);
        report.compared(
            &measure,
            "backfill",
            &ours.per_second,
            &script.per_second,
            Some(Bound::AtLeast(4.0)),
        );
    }
    let measure = Measure::new(SECTION, format!("{rows} rows: CPU"), "µs a row");
    report.alone(&measure, "bare", &bare.cpu_us, None);
    report.compared(&measure, "backfill", &ours.cpu_us, &bare.cpu_us, None);
    let measure = Measure::new(SECTION, format!("{rows} rows: peak memory"), "MiB");
    report.alone(&measure, "bare", &bare.peak_mib, None);
    report.alone(
        &measure,
        "backfill",
        &ours.peak_mib,
        Some(Bound::AtMost(48.0)),
    );
    if !script.peak_mib.is_empty() {
        report.alone(&measure, "pandas", &script.peak_mib, None);
    }
}

fn count(database: &Path) -> u64 {
    let connection = rusqlite::Connection::open(database).unwrap();
    let count: i64 = connection
        .query_row("SELECT COUNT(*) FROM PROJECT_FEEDBACK", [], |row| {
            row.get(0)
        })
        .unwrap();
    u64::try_from(count).unwrap()
}

/// The script made the same rows of the same documents, cell for cell and byte for byte.
fn assert_same(ours: &Path, scripts: &Path) {
    let connection = rusqlite::Connection::open(ours).unwrap();
    let scripts = scripts.display().to_string();
    connection.execute("ATTACH ? AS S", [scripts]).unwrap();
    let rows = "RESPONSEID, RECORDEDDATE, PROGRESS, Q1, Q18, Q8_1, Q8_2, Q8_3, Q2, ACCOUNTID, PROJECTID, PHASEID";
    let tables = [
        (rows, "main.PROJECT_FEEDBACK", rows, "S.PROJECT_FEEDBACK"),
        (
            "RESPONSE_ID, DOCUMENT",
            "main.QUALTRICS_RAW",
            "RESPONSEID, DOCUMENT",
            "S.DOCUMENTS",
        ),
    ];
    for (our_columns, our_table, columns, table) in tables {
        let one = format!("SELECT {our_columns} FROM {our_table}");
        let other = format!("SELECT {columns} FROM {table}");
        for (these, those) in [(&one, &other), (&other, &one)] {
            let differing = format!("SELECT COUNT(*) FROM ({these} EXCEPT {those})");
            let count: i64 = connection
                .query_row(&differing, [], |row| row.get(0))
                .unwrap();
            assert_eq!(count, 0, "{differing}");
        }
    }
}

#[derive(Default)]
struct Runs {
    per_second: Vec<f64>,
    cpu_us: Vec<f64>,
    peak_mib: Vec<f64>,
}

impl Runs {
    /// Runs a program to its end. Its time begins when it asks for the archive, because how long an export takes and
    /// how often it is looked at is not what differs.
    fn add(&mut self, qualtrics: &Process, mut command: Command, rows: u64) {
        qualtrics.committed.lock().unwrap().clear();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut usage = process::usage(child.id());
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            let now = process::usage(child.id());
            usage = Usage {
                cpu_seconds: usage.cpu_seconds.max(now.cpu_seconds),
                peak_kib: usage.peak_kib.max(now.peak_kib),
                resident_kib: now.resident_kib,
            };
            std::thread::sleep(Duration::from_millis(5));
        };
        let ended = Instant::now();
        assert!(status.success(), "{command:?} failed: {status}");
        let asked = qualtrics.committed.lock().unwrap().values().copied().min();
        let seconds = (ended - asked.unwrap()).as_secs_f64();
        self.per_second.push(rows as f64 / seconds);
        self.cpu_us.push(usage.cpu_seconds * 1e6 / rows as f64);
        self.peak_mib.push(usage.peak_kib as f64 / 1024.0);
    }
}

static PYTHON: OnceLock<PathBuf> = OnceLock::new();

/// Names a Python that has pandas.
pub(crate) fn use_python(path: PathBuf) {
    PYTHON.set(path).unwrap();
}

/// The batch script that people have instead.
struct Script(&'static Path);

impl Script {
    fn find() -> Option<Self> {
        let python = PYTHON.get();
        if python.is_none() {
            eprintln!("not measured: pandas (--pandas names a Python that has it)");
        }
        python.map(|python| Self(python))
    }

    fn command(&self, database: &Path, qualtrics: &str) -> Command {
        let mut command = Command::new(self.0);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/service/backfill.py");
        command
            .args([script, &format!("http://{qualtrics}"), SURVEY])
            .arg(database);
        command
    }
}

/// An archive of one NDJSON file, as Qualtrics sends them.
fn write_archive(path: &Path, rows: u64) {
    let pieces = standin::sample();
    let mut file = BufWriter::new(File::create(path).unwrap());
    let name = b"Project Feedback.ndjson";
    let mut head = Vec::new();
    head.extend_from_slice(b"PK\x03\x04\x14\0\x08\0\x08\0\0\0\0\0");
    head.extend_from_slice(&[0; 12]);
    head.extend_from_slice(&[name.len() as u8, 0, 0, 0]);
    head.extend_from_slice(name);
    file.write_all(&head).unwrap();
    let mut deflate = DeflateEncoder::new(file, Compression::fast());
    let mut crc = Crc::new();
    for number in 0..rows {
        let mut line = pieces.join(&response(number));
        line.push('\n');
        crc.update(line.as_bytes());
        deflate.write_all(line.as_bytes()).unwrap();
    }
    deflate.try_finish().unwrap();
    let (packed, unpacked) = (deflate.total_out(), deflate.total_in());
    let mut file = deflate.finish().unwrap();
    // An archive's figures are of 32 bits; a million documents stay below that.
    let mut figures = Vec::new();
    for figure in [u64::from(crc.sum()), packed, unpacked] {
        figures.extend_from_slice(&u32::try_from(figure).unwrap().to_le_bytes());
    }
    let descriptor = [b"PK\x07\x08", figures.as_slice()].concat();
    file.write_all(&descriptor).unwrap();
    let directory_at = head.len() as u64 + packed + descriptor.len() as u64;
    let mut directory = b"PK\x01\x02\x14\0\x14\0\x08\0\x08\0\0\0\0\0".to_vec();
    directory.extend_from_slice(&figures);
    directory.extend_from_slice(&[
        name.len() as u8,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    ]);
    directory.extend_from_slice(name);
    let length = u32::try_from(directory.len()).unwrap().to_le_bytes();
    directory.extend_from_slice(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    directory.extend_from_slice(&length);
    directory.extend_from_slice(&u32::try_from(directory_at).unwrap().to_le_bytes());
    directory.extend_from_slice(&[0, 0]);
    file.write_all(&directory).unwrap();
    file.flush().unwrap();
}

/// The bare program: unpack, parse, insert.
pub(crate) fn play(database: &str, qualtrics: &str) {
    let addr: SocketAddr = qualtrics.parse().unwrap();
    let mut stream = TcpStream::connect(addr).unwrap();
    let path = format!(
        "/API/v3/surveys/{SURVEY}/export-responses/{}/file",
        standin::FILE
    );
    write!(stream, "GET {path} HTTP/1.0\r\nhost: bench\r\n\r\n").unwrap();
    let mut archive = BufReader::with_capacity(64 * 1024, stream);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        archive.read_line(&mut line).unwrap();
    }
    let mut head = [0; 30];
    archive.read_exact(&mut head).unwrap();
    let skipped = usize::from(head[26]) + usize::from(head[28]);
    archive.read_exact(&mut vec![0; skipped]).unwrap();
    let unpacked = flate2::bufread::DeflateDecoder::new(archive);
    let mut connection = bare::open(Path::new(database));
    let mut lines = BufReader::with_capacity(64 * 1024, unpacked)
        .lines()
        .peekable();
    while lines.peek().is_some() {
        let transaction = connection.transaction().unwrap();
        for line in lines.by_ref().take(TOGETHER) {
            let line = line.unwrap();
            let document: serde_json::Value = serde_json::from_str(&line).unwrap();
            let id = document["responseId"].as_str().unwrap();
            bare::insert_row(&transaction, &document);
            transaction
                .prepare_cached("INSERT OR REPLACE INTO DOCUMENTS VALUES (?, ?)")
                .unwrap()
                .execute([id, &line])
                .unwrap();
        }
        transaction.commit().unwrap();
    }
}
