//! Colour tables in memory, for the whole program: paths go in, finished tables come out. Files are read and parsed on a
//! short-lived thread each (`lut`), so neither the render thread nor the window waits for a disk; any thread may ask.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use super::lut;
use super::point::ColorTable;
use crate::stage::{self, StopFlag};

/// What is known of a table.
#[derive(Debug, Clone)]
pub enum TableState {
    /// Its file is being read, or waits for that.
    Loading,
    /// It can be used.
    Ready(Arc<ColorTable>),
    /// It cannot be used; why, in words.
    Failed(String),
}

/// Tables that are kept though nobody uses them; the oldest goes first. One has at most 8 MB.
const IDLE_TABLES: usize = 8;
/// Reasons of failure that are kept; the oldest goes first.
const FAILURES: usize = 64;
/// Files read at the same time.
const AT_ONCE: usize = 4;
/// A file that takes longer lies on a mount that is dead: reading it may never end. It is told, and others go on.
const PATIENCE: Duration = Duration::from_secs(10);
/// Threads that may hang on dead mounts; then nothing more is read.
const MOST_STUCK: usize = 16;
/// A file is looked at for changes at most this often.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What a file was when it was read: modification time and size.
type Stamp = (Option<SystemTime>, u64);

struct Entry {
    state: TableState,
    stamp: Option<Stamp>,
    /// A thread is at it, since then.
    busy: Option<Instant>,
    looked: Instant,
    /// Number of the last call that asked for it.
    used: u64,
}

impl Entry {
    /// A thread is at it, for too long.
    fn is_stuck(&self) -> bool {
        self.busy.is_some_and(|since| since.elapsed() > PATIENCE)
    }

    /// What is told of it.
    fn told(&self, path: &Path) -> TableState {
        match &self.state {
            TableState::Loading if self.is_stuck() => TableState::Failed(format!(
                "the colour table {} cannot be read: its disk does not answer. Check the drive or the network, or choose \
                 another file",
                path.display()
            )),
            state => state.clone(),
        }
    }

    /// It may be thrown away: nobody else holds the table.
    fn is_idle(&self) -> bool {
        matches!(&self.state, TableState::Ready(table) if Arc::strong_count(table) == 1)
    }
}

#[derive(Default)]
struct Tables {
    entries: HashMap<PathBuf, Entry>,
    asked: u64,
}

static TABLES: std::sync::LazyLock<Mutex<Tables>> = std::sync::LazyLock::new(Mutex::default);
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// Rises whenever a table became ready, changed or failed: who waits asks again then.
pub fn changes() -> u64 {
    CHANGES.load(Ordering::Acquire)
}

/// The table of the file at `path`. Never waits: starts reading it where that is needed. A file that changed is read again;
/// until that is done the old table holds.
pub fn get(path: &Path) -> TableState {
    let mut tables = TABLES.lock();
    let known = tables.touch(path);
    let due = match tables.entries.get(path) {
        Some(entry) => entry.busy.is_none() && entry.looked.elapsed() >= LOOK_AGAIN,
        None => true,
    };
    if !due || !tables.has_room() {
        return known;
    }
    let stamp = tables.entries.get(path).and_then(|e| e.stamp);
    tables.put(path, known.clone(), stamp, Some(Instant::now()));
    drop(tables);
    match start(path.to_owned(), stamp) {
        Ok(()) => known,
        Err(reason) => {
            let failed = TableState::Failed(reason);
            TABLES.lock().put(path, failed.clone(), None, None);
            failed
        }
    }
}

/// Reads the file at `path` on the calling thread, unless its table is known: for who may wait.
pub fn wait_for(path: &Path) -> Result<(), String> {
    if let TableState::Ready(_) = TABLES.lock().touch(path) {
        return Ok(());
    }
    let (state, stamp) = read(path);
    let result = match &state {
        TableState::Failed(reason) => Err(reason.clone()),
        _ => Ok(()),
    };
    TABLES.lock().put(path, state, stamp, None);
    CHANGES.fetch_add(1, Ordering::AcqRel);
    result
}

impl Tables {
    /// What is known, marked as used now.
    fn touch(&mut self, path: &Path) -> TableState {
        self.asked += 1;
        match self.entries.get_mut(path) {
            Some(entry) => {
                entry.used = self.asked;
                entry.told(path)
            }
            None => TableState::Loading,
        }
    }

    /// Another thread may be started.
    fn has_room(&self) -> bool {
        let busy = self.entries.values().filter(|e| e.busy.is_some());
        let (stuck, reading): (Vec<_>, Vec<_>) = busy.partition(|e| e.is_stuck());
        reading.len() < AT_ONCE && stuck.len() < MOST_STUCK
    }

    fn put(&mut self, path: &Path, state: TableState, stamp: Option<Stamp>, busy: Option<Instant>) {
        let entry = Entry {
            state,
            stamp,
            busy,
            looked: Instant::now(),
            used: self.asked,
        };
        self.entries.insert(path.to_owned(), entry);
        self.keep(IDLE_TABLES, Entry::is_idle);
        self.keep(FAILURES, |e| matches!(e.state, TableState::Failed(_)));
    }

    /// Takes what a thread has read. A table that is in use outlives a file that is gone, or is just being written.
    fn renew(&mut self, path: &Path, mut state: TableState, stamp: Option<Stamp>) {
        let old = self.entries.get(path).map(|e| e.state.clone());
        if let TableState::Failed(reason) = &state {
            let told = matches!(&old, Some(TableState::Failed(was)) if was == reason);
            if !told {
                tracing::warn!(reason, "colour table not read");
            }
            if let Some(old @ TableState::Ready(_)) = old {
                state = old;
            }
        }
        self.put(path, state, stamp, Some(Instant::now())); // until the thread has ended
    }

    /// Throws the oldest of one sort away until there are at most `most`.
    fn keep(&mut self, most: usize, sort: fn(&Entry) -> bool) {
        let mut found: Vec<(u64, PathBuf)> = self
            .entries
            .iter()
            .filter(|(_, e)| e.busy.is_none() && sort(e))
            .map(|(path, e)| (e.used, path.clone()))
            .collect();
        found.sort();
        for (_, path) in found.iter().take(found.len().saturating_sub(most)) {
            self.entries.remove(path);
        }
    }
}

/// Starts a thread that reads the file, unless it still is what `known` says.
fn start(path: PathBuf, known: Option<Stamp>) -> Result<(), String> {
    let for_exit = path.clone();
    let run = move |(), _: &StopFlag| {
        if known.is_none() || stamp_of(&path) != known {
            let (state, stamp) = read(&path);
            TABLES.lock().renew(&path, state, stamp);
        }
        Ok(())
    };
    let on_exit = move |exit: &stage::StageExit| {
        let mut tables = TABLES.lock();
        if let Some(entry) = tables.entries.get_mut(&for_exit) {
            if let stage::StageExit::Panicked(message) = exit {
                entry.state = TableState::Failed(format!("the colour table broke: {message}"));
            }
            entry.busy = None;
            entry.looked = Instant::now();
        }
        drop(tables);
        CHANGES.fetch_add(1, Ordering::AcqRel);
    };
    let init = || Ok::<(), Infallible>(());
    match stage::spawn("colour-table", &StopFlag::new(), init, run, on_exit) {
        Ok(_) => Ok(()), // it ends by itself
        Err(error) => Err(format!("the colour table cannot be read now: {error}")),
    }
}

fn read(path: &Path) -> (TableState, Option<Stamp>) {
    let stamp = stamp_of(path); // before reading, so that a change meanwhile is seen the next time
    match lut::load(path) {
        Ok(table) => (TableState::Ready(Arc::new(table)), stamp),
        Err(error) => (TableState::Failed(error.to_string()), stamp),
    }
}

fn stamp_of(path: &Path) -> Option<Stamp> {
    let data = std::fs::metadata(path).ok()?;
    Some((data.modified().ok(), data.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUBE: &str = "LUT_3D_SIZE 2\n0 0 0\n1 0 0\n0 1 0\n1 1 0\n0 0 1\n1 0 1\n0 1 1\n1 1 1\n";

    /// Asks until the file has been read.
    fn settled(path: &Path) -> TableState {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let before = changes();
            match get(path) {
                TableState::Loading => {
                    while changes() == before {
                        assert!(Instant::now() < deadline, "the file is never read");
                        std::thread::yield_now();
                    }
                }
                state => return state,
            }
        }
    }

    #[test]
    fn a_table_is_read_beside_and_shared() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.cube");
        std::fs::write(&path, CUBE).unwrap();
        assert!(matches!(get(&path), TableState::Loading));
        let TableState::Ready(first) = settled(&path) else {
            panic!("not read");
        };
        assert_eq!(first.cells, 2);
        let TableState::Ready(second) = get(&path) else {
            panic!("forgotten");
        };
        assert!(Arc::ptr_eq(&first, &second));
        let TableState::Failed(reason) = settled(&dir.path().join("none.cube")) else {
            panic!("there is no such file");
        };
        assert!(reason.contains("check the path"), "{reason}");
    }

    #[test]
    fn what_nobody_uses_is_bounded() {
        let table = || {
            Arc::new(ColorTable {
                cells: 1,
                slices: 1,
                columns: 1,
                resolution: crate::media::video::Resolution::new(1, 1),
                rgba: bytes::Bytes::from_static(&[0; 4]),
            })
        };
        let mut tables = Tables::default();
        let in_use = table();
        let path = |n: usize| PathBuf::from(format!("{n}"));
        tables.put(&path(0), TableState::Ready(Arc::clone(&in_use)), None, None);
        for n in 1..20 {
            tables.touch(&path(n));
            tables.put(&path(n), TableState::Ready(table()), None, None);
        }
        assert_eq!(tables.entries.len(), 1 + IDLE_TABLES);
        assert!(tables.entries.contains_key(&path(0)), "it is in use");
        assert!(tables.entries.contains_key(&path(19)), "the newest");
        assert!(!tables.entries.contains_key(&path(1)), "the oldest");
        for n in 100..300 {
            tables.touch(&path(n));
            tables.put(&path(n), TableState::Failed(String::new()), None, None);
        }
        assert_eq!(tables.entries.len(), 1 + IDLE_TABLES + FAILURES);
        tables.renew(&path(0), TableState::Failed("gone".to_owned()), None);
        let TableState::Ready(kept) = tables.touch(&path(0)) else {
            panic!("a table in use outlives its file");
        };
        assert!(Arc::ptr_eq(&kept, &in_use));
    }

    #[test]
    fn a_file_that_never_comes_is_told_and_holds_no_other_up() {
        let mut tables = Tables::default();
        let long_ago = Instant::now().checked_sub(PATIENCE * 2).unwrap();
        let path = |n: usize| PathBuf::from(format!("/dead/{n}.cube"));
        for n in 0..AT_ONCE {
            tables.put(&path(n), TableState::Loading, None, Some(Instant::now()));
        }
        assert!(!tables.has_room(), "so many are being read");
        assert!(matches!(tables.touch(&path(0)), TableState::Loading));
        for n in 0..MOST_STUCK {
            assert_eq!(tables.has_room(), n > 0);
            tables.put(&path(n), TableState::Loading, None, Some(long_ago));
        }
        assert!(!tables.has_room(), "no end of threads");
        let TableState::Failed(reason) = tables.touch(&path(0)) else {
            panic!("it is told");
        };
        assert!(reason.contains("/dead/0.cube") && reason.contains("does not answer"));
    }
}
