//! EBCDIC, as bytes come in: what in a code page stands for printable ASCII, for tabs and for line
//! ends. Everything else is U+FFFD, since tokens are made of hardly anything else.
//!
//! The pages agree on digits, capitals and most signs, and differ from code page 37 in a few places.

/// A code page, as far as it differs from code page 37.
#[derive(PartialEq, Eq, Debug)]
pub struct Page {
    /// IBM's numbers of this page, and of others that differ from it in no character of ASCII.
    numbers: &'static [u16],
    /// Bytes and the characters that they stand for; 0 for one that is not in ASCII.
    signs: &'static [(u8, u8)],
}

/// Code page 37 from 0x40 on.
const BASE: [&[u8; 16]; 12] = [
    b" \0\0\0\0\0\0\0\0\0\0.<(+|",
    b"&\0\0\0\0\0\0\0\0\0!$*);\0",
    b"-/\0\0\0\0\0\0\0\0\0,%_>?",
    b"\0\0\0\0\0\0\0\0\0`:#@'=\"",
    b"\0abcdefghi\0\0\0\0\0\0",
    b"\0jklmnopqr\0\0\0\0\0\0",
    b"\0~stuvwxyz\0\0\0\0\0\0",
    b"^\0\0\0\0\0\0\0\0\0[]\0\0\0\0",
    b"{ABCDEFGHI\0\0\0\0\0\0",
    b"}JKLMNOPQR\0\0\0\0\0\0",
    b"\\\0STUVWXYZ\0\0\0\0\0\0",
    b"0123456789\0\0\0\0\0\0",
];
const BASE_BEGINS: usize = 0x40;

/// Tab, carriage return, and both ends of line.
const CONTROLS: [(u8, u8); 4] = [(0x05, b'\t'), (0x0d, b'\r'), (0x15, b'\n'), (0x25, b'\n')];

/// Pages in which characters of two bytes stand between [`SHIFT_OUT`] and [`SHIFT_IN`].
const MIXED: [u16; 10] = [930, 933, 935, 937, 939, 1364, 1371, 1388, 1390, 1399];
const SHIFT_OUT: u8 = 0x0e;
const SHIFT_IN: u8 = 0x0f;

/// Names that have no number in them, with that of the page.
const NAMES: &[(&str, u16)] = &[
    ("ebcdiccpar1", 420),
    ("ebcdiccpar2", 918),
    ("ebcdiccpbe", 500),
    ("ebcdiccpca", 37),
    ("ebcdiccpch", 500),
    ("ebcdiccpdk", 277),
    ("ebcdiccpes", 284),
    ("ebcdiccpfi", 278),
    ("ebcdiccpfr", 297),
    ("ebcdiccpgb", 285),
    ("ebcdiccpgr", 423),
    ("ebcdiccphe", 424),
    ("ebcdiccpis", 871),
    ("ebcdiccpit", 280),
    ("ebcdiccpnl", 37),
    ("ebcdiccpno", 277),
    ("ebcdiccproece", 870),
    ("ebcdiccpse", 278),
    ("ebcdiccptr", 905),
    ("ebcdiccpus", 37),
    ("ebcdiccpwt", 37),
    ("ebcdiccpyu", 870),
    ("ebcdiccyrillic", 880),
    ("ebcdicgreek", 423),
    ("ebcdicint", 500),
    ("ebcdicjpkana", 290),
];

/// The pages, each with the places in which it differs.
#[rustfmt::skip]
const PAGES: &[Page] = &[
    Page { numbers: &[37, 424, 937, 1112, 1140, 1156, 1371, 12712], signs: &[] },
    Page { numbers: &[256, 500, 1130, 1148, 1164], signs: &[(0x4a, b'['), (0x4f, b'!'), (0x5a, b']'), (0x5f, b'^'), (0xb0, 0), (0xba, 0), (0xbb, b'|')] },
    Page { numbers: &[273, 1141], signs: &[(0x43, b'{'), (0x4f, b'!'), (0x59, b'~'), (0x5a, 0), (0x5f, b'^'), (0x63, b'['), (0x7c, 0), (0xa1, 0), (0xb0, 0), (0xb5, b'@'), (0xba, 0), (0xbb, b'|'), (0xc0, 0), (0xd0, 0), (0xdc, b'}'), (0xe0, 0), (0xec, b'\\'), (0xfc, b']')] },
    Page { numbers: &[274], signs: &[(0x4a, b'['), (0x4f, b'!'), (0x5a, b']'), (0x5f, b'^'), (0x7c, 0), (0xa1, 0), (0xb0, 0), (0xba, 0), (0xbb, 0), (0xc0, 0), (0xd0, 0), (0xe0, 0)] },
    Page { numbers: &[275], signs: &[(0x4f, b'!'), (0x5a, b'$'), (0x5b, 0), (0x5f, b'^'), (0x79, 0), (0x7b, 0), (0x7c, 0), (0xb0, 0), (0xba, 0), (0xbb, 0), (0xc0, 0), (0xd0, 0)] },
    Page { numbers: &[277, 1142], signs: &[(0x47, b'}'), (0x4a, b'#'), (0x4f, b'!'), (0x5a, 0), (0x5b, 0), (0x5f, b'^'), (0x67, b'$'), (0x7b, 0), (0x7c, 0), (0x80, b'@'), (0x9c, b'{'), (0x9e, b'['), (0x9f, b']'), (0xa1, 0), (0xb0, 0), (0xba, 0), (0xbb, b'|'), (0xc0, 0), (0xd0, 0), (0xdc, b'~')] },
    Page { numbers: &[278], signs: &[(0x43, b'{'), (0x47, b'}'), (0x4f, b'!'), (0x51, b'`'), (0x5a, 0), (0x5b, 0), (0x5f, b'^'), (0x63, b'#'), (0x67, b'$'), (0x79, 0), (0x7b, 0), (0x7c, 0), (0x9f, b']'), (0xa1, 0), (0xb0, 0), (0xb5, b'['), (0xba, 0), (0xbb, b'|'), (0xc0, 0), (0xd0, 0), (0xdc, b'~'), (0xec, b'@')] },
    Page { numbers: &[280, 1144], signs: &[(0x44, b'{'), (0x48, b'\\'), (0x4f, b'!'), (0x51, b']'), (0x54, b'}'), (0x58, b'~'), (0x5a, 0), (0x5f, b'^'), (0x79, 0), (0x7b, 0), (0x7c, 0), (0x90, b'['), (0xa1, 0), (0xb0, 0), (0xb1, b'#'), (0xb5, b'@'), (0xba, 0), (0xbb, b'|'), (0xc0, 0), (0xd0, 0), (0xdd, b'`'), (0xe0, 0)] },
    Page { numbers: &[281], signs: &[(0x5b, 0), (0xa1, 0), (0xb0, 0), (0xba, 0), (0xbb, 0), (0xe0, b'$')] },
    Page { numbers: &[284, 1145], signs: &[(0x4a, b'['), (0x5a, b']'), (0x69, b'#'), (0x7b, 0), (0xa1, 0), (0xb0, 0), (0xba, b'^'), (0xbb, b'!'), (0xbd, b'~')] },
    Page { numbers: &[285, 1146], signs: &[(0x4a, b'$'), (0x5b, 0), (0xa1, 0), (0xb0, 0), (0xb1, b'['), (0xba, b'^'), (0xbc, b'~')] },
    Page { numbers: &[290], signs: &[(0x5b, 0), (0x81, 0), (0x82, 0), (0x83, 0), (0x84, 0), (0x85, 0), (0x86, 0), (0x87, 0), (0x88, 0), (0x89, 0), (0x91, 0), (0x92, 0), (0x93, 0), (0x94, 0), (0x95, 0), (0x96, 0), (0x97, 0), (0x98, 0), (0x99, 0), (0xa1, 0), (0xa2, 0), (0xa3, 0), (0xa4, 0), (0xa5, 0), (0xa6, 0), (0xa7, 0), (0xa8, 0), (0xa9, 0), (0xb0, 0), (0xba, 0), (0xbb, 0), (0xc0, 0), (0xd0, 0), (0xe0, b'$')] },
    Page { numbers: &[297, 1147], signs: &[(0x44, b'@'), (0x48, b'\\'), (0x4f, b'!'), (0x51, b'{'), (0x54, b'}'), (0x5a, 0), (0x5f, b'^'), (0x79, 0), (0x7b, 0), (0x7c, 0), (0x90, b'['), (0xa0, b'`'), (0xa1, 0), (0xb0, 0), (0xb1, b'#'), (0xb5, b']'), (0xba, 0), (0xbb, b'|'), (0xbd, b'~'), (0xc0, 0), (0xd0, 0), (0xe0, 0)] },
    Page { numbers: &[420, 16804], signs: &[(0x79, 0), (0xa1, 0), (0xb0, 0), (0xba, 0), (0xbb, 0), (0xc0, 0), (0xd0, 0), (0xe0, 0)] },
    Page { numbers: &[423], signs: &[(0x4a, b'['), (0x4f, b'!'), (0x5a, b']'), (0x5f, b'^'), (0x7b, 0), (0x7c, 0), (0xa1, 0), (0xb0, 0), (0xba, 0), (0xbb, 0), (0xc0, 0), (0xd0, 0), (0xe0, 0)] },
    Page { numbers: &[803], signs: &[(0x4a, b'$'), (0x50, 0), (0x5b, 0), (0x79, 0), (0x81, 0), (0x82, 0), (0x83, 0), (0x84, 0), (0x85, 0), (0x86, 0), (0x87, 0), (0x88, 0), (0x89, 0), (0x91, 0), (0x92, 0), (0x93, 0), (0x94, 0), (0x95, 0), (0x96, 0), (0x97, 0), (0x98, 0), (0x99, 0), (0xa1, 0), (0xa2, 0), (0xa3, 0), (0xa4, 0), (0xa5, 0), (0xa6, 0), (0xa7, 0), (0xa8, 0), (0xa9, 0), (0xb0, 0), (0xba, 0), (0xbb, 0), (0xc0, 0), (0xd0, 0), (0xe0, 0)] },
    Page { numbers: &[833, 933, 1364], signs: &[(0x70, b'['), (0x80, b']'), (0xb2, b'\\'), (0xba, 0), (0xbb, 0), (0xe0, 0)] },
    Page { numbers: &[836, 935, 1388], signs: &[(0x5b, 0), (0xa0, b'~'), (0xa1, 0), (0xb2, b'\\'), (0xe0, b'$')] },
    Page { numbers: &[838, 1160, 9030], signs: &[(0x49, b'['), (0x59, b']'), (0x69, b'^'), (0xb0, 0), (0xba, 0), (0xbb, 0)] },
    Page { numbers: &[870, 1025, 1123, 1153, 1154, 1158, 1166, 4971], signs: &[(0x4a, b'['), (0x4f, b'!'), (0x5a, b']'), (0x5f, b'^'), (0x6a, b'|'), (0xb0, 0), (0xba, 0), (0xbb, 0)] },
    Page { numbers: &[871, 1149], signs: &[(0x4f, b'!'), (0x5a, 0), (0x79, 0), (0x7c, 0), (0x8c, b'`'), (0x8e, b'{'), (0x9c, b'}'), (0x9e, b']'), (0xa1, 0), (0xac, b'@'), (0xae, b'['), (0xb0, 0), (0xba, 0), (0xbb, b'|'), (0xbe, b'\\'), (0xc0, 0), (0xcc, b'~'), (0xd0, 0), (0xe0, 0), (0xec, b'^')] },
    Page { numbers: &[875], signs: &[(0x4a, b'['), (0x4f, b'!'), (0x5a, b']'), (0x5f, b'^'), (0xb0, 0), (0xba, 0), (0xbb, 0)] },
    Page { numbers: &[880], signs: &[(0x4a, b'['), (0x4f, b'!'), (0x5a, b']'), (0x5f, b'^'), (0x79, 0), (0xa1, 0), (0xb0, 0), (0xba, 0), (0xbb, 0), (0xc0, 0), (0xd0, 0)] },
    Page { numbers: &[905], signs: &[(0x48, b'{'), (0x4f, b'!'), (0x5a, 0), (0x5b, 0), (0x5f, b'^'), (0x68, b'['), (0x79, 0), (0x7b, 0), (0x7c, 0), (0x7f, 0), (0x8f, b'|'), (0xa1, 0), (0xaf, b'@'), (0xb0, 0), (0xb3, b'}'), (0xb6, b']'), (0xb9, b'$'), (0xba, 0), (0xbb, 0), (0xc0, 0), (0xcc, b'~'), (0xd0, 0), (0xda, b'`'), (0xdc, b'\\'), (0xe0, 0), (0xec, b'#'), (0xfc, b'"')] },
    Page { numbers: &[918], signs: &[(0x4a, b'['), (0x4f, b'!'), (0x5a, b']'), (0x5f, b'^'), (0x6a, b'`'), (0x79, 0), (0xb0, 0), (0xba, 0), (0xbb, b'|')] },
    Page { numbers: &[924, 1047], signs: &[(0x5f, b'^'), (0xad, b'['), (0xb0, 0), (0xba, 0), (0xbb, 0), (0xbd, b']')] },
    Page { numbers: &[930, 1390], signs: &[(0x5b, 0), (0x62, b'a'), (0x63, b'b'), (0x64, b'c'), (0x65, b'd'), (0x66, b'e'), (0x67, b'f'), (0x68, b'g'), (0x69, b'h'), (0x70, b'['), (0x71, b'i'), (0x72, b'j'), (0x73, b'k'), (0x74, b'l'), (0x75, b'm'), (0x76, b'n'), (0x77, b'o'), (0x78, b'p'), (0x80, b']'), (0x81, 0), (0x82, 0), (0x83, 0), (0x84, 0), (0x85, 0), (0x86, 0), (0x87, 0), (0x88, 0), (0x89, 0), (0x8b, b'q'), (0x91, 0), (0x92, 0), (0x93, 0), (0x94, 0), (0x95, 0), (0x96, 0), (0x97, 0), (0x98, 0), (0x99, 0), (0x9b, b'r'), (0xa0, b'~'), (0xa1, 0), (0xa2, 0), (0xa3, 0), (0xa4, 0), (0xa5, 0), (0xa6, 0), (0xa7, 0), (0xa8, 0), (0xa9, 0), (0xab, b's'), (0xb2, b'\\'), (0xb3, b't'), (0xb4, b'u'), (0xb5, b'v'), (0xb6, b'w'), (0xb7, b'x'), (0xb8, b'y'), (0xb9, b'z'), (0xba, 0), (0xbb, 0), (0xe0, b'$')] },
    Page { numbers: &[939, 1027, 1399], signs: &[(0xad, b'['), (0xba, 0), (0xbb, 0), (0xbd, b']')] },
    Page { numbers: &[1026, 1155], signs: &[(0x48, b'{'), (0x4f, b'!'), (0x5a, 0), (0x5b, 0), (0x5f, b'^'), (0x68, b'['), (0x79, 0), (0x7b, 0), (0x7c, 0), (0x7f, 0), (0x8c, b'}'), (0x8d, b'`'), (0xa1, 0), (0xac, b']'), (0xad, b'$'), (0xae, b'@'), (0xb0, 0), (0xba, 0), (0xbb, b'|'), (0xc0, 0), (0xcc, b'~'), (0xd0, 0), (0xdc, b'\\'), (0xe0, 0), (0xec, b'#'), (0xfc, b'"')] },
    Page { numbers: &[1122, 1143, 1157], signs: &[(0x43, b'{'), (0x47, b'}'), (0x4f, b'!'), (0x51, b'`'), (0x5a, 0), (0x5b, 0), (0x5f, b'^'), (0x63, b'#'), (0x67, b'$'), (0x71, b'\\'), (0x79, 0), (0x7b, 0), (0x7c, 0), (0x9f, b']'), (0xa1, 0), (0xb0, 0), (0xb5, b'['), (0xba, 0), (0xbb, b'|'), (0xc0, 0), (0xd0, 0), (0xdc, b'~'), (0xe0, 0), (0xec, b'@')] },
];

/// The page of a label: of IBM's number as Java, Python, ICU and the rest write it (`IBM037`, `cp37`,
/// `ccsid-1140`, `x-IBM939`, `ibm-1047_P100-1995`, `cp1140,swaplfnl`), or of a name.
pub(in crate::decode) fn labelled(label: &[u8]) -> Option<(&'static Page, bool)> {
    let label = label.trim_ascii().to_ascii_lowercase();
    let short: Vec<u8> =
        label.iter().filter(|byte| byte.is_ascii_alphanumeric()).copied().collect();
    let short = short.strip_prefix(b"cs").unwrap_or(&short);
    let named = NAMES.iter().find(|(name, _)| name.as_bytes() == short);
    let number = named.map(|(_, number)| *number).or_else(|| number(&label))?;
    let page = PAGES.iter().find(|page| page.numbers.contains(&number))?;
    Some((page, MIXED.contains(&number)))
}

/// The number in a label, where that is of a code page.
fn number(label: &[u8]) -> Option<u16> {
    let begins = label.iter().position(u8::is_ascii_digit)?;
    let (letters, rest) = label.split_at_checked(begins)?;
    let letters: Vec<u8> =
        letters.iter().filter(|byte| byte.is_ascii_alphabetic()).copied().collect();
    let is_page = matches!(
        letters.as_slice(),
        b"" | b"ibm"
            | b"xibm"
            | b"csibm"
            | b"cp"
            | b"xcp"
            | b"ccsid"
            | b"ebcdicus"
            | b"ebcdicde"
            | b"ebcdic"
    );
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, behind) = rest.split_at_checked(digits)?;
    let goes_on = behind.first().is_some_and(u8::is_ascii_alphabetic) && behind != b"s390";
    if !is_page || goes_on || digits.len() > 5 {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// State of reading a code page.
#[derive(Debug)]
pub(in crate::decode) struct Ebcdic {
    table: [u8; 256],
    mixed: bool,
    /// Among characters of two bytes.
    wide: bool,
    /// Whether the first of two came.
    half: bool,
}

impl Ebcdic {
    /// The beginning of a text in this page; `mixed` tells whether characters of two bytes are in it.
    pub(in crate::decode) fn new(page: &Page, mixed: bool) -> Self {
        let mut table = [0; 256];
        let base = table.iter_mut().skip(BASE_BEGINS).zip(BASE.iter().copied().flatten());
        for (slot, &char) in base {
            *slot = char;
        }
        for &(byte, char) in CONTROLS.iter().chain(page.signs) {
            if let Some(slot) = table.get_mut(usize::from(byte)) {
                *slot = char;
            }
        }
        Self { table, mixed, wide: false, half: false }
    }

    /// Takes the next bytes and appends their text.
    pub(in crate::decode) fn push(&mut self, input: &[u8], out: &mut String) {
        for &byte in input {
            match byte {
                SHIFT_OUT if self.mixed => (self.wide, self.half) = (true, false),
                SHIFT_IN if self.mixed => self.wide = false,
                _ if self.wide => {
                    if self.half {
                        out.push(char::REPLACEMENT_CHARACTER);
                    }
                    self.half = !self.half;
                }
                _ => out.push(match self.table.get(usize::from(byte)) {
                    None | Some(0) => char::REPLACEMENT_CHARACTER,
                    Some(&char) => char::from(char),
                }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For each page, the bytes of printable ASCII in order, as `iconv` of the GNU C library writes
    /// them; where a character is not in the page, two dashes.
    const ORACLE: &str = include_str!("ebcdic.txt");

    #[test]
    fn pages_are_as_iconv_has_them() {
        let mut known = 0;
        for line in ORACLE.lines() {
            let (number, bytes) = line.split_once(' ').unwrap();
            let (page, mixed) = labelled(format!("IBM{number:0>3}").as_bytes()).unwrap();
            let mut ebcdic = Ebcdic::new(page, mixed);
            for (at, char) in (' '..='~').enumerate() {
                let Ok(byte) = u8::from_str_radix(&bytes[2 * at..2 * at + 2], 16) else { continue };
                let mut out = String::new();
                ebcdic.push(&[byte], &mut out);
                assert_eq!(out, char.to_string(), "{number}");
                known += 1;
            }
            // No other byte is taken for a character of ASCII.
            let mut all = String::new();
            ebcdic.push(
                &(0..=255).filter(|byte| !(0x0e..=0x0f).contains(byte)).collect::<Vec<u8>>(),
                &mut all,
            );
            let written = (0..95).filter(|at| &bytes[2 * at..2 * at + 2] != "--").count();
            assert_eq!(
                all.chars().filter(|char| (' '..='~').contains(char)).count(),
                written,
                "{number}"
            );
        }
        assert!(known > 5_000, "{known}");
    }

    #[test]
    fn labels() {
        for label in [
            "IBM037",
            "ibm-37",
            "cp037",
            "CP37",
            "037",
            "csIBM037",
            "ebcdic-cp-us",
            "EBCDIC_CP_CA",
            "ibm01140",
            "x-IBM1112",
            "ebcdic-us-37+euro",
            "ibm-37_P100-1995",
            "cp1140,swaplfnl",
            "ibm-37-s390",
            "ccsid1140",
        ] {
            assert_eq!(labelled(label.as_bytes()).unwrap().0.signs, &[], "{label}");
        }
        assert!(labelled(b"x-IBM939").unwrap().1);
        for label in [
            "",
            "utf-8",
            "cp1252",
            "iso-8859-37",
            "ibm037x",
            "437",
            "ibm",
            "windows-1140",
            "ibm370000",
        ] {
            assert_eq!(labelled(label.as_bytes()), None, "{label}");
        }
    }

    #[test]
    fn what_stands_between_shifts_is_of_two_bytes() {
        let (page, mixed) = labelled(b"cp939").unwrap();
        let mut ebcdic = Ebcdic::new(page, mixed);
        let mut out = String::new();
        for byte in b"\xc1\x0e\x0f\xc2\x0e\x42\xc1\x42\x0f\xc3" {
            ebcdic.push(&[*byte], &mut out);
        }
        assert_eq!(out, "AB\u{fffd}C");
    }
}
