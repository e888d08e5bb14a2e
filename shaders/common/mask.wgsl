// Group 3: a mask of a pass, read smoothly between its texels. Prepended to: passes with a mask. No entry points.

@group(3) @binding(1) var mask_plane: texture_2d<f32>;
@group(3) @binding(4) var mask_sampler: sampler;

fn mask_at(uv: vec2f) -> f32 {
    return textureSampleLevel(mask_plane, mask_sampler, uv, 0.0).r;
}
