//! Escapes as requests carry them.

use super::bodies::seen;
use super::*;
use crate::inspect::*;

#[test]
fn what_cookies_and_old_decoders_undo() {
    let patchset = blocking(TOKEN.as_bytes());
    let octal: String = TOKEN.bytes().map(|byte| format!("\\{byte:03o}")).collect();
    let slashed: String = TOKEN.replace('o', "\\o").replace('n', "\\n");
    let long: String = TOKEN
        .bytes()
        .map(|byte| format!("%{:02X}%{:02x}", 0xC0 | byte >> 6, 0x80 | byte & 63))
        .collect();
    let mut inspection = inspection(&patchset);
    inspection.head(&parts(
        &format!("/{long}"),
        &[
            ("cookie", format!("a=\"{octal}\"; b=1").as_bytes()),
            ("x-slashed", format!("a=\"{slashed}\"").as_bytes()),
        ],
    ));
    assert_eq!(
        shown(&inspection),
        ["path:0 percent,utf8", "cookie:a quoted", "header:x-slashed quoted"]
    );
}

#[test]
fn where_a_body_pauses_all_of_a_token_so_far_is_decided() {
    let token = [b"ghp".as_slice(), b"-abcdefghij%4"].concat();
    let patchset = blocking(&token);
    for text in ["a=%67hp-abcdefghij%4", "a=gh%70-abcdefghij%4", "a=ghp%2dabcdefghij%254"] {
        let mut inspection = inspection(&patchset);
        inspection.body(text.as_bytes());
        assert_eq!(inspection.settle(), Verdict::Refuse(Refusal::Leaked), "{text}");
    }
    let token = [b"ghp".as_slice(), b"-abcdefghije"].concat();
    let mut inspection = inspection(&blocking(&token));
    inspection.body(b"a=gh&#112;-abcdefghij&#101");
    assert_eq!(inspection.settle(), Verdict::Refuse(Refusal::Leaked));
}

/// What there is no room to decide where a body pauses is counted, though the budget has room for all
/// that has come: here a reference that ends with the text lies one layer too deep.
#[test]
fn pauses_that_leave_something_undecided_are_counted() {
    let undecided = |percents: usize| {
        let mut inspection = inspection(&blocking(b"ghp%0123456789"));
        inspection.body(format!("a=ghp%{}26#37", "25".repeat(percents)).as_bytes());
        inspection.settle();
        inspection.incomplete().is_empty().then(|| inspection.undecided_pauses())
    };
    assert_eq!(undecided(0), Some(0));
    assert!((1..12).any(|percents| undecided(percents) == Some(1)));
}

/// Dense mixes stay inside the budget however they are cut, whatever a token is made of.
#[test]
fn dense_mixes_of_encodings_fit() {
    let html = r#"<p class=\"x\">Tom&#39;s caf\u00e9\u003c!-- a%20b --\u003e &amp; <a href=\"https:\/\/e.example\/?q=%26b\">&#8230;<\/a><!-- c --><![CDATA[ x ]]>\n"#;
    let code = r#"if (a &lt; b &amp;&amp; c) { re = \/\\d+\u002b%2B/; s = \"&#x41;\u0041%41\"; } <?php x(); ?>\n"#;
    for (token, texts) in [
        (TOKEN, &[html, code][..]),
        ("tok0123456", &[html, code]),
        (r"tok\0123456789abcdef", &[html, code]),
        // With a space, forms are one more layer: five side by side are more than fits.
        ("tok 0123 &<> 456 abc", &[html]),
    ] {
        let patchset = blocking(token.as_bytes());
        for text in texts {
            let json = format!("{{\"a\":\"{}\"}}", text.repeat(3));
            for body in [text.repeat(12), json.repeat(4)] {
                for size in [5, 64, 1024] {
                    let mut inspection = inspection(&patchset);
                    for piece in body.as_bytes().chunks(size) {
                        inspection.body(piece);
                        // As what streams is settled, piece by piece.
                        if size >= 1024 {
                            inspection.settle();
                        }
                    }
                    inspection.finish();
                    assert!(inspection.incomplete().is_empty(), "{token} {size} {body}");
                }
            }
        }
    }
}

/// What ordinary texts have side by side stays inside the budget.
#[test]
fn mixed_encodings_of_ordinary_texts_fit() {
    let patchset = blocking(TOKEN.as_bytes());
    let html = r#"<p class=\"x\">Tom&#39;s caf\u00e9\u003c!-- a%20b --\u003e &amp; <a href=\"https:\/\/e.example\/?q=%26b\">&#8230;<\/a><!-- c --><![CDATA[ x ]]>\n"#;
    for body in [
        html.to_owned(),
        format!("{{\"a\":\"{html}\"}}"),
        format!("a={}", html.replace('%', "%25").replace('\\', "%5C").replace('&', "%26")),
        format!("{}\n", "\\".repeat(300)).repeat(3),
        "%5C".repeat(400),
        "\\u005c".repeat(400),
        format!("{}u{}", "\\".repeat(400), "%5c".repeat(400)),
    ] {
        for size in [5, 64, body.len()] {
            let pieces: Vec<&[u8]> = body.as_bytes().chunks(size).collect();
            assert_eq!(body_found(&patchset, &pieces), Some(false), "{size} {body}");
        }
        let mut inspection = inspection(&patchset);
        inspection.head(&parts("/", &[("x-a", body.replace('\n', " ").as_bytes())]));
        assert!(inspection.incomplete().is_empty(), "{body}");
    }
}

#[test]
fn a_document_under_dense_escapes_is_found_however_it_is_cut() {
    let (start, end) = TOKEN.split_at(TOKEN.len() / 2);
    let document = format!("<!DOCTYPE r [<!ENTITY e \"{start}\">]><r>&e;{end}</r>");
    let json = |text: &str| text.bytes().map(|byte| format!("\\u{byte:04x}")).collect::<String>();
    let percent = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    for body in [
        json(&document),
        json(&json(&document)),
        percent(&json(&document)),
        json(&percent(&document)),
        percent(&percent(&percent(&document))),
    ] {
        let (hits, causes) = seen(&[], body.as_bytes());
        assert!(!hits.is_empty() && causes.is_empty(), "{hits:?} {causes:?} {body}");
    }
}
