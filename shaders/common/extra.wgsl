// Group 2: a second picture of a pass (RGBA, one plane), read with its own sampler.
// Prepended to: passes that combine two pictures. No entry points.

@group(2) @binding(1) var extra_plane: texture_2d<f32>;
@group(2) @binding(4) var extra_sampler: sampler;

fn extra_at(uv: vec2f) -> vec4f {
    return textureSampleLevel(extra_plane, extra_sampler, uv, 0.0);
}
