//! Orders on standard input while a show runs without a window: lines in, commands to the engine out. A thread of its
//! own, which ends with its input or the program.

use std::convert::Infallible;
use std::path::PathBuf;

use super::{Exit, fail};
use crate::engine::EngineHandle;
use crate::engine::command::Command;
use crate::output::record::Order;
use crate::settings::scenes::TransitionSettings;
use crate::stage::{StopFlag, spawn};

/// Longest line that is looked at, in characters.
const MOST: usize = 4096;

/// Begins to listen.
pub(super) fn start(handle: EngineHandle) {
    let listen = move |(), _: &StopFlag| {
        for line in std::io::stdin().lines() {
            let line = line.map_err(|e| e.to_string())?;
            match parse(&line) {
                Ok(None) => {}
                Ok(Some(command)) => {
                    if let Err(e) = handle.send(command) {
                        complain(&e.to_string());
                    }
                }
                Err(reason) => complain(&reason),
            }
        }
        Ok(())
    };
    let stop = StopFlag::new();
    match spawn("control", &stop, || Ok::<_, Infallible>(()), listen, |_| {}) {
        // dropping the handle only asks the thread to stop; it listens as long as the program runs
        Ok(handle) => drop(handle),
        Err(e) => complain(&e.to_string()),
    }
}

fn complain(reason: &str) {
    fail(reason, Exit::BadSettings); // says it; the show goes on
}

/// One line.
fn parse(line: &str) -> Result<Option<Command>, String> {
    let line: String = line.chars().take(MOST).collect();
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let file = || Some(rest).filter(|r| !r.is_empty()).map(PathBuf::from);
    Ok(Some(match word {
        "" => return Ok(None),
        "pause" => Command::Record(Order::Pause),
        "resume" => Command::Record(Order::Resume),
        "split" => Command::Record(Order::Split),
        "mark" => Command::Record(Order::Mark(rest.to_owned())),
        "replay" => Command::SaveReplay(file()),
        "picture" => match file() {
            Some(path) => Command::Screenshot(path),
            None => return Err("picture: name the PNG file".to_owned()),
        },
        "scene" | "cut" if rest.is_empty() => return Err(format!("{word}: name the scene")),
        "scene" | "cut" => Command::SwitchScene {
            name: rest.to_owned(),
            transition: (word == "cut").then_some(TransitionSettings::CUT),
        },
        other => {
            return Err(format!(
                "{other:?} is no order: pause, resume, split, mark TITLE, replay [FILE], picture FILE, scene NAME, \
                 cut NAME"
            ));
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_orders() {
        let order = |line: &str| match parse(line) {
            Ok(Some(Command::Record(order))) => order,
            other => panic!("{other:?}"),
        };
        assert_eq!(order("pause"), Order::Pause);
        assert_eq!(
            order(" mark  第二局 boss "),
            Order::Mark("第二局 boss".to_owned())
        );
        assert!(matches!(
            parse("replay /tmp/x y.mp4"),
            Ok(Some(Command::SaveReplay(Some(p)))) if p.as_os_str() == "/tmp/x y.mp4"
        ));
        assert!(matches!(parse(""), Ok(None)));
        assert!(matches!(
            parse("scene 休息 1"),
            Ok(Some(Command::SwitchScene { name, transition: None })) if name == "休息 1"
        ));
        assert!(matches!(
            parse("cut Game"),
            Ok(Some(Command::SwitchScene { name, transition: Some(TransitionSettings::CUT) })) if name == "Game"
        ));
        assert!(parse("picture").is_err() && parse("scene").is_err() && parse("dance").is_err());
    }
}
