//! What sound processors, their numbers and presets are called in the window, by the name that they have in the settings
//! file, in both languages.

use super::text::Language;
use crate::audio::params::Unit;

/// Name in the settings, English, Chinese.
const WORDS: &[(&str, &str, &str)] = &[
    // processors
    ("noise", "Noise suppression", "降噪"),
    ("high_pass", "High-pass", "低切"),
    ("gate", "Noise gate", "噪声门"),
    ("equalizer", "Equalizer", "均衡器"),
    ("compressor", "Compressor", "压缩器"),
    ("ducking", "Ducking", "闪避"),
    ("limiter", "Limiter", "限幅器"),
    ("loudness", "Loudness", "响度"),
    // what they do
    (
        "noise.help",
        "Takes fans, hiss and hum out of a voice; makes it mono",
        "去除人声中的风扇声、底噪和嗡声，输出为单声道",
    ),
    (
        "high_pass.help",
        "Takes away rumble, steps and wind",
        "去除低频轰鸣、脚步声和风声",
    ),
    ("gate.help", "Silent in pauses", "不说话时静音"),
    (
        "equalizer.help",
        "Low, middle and high more or less",
        "调整低频、中频和高频",
    ),
    (
        "compressor.help",
        "Evens out loud and quiet",
        "缩小音量的大小差距",
    ),
    (
        "ducking.help",
        "Music steps back while somebody speaks",
        "说话时自动压低音乐",
    ),
    (
        "limiter.help",
        "Nothing gets louder than the ceiling",
        "音量不会超过上限",
    ),
    (
        "loudness.help",
        "How loud the show is to an ear (EBU R128)",
        "听感响度（EBU R128）",
    ),
    // numbers
    ("strength", "Strength", "强度"),
    ("frequency_hz", "Below", "截止频率"),
    ("threshold_db", "Threshold", "阈值"),
    ("hysteresis_db", "Hysteresis", "回差"),
    ("attack_ms", "Attack", "启动"),
    ("hold_ms", "Hold", "保持"),
    ("release_ms", "Release", "释放"),
    ("floor_db", "When closed", "关闭时"),
    ("ratio", "Ratio", "压缩比"),
    ("knee_db", "Knee", "拐点宽度"),
    ("makeup_db", "Make-up", "补偿增益"),
    ("low_db", "Low", "低频"),
    ("low_hz", "Low below", "低频位置"),
    ("mid_db", "Middle", "中频"),
    ("mid_hz", "Middle at", "中频位置"),
    ("mid_q", "Narrowness", "中频宽窄"),
    ("high_db", "High", "高频"),
    ("high_hz", "High above", "高频位置"),
    ("amount_db", "Amount", "压低"),
    ("ceiling_db", "Ceiling", "上限"),
    ("target_lufs", "Target", "目标"),
    // presets
    ("plain", "As it is", "原声"),
    ("voice", "Voice", "人声"),
    ("noisy_room", "Noisy room", "嘈杂环境"),
    // roles
    ("role", "Is", "类型"),
    ("role.auto", "Automatic", "自动"),
    ("role.speech", "Speech", "人声"),
    ("role.music", "Music", "音乐"),
    ("role.apart", "Neither", "其他"),
    // the rest of the panel
    ("chain", "Processing", "声音处理"),
    ("pan", "Pan", "声像"),
    ("push_to_talk", "Push to talk", "按键说话"),
    ("talk", "Hold to talk ({})", "按住说话（{}）"),
    ("talking", "Heard ({})", "正在说话（{}）"),
    ("talk_key", "Talk key", "说话按键"),
    ("mix", "Whole mix", "总混音"),
    ("clip", "CLIP", "削波"),
    (
        "clip.help",
        "It was too loud: turn the input down. Click to clear.",
        "音量曾经过大，请调低输入。点击清除。",
    ),
    ("turned_down", "Turned down by {} dB", "压低 {} dB"),
    ("gate_closed", "Closed", "已关闭"),
    (
        "reading",
        "Now {}, whole show {} LUFS",
        "当前 {}，整场 {} LUFS",
    ),
    ("reading.target", "target {}", "目标 {}"),
    ("reset", "Measure anew", "重新测量"),
    ("input_level", "Level of {}", "{} 的电平"),
];

/// The word for `name`; the name itself where there is none (a test asks for all).
pub fn sound_word(language: Language, name: &'static str) -> &'static str {
    let found = WORDS.iter().find(|(key, ..)| *key == name);
    found.map_or(name, |(_, english, chinese)| match language {
        Language::English => english,
        Language::Chinese => chinese,
    })
}

/// A number as people write it, with its unit.
pub fn value_text(value: f32, unit: Unit) -> String {
    let text = match unit {
        Unit::Hertz if value >= 1000.0 => format!("{:.1} kHz", value / 1000.0),
        Unit::Hertz => format!("{value:.0} Hz"),
        Unit::Decibels => format!("{value:.0} dB"),
        Unit::Milliseconds if value >= 1000.0 => format!("{:.1} s", value / 1000.0),
        Unit::Milliseconds => format!("{value:.0} ms"),
        Unit::Percent => format!("{value:.0} %"),
        Unit::Ratio => format!("{value:.1} : 1"),
        Unit::Lufs => format!("{value:.0} LUFS"),
        Unit::Quality => format!("{value:.1}"),
    };
    text.replace("-0 dB", "0 dB").replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::chain::ChainSettings;
    use crate::audio::master::MasterSettings;

    #[test]
    fn everything_has_a_name_in_both_languages() {
        let (mut chain, mut master) = (ChainSettings::default(), MasterSettings::default());
        let stages = chain.stages().into_iter().chain(master.stages());
        let mut names: Vec<&str> = Vec::new();
        for stage in stages {
            names.push(stage.name);
            assert!(WORDS.iter().any(|w| w.0 == format!("{}.help", stage.name)));
            names.extend(stage.params.iter().map(|p| p.field));
        }
        names.extend(ChainSettings::PRESETS.iter().map(|p| p.0));
        for name in names {
            assert!(WORDS.iter().any(|w| w.0 == name), "{name}");
        }
        for (key, english, chinese) in WORDS {
            assert!(chinese.chars().any(|c| u32::from(c) >= 0x2E80), "{key}");
            assert!(english.chars().all(|c| u32::from(c) < 0x2E80), "{key}");
            assert_eq!(
                english.matches("{}").count(),
                chinese.matches("{}").count(),
                "{key}"
            );
        }
    }

    #[test]
    fn numbers_have_units() {
        assert_eq!(value_text(-24.4, Unit::Decibels), "−24 dB");
        assert_eq!(value_text(-0.3, Unit::Decibels), "0 dB");
        assert_eq!(value_text(2500.0, Unit::Hertz), "2.5 kHz");
        assert_eq!(value_text(3.0, Unit::Ratio), "3.0 : 1");
        assert_eq!(value_text(1500.0, Unit::Milliseconds), "1.5 s");
    }
}
