//! Parsers of reports: any bytes are read the same in pieces as at once and inside the bounds, and
//! what a scanner would write is read as it was meant.

use arbitrary::{Result, Unstructured};
use leakgate::reports::{Format, Hints, Item, Limits, Parser};
use serde_json::json;

const LIMITS: Limits = Limits {
    item_bytes: 4_096,
    nesting: 16,
    token_bytes: 200,
    tokens: 8,
    title_bytes: 64,
    place_bytes: 64,
};

const FORMATS: [Format; 7] = [
    Format::Kingfisher,
    Format::Gitleaks,
    Format::Betterleaks,
    Format::Trufflehog,
    Format::Sarif,
    Format::Csv,
    Format::List,
];

/// What arbitrary reports are made of, beside any bytes.
const PIECES: [&[u8]; 24] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b"\n",
    b"\r\n",
    b"null",
    b"\\u00e9",
    b"\\",
    b";",
    b"\"findings\"",
    b"\"Secret\":\"",
    b"\"Raw\":\"",
    b"\"runs\":[{\"results\":[",
    b"\"RuleID\":1",
    b"token,url\n",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\t",
    b"tk_0123456789abcdef",
    b"REDACTED",
];

/// Parses as the bytes say.
pub fn check(data: &[u8]) {
    // What the bytes do not suffice for is not done.
    let _ = any(&mut Unstructured::new(data));
    let _ = written(&mut Unstructured::new(data));
}

fn parse<'a>(format: Option<Format>, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Item> {
    let mut parser = Parser::new(format, Hints::default(), LIMITS);
    let mut items = Vec::new();
    for piece in pieces {
        parser.feed(piece, &mut items);
    }
    parser.finish(&mut items);
    items
}

/// An item in full, its tokens too.
fn shown(item: &Item) -> (String, Vec<Vec<u8>>) {
    let tokens = match item {
        Item::Finding(finding) => finding.tokens.iter().map(|t| t.expose().to_vec()).collect(),
        Item::Refused(_) => Vec::new(),
    };
    (format!("{item:?}"), tokens)
}

fn any(bytes: &mut Unstructured<'_>) -> Result<()> {
    let format = if bytes.ratio(1, 4)? { None } else { Some(*bytes.choose(&FORMATS)?) };
    let length = bytes.int_in_range(1..=50)?;
    let mut report = Vec::new();
    for _ in 0..bytes.int_in_range(0..=60)? {
        if bytes.ratio(1, 4)? {
            report.push(bytes.arbitrary()?);
        } else {
            report.extend(*bytes.choose(&PIECES)?);
        }
    }
    let at_once = parse(format, [&report[..]].into_iter());
    let in_pieces = parse(format, report.chunks(length));
    let show = |items: &[Item]| items.iter().map(shown).collect::<Vec<_>>();
    assert_eq!(show(&at_once), show(&in_pieces), "in pieces of {length}");
    for item in &at_once {
        if let Item::Finding(finding) = item {
            assert!(!finding.tokens.is_empty() && finding.tokens.len() <= LIMITS.tokens);
            assert!(finding.tokens.iter().all(|token| token.len() <= LIMITS.token_bytes));
            assert!(finding.title.len() <= 2 * LIMITS.title_bytes, "{}", finding.title.len());
        }
    }
    Ok(())
}

/// Tokens of which no two are alike, with characters that every format escapes.
fn tokens(bytes: &mut Unstructured<'_>) -> Result<Vec<String>> {
    let count = bytes.int_in_range(1..=20)?;
    (0..count)
        .map(|number| {
            let odd: Vec<char> = (0..bytes.int_in_range(0..=6)?)
                .map(|_| bytes.choose(&['"', '\\', ',', ';', '/', '\'', 'é', 'x', '=']).copied())
                .collect::<Result<_>>()?;
            Ok(format!("tk{number:02}{}0123456789abcdef", odd.into_iter().collect::<String>()))
        })
        .collect()
}

fn written(bytes: &mut Unstructured<'_>) -> Result<()> {
    let length = bytes.int_in_range(1..=50)?;
    let tokens = tokens(bytes)?;
    let gitleaks: Vec<_> = tokens
        .iter()
        .map(|token| json!({ "RuleID": "key", "Secret": token, "File": "a.rs", "StartLine": 3 }))
        .collect();
    let trufflehog: Vec<String> = tokens
        .iter()
        .map(|token| {
            json!({ "SourceMetadata": { "Data": {} }, "DetectorName": "X", "Raw": token })
                .to_string()
        })
        .collect();
    let rows: Vec<String> =
        tokens.iter().map(|token| format!("\"{}\",\"a\nb\"", token.replace('"', "\"\""))).collect();
    for (format, report) in [
        (Format::Gitleaks, serde_json::to_string(&gitleaks).expect("JSON")),
        (Format::Gitleaks, serde_json::to_string_pretty(&gitleaks).expect("JSON")),
        (Format::Trufflehog, trufflehog.join("\n")),
        (Format::Csv, format!("token,comment\r\n{}\r\n", rows.join("\r\n"))),
        (Format::List, tokens.join("\r\n")),
    ] {
        let items = parse(Some(format), report.as_bytes().chunks(length));
        let found: Vec<String> = items
            .iter()
            .flat_map(|item| shown(item).1)
            .map(|token| String::from_utf8(token).expect("a text"))
            .collect();
        assert_eq!(found, tokens, "{format:?}: {items:?}");
    }
    Ok(())
}
