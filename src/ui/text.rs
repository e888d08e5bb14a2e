//! Every word the window shows, in one table with both languages side by side. `{}` marks a value, filled in by
//! [`fill`]. Texts of the engine (messages, device names) come as they are.

use crate::settings::LanguageChoice;

/// A language of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Simplified Chinese.
    Chinese,
}

impl Language {
    /// All of them, in the order of the switch.
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// The language's own name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "中文",
        }
    }

    /// The language for a locale such as `zh_CN.UTF-8`, `zh-Hans-CN` or `de-DE`.
    pub fn of_locale(locale: &str) -> Self {
        let language = locale.split(['-', '_', '.', '@']).next().unwrap_or("");
        if language.eq_ignore_ascii_case("zh") {
            Self::Chinese
        } else {
            Self::English
        }
    }

    /// The system's language; English when it is none of ours. The variables of POSIX come first, on every system, so
    /// that a single start can be switched; then what the system says.
    pub fn of_system() -> Self {
        let variable = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
        let named =
            variable.filter(|v| !matches!(v.as_str(), "C" | "POSIX" | "C.UTF-8" | "C.utf8"));
        named
            .or_else(sys_locale::get_locale)
            .map_or(Self::English, |locale| Self::of_locale(&locale))
    }

    /// What the user chose.
    pub fn chosen(choice: LanguageChoice) -> Self {
        match choice {
            LanguageChoice::Auto => Self::of_system(),
            LanguageChoice::Zh => Self::Chinese,
            LanguageChoice::En => Self::English,
        }
    }

    /// As it is kept in the settings.
    pub const fn choice(self) -> LanguageChoice {
        match self {
            Self::Chinese => LanguageChoice::Zh,
            Self::English => LanguageChoice::En,
        }
    }

    /// The words.
    pub const fn text(self) -> &'static Text {
        match self {
            Self::English => &ENGLISH,
            Self::Chinese => &CHINESE,
        }
    }
}

/// Puts `values` in the places marked `{}`, in order.
pub fn fill(template: &str, values: &[&str]) -> String {
    let mut out = String::with_capacity(template.len() + 16);
    let mut parts = template.split("{}");
    out.push_str(parts.next().unwrap_or(""));
    for (i, part) in parts.enumerate() {
        out.push_str(values.get(i).copied().unwrap_or(""));
        out.push_str(part);
    }
    out
}

macro_rules! texts {
    ($($name:ident: $english:literal, $chinese:literal;)*) => {
        /// The words of one language.
        #[expect(missing_docs, reason = "each is its English text")]
        #[derive(Debug)]
        pub struct Text { $(pub $name: &'static str,)* }
        const ENGLISH: Text = Text { $($name: $english,)* };
        const CHINESE: Text = Text { $($name: $chinese,)* };
        impl Text {
            /// Every text with its name.
            pub fn all(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }
    };
}

texts! {
    language: "Language", "语言";
    no_chinese_font: "Chinese needs a font that is not installed (Debian, Ubuntu: fonts-noto-cjk)", "缺少中文字体（Debian、Ubuntu：fonts-noto-cjk）";

    state_off: "Off air", "未开播";
    state_connecting: "Connecting…", "正在连接…";
    state_live: "On air", "直播中";
    state_reconnecting: "Reconnecting", "正在重连";
    state_reconnecting_in: "Reconnecting, try {} in {} s", "正在重连，第 {} 次，{} 秒后";
    state_reconnecting_now: "Reconnecting, try {}", "正在重连，第 {} 次";
    state_stopping: "Stopping…", "正在停止…";
    state_failed: "Not on air", "开播失败";

    picture: "Picture", "画面";
    test_pattern: "Test pattern", "测试画面";
    source_waiting: "waiting for a picture", "等待画面";
    source_none: "Looking for sources…", "正在查找画面来源…";
    rescan: "Look again", "重新查找";
    file_label: "Media file", "媒体文件";
    file_hint: "Path of a video file", "视频文件路径";
    file_open: "Open", "打开";
    file_missing: "There is no such file: check the path.", "找不到这个文件，请检查路径。";
    file_drop: "or drop a file onto the window", "也可以把文件拖到窗口里";
    file_drop_here: "Drop to play this file", "松开即可播放此文件";
    corner: "Camera in the corner", "画中画摄像头";
    corner_none: "None", "不显示";
    screen_whole: "Screen", "屏幕";
    screen_monitor: "Monitor", "显示器";
    screen_region: "Part of the screen", "屏幕局部";
    screen_window: "Window", "窗口";
    screen_window_choose: "Choose a window…", "选择窗口…";
    screen_asked: "Screen (the desktop asks which)", "屏幕（由桌面询问选哪个）";
    screen_window_asked: "Window (the desktop asks which)", "窗口（由桌面询问选哪个）";
    screen_ask_again: "Choose another…", "重新选择…";
    screen_cursor: "Show the mouse pointer", "显示鼠标指针";
    screen_left: "Left", "左";
    screen_top: "Top", "上";
    screen_width: "Width", "宽";
    screen_height: "Height", "高";
    camera_format: "Camera format", "摄像头格式";
    camera_auto: "Automatic (best fit)", "自动（最合适）";
    camera_controls: "Camera controls", "摄像头调节";
    camera_reset: "Back to defaults", "恢复默认";
    ctl_brightness: "Brightness", "亮度";
    ctl_contrast: "Contrast", "对比度";
    ctl_saturation: "Saturation", "饱和度";
    ctl_hue: "Hue", "色调";
    ctl_sharpness: "Sharpness", "锐度";
    ctl_gamma: "Gamma", "伽马";
    ctl_gain: "Gain", "增益";
    ctl_gain_auto: "Automatic gain", "自动增益";
    ctl_white: "White balance", "白平衡";
    ctl_white_auto: "Automatic white balance", "自动白平衡";
    ctl_exposure: "Exposure time", "曝光时间";
    ctl_exposure_auto: "Automatic exposure", "自动曝光";
    ctl_exposure_rate: "Lower rate in the dark", "暗处降低帧率";
    ctl_focus: "Focus", "对焦";
    ctl_focus_auto: "Automatic focus", "自动对焦";
    ctl_zoom: "Zoom", "变焦";
    ctl_pan: "Pan", "水平转动";
    ctl_tilt: "Tilt", "俯仰";
    ctl_power_line: "Anti-flicker", "抗频闪";
    ctl_backlight: "Backlight compensation", "背光补偿";
    ctl_flip_horizontal: "Mirror", "水平翻转";
    ctl_flip_vertical: "Upside down", "垂直翻转";
    preview: "Preview", "预览";
    preview_starting: "Preview is starting…", "正在启动预览…";

    beauty: "Beauty", "美颜";
    beauty_switch: "Beautify", "开启美颜";
    compare: "Before | after", "对比原图";
    filters: "Filters", "滤镜";
    filters_layer: "Source", "来源";
    filters_scene: "Whole picture", "整个画面";
    filter_add: "Add filter", "添加滤镜";
    filter_remove: "Remove", "删除";
    filter_up: "Move up", "上移";
    filter_time: "{} ms", "{} 毫秒";
    filter_time_help: "What it takes on the graphics adapter for each picture", "每帧画面在显卡上花费的时间";
    filters_failed: "Off, because the graphics driver refused it: {}. Change its settings to try again.", "显卡驱动不支持，已关闭：{}。修改设置可重试。";
    filters_time: "GPU time of a picture: {} ms", "每帧 GPU 用时：{} 毫秒";
    filters_coarse: "Beauty works more coarsely: this computer is slow", "电脑较慢，美颜已降低精细度";
    lut_file: "File (.cube, .png)", "文件（.cube、.png）";
    lut_hint: "Path of a colour table", "色表文件路径";
    lut_loading: "The table is being read…", "正在读取色表…";

    sound: "Sound", "声音";
    drift: "Clock {} ppm", "时钟偏差 {} ppm";
    drift_help: "The sound card's clock differs from the computer's by this much. Kaibo corrects it, so that sound and picture stay together.",
        "声卡时钟与电脑时钟的偏差。Kaibo 会自动校正，声音和画面不会越走越开。";
    sound_add: "Add sound", "添加声音";
    sound_microphone: "Microphone", "麦克风";
    sound_desktop: "Desktop sound", "桌面声音";
    sound_file: "Sound file", "音频文件";
    sound_of_picture: "Sound of the picture", "画面来源的声音";
    sound_name: "Name", "名称";
    sound_missing: "Not there now: it is silent, and heard again by itself when it is back", "当前不可用：此路静音，恢复后自动接入";
    sound_file_missing: "There is no such file", "文件不存在";
    sound_use: "Use", "使用";
    sound_loop: "Again and again", "循环播放";
    sound_remove: "Remove sound", "删除此声音";
    sound_channels: "Channels", "声道";
    channels_stereo: "Stereo", "立体声";
    channels_mono: "Mono", "单声道";
    channels_left: "Left", "左声道";
    channels_right: "Right", "右声道";
    sound_offset: "Offset", "偏移";
    sound_offset_help: "Heard this much later, or with a minus earlier. For an earlier sound the whole stream waits.", "正数让声音延后，负数让声音提前。声音提前时，整路直播会相应等待。";
    microphone_default: "System default", "系统默认";
    microphone_default_named: "System default ({})", "系统默认（{}）";
    microphone_gone: "{} (not connected)", "{}（未连接）";
    mute: "Mute", "静音";
    muted: "Muted", "已静音";
    monitor: "Listen in", "监听";
    monitor_off: "Off", "关闭";
    monitor_mix: "Everything sent", "全部输出";
    monitor_on: "Listen on", "监听设备";
    monitor_gain: "Loudness", "监听音量";
    monitor_help: "Heard on this computer only, a tenth of a second late. Use headphones: what loudspeakers play comes back through the microphone.",
        "只在本机听到，约有 0.1 秒延迟。请用耳机，否则扬声器的声音会被麦克风再次收进去。";
    sound_quality: "Sound quality", "音质";
    audio_bitrate: "Sound bitrate", "音频码率";
    audio_channels: "Sound channels", "音频声道";
    audio_rate: "Sample rate", "采样率";
    audio_encoder: "Sound encoder", "音频编码器";
    audio_encoder_missing: "{} (not in this FFmpeg)", "{}（当前 FFmpeg 未包含）";
    mute_named: "Mute {}", "静音 {}";
    gain: "Gain", "增益";
    level: "Level of everything sent", "输出总电平";
    level_value: "left {} dB, right {} dB", "左 {} dB，右 {} dB";

    watermark: "Watermark", "水印";
    watermark_add_text: "Add text", "添加文字";
    watermark_add_image: "Add image", "添加图片";
    watermark_new_text: "My channel", "我的直播间";
    watermark_row: "{}. {}", "{}、{}";
    watermark_empty: "(empty)", "（空）";
    watermark_text: "Text", "文字";
    watermark_text_hint: "What viewers read", "观众看到的文字";
    watermark_values: "{time} {date} {elapsed} {fps} {bitrate} are filled in", "可用 {time} {date} {elapsed} {fps} {bitrate} 显示时间等信息";
    watermark_color: "Color", "颜色";
    watermark_file: "Image file", "图片文件";
    watermark_use: "Use", "使用";
    watermark_place: "Position", "位置";
    watermark_opacity: "Opacity", "不透明度";
    watermark_size: "Height", "高度";
    watermark_shown: "Shown", "显示";
    watermark_outline: "Outline", "描边";
    watermark_shadow: "Shadow", "阴影";
    watermark_box: "Box", "底框";
    watermark_drift: "Drift", "漂移";
    watermark_schedule: "Schedule", "定时显示";
    watermark_remove: "Remove", "删除";
    watermark_letters: "Font and lines", "字体与排版";
    watermark_font: "Font", "字体";
    watermark_font_auto: "Automatic", "自动";
    watermark_font_search: "Search fonts", "搜索字体";
    watermark_font_hint: "Name, or path of a font file", "字体名称，或字体文件路径";
    watermark_font_file: "Use this font file", "使用这个字体文件";
    watermark_font_loading: "Reading the fonts…", "正在读取字体…";
    watermark_bold: "Bold", "粗体";
    watermark_italic: "Italic", "斜体";
    watermark_align_left: "Align left", "左对齐";
    watermark_align_center: "Align center", "居中对齐";
    watermark_align_right: "Align right", "右对齐";
    watermark_lines: "Line spacing", "行距";
    watermark_scroll: "Marquee", "滚动";
    watermark_zone: "Time zone", "时区";
    watermark_zone_hint: "The system's, or Asia/Shanghai, +08:00", "默认跟随系统，也可填 Asia/Shanghai 或 +08:00";
    watermark_text_file: "Text from a file", "从文件读取文字";
    watermark_around: "Outline, shadow and box", "描边、阴影与底框";
    watermark_outline_color: "Outline color", "描边颜色";
    watermark_outline_width: "Outline width", "描边宽度";
    watermark_shadow_color: "Shadow color", "阴影颜色";
    watermark_shadow_x: "Shadow to the right", "阴影右移";
    watermark_shadow_y: "Shadow downwards", "阴影下移";
    watermark_shadow_blur: "Shadow softness", "阴影柔和度";
    watermark_box_color: "Box color", "底框颜色";
    watermark_box_padding: "Box padding", "底框边距";
    watermark_box_radius: "Box corners", "底框圆角";
    watermark_around_reset: "Back to defaults", "恢复默认";
    watermark_more: "Place, blending and movement", "位置、混合与移动";
    watermark_margin_x: "Side margin", "左右边距";
    watermark_margin_y: "Top and bottom margin", "上下边距";
    watermark_rotation: "Rotation", "旋转";
    watermark_blend: "Blending", "混合模式";
    watermark_blend_normal: "Normal", "正常";
    watermark_blend_multiply: "Multiply", "正片叠底";
    watermark_blend_screen: "Screen", "滤色";
    watermark_blend_add: "Add", "相加";
    watermark_drift_x: "Drift sideways", "左右漂移";
    watermark_drift_y: "Drift up and down", "上下漂移";
    watermark_drift_period: "Drift there and back", "漂移往返时间";
    watermark_every: "Shown every", "显示间隔";
    watermark_for: "Shown for", "显示时长";
    at_top_left: "Top left", "左上";
    at_top: "Top", "上方";
    at_top_right: "Top right", "右上";
    at_left: "Left", "左侧";
    at_center: "Middle", "正中";
    at_right: "Right", "右侧";
    at_bottom_left: "Bottom left", "左下";
    at_bottom: "Bottom", "下方";
    at_bottom_right: "Bottom right", "右下";

    quality: "Quality", "画质";
    size: "Size and frame rate", "尺寸与帧率";
    bitrate_choice: "Bitrate", "码率";
    quality_locked: "Size can be changed after the stream", "停播后可更改尺寸";
    quality_locked_recording: "Size can be changed after the recording", "停止录制后可更改尺寸";

    adapt: "Adaptive bitrate", "自适应码率";
    adapt_follow: "Follow the link", "随网络调整";
    adapt_preset: "Character", "风格";
    adapt_steady: "Steady: few changes", "平稳：少变动";
    adapt_balanced: "Balanced", "均衡";
    adapt_lively: "Lively: least delay", "灵敏：延迟最低";
    adapt_floor: "Not below", "最低码率";
    adapt_now: "{} kbit/s: {}", "{} kbit/s：{}";
    adapt_small: ", smaller pictures: too few bits for all pixels", "，画面缩小：码率不足";
    adapt_shrink: "Smaller pictures when bits are very few", "码率很低时缩小画面";
    adapt_shrink_hint: "After the frame rate, width and height are halved for at least half a minute. Many services start their transcoding anew then.", "帧率减半仍不够时，宽高减半至少半分钟。许多平台会因此重新开始转码。";
    more_live: "Also: {} ({} kbit/s)", "同时推流：{}（{} kbit/s）";
    more_waits: "Also: {} (not connected)", "同时推流：{}（未连接）";
    adapt_half: ", half the frame rate", "，帧率减半";
    adapt_start: "starting carefully", "谨慎起步";
    adapt_full: "the link carries all of it", "网络完全够用";
    adapt_climbing: "the link has room, going up", "网络有余量，正在升高";
    adapt_holding: "just below what the link carries", "略低于网络上限";
    adapt_probing: "trying whether the link carries more", "试探网络能否更快";
    adapt_quiet: "the picture needs less", "画面变化少，用不了更多";
    adapt_congested: "the link carries less, going down", "网络变慢，正在降低";
    adapt_server: "the server is slow, going down", "服务器接收慢，正在降低";
    adapt_silent: "nothing gets through", "数据发不出去";
    adapt_at_floor: "the link carries less than that", "网络低于最低码率";
    trust_any: "Trust this server's certificate", "信任此服务器的证书";
    trust_any_hint: "Only for a server of your own: anybody could be answering.", "仅用于自己的服务器：无法确认对方身份。";
    retry_now: "Try now", "立即重试";

    destination: "Send to", "推流到";
    address: "Address", "推流地址";
    address_hint: "rtmp://…  (empty: this computer)", "rtmp://…（留空：本机）";
    address_builtin: "No address: the stream goes to the watch page on this computer.", "未填地址：推送到本机的观看页面。";
    key: "Stream key", "推流密钥";
    key_hint: "From your streaming service", "由直播平台提供";
    key_reveal: "Hold to show the key", "按住显示密钥";
    key_taken: "The key was taken out of the address.", "已从地址中取出密钥。";
    key_memory: "The key is not saved to disk.", "密钥不会保存到磁盘。";
    watch: "Watch page", "观看页面";
    watch_open: "Open", "打开";
    watch_copy: "Copy link", "复制链接";
    watch_copied: "Copied", "已复制";

    go_live: "Go live", "开始直播";
    stop: "Stop", "停止直播";
    cancel_connect: "Cancel", "取消";
    stopping: "Stopping…", "正在停止…";
    record: "Record", "录制";
    recording: "Recording", "录制中";
    record_stop: "Stop recording", "停止录制";
    record_section: "Recordings", "录制与回放";
    record_folder: "Folder", "保存位置";
    record_free: "{} free", "剩余 {}";
    record_left: "{} free, enough for about {}", "剩余 {}，约可录 {}";
    record_format: "File format", "文件格式";
    record_mp4: "Make a plain MP4 afterwards", "录完后转成普通 MP4";
    record_mp4_hint: "Every player and editor opens it; a copy without loss.", "所有播放器和剪辑软件都能打开，无损转换。";
    record_split: "New file", "分段";
    record_split_never: "Never", "不分段";
    record_split_every: "Every {} minutes", "每 {} 分钟";
    record_part: "File {}", "第 {} 段";
    record_marks: "{} marks", "{} 个标记";
    record_paused: "Paused", "已暂停";
    record_pause: "Pause recording", "暂停录制";
    record_resume: "Resume recording", "继续录制";
    record_cut: "New file now", "立即分段";
    record_mark: "Set mark", "打标记";
    replay_on: "Replay buffer", "即时回放缓存";
    replay_hint: "Keeps the last seconds in memory, also off air.", "在内存里保留最近几秒，未开播也可用。";
    replay_seconds: "Seconds of replay", "回放秒数";
    replay_save: "Save replay", "保存回放";
    snapshot: "Save picture", "保存截图";
    mp4_making: "Making an MP4 of {}", "正在转换 {}";
    mp4_cancel: "Call off the MP4", "取消转换";
    unfinished: "{} was interrupted. It plays to its last second.", "{} 录制时中断，已录内容可以播放。";
    unfinished_mp4: "Make an MP4 of it", "转成 MP4";
    unfinished_keep: "Leave it as it is", "保持原样";

    fps: "FPS", "帧率";
    bitrate: "Bitrate", "码率";
    dropped: "Dropped", "丢帧";
    queue: "Send queue", "发送队列";
    time_live: "Time live", "直播时长";
    frames_unit: "frames", "帧";
    last_minute: "last minute", "最近一分钟";

    messages: "Messages", "消息";
    messages_none: "Nothing to report.", "暂无消息。";
    dismiss: "Dismiss", "知道了";
    now: "now", "刚刚";
    seconds_ago: "{} s", "{} 秒";
    minutes_ago: "{} min", "{} 分钟";
    hours_ago: "{} h {} min", "{} 小时 {} 分钟";
    times: "{}×", "{} 次";

    quit_title: "You are on air", "正在直播";
    quit_text: "Closing the window ends the stream.", "关闭窗口会结束直播。";
    quit_both_text: "Closing the window ends the stream and the recording.", "关闭窗口会结束直播和录制。";
    quit_recording_title: "You are recording", "正在录制";
    quit_recording_text: "Closing the window ends the recording. The file is complete up to now.", "关闭窗口会结束录制，已录内容完整保留。";
    quit_yes: "End and close", "结束并关闭";
    quit_no: "Keep going", "继续";

    ev_source_up: "Picture is there", "画面已就绪";
    ev_source_lost: "Picture lost", "画面中断";
    ev_source_ended: "Source has ended", "来源已结束";
    ev_source_trouble: "Trouble with a file", "文件有问题";
    ev_sound_up: "Sound is there", "声音已就绪";
    ev_sound_lost: "A sound is missing", "声音中断";
    ev_sound_ended: "A sound has ended", "声音已结束";
    ev_monitor_up: "Listening in", "监听已开启";
    ev_monitor_lost: "Listening in does not work", "监听不可用";
    ev_monitor_echo: "Viewers hear an echo", "观众会听到回声";
    ev_no_microphone: "No microphone", "没有麦克风";
    ev_connected: "On air", "已开播";
    ev_lost: "Connection lost, trying again", "连接中断，正在重试";
    ev_more: "A further destination", "另一个推流目标";
    ev_key_expires: "The stream key expires", "推流密钥会过期";
    login_taken: "The user name and password in the address are used, too; they are not saved.", "地址中的用户名和密码也会使用，不会保存。";
    network: "Network", "网络";
    network_hint: "Used from the next connection on.", "从下一次连接开始生效。";
    proxy: "Proxy", "代理服务器";
    proxy_hint: "socks5://host:port or http://host:port", "socks5://主机:端口 或 http://主机:端口";
    bind: "From interface or address", "出口网卡或本机地址";
    bind_hint: "any (for example eth0 or 192.168.1.5)", "不限（例如 eth0 或 192.168.1.5）";
    resolver: "Names are looked up by", "域名解析方式";
    resolver_system: "The system", "系统";
    resolver_doh: "DNS over HTTPS", "加密 DNS（DoH）";
    resolver_httpdns: "HTTPDNS", "HTTPDNS（云解析）";
    resolver_url: "Address of the service", "解析服务地址";
    move_when_slow: "Change to another address of the server when slow", "变慢时自动切换到其他服务器地址";
    enhanced: "Enhanced RTMP", "增强型 RTMP";
    enhanced_auto: "For services known to take it", "仅用于已知支持的平台";
    enhanced_on: "Always", "始终启用";
    enhanced_off: "Never", "不使用";
    recorder_export: "Save the last ten minutes for a report", "保存最近十分钟的运行记录";
    redirect_title: "Send the stream key to {}?", "把推流密钥发送到 {} 吗？";
    redirect_text: "The server sends the stream there, and it belongs to somebody else as far as its name tells.", "服务器要求把直播转到那里，从域名看它不属于同一方。";
    redirect_allow: "Allow this time", "本次允许";
    ev_redirect: "The server sends the stream elsewhere", "服务器要求转到别处";
    ev_moved: "Another server", "已切换服务器";
    ev_recorder: "Report", "运行记录";
    ev_silent: "Nothing gets through", "数据发不出去";
    ev_returned: "The link is back", "网络已恢复";
    ev_rejected: "The server refused the stream", "服务器拒绝了推流";
    ev_failed: "The stream could not be sent", "推流失败";
    ev_stopped: "Stream ended", "直播已结束";
    ev_recording: "Recording started", "开始录制";
    ev_recording_stopped: "Recording saved", "录制已保存";
    ev_recording_split: "Recording goes on in a new file", "录制已分段";
    ev_disk_low: "The disk is nearly full", "磁盘空间不足";
    ev_recording_unfinished: "A recording was interrupted", "有未完成的录制";
    ev_replay: "Replay", "即时回放";
    ev_mp4_made: "MP4 is ready", "MP4 已生成";
    ev_mp4_failed: "No MP4 was made", "转换 MP4 失败";
    ev_recording_slow: "Recording too slow", "录制跟不上";
    ev_recording_failed: "Recording failed", "录制失败";
    ev_encoder_rebuilt: "Encoder restarted", "编码器已重启";
    ev_encoder_replaced: "Another encoder took over", "已换用其他编码器";
    ev_encoder_lowered: "Encoder made faster", "已降低编码负担";
    ev_encoder_raised: "Quality is back", "编码画质已恢复";
    ev_encoder_failed: "Encoder failed", "编码器出错";
    ev_overloaded: "This computer cannot keep up", "电脑性能不足，已跳帧";
    ev_stage_restarted: "A part of Kaibo was restarted", "Kaibo 的一个部件已重启";
    ev_stage_failed: "A part of Kaibo stopped", "Kaibo 的一个部件停止了";
    ev_gpu_lost: "Graphics device lost", "显卡设备丢失";
    ev_server_started: "Watch page is ready", "观看页面已就绪";
    ev_server_failed: "Watch page cannot start", "观看页面无法启动";
    ev_settings: "Settings", "设置";
    ev_watermark: "Watermark", "水印";
    ev_screenshot: "Picture saved", "截图已保存";
    ev_events_lost: "Some messages were lost", "部分消息丢失";
    not_answering: "The engine is not answering", "引擎没有响应";
    not_answering_do: "The last click had no effect. If this stays, close and start Kaibo again.", "刚才的操作没有生效。若一直如此，请关闭并重新启动。";
    save_failed: "Settings could not be saved", "设置无法保存";
    settings_unread: "Started with default settings", "已使用默认设置启动";
}

impl Text {
    /// The nine places of a watermark, row by row.
    pub const fn anchors(&self) -> [&'static str; 9] {
        [
            self.at_top_left,
            self.at_top,
            self.at_top_right,
            self.at_left,
            self.at_center,
            self.at_right,
            self.at_bottom_left,
            self.at_bottom,
            self.at_bottom_right,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_missing_and_both_languages_take_the_same_values() {
        let pairs = ENGLISH.all().into_iter().zip(CHINESE.all());
        for ((name, english), (_, chinese)) in pairs {
            assert!(!english.trim().is_empty(), "{name} has no English text");
            assert!(!chinese.trim().is_empty(), "{name} has no Chinese text");
            assert_eq!(
                english.matches("{}").count(),
                chinese.matches("{}").count(),
                "{name}"
            );
            assert!(
                english.chars().all(|c| u32::from(c) < 0x2E80),
                "{name}: Chinese in the English column"
            );
            let international = ["FPS", "{}×"];
            assert!(
                chinese.chars().any(|c| u32::from(c) >= 0x2E80) || international.contains(&chinese),
                "{name}: {chinese:?} is not Chinese"
            );
        }
    }

    #[test]
    fn locales_choose_the_language() {
        for chinese in ["zh_CN.UTF-8", "zh-Hans-CN", "zh", "ZH_TW"] {
            assert_eq!(Language::of_locale(chinese), Language::Chinese, "{chinese}");
        }
        for english in ["en_US.UTF-8", "de_DE@euro", "zha", "C", ""] {
            assert_eq!(Language::of_locale(english), Language::English, "{english}");
        }
    }

    #[test]
    fn values_fill_the_places_in_order() {
        assert_eq!(fill("try {} in {} s", &["2", "5"]), "try 2 in 5 s");
        assert_eq!(fill("no place", &["2"]), "no place");
        assert_eq!(fill("{}", &[]), "");
    }
}
