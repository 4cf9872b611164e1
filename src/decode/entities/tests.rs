//! Documents against what quick-xml and the specification make of them, in pieces of any size.

use super::whole::Collect;
use super::*;
use crate::decode::budget::Limits;

fn budget() -> Budget {
    Budget::new(Limits { depth: 8, ratio: 32, free: 256 * 1024, texts: 256, inflaters: 8 })
}

/// What each document in the text expands to, under the layers beside its own, and whether the budget
/// was enough.
fn expanded(text: &[u8], piece: usize) -> (Vec<(Vec<Layer>, String)>, bool) {
    let (mut documents, mut budget, mut collect) =
        (Documents::default(), budget(), Collect::default());
    budget.earn(text.len());
    let (mut word, mut in_dtd) = (Word::default(), false);
    for piece in text.chunks(piece) {
        let told = if word.ends_in(piece, &mut in_dtd) { vec![Vec::new()] } else { Vec::new() };
        documents.push(piece, &told, &mut budget, &mut collect);
    }
    documents.finish(&mut budget, &mut collect);
    let mut texts: Vec<(Vec<Layer>, String)> = collect
        .0
        .into_iter()
        .map(|(mut layers, text)| {
            assert_eq!(layers.pop(), Some(Layer::Dtd));
            (layers, String::from_utf8(text).unwrap())
        })
        .collect();
    texts.sort();
    (texts, !budget.is_spent())
}

/// The same of the text as it is.
fn plain(text: &str) -> Vec<String> {
    let all: Vec<Vec<String>> = [1, 2, 3, 7, text.len().max(1)]
        .into_iter()
        .map(|piece| {
            let (texts, enough) = expanded(text.as_bytes(), piece);
            assert!(enough, "{text}");
            texts
                .into_iter()
                .filter(|(layers, _)| layers.is_empty())
                .map(|(_, text)| text)
                .collect()
        })
        .collect();
    assert!(all.windows(2).all(|two| two[0] == two[1]), "{text}: {all:?}");
    all[0].clone()
}

#[test]
fn what_is_declared_is_expanded() {
    for (text, expected) in [
        ("<!DOCTYPE r [<!ENTITY a \"tok\">]><r>&a;en</r>", "<r>token</r>"),
        (
            "<?xml version='1.0'?><!DOCTYPE r [<!ENTITY a 'tok'><!ENTITY b '&a;en'> ] >&b;!",
            "token!",
        ),
        (
            "<!DOCTYPE r SYSTEM 'x' [\n<!ENTITY\ta\r\n\"t&#111;k&#x65;n\">\n]>\n<r b=\"&a;\"/>",
            "\n<r b=\"token\"/>",
        ),
        ("<!DOCTYPE r [<!ENTITY a '&#38;b;'><!ENTITY b 'token'>]>&a;", "token"),
        ("<!DOCTYPE r [<!ENTITY % p '<!ENTITY a \"token\">'>%p;]>&a;", "token"),
        (
            "<!DOCTYPE r [<!ENTITY % xx '&#37;zz;'><!ENTITY % zz '&#60;!ENTITY a \"token\" >'>%xx;]>&a;",
            "token",
        ),
        ("<!DOCTYPE r [<!ENTITY % p 'tok'><!ENTITY a '%p;en %q;'>]>&a;", "token %q;"),
        // What is declared first counts, and what is not declared, or elsewhere, stays.
        (
            "<!DOCTYPE r [<!ENTITY a 'token'><!ENTITY a 'other'>]>&a;&b;&amp;&#65;&;& a;&a",
            "token&b;&amp;&#65;&;& a;&a",
        ),
        (
            "<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///x'><!ENTITY y PUBLIC '-' \"y\" NDATA z><!ENTITY a 'b'>]>&x;&y;&a;",
            "&x;&y;b",
        ),
        // What stands in comments, instructions and other declarations declares nothing.
        (
            "<!DOCTYPE r [<!-- <!ENTITY a 'other'> --><?x <!ENTITY a 'other'> ?><!ENTITY a 'token'>]>&a;",
            "token",
        ),
        ("<!-- <!ENTITY q \" --><!DOCTYPE r [<!ENTITY a 'token'><!ENTITY q 'x'>]>&a;", "token"),
        (
            "<!DOCTYPE r [<!NOTATION n SYSTEM '<!ENTITY a \"other\">'><!ELEMENT r ANY><!ENTITY a 'token'>]>&a;",
            "token",
        ),
        // Nothing is expanded in comments, instructions and CDATA, where what seems to end them is none.
        (
            "<!DOCTYPE r [<!ENTITY a '--> x <!--'>]>tok<!-- &a; -->en&a;",
            "tok<!-- &a; -->en--> x <!--",
        ),
        (
            "<!DOCTYPE r [<!ENTITY a 'b'>]><![CDATA[&a;]]>&a;<?x &a;?>&a;<!x>&a;<",
            "<![CDATA[&a;]]>b<?x &a;?>b<!x>b<",
        ),
        ("<!DOCTYPE r [<!ENTITY a '<![CDATA[&b;]]>'><!ENTITY b 'x'>]>&a;", "<![CDATA[&b;]]>"),
        // What attributes are by default.
        ("<!DOCTYPE r [<!ENTITY a 'tok'><!ATTLIST r b CDATA \"&a;en\">]><r/>", "\"token\"<r/>"),
        // Strings of JSON, and of JSON in JSON.
        (r#"<!DOCTYPE r [\n<!ENTITY a \"tok\">\t<!ENTITY\n\tb\r \"&a;en\">\n]>&b;"#, "token"),
        (r#"<!DOCTYPE r [\\n<!ENTITY a \\\"tok\\\">\\n<!ENTITY b \\\"&a;en\\\">]>&b;"#, "token"),
        (r#"<!DOCTYPE r [<!ENTITY a "tok\"><!ENTITY b "&a;en">]>&b;"#, r"tok\en"),
        // A form.
        ("<!DOCTYPE+r+[<!ENTITY+a+\"tok\">+]>&a;en", "token"),
    ] {
        // A comment that was not seen to be one may make others of it.
        assert!(plain(text).contains(&expected.to_owned()), "{text}: {:?}", plain(text));
    }
}

#[test]
fn what_is_no_document_costs_nothing() {
    for text in [
        "<!DOCTYPE html><p>ENTITY</p>",
        "declare <!ENTITY a \"b\"> in your DTD and use &a; then",
        "`<!ENTITY a 'b'>` `]>` &a;",
        "<!DOCTYPE r [<!ENTITY a SYSTEM 'x'>]>&a;",
        "<!DOCTYPE r [<!ELEMENT ENTITY ANY>]>&a;",
        "<!ENTITY",
        "<!DOCTYPE r [<!ENTITY a 'b'",
    ] {
        assert!(plain(text).is_empty(), "{text}");
    }
}

#[test]
fn documents_stand_under_escapes() {
    let document = "<!DOCTYPE r [<!ENTITY a \"tok\">]><r>&a;en</r>";
    let expected = "<r>token</r>".to_owned();
    let json = |text: &str| serde_json::to_string(text).unwrap();
    let escaped =
        json(document).replace('<', "\\u003c").replace('>', "\\u003E").replace('&', "\\u0026");
    let percent =
        percent_encoding::utf8_percent_encode(document, percent_encoding::NON_ALPHANUMERIC)
            .to_string();
    let xml = quick_xml::escape::escape(document).into_owned();
    for (text, layer) in [
        (json(document), Layer::Json),
        (escaped.clone(), Layer::Json),
        (
            format!("<!DOCTYPE r [\\u0020{}", &escaped[escaped.find("\\u003c!ENTITY").unwrap()..]),
            Layer::Json,
        ),
        (percent, Layer::Percent),
        (xml, Layer::Entity),
    ] {
        for piece in [1, 5, text.len()] {
            let (texts, enough) = expanded(text.as_bytes(), piece);
            let found =
                texts.iter().any(|(layers, text)| layers == &[layer] && text.contains(&expected));
            assert!(found && enough, "{text} in {piece}: {texts:?}");
        }
    }
}

#[test]
fn a_form_writes_spaces_as_signs() {
    let text = "%3C!DOCTYPE+r+[%3C!ENTITY+a+%22to+k%22%3E]%3E%26a;%2Ben";
    let (texts, _) = expanded(text.as_bytes(), text.len());
    assert!(
        texts.contains(&(vec![Layer::Form, Layer::Percent], "to k+en".to_owned())),
        "{texts:?}"
    );
}

#[test]
fn what_grows_without_bounds_runs_into_the_budget() {
    let mut laughs = "<!DOCTYPE r [<!ENTITY l0 'ha'>".to_owned();
    let mut nothing = "<!DOCTYPE r [<!ENTITY l0 ''>".to_owned();
    let mut parameters = "<!DOCTYPE r [<!ENTITY a 'b'><!ENTITY % l0 ' '>".to_owned();
    let mut values = "<!DOCTYPE r [<!ENTITY a 'b'><!ENTITY % l0 'ha'>".to_owned();
    for level in 1..14 {
        let before = level - 1;
        laughs += &format!("<!ENTITY l{level} '{}'>", format!("&l{before};").repeat(10));
        nothing += &format!("<!ENTITY l{level} '{}'>", format!("&l{before};").repeat(10));
        parameters += &format!("<!ENTITY % l{level} '{}'>", format!("&#37;l{before};").repeat(10));
        values += &format!("<!ENTITY % l{level} '{}'>", format!("%l{before};").repeat(10));
    }
    let loops = "<!DOCTYPE r [<!ENTITY a 'x&a;y'>]>&a;".to_owned();
    let long = format!("<!DOCTYPE r [<!ENTITY a '{}'>]>&a;", "x".repeat(100_000));
    let name = format!("<!DOCTYPE r [<!ENTITY {0} 'x'>]>&{0};", "n".repeat(300));
    for text in [
        laughs + "]><r>&l13;</r>",
        nothing + "]><r>&l13;</r>",
        parameters + "%l13;]><r>&a;</r>",
        values + "<!ENTITY b '%l13;'>]><r>&a;</r>",
        loops,
        long,
        name,
    ] {
        let (texts, enough) = expanded(text.as_bytes(), 1_000);
        assert!(!enough, "{}", &text[..80]);
        let made: usize = texts.iter().map(|(_, text)| text.len()).sum();
        assert!(made <= 256 * 1024 + 32 * text.len(), "{made}");
    }
}

#[test]
fn the_word_is_found_wherever_it_is_cut() {
    for (text, in_dtd, times) in [
        ("xENTITYx", true, 1),
        ("ENTIENTITY", true, 1),
        ("EENTITYDOCTYPE", true, 2),
        ("ENTIT Y", true, 0),
        ("ENTITYDOCTYPE", false, 1),
        ("DODOCTYPEENTITY", false, 2),
    ] {
        for piece in 1..=3 {
            let (mut word, mut in_dtd) = (Word::default(), in_dtd);
            let pieces = text.as_bytes().chunks(piece);
            let found = pieces.filter(|piece| word.ends_in(piece, &mut in_dtd)).count();
            assert_eq!(found, times, "{text} in {piece}");
        }
    }
}
