//! Which input a name means, and inputs in words.

use super::SourceError;
use crate::media::audio::AudioFormat;

/// How an input is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    /// What a person reads: "Monitor of Lab speakers".
    pub(crate) name: String,
    /// The system's own name: "lab.monitor", "hw:CARD=PCH,DEV=0"; "" when it has none.
    pub(crate) id: String,
}

/// Makes names differ, by adding the system's own.
pub(crate) fn tell_apart(labels: &mut [&mut Label]) {
    let names: Vec<String> = labels.iter().map(|l| l.name.clone()).collect();
    for label in labels {
        if names.iter().filter(|n| **n == label.name).count() > 1 {
            label.name = format!("{} [{}]", label.name, label.id);
        }
    }
}

/// The input called `wanted` exactly (by the system's name, then by the listed name).
pub(crate) fn exactly(wanted: &str, labels: &[&Label]) -> Option<usize> {
    let by_id = labels.iter().position(|l| l.id == wanted);
    by_id.or_else(|| labels.iter().position(|l| l.name == wanted))
}

/// The input called `wanted` exactly, or the only one that has it in its names, in any case. Returns its index.
pub(crate) fn choose(wanted: &str, labels: &[&Label]) -> Result<usize, SourceError> {
    if let Some(i) = exactly(wanted, labels) {
        return Ok(i);
    }
    let part = wanted.trim().to_lowercase();
    let has = |text: &str| !part.is_empty() && text.to_lowercase().contains(&part);
    let matching: Vec<usize> = (0..labels.len())
        .filter(|i| has(&labels[*i].name) || has(&labels[*i].id))
        .collect();
    match matching.as_slice() {
        [] => Err(not_found(wanted)),
        [i] => Ok(*i),
        several => {
            let names: Vec<_> = several.iter().map(|i| labels[*i].name.as_str()).collect();
            Err(SourceError::Unsupported {
                what: format!("sound input {wanted:?}"),
                reason: format!("several have that in their names: {}", names.join(", ")),
            })
        }
    }
}

/// No input is called that.
pub(crate) fn not_found(name: &str) -> SourceError {
    SourceError::NotFound {
        what: format!("sound input {name:?}"),
    }
}

/// "48000 Hz, 2 channels".
pub(crate) fn words(format: AudioFormat) -> String {
    let AudioFormat { rate, channels } = format;
    let plural = if channels == 1 { "" } else { "s" };
    format!("{rate} Hz, {channels} channel{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Vec<Label> {
        let label = |(name, id): &(&str, &str)| Label {
            name: (*name).to_owned(),
            id: (*id).to_owned(),
        };
        pairs.iter().map(label).collect()
    }

    #[test]
    fn names_mean_one_input_or_say_why_not() {
        let all = labels(&[
            ("Lab microphone", "mic1"),
            ("Monitor of Lab speakers", "lab.monitor"),
            ("Lab", "usb"),
        ]);
        let all: Vec<&Label> = all.iter().collect();
        let choose = |wanted| choose(wanted, &all);
        assert_eq!(choose("Monitor of Lab speakers").unwrap(), 1);
        assert_eq!(choose("lab.monitor").unwrap(), 1);
        assert_eq!(choose("Lab").unwrap(), 2, "exact wins");
        assert_eq!(choose("MICRO").unwrap(), 0);
        assert_eq!(choose("speaker").unwrap(), 1);
        assert_eq!(
            choose("lab ").unwrap_err().to_string(),
            "sound input \"lab \" cannot be used: several have that in their names: \
             Lab microphone, Monitor of Lab speakers, Lab"
        );
        for missing in ["camera", ""] {
            assert!(matches!(choose(missing), Err(SourceError::NotFound { .. })));
        }
    }

    #[test]
    fn equal_names_are_told_apart() {
        let mut all = labels(&[("USB", "a"), ("Headset", "b"), ("USB", "c")]);
        tell_apart(&mut all.iter_mut().collect::<Vec<_>>());
        let names: Vec<_> = all.iter().map(|l| l.name.as_str()).collect();
        assert_eq!(names, ["USB [a]", "Headset", "USB [c]"]);
    }
}
