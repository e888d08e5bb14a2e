// Beauty, step 4 of 4, the only one at full size: moves skin towards its smoothed colour, tones it, sharpens the rest.
// Prepended: fullscreen, picture, color, extra, mask, skin, point. Entry points: fs_fullscreen and one per kind of work.
// The extra picture is that of step 3, the mask that of the mask step.

struct BeautyUniform {
    // Share of the smoothed colour (x), whitening (y), ruddiness (z), sharpening (w).
    amount: vec4f,
    // Distance of the sharpening's samples in uv (xy); difference from the smoothed colour at which a pixel is taken for
    // something of its own, such as a hair, and left alone: from (z), wholly (w).
    shape: vec4f,
    after: PointOps,
}

@group(1) @binding(0) var<uniform> settings: BeautyUniform;

// Keeps edges from ringing.
const SHARPEN_LIMIT = 0.12;
// Of the added light, the share that scales colours instead of being added to them: as colourful as before, in Lab.
const WHITEN_SCALES = 0.15;
const WHITEN_MOST = 0.5;
const TOP = 1.0 / 255.0;
const RUDDY = vec3f(0.22, -0.09, -0.02);

fn point_lut(rgb: vec3f, strength: f32) -> vec3f {
    return rgb; // a table is never put behind this pass: its picture has no place here
}

fn beauty_tone(rgb: vec3f, skin: f32) -> vec3f {
    let y = max(color_luma(rgb), 0.001);
    // most in the middle; black and white stay, and no channel is rounded to the top
    let room = max(1.0 - TOP - max(rgb.r, max(rgb.g, rgb.b)), 0.0);
    let wanted = settings.amount.y * WHITEN_MOST * skin * y * (1.0 - y);
    let lift = wanted * room / (wanted + room + 0.0001);
    let light = rgb * (1.0 + WHITEN_SCALES * lift / y) + (1.0 - WHITEN_SCALES) * lift;
    let red = settings.amount.z * skin * y * (1.0 - y);
    return light + RUDDY * red * room / (red + room + 0.0001);
}

fn beauty(uv: vec2f, tone: bool, sharpen: bool) -> vec4f {
    let source = picture_at(uv);
    let smoothed = extra_at(uv);
    let own = abs(skin_guide(source.rgb) - skin_guide(smoothed.rgb));
    let alike = 1.0 - smoothstep(settings.shape.z, settings.shape.w, own);
    var rgb = mix(source.rgb, smoothed.rgb, settings.amount.x * smoothed.a * alike);
    if sharpen {
        let d = settings.shape.xy;
        let around = picture_at(uv + vec2f(d.x, 0.0)).rgb + picture_at(uv - vec2f(d.x, 0.0)).rgb
            + picture_at(uv + vec2f(0.0, d.y)).rgb + picture_at(uv - vec2f(0.0, d.y)).rgb;
        let detail = color_luma(source.rgb - around * 0.25);
        rgb += clamp(detail * settings.amount.w, -SHARPEN_LIMIT, SHARPEN_LIMIT) * (1.0 - smoothed.a);
    }
    if tone {
        rgb = beauty_tone(rgb, mask_at(uv) * alike);
    }
    return point_apply(vec4f(clamp(rgb, vec3f(0.0), vec3f(1.0)), source.a), uv);
}

@fragment
fn smooth_only(vertex: FsVertex) -> @location(0) vec4f {
    return beauty(vertex.uv, false, false);
}

@fragment
fn smooth_tone(vertex: FsVertex) -> @location(0) vec4f {
    return beauty(vertex.uv, true, false);
}

@fragment
fn smooth_sharpen(vertex: FsVertex) -> @location(0) vec4f {
    return beauty(vertex.uv, false, true);
}

@fragment
fn smooth_tone_sharpen(vertex: FsVertex) -> @location(0) vec4f {
    return beauty(vertex.uv, true, true);
}
