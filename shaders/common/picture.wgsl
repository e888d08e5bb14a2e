// Group 0: a picture in whatever layout its source delivered, read as RGBA. So no pass is needed only to convert.
// Prepended to: every pass that reads a picture. No entry points.

// Layout of the planes; the numbers are those of `gpu::texture::PictureKind`.
// 0 RGB (alpha ignored), 1 NV12, 2 I420, 3 YUYV, 4 RGBA (straight alpha)
override PICTURE_KIND: u32 = 0u;
// 1: one sample. More: the mean of so many across and down, spread over the output pixel, for pictures made much smaller.
override PICTURE_TAPS: u32 = 1u;

// Rows of the matrix from (luma, Cb, Cr, 1) as shares of 255 to RGB.
struct PictureUniform {
    red: vec4f,
    green: vec4f,
    blue: vec4f,
    // From uv of the picture to uv of the first plane (xy) and of the chroma planes (zw): not 1 where an odd side leaves
    // half a sample over.
    plane_scale: vec4f,
}

@group(0) @binding(0) var<uniform> picture: PictureUniform;
@group(0) @binding(1) var picture_plane0: texture_2d<f32>;
@group(0) @binding(2) var picture_plane1: texture_2d<f32>;
@group(0) @binding(3) var picture_plane2: texture_2d<f32>;
@group(0) @binding(4) var picture_sampler: sampler;

fn picture_yuv(luma: f32, chroma: vec2f) -> vec4f {
    let yuv = vec4f(luma, chroma, 1.0);
    return vec4f(dot(picture.red, yuv), dot(picture.green, yuv), dot(picture.blue, yuv), 1.0);
}

// One sample at `uv` (0 to 1), straight alpha. YUV colours outside RGB are not cut here.
fn picture_at(uv: vec2f) -> vec4f {
    let first = textureSampleLevel(picture_plane0, picture_sampler, uv * picture.plane_scale.xy, 0.0);
    if PICTURE_KIND == 0u {
        return vec4f(first.rgb, 1.0);
    }
    let chroma_uv = uv * picture.plane_scale.zw;
    if PICTURE_KIND == 1u {
        return picture_yuv(first.r, textureSampleLevel(picture_plane1, picture_sampler, chroma_uv, 0.0).rg);
    }
    if PICTURE_KIND == 2u {
        let cb = textureSampleLevel(picture_plane1, picture_sampler, chroma_uv, 0.0).r;
        let cr = textureSampleLevel(picture_plane2, picture_sampler, chroma_uv, 0.0).r;
        return picture_yuv(first.r, vec2f(cb, cr));
    }
    if PICTURE_KIND == 3u {
        // the same bytes twice: as pairs (luma first) and as groups of four (Y0 Cb Y1 Cr)
        return picture_yuv(first.r, textureSampleLevel(picture_plane1, picture_sampler, chroma_uv, 0.0).ga);
    }
    return first;
}

// The pixel at `at`, held within the picture. Where one plane holds it no sampler is needed, which a software adapter
// feels: reading through one costs several times as much.
fn picture_pixel(at: vec2i) -> vec4f {
    let size = vec2i(textureDimensions(picture_plane0));
    if PICTURE_KIND == 0u || PICTURE_KIND == 4u {
        let texel = textureLoad(picture_plane0, clamp(at, vec2i(0), size - 1), 0);
        return vec4f(texel.rgb, select(1.0, texel.a, PICTURE_KIND == 4u));
    }
    // where an odd side leaves half a sample over, the first plane is larger than the picture
    return picture_at((vec2f(at) + 0.5) / (vec2f(size) * picture.plane_scale.xy));
}

// The picture about `uv`; `step` is the size of one output pixel in uv, `low` and `high` bound where it is read.
fn picture_sample(uv: vec2f, step: vec2f, low: vec2f, high: vec2f) -> vec4f {
    if PICTURE_TAPS == 1u {
        return picture_at(clamp(uv, low, high));
    }
    let apart = step / f32(PICTURE_TAPS);
    let first = uv - (step - apart) * 0.5;
    var sum = vec4f(0.0);
    for (var y = 0u; y < PICTURE_TAPS; y++) {
        for (var x = 0u; x < PICTURE_TAPS; x++) {
            let sample = picture_at(clamp(first + vec2f(f32(x), f32(y)) * apart, low, high));
            // colours count by their alpha, else those of transparent pixels would show at the edges
            sum += select(sample, vec4f(sample.rgb * sample.a, sample.a), PICTURE_KIND == 4u);
        }
    }
    let mean = sum / f32(PICTURE_TAPS * PICTURE_TAPS);
    if PICTURE_KIND == 4u {
        return vec4f(mean.rgb / max(mean.a, 0.0001), mean.a);
    }
    return mean;
}
