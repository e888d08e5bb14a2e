//! What filters and their numbers are called in the window. Filters name themselves in English; the table here has the
//! Chinese beside it, so that a new filter shows up with its English name until its line is added (a test asks for it).

use super::text::Language;

const CHINESE: &[(&str, &str)] = &[
    // filters
    ("Beauty", "美颜"),
    ("Colour", "调色"),
    ("Look", "滤镜风格"),
    ("Colour table", "LUT 色表"),
    ("Sharpen", "锐化"),
    ("Blur", "模糊"),
    ("Vignette", "暗角"),
    ("Pixelate", "马赛克"),
    ("Chroma key", "绿幕抠像"),
    ("Colour key", "颜色抠像"),
    ("Luma key", "亮度抠像"),
    // presets and looks
    ("Natural", "自然"),
    ("Clear", "清透"),
    ("Rosy", "红润"),
    ("Strong", "强烈"),
    ("Black and white", "黑白"),
    ("Sepia", "怀旧"),
    ("Film", "胶片"),
    ("Cool", "冷色"),
    ("Warm", "暖色"),
    // numbers
    ("Smoothing", "磨皮"),
    ("Whitening", "美白"),
    ("Ruddiness", "红润"),
    ("Sharpening", "锐化"),
    ("Temperature", "色温"),
    ("Tint", "色调"),
    ("Exposure", "曝光"),
    ("Brightness", "亮度"),
    ("Contrast", "对比度"),
    ("Saturation", "饱和度"),
    ("Hue", "色相"),
    ("Shadows", "阴影"),
    ("Highlights", "高光"),
    ("Vibrance", "自然饱和度"),
    ("Gamma", "伽马"),
    ("Strength", "强度"),
    ("Radius", "半径"),
    ("Softness", "柔和"),
    ("Sharp oval", "清晰区域"),
    ("Left", "左"),
    ("Top", "上"),
    ("Width", "宽"),
    ("Height", "高"),
    ("Squares", "方块大小"),
    ("Red", "红"),
    ("Green", "绿"),
    ("Blue", "蓝"),
    ("Tolerance", "容差"),
    ("Spill", "去溢色"),
    ("Darkest", "最暗"),
    ("Brightest", "最亮"),
    // what they do
    (
        "Evens skin out; hair, eyes and text stay sharp",
        "让皮肤细腻，头发、眼睛和文字保持清晰",
    ),
    (
        "Lightens skin without washing it out",
        "提亮肤色，不发白不失真",
    ),
    ("Gives skin a rosier tone", "让气色更红润"),
    (
        "Sharpens everything that is not smoothed",
        "锐化未磨皮的部分",
    ),
    ("From bluer to yellower light", "从偏蓝到偏黄"),
    ("From greener to pinker light", "从偏绿到偏粉"),
    (
        "Light in stops: 1 is twice as much",
        "曝光档数，1 为两倍亮度",
    ),
    ("Adds to or takes from all colours", "整体变亮或变暗"),
    ("Spreads colours away from mid grey", "拉开明暗差别"),
    (
        "From grey (0) to twice as colourful (2)",
        "从黑白（0）到两倍鲜艳（2）",
    ),
    ("Turns all colours", "旋转所有颜色"),
    ("Lightens or darkens the dark parts", "提亮或压暗暗部"),
    ("Lightens or darkens the bright parts", "提亮或压暗亮部"),
    ("Saturation of pale colours only", "只增强较淡的颜色"),
    (
        "Above 1 lightens the middle, black and white stay",
        "大于 1 提亮中间调，黑白不变",
    ),
    ("How much of the look", "风格的强度"),
    ("How much of the table", "色表的强度"),
    ("How dark the corners are", "四角有多暗"),
    ("Where it begins, from the middle", "从中心算起的起点"),
    ("How gradually it begins", "过渡的柔和程度"),
    ("How much sharper", "锐化的强度"),
    ("Of the picture's height", "相对画面高度"),
    ("Keeps an oval of this height sharp", "保持椭圆区域清晰"),
    ("Where it lies across", "水平位置"),
    ("Where it lies downwards", "垂直位置"),
    ("How wide the part is", "区域的宽度"),
    ("How high the part is", "区域的高度"),
    (
        "Side of a square, of the picture's height",
        "方块边长，相对画面高度",
    ),
    ("Red of the key colour", "抠像颜色的红"),
    ("Green of the key colour", "抠像颜色的绿"),
    ("Blue of the key colour", "抠像颜色的蓝"),
    (
        "How different a colour may be and still goes",
        "颜色相差多少仍被抠掉",
    ),
    ("How gradually it goes", "边缘的柔和程度"),
    (
        "Takes the screen's light off the person",
        "去除人物身上的幕布反光",
    ),
    ("What is darker goes", "更暗的部分透明"),
    ("What is brighter goes", "更亮的部分透明"),
];

/// The word for something that a filter calls `english`.
pub fn filter_word(language: Language, english: &'static str) -> &'static str {
    match language {
        Language::English => english,
        Language::Chinese => CHINESE
            .iter()
            .find(|(key, _)| *key == english)
            .map_or(english, |(_, chinese)| chinese),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::filter::FilterSpec;
    use crate::render::filter::beauty::BeautySettings;
    use crate::render::filter::look::Look;

    #[test]
    fn every_word_of_every_filter_has_its_chinese() {
        let mut words: Vec<&'static str> = Vec::new();
        for (name, mut spec) in FilterSpec::kinds() {
            words.push(name);
            spec.visit_params(&mut |p| {
                words.extend([p.label, p.help]);
                None
            });
        }
        words.extend(BeautySettings::PRESETS.iter().map(|(name, _)| *name));
        words.extend(Look::ALL.iter().map(|(name, _)| *name));
        for word in &words {
            let chinese = filter_word(Language::Chinese, word);
            let is = chinese.chars().any(|c| u32::from(c) >= 0x2E80);
            assert!(is, "{word:?} has no Chinese");
            assert_eq!(filter_word(Language::English, word), *word);
        }
        for (key, _) in CHINESE {
            assert!(words.contains(key), "{key:?} is called so by nobody");
        }
    }
}
