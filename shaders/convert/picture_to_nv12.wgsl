// A picture to NV12 (BT.709, limited range), packed four bytes to a texel: a target of width / 4 by height * 3 / 2 whose
// bytes are the luma plane followed by the chroma plane. A quarter of the fragments of one-byte targets, one pass, one
// copy: on software Vulkan a fifth to a quarter cheaper, upload and copies included, than separate R8 and RG8 passes.
// Prepended: picture, color. Entry points: vs, luma (drawn over the upper two thirds), chroma (the lower third).

// The picture is read pixel for pixel: one linear sample in the middle of 2x2 pixels is their exact mean.
override NV12_EXACT: bool = false;

struct Nv12Uniform {
    // Top left of what is shown (xy) and its size (zw), in the picture's uv.
    uv: vec4f,
    // Where the picture may be read: low (xy), high (zw).
    bounds: vec4f,
    // Size of the output in pixels (xy).
    size: vec4f,
}

@group(1) @binding(0) var<uniform> nv12: Nv12Uniform;

@vertex
fn vs(@builtin(vertex_index) index: u32) -> @builtin(position) vec4f {
    let corner = vec2f(f32((index << 1u) & 2u), f32(index & 2u));
    return vec4f(corner.x * 2.0 - 1.0, 1.0 - corner.y * 2.0, 0.0, 1.0);
}

// RGB at a position in output pixels, within the gamut as a stored picture would be.
fn nv12_rgb(pixel: vec2f) -> vec3f {
    let step = nv12.uv.zw / nv12.size.xy;
    let rgba = picture_sample(nv12.uv.xy + pixel * step, step, nv12.bounds.xy, nv12.bounds.zw);
    if PICTURE_KIND == 0u || PICTURE_KIND == 4u {
        return rgba.rgb;
    }
    return clamp(rgba.rgb, vec3f(0.0), vec3f(1.0));
}

@fragment
fn luma(@builtin(position) position: vec4f) -> @location(0) vec4f {
    let x = floor(position.x) * 4.0;
    let y = position.y;
    return vec4f(
        color_luma_limited(nv12_rgb(vec2f(x + 0.5, y))),
        color_luma_limited(nv12_rgb(vec2f(x + 1.5, y))),
        color_luma_limited(nv12_rgb(vec2f(x + 2.5, y))),
        color_luma_limited(nv12_rgb(vec2f(x + 3.5, y))),
    );
}

// Chroma of the 2x2 pixels about `middle` (a corner common to the four).
fn nv12_chroma(middle: vec2f) -> vec2f {
    if NV12_EXACT {
        return color_chroma_limited(nv12_rgb(middle));
    }
    let rgb = nv12_rgb(middle + vec2f(-0.5, -0.5)) + nv12_rgb(middle + vec2f(0.5, -0.5))
        + nv12_rgb(middle + vec2f(-0.5, 0.5)) + nv12_rgb(middle + vec2f(0.5, 0.5));
    return color_chroma_limited(rgb * 0.25);
}

@fragment
fn chroma(@builtin(position) position: vec4f) -> @location(0) vec4f {
    let x = floor(position.x) * 4.0;
    let y = (floor(position.y) - nv12.size.y) * 2.0 + 1.0;
    return vec4f(nv12_chroma(vec2f(x + 1.0, y)), nv12_chroma(vec2f(x + 3.0, y)));
}
