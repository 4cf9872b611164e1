//! Hostile messages of a WebSocket.

use super::texts::*;
use super::{Carried, Hostile};

/// Hostile messages of a WebSocket.
pub(crate) fn messages(bytes: usize) -> Vec<Hostile> {
    let many = |name, compressed, message: Vec<Vec<u8>>| {
        let length: usize = message.iter().map(|piece| piece.len() + 6).sum();
        let messages = vec![message; (bytes / length).max(1)];
        Hostile { name, carried: Carried::Messages { compressed, messages } }
    };
    let small = br#"{"op":"move","x":12,"y":7,"player":"8d3f","note":"a\nb"}"#.to_vec();
    let escapes = filled(br"%255Cu0025%2525%5C\u0074", 64);
    let slow = small.iter().map(|&byte| vec![byte]).collect();
    vec![
        many("messages of 64 bytes", false, vec![small.clone()]),
        many("compressed messages of 64 bytes", true, vec![deflated(&small)]),
        many("messages of one byte", false, vec![b"a".to_vec()]),
        many("empty messages", false, vec![Vec::new()]),
        many("compressed messages of one byte", true, vec![deflated(b"a")]),
        many("empty compressed messages", true, vec![vec![0]]),
        many("fragments of one byte", false, slow),
        many("messages of escapes", false, vec![escapes.clone()]),
        many("compressed messages of escapes", true, vec![deflated(&escapes)]),
        many("bombs", true, vec![deflated(&[b'0'; 20_000])]),
        many("fragments of escapes", false, escapes.iter().map(|&byte| vec![byte]).collect()),
    ]
}
