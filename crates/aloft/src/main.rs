//! The `aloft` command.

fn main() {}
