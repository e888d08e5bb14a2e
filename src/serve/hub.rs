//! All live streams by name: publishers register here, viewers look them up. Shared by all tasks of the server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::stream::{Publication, Stream, StreamStats};

/// Longest stream name taken, in bytes.
pub(super) const NAME_LIMIT: usize = 256;

/// Why a publisher is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// The name is taken.
    #[error("this name is already being published")]
    Busy,
    /// Empty or too long.
    #[error("a stream needs a name (key) of 1 to 256 bytes")]
    BadName,
}

/// The streams. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Hub {
    streams: Arc<Mutex<BTreeMap<String, Arc<Stream>>>>,
}

/// A name held by a publisher; given back when dropped.
#[derive(Debug)]
pub(super) struct Registration {
    /// Where the publisher's packets go.
    pub(super) publication: Publication,
    name: String,
    hub: Hub,
}

impl Hub {
    /// Registers a publisher.
    pub(super) fn publish(&self, name: &str, now: Instant) -> Result<Registration, Refused> {
        if name.is_empty() || name.len() > NAME_LIMIT {
            return Err(Refused::BadName);
        }
        let mut streams = self.streams.lock();
        if streams.contains_key(name) {
            return Err(Refused::Busy);
        }
        let stream = Arc::new(Stream::new(name, now));
        streams.insert(name.to_owned(), Arc::clone(&stream));
        Ok(Registration {
            publication: Publication::new(stream),
            name: name.to_owned(),
            hub: self.clone(),
        })
    }

    /// A stream that is live now.
    pub(super) fn get(&self, name: &str) -> Option<Arc<Stream>> {
        self.streams.lock().get(name).cloned()
    }

    /// All streams that are live now, by name.
    pub(super) fn stats(&self, now: Instant) -> Vec<StreamStats> {
        let streams: Vec<Arc<Stream>> = self.streams.lock().values().cloned().collect();
        streams.iter().map(|s| s.stats(now)).collect()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.hub.streams.lock().remove(&self.name);
    }
}

/// The stream's name in a publish or play request: "live/kaibo?token=x" names "kaibo". A key that is all query, as
/// Bilibili's are ("?streamname=live_1&key=x"), has the name in it.
pub(super) fn stream_name(requested: &str) -> &str {
    let (path, query) = requested.split_once(['?', '#']).unwrap_or((requested, ""));
    match path.rsplit('/').next().unwrap_or_default() {
        "" => query
            .split('&')
            .find_map(|pair| pair.strip_prefix("streamname="))
            .unwrap_or_default(),
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_held_by_one_publisher_at_a_time() {
        let hub = Hub::default();
        let now = Instant::now();
        let first = hub.publish("kaibo", now).unwrap();
        assert_eq!(hub.publish("kaibo", now).unwrap_err(), Refused::Busy);
        let _other = hub.publish("other", now).unwrap();
        assert_eq!(hub.stats(now).len(), 2);
        drop(first);
        assert!(hub.get("kaibo").is_none());
        assert!(hub.publish("kaibo", now).is_ok());
        assert_eq!(hub.publish("", now).unwrap_err(), Refused::BadName);
        assert_eq!(
            hub.publish(&"x".repeat(300), now).unwrap_err(),
            Refused::BadName
        );
    }

    #[test]
    fn names_come_without_path_and_query() {
        assert_eq!(stream_name("kaibo"), "kaibo");
        assert_eq!(stream_name("kaibo?key=1/2"), "kaibo");
        assert_eq!(stream_name("a/b/舞台"), "舞台");
        assert_eq!(stream_name("?x"), "");
        assert_eq!(stream_name("?key=x&streamname=live_1&s=rtmp"), "live_1");
    }
}
