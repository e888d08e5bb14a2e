//! The words of the encoder's part of the window, in both languages side by side; each setting has its meaning in a line.

use super::text::Language;

macro_rules! words {
    ($($name:ident: $english:literal, $chinese:literal;)*) => {
        /// The words of one language.
        #[expect(missing_docs, reason = "each is its English text")]
        #[derive(Debug)]
        pub struct Words { $(pub $name: &'static str,)* }
        const ENGLISH: Words = Words { $($name: $english,)* };
        const CHINESE: Words = Words { $($name: $chinese,)* };
        impl Words {
            /// Every text.
            pub fn all(&self) -> Vec<&'static str> {
                vec![$(self.$name,)*]
            }
        }
    };
}

/// The words of a language.
pub const fn words(language: Language) -> &'static Words {
    match language {
        Language::English => &ENGLISH,
        Language::Chinese => &CHINESE,
    }
}

words! {
    title: "Encoder", "编码器";
    now: "{}, {} ms a picture", "{}，每帧 {} 毫秒";
    more: "All encoder settings", "全部编码设置";
    auto: "Automatic", "自动";
    none: "None", "无";

    style: "Optimised for", "优化目标";
    style_meaning: "Sets tuning, B-frames, look-ahead and buffer together.", "一次设定调优、B 帧、前瞻和缓冲。";
    low_latency: "Low latency", "低延迟";
    balanced: "Balanced", "均衡";
    quality: "Quality", "画质优先";
    custom: "Own settings", "自定义";

    encoder: "Encoder in use", "使用的编码器";
    encoder_meaning: "Automatic takes the best one that works on this machine.", "自动选用本机可用的最佳编码器。";
    unusable: "Not usable here: {}", "本机不可用：{}";
    rate: "Rate control", "码率控制";
    rate_meaning: "What is held: the bitrate, its mean, or the quality within the bitrate.", "保持恒定的是码率、平均码率，还是码率上限内的画质。";
    cbr: "Constant bitrate (CBR)", "固定码率（CBR）";
    vbr: "Variable bitrate (VBR)", "可变码率（VBR）";
    crf: "Constant quality (CRF), at most the bitrate", "恒定画质（CRF），不超过码率";
    peak: "Peak bitrate", "峰值码率";
    peak_meaning: "The most that hard scenes may take for a moment.", "复杂画面瞬间允许的最高码率。";
    level: "Quality level", "画质等级";
    level_meaning: "Lower is better and takes more bits; 18 to 28 is usual.", "数值越低画质越好、占用越多；常用 18 到 28。";
    buffer: "Buffer", "缓冲";
    buffer_meaning: "Small keeps the bitrate even, large lets keyframes be good.", "小则码率平稳，大则关键帧更清晰。";
    keyframes: "Keyframe interval", "关键帧间隔";
    keyframes_meaning: "Services ask for 2 s; shorter starts faster and costs bits.", "平台通常要求 2 秒；越短起播越快，但更耗码率。";
    seconds: "{} s", "{} 秒";
    preset: "Preset", "预设";
    preset_meaning: "Slower looks better and takes more of the machine; automatic takes what it holds.", "越慢画质越好、占用越高；自动按本机能力选择。";
    profile: "Profile", "档次";
    profile_meaning: "Automatic is right unless a very old player must show it.", "除非要兼容很旧的播放器，自动即可。";
    b_frames: "B-frames", "B 帧";
    b_frames_meaning: "More picture for the bits, for some delay each.", "同码率画质更好，每个都增加一点延迟。";
    look_ahead: "Look-ahead", "前瞻";
    look_ahead_meaning: "Pictures that the encoder sees before it decides; delay for quality.", "编码前预看的画面数，用延迟换画质。";
    pictures: "{} pictures", "{} 帧";
    options: "Further options", "附加选项";
    record_own: "Own quality for recordings", "录制使用独立画质";
    record_own_meaning: "A second encoder for the recording alone; otherwise what is streamed is recorded, which costs nothing.", "为录制单独编码；不勾选则直接录制直播码流，不增加占用。";
    record_encoder: "Encoder of recordings", "录制编码器";
    record_level: "Quality level of recordings", "录制画质等级";
    record_tracks: "Each sound on a track of its own", "每路声音单独成轨";
    record_tracks_meaning: "Beside the mix, for editing afterwards; MP4 and MKV.", "与混音同时录制，便于后期剪辑；仅限 MP4 和 MKV。";
    options_meaning: "name=value as FFmpeg has them, separated by spaces, for a chosen encoder.", "FFmpeg 的 名称=值，以空格分隔，须先选定编码器。";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_missing_and_places_for_values_agree() {
        for (english, chinese) in ENGLISH.all().into_iter().zip(CHINESE.all()) {
            assert!(!english.is_empty() && !chinese.is_empty());
            let places = |text: &str| text.matches("{}").count();
            assert_eq!(places(english), places(chinese), "{english}");
        }
    }
}
