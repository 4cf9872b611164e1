//! Documents of XML that declare entities, against what a naive expander makes of the same document
//! before it is written down.

use arbitrary::{Result, Unstructured};
use leakgate::decode::{Budget, Documents, Expanded, Layer, Limits, MAX_DEPTH, Word};

/// A part of a value or of the content.
enum Part {
    /// A character, and how it is written.
    Char(u8, bool),
    /// A reference to the general entity of this number, which may be declared or not.
    Entity(usize),
    /// A reference to a parameter, in a value.
    Parameter(usize),
    /// What no reference is expanded in, or is none; as it stands.
    Literal(&'static str),
}

/// One declaration, in the order of the document.
enum Declaration {
    General(usize, Vec<Part>),
    Parameter(usize, Vec<Part>),
    /// One that stands in a parameter, and takes its place where that is referred to.
    InParameter(usize, Vec<Part>),
    /// What declares nothing.
    Nothing(&'static str),
}

/// Entities and parameters have numbers below this; those without a declaration stay.
const NUMBERS: usize = 6;

const NOTHINGS: [&str; 6] = [
    "<!-- <!ENTITY e0 'no'> ]> -->",
    "<?x <!ENTITY e0 \"no\"> ]>?>",
    "<!ENTITY e0 SYSTEM 'http://a.example/no'>",
    "<!ENTITY e1 PUBLIC \"-//x\" \"no\" NDATA n>",
    "<!ELEMENT r (#PCDATA)>",
    "<!NOTATION n SYSTEM '<!ENTITY e0 \"no\">'>",
];

const LITERALS: [&str; 8] = [
    "<!-- &e0; &e1; -->",
    "<![CDATA[&e0;]]>",
    "<?x &e0; ?>",
    "<b c='d'/>",
    "&amp;",
    "&unknown;",
    "& ",
    "&#1234;",
];

const CHARS: &[u8] = b"abctok_-09 \n&<>\"'%;#";

/// Expands as the bytes say.
pub fn check(data: &[u8]) {
    // What the bytes do not suffice for is not done.
    let _ = run(&mut Unstructured::new(data));
}

fn parts(bytes: &mut Unstructured<'_>, most: usize, in_value: bool) -> Result<Vec<Part>> {
    let count = bytes.int_in_range(0..=most)?;
    (0..count)
        .map(|_| {
            Ok(match bytes.int_in_range(0..=9)? {
                0 | 1 => Part::Entity(bytes.int_in_range(0..=NUMBERS - 1)?),
                2 if in_value => Part::Parameter(bytes.int_in_range(0..=NUMBERS - 1)?),
                2 => Part::Literal(bytes.choose(&LITERALS)?),
                _ => Part::Char(*bytes.choose(CHARS)?, bytes.arbitrary()?),
            })
        })
        .collect()
}

fn declarations(bytes: &mut Unstructured<'_>) -> Result<Vec<Declaration>> {
    let mut all = Vec::new();
    for _ in 0..bytes.int_in_range(1..=6)? {
        let number = bytes.int_in_range(0..=NUMBERS - 1)?;
        all.push(match bytes.int_in_range(0..=6)? {
            0 => Declaration::Nothing(bytes.choose(&NOTHINGS)?),
            1 => Declaration::Parameter(number, parts(bytes, 6, true)?),
            2 => Declaration::InParameter(number, parts(bytes, 6, true)?),
            _ => Declaration::General(number, parts(bytes, 8, true)?),
        });
    }
    Ok(all)
}

fn number(byte: u8, hex: bool) -> String {
    if hex { format!("&#x{byte:x};") } else { format!("&#{byte};") }
}

/// What the declarations come to: what each entity stands for.
#[derive(Default)]
struct Oracle {
    general: [Option<Vec<u8>>; NUMBERS],
    parameters: [Option<Vec<u8>>; NUMBERS],
}

impl Oracle {
    /// What a value stands for, with its characters and parameters put in.
    fn replacement(&self, value: &[Part]) -> Vec<u8> {
        let mut out = Vec::new();
        for part in value {
            match part {
                // Written twice over, so that it is none of the document's own signs where it is used.
                Part::Char(byte @ (b'&' | b'<'), hex) => out.extend(number(*byte, *hex).bytes()),
                Part::Char(byte, _) => out.push(*byte),
                Part::Entity(at) => out.extend(format!("&e{at};").bytes()),
                Part::Parameter(at) => match &self.parameters[*at] {
                    Some(value) => out.extend(value),
                    None => out.extend(format!("%p{at};").bytes()),
                },
                Part::Literal(text) => out.extend(text.bytes()),
            }
        }
        out
    }

    fn declare(&mut self, declaration: &Declaration) {
        match declaration {
            Declaration::General(at, value) | Declaration::InParameter(at, value) => {
                let value = self.replacement(value);
                self.general[*at].get_or_insert(value);
            }
            Declaration::Parameter(at, value) => {
                let value = self.replacement(value);
                self.parameters[*at].get_or_insert(value);
            }
            Declaration::Nothing(_) => {}
        }
    }

    /// A text with its references expanded, one at a time from the left; nothing where they go too deep.
    fn expanded(&self, text: &[u8], depth: usize) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            let referred = (0..NUMBERS).find_map(|number| {
                let name = format!("&e{number};");
                let value =
                    self.general[number].as_ref().filter(|_| rest.starts_with(name.as_bytes()));
                value.map(|value| (value, name.len()))
            });
            match referred {
                Some(_) if depth == 12 => return None,
                Some((value, length)) => {
                    out.extend(self.expanded(value, depth + 1)?);
                    at += length;
                }
                None => {
                    out.push(rest[0]);
                    at += 1;
                }
            }
            if out.len() > 50_000 {
                return None;
            }
        }
        Some(out)
    }
}

/// A value as it is written in quotes of this kind.
fn value(parts: &[Part], quote: u8) -> Vec<u8> {
    let mut out = vec![quote];
    for part in parts {
        match part {
            Part::Char(byte @ (b'&' | b'<'), hex) => {
                out.extend(format!("&#38;{}", &number(*byte, *hex)[1..]).bytes());
            }
            Part::Char(byte, hex) if *byte == quote || *byte == b'%' => {
                out.extend(number(*byte, *hex).bytes());
            }
            Part::Char(byte, true) => out.extend(number(*byte, true).bytes()),
            Part::Char(byte, _) => out.push(*byte),
            Part::Entity(at) => out.extend(format!("&e{at};").bytes()),
            Part::Parameter(at) => out.extend(format!("%p{at};").bytes()),
            Part::Literal(text) => out.extend(text.bytes()),
        }
    }
    out.push(quote);
    out
}

fn written(bytes: &mut Unstructured<'_>, at: usize, declaration: &Declaration) -> Result<Vec<u8>> {
    let quote = *bytes.choose(b"\"'")?;
    let space = *bytes.choose(&[&b" "[..], b"\n", b"\t ", b"\r\n"])?;
    let entity = |name: String, value: &[u8]| {
        [b"<!ENTITY", space, name.as_bytes(), b" ", value, space, b">"].concat()
    };
    Ok(match declaration {
        Declaration::General(at, parts) => entity(format!("e{at}"), &value(parts, quote)),
        Declaration::Parameter(at, parts) => entity(format!("% p{at}"), &value(parts, quote)),
        Declaration::InParameter(number, parts) => {
            let inner = entity(format!("e{number}"), &value(parts, quote));
            // Each of its signs is a number there, which is undone before the declaration is read.
            let escaped = inner.iter().flat_map(|&byte| match byte {
                b'&' | b'%' | b'"' | b'\'' => format!("&#{byte};").into_bytes(),
                byte => vec![byte],
            });
            let escaped: Vec<u8> = escaped.collect();
            let outer = entity(format!("% of{at}"), &[b"'", &escaped[..], b"'"].concat());
            [&outer[..], format!("%of{at};").as_bytes()].concat()
        }
        Declaration::Nothing(text) => text.as_bytes().to_vec(),
    })
}

/// Keeps what comes of each document.
#[derive(Default)]
struct Collect(Vec<(Vec<Layer>, Vec<u8>)>);

impl Expanded for Collect {
    type State = Vec<u8>;

    fn begin(&mut self, _: &[Layer], _: &mut Budget) -> Option<Vec<u8>> {
        Some(Vec::new())
    }

    fn read(&mut self, state: &mut Vec<u8>, _: &[Layer], text: &[u8], _: &mut Budget) {
        state.extend_from_slice(text);
    }

    fn settle(&mut self, _: &mut Vec<u8>, _: &[Layer]) {}

    fn end(&mut self, state: Vec<u8>, layers: &[Layer], _: &mut Budget) {
        self.0.push((layers.to_vec(), state));
    }
}

/// What the documents in the pieces expand to that stand under these layers; nothing where the budget was
/// spent.
fn found(pieces: &[&[u8]], layers: &[Layer]) -> Option<Vec<Vec<u8>>> {
    let mut budget = Budget::new(LIMITS);
    let (mut documents, mut collect) = (Documents::default(), Collect::default());
    let (mut word, mut in_dtd) = (Word::default(), false);
    for piece in pieces {
        let told = if word.ends_in(piece, &mut in_dtd) { vec![Vec::new()] } else { Vec::new() };
        documents.push(piece, &told, &mut budget, &mut collect);
    }
    documents.finish(&mut budget, &mut collect);
    let texts = collect.0.into_iter().filter(|(under, _)| under == layers);
    (!budget.is_spent()).then(|| texts.map(|(_, text)| text).collect())
}

const LIMITS: Limits =
    Limits { depth: MAX_DEPTH, ratio: 1_000, free: 1 << 26, texts: 4_096, inflaters: 8 };

/// Whether what is declared, for the first time or again, refers to itself in any way. A text is read under
/// other escapes as well, where another declaration of a name may be the first.
fn loops(declarations: &[Declaration]) -> bool {
    let mut edges = [[false; 2 * NUMBERS]; 2 * NUMBERS];
    for declaration in declarations {
        let (from, value) = match declaration {
            Declaration::General(at, value) | Declaration::InParameter(at, value) => (*at, value),
            Declaration::Parameter(at, value) => (NUMBERS + at, value),
            Declaration::Nothing(_) => continue,
        };
        for part in value {
            match part {
                Part::Entity(to) => edges[from][*to] = true,
                Part::Parameter(to) => edges[from][NUMBERS + to] = true,
                Part::Char(..) | Part::Literal(_) => {}
            }
        }
    }
    for middle in 0..2 * NUMBERS {
        for from in 0..2 * NUMBERS {
            for to in 0..2 * NUMBERS {
                edges[from][to] |= edges[from][middle] && edges[middle][to];
            }
        }
    }
    (0..2 * NUMBERS).any(|at| edges[at][at])
}

/// How the document stands in the text around it.
fn wrapped(bytes: &mut Unstructured<'_>, document: &[u8]) -> Result<(Vec<u8>, Vec<Layer>)> {
    let text = std::str::from_utf8(document).expect("all of it is ASCII");
    Ok(match bytes.int_in_range(0..=2)? {
        0 => (document.to_vec(), vec![Layer::Dtd]),
        1 => {
            let json = serde_json::json!({ "xml": text }).to_string();
            // As Go and .NET write it.
            let safe = json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
            let json = if bytes.arbitrary()? { safe } else { json };
            (json.into_bytes(), vec![Layer::Json, Layer::Dtd])
        }
        _ => {
            let all = percent_encoding::NON_ALPHANUMERIC;
            let text = percent_encoding::utf8_percent_encode(text, all).to_string();
            (text.into_bytes(), vec![Layer::Percent, Layer::Dtd])
        }
    })
}

fn run(bytes: &mut Unstructured<'_>) -> Result<()> {
    let declarations = declarations(bytes)?;
    if loops(&declarations) {
        return Ok(());
    }
    let content = parts(bytes, 12, false)?;
    let mut oracle = Oracle::default();
    let mut document = b"<?xml version=\"1.0\"?>\n<!DOCTYPE r [".to_vec();
    for (at, declaration) in declarations.iter().enumerate() {
        oracle.declare(declaration);
        document.extend(written(bytes, at, declaration)?);
        document.extend_from_slice(bytes.choose(&[&b""[..], b"\n", b" \t"])?);
    }
    document.extend(b"]>");
    let mut expected = b"<r>".to_vec();
    document.extend(b"<r>");
    for part in &content {
        let (text, expanded) = match part {
            // Signs of the document's own are numbers, which stay.
            Part::Char(byte @ (b'&' | b'<'), hex) => {
                let number = number(*byte, *hex).into_bytes();
                (number.clone(), Some(number))
            }
            Part::Char(byte, _) => (vec![*byte], Some(vec![*byte])),
            Part::Literal(text) => (text.as_bytes().to_vec(), Some(text.as_bytes().to_vec())),
            Part::Entity(at) | Part::Parameter(at) => {
                let text = format!("&e{at};").into_bytes();
                let expanded = oracle.expanded(&text, 0);
                (text, expanded)
            }
        };
        // What refers to itself, or grows too far, is for the budget.
        let Some(expanded) = expanded else { return Ok(()) };
        document.extend(text);
        expected.extend(expanded);
    }
    document.extend(b"</r>");
    expected.extend(b"</r>");
    let (text, layers) = wrapped(bytes, &document)?;
    let mut pieces = Vec::new();
    let mut rest = &text[..];
    while !rest.is_empty() {
        let length = if bytes.is_empty() { rest.len() } else { bytes.int_in_range(1..=40)? };
        let (piece, more) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = more;
    }
    let found = found(&pieces, &layers);
    let said = || format!("{} expands to {:?}", text.escape_ascii(), found);
    let found = found.as_ref().unwrap_or_else(|| panic!("spent: {}", said()));
    if oracle.general.iter().all(Option::is_none) {
        assert!(found.is_empty(), "{}", said());
        return Ok(());
    }
    let holds = |text: &Vec<u8>| match layers.len() {
        1 => *text == expected,
        // What stands around the document goes on behind it.
        _ => text.starts_with(&expected),
    };
    assert!(found.iter().any(holds), "{}, not to {}", said(), expected.escape_ascii());
    Ok(())
}
