//! The running filters of a layer or of the whole picture: per-pixel steps that stand side by side become one pass, or part
//! of the pass before them. Settings that need passes which are not compiled wait for them; until then the old ones run, and
//! what is to be hidden is covered. Render thread.

use std::sync::Arc;

use super::cover::{Area, cover};
use super::lut::LutSettings;
use super::point::{ColorTable, PointOps, PointStep, PointUniform};
use super::{Built, FilterSpec, tables};
use crate::capture::SourceSpec;
use crate::gpu::PassError;
use crate::gpu::pass::{FilterPass, PassContext, Variant};
use crate::gpu::shader::FILTER_POINT;
use crate::gpu::texture::GpuFrame;
use crate::media::video::Resolution;

/// The running filters of a layer or of the whole picture.
#[derive(Default)]
pub(in crate::render) struct FilterChain {
    /// Whose pictures these are: another source never gets what was made for this one.
    source: Option<SourceSpec>,
    now: Running,
    /// What `now` is to be once its passes are compiled.
    next: Option<Running>,
    /// It had settings before, which can go on until the new ones can be run.
    synced: bool,
    /// This tick's picture was made with the old settings.
    behind: bool,
    /// [`tables::changes`] when the colour tables were asked for.
    tables: u64,
}

/// Filters with certain settings.
#[derive(Default)]
struct Running {
    specs: Vec<FilterSpec>,
    built: Vec<Built>,
    /// Failed, and stay off until their settings change; one that hides something covers it instead.
    off: Vec<bool>,
    passes: Vec<Pass>,
}

/// What is run.
struct Pass {
    /// Index of a filter with passes of its own; `None` runs only `points`.
    filter: Option<usize>,
    /// Indices of the filters that `points` are of.
    members: Vec<usize>,
    points: PointOps,
    table: Option<Table>,
}

impl Pass {
    fn of(filter: Option<usize>) -> Self {
        Self {
            filter,
            members: Vec::new(),
            points: PointOps::NONE,
            table: None,
        }
    }
}

struct Table {
    table: Arc<ColorTable>,
    /// On the GPU, once used.
    picture: Option<GpuFrame>,
}

impl Table {
    fn upload(&mut self, cx: &mut PassContext<'_>) -> Result<GpuFrame, PassError> {
        if let Some(there) = &self.picture {
            return Ok(there.clone());
        }
        let picture = cx.upload_rgba(self.table.resolution, &self.table.rgba)?;
        Ok(self.picture.insert(picture).clone())
    }
}

impl FilterChain {
    /// Makes the chain what `specs` say: as soon as that can be run without waiting for a driver, or `at_once`. `source`
    /// delivers the pictures; none for the whole picture.
    pub(in crate::render) fn sync(
        &mut self,
        source: Option<&SourceSpec>,
        specs: &[FilterSpec],
        at_once: bool,
    ) {
        let same = match (&self.source, source) {
            (Some(old), Some(new)) => old.is_same_device(new),
            (old, new) => old.is_none() && new.is_none(),
        };
        if !same {
            *self = Self {
                source: source.cloned(),
                ..Self::default()
            };
        }
        let first = !std::mem::replace(&mut self.synced, true);
        self.behind = false;
        let has_table = |spec: &FilterSpec| spec.settings::<LutSettings>().is_some();
        // read before the tables are: one that comes in between is seen next time
        let tables = tables::changes();
        let new_tables = std::mem::replace(&mut self.tables, tables) != tables;
        let latest = self.next.as_ref().unwrap_or(&self.now);
        if latest.specs == specs && !(new_tables && specs.iter().any(has_table)) {
            return;
        }
        let next = Running::new(specs, latest);
        if next.passes.is_empty() || first || at_once {
            (self.now, self.next) = (next, None);
        } else {
            self.next = Some(next);
        }
    }

    /// Runs all filters in order. One that fails changes nothing, and is off until its settings change: the show goes on.
    pub(in crate::render) fn apply(
        &mut self,
        cx: &mut PassContext<'_>,
        frame: GpuFrame,
    ) -> GpuFrame {
        if let Some(mut next) = self.next.take() {
            if next.is_ready(cx, &frame) {
                self.now = next;
            } else {
                self.next = Some(next);
            }
        }
        self.behind = self.next.is_some();
        let done = self.now.run(cx, frame);
        match &self.next {
            Some(next) => {
                let hidden = next.newly_hidden(&self.now, done.resolution());
                cover(cx, done, &hidden)
            }
            None => done,
        }
    }

    /// What was applied in this tick are old settings: the new ones wait for their passes.
    pub(in crate::render) const fn is_behind(&self) -> bool {
        self.behind
    }

    /// An upper bound of the uniforms of a picture; a filter runs at most eight passes, and is covered by two.
    pub(in crate::render) fn most_uniforms(&self) -> usize {
        let waiting = self.next.as_ref().map_or(0, |next| next.specs.len());
        (self.now.specs.len() + waiting) * 10
    }

    /// Names of the filters that the driver refused.
    pub(in crate::render) fn failed(&self) -> impl Iterator<Item = &'static str> {
        let filters = self.now.off.iter().zip(&self.now.specs);
        filters.filter(|(off, _)| **off).map(|(_, s)| s.name())
    }
}

impl Running {
    /// Filters of `specs`, with what can be kept of `old`.
    fn new(specs: &[FilterSpec], old: &Self) -> Self {
        let failed = |(n, spec)| old.off.get(n) == Some(&true) && old.specs.get(n) == Some(spec);
        let mut new = Self {
            specs: specs.to_vec(),
            built: specs.iter().map(FilterSpec::build).collect(),
            off: specs.iter().enumerate().map(failed).collect(),
            passes: Vec::new(),
        };
        new.plan(&old.passes);
        new
    }

    /// Lays the steps out in as few passes as can be.
    fn plan(&mut self, old: &[Pass]) {
        let mut passes: Vec<Pass> = Vec::new();
        let active = self.built.iter().zip(&self.specs).enumerate();
        for (n, (built, _)) in active.filter(|(_, (_, spec))| !spec.is_noop()) {
            match built {
                // any size will do: parts are shares of the picture
                Built::Passes(filter)
                    if !self.off[n] || filter.hidden(Resolution::HD).is_some() =>
                {
                    passes.push(Pass::of(Some(n)));
                }
                Built::Points(steps) if !self.off[n] => {
                    for step in steps {
                        if !joins(&self.built, &self.off, passes.last_mut(), step) {
                            let mut pass = Pass::of(None);
                            // an empty pass takes any step
                            let _taken = join(&mut pass, step);
                            passes.push(pass);
                        }
                        if let Some(pass) = passes.last_mut()
                            && pass.members.last() != Some(&n)
                        {
                            pass.members.push(n);
                        }
                    }
                }
                _ => {}
            }
        }
        // tables that are on the GPU already stay there
        let known = || old.iter().filter_map(|p| p.table.as_ref());
        for table in passes.iter_mut().filter_map(|p| p.table.as_mut()) {
            let same = known().find(|k| Arc::ptr_eq(&k.table, &table.table));
            table.picture = same.and_then(|k| k.picture.clone());
        }
        self.passes = passes;
    }

    /// All passes for pictures like `frame` are compiled; starts that if not.
    fn is_ready(&mut self, cx: &mut PassContext<'_>, frame: &GpuFrame) -> bool {
        cx.dry = Some(Vec::new());
        let mut frame = frame.clone();
        for at in 0..self.passes.len() {
            if !self.is_off(at) {
                // what fails fails again when it is run, where it is seen to
                frame = self.run_pass(cx, at, &frame).unwrap_or(frame);
            }
        }
        let needed = cx.dry.take().unwrap_or_default();
        cx.pipelines.prepare(&needed)
    }

    fn run(&mut self, cx: &mut PassContext<'_>, mut frame: GpuFrame) -> GpuFrame {
        let mut failed = Vec::new();
        for at in 0..self.passes.len() {
            if !self.is_off(at) {
                match self.run_pass(cx, at, &frame) {
                    Ok(done) => {
                        frame = done;
                        continue;
                    }
                    Err(error) => failed.push((at, error)),
                }
            }
            let filter = self.passes[at].filter;
            let hidden = filter.and_then(|n| self.hidden(n, frame.resolution()));
            frame = cover(cx, frame, hidden.as_slice());
        }
        self.turn_off(&failed);
        frame
    }

    fn run_pass(
        &mut self,
        cx: &mut PassContext<'_>,
        at: usize,
        frame: &GpuFrame,
    ) -> Result<GpuFrame, PassError> {
        let pass = &mut self.passes[at];
        cx.table = match &mut pass.table {
            Some(table) => Some(table.upload(cx)?),
            None => None,
        };
        let done = match pass.filter.and_then(|n| self.built.get_mut(n)) {
            Some(Built::Passes(filter)) => filter.apply(cx, frame.clone(), &pass.points),
            _ => run_points(cx, frame, &pass.points),
        };
        cx.table = None;
        done
    }

    /// The pass is of a filter that failed, which hides something.
    fn is_off(&self, at: usize) -> bool {
        self.passes[at].filter.is_some_and(|n| self.off[n])
    }

    /// The part that filter `n` hides on a picture of this size.
    fn hidden(&self, n: usize, size: Resolution) -> Option<Area> {
        match &self.built[n] {
            Built::Passes(filter) if !self.specs[n].is_noop() => filter.hidden(size),
            _ => None,
        }
    }

    /// What these filters hide and `other` does not.
    fn newly_hidden(&self, other: &Self, size: Resolution) -> Vec<Area> {
        let new = (0..self.specs.len()).filter(|n| !other.specs.contains(&self.specs[*n]));
        new.filter_map(|n| self.hidden(n, size)).collect()
    }

    /// Lays the passes out anew without the filters whose pass failed. Steps that only shared a filter's pass get another
    /// try in one of their own.
    fn turn_off(&mut self, failed: &[(usize, PassError)]) {
        if failed.is_empty() {
            return;
        }
        for (at, error) in failed {
            let pass = &self.passes[*at];
            let culprits = match &pass.filter {
                Some(n) => std::slice::from_ref(n),
                None => &pass.members,
            };
            for n in culprits {
                self.off[*n] = true;
                let filter = self.specs[*n].name();
                tracing::warn!(filter, %error, "filter failed: off until its settings change");
            }
        }
        let old = std::mem::take(&mut self.passes);
        self.plan(&old);
    }
}

/// Puts `step` into the pass before it, where that can be.
fn joins(built: &[Built], off: &[bool], pass: Option<&mut Pass>, step: &PointStep) -> bool {
    let Some(pass) = pass else { return false };
    let can = match pass.filter.and_then(|n| Some((built.get(n)?, off[n]))) {
        Some((Built::Passes(filter), off)) => {
            !off && filter.runs_points() && !step.kind.adds_alpha()
        }
        _ => true,
    };
    can && join(pass, step)
}

/// Adds `step`; false when the pass is full or has another table.
fn join(pass: &mut Pass, step: &PointStep) -> bool {
    if !pass.points.push(step) {
        return false;
    }
    if let Some(table) = &step.table {
        pass.table = Some(Table {
            table: Arc::clone(table),
            picture: None,
        });
    }
    true
}

/// A picture of our own that shows the same.
pub(super) fn drawn(cx: &mut PassContext<'_>, input: &GpuFrame) -> Result<GpuFrame, PassError> {
    run_points(cx, input, &PointOps::NONE)
}

fn run_points(
    cx: &mut PassContext<'_>,
    input: &GpuFrame,
    points: &PointOps,
) -> Result<GpuFrame, PassError> {
    let plain = FilterPass::plain(&FILTER_POINT);
    let pass = FilterPass {
        variant: Variant {
            points: points.kinds(),
            ..plain.variant
        },
        adds_alpha: points.adds_alpha(),
        ..plain
    };
    cx.filter(input, pass, PointUniform::new(points, input.resolution()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::filter::beauty::BeautySettings;
    use crate::render::filter::color::ColorSettings;
    use crate::render::filter::pixelate::PixelateSettings;

    fn color(contrast: f32, gamma: f32) -> FilterSpec {
        FilterSpec::Color(ColorSettings {
            contrast,
            gamma,
            ..ColorSettings::default()
        })
    }

    #[test]
    fn neighbours_share_a_pass() {
        let beauty = FilterSpec::Beauty(BeautySettings::NATURAL);
        let count = |specs: &[FilterSpec]| Running::new(specs, &Running::default()).passes.len();
        let both = color(1.2, 1.1);
        assert_eq!(count(&[]), 0);
        assert_eq!(count(&[color(1.0, 1.0)]), 0, "no-ops are not run");
        assert_eq!(count(&[both.clone(), both.clone(), both.clone()]), 1);
        assert_eq!(count(&[beauty.clone(), both.clone()]), 1, "behind a filter");
        assert_eq!(count(&[both.clone(), beauty.clone()]), 2);
        assert_eq!(count(&vec![both; 5]), 2, "ten steps do not fit one pass");
        let off = FilterSpec::Beauty(BeautySettings::default());
        assert_eq!(count(&[color(1.2, 1.0), off, color(1.3, 1.0)]), 1);
    }

    #[test]
    fn a_filter_that_fails_is_off_until_its_settings_change() {
        let error = || PassError::Pipeline {
            name: "x".to_owned(),
            reason: "y".to_owned(),
        };
        let beauty = FilterSpec::Beauty(BeautySettings::NATURAL);
        let specs = [beauty, color(1.2, 1.1)];
        let run = |running: &Running| -> Vec<(Option<usize>, Vec<usize>)> {
            let passes = running.passes.iter();
            passes.map(|p| (p.filter, p.members.clone())).collect()
        };
        let mut running = Running::new(&specs, &Running::default());
        assert_eq!(run(&running), [(Some(0), vec![1])]);
        running.turn_off(&[(0, error())]);
        assert_eq!(run(&running), [(None, vec![1])], "colours go on");
        let mut again = Running::new(&specs, &running);
        assert_eq!(run(&again), [(None, vec![1])], "the same settings");
        again.turn_off(&[(0, error())]);
        assert_eq!(run(&again), []);
        let other = [specs[0].clone(), color(1.3, 1.1)];
        let other = Running::new(&other, &again);
        assert_eq!(run(&other), [(None, vec![1])], "new settings, new try");
        let specs = [FilterSpec::Beauty(BeautySettings::STRONG), color(1.3, 1.1)];
        assert_eq!(run(&Running::new(&specs, &other)), [(Some(0), vec![1])]);
    }

    #[test]
    fn what_hides_something_goes_on_hiding_when_it_fails() {
        let mosaic = PixelateSettings {
            width: 20.0,
            height: 20.0,
            ..PixelateSettings::default()
        };
        let specs = [FilterSpec::Pixelate(mosaic), color(1.2, 1.1)];
        let mut running = Running::new(&specs, &Running::default());
        running.turn_off(&[(
            0,
            PassError::Pipeline {
                name: "x".to_owned(),
                reason: "y".to_owned(),
            },
        )]);
        let passes: Vec<_> = running.passes.iter().map(|p| p.filter).collect();
        assert_eq!(passes, [Some(0), None]);
        assert!(running.is_off(0));
        let size = Resolution::new(100, 50);
        assert_eq!(running.hidden(0, size), Some([40.0, 20.0, 60.0, 30.0]));
        // settings that wait hide their part at once, unless it is hidden already
        let before = Running::new(&specs[1..], &Running::default());
        let after = Running::new(&specs, &before);
        assert_eq!(after.newly_hidden(&before, size).len(), 1);
        assert!(after.newly_hidden(&after, size).is_empty());
    }

    #[test]
    fn another_source_never_gets_the_chain_of_the_one_before() {
        let mut chain = FilterChain::default();
        let (test, color_source) = (
            SourceSpec::Test {},
            SourceSpec::Color(crate::capture::still::ColorSettings::default()),
        );
        chain.sync(Some(&test), &[], false);
        chain.sync(Some(&test), &[color(1.2, 1.0)], false);
        assert!(chain.next.is_some(), "what was shown before goes on");
        chain.sync(Some(&test), &[], false);
        assert!(chain.next.is_none(), "nothing to wait for");
        chain.sync(Some(&test), &[color(1.2, 1.0)], false);
        chain.sync(Some(&color_source), &[color(1.3, 1.0)], false);
        assert!(chain.next.is_none(), "there is nothing to go on with");
        assert_eq!(chain.now.specs, [color(1.3, 1.0)]);
    }

    #[test]
    fn a_table_that_is_there_stays_when_others_change() {
        let dir = tempfile::tempdir().unwrap();
        let lut = |name: &str| {
            FilterSpec::Lut(LutSettings {
                path: dir.path().join(name),
                strength: 100.0,
            })
        };
        let empty = Running::new(&[lut("none.cube")], &Running::default());
        assert_eq!(empty.passes.len(), 0, "nothing while there is no table");
        let text = "LUT_3D_SIZE 2\n0 0 0\n1 0 0\n0 1 0\n1 1 0\n0 0 1\n1 0 1\n0 1 1\n1 1 1\n";
        std::fs::write(dir.path().join("a.cube"), text).unwrap();
        lut("a.cube").check().unwrap();
        let held = |running: &Running| {
            let table = running.passes.iter().find_map(|p| p.table.as_ref());
            Arc::clone(&table.unwrap().table)
        };
        let one = Running::new(&[lut("a.cube")], &empty);
        let two = Running::new(&[lut("a.cube"), color(1.2, 1.0)], &one);
        assert!(Arc::ptr_eq(&held(&one), &held(&two)));
        let beauty = FilterSpec::Beauty(BeautySettings::NATURAL);
        let behind = Running::new(&[beauty, lut("a.cube")], &one);
        assert_eq!(behind.passes.len(), 1, "in the pass of the filter before");
    }
}
