//! Undoes encodings, layer by layer, inside a budget. Pure: no I/O, no HTTP, no matcher.
//!
//! An *escape* layer (percent, JSON, form) changes a text only at its marks. A text given whole is
//! decoded by [`visit`]; one that comes in chunks by a [`Tree`], which decodes only around marks.
//! Both nest the layers in every order, and both pass over an escape whose product can stand in no
//! token and in no other escape (a newline, a quote, a space, mostly): see [`Relevant`]. So ordinary
//! text costs a search for a few bytes.
//!
//! A *container* is undone as a whole, as bytes come in: [`inflate`], [`charset`], [`transfer`].

pub mod base64;
mod branch;
mod budget;
mod byteset;
pub mod charset;
#[cfg(test)]
pub(crate) mod encode;
mod escape;
pub mod inflate;
mod layer;
mod permessage;
#[cfg(test)]
mod tests;
pub mod transfer;
mod tree;
mod unescape;
mod utf7;
mod wakes;
mod whole;

pub use budget::{Budget, Limits, MAX_DEPTH};
pub use byteset::{ByteSet, Relevant};
pub use escape::{has_marks, undo};
pub use layer::Layer;
pub use permessage::{NotInflated, Permessage};
pub use tree::{Reader, Tree};
pub use whole::{View, visit};
