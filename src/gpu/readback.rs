//! Readback ring.
