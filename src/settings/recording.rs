//! How a recording is encoded, where it does not take the stream's packets. Plain data.

use serde::{Deserialize, Serialize};

use super::FieldError;
use crate::container::Format;
use crate::encode::candidate::{self, VideoCodec};
use crate::encode::{EncodeError, RateControl, Style, VideoEncoderSettings};

/// The recording's own encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordEncoder {
    /// It has one; otherwise it takes the stream's packets, which costs nothing.
    pub own: bool,
    /// Which, and how.
    pub video: VideoEncoderSettings,
}

impl Default for RecordEncoder {
    /// Constant quality that is hard to tell from the source; delay does not matter.
    fn default() -> Self {
        let video = VideoEncoderSettings {
            rate_control: RateControl::Crf,
            quality: 18,
            bitrate_kbps: 40_000,
            ..VideoEncoderSettings::default()
        };
        Self {
            own: false,
            video: video.styled(Style::Quality),
        }
    }
}

impl RecordEncoder {
    /// What it makes.
    pub fn codec(&self) -> VideoCodec {
        let named = candidate::find(&self.video.encoder);
        named.map_or(VideoCodec::H264, |c| c.codec)
    }

    /// Why such pictures do not go into such a file, and what can be done.
    pub fn refused_by(&self, format: Format) -> Option<&'static str> {
        let h264 = !self.own || self.codec() == VideoCodec::H264;
        format.refuses(h264, 0)
    }

    pub(super) fn problems(&self, format: Format, out: &mut Vec<FieldError>) {
        if !self.own {
            return;
        }
        if let Err(EncodeError::Setting { field, reason }) = self.video.validate() {
            let name = field.strip_prefix("encoder.").unwrap_or(field);
            let field = format!("recording_encoder.video.{name}");
            out.push(FieldError::new(&field, reason));
        }
        if let Some(reason) = self.refused_by(format) {
            out.push(FieldError::new("recording_encoder.video.encoder", reason));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(encoder: &str, format: Format) -> Vec<String> {
        let mut settings = RecordEncoder {
            own: true,
            ..RecordEncoder::default()
        };
        encoder.clone_into(&mut settings.video.encoder);
        let mut out = Vec::new();
        settings.problems(format, &mut out);
        out.into_iter().map(|p| p.to_string()).collect()
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_reason() {
        assert!(problems("auto", Format::Flv).is_empty());
        assert!(problems("x265", Format::Mp4).is_empty());
        let [flv] = &problems("x265", Format::Flv)[..] else {
            panic!("one problem");
        };
        assert!(flv.contains("choose MP4 or MKV"), "{flv}");
        let [unknown] = &problems("x266", Format::Mp4)[..] else {
            panic!("one problem");
        };
        assert!(
            unknown.starts_with("recording_encoder.video.encoder: "),
            "{unknown}"
        );
    }
}
