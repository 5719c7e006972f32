//! Which core each part runs on, so that no server takes another's and none has more than one.

use std::{fs, process::Command};

/// The cores of a run. Where there is only one, everything shares it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    /// For the server that is measured.
    pub(crate) server: Option<usize>,
    /// For the database.
    pub(crate) engine: Option<usize>,
    driver: Option<usize>,
    /// All that there are.
    pub(crate) count: usize,
}

impl Cores {
    pub(crate) fn of_this_machine() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
        let cores = parse(list.trim());
        let (server, engine, driver) = match cores.as_slice() {
            [] | [_] => (None, None, None),
            [server, other] => (Some(*server), Some(*other), Some(*other)),
            [server, engine, driver, ..] => (Some(*server), Some(*engine), Some(*driver)),
        };
        Self { server, engine, driver, count: cores.len().max(1) }
    }

    /// Moves this process, with all its threads, to the driver's core.
    pub(crate) fn move_driver(self) {
        let Some(core) = self.driver else { return };
        let id = std::process::id().to_string();
        let _ = Command::new("taskset").args(["--all-tasks", "--cpu-list", "--pid", &core.to_string(), &id]).output();
    }

    pub(crate) fn describe(self) -> &'static str {
        match (self.server, self.engine == self.driver) {
            (None, _) => "everything on the one core",
            (Some(_), true) => "each server on one core, the database and the driver on the other",
            (Some(_), false) => "each server, the database and the driver on a core each",
        }
    }
}

/// A list such as `0-2,5`.
fn parse(list: &str) -> Vec<usize> {
    let mut cores = Vec::new();
    for part in list.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(from), Ok(to)) = (from.parse::<usize>(), to.parse::<usize>()) {
            cores.extend(from..=to);
        }
    }
    cores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cores_are_read() {
        assert_eq!(parse("0-2,5"), [0, 1, 2, 5]);
        assert_eq!(parse("3"), [3]);
        assert_eq!(parse(""), [0; 0]);
    }
}
