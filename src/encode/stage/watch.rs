//! The watch over an encoder that may not come back from a call (thread `venc-watch`, 20 looks a second while encoding).

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::line::{Core, thread_error};
use crate::encode::EncodeError;
use crate::stage::{StopFlag, spawn};

/// Time between two looks. Patience is counted in looks, not by the clock: a machine that stood still as a whole (a
/// suspended laptop) is no hanging encoder.
const LOOK: Duration = Duration::from_millis(50);
/// Looks until hardware that does not come back is given up: under a third of a second, so that viewers see a hitch.
const HARDWARE: u32 = 6;
/// The same for the processor, which is late rather than stuck; and for opening and the first picture of any.
const PATIENT: u32 = 40;

/// Starts the thread. It ends with the stage.
pub(super) fn start(core: &Arc<Core>) -> Result<(), EncodeError> {
    let core = Arc::downgrade(core);
    let handle = spawn(
        "venc-watch",
        &StopFlag::new(),
        || Ok::<_, std::convert::Infallible>(core),
        |core, _| {
            watch(&core);
            Ok(())
        },
        |_| {},
    )
    .map_err(|e| thread_error(&e))?;
    drop(handle); // the thread goes by the stage itself, not by this handle
    Ok(())
}

fn watch(core: &Weak<Core>) {
    let (mut seen, mut looks) = ((0, 0), 0);
    loop {
        std::thread::sleep(LOOK);
        let Some(core) = core.upgrade() else { return };
        let Some(current) = core.current() else {
            return;
        };
        if core.stopping.load(Ordering::Relaxed) || current.is_finished() {
            // a worker that ended was asked to, or told why
            return;
        }
        let beat = &current.beat;
        let now = (current.id, beat.calls.load(Ordering::Relaxed));
        let stuck = beat.busy.load(Ordering::Relaxed) && now == seen;
        looks = if stuck { looks + 1 } else { 0 };
        seen = now;
        let rung = usize::try_from(beat.rung.load(Ordering::Relaxed)).unwrap_or(0);
        let starting = beat.starting.load(Ordering::Relaxed);
        let patience = if core.is_hardware(rung) && !starting {
            HARDWARE
        } else {
            PATIENT
        };
        if looks >= patience {
            looks = 0;
            let millis = LOOK.as_millis() * u128::from(patience);
            let millis = u64::try_from(millis).unwrap_or(u64::MAX);
            core.replace(current.id, EncodeError::Hangs { millis });
        }
    }
}
