//! Stream keys, logins and proxy passwords leave the command line, where every user of the machine could read them: the
//! program starts itself anew with them in its environment, which only its own user can read. Same process, same number.

use std::ffi::{OsStr, OsString};

/// An option whose value may hold a secret, and the variable that says the same.
type Hidden = (&'static str, &'static str);

const PROXY: Hidden = ("--proxy", "KAIBO_PROXY");
/// Of `kaibo push`.
const OF_PUSH: &[Hidden] = &[("--url", "KAIBO_URL"), ("--also", "KAIBO_ALSO"), PROXY];
/// Of `kaibo check`, whose address stands alone.
const OF_CHECK: &[Hidden] = &[PROXY];

/// A variable and its value.
type Secret = (&'static str, OsString);

/// Hides what stands in the arguments of this process, if there is something. Does not return then; when the system does
/// not let it, the program goes on as it is.
pub fn hide_secrets() {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        let args: Vec<_> = std::env::args_os().collect();
        let Some((args, secrets)) = without_secrets(&args) else {
            return;
        };
        let (Ok(program), Some((name, rest))) = (std::env::current_exe(), args.split_first())
        else {
            return;
        };
        let mut again = std::process::Command::new(program);
        for (variable, value) in secrets {
            // several further addresses: one variable
            let before = std::env::var_os(variable).filter(|_| variable == "KAIBO_ALSO");
            let value = before.map_or_else(|| value.clone(), |b| joined(&b, &value));
            again.env(variable, value);
        }
        // only returns when it fails; nothing is set up yet that could log it, and nothing is lost
        let _failed = again.arg0(name).args(rest).exec();
    }
}

fn joined(a: &OsStr, b: &OsStr) -> OsString {
    let mut both = a.to_owned();
    both.push(" ");
    both.push(b);
    both
}

/// The arguments that are left, and what was taken out; `None` when nothing is to be hidden.
fn without_secrets(args: &[OsString]) -> Option<(Vec<OsString>, Vec<Secret>)> {
    let mut left = Vec::with_capacity(args.len());
    let mut secrets: Vec<Secret> = Vec::new();
    let mut take = |variable, value: OsString| {
        let also = secrets.iter_mut().find(|(v, _)| *v == variable);
        match also.filter(|_| variable == "KAIBO_ALSO") {
            Some((_, values)) => *values = joined(values, &value),
            None => secrets.push((variable, value)),
        }
    };
    // only what the command takes: the rest is for the argument parser to refuse
    let commands = args.get(1..)?.iter().filter_map(|a| match a.to_str()? {
        "push" => Some(OF_PUSH),
        "check" => Some(OF_CHECK),
        _ => None,
    });
    let options = commands.into_iter().next()?;
    let mut rest = args.iter();
    left.push(rest.next()?.clone());
    while let Some(arg) = rest.next() {
        let text = arg.to_string_lossy();
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(OsString::from(value))),
            None => (&*text, None),
        };
        let option = options.iter().find(|(option, _)| *option == name);
        if let Some((_, variable)) = option {
            // without a value it is the argument parser that has something to say
            let value = value.or_else(|| rest.next().cloned())?;
            if value.to_string_lossy().starts_with("--") {
                return None;
            }
            take(*variable, value);
        } else if is_address(&text) {
            // an address without its option, or behind "--"
            take("KAIBO_URL", arg.clone());
        } else {
            left.push(arg.clone());
        }
    }
    (!secrets.is_empty()).then_some((left, secrets))
}

fn is_address(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|s| s.eq_ignore_ascii_case("rtmp") || s.eq_ignore_ascii_case("rtmps"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(args: &str) -> Option<(String, Vec<(&'static str, String)>)> {
        let args: Vec<_> = args.split(' ').map(OsString::from).collect();
        let (left, secrets) = without_secrets(&args)?;
        let text = |s: &OsString| s.to_string_lossy().into_owned();
        let left: Vec<_> = left.iter().map(text).collect();
        let secrets = secrets.iter().map(|(v, s)| (*v, text(s)));
        Some((left.join(" "), secrets.collect()))
    }

    #[test]
    fn secrets_go_to_the_environment_and_nothing_else_does() {
        let url = "rtmp://h/a/k?x=y";
        let (left, secrets) = hidden(&format!(
            "kaibo -v push --url {url} --also=rtmp://i/a/1 --fps 30 --also rtmp://j/a/2"
        ))
        .unwrap();
        assert_eq!(left, "kaibo -v push --fps 30");
        assert_eq!(
            secrets,
            [
                ("KAIBO_URL", url.to_owned()),
                ("KAIBO_ALSO", "rtmp://i/a/1 rtmp://j/a/2".to_owned())
            ]
        );
        let (left, secrets) =
            hidden("kaibo check --json rtmps://h/a/k --proxy socks5://u:p@h:1").unwrap();
        assert_eq!(left, "kaibo check --json");
        assert_eq!(secrets[0], ("KAIBO_URL", "rtmps://h/a/k".to_owned()));
        assert_eq!(secrets[1], ("KAIBO_PROXY", "socks5://u:p@h:1".to_owned()));
        for stray in ["push rtmp://h/a/k", "check -- rtmp://h/a/k"] {
            let (left, secrets) = hidden(&format!("kaibo {stray}")).unwrap();
            assert!(!left.contains("rtmp"), "{left}");
            assert_eq!(secrets, [("KAIBO_URL", "rtmp://h/a/k".to_owned())]);
        }
        for nothing in [
            "kaibo",
            "kaibo push --source test",
            "kaibo push --url",
            "kaibo push --url --also rtmp://h/a/k",
            "kaibo record a.mp4 --url rtmp://h/a/k",
            "kaibo serve",
        ] {
            assert_eq!(hidden(nothing), None, "{nothing}");
        }
    }
}
