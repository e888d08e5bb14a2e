//! The running filters of a layer or of the whole picture: per-pixel steps that stand side by side become one pass, or part
//! of the pass before them. Render thread.

use std::sync::Arc;

use super::lut::LutSettings;
use super::point::{ColorTable, PointOps, PointStep, PointUniform};
use super::{Built, FilterSpec, Updated, tables};
use crate::gpu::PassError;
use crate::gpu::pass::{FilterPass, PassContext, Variant};
use crate::gpu::shader::FILTER_POINT;
use crate::gpu::texture::GpuFrame;

/// The running filters of a layer or of the whole picture.
#[derive(Default)]
pub(in crate::render) struct FilterChain {
    specs: Vec<FilterSpec>,
    built: Vec<Built>,
    /// Failed, and stay off until their settings change.
    off: Vec<bool>,
    passes: Vec<Pass>,
    /// [`tables::changes`] when the colour tables were asked for.
    tables: u64,
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

struct Table {
    table: Arc<ColorTable>,
    /// On the GPU, once used.
    picture: Option<GpuFrame>,
}

impl FilterChain {
    /// Makes the chain what `specs` say, keeping what can be kept.
    pub(in crate::render) fn sync(&mut self, specs: &[FilterSpec]) {
        let has_table = |spec: &FilterSpec| spec.settings::<LutSettings>().is_some();
        // read before the tables are: one that comes in between is seen next time
        let tables = tables::changes();
        let new_tables = self.tables != tables;
        if self.specs == specs && !(new_tables && specs.iter().any(has_table)) {
            return;
        }
        self.tables = tables;
        self.built.truncate(specs.len());
        self.off.resize(specs.len(), false);
        for (n, spec) in specs.iter().enumerate() {
            let same = self.specs.get(n) == Some(spec);
            self.off[n] &= same;
            let kept = match self.built.get_mut(n) {
                Some(_) if same && !(new_tables && has_table(spec)) => true,
                Some(Built::Passes(filter)) => filter.update(spec) == Updated::Live,
                _ => false,
            };
            if !kept {
                let built = spec.build();
                match self.built.get_mut(n) {
                    Some(old) => *old = built,
                    None => self.built.push(built),
                }
            }
        }
        self.specs = specs.to_vec();
        self.plan();
    }

    /// Lays the steps out in as few passes as can be.
    fn plan(&mut self) {
        let old = std::mem::take(&mut self.passes);
        let active = self.built.iter().zip(&self.specs).enumerate();
        let runs = |n: usize, spec: &FilterSpec| !self.off[n] && !spec.is_noop();
        for (n, (built, _)) in active.filter(|(n, (_, spec))| runs(*n, spec)) {
            match built {
                Built::Passes(_) => self.passes.push(Pass {
                    filter: Some(n),
                    members: Vec::new(),
                    points: PointOps::NONE,
                    table: None,
                }),
                Built::Points(steps) => {
                    for step in steps {
                        if !joins(&self.built, self.passes.last_mut(), step) {
                            let mut pass = Pass {
                                filter: None,
                                members: Vec::new(),
                                points: PointOps::NONE,
                                table: None,
                            };
                            // an empty pass takes any step
                            let _taken = join(&mut pass, step);
                            self.passes.push(pass);
                        }
                        if let Some(pass) = self.passes.last_mut()
                            && pass.members.last() != Some(&n)
                        {
                            pass.members.push(n);
                        }
                    }
                }
            }
        }
        // tables that are on the GPU already stay there
        let known: Vec<Table> = old.into_iter().filter_map(|p| p.table).collect();
        for table in self.passes.iter_mut().filter_map(|p| p.table.as_mut()) {
            let same = known.iter().find(|k| Arc::ptr_eq(&k.table, &table.table));
            table.picture = same.and_then(|k| k.picture.clone());
        }
    }

    /// Runs all filters in order. One that fails changes nothing, and is off until its settings change: the show goes on.
    pub(in crate::render) fn apply(
        &mut self,
        cx: &mut PassContext<'_>,
        mut frame: GpuFrame,
    ) -> GpuFrame {
        let mut failed = Vec::new();
        for (at, pass) in self.passes.iter_mut().enumerate() {
            let filter = pass.filter.and_then(|n| self.built.get_mut(n));
            let result = match filter {
                Some(Built::Passes(filter)) => filter.apply(cx, frame.clone(), &pass.points),
                _ => run_points(cx, &frame, &pass.points, pass.table.as_mut()),
            };
            match result {
                Ok(done) => frame = done,
                Err(error) => failed.push((at, error)),
            }
        }
        self.turn_off(&failed);
        frame
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
        self.plan();
    }
}

/// Puts `step` into the pass before it, where that can be.
fn joins(built: &[Built], pass: Option<&mut Pass>, step: &PointStep) -> bool {
    let Some(pass) = pass else { return false };
    let can = match pass.filter.and_then(|n| built.get(n)) {
        Some(Built::Passes(filter)) => {
            filter.runs_points() && step.table.is_none() && !step.kind.adds_alpha()
        }
        _ => true,
    };
    can && join(pass, step)
}

/// Adds `step`; false when the pass is full or has another table.
fn join(pass: &mut Pass, step: &PointStep) -> bool {
    if step.table.is_some() && pass.table.is_some() || !pass.points.push(step) {
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

fn run_points(
    cx: &mut PassContext<'_>,
    input: &GpuFrame,
    points: &PointOps,
    table: Option<&mut Table>,
) -> Result<GpuFrame, PassError> {
    let mut numbers = [0.0; 4];
    let mut picture = None;
    if let Some(table) = table {
        let ColorTable {
            cells,
            columns,
            resolution,
            ref rgba,
        } = *table.table;
        #[expect(clippy::cast_precision_loss, reason = "sides of a texture")]
        {
            numbers = [cells, columns, resolution.width, resolution.height].map(|v| v as f32);
        }
        if table.picture.is_none() {
            table.picture = Some(cx.upload_rgba(resolution, rgba)?);
        }
        picture.clone_from(&table.picture);
    }
    let plain = FilterPass::plain(&FILTER_POINT);
    let pass = FilterPass {
        variant: Variant {
            option: picture.is_some().then_some("POINT_TABLE"),
            points: points.kinds(),
            ..plain.variant
        },
        // without a table nothing is read there, but something must be bound
        extras: &[picture.as_ref().unwrap_or(input)],
        adds_alpha: points.adds_alpha(),
        ..plain
    };
    cx.filter(
        input,
        pass,
        PointUniform::new(numbers, points.numbers(input.resolution())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::filter::beauty::BeautySettings;
    use crate::render::filter::color::ColorSettings;

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
        let count = |specs: &[FilterSpec]| {
            let mut chain = FilterChain::default();
            chain.sync(specs);
            chain.passes.len()
        };
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
        let run = |chain: &FilterChain| -> Vec<(Option<usize>, Vec<usize>)> {
            let passes = chain.passes.iter();
            passes.map(|p| (p.filter, p.members.clone())).collect()
        };
        let mut chain = FilterChain::default();
        chain.sync(&specs);
        assert_eq!(run(&chain), [(Some(0), vec![1])]);
        chain.turn_off(&[(0, error())]);
        assert_eq!(run(&chain), [(None, vec![1])], "colours go on");
        chain.sync(&specs);
        assert_eq!(run(&chain), [(None, vec![1])], "the same settings");
        chain.turn_off(&[(0, error())]);
        assert_eq!(run(&chain), []);
        let other = [specs[0].clone(), color(1.3, 1.1)];
        chain.sync(&other);
        assert_eq!(run(&chain), [(None, vec![1])], "new settings, new try");
        chain.sync(&[FilterSpec::Beauty(BeautySettings::STRONG), other[1].clone()]);
        assert_eq!(run(&chain), [(Some(0), vec![1])]);
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
        let mut chain = FilterChain::default();
        chain.sync(&[lut("none.cube")]);
        assert_eq!(chain.passes.len(), 0, "nothing while there is no table");
        let text = "LUT_3D_SIZE 2\n0 0 0\n1 0 0\n0 1 0\n1 1 0\n0 0 1\n1 0 1\n0 1 1\n1 1 1\n";
        std::fs::write(dir.path().join("a.cube"), text).unwrap();
        lut("a.cube").check().unwrap();
        let held = |chain: &FilterChain| {
            let table = chain.passes.iter().find_map(|p| p.table.as_ref());
            Arc::clone(&table.unwrap().table)
        };
        chain.sync(&[lut("a.cube")]);
        let before = held(&chain);
        chain.sync(&[lut("a.cube"), color(1.2, 1.0)]);
        assert!(Arc::ptr_eq(&before, &held(&chain)));
    }
}
