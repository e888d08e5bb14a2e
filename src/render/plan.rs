//! Deciding, before any GPU call, what a tick must draw and by the shortest way: a pass that would change nothing is not
//! run. Pure functions of the scene and the newest frames.

use super::SceneState;
use super::filter::FilterSpec;
use super::geometry::{Quad, place};
use super::scene::Layer;
use crate::media::SourceId;
use crate::media::time::MediaTime;
use crate::media::video::{ColorSpec, FrameData, PixelFormat, Plane, Resolution, VideoFrame};

/// A layer that is seen in this tick.
#[derive(Debug, Clone)]
pub(super) struct Drawn {
    /// Its index in the scene.
    pub(super) index: usize,
    /// Its source.
    pub(super) source: SourceId,
    /// Its newest picture; `None` draws the placeholder.
    pub(super) frame: Option<VideoFrame>,
    /// Where it lies.
    pub(super) quad: Quad,
    /// 0 to 1.
    pub(super) opacity: f32,
    /// It has filters that change something.
    pub(super) filtered: bool,
}

impl Drawn {
    /// Nothing shows through it where it lies.
    pub(super) fn is_opaque(&self) -> bool {
        let alpha = self
            .frame
            .as_ref()
            .is_some_and(|f| f.data.format() == PixelFormat::Rgba);
        self.opacity >= 1.0 && !alpha
    }

    /// Identifies what the layer shows in this tick.
    pub(super) fn stamp(&self) -> (SourceId, Option<(u64, MediaTime)>) {
        (self.source, self.frame.as_ref().map(|f| (f.seq, f.pts)))
    }
}

/// How the encoder's picture is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// The source's own planes are what the encoder wants: no work.
    Passthrough,
    /// The source is RGB pixel for pixel and the adapter is software: converting on the processor costs a tenth of having
    /// the processor play graphics card.
    Convert,
    /// One layer fills the output: the conversion pass reads it (after its filters) without a composed picture.
    Direct,
    /// Everything is drawn onto a composed picture first.
    Compose,
}

/// The layers that are seen, bottom to top, with their newest frames.
pub(super) fn drawn_layers(state: &SceneState, output: Resolution) -> Vec<Drawn> {
    let mut drawn: Vec<Drawn> = state
        .scene
        .layers
        .iter()
        .zip(&state.layer_sources)
        .enumerate()
        .filter(|(_, (layer, _))| layer.visible && layer.opacity > 0.0)
        .filter_map(|(index, (layer, &source))| {
            let frame = state.sources.get(&source).and_then(|slot| slot.latest());
            draw(index, layer, source, frame, output)
        })
        .collect();
    if let Some(lowest) = drawn
        .iter()
        .rposition(|d| d.is_opaque() && d.quad.covers(output))
    {
        drawn.drain(..lowest); // hidden
    }
    drawn
}

fn draw(
    index: usize,
    layer: &Layer,
    source: SourceId,
    frame: Option<VideoFrame>,
    output: Resolution,
) -> Option<Drawn> {
    let quad = place(
        &layer.placement,
        frame.as_ref().map(|f| f.resolution),
        output,
    )?;
    quad.touches(output).then_some(Drawn {
        index,
        source,
        frame,
        quad,
        opacity: layer.opacity.min(1.0),
        filtered: is_active(&layer.filters),
    })
}

/// Some filter changes something.
pub(super) fn is_active(filters: &[FilterSpec]) -> bool {
    filters.iter().any(|f| !f.is_noop())
}

/// As [`choose`], with watermarks on the picture. A real GPU draws them in the composing pass; in place of a software one
/// the processor draws them itself, only where they lie, on whatever the shortest way gives.
pub(super) fn choose_with_overlays(
    output: Resolution,
    drawn: &[Drawn],
    scene_filtered: bool,
    software: bool,
    overlays: bool,
) -> Plan {
    if overlays && !software {
        Plan::Compose
    } else {
        choose(output, drawn, scene_filtered, software)
    }
}

/// The shortest way to the encoder's picture.
pub(super) fn choose(
    output: Resolution,
    drawn: &[Drawn],
    scene_filtered: bool,
    software: bool,
) -> Plan {
    let [layer] = drawn else {
        return Plan::Compose;
    };
    if !layer.is_opaque() || !layer.quad.covers(output) {
        return Plan::Compose;
    }
    let Some(frame) = &layer.frame else {
        return if scene_filtered {
            Plan::Compose
        } else {
            Plan::Direct
        };
    };
    let identity = layer.quad.is_identity(frame.resolution, output);
    if scene_filtered && !identity {
        return Plan::Compose; // filters of the whole picture work at its size
    }
    if identity && !scene_filtered && !layer.filtered {
        match frame.data.format() {
            PixelFormat::Nv12 | PixelFormat::I420
                if frame.color == ColorSpec::BT709_LIMITED && is_complete(frame) =>
            {
                return Plan::Passthrough;
            }
            PixelFormat::Bgra if software => return Plan::Convert,
            _ => {}
        }
    }
    Plan::Direct
}

/// The planes of an even-sized NV12 or I420 frame are as long as its size says: nobody checks them on the way to the encoder.
fn is_complete(frame: &VideoFrame) -> bool {
    let (width, height) = (
        frame.resolution.width as usize,
        frame.resolution.height as usize,
    );
    let holds = |plane: &Plane, row: usize, rows: usize| {
        plane.stride >= row && plane.data.len() >= plane.stride * rows.saturating_sub(1) + row
    };
    match &frame.data {
        FrameData::Nv12 { y, uv } => holds(y, width, height) && holds(uv, width, height / 2),
        FrameData::I420 { y, u, v } => {
            let half = |plane| holds(plane, width / 2, height / 2);
            holds(y, width, height) && half(u) && half(v)
        }
        FrameData::Yuyv422(_) | FrameData::Bgra(_) | FrameData::Rgba(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::capture::SourceSpec;
    use crate::media::slot::LatestSlot;
    use crate::render::filter::color::ColorSettings;
    use crate::render::scene::{Crop, Fit, Placement, Scene};

    const OUT: Resolution = Resolution::new(64, 32);

    fn frame(format: PixelFormat, resolution: Resolution, color: ColorSpec) -> VideoFrame {
        let plane = || Plane {
            data: Bytes::from(vec![0; 64 * 64]),
            stride: 64,
        };
        let data = match format {
            PixelFormat::Nv12 => FrameData::Nv12 {
                y: plane(),
                uv: plane(),
            },
            PixelFormat::I420 => FrameData::I420 {
                y: plane(),
                u: plane(),
                v: plane(),
            },
            PixelFormat::Yuyv422 => FrameData::Yuyv422(plane()),
            PixelFormat::Bgra => FrameData::Bgra(plane()),
            PixelFormat::Rgba => FrameData::Rgba(plane()),
        };
        VideoFrame {
            pts: MediaTime::ZERO,
            source: SourceId(1),
            seq: 0,
            resolution,
            data,
            color,
        }
    }

    fn state(layers: Vec<(Layer, Option<VideoFrame>)>) -> SceneState {
        let mut state = SceneState::default();
        for (n, (layer, frame)) in layers.into_iter().enumerate() {
            let id = SourceId(u32::try_from(n).unwrap() + 1);
            let slot = Arc::new(LatestSlot::default());
            if let Some(frame) = frame {
                slot.store(frame);
            }
            state.sources.insert(id, slot);
            state.layer_sources.push(id);
            state.scene.layers.push(layer);
        }
        state
    }

    fn layer() -> Layer {
        Layer::new(SourceSpec::Test {})
    }

    fn plan_of(layers: Vec<(Layer, Option<VideoFrame>)>, software: bool) -> Plan {
        let state = state(layers);
        choose(OUT, &drawn_layers(&state, OUT), false, software)
    }

    fn nv12() -> VideoFrame {
        frame(PixelFormat::Nv12, OUT, ColorSpec::BT709_LIMITED)
    }

    fn color_filter() -> FilterSpec {
        FilterSpec::Color(ColorSettings {
            contrast: 1.5,
            ..ColorSettings::default()
        })
    }

    #[test]
    fn ready_planes_are_passed_on() {
        assert_eq!(
            plan_of(vec![(layer(), Some(nv12()))], false),
            Plan::Passthrough
        );
        let i420 = frame(PixelFormat::I420, OUT, ColorSpec::BT709_LIMITED);
        assert_eq!(
            plan_of(vec![(layer(), Some(i420))], true),
            Plan::Passthrough
        );
        let mut short = nv12();
        if let FrameData::Nv12 { uv, .. } = &mut short.data {
            uv.data.truncate(64 * 15);
        }
        assert_eq!(plan_of(vec![(layer(), Some(short))], false), Plan::Direct);
        let other_matrix = frame(PixelFormat::Nv12, OUT, ColorSpec::BT601_LIMITED);
        assert_eq!(
            plan_of(vec![(layer(), Some(other_matrix))], true),
            Plan::Direct
        );
        let other_size = frame(
            PixelFormat::Nv12,
            Resolution::new(128, 64),
            ColorSpec::BT709_LIMITED,
        );
        assert_eq!(
            plan_of(vec![(layer(), Some(other_size))], true),
            Plan::Direct
        );
    }

    #[test]
    fn rgb_is_converted_where_it_is_cheaper() {
        let bgra = |size| frame(PixelFormat::Bgra, size, ColorSpec::default());
        assert_eq!(
            plan_of(vec![(layer(), Some(bgra(OUT)))], true),
            Plan::Convert
        );
        assert_eq!(
            plan_of(vec![(layer(), Some(bgra(OUT)))], false),
            Plan::Direct
        );
        assert_eq!(
            plan_of(vec![(layer(), Some(bgra(Resolution::new(128, 64))))], true),
            Plan::Direct
        );
        // alpha: something may show through
        let rgba = frame(PixelFormat::Rgba, OUT, ColorSpec::default());
        assert_eq!(plan_of(vec![(layer(), Some(rgba))], true), Plan::Compose);
    }

    #[test]
    fn anything_that_changes_the_picture_ends_the_short_cut() {
        let changed = |change: fn(&mut Layer)| {
            let mut l = layer();
            change(&mut l);
            plan_of(vec![(l, Some(nv12()))], false)
        };
        assert_eq!(changed(|l| l.opacity = 0.5), Plan::Compose);
        assert_eq!(changed(|l| l.placement.rotation = 1.0), Plan::Compose);
        assert_eq!(changed(|l| l.placement.width = 0.5), Plan::Compose);
        assert_eq!(changed(|l| l.filters = vec![color_filter()]), Plan::Direct);
        assert_eq!(
            changed(|l| l.filters = vec![FilterSpec::Color(ColorSettings::default())]),
            Plan::Passthrough
        );
        let crop = Crop {
            top: 0.25,
            ..Crop::default()
        };
        let mut l = layer();
        l.placement = Placement {
            crop,
            fit: Fit::Cover,
            ..Placement::default()
        };
        assert_eq!(plan_of(vec![(l, Some(nv12()))], false), Plan::Direct);
    }

    #[test]
    fn scene_filters_need_the_output_size() {
        let drawn = |frame| drawn_layers(&state(vec![(layer(), Some(frame))]), OUT);
        assert_eq!(choose(OUT, &drawn(nv12()), true, true), Plan::Direct);
        let large = frame(
            PixelFormat::Nv12,
            Resolution::new(128, 64),
            ColorSpec::BT709_LIMITED,
        );
        assert_eq!(choose(OUT, &drawn(large), true, true), Plan::Compose);
    }

    #[test]
    fn hidden_and_invisible_layers_do_not_count() {
        let mut hidden = layer();
        hidden.visible = false;
        let mut clear = layer();
        clear.opacity = 0.0;
        let layers = vec![
            (layer(), None),
            (layer(), Some(nv12())),
            (hidden, None),
            (clear, None),
        ];
        let drawn = drawn_layers(&state(layers), OUT);
        assert_eq!(drawn.iter().map(|d| d.index).collect::<Vec<_>>(), [1]);
        assert_eq!(choose(OUT, &drawn, false, false), Plan::Passthrough);
        assert_eq!(
            choose(OUT, &[], false, false),
            Plan::Compose,
            "an empty scene is black"
        );
        assert_eq!(
            plan_of(vec![(layer(), None)], false),
            Plan::Direct,
            "the placeholder"
        );
        assert_eq!(Scene::default().layers.len(), 0);
    }
}
