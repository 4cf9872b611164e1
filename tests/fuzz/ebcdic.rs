//! EBCDIC against the tables of another library: what they write in a code page is read, in pieces.

use arbitrary::{Result, Unstructured};
use leakgate::decode::charset::{Charset, Transcoder};

/// For each page the bytes of printable ASCII in order, as `iconv` of the GNU C library writes them; where a
/// character is not in the page, two dashes.
const PAGES: &str = include_str!("../../src/decode/containers/ebcdic.txt");

/// Pages in which characters of two bytes stand between shifts.
const MIXED: [&str; 10] =
    ["930", "933", "935", "937", "939", "1364", "1371", "1388", "1390", "1399"];

/// Writes and reads as the bytes say.
pub fn check(data: &[u8]) {
    // What the bytes do not suffice for is not done.
    let _ = run(&mut Unstructured::new(data));
}

/// One of the names by which the page goes.
fn label(bytes: &mut Unstructured<'_>, number: &str) -> Result<String> {
    let padded = format!("{number:0>3}");
    let names = [
        format!("IBM{padded}"),
        format!("cp{padded}"),
        format!("CP{number}"),
        format!("ibm-{number}"),
        format!("x-IBM{padded}"),
        format!("CCSID{number}"),
        format!(" ibm-{number}_P100-1995 "),
    ];
    bytes.choose(&names).cloned()
}

fn run(bytes: &mut Unstructured<'_>) -> Result<()> {
    let lines: Vec<&str> = PAGES.lines().collect();
    let (number, codes) = bytes.choose(&lines)?.split_once(' ').expect("a number and bytes");
    let code = |char: u8| {
        let at = 2 * usize::from(char - b' ');
        u8::from_str_radix(&codes[at..at + 2], 16).ok()
    };
    let written: Vec<u8> = (b' '..=b'~').filter_map(code).collect();
    let charsets = Charset::labelled(label(bytes, number)?.as_bytes());
    assert_eq!(charsets.len(), 1, "{number}");
    let (mut text, mut expected) = (Vec::new(), String::new());
    while !bytes.is_empty() && text.len() < 300 {
        match bytes.int_in_range(0..=15)? {
            // What is no character of ASCII, or a sign of the page's own.
            0 => {
                let byte: u8 = bytes.arbitrary()?;
                if written.contains(&byte) || (0x0e..=0x0f).contains(&byte) {
                    continue;
                }
                text.push(byte);
                expected.push(match byte {
                    0x05 => '\t',
                    0x0d => '\r',
                    0x15 | 0x25 => '\n',
                    _ => char::REPLACEMENT_CHARACTER,
                });
            }
            1 if MIXED.contains(&number) => {
                text.push(0x0e);
                for _ in 0..bytes.int_in_range(0..=3)? {
                    // No second byte of a character ends them.
                    text.extend([
                        bytes.int_in_range(0x40..=0xfe)?,
                        bytes.int_in_range(0x40..=0xfe)?,
                    ]);
                    expected.push(char::REPLACEMENT_CHARACTER);
                }
                text.push(0x0f);
            }
            _ => {
                let char = bytes.int_in_range(b' '..=b'~')?;
                if let Some(byte) = code(char) {
                    text.push(byte);
                    expected.push(char::from(char));
                }
            }
        }
    }
    let mut read = Vec::new();
    let mut transcoder = Transcoder::new(charsets[0]);
    let size = 1 + text.len() % 7;
    let last = text.chunks(size).count();
    for (at, piece) in text.chunks(size).enumerate() {
        transcoder.push(piece, at + 1 == last, &mut |piece| {
            read.extend_from_slice(piece);
            true
        });
    }
    assert_eq!(String::from_utf8_lossy(&read), expected, "page {number}: {text:02x?}");
    Ok(())
}
