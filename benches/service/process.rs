//! The processes that take part: started, watched through `/proc`, and ended with this one.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::callbacks::KEY;

/// The first argument of this program when it plays a part.
pub(crate) const PART: &str = "--part";
/// Ticks of CPU time a second. Source: Linux's `proc(5)`; it is 100 on every architecture of today.
const TICKS: f64 = 100.0;

static BINARY: OnceLock<PathBuf> = OnceLock::new();

/// Measures another binary than the one just built.
pub(crate) fn use_binary(path: PathBuf) {
    BINARY.set(std::path::absolute(path).unwrap()).unwrap();
}

/// The service that is measured.
pub(crate) fn binary() -> &'static Path {
    BINARY.get_or_init(|| env!("CARGO_BIN_EXE_qualtrics-ingester").into())
}

/// A process that listens somewhere.
pub(crate) struct Process {
    child: Child,
    /// Closed when this ends; whoever plays a part then ends too.
    _stdin: Option<ChildStdin>,
    pub(crate) addr: SocketAddr,
    /// When each response's row was committed, by its number, as the process said.
    pub(crate) committed: Arc<Mutex<Committed>>,
}

pub(crate) type Committed = std::collections::HashMap<u64, Instant>;

/// What a process has used so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_kib: u64,
    pub(crate) peak_kib: u64,
}

impl Process {
    /// This program again, as somebody else.
    pub(crate) fn part(arguments: &[&str]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(PART).args(arguments);
        Self::start(command)
    }

    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().unwrap();
        Self::listening(child, stdin, stdout, address)
    }

    /// Reads what the process says: its address, then its rows.
    fn listening(
        child: Child,
        stdin: Option<ChildStdin>,
        says: impl Read + Send + 'static,
        addr: impl Fn(&str) -> Option<SocketAddr>,
    ) -> Self {
        let mut lines = BufReader::new(says).lines();
        let mut said = Vec::new();
        let addr = loop {
            let Some(Ok(line)) = lines.next() else {
                panic!("it ended: {}", said.join("\n"));
            };
            if let Some(addr) = addr(&line) {
                break addr;
            }
            said.push(line);
        };
        let committed = Arc::new(Mutex::new(Committed::new()));
        let rows = committed.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let now = Instant::now();
                if let Some(number) = crate::callbacks::number_in(&line) {
                    rows.lock().unwrap().insert(number, now);
                }
            }
        });
        Self {
            child,
            _stdin: stdin,
            addr,
            committed,
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        usage(self.child.id())
    }

    /// CPU seconds of its threads of one name.
    pub(crate) fn thread_cpu_seconds(&self, name: &str) -> f64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let named = tasks.filter_map(|task| {
            let path = task.ok()?.path();
            let comm = std::fs::read_to_string(path.join("comm")).ok()?;
            (comm.trim() == name).then(|| cpu_seconds(&path))
        });
        named.sum()
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self) {
        let pid = self.child.id().to_string();
        Command::new("kill").arg(&pid).status().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn address(line: &str) -> Option<SocketAddr> {
    line.strip_prefix("listening on ")?.parse().ok()
}

/// What a process has used so far.
pub(crate) fn usage(pid: u32) -> Usage {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let figure = line.and_then(|line| line.split_whitespace().nth(1));
        figure.and_then(|figure| figure.parse().ok()).unwrap_or(0)
    };
    Usage {
        cpu_seconds: cpu_seconds(Path::new(&format!("/proc/{pid}"))),
        resident_kib: kib("VmRSS:"),
        peak_kib: kib("VmHWM:"),
    }
}

/// User and system time. Source: `proc(5)`, fields 14 and 15 of `stat`, behind a name that may hold anything.
fn cpu_seconds(folder: &Path) -> f64 {
    let stat = std::fs::read_to_string(folder.join("stat")).unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks = fields.split(' ').skip(11).take(2);
    ticks
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum::<f64>()
        / TICKS
}

/// Where a service runs: its folder and its environment.
pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    environment: BTreeMap<&'static str, String>,
}

/// Twelve columns of the sandbox's survey.
pub(crate) const CONFIG: &str = r#"[[survey]]
id = "SV_22VlHYNeldrrrk1"
name = "ProjectFeedback"
table = "PROJECT_FEEDBACK"
history = "none"
columns = ["ResponseId", "RecordedDate", "Progress", "Q1", "Q18", "Q8_1", "Q8_2", "Q8_3", "Q2", "AccountID", "ProjectID", "PhaseID"]
"#;

impl Site {
    /// A service whose Qualtrics is there.
    pub(crate) fn new(qualtrics: SocketAddr) -> Self {
        let folder = tempfile::tempdir_in(scratch()).unwrap();
        std::fs::write(folder.path().join("ingester.toml"), CONFIG).unwrap();
        let environment = [
            ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
            ("QUALTRICS_BASE_URL", format!("http://{qualtrics}")),
            ("QUALTRICS_API_TOKEN", "sandbox-token".to_owned()),
            ("QUALTRICS_SHARED_KEY", KEY.to_owned()),
            ("QUALTRICS_REQUESTS_PER_MINUTE", "1000000".to_owned()),
            ("RECONCILE_EVERY", "off".to_owned()),
            ("LOG_FORMAT", "json".to_owned()),
        ];
        Self {
            folder,
            environment: environment.into(),
        }
    }

    pub(crate) fn set(mut self, name: &'static str, value: &str) -> Self {
        self.environment.insert(name, value.to_owned());
        self
    }

    /// The same on HANA.
    pub(crate) fn on_hana(self, hana: SocketAddr) -> Self {
        self.set(
            "INGESTER_DATABASE_URL",
            &format!("hdbsql://INGESTER:Secret123@{hana}"),
        )
    }

    /// Says each row on the log, once it is committed.
    pub(crate) fn saying_rows(self) -> Self {
        self.set(
            "RUST_LOG",
            "info,qualtrics_ingester::pipeline::worker=debug",
        )
    }

    /// The same settings for a part of the service in this process.
    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        let database = format!("sqlite:{}", self.database().display());
        let own = self
            .environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        own.chain([("INGESTER_DATABASE_URL".to_owned(), database)])
            .collect()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("feedback.db")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(&self.environment);
        command
    }

    /// Starts `serve` and waits until it listens.
    pub(crate) fn serve(&self) -> Process {
        let mut child = self
            .command(&["serve"])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        Process::listening(child, None, stderr, |line| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            line["addr"].as_str()?.parse().ok()
        })
    }

    /// The same, once its survey's definition is known and its table is there.
    pub(crate) fn serve_prepared(&self) -> Process {
        let process = self.serve();
        let begun = Instant::now();
        while crate::load::get(process.addr, "/odata/v4/feedback/ProjectFeedback/$count").0 != 200 {
            assert!(begun.elapsed() < Duration::from_secs(20), "no definition");
            std::thread::sleep(Duration::from_millis(20));
        }
        process
    }
}

/// A disk, and not memory: where the build is.
pub(crate) fn scratch() -> PathBuf {
    let path = std::env::current_exe().unwrap();
    let folder = path.ancestors().nth(2).unwrap().join("bench");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
