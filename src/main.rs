//! The program: parse, dispatch, print the error, exit.

fn main() {}
