//! x
pub mod program;
pub mod tokens;
pub mod upstream;
