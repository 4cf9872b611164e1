//! Undoes encodings, layer by layer, inside a budget. Pure: no I/O, no HTTP, no matcher.
//!
//! An *escape* layer (percent, JSON, form, the references and brackets of XML and HTML, and others where
//! asked for) changes a text only at its marks. A text given whole is
//! decoded by [`visit`]; one that comes in chunks by a [`Tree`], which decodes only around marks.
//! Both nest the layers in every order, and both pass over an escape whose product can stand in no
//! token and in no other escape (a newline, a quote, a space, mostly): see [`Relevant`]. So ordinary
//! text costs a search for a few bytes.

pub mod base64;
mod branch;
mod budget;
mod byteset;
#[cfg(test)]
pub(crate) mod encode;
mod escape;
mod layer;
mod marks;
mod markup;
#[cfg(test)]
mod oracles;
mod reference;
#[cfg(test)]
mod tests;
mod tree;
mod unescape;
mod wakes;
mod whole;

pub use budget::{Budget, Limits, MAX_DEPTH};
pub use byteset::{ByteSet, Relevant};
pub use escape::undo;
pub use layer::Layer;
pub use marks::has_marks;
pub use tree::{Reader, Tree};
pub use whole::{View, visit};
