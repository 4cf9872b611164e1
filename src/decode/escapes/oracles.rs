//! The layers against what well-kept libraries write and read.

use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::undo;
use crate::decode::layer::Layer;

/// The text of an element, its references left as they are.
fn text_of(element: &str) -> Vec<u8> {
    let mut reader = Reader::from_str(element);
    let mut text = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Text(part) => text.extend_from_slice(part.as_bytes()),
            Event::CData(part) => text.extend_from_slice(part.as_bytes()),
            Event::Eof => return text,
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn references(
        text in "([a-z ;#]|&#0{0,12}[1-9][0-9]{1,5};|&#x0{0,12}[1-9a-f][0-9a-fA-F]{0,4};|&(amp|lt|gt|quot|apos);){0,40}",
    ) {
        if let Ok(expected) = quick_xml::escape::unescape(&text) {
            let found = undo(Layer::Entity, text.as_bytes());
            prop_assert_eq!(String::from_utf8_lossy(&found), expected);
        }
    }

    #[test]
    fn markup(
        text in r"([a-z \n\]-]|<!--([a-z <>?]|-[a-z])*-->|<\?x [a-z>]*\?>|<!\[CDATA\[[a-z<!?-]*\]\]>){0,40}",
    ) {
        prop_assume!(!text.contains("]]>") || text.contains("<![CDATA["));
        let found = undo(Layer::Markup, text.as_bytes());
        let expected = text_of(&format!("<e>{text}</e>"));
        prop_assert_eq!(found.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }
}
