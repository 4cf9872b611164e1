//! Undoes encodings, layer by layer, inside a budget. Pure: no I/O, no HTTP, no matcher.
//!
//! An *escape* layer (percent, JSON, form, the references and brackets of XML and HTML, and others where
//! asked for) changes a text only at its marks. A text given whole is
//! decoded by [`visit`]; one that comes in chunks by a [`Tree`], which decodes only around marks.
//! Both nest the layers in every order, and both pass over an escape whose product can stand in no
//! token and in no other escape (a newline, a quote, a space, mostly): see [`Relevant`]. So ordinary
//! text costs a search for a few bytes.
//!
//! A *container* is undone as a whole, as bytes come in: [`inflate`], [`charset`], [`transfer`].
//! *Runs* of base64 and hex are found by their look in any text, given whole or in chunks, and are
//! decoded at every phase: see [`Runs`].

pub mod base64;
mod branch;
mod budget;
mod byteset;
pub mod charset;
#[cfg(test)]
pub(crate) mod encode;
mod escape;
mod glance;
pub mod inflate;
mod lane;
mod lanes;
mod layer;
mod magic;
mod marks;
mod markup;
#[cfg(test)]
mod oracles;
mod permessage;
mod reference;
mod runs;
mod runs_whole;
mod sextet;
mod sought;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_runs;
pub mod transfer;
mod tree;
mod unescape;
mod utf7;
mod wakes;
mod whole;

pub use budget::{Budget, Limits, MAX_DEPTH, Seat};
pub use byteset::{ByteSet, Relevant};
pub use escape::undo;
pub use layer::Layer;
pub use marks::has_marks;
pub use permessage::{NotInflated, Permessage};
pub use runs::Runs;
pub use sought::{Opening, Part, Sink, Sought};
pub use tree::{Reader, Tree};
pub use whole::{View, visit};
