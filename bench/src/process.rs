//! Servers as processes: started on a core of their own, asked what they used, and ended with all that they started.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdout},
    time::timeout,
};

use crate::failure::Failure;

/// How long a server may take until it serves: it hashes the passwords of its users first.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// Ticks of the kernel's accounting in a second, the same on every Linux that a program can ask.
const TICKS: f64 = 100.0;

/// A process and its children. They end with this value.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    id: u32,
    output: Option<tokio::io::Lines<BufReader<ChildStdout>>>,
}

impl Process {
    /// Starts the words of a command on a core. What it complains of goes to a file of its name.
    pub(crate) fn start(
        name: &str,
        command: &[String],
        core: Option<usize>,
        environment: &BTreeMap<String, String>,
        folder: &Path,
    ) -> Result<Self, Failure> {
        Self::spawn(name, command, core, environment, folder, Stdio::piped())
    }

    /// The same of one whose output nobody reads, however much it is.
    pub(crate) fn start_unheard(
        name: &str,
        command: &[String],
        core: Option<usize>,
        environment: &BTreeMap<String, String>,
        folder: &Path,
    ) -> Result<Self, Failure> {
        Self::spawn(name, command, core, environment, folder, Stdio::null())
    }

    fn spawn(
        name: &str,
        command: &[String],
        core: Option<usize>,
        environment: &BTreeMap<String, String>,
        folder: &Path,
        output: Stdio,
    ) -> Result<Self, Failure> {
        let mut words: Vec<String> = Vec::new();
        if let Some(core) = core {
            words.extend(["taskset".to_owned(), "--cpu-list".to_owned(), core.to_string()]);
        }
        words.extend_from_slice(command);
        let complaints = File::create(folder.join(format!("{name}.log")))?;
        let mut command = Command::new(&words[0]);
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.args(&words[1..]).envs(environment).stdin(Stdio::piped()).stdout(output).stderr(complaints);
        let mut child = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Failure::new(format!("{} cannot be started: {error}", words.join(" "))))?;
        let id = child.id().ok_or_else(|| Failure::new("ended at once"))?;
        let output = child.stdout.take().map(|it| BufReader::new(it).lines());
        Ok(Self { child, id, output })
    }

    /// The next line of its output, which is JSON.
    pub(crate) async fn line(&mut self, patience: Duration) -> Result<Value, Failure> {
        let output = self.output.as_mut().ok_or_else(|| Failure::new("nobody hears it"))?;
        let line = timeout(patience, output.next_line()).await;
        let line = line.map_err(|_| Failure::new(format!("says nothing for {} s", patience.as_secs())))??;
        let line = line.ok_or_else(|| Failure::new("ended before it served; its log is in target/bench"))?;
        serde_json::from_str(&line).map_err(|error| Failure::new(format!("said {line:?}: {error}")))
    }

    /// Says a line to it.
    pub(crate) async fn tell(&mut self, line: &Value) -> Result<(), Failure> {
        let input = self.child.stdin.as_mut().ok_or_else(|| Failure::new("hears nothing"))?;
        input.write_all(format!("{line}\n").as_bytes()).await?;
        Ok(())
    }

    /// Waits until it ends by itself.
    pub(crate) async fn end(mut self) -> Result<(), Failure> {
        self.child.wait().await?;
        Ok(())
    }

    /// Seconds that it and its children have computed.
    pub(crate) fn computed(&self) -> f64 {
        let ticks: u64 = self.family().iter().map(|it| it.ticks).sum();
        #[expect(clippy::cast_precision_loss, reason = "ticks of minutes")]
        let ticks = ticks as f64;
        ticks / TICKS
    }

    /// Kibibytes that are resident in it and its children.
    pub(crate) fn resident(&self) -> u64 {
        self.family().iter().map(|it| resident(it.id)).sum()
    }

    /// The process and everything that descends from it.
    fn family(&self) -> Vec<Entry> {
        let all = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|it| Entry::read(&it));
        let mut others: Vec<Entry> = all.collect();
        let mut ids = BTreeSet::from([self.id]);
        let mut family = Vec::new();
        loop {
            let (found, rest): (Vec<_>, Vec<_>) =
                others.into_iter().partition(|it| ids.contains(&it.id) || ids.contains(&it.parent));
            if found.is_empty() {
                return family;
            }
            ids.extend(found.iter().map(|it| it.id));
            family.extend(found);
            others = rest;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The group: some servers are started by a script.
        let group = format!("-{}", self.id);
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    }
}

/// What `/proc` says about a process.
#[derive(Debug)]
struct Entry {
    id: u32,
    parent: u32,
    ticks: u64,
}

impl Entry {
    fn read(entry: &fs::DirEntry) -> Option<Self> {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let text = fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name may hold anything but ends with the last parenthesis; what follows starts at the third field.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3).and_then(|it| it.parse::<u64>().ok());
        let ticks = number(14)? + number(15)? + number(16)? + number(17)?;
        Some(Self { id, parent: number(4)?.try_into().ok()?, ticks })
    }
}

fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or_default()
}
