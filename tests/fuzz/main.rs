//! The checks that `fuzz/` runs for hours, here for a few hundred inputs each (`PROPTEST_CASES` says
//! how many), on stable Rust.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs, unreachable_pub)]

mod base64;
mod chain;
mod decode;
mod ebcdic;
mod entities;
mod hostile;
mod matcher;
mod records;
mod reports;
mod words;

use proptest::collection::vec;
use proptest::prelude::*;

#[test]
fn hostile_inputs_of_2_kib_stay_within_the_budget() {
    hostile::check(2);
}

#[test]
fn hostile_inputs_of_64_kib_stay_within_the_budget() {
    hostile::check(64);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_matcher_finds_what_a_naive_search_finds(data in vec(any::<u8>(), 0..2_000)) {
        matcher::check(&data);
    }

    #[test]
    fn records_are_compiled_or_refused(data in vec(any::<u8>(), 0..200)) {
        records::check(&data);
    }

    #[test]
    fn texts_in_pieces_are_decoded_as_they_are_whole(data in vec(any::<u8>(), 0..600)) {
        decode::check(&data);
    }

    #[test]
    fn base64_is_read_as_the_library_writes_it(data in vec(any::<u8>(), 0..400)) {
        base64::check(&data);
    }

    #[test]
    fn declared_entities_are_expanded_as_a_naive_reader_does(data in vec(any::<u8>(), 0..400)) {
        entities::check(&data);
    }

    #[test]
    fn ebcdic_is_read_as_another_library_writes_it(data in vec(any::<u8>(), 0..400)) {
        ebcdic::check(&data);
    }

    #[test]
    fn encoded_words_are_read_as_they_were_written(data in vec(any::<u8>(), 0..400)) {
        words::check(&data);
    }

    #[test]
    fn reports_are_read_the_same_in_pieces(data in vec(any::<u8>(), 0..1_500)) {
        reports::check(&data);
    }

    #[test]
    fn a_token_under_any_chain_of_layers_is_found(data in vec(any::<u8>(), 0..300)) {
        chain::check(&data);
    }
}
