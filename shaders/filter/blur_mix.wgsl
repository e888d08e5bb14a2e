// The blurred picture (the extra one) at full size, with a sharp oval kept in it, then per-pixel steps.
// Prepended: fullscreen, picture, color, extra, table, point. Entry points: fs_fullscreen, fs.

struct BlurMixUniform {
    // Middle of the sharp oval in uv (xy), its half sides in uv (zw); none when they are 0.
    sharp: vec4f,
    after: PointOps,
}

@group(1) @binding(0) var<uniform> settings: BlurMixUniform;
const POINT_ROWS = 2;

// Share of the oval over which it turns from sharp to blurred.
const SOFT = 0.4;

@fragment
fn fs(vertex: FsVertex) -> @location(0) vec4f {
    let sharp = vertex.n0;
    var color = extra_at(vertex.uv);
    if PICTURE_KIND != 4u {
        color.a = 1.0;
    }
    if sharp.z > 0.0 {
        let far = length((vertex.uv - sharp.xy) / sharp.zw);
        color = mix(picture_at(vertex.uv), color, smoothstep(1.0 - SOFT, 1.0, far));
    }
    return point_apply(clamp(color, vec4f(0.0), vec4f(1.0)), vertex);
}
