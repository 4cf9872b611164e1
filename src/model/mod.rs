//! The nouns of leakgate, shared by every room. Depends on no other room.

pub mod clock;
pub mod event;
pub mod finding;
pub mod fingerprint;
pub mod ids;
pub mod kind;
pub mod leak;
pub mod notification;
pub mod object;
pub mod partner;
pub mod proposal;
pub mod risk;
pub mod role;
pub mod rule;
pub mod secret;
pub mod sink;
pub mod tenant;
pub mod token;
pub mod verdict;
