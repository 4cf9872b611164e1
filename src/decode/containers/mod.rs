//! *Containers*: what holds a text is undone as a whole, as bytes come in: compressions, charsets,
//! transfer encodings.

pub mod charset;
mod ebcdic;
pub mod inflate;
mod permessage;
pub mod transfer;
mod utf7;
pub mod words;

pub use permessage::{NotInflated, Permessage};
