//! The shim before libc (`shim.c`), built once, and what a test tells it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::process::Site;

/// The faults of one service's files.
pub(crate) struct Shim {
    folder: tempfile::TempDir,
}

impl Shim {
    /// Puts the shim before whatever the site starts from now on.
    pub(crate) fn install(site: &mut Site) -> Self {
        let shim = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir(shim.folder.path().join("control")).unwrap();
        std::fs::create_dir(shim.durable()).unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let data = site.folder.path().canonicalize().unwrap();
        site.set("LD_PRELOAD", &text(library()))
            .set("FAULTS_DATA", &text(&data))
            .set("FAULTS_CONTROL", &text(&shim.folder.path().join("control")))
            .set("FAULTS_DURABLE", &text(&shim.durable()));
        shim
    }

    /// What a loss of power would leave.
    pub(crate) fn durable(&self) -> PathBuf {
        self.folder.path().join("durable")
    }

    fn control(&self, fault: &str) -> PathBuf {
        self.folder.path().join("control").join(fault)
    }

    pub(crate) fn begin(&self, fault: &str) {
        std::fs::write(self.control(fault), "").unwrap();
    }

    /// Whether a fault that happens once has yet to happen.
    pub(crate) fn is_ahead(&self, fault: &str) -> bool {
        self.control(fault).exists()
    }

    pub(crate) fn end(&self, fault: &str) {
        std::fs::remove_file(self.control(fault)).unwrap();
    }

    /// Sets the wall clock off by so many seconds.
    pub(crate) fn clock(&self, seconds: i64) {
        // Renamed into its place, so that nobody reads half a number.
        let fresh = self.control("clock.new");
        std::fs::write(&fresh, seconds.to_string()).unwrap();
        std::fs::rename(fresh, self.control("clock")).unwrap();
    }
}

fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults-shim.so");
        // Written aside and renamed: another run may have it loaded.
        let fresh = library.with_extension(format!("{}.so", std::process::id()));
        let built = Command::new("cc")
            .args([
                "-Wall", "-Wextra", "-Werror", "-O1", "-fPIC", "-shared", "-o",
            ])
            .arg(&fresh)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/shim.c"))
            .arg("-ldl")
            .status()
            .unwrap();
        assert!(built.success(), "the shim could not be built");
        std::fs::rename(fresh, &library).unwrap();
        library
    })
}
