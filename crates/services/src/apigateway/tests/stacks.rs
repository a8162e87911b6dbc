//! Stacks with APIs in them.
