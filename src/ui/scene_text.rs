//! The words of scenes, layers and what is played, in both languages side by side.

use super::text::Language;

macro_rules! words {
    ($($name:ident: $english:literal, $chinese:literal;)*) => {
        /// The words of one language.
        #[expect(missing_docs, reason = "each is its English text")]
        #[derive(Debug)]
        pub struct SceneWords { $(pub $name: &'static str,)* }
        const ENGLISH: SceneWords = SceneWords { $($name: $english,)* };
        const CHINESE: SceneWords = SceneWords { $($name: $chinese,)* };
        impl SceneWords {
            /// Every text.
            pub fn all(&self) -> Vec<&'static str> {
                vec![$(self.$name,)*]
            }
        }
    };
}

/// The words of a language.
pub const fn scene_words(language: Language) -> &'static SceneWords {
    match language {
        Language::English => &ENGLISH,
        Language::Chinese => &CHINESE,
    }
}

words! {
    scene_add: "Add scene", "添加场景";
    scene_add_help: "On air, a new scene waits in the list until it is clicked", "直播时，新场景会留在列表中，点击后才切换";
    scene_new: "Scene", "场景";
    scene_options: "Options of {}", "“{}”的选项";
    scene_rename: "Rename", "重命名";
    scene_name: "Name of the scene", "场景名称";
    scene_name_wrong: "A name of its own, please", "名称不能为空或重复";
    scene_duplicate: "Duplicate", "复制";
    scene_earlier: "Earlier", "前移";
    scene_later: "Later", "后移";
    scene_delete: "Delete", "删除";
    scene_done: "Done", "完成";
    transition: "Change of scenes", "场景切换";
    transition_cut: "Cut", "直接切换";
    transition_fade: "Fade {} s", "淡入淡出 {} 秒";

    layers: "Layers", "图层";
    layer_row: "{}. {}", "{}. {}";
    layer_show: "Show layer {}", "显示图层 {}";
    layer_options: "Options of layer {}", "图层 {} 的选项";
    layer_up: "To the front", "上移一层";
    layer_down: "To the back", "下移一层";
    layer_remove: "Remove layer", "移除图层";
    layer_add: "Add layer", "添加图层";
    layer_file: "File or picture…", "文件或图片…";
    layer_color: "Colour", "纯色";
    layer_text: "Text", "文字";
    layer_path: "File for the layer", "图层文件";
    layer_path_add: "Add it", "添加";
    layer_place: "Place of the layer", "图层位置";
    layer_size: "Size  {} %", "大小  {} %";
    layer_opacity: "Opacity  {} %", "不透明度  {} %";

    play: "Play", "播放";
    pause: "Pause playing", "暂停播放";
    position: "Position", "播放位置";
    elapsed: "{} of {}", "{} / {}";
    next_file: "Next file", "下一个";
    previous_file: "Previous file", "上一个";
    looped: "Play again at the end", "循环播放";
    shuffled: "In random order", "随机顺序";
    picture_track: "Picture track", "视频轨";
    sound_track: "Sound track", "音轨";
    best_track: "The file's main one", "默认";
    interval: "Each picture  {} s", "每张  {} 秒";
    slide_fade: "Fade  {} s", "渐变  {} 秒";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_say_everything_with_the_same_values() {
        for (english, chinese) in ENGLISH.all().into_iter().zip(CHINESE.all()) {
            assert!(!english.trim().is_empty() && !chinese.trim().is_empty());
            let values = |text: &str| text.matches("{}").count();
            assert_eq!(values(english), values(chinese), "{english}");
        }
    }
}
