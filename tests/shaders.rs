//! The shader table against the `shaders/` folder, naga, and the Rust side's structs and bindings.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::path::Path;

use kaibo::gpu::shader::{ALL, COMMON, STANDALONE, ShaderSource};
use kaibo::gpu::texture::{PICTURE_BINDINGS, PictureBinding};
use kaibo::render::uniform_layouts;
use naga::{AddressSpace, ImageClass, ScalarKind, TypeInner};

fn parse(source: &ShaderSource) -> Result<naga::Module, String> {
    let text = source.text();
    naga::front::wgsl::parse_str(&text).map_err(|e| e.emit_to_string_with_path(&text, source.name))
}

fn modules() -> Vec<(&'static ShaderSource, naga::Module)> {
    let parsed = |s: &ShaderSource| parse(s).unwrap_or_else(|e| panic!("{e}"));
    ALL.iter().map(|s| (*s, parsed(s))).collect()
}

fn files(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, root, found);
        } else {
            let name = path.strip_prefix(root).unwrap().with_extension("");
            assert_eq!(path.extension().unwrap(), "wgsl", "{}", path.display());
            found.insert(name.to_string_lossy().replace('\\', "/"));
        }
    }
}

#[test]
fn the_table_and_the_folder_hold_the_same_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut on_disk = BTreeSet::new();
    files(&root, &root, &mut on_disk);
    let passes = ALL.iter().map(|s| s.name.to_owned());
    let in_table: BTreeSet<String> = passes
        .chain(COMMON.iter().map(|c| c.name.to_owned()))
        .chain(STANDALONE.iter().map(|c| c.name.to_owned()))
        .collect();
    assert_eq!(on_disk, in_table);
    let prepended: BTreeSet<&str> = ALL.iter().flat_map(|s| s.prepend).map(|c| c.name).collect();
    let common: BTreeSet<&str> = COMMON.iter().map(|c| c.name).collect();
    assert_eq!(common, prepended, "every common file is used");
}

#[test]
fn every_shader_parses_and_validates() {
    let check = |source: &&ShaderSource| {
        let module = match parse(source) {
            Ok(module) => module,
            Err(error) => return Some(error),
        };
        let mut validator = naga::valid::Validator::new(
            naga::valid::ValidationFlags::all(),
            naga::valid::Capabilities::empty(),
        );
        let error = validator.validate(&module).err()?;
        Some(error.emit_to_string_with_path(&source.text(), source.name))
    };
    let mut failures: Vec<String> = ALL.iter().filter_map(check).collect();
    failures.extend(STANDALONE.iter().filter_map(|source| {
        let error = naga::front::wgsl::parse_str(source.code).err()?;
        Some(error.emit_to_string_with_path(source.code, source.name))
    }));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The same uniform, read as plain vectors by the common vertex stage.
fn is_vertex_view(variable: &naga::GlobalVariable) -> bool {
    variable.name.as_deref() == Some("fs_numbers")
}

#[test]
fn uniform_structs_lie_as_in_rust() {
    let layouts = uniform_layouts();
    let mut seen = BTreeSet::new();
    for (source, module) in modules() {
        for (_, variable) in module.global_variables.iter() {
            if variable.space != AddressSpace::Uniform || is_vertex_view(variable) {
                continue;
            }
            let ty = &module.types[variable.ty];
            let name = ty.name.as_deref().unwrap();
            let layout = layouts
                .iter()
                .find(|l| l.name == name)
                .unwrap_or_else(|| panic!("{}: no Rust struct {name}", source.name));
            let TypeInner::Struct { members, span } = &ty.inner else {
                panic!("{name} is no struct");
            };
            let offset = |m: &naga::StructMember| (m.name.clone().unwrap(), m.offset as usize);
            let wgsl: Vec<_> = members.iter().map(offset).collect();
            let rust: Vec<_> = layout
                .members
                .iter()
                .map(|(n, o)| ((*n).to_owned(), *o))
                .collect();
            assert_eq!(wgsl, rust, "{}: {name}", source.name);
            assert_eq!(*span as usize, layout.size, "{}: {name}", source.name);
            seen.insert(layout.name);
        }
    }
    assert_eq!(
        seen.len(),
        layouts.len(),
        "every Rust struct is used by a shader: {seen:?}"
    );
}

#[test]
fn entry_points_and_bindings_are_the_declared_ones() {
    for (source, module) in modules() {
        let of_stage = |stage| -> Vec<&str> {
            let points = module.entry_points.iter().filter(|e| e.stage == stage);
            points.map(|e| e.name.as_str()).collect()
        };
        assert_eq!(
            of_stage(naga::ShaderStage::Vertex),
            [source.vertex],
            "{}",
            source.name
        );
        assert_eq!(
            of_stage(naga::ShaderStage::Fragment),
            source.fragments,
            "{}",
            source.name
        );

        let mut bound = BTreeSet::new();
        for (_, variable) in module.global_variables.iter() {
            let Some(binding) = &variable.binding else {
                continue;
            };
            let at = (binding.group, binding.binding);
            let ty = &module.types[variable.ty];
            let fits = match at {
                (0, n) => is_picture_binding(PICTURE_BINDINGS[n as usize], ty),
                (1, 0) => ty.name.as_deref() == Some(source.uniform) || is_vertex_view(variable),
                // another picture, bound with the same layout; only the plane and the sampler are of use
                (2 | 3, n @ (1 | 4)) => is_picture_binding(PICTURE_BINDINGS[n as usize], ty),
                _ => false,
            };
            assert!(fits, "{}: {at:?} is {ty:?}", source.name);
            bound.insert(at);
        }
        let extras = (2..2 + source.extras).flat_map(|group| [(group, 1), (group, 4)]);
        let table = source.has_table().then_some([(3, 1), (3, 4)]);
        let picture = (0..5).map(|n| (0, n));
        let expected: BTreeSet<_> = picture
            .chain([(1, 0)])
            .chain(extras)
            .chain(table.into_iter().flatten())
            .collect();
        assert_eq!(bound, expected, "{}", source.name);
    }
}

fn is_picture_binding(expected: PictureBinding, ty: &naga::Type) -> bool {
    match (expected, &ty.inner) {
        (PictureBinding::Uniform, TypeInner::Struct { .. }) => {
            ty.name.as_deref() == Some("PictureUniform")
        }
        (
            PictureBinding::Plane,
            TypeInner::Image {
                dim,
                arrayed,
                class,
            },
        ) => {
            let float = ImageClass::Sampled {
                kind: ScalarKind::Float,
                multi: false,
            };
            *dim == naga::ImageDimension::D2 && !arrayed && *class == float
        }
        (PictureBinding::Sampler, TypeInner::Sampler { comparison }) => !comparison,
        _ => false,
    }
}
