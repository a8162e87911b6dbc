//! Coercion and messages.
use super::*;
