//! Table of all WGSL sources.
