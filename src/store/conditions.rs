//! What must hold for something to be done to a leak, and what keeps a call from being done twice.

use crate::model::ids::LeakId;

/// A call that is done once, however often it is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Once {
    /// A keyed digest of the caller and the key that they sent with it.
    pub key: [u8; 16],
    /// A keyed digest of the call and its body.
    pub request: [u8; 16],
    /// The call that this one is a part of, by its `key`.
    pub part_of: Option<[u8; 16]>,
}

/// What is kept of a call that is done once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DoneOnce {
    /// The call itself, as [`Once::request`].
    pub request: [u8; 16],
    /// Whether its answer is known; else it was cut off, or is under way.
    pub is_done: bool,
    /// The leak that it was about.
    pub leak: Option<LeakId>,
    /// The answer as JSON, where it was small enough to be kept; of a call that is not done, the
    /// leaks that it is about.
    pub answer: Option<String>,
}

/// Under which conditions something is done to a leak.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Conditions {
    /// The versions of which the leak must have one; absent: any.
    pub versions: Option<Vec<u64>>,
    /// The call that it is, where that must not be done twice.
    pub once: Option<Once>,
    /// Who stands for it beside the actor.
    pub second: Second,
}

/// Who stands for a decision beside the actor, where the tenant asks for two persons.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Second {
    /// Nobody.
    #[default]
    Nobody,
    /// Nobody has to: it was decided by the configuration, or its time has come.
    Exempt,
    /// Whoever acknowledges it afterwards; the reason for the haste.
    Afterwards(String),
}
