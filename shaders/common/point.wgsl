// Steps that change each pixel by itself, any number in any order within one pass. Prepended to: passes whose uniform
// `settings` has a member `after: PointOps`, and that define point_lut. Needs: color. No entry points.

struct PointOps {
    // How many steps (x); width over height of the picture in y, as a share of 1000.
    head: vec4u,
    // What each does: POINT_*.
    kinds: array<vec4u, 2>,
    // Three rows of numbers for each.
    rows: array<vec4f, 24>,
}

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

fn point_vignette(rgb: vec3f, uv: vec2f, a: vec4f) -> vec3f {
    let from_middle = (uv - 0.5) * 2.0 * vec2f(f32(settings.after.head.y) / 1000.0, 1.0);
    let corner = length(vec2f(f32(settings.after.head.y) / 1000.0, 1.0));
    let far = length(from_middle) / corner;
    return rgb * (1.0 - a.x * smoothstep(a.y, a.y + a.z, far));
}

fn point_apply(source: vec4f, uv: vec2f) -> vec4f {
    var color = source;
    for (var i = 0u; i < settings.after.head.x; i++) {
        let a = settings.after.rows[i * 3u];
        let b = settings.after.rows[i * 3u + 1u];
        let c = settings.after.rows[i * 3u + 2u];
        switch settings.after.kinds[i / 4u][i % 4u] {
            case POINT_MATRIX: {
                let v = vec4f(color.rgb, 1.0);
                color = vec4f(dot(a, v), dot(b, v), dot(c, v), color.a);
            }
            case POINT_GAMMA: {
                color = vec4f(pow(color.rgb, vec3f(a.x)), color.a);
            }
            case POINT_VIBRANCE: {
                let most = max(color.r, max(color.g, color.b));
                let least = min(color.r, min(color.g, color.b));
                let more = 1.0 + a.x * (1.0 - (most - least));
                color = vec4f(mix(vec3f(color_luma(color.rgb)), color.rgb, more), color.a);
            }
            case POINT_TONE: {
                color = vec4f(point_tone(color.rgb, a.x, a.y), color.a);
            }
            case POINT_LUT: {
                color = vec4f(point_lut(color.rgb, a.x), color.a);
            }
            case POINT_CHROMA_KEY: {
                color = point_chroma_key(color, a, b);
            }
            case POINT_COLOR_KEY: {
                color.a *= smoothstep(a.w, a.w + b.x, distance(color.rgb, a.rgb));
            }
            case POINT_LUMA_KEY: {
                let y = color_luma(color.rgb);
                color.a *= smoothstep(a.x - a.z, a.x, y) * (1.0 - smoothstep(a.y, a.y + a.z, y));
            }
            case POINT_VIGNETTE: {
                color = vec4f(point_vignette(color.rgb, uv, a), color.a);
            }
            default: {}
        }
        color = clamp(color, vec4f(0.0), vec4f(1.0));
    }
    return color;
}
