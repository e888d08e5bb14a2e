// What counts as skin. Prepended to: the beauty passes. No entry points.

// Chroma of skin, after D. Chai and K. N. Ngan, "Face segmentation using skin-color map in videophone applications"
// (IEEE CSVT 9(4), 1999): in BT.601 YCbCr, Cb 77 to 127 and Cr 133 to 173. Their box is for evenly lit faces: here it is
// taken relative to luma, so that dark and dimly lit skin is in, and cut by hue, so that much of what the box wrongly
// holds (beige walls, orange, brick) is out. Edges are soft. Set on tones I to VI of Fitzpatrick's scale and on footage.
const SKIN_LUMA = vec3f(0.299, 0.587, 0.114);
const SKIN_CB = 0.564;
const SKIN_CR = 0.713;
// Keeps the ratio steady near black.
const SKIN_DARK = 16.0 / 255.0;
// Cr over luma: least, how soft, and how much more it takes in the dark, where brown hair is as red as pale skin but not as
// red as dark skin.
const SKIN_REDNESS_LEAST = 0.05;
const SKIN_REDNESS_SOFT = 0.02;
const SKIN_REDNESS_DARK = 0.10;
const SKIN_DARK_RANGE = vec2f(35.0, 95.0) / 255.0;
const SKIN_REDNESS_HIGH = vec2f(0.42, 0.52);
// Hue as -Cb over Cr: tangents of 13, 20, 56 and 64 degrees from red towards yellow.
const SKIN_HUE_LOW = vec2f(0.231, 0.364);
const SKIN_HUE_HIGH = vec2f(1.483, 2.05);
// Length of (Cb, Cr): skin is never as colourful as an orange.
const SKIN_CHROMA = vec2f(58.0, 70.0) / 255.0;
const SKIN_BLACK = vec2f(18.0, 34.0) / 255.0;

// Cr of skin is small: stored so much larger, for the sake of its last bits.
const SKIN_CR_SCALE = 2.0;

// 0 (surely not skin) to 1.
fn skin_probability(rgb: vec3f) -> f32 {
    let y = dot(rgb, SKIN_LUMA);
    let cb = SKIN_CB * (rgb.b - y);
    let cr = SKIN_CR * (rgb.r - y);
    let redness = cr / (y + SKIN_DARK);
    let hue = -cb / max(cr, 0.0001);
    let least = SKIN_REDNESS_LEAST + SKIN_REDNESS_DARK * (1.0 - smoothstep(SKIN_DARK_RANGE.x, SKIN_DARK_RANGE.y, y));
    return smoothstep(least, least + SKIN_REDNESS_SOFT, redness)
        * (1.0 - smoothstep(SKIN_REDNESS_HIGH.x, SKIN_REDNESS_HIGH.y, redness))
        * smoothstep(SKIN_HUE_LOW.x, SKIN_HUE_LOW.y, hue)
        * (1.0 - smoothstep(SKIN_HUE_HIGH.x, SKIN_HUE_HIGH.y, hue))
        * (1.0 - smoothstep(SKIN_CHROMA.x, SKIN_CHROMA.y, length(vec2f(cb, cr))))
        * smoothstep(SKIN_BLACK.x, SKIN_BLACK.y, y);
}

// The measure of what is an edge on skin: red, less a little green. Blemishes and freckles, which take green and blue
// but leave red, hardly show in it; shadows, hair, eyes and lips do.
fn skin_guide(rgb: vec3f) -> f32 {
    return 1.25 * rgb.r - 0.25 * rgb.g;
}

// How alike two places are: near 1 within a few levels, near 0 past an edge. `by` is one over the range.
fn skin_alike(difference: f32, by: f32) -> f32 {
    let x = difference * by;
    let w = 1.0 / (1.0 + x * x);
    return w * w;
}
