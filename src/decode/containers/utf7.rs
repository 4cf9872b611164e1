//! UTF-7 (RFC 2152), as bytes come in, as lenient as backends are.

/// State of reading UTF-7.
#[derive(Default, Debug)]
pub(in crate::decode) struct Utf7 {
    /// Inside a run of base64, begun with `+`.
    run: Option<Run>,
}

#[derive(Default, Debug)]
struct Run {
    bits: u32,
    /// Bits that are in `bits`.
    count: u32,
    /// A first half of a pair.
    high: Option<u16>,
    /// Whether a character of base64 came.
    begun: bool,
}

impl Utf7 {
    /// Takes the next bytes and appends their text. False where they are no UTF-7.
    pub(in crate::decode) fn push(&mut self, input: &[u8], out: &mut String) -> bool {
        let mut well_formed = true;
        for &byte in input {
            let Some(run) = &mut self.run else {
                match byte {
                    b'+' => self.run = Some(Run::default()),
                    0..=127 => out.push(char::from(byte)),
                    _ => {
                        well_formed = false;
                        out.push(char::REPLACEMENT_CHARACTER);
                    }
                }
                continue;
            };
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => {
                    if run.high.is_some() {
                        well_formed = false;
                    }
                    let begun = run.begun;
                    self.run = None;
                    match byte {
                        b'-' if begun => {}
                        b'-' => out.push('+'),
                        0..=127 => out.push(char::from(byte)),
                        _ => {
                            well_formed = false;
                            out.push(char::REPLACEMENT_CHARACTER);
                        }
                    }
                    continue;
                }
            };
            run.begun = true;
            run.bits = run.bits << 6 | u32::from(value);
            run.count += 6;
            if run.count >= 16 {
                run.count -= 16;
                let unit = (run.bits >> run.count) as u16;
                run.bits &= (1 << run.count) - 1;
                well_formed &= run.unit(unit, out);
            }
        }
        well_formed
    }
}

impl Run {
    /// Takes one unit of UTF-16.
    fn unit(&mut self, unit: u16, out: &mut String) -> bool {
        let high = self.high.take();
        let units = high.into_iter().chain([unit]);
        if high.is_none() && (0xd800..0xdc00).contains(&unit) {
            self.high = Some(unit);
            return true;
        }
        let mut well_formed = true;
        for char in char::decode_utf16(units) {
            well_formed &= char.is_ok();
            out.push(char.unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        well_formed
    }
}
