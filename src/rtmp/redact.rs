//! Servers like to repeat the stream key in what they say ("stream KEY is busy"). Their words pass through here before
//! anybody sees them.

use super::url::RtmpUrl;

/// What stands in place of a secret.
const MASK: &str = "••••";
/// A shorter name would be found inside ordinary words, and is no secret to speak of: it is hidden where it stands alone.
const SHORT: usize = 5;
/// Longest text kept of what a server says.
const MAX_TEXT: usize = 500;

/// Hides the parts of one address's key, and of the application's query, in texts.
#[derive(Clone)]
pub struct Redactor {
    /// Longest first, so that the whole is hidden before its parts.
    secrets: Vec<String>,
}

impl Redactor {
    /// For the secrets of `url`.
    pub fn new(url: &RtmpUrl) -> Self {
        let key = url.key.expose();
        let mut secrets = vec![key.to_owned()];
        for text in [key, &url.app] {
            let (name, query) = text.split_once('?').unwrap_or((text, ""));
            if text == key {
                secrets.push(name.to_owned());
            }
            secrets.push(query.to_owned());
            let values = query
                .split('&')
                .map(|p| p.split_once('=').map_or(p, |(_, v)| v));
            secrets.extend(values.filter(|v| v.len() >= SHORT).map(str::to_owned));
        }
        if let Some(login) = &url.login {
            secrets.extend([login.password.clone(), login.user.clone()]);
        }
        secrets.retain(|s| !s.is_empty());
        secrets.sort_by_key(|s| std::cmp::Reverse(s.len()));
        secrets.dedup();
        Self { secrets }
    }

    /// `text` without secrets and control characters, cut to a length fit for a message.
    pub fn clean(&self, text: &str) -> String {
        let mut text: String = text.chars().filter(|c| !c.is_control()).collect();
        for secret in &self.secrets {
            text = if secret.len() < SHORT {
                replace_alone(&text, secret)
            } else {
                text.replace(secret.as_str(), MASK)
            };
        }
        if text.len() > MAX_TEXT {
            text.truncate(text.floor_char_boundary(MAX_TEXT));
            text.push('…');
        }
        text
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} secrets)", self.secrets.len())
    }
}

/// Replaces `secret` where neither a letter nor a digit stands next to it.
fn replace_alone(text: &str, secret: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(secret) {
        let (before, found) = rest.split_at(at);
        let behind = &found[secret.len()..];
        let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        out.push_str(before);
        let alone = !word(out.chars().next_back()) && !word(behind.chars().next());
        out.push_str(if alone { MASK } else { secret });
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(address: &str) -> Redactor {
        Redactor::new(&RtmpUrl::parse(address, None).unwrap())
    }

    #[test]
    fn the_key_and_its_parts_are_hidden() {
        let r = redactor("rtmp://h/app?token=apptoken/stream1?auth_key=0123456789&n=1");
        for (said, shown) in [
            ("stream1?auth_key=0123456789&n=1 is busy", "•••• is busy"),
            ("stream /app/stream1 is busy", "stream /app/•••• is busy"),
            ("auth 0123456789 expired", "auth •••• expired"),
            ("bad token apptoken", "bad token ••••"),
            ("Start\npublishing", "Startpublishing"),
        ] {
            assert_eq!(r.clean(said), shown);
        }
    }

    #[test]
    fn a_short_key_does_not_garble_the_text() {
        let r = redactor("rtmp://h/app/is");
        assert_eq!(r.clean("this is his: is"), "this •••• his: ••••");
    }

    #[test]
    fn the_login_is_hidden() {
        let r = redactor("rtmp://harry:hunter%402@h/app/key");
        let said = "?reason=authfailed&user=harry password hunter@2";
        assert_eq!(r.clean(said), "?reason=authfailed&user=•••• password ••••");
    }

    #[test]
    fn a_flood_is_cut() {
        assert!(redactor("rtmp://h/app/key").clean(&"ü".repeat(9_999)).len() < 510);
    }
}
