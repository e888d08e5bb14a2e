// An edge-preserving mean along one direction of the beauty filter's working picture. Prepended to: the two passes that
// do it, whose `settings` begin with `step` and `texture`. Needs: fullscreen, skin. No entry points.

// A Gaussian of 2 texels.
const EVEN_WEIGHTS = array<f32, 4>(1.0, 0.8825, 0.6065, 0.3247);

struct EvenSum {
    color: vec4f,
    weight: f32,
    roughness: f32,
    before: f32,
}

// One texel's part. Written out, not in a loop: software adapters then know all but the texel beforehand.
fn even_add(sum: EvenSum, at: vec2i, last: vec2i, here: f32, near: f32, vertex: FsVertex) -> EvenSum {
    let texel = textureLoad(picture_plane0, clamp(at, vec2i(0), last), 0);
    let guide = skin_guide(texel.rgb);
    let weight = near * skin_alike(guide - here, vertex.n0.x);
    return EvenSum(
        sum.color + texel * weight,
        sum.weight + weight,
        sum.roughness + min(abs(guide - sum.before), vertex.n1.z),
        guide,
    );
}

// The edge-preserving mean about `at` along `way`; in alpha the share of skin, less where all is texture.
fn even_mean(vertex: FsVertex, way: vec2i) -> vec4f {
    let at = vec2i(vertex.position.xy);
    let last = vec2i(textureDimensions(picture_plane0)) - 1;
    let here = skin_guide(textureLoad(picture_plane0, at, 0).rgb);
    let first = skin_guide(textureLoad(picture_plane0, clamp(at - 4 * way, vec2i(0), last), 0).rgb);
    var sum = EvenSum(vec4f(0.0), 0.0, 0.0, first);
    sum = even_add(sum, at - 3 * way, last, here, EVEN_WEIGHTS[3], vertex);
    sum = even_add(sum, at - 2 * way, last, here, EVEN_WEIGHTS[2], vertex);
    sum = even_add(sum, at - way, last, here, EVEN_WEIGHTS[1], vertex);
    sum = even_add(sum, at, last, here, EVEN_WEIGHTS[0], vertex);
    sum = even_add(sum, at + way, last, here, EVEN_WEIGHTS[1], vertex);
    sum = even_add(sum, at + 2 * way, last, here, EVEN_WEIGHTS[2], vertex);
    sum = even_add(sum, at + 3 * way, last, here, EVEN_WEIGHTS[3], vertex);
    let mean = sum.color / sum.weight;
    let textured = smoothstep(vertex.n1.x, vertex.n1.y, sum.roughness / 7.0);
    return vec4f(mean.rgb, mean.a * (1.0 - textured));
}
