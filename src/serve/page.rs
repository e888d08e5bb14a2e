//! What the watch page's server sends as text: stream names and figures in, HTML and JSON out. Names come from
//! strangers: escaped for HTML, percent-coded in addresses. Pure functions; the page itself lies in `assets/watch`.

use std::fmt::Write as _;

use serde::Serialize;

use super::stream::StreamStats;

/// The player.
pub(super) const SCRIPT: &str = include_str!("../../assets/watch/watch.js");
/// How it looks.
pub(super) const STYLE: &str = include_str!("../../assets/watch/watch.css");
const WATCH: &str = include_str!("../../assets/watch/watch.html");
const LISTING: &str = include_str!("../../assets/watch/index.html");

/// The watch page of a stream, live or not.
pub(super) fn watch(name: &str) -> String {
    WATCH.replace("{{name}}", &escape_html(name))
}

/// The list of streams.
pub(super) fn listing(streams: Option<&[StreamStats]>) -> String {
    let mut items = String::new();
    if streams.is_none() {
        items.push_str(
            "<li class=\"none\">请打开完整的观看地址 · Open the whole address of the stream you were given</li>",
        );
    }
    for stream in streams.unwrap_or_default() {
        let size = if stream.height == 0 {
            String::new()
        } else {
            format!("{}×{}", stream.width, stream.height)
        };
        // Writing to a String cannot fail.
        write!(
            items,
            "<li><a href=\"/watch/{}\"><b>{}</b><span>{size}</span></a></li>",
            percent_encode(&stream.name),
            escape_html(&stream.name),
        )
        .ok();
    }
    if items.is_empty() {
        items.push_str("<li class=\"none\">还没有直播 · Nothing is live yet</li>");
    }
    LISTING.replace("{{streams}}", &items)
}

/// What the page asks for once a second.
pub(super) fn stats(stats: Option<&StreamStats>) -> String {
    #[derive(Serialize)]
    struct Answer<'a> {
        live: bool,
        #[serde(flatten)]
        stats: Option<&'a StreamStats>,
    }
    serde_json::to_string(&Answer {
        live: stats.is_some(),
        stats,
    })
    .unwrap_or_else(|_impossible| "{\"live\":false}".to_owned())
}

/// For text and quoted attributes.
fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// A path segment (RFC 3986, 2.3: everything but unreserved characters is coded).
pub(super) fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").ok(); // writing to a String cannot fail
        }
    }
    out
}

/// Undoes [`percent_encode`]; `None` for what is not UTF-8 or not well formed.
pub(super) fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |b: u8| {
                char::from(b)
                    .to_digit(16)
                    .and_then(|d| u8::try_from(d).ok())
            };
            out.push(digit(bytes.next()?)? << 4 | digit(bytes.next()?)?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_strangers_stay_text() {
        let name = "<script>alert('x')</script>&\"舞 台";
        assert_eq!(percent_decode(&percent_encode(name)).as_deref(), Some(name));
        assert!(percent_encode(name).is_ascii());
        let html = watch(name);
        assert!(!html.contains("<script>alert"));
        assert!(html.contains("&lt;script&gt;alert(&#39;x&#39;)"));
        assert_eq!(percent_decode("%zz"), None);
        assert_eq!(percent_decode("%4"), None);
        assert_eq!(percent_decode("%ff"), None, "not UTF-8");
        assert_eq!(stats(None), "{\"live\":false}");
    }
}
