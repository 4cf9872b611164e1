//! Base64 against the library: what it writes in any alphabet is read, and so is what lies between
//! junk, as lenient decoders read it.

use arbitrary::{Result, Unstructured};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use leakgate::decode::base64::lenient;

/// Writes and reads as the bytes say.
pub fn check(data: &[u8]) {
    // What the bytes do not suffice for is not done.
    let _ = run(Unstructured::new(data));
}

fn run(mut bytes: Unstructured<'_>) -> Result<()> {
    let engine = bytes.choose(&[&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD])?;
    let junk = *bytes.choose(&[&b"\r\n"[..], b" ", b"*", b".", b""])?;
    let width = bytes.int_in_range(1..=80)?;
    let content = bytes.take_rest();
    let text = engine.encode(content);
    assert_eq!(lenient(text.as_bytes()), [content], "as it is written");
    let lines: Vec<&[u8]> = text.as_bytes().chunks(width).collect();
    let texts = lenient(&lines.join(junk));
    assert!(texts.iter().any(|text| text == content), "over junk");
    // Any text at all is read, into no more than was there.
    for text in lenient(content) {
        assert!(text.len() <= content.len(), "more comes out than goes in");
    }
    Ok(())
}
