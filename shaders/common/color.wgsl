// Colour constants shared by passes. Prepended to: conversions and filters. No entry points.

// Luma weights of ITU-R BT.709-6, item 3.2.
const COLOR_BT709_LUMA = vec3f(0.2126, 0.7152, 0.0722);

// RGB (0 to 1, gamma-encoded) to BT.709 limited range, as shares of 255 (BT.709-6, items 3.2 to 3.4 and 4):
// luma spans 219 steps from 16, chroma 224 steps about 128.
const COLOR_LUMA_SPAN = 219.0 / 255.0;
const COLOR_LUMA_BLACK = 16.0 / 255.0;
const COLOR_CHROMA_SPAN = 224.0 / 255.0;
const COLOR_CHROMA_ZERO = 128.0 / 255.0;
// Denominators of Cb = (B - Y) / 1.8556 and Cr = (R - Y) / 1.5748.
const COLOR_BT709_CB = 1.8556;
const COLOR_BT709_CR = 1.5748;
// To be multiplied by: nobody but the programmer knows that dividing by a constant needs no division.
const COLOR_BT709_BY_CR = 1.0 / COLOR_BT709_CR;

fn color_luma(rgb: vec3f) -> f32 {
    return dot(rgb, COLOR_BT709_LUMA);
}

fn color_luma_limited(rgb: vec3f) -> f32 {
    return color_luma(rgb) * COLOR_LUMA_SPAN + COLOR_LUMA_BLACK;
}

fn color_chroma_limited(rgb: vec3f) -> vec2f {
    let difference = vec2f(rgb.b, rgb.r) - vec2f(color_luma(rgb));
    return difference / vec2f(COLOR_BT709_CB, COLOR_BT709_CR) * COLOR_CHROMA_SPAN + vec2f(COLOR_CHROMA_ZERO);
}
