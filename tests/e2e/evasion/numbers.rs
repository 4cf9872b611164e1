//! Tokens that are numbers, in spellings that a backend which compares numbers takes for the same.

use super::drive::Case;
use super::encodings::Encoding;
use super::points::Point;
use super::tokens::Random;
use super::written;

type Respell = fn(&str) -> String;

/// A token that is a number, and its other spellings.
pub struct Number {
    name: &'static str,
    token: fn(u64) -> String,
    spellings: &'static [(&'static str, Respell)],
}

/// What numbers look like.
pub const NUMBERS: [Number; 4] = [
    Number {
        name: "hex",
        token: |seed| digits(seed, 40),
        spellings: &[("upper", |token| token.to_uppercase())],
    },
    Number {
        name: "upper-hex",
        token: |seed| digits(seed, 20).to_uppercase(),
        spellings: &[("lower", |token| token.to_lowercase())],
    },
    Number {
        name: "uuid",
        token: |seed| dashed(&uuid(seed)),
        spellings: &[
            ("upper", |token| token.to_uppercase()),
            ("bare", |token| token.replace('-', "")),
            ("upper-bare", |token| token.replace('-', "").to_uppercase()),
        ],
    },
    Number {
        name: "bare-uuid",
        token: uuid,
        spellings: &[
            ("upper", |token| token.to_uppercase()),
            ("dashed", dashed),
            ("upper-dashed", |token| dashed(token).to_uppercase()),
        ],
    },
];

fn digits(seed: u64, length: usize) -> String {
    Random(seed.wrapping_mul(7919)).text(b"0123456789abcdef", length)
}

/// A random one, of version 4.
fn uuid(seed: u64) -> String {
    let mut digits = digits(seed, 32);
    digits.replace_range(12..13, "4");
    digits.replace_range(16..17, "9");
    digits
}

fn dashed(digits: &str) -> String {
    let mut text = digits.to_owned();
    [8, 13, 18, 23].into_iter().for_each(|at| text.insert(at, '-'));
    text
}

impl Number {
    /// The token of a seed.
    pub fn token(&self, seed: u64) -> String {
        (self.token)(seed)
    }

    /// Its other spellings at each point, plain and under some encodings.
    pub fn cases(
        &self,
        (leaked, clean): (u64, u64),
        points: &[Point],
        encodings: &[Encoding],
    ) -> Vec<Case> {
        let mut cases = Vec::new();
        for (number, point) in points.iter().enumerate() {
            let fitting = encodings.iter().filter(|one| point.at.contains(&one.at) && one.in_pairs);
            let plain: &[&Encoding] = &[];
            for &(spelling, respell) in self.spellings {
                let under = fitting
                    .clone()
                    .enumerate()
                    .filter(|(turn, _)| point.all_pairs || (turn + number).is_multiple_of(5));
                let under: Vec<Vec<&Encoding>> = under.map(|(_, one)| vec![one]).collect();
                for encodings in std::iter::once(plain).chain(under.iter().map(Vec::as_slice)) {
                    let sent = |seed| {
                        let value = written(encodings, &respell(&(self.token)(seed)));
                        point.room.fits(&value).then(|| (point.build)(&value))
                    };
                    let (Some(leaked), Some(clean)) = (sent(leaked), sent(clean)) else { continue };
                    let names = [point.name.as_str(), self.name, spelling].into_iter();
                    let names = names.chain(encodings.iter().map(|one| one.name.as_str()));
                    cases.push(Case {
                        name: names.collect::<Vec<_>>().join("/"),
                        leaked: Some(leaked),
                        clean: Some(clean),
                        refused: &[403],
                        both: false,
                    });
                }
            }
        }
        cases
    }
}
