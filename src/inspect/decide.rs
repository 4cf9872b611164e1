//! The decision table: what follows where inspection is incomplete. Pure.

use std::borrow::Cow;

use crate::config::{Fail, FailMode};
use crate::model::verdict::Refusal;

/// One way in which inspection can be incomplete.
#[derive(Debug)]
pub struct Cause {
    /// Its name: also the key under `[gateway.fail]` and the label of the metric.
    pub name: &'static str,
    /// The status of a refusal.
    pub status: u16,
    /// What a refused client is told.
    pub detail: &'static str,
    /// What the configuration says about it.
    configured: fn(&Fail) -> FailMode,
}

/// More decoding was asked for than one request may.
pub const BUDGET: Cause = Cause {
    name: "budget",
    status: 413,
    detail: "the request is encoded more often, or decodes to more, than can be inspected",
    configured: |fail| fail.budget,
};

/// What a client sends in a WebSocket is not framed, or not compressed, as the protocol asks for.
pub const WEBSOCKET: Cause = Cause {
    name: "websocket",
    status: 400,
    detail: "the connection's frames are malformed",
    configured: |fail| fail.websocket,
};

/// A coding of the body, or of its messages, is unknown, or there are too many.
pub const CODING: Cause = Cause {
    name: "coding",
    status: 415,
    detail: "a coding of the body is unknown, or it is coded more often than three times",
    configured: |fail| fail.coding,
};

/// A coding that was declared does not decode.
pub const UNDECODABLE: Cause = Cause {
    name: "undecodable",
    status: 400,
    detail: "the body does not decode as its coding says",
    configured: |fail| fail.undecodable,
};

/// A body of a known type is not well-formed.
pub const MALFORMED: Cause = Cause {
    name: "malformed",
    status: 400,
    detail: "the body is not what its type says",
    configured: |fail| fail.malformed,
};

/// A body is encrypted.
pub const ENCRYPTED: Cause = Cause {
    name: "encrypted",
    status: 400,
    detail: "the body is encrypted",
    configured: |fail| fail.encrypted,
};

/// Every row of the table.
pub const CAUSES: &[&Cause] = &[&BUDGET, &CODING, &UNDECODABLE, &MALFORMED, &ENCRYPTED, &WEBSOCKET];

/// What follows from one cause.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The request passes, as configured.
    Pass,
    /// It passes, but would have been refused under a blocking patch.
    WouldRefuse,
    /// It is refused.
    Refuse(Refusal),
}

/// What follows from a cause, where `blocking` tells whether the mode is `block` and a blocking
/// patch is in scope of the request.
pub fn decide(cause: &Cause, fail: &Fail, blocking: bool) -> Outcome {
    match ((cause.configured)(fail), blocking) {
        (FailMode::Open, _) => Outcome::Pass,
        (FailMode::Closed, false) => Outcome::WouldRefuse,
        (FailMode::Closed, true) => Outcome::Refuse(Refusal::Incomplete {
            cause: cause.name,
            status: cause.status,
            detail: Cow::Borrowed(cause.detail),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, status, default.
    const TABLE: &[(&str, u16, FailMode)] = &[
        ("budget", 413, FailMode::Closed),
        ("coding", 415, FailMode::Closed),
        ("undecodable", 400, FailMode::Closed),
        ("malformed", 400, FailMode::Open),
        ("encrypted", 400, FailMode::Open),
        ("websocket", 400, FailMode::Closed),
    ];

    #[test]
    fn each_row() {
        assert_eq!(CAUSES.len(), TABLE.len());
        for (cause, &(name, status, default)) in CAUSES.iter().zip(TABLE) {
            assert_eq!((cause.name, cause.status), (name, status));
            assert_eq!((cause.configured)(&Fail::default()), default);
            assert!((400..600).contains(&cause.status) && !cause.detail.is_empty());
        }
    }

    #[test]
    fn only_a_closed_row_under_a_blocking_patch_refuses() {
        for (cause, &(name, status, _)) in CAUSES.iter().zip(TABLE) {
            let fail = |mode| {
                let mut fail = Fail::default();
                let key = match name {
                    "budget" => &mut fail.budget,
                    "coding" => &mut fail.coding,
                    "undecodable" => &mut fail.undecodable,
                    "malformed" => &mut fail.malformed,
                    "encrypted" => &mut fail.encrypted,
                    "websocket" => &mut fail.websocket,
                    other => panic!("{other}"),
                };
                *key = mode;
                fail
            };
            assert_eq!(decide(cause, &fail(FailMode::Open), true), Outcome::Pass);
            assert_eq!(decide(cause, &fail(FailMode::Open), false), Outcome::Pass);
            assert_eq!(decide(cause, &fail(FailMode::Closed), false), Outcome::WouldRefuse);
            let refused = decide(cause, &fail(FailMode::Closed), true);
            let Outcome::Refuse(Refusal::Incomplete { cause, status: told, .. }) = refused else {
                panic!("{refused:?}")
            };
            assert_eq!((cause, told), (name, status));
        }
    }
}
