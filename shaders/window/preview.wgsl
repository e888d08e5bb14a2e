// The composed picture in the window, filling the viewport. egui's own shader would do, at some ten times the cost on a
// software adapter: it carries a hand-made texture filter that such adapters run for each pixel even where it is off.
// Prepended: nothing. Entry points: vs (one triangle), fs.

@group(0) @binding(0) var picture: texture_2d<f32>;
@group(0) @binding(1) var picture_sampler: sampler;

struct PreviewVertex {
    @builtin(position) position: vec4f,
    @location(0) uv: vec2f,
}

@vertex
fn vs(@builtin(vertex_index) index: u32) -> PreviewVertex {
    let corner = vec2f(f32((index << 1u) & 2u), f32(index & 2u));
    return PreviewVertex(vec4f(corner.x * 2.0 - 1.0, 1.0 - corner.y * 2.0, 0.0, 1.0), corner);
}

@fragment
fn fs(vertex: PreviewVertex) -> @location(0) vec4f {
    return vec4f(textureSample(picture, picture_sampler, vertex.uv).rgb, 1.0);
}
