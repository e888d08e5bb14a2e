// Beauty, step 4 of 4, the only one at full size: moves skin towards its smoothed colour, tones it, sharpens the rest.
// Prepended: fullscreen, picture, color, extra, skin, table, point. Entry points: fs_fullscreen and one per kind of work.
// The extra picture is that of step 3.

struct BeautyUniform {
    // Share of the smoothed colour (x), whitening (y), ruddiness (z), sharpening (w).
    amount: vec4f,
    // Distance of the sharpening's samples in pixels (x); difference from the smoothed colour from which on a pixel is taken
    // for something of its own, such as a hair, and left alone (z), and one over what is between that and wholly (w).
    shape: vec4f,
    after: PointOps,
}

@group(1) @binding(0) var<uniform> settings: BeautyUniform;
const POINT_ROWS = 3;

// Keeps edges from ringing.
const SHARPEN_LIMIT = 0.12;
// Of the added light, the share that scales colours instead of being added to them: as colourful as before, in Lab.
const WHITEN_SCALES = 0.15;
const WHITEN_MOST = 0.5;
const TOP = 1.0 / 255.0;
// What a unit of Cr takes from green, luma being the same.
const GREEN_OF_CR = COLOR_BT709_LUMA.r * COLOR_BT709_CR / COLOR_BT709_LUMA.g;
const RUDDY = vec3f(0.22, -0.09, -0.02);

fn beauty_tone(rgb: vec3f, skin: f32, amount: vec4f) -> vec3f {
    let y = color_luma(rgb);
    // most in the middle; black and white stay, and no channel is rounded to the top
    let room = max(1.0 - TOP - max(rgb.r, max(rgb.g, rgb.b)), 0.0);
    let middle = skin * (1.0 - y);
    let wanted = amount.yz * vec2f(WHITEN_MOST, 1.0) * middle * y;
    let got = room / (wanted + room + 0.0001);
    let scale = WHITEN_SCALES * amount.y * WHITEN_MOST * middle * got.x;
    let light = rgb * (1.0 + scale) + (1.0 - WHITEN_SCALES) * wanted.x * got.x;
    return light + RUDDY * (wanted.y * got.y);
}

// As skin_guide, out of luma and Cr; Cb would add a twentieth of itself.
fn guide_of(y: f32, cr: f32) -> f32 {
    return y + (1.25 * COLOR_BT709_CR + 0.25 * GREEN_OF_CR) * cr;
}

// The sharpening's samples are the very next pixels, of which half are known to the four that are drawn together.
override BEAUTY_NEAR: bool = false;

fn luma_at(at: vec2i) -> f32 {
    return color_luma(picture_pixel(at).rgb);
}

// Luma of the four pixels about `at`, added up. `slope` is what the luma `y` changes by within the block of 2x2.
fn luma_around(at: vec2i, y: f32, slope: vec2f, reach: f32) -> f32 {
    if BEAUTY_NEAR {
        // the neighbours outside the block are to the left of even columns and to the right of odd ones
        let out = (at & vec2i(1)) * 2 - 1;
        let within = 2.0 * y - dot(vec2f(out), slope);
        return within + luma_at(at + vec2i(out.x, 0)) + luma_at(at + vec2i(0, out.y));
    }
    let d = i32(reach);
    return luma_at(at + vec2i(d, 0)) + luma_at(at - vec2i(d, 0)) + luma_at(at + vec2i(0, d))
        + luma_at(at - vec2i(0, d));
}

fn beauty(vertex: FsVertex, tone: bool, sharpen: bool) -> vec4f {
    let amount = vertex.n0;
    let shape = vertex.n1;
    let at = vec2i(vertex.position.xy);
    let source = picture_pixel(at);
    // luma, Cr, share, skin: see the step before
    let smoothed = extra_at(vertex.uv);
    let y = color_luma(source.rgb);
    let slope = vec2f(dpdxFine(y), dpdyFine(y));
    let cr = (source.r - y) * COLOR_BT709_BY_CR;
    let smooth_cr = (smoothed.y - 0.5) * (1.0 / SKIN_CR_SCALE);
    let own = abs(guide_of(y, cr) - guide_of(smoothed.x, smooth_cr));
    let far = clamp((own - shape.z) * shape.w, 0.0, 1.0);
    let alike = 1.0 - far * far * (3.0 - 2.0 * far); // smoothstep without its division
    let share = amount.x * smoothed.z * alike;
    let to_y = share * (smoothed.x - y);
    let to_cr = share * (smooth_cr - cr);
    var rgb = source.rgb + to_y + to_cr * vec3f(COLOR_BT709_CR, -GREEN_OF_CR, 0.0);
    if sharpen {
        let detail = y - luma_around(at, y, slope, shape.x) * 0.25;
        rgb += clamp(detail * amount.w, -SHARPEN_LIMIT, SHARPEN_LIMIT) * (1.0 - smoothed.z);
    }
    if tone {
        rgb = beauty_tone(rgb, smoothed.w * alike, amount);
    }
    return point_apply(vec4f(clamp(rgb, vec3f(0.0), vec3f(1.0)), source.a), vertex);
}

@fragment
fn smooth_only(vertex: FsVertex) -> @location(0) vec4f {
    return beauty(vertex, false, false);
}

@fragment
fn smooth_tone(vertex: FsVertex) -> @location(0) vec4f {
    return beauty(vertex, true, false);
}

@fragment
fn smooth_sharpen(vertex: FsVertex) -> @location(0) vec4f {
    return beauty(vertex, false, true);
}

@fragment
fn smooth_tone_sharpen(vertex: FsVertex) -> @location(0) vec4f {
    return beauty(vertex, true, true);
}
