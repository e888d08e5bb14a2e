//! Options of `kaibo push` for how the pictures are fitted to the links.

use clap::{Args, ValueEnum};

use crate::settings::{MoreEncode, StreamSettings};

/// Picture and links.
#[derive(Debug, Args)]
pub(super) struct LinkArgs {
    /// Where even half the frame rate leaves too few bits: pictures half as wide and high, for a while. Many services then
    /// start their transcoding anew.
    #[arg(long)]
    shrink: bool,
    /// What the addresses of --also get [default: first]
    #[arg(long, value_enum, value_name = "WHAT")]
    also_encode: Option<MoreArg>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MoreArg {
    /// The pictures of the first address, at what its link carries.
    First,
    /// The same pictures for all, at what the slowest link carries.
    Slowest,
    /// An encoder of its own for each, at what its link carries.
    Own,
}

impl LinkArgs {
    /// Lays the options over the settings.
    pub(super) fn apply(&self, stream: &mut StreamSettings) {
        stream.adapt.shrink |= self.shrink;
        if let Some(more) = self.also_encode {
            stream.more = match more {
                MoreArg::First => MoreEncode::First,
                MoreArg::Slowest => MoreEncode::Slowest,
                MoreArg::Own => MoreEncode::Own,
            };
        }
    }
}
