//! Logging in at `connect`, as Adobe Media Server ("authmod=adobe", Akamai) and Limelight ("authmod=llnw") want it: the
//! refusal's words in, the query for the next attempt out. Three connections are normal: one to learn that a login is
//! wanted, one to get a challenge, one to answer it. Pure; nobody ever sends the password itself.
//!
//! MD5 is what both schemes are made of; it protects little, which is why `rtmps://` is worth having.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};

use super::url::Login;

/// Longest value taken from a challenge.
const MAX_VALUE: usize = 256;

/// How a server wants to be logged in to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthScheme {
    /// Adobe Media Server, Akamai, Wowza.
    Adobe,
    /// Limelight.
    Llnw,
}

impl AuthScheme {
    const fn name(self) -> &'static str {
        match self {
            Self::Adobe => "adobe",
            Self::Llnw => "llnw",
        }
    }
}

/// What a server says about a login. The words of a stranger: checked when they are used.
#[derive(Clone, PartialEq, Eq)]
pub enum AuthDemand {
    /// A login is wanted: say who.
    Name(AuthScheme),
    /// Prove it.
    Proof(AuthScheme, Challenge),
    /// Name or password are wrong.
    Wrong,
}

/// What the proof is made from.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Challenge {
    salt: String,
    challenge: String,
    opaque: String,
    nonce: String,
}

impl std::fmt::Debug for AuthDemand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Name(_) => "Name",
            Self::Proof(..) => "Proof",
            Self::Wrong => "Wrong",
        })
    }
}

impl std::fmt::Debug for Challenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Challenge")
    }
}

/// What the words of a refusal demand, if they are about a login.
pub fn demand(description: &str) -> Option<AuthDemand> {
    let scheme = [AuthScheme::Adobe, AuthScheme::Llnw]
        .into_iter()
        .find(|s| description.contains(&format!("authmod={}", s.name())))?;
    let Some((_, query)) = description.split_once('?') else {
        return Some(AuthDemand::Name(scheme));
    };
    let mut challenge = Challenge::default();
    let mut reason = "";
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        let value = value.split_whitespace().next().unwrap_or("");
        let value = &value[..value.floor_char_boundary(MAX_VALUE)];
        match name {
            "reason" => reason = value,
            "salt" => value.clone_into(&mut challenge.salt),
            "challenge" => value.clone_into(&mut challenge.challenge),
            "opaque" => value.clone_into(&mut challenge.opaque),
            "nonce" => value.clone_into(&mut challenge.nonce),
            _ => {}
        }
    }
    match reason {
        "needauth" => Some(AuthDemand::Proof(scheme, challenge)),
        // "authfailed", "nosuchuser" and whatever else
        _ => Some(AuthDemand::Wrong),
    }
}

/// The query, without its "?", that says who we are.
pub fn name_query(scheme: AuthScheme, login: &Login) -> String {
    format!("authmod={}&user={}", scheme.name(), login.user)
}

/// The query, without its "?", that proves it. `app` is the application of the address; `random` must be another number
/// each time.
pub fn proof_query(
    scheme: AuthScheme,
    challenge: &Challenge,
    login: &Login,
    app: &str,
    random: u32,
) -> String {
    match scheme {
        AuthScheme::Adobe => adobe(challenge, login, random),
        AuthScheme::Llnw => llnw(challenge, login, app, random),
    }
}

/// Base64 of MD5(Base64 of MD5(user salt password), the server's word, our word).
fn adobe(challenge: &Challenge, login: &Login, random: u32) -> String {
    let Challenge {
        salt,
        challenge: word,
        opaque,
        ..
    } = challenge;
    let ours = format!("{random:08x}");
    let secret = BASE64.encode(md5(&[&login.user, salt, &login.password]));
    let word = if opaque.is_empty() { word } else { opaque };
    let response = BASE64.encode(md5(&[&secret, word, &ours]));
    let mut query = format!(
        "{}&challenge={ours}&response={response}",
        name_query(AuthScheme::Adobe, login)
    );
    if !opaque.is_empty() {
        query.push_str("&opaque=");
        query.push_str(opaque);
    }
    query
}

/// HTTP digest authentication (RFC 2617) with "publish" for the method and "live" for the realm.
fn llnw(challenge: &Challenge, login: &Login, app: &str, random: u32) -> String {
    let nonce = &challenge.nonce;
    let ours = format!("{random:08x}");
    let app = app.split('?').next().unwrap_or(app);
    let instance = if app.contains('/') { "" } else { "/_definst_" };
    let secret = hex(md5(&[&login.user, ":live:", &login.password]));
    let what = hex(md5(&["publish:/", app, instance]));
    let response = hex(md5(&[
        &secret,
        ":",
        nonce,
        ":00000001:",
        &ours,
        ":auth:",
        &what,
    ]));
    format!(
        "{}&nonce={nonce}&cnonce={ours}&nc=00000001&response={response}",
        name_query(AuthScheme::Llnw, login)
    )
}

fn md5(parts: &[&str]) -> [u8; 16] {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

fn hex(bytes: [u8; 16]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        Login {
            user: "user".to_owned(),
            password: "pass".to_owned(),
        }
    }

    #[test]
    fn demands_are_read_from_the_words_servers_use() {
        for (words, expected) in [
            (
                "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : ",
                Some(AuthDemand::Name(AuthScheme::Adobe)),
            ),
            (
                "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=needauth&user=user&salt=s4Lt&challenge=c1==&opaque=o2",
                Some(AuthDemand::Proof(
                    AuthScheme::Adobe,
                    Challenge {
                        salt: "s4Lt".to_owned(),
                        challenge: "c1==".to_owned(),
                        opaque: "o2".to_owned(),
                        nonce: String::new(),
                    },
                )),
            ),
            (
                "[ AccessManager.Reject ] : [ authmod=llnw ] : ?reason=needauth&user=u&nonce=n1 ",
                Some(AuthDemand::Proof(
                    AuthScheme::Llnw,
                    Challenge {
                        nonce: "n1".to_owned(),
                        ..Challenge::default()
                    },
                )),
            ),
            (
                "[ authmod=adobe ] : ?reason=authfailed&opaque=x",
                Some(AuthDemand::Wrong),
            ),
            (
                "[ authmod=adobe ] : ?reason=nosuchuser",
                Some(AuthDemand::Wrong),
            ),
            ("stream is busy", None),
            ("", None),
        ] {
            assert!(demand(words) == expected, "{words}");
        }
        let flood = format!("authmod=adobe ?reason=needauth&salt={}", "ü".repeat(9999));
        let Some(AuthDemand::Proof(_, challenge)) = demand(&flood) else {
            panic!("a challenge");
        };
        assert!(challenge.salt.len() <= MAX_VALUE);
    }

    /// Expected values computed with `md5sum` and `base64` of coreutils.
    #[test]
    fn proofs_are_those_of_the_schemes() {
        let challenge = Challenge {
            salt: "salt".to_owned(),
            challenge: "chal".to_owned(),
            ..Challenge::default()
        };
        let query = proof_query(AuthScheme::Adobe, &challenge, &login(), "live", 0x1234);
        assert_eq!(query, ADOBE_PLAIN);
        let challenge = Challenge {
            opaque: "opq".to_owned(),
            ..challenge
        };
        let query = proof_query(AuthScheme::Adobe, &challenge, &login(), "live", 0x1234);
        assert_eq!(query, ADOBE_OPAQUE);
        let challenge = Challenge {
            nonce: "n0nce".to_owned(),
            ..Challenge::default()
        };
        let query = proof_query(AuthScheme::Llnw, &challenge, &login(), "live?a=b", 0x1234);
        assert_eq!(query, LLNW);
        assert!(!query.contains("pass"));
    }

    const ADOBE_PLAIN: &str =
        "authmod=adobe&user=user&challenge=00001234&response=F7SzTSgHxoI4spU877XFkw==";
    const ADOBE_OPAQUE: &str =
        "authmod=adobe&user=user&challenge=00001234&response=0kFO/YjgWdhosQ8DWBd2zQ==&opaque=opq";
    const LLNW: &str = "authmod=llnw&user=user&nonce=n0nce&cnonce=00001234&nc=00000001&response=81ecbc0ddcdebaa71be9d86af4d12466";
}
