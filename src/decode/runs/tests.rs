//! Runs against the library's encoders, and in chunks against the whole.

use std::collections::BTreeSet;

use ::base64::Engine as _;
use ::base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use crate::decode::encode::chunks;
use crate::decode::*;

/// Keeps what runs decode to.
#[derive(Default)]
struct Keep(Vec<(Layer, Part, Vec<u8>)>);

impl Sink for Keep {
    type State = (Part, Vec<u8>);

    fn open(&mut self, opening: Opening, _: &mut Budget) -> Option<Self::State> {
        Some((opening.part, Vec::new()))
    }

    fn read(&mut self, state: &mut Self::State, _: Layer, text: &[u8], _: &mut Budget) {
        state.1.extend_from_slice(text);
    }

    fn settle(&mut self, _: &mut Self::State, _: Layer) {}

    fn close(&mut self, (part, text): Self::State, layer: Layer, _: &mut Budget) {
        self.0.push((layer, part, text));
    }
}

impl Keep {
    fn holds(&self, layer: Layer, part: Part, text: &[u8]) -> bool {
        self.0.iter().any(|kept| {
            (kept.0, kept.1) == (layer, part) && memchr::memmem::find(&kept.2, text).is_some()
        })
    }
}

fn budget() -> Budget {
    Budget::new(Limits { depth: MAX_DEPTH, ratio: 10_000, free: 1 << 23, texts: 64, inflaters: 8 })
}

fn in_pieces(pieces: &[&[u8]], sought: &Sought) -> Keep {
    let (mut runs, mut keep, mut budget) = (Runs::new(), Keep::default(), budget());
    for piece in pieces {
        runs.push(piece, sought, &mut budget, &mut keep);
    }
    runs.finish(sought, &mut budget, &mut keep);
    assert!(!budget.is_spent());
    keep
}

fn in_whole(text: &[u8], sought: &Sought) -> Keep {
    let mut keep = Keep::default();
    Runs::new().whole(text, sought, &mut budget(), &mut keep);
    keep
}

fn words() -> ByteSet {
    ByteSet::EMPTY.with_all(b"abcdefghijklmnopqrstuvwxyz0123456789_")
}

fn sought() -> impl Strategy<Value = Sought> {
    let alphabet = prop_oneof![3 => Just(words()), 1 => Just(ByteSet::FULL)];
    let signature = prop_oneof![Just(None), Just(Some(20)), Just(Some(32))];
    (6_usize..30, alphabet, signature).prop_map(|(shortest, alphabet, signature)| {
        Sought::new(shortest..=shortest + 40, alphabet, signature)
    })
}

/// One of everything that runs are made of and end at.
fn part() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[ -~]{0,60}".prop_map(|text| STANDARD.encode(text).into_bytes()),
        2 => "[a-z]{0,60}".prop_map(|text| URL_SAFE_NO_PAD.encode(text).into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..200)
            .prop_map(|bytes| STANDARD.encode(bytes).into_bytes()),
        2 => "([0-9a-f][0-9a-f]){0,40}".prop_map(String::into_bytes),
        2 => "(6[0-9a-f]|7[0-9a-f]){0,40}".prop_map(String::into_bytes),
        2 => "[a-z]{0,14}".prop_map(String::into_bytes),
        3 => r#"[ "=!.\\n%0D\r\n]{0,3}"#.prop_map(String::into_bytes),
        1 => r"(\\n|%0A|\r\n|==|=|!|...|\n)".prop_map(String::into_bytes),
        1 => "[é/+]{0,3}".prop_map(String::into_bytes),
    ]
}

proptest! {
    /// Any text in any pieces decodes to what it does in one.
    #[test]
    fn pieces_make_no_difference(
        parts in prop::collection::vec(part(), 0..12),
        sought in sought(),
        cuts in prop::collection::vec(any::<u16>(), 0..12),
    ) {
        let text = parts.concat();
        // All that may be a token. The same bytes may be read more than once.
        let texts = |keep: Keep| -> BTreeSet<(Layer, Vec<u8>)> {
            let texts = keep.0.iter().filter(|(_, part, _)| *part == Part::Text);
            let window = |layer: Layer| move |bytes: &[u8]| (layer, bytes.to_vec());
            texts.flat_map(|(layer, _, text)| text.windows(sought.shortest).map(window(*layer))).collect()
        };
        let whole = texts(in_pieces(&[&text], &sought));
        prop_assert_eq!(&texts(in_pieces(&chunks(&text, &cuts), &sought)), &whole);
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        prop_assert_eq!(&texts(in_pieces(&bytes, &sought)), &whole);
    }

    /// What the library encodes is decoded, wherever the run begins and the text is cut.
    #[test]
    fn what_is_encoded_is_decoded(
        token in "[a-z0-9_]{12,40}",
        around in ("[ -~]{0,40}", "[ -~]{0,40}"),
        glued in "[A-Za-z0-9/]{0,9}",
        engine in 0_usize..4,
        width in prop_oneof![Just(64), Just(76), Just(10_000)],
        cuts in prop::collection::vec(any::<u16>(), 0..8),
    ) {
        let engine = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD][engine];
        let encoded = engine.encode([&around.0, &token, &around.1].map(String::as_str).concat());
        let lines: Vec<&[u8]> = encoded.as_bytes().chunks(width).collect();
        let text = [b"{\"a\":\"", glued.as_bytes(), &lines.join(&b"\r\n"[..]), b"\"}"].concat();
        let sought = Sought::new(12..=40, words(), Some(32));
        for keep in [in_pieces(&chunks(&text, &cuts), &sought), in_whole(&text, &sought)] {
            prop_assert!(keep.holds(Layer::Base64, Part::Text, token.as_bytes()));
        }
    }

    /// The same for hex.
    #[test]
    fn hex_is_decoded(
        token in "[a-z0-9_]{12,40}",
        glued in ("[A-Za-z0-9/]{0,9}", "[A-Za-z0-9/]{0,9}"),
        upper in any::<bool>(),
        cuts in prop::collection::vec(any::<u16>(), 0..8),
    ) {
        let hex: String = token.bytes().map(|byte| format!("{byte:02x}")).collect();
        let hex = if upper { hex.to_uppercase() } else { hex };
        let text = [&glued.0, &hex, &glued.1].map(String::as_bytes).concat();
        let sought = Sought::new(12..=40, words(), None);
        for keep in [in_pieces(&chunks(&text, &cuts), &sought), in_whole(&text, &sought)] {
            prop_assert!(keep.holds(Layer::Hex, Part::Text, token.as_bytes()));
        }
    }

    /// Bytes that may be a signature are decoded too, though they are no text.
    #[test]
    fn signatures_are_decoded(
        signature in prop::collection::vec(any::<u8>(), 32..70),
        before in "[a-zA-Z0-9]{0,20}",
        hex in any::<bool>(),
        cuts in prop::collection::vec(any::<u16>(), 0..8),
    ) {
        let encoded = URL_SAFE_NO_PAD.encode(&signature);
        prop_assume!(encoded.bytes().any(|byte| byte.is_ascii_uppercase()));
        let digits: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        let (layer, encoded) = if hex { (Layer::Hex, digits) } else { (Layer::Base64, encoded) };
        let text = [before.as_bytes(), b".", encoded.as_bytes(), b"\""].concat();
        let sought = Sought::new(60..=80, words(), Some(32));
        for keep in [in_pieces(&chunks(&text, &cuts), &sought), in_whole(&text, &sought)] {
            prop_assert!(keep.holds(layer, Part::Bytes, &signature), "{}", text.escape_ascii());
        }
    }

    /// A token on both sides of padding is decoded as decoders do that begin anew behind it.
    #[test]
    fn padding_in_the_middle(
        token in "[a-z0-9_]{16,40}",
        cut in 0_usize..16,
        around in ("[ -~]{0,40}", "[ -~]{0,40}"),
        glued in "[A-Za-z0-9/]{0,9}",
        cuts in prop::collection::vec(any::<u16>(), 0..8),
    ) {
        let (one, two) = token.split_at(cut);
        let one = STANDARD.encode(format!("{}{one}", around.0));
        let two = STANDARD.encode(format!("{two}{}", around.1));
        let text = [glued, one, two].concat().into_bytes();
        let sought = Sought::new(16..=40, words(), None);
        for keep in [in_pieces(&chunks(&text, &cuts), &sought), in_whole(&text, &sought)] {
            prop_assert!(keep.holds(Layer::Base64, Part::Text, token.as_bytes()));
        }
    }

    /// One piece of junk anywhere in a run takes nothing away.
    #[test]
    fn junk_in_the_middle(
        token in "[a-z0-9_]{20,40}",
        place in any::<prop::sample::Index>(),
        junk in r"[!#$*.?@^`|~=]{1,4}",
        cuts in prop::collection::vec(any::<u16>(), 0..8),
    ) {
        let encoded = STANDARD_NO_PAD.encode(&token);
        let (one, two) = encoded.split_at(place.index(encoded.len()));
        let text = [one, &junk, two].concat().into_bytes();
        let sought = Sought::new(20..=40, words(), None);
        for keep in [in_pieces(&chunks(&text, &cuts), &sought), in_whole(&text, &sought)] {
            prop_assert!(keep.holds(Layer::Base64, Part::Text, token.as_bytes()));
        }
    }
}

#[test]
fn ordinary_texts_have_no_runs() {
    let sought = Sought::new(20..=64, words(), Some(32));
    for text in [
        r#"{"id":"018f6d5e-6c1a-7bd2-9c2b-2f0c5d1f9a11","at":"2026-11-25T00:36:12.123Z"}"#,
        r#"{"url":"https://api.example.com/repositories/octocat/hello-world/branches{/branch}"}"#,
        "A sentence with internationalization and misunderstandings, and \"quoted\" words.",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "[0.0123,0.456789,-1.25,12345678901234567890]",
    ] {
        let keep = in_whole(text.as_bytes(), &sought);
        assert!(keep.0.iter().all(|(_, part, _)| *part == Part::Bytes), "{text}");
    }
}
