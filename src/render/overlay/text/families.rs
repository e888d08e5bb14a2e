//! Names of the system's font families, for a list to choose from. Listed once, on a short-lived thread (`font-names`), so
//! that nobody waits for a disk; any thread may ask.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use parking_lot::Once;

use crate::stage::{self, StopFlag};

static NAMES: OnceLock<Arc<[String]>> = OnceLock::new();
static ASKED: Once = Once::new();

/// The families in order of their names; `None` while they are being listed, which the first call starts.
pub fn families() -> Option<Arc<[String]>> {
    ASKED.call_once(|| {
        let run = |(), _: &StopFlag| {
            NAMES.get_or_init(list);
            Ok(())
        };
        let init = || Ok::<(), Infallible>(());
        if let Err(error) = stage::spawn("font-names", &StopFlag::new(), init, run, |_| {}) {
            tracing::warn!(%error, "fonts not listed");
            NAMES.get_or_init(Arc::default);
        }
    });
    NAMES.get().cloned()
}

fn list() -> Arc<[String]> {
    let mut db = fontdb::Database::new();
    db.load_system_fonts();
    // the first name of a face is the one by which it is asked for; a leading dot hides a font of the system's own
    let names = db.faces().filter_map(|face| face.families.first());
    let names: BTreeSet<&String> = names
        .map(|(name, _)| name)
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn every_family_of_the_system_is_listed_once() {
        let deadline = Instant::now() + Duration::from_secs(60);
        let names = loop {
            if let Some(names) = families() {
                break names;
            }
            assert!(Instant::now() < deadline, "never listed");
            std::thread::yield_now();
        };
        assert!(names.is_sorted());
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }
}
