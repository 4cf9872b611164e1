//! *Escapes*: they change a text at their marks, where one character or none is written as several.

pub(in crate::decode) mod branch;
pub(in crate::decode) mod escape;
pub(in crate::decode) mod marks;
mod markup;
#[cfg(test)]
mod oracles;
mod reach;
mod reference;
#[cfg(test)]
mod tests;
mod tree;
pub(in crate::decode) mod unescape;
mod wakes;

pub use escape::undo;
pub use marks::has_marks;
pub use reach::Reach;
pub use tree::{Reader, Tree};
