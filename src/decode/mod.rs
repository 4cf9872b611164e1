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
//! decoded at every phase: see [`Runs`]. References to what a *document* of XML declares are expanded:
//! see [`Documents`].

pub mod base64;
mod budget;
mod byteset;
mod containers;
mod doubts;
#[cfg(test)]
pub(crate) mod encode;
mod entities;
mod escapes;
mod layer;
mod runs;
mod sieve;
mod whole;

pub use budget::{Budget, Limits, MAX_DEPTH, Seat};
pub use byteset::{ByteSet, Relevant};
pub use containers::{NotInflated, Permessage, charset, inflate, transfer, words};
pub use doubts::{BORDER, doubts};
pub use entities::{Documents, Expanded, Word};
pub use escapes::{Reach, Reader, Tree, has_marks, undo};
pub use layer::Layer;
pub use runs::{Opening, Part, Runs, Sink, Sought};
pub use whole::{View, visit};
