//! Two tracks into one order that never goes back.
