// Steps that change each pixel by itself, any number in any order within one pass. Prepended to: passes whose uniform
// `settings` has a member `after: PointOps`, whose `rows` are the vector POINT_ROWS (at most 3) of it. Needs: fullscreen,
// color, table. No entry points.

struct PointOps {
    // Width over height of the picture (x).
    head: vec4f,
    // Three rows of numbers for each step.
    rows: array<vec4f, 24>,
}

// What each step does: POINT_*, 0 for none. Constants of the pipeline: a software adapter would run every branch of every
// step for each pixel, whatever its numbers say.
override POINT_STEP_0: u32 = 0u;
override POINT_STEP_1: u32 = 0u;
override POINT_STEP_2: u32 = 0u;
override POINT_STEP_3: u32 = 0u;
override POINT_STEP_4: u32 = 0u;
override POINT_STEP_5: u32 = 0u;
override POINT_STEP_6: u32 = 0u;
override POINT_STEP_7: u32 = 0u;

const POINT_MATRIX = 1u;
const POINT_GAMMA = 2u;
const POINT_VIBRANCE = 3u;
const POINT_TONE = 4u;
const POINT_LUT = 5u;
const POINT_CHROMA_KEY = 6u;
const POINT_COLOR_KEY = 7u;
const POINT_LUMA_KEY = 8u;
const POINT_VIGNETTE = 9u;

// Chroma (Cb, Cr) of BT.709, full scale.
fn point_chroma(rgb: vec3f) -> vec2f {
    let y = color_luma(rgb);
    return vec2f((rgb.b - y) / COLOR_BT709_CB, (rgb.r - y) / COLOR_BT709_CR);
}

// Shadows and highlights, each -1 to 1; black and white stay.
fn point_tone(rgb: vec3f, shadows: f32, highlights: f32) -> vec3f {
    let y = max(color_luma(rgb), 0.001);
    let dark = (1.0 - y) * (1.0 - y);
    let change = y * (dark * shadows * 1.5 + y * (1.0 - y) * highlights * 1.5);
    return rgb * (1.0 + 0.5 * change / y) + 0.5 * change;
}

fn point_chroma_key(color: vec4f, a: vec4f, b: vec4f) -> vec4f {
    let chroma = point_chroma(color.rgb);
    let alpha = smoothstep(a.z, a.z + a.w, distance(chroma, a.xy));
    // spill: chroma along the key's direction is taken out
    let toward = max(dot(chroma, b.xy), 0.0) * b.z;
    let clean = chroma - toward * b.xy;
    let y = color_luma(color.rgb);
    let red = y + clean.y * COLOR_BT709_CR;
    let blue = y + clean.x * COLOR_BT709_CB;
    let green = (y - COLOR_BT709_LUMA.r * red - COLOR_BT709_LUMA.b * blue) / COLOR_BT709_LUMA.g;
    return vec4f(red, green, blue, color.a * alpha);
}

fn point_vignette(rgb: vec3f, uv: vec2f, aspect: f32, a: vec4f) -> vec3f {
    let from_middle = (uv - 0.5) * 2.0 * vec2f(aspect, 1.0);
    let corner = length(vec2f(aspect, 1.0));
    let far = length(from_middle) / corner;
    return rgb * (1.0 - a.x * smoothstep(a.y, a.y + a.z, far));
}

fn point_step(kind: u32, source: vec4f, uv: vec2f, aspect: f32, a: vec4f, b: vec4f, c: vec4f) -> vec4f {
    var color = source;
    if kind == POINT_MATRIX {
        let v = vec4f(color.rgb, 1.0);
        color = vec4f(dot(a, v), dot(b, v), dot(c, v), color.a);
    }
    if kind == POINT_GAMMA {
        color = vec4f(pow(color.rgb, vec3f(a.x)), color.a);
    }
    if kind == POINT_VIBRANCE {
        let most = max(color.r, max(color.g, color.b));
        let least = min(color.r, min(color.g, color.b));
        let more = 1.0 + a.x * (1.0 - (most - least));
        color = vec4f(mix(vec3f(color_luma(color.rgb)), color.rgb, more), color.a);
    }
    if kind == POINT_TONE {
        color = vec4f(point_tone(color.rgb, a.x, a.y), color.a);
    }
    if kind == POINT_LUT {
        color = vec4f(point_lut(color.rgb, a, b), color.a);
    }
    if kind == POINT_CHROMA_KEY {
        color = point_chroma_key(color, a, b);
    }
    if kind == POINT_COLOR_KEY {
        color.a *= smoothstep(a.w, a.w + b.x, distance(color.rgb, a.rgb));
    }
    if kind == POINT_LUMA_KEY {
        let y = color_luma(color.rgb);
        color.a *= smoothstep(a.x - a.z, a.x, y) * (1.0 - smoothstep(a.y, a.y + a.z, y));
    }
    if kind == POINT_VIGNETTE {
        color = vec4f(point_vignette(color.rgb, uv, aspect, a), color.a);
    }
    return clamp(color, vec4f(0.0), vec4f(1.0));
}

fn point_apply(source: vec4f, vertex: FsVertex) -> vec4f {
    let uv = vertex.uv;
    let n = fs_vectors(vertex);
    let aspect = n[POINT_ROWS - 1].x;
    var color = source;
    if POINT_STEP_0 != 0u {
        color = point_step(POINT_STEP_0, color, uv, aspect, n[POINT_ROWS], n[POINT_ROWS + 1], n[POINT_ROWS + 2]);
    }
    if POINT_STEP_1 != 0u {
        color = point_step(POINT_STEP_1, color, uv, aspect, n[POINT_ROWS + 3], n[POINT_ROWS + 4], n[POINT_ROWS + 5]);
    }
    if POINT_STEP_2 != 0u {
        color = point_step(POINT_STEP_2, color, uv, aspect, n[POINT_ROWS + 6], n[POINT_ROWS + 7], n[POINT_ROWS + 8]);
    }
    if POINT_STEP_3 != 0u {
        color = point_step(POINT_STEP_3, color, uv, aspect, settings.after.rows[9], settings.after.rows[10], settings.after.rows[11]);
    }
    if POINT_STEP_4 != 0u {
        color = point_step(POINT_STEP_4, color, uv, aspect, settings.after.rows[12], settings.after.rows[13], settings.after.rows[14]);
    }
    if POINT_STEP_5 != 0u {
        color = point_step(POINT_STEP_5, color, uv, aspect, settings.after.rows[15], settings.after.rows[16], settings.after.rows[17]);
    }
    if POINT_STEP_6 != 0u {
        color = point_step(POINT_STEP_6, color, uv, aspect, settings.after.rows[18], settings.after.rows[19], settings.after.rows[20]);
    }
    if POINT_STEP_7 != 0u {
        color = point_step(POINT_STEP_7, color, uv, aspect, settings.after.rows[21], settings.after.rows[22], settings.after.rows[23]);
    }
    return color;
}
