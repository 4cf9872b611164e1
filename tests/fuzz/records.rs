//! Records of a patchset: any bytes are compiled or refused, never more, also where their sum is right;
//! and what is compiled can be scanned with.

use arbitrary::{Result, Unstructured};
use leakgate::matcher::{Patchset, PatchsetWriter, Rule};
use leakgate::model::fingerprint::Fingerprint;
use leakgate::model::ids::{LeakId, TokenId};
use leakgate::model::rule::Action;
use leakgate::model::secret::Secret;
use leakgate::model::token::TokenMaterial;

/// Bytes of the sum at the end.
const SUM: usize = 32;
/// A token of each length class, one with other spellings, and a JWT.
const TOKENS: [&str; 6] = [
    "Zq7mK2x",
    "Zq7mK2xW9v",
    "Zq7mK2xW9vR4tL8b",
    "Zq7mK2xW9vR4tL8bZq7mK2xW9v",
    "0a1b2c3d-4e5f-4a6b-8c7d-8e9f00112233",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.AbX9mK2xW9vR4tL8bZq7mK2xW9vAbX9mK2xW9vR4tL8",
];

/// Compiles what the bytes say.
pub fn check(data: &[u8]) {
    compile(data, data);
    // What the bytes do not suffice for is not done.
    let _ = damaged(&mut Unstructured::new(data));
}

/// Takes what was written, changes some of it, and puts the sum right.
fn damaged(bytes: &mut Unstructured<'_>) -> Result<()> {
    let mut records = written();
    records.truncate(records.len() - SUM);
    for _ in 0..bytes.int_in_range(0..=4)? {
        let at = bytes.int_in_range(0..=records.len() - 1)?;
        match bytes.int_in_range(0..=4)? {
            0 => records.truncate(at.max(1)),
            1 => {
                let other: u8 = bytes.arbitrary()?;
                records.insert(at, other);
            }
            2 => records[at] = 0xff,
            _ => records[at] = bytes.arbitrary()?,
        }
    }
    let sum = Secret::new(records.clone()).digest();
    records.extend(sum.0);
    compile(&records, TOKENS.join(" ").as_bytes());
    Ok(())
}

fn compile(records: &[u8], text: &[u8]) {
    let Ok(patchset) = Patchset::from_records(records) else { return };
    patchset.scan(text, &mut |found| {
        assert!(patchset.token(found.token).is_some() && found.end <= text.len() as u64);
        assert!(patchset.rules(found.token).count() > 0);
    });
}

fn written() -> Vec<u8> {
    let mut writer = PatchsetWriter::new();
    let leak = LeakId(uuid::Uuid::from_u128(1));
    writer.set_rule(Rule::new(leak, Action::Block));
    let texts = TOKENS.map(|text| TokenMaterial::Text(Secret::from(text.to_owned())));
    let digest = TokenMaterial::Digest(Secret::from("another token".to_owned()).digest());
    for (number, material) in (1..).zip(texts.into_iter().chain([digest])) {
        let id = TokenId(uuid::Uuid::from_u128(number));
        assert!(writer.add_token(leak, id, Fingerprint([0; 16]), &material));
    }
    writer.records().encode(1, |_| true).collect::<Vec<_>>().concat()
}
