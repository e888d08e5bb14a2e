//! What a peer that speaks no RTMP may be, by its first bytes. Pure.

/// What a peer that speaks no RTMP said first, in words.
pub(super) fn describe_greeting(bytes: &[u8]) -> String {
    if bytes.starts_with(b"HTTP/") {
        return "it is a web server".to_owned();
    }
    if bytes.starts_with(&[0x15, 3]) || bytes.starts_with(&[0x16, 3]) {
        return "it wants an encrypted connection (rtmps)".to_owned();
    }
    let line = bytes.split(|b| *b == b'\r' || *b == b'\n').next();
    let printable = |b: &u8| b.is_ascii_graphic() || *b == b' ';
    match line {
        Some(line) if line.len() > 3 && line.iter().all(printable) => {
            format!("it began with {:?}", String::from_utf8_lossy(line))
        }
        _ => format!("it began with byte {}", bytes.first().copied().unwrap_or(0)),
    }
}
