//! Encoded words of mail, written by a generator of the test's own: they are read as what was written.

use arbitrary::{Result, Unstructured};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use leakgate::decode::words;

/// How a charset writes a text; what has ASCII as ASCII in it stays as it is written.
type Write = fn(&str) -> Vec<u8>;

/// Names of charsets, how they write, and whether what is read is the text itself.
const CHARSETS: [(&str, Write, bool); 8] = [
    ("utf-8", |text| text.as_bytes().to_vec(), true),
    ("UTF-8*en", |text| text.as_bytes().to_vec(), true),
    ("us-ascii", |text| text.bytes().filter(u8::is_ascii).collect(), false),
    ("iso-8859-1", latin, false),
    ("windows-1252", latin, false),
    ("utf-16be", |text| text.encode_utf16().flat_map(u16::to_be_bytes).collect(), true),
    ("UTF-16LE", |text| text.encode_utf16().flat_map(u16::to_le_bytes).collect(), true),
    (
        "utf-32be",
        |text| text.chars().flat_map(|char| u32::from(char).to_be_bytes()).collect(),
        true,
    ),
];

const CHARS: [char; 16] =
    ['t', 'o', 'k', 'Z', '0', '9', '_', '-', '.', ' ', '=', '?', '/', '+', 'é', '😀'];

/// What stands between words, and is kept.
const PLAIN: [&str; 6] = ["a", " b ", "; name=", "x-y", "\"", "="];

fn latin(text: &str) -> Vec<u8> {
    text.chars().filter_map(|char| u8::try_from(u32::from(char)).ok()).collect()
}

/// Writes and reads as the bytes say.
pub fn check(data: &[u8]) {
    // What the bytes do not suffice for is not done.
    let _ = run(&mut Unstructured::new(data));
}

/// A word, and what is read in it.
fn word(bytes: &mut Unstructured<'_>) -> Result<(String, Vec<u8>)> {
    let (name, write, as_text) = *bytes.choose(&CHARSETS)?;
    let length = bytes.int_in_range(0..=14)?;
    let text: String = (0..length).map(|_| bytes.choose(&CHARS).copied()).collect::<Result<_>>()?;
    let written = write(&text);
    let read = if as_text { text.into_bytes() } else { written.clone() };
    let content = match bytes.int_in_range(0..=2)? {
        0 => format!("B?{}", STANDARD.encode(&written)),
        1 => format!("b?{}", STANDARD.encode(&written).trim_end_matches('=')),
        _ => {
            let (every, upper): (bool, bool) = bytes.arbitrary()?;
            let q = if upper { "Q?" } else { "q?" };
            let chars = written.iter().map(|&byte| match byte {
                b' ' if !every => "_".to_owned(),
                byte if byte.is_ascii_alphanumeric() && !every => char::from(byte).to_string(),
                byte if upper => format!("={byte:02X}"),
                byte => format!("={byte:02x}"),
            });
            std::iter::once(q.to_owned()).chain(chars).collect()
        }
    };
    Ok((format!("=?{name}?{content}?="), read))
}

fn run(bytes: &mut Unstructured<'_>) -> Result<()> {
    let (mut field, mut expected, mut any) = (String::new(), Vec::new(), false);
    let mut after_word = false;
    for _ in 0..bytes.int_in_range(0..=8)? {
        if bytes.ratio(2, 3)? {
            let (word, read) = word(bytes)?;
            if after_word {
                // Blanks between two words are none of the text.
                field.push_str(bytes.choose(&["", " ", "\t", "\r\n ", "  "])?);
            }
            field.push_str(&word);
            expected.extend(read);
            (after_word, any) = (true, true);
        } else {
            let plain = bytes.choose(&PLAIN)?;
            // What would begin a word, or end one twice, with what stands beside it.
            if field.ends_with('=') && !after_word {
                field.push(' ');
                expected.push(b' ');
            }
            field.push_str(plain);
            expected.extend(plain.bytes());
            after_word = false;
        }
    }
    let read = words::undone(field.as_bytes());
    let expected = any.then_some(expected);
    assert_eq!(
        read.as_ref().map(|read| String::from_utf8_lossy(read)),
        expected.as_ref().map(|expected| String::from_utf8_lossy(expected)),
        "{field:?}"
    );
    assert_eq!(read, expected, "{field:?}");
    Ok(())
}
