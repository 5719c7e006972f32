//! How the figures are taken.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tests::lambda::{Event, Function};

use crate::emulator::{path, skip};

/// Resident memory of a function that hashes passwords, in kibibytes.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Memory {
    /// Started, and no request yet.
    pub(super) idle: u64,
    /// The most that was ever resident while a thousand people signed in.
    pub(super) peak: u64,
    /// What a thousand sign-ins left behind, after a hundred that warmed it up.
    pub(super) growth: i64,
}

/// Counts instructions.
pub(super) struct Meter(());

impl Meter {
    /// Only bootstraps of a release are weighed, and whoever built them says that they are.
    pub(super) fn find() -> Option<Self> {
        if path("TESSERA_WEIGHT").is_none() {
            skip("what the functions weigh: TESSERA_WEIGHT is not set", "TESSERA_WEIGHT_REQUIRED");
            return None;
        }
        if Command::new("valgrind").arg("--version").output().is_ok_and(|it| it.status.success()) {
            return Some(Self(()));
        }
        skip("what the functions weigh: valgrind is not installed", "TESSERA_WEIGHT_REQUIRED");
        None
    }

    /// Instructions until the function asks for its first event.
    pub(super) async fn start(&self, bootstrap: &Path, environment: &BTreeMap<String, String>) -> u64 {
        self.run(bootstrap, environment, None, 0).await
    }

    /// Instructions of one request to a function that has answered it before: the difference between many and one.
    pub(super) async fn request(
        &self,
        bootstrap: &Path,
        environment: &BTreeMap<String, String>,
        event: &Event,
        times: u64,
    ) -> u64 {
        let first = self.run(bootstrap, environment, Some(event), 1).await;
        let all = self.run(bootstrap, environment, Some(event), 1 + times).await;
        (all - first) / times
    }

    async fn run(
        &self,
        bootstrap: &Path,
        environment: &BTreeMap<String, String>,
        event: Option<&Event>,
        times: u64,
    ) -> u64 {
        let Self(()) = self;
        let name = bootstrap.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind-{name}-{times}"));
        let _ = fs::remove_file(&file);
        let out = format!("--callgrind-out-file={}", file.display());
        let tool = ["valgrind", "--tool=callgrind", "--quiet", &out].map(str::to_owned);
        let mut function = Function::start(&tool, bootstrap, environment).await;
        for event in (0..times).filter_map(|_| event) {
            assert_success(&function.invoke(event).await);
        }
        function.end();
        let written = fs::read_to_string(&file).expect("callgrind writes what it counted");
        let totals = written.lines().find_map(|line| line.strip_prefix("totals: ")).expect("totals");
        totals.trim().parse().expect("a number of instructions")
    }
}

/// Signs somebody in a thousand times.
pub(super) async fn memory(bootstrap: &Path, environment: &BTreeMap<String, String>, sign_in: &Event) -> Memory {
    let mut function = Function::start(&[], bootstrap, environment).await;
    let idle = status(function.id(), "VmRSS");
    for _ in 0..100 {
        assert_success(&function.invoke(sign_in).await);
    }
    let before = status(function.id(), "VmRSS");
    for _ in 0..1000 {
        assert_success(&function.invoke(sign_in).await);
    }
    let after = status(function.id(), "VmRSS");
    let peak = status(function.id(), "VmHWM");
    function.end();
    Memory { idle, peak, growth: after.cast_signed() - before.cast_signed() }
}

fn status(process: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the function runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("a number");
    line.trim().trim_end_matches(" kB").parse().expect("a number of kibibytes")
}

fn assert_success(answer: &Value) {
    assert_eq!(answer["statusCode"], 200, "{answer}");
}
