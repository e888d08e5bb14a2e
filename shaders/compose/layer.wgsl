// One layer: a picture placed on the output as a rectangle, cropped, turned, faded. Writes premultiplied alpha.
// Prepended: picture. Entry points: vs (a strip of 4 vertices), fs.

// Fade the rectangle's edge over one pixel; only turned layers need it, the others end on pixel borders.
override LAYER_SOFT_EDGE: bool = false;
// The picture is premultiplied (watermarks are).
override LAYER_PREMULTIPLIED: bool = false;

struct LayerUniform {
    // Rows of the matrix from the unit square (x, y, 1) to clip space (xyz used).
    clip_x: vec4f,
    clip_y: vec4f,
    // Top left (xy) and size (zw) of what is shown, in the picture's uv.
    uv: vec4f,
    // Where the picture may be read: low (xy), high (zw).
    bounds: vec4f,
    // Size of the rectangle in output pixels (xy), opacity (z).
    size_opacity: vec4f,
}

@group(1) @binding(0) var<uniform> layer: LayerUniform;

struct LayerVertex {
    @builtin(position) position: vec4f,
    // On the rectangle, 0 to 1.
    @location(0) local: vec2f,
}

@vertex
fn vs(@builtin(vertex_index) index: u32) -> LayerVertex {
    var local = vec2f(f32(index & 1u), f32(index >> 1u));
    if LAYER_SOFT_EDGE {
        // one pixel larger on each side, room for the fade
        local += (local * 2.0 - 1.0) / layer.size_opacity.xy;
    }
    let p = vec3f(local, 1.0);
    return LayerVertex(vec4f(dot(layer.clip_x.xyz, p), dot(layer.clip_y.xyz, p), 0.0, 1.0), local);
}

@fragment
fn fs(vertex: LayerVertex) -> @location(0) vec4f {
    let step = layer.uv.zw / layer.size_opacity.xy;
    let uv = layer.uv.xy + vertex.local * layer.uv.zw;
    let color = clamp(picture_sample(uv, step, layer.bounds.xy, layer.bounds.zw), vec4f(0.0), vec4f(1.0));
    if LAYER_PREMULTIPLIED {
        return color * layer.size_opacity.z;
    }
    var alpha = color.a * layer.size_opacity.z;
    if LAYER_SOFT_EDGE {
        let inside = min(vertex.local, 1.0 - vertex.local) * layer.size_opacity.xy;
        alpha *= clamp(min(inside.x, inside.y) + 0.5, 0.0, 1.0);
    }
    return vec4f(color.rgb * alpha, alpha);
}
