//! What every store must do. Each test takes a fresh store, whichever it is.

pub mod conditions;
pub mod events;
pub mod four_eyes;
pub mod identity;
pub mod leaks;
pub mod life;
pub mod list;
pub mod numbers;
pub mod outgoing;
pub mod registering;
pub mod risk;
pub mod search;
pub mod tenants;
pub mod tokens;
pub mod users;
pub mod views;
pub(crate) use crate::volume;

/// Makes a test of each of these for the store that `$fresh` opens.
macro_rules! conformance {
    ($fresh:path, $mark:tt => $($subject:ident :: { $($name:ident),+ $(,)? })+) => {
        $(mod $subject {
            $(#[tokio::test]
            # $mark
            async fn $name() {
                let fresh = $fresh().await;
                crate::conformance::$subject::$name(fresh.store()).await;
                fresh.end().await;
            })+
        })+
    };
}
pub(crate) use conformance;

/// Runs the whole suite over the store that `$fresh` opens; each test is marked with the attribute.
macro_rules! all {
    ($fresh:path, $mark:tt) => {
        crate::conformance::conformance! { $fresh, $mark =>
            registering::{
                a_new_leak_is_shown_whole,
                known_tokens_become_an_occurrence,
                new_tokens_beside_known_ones_form_a_leak,
                a_later_part_of_a_report_goes_to_its_leak,
                the_same_place_is_one_source,
                a_digest_and_its_text_are_one_token,
                a_token_twice_in_one_call_is_one,
                tenants_are_apart,
                a_closed_leak_is_opened_again_where_the_policy_says_so,
            }
            views::{
                one_event_is_found,
                events_are_put_together,
                groups_and_impact_are_those_of_the_events,
                a_page_looks_at_so_many_events,
                a_tenants_events_are_walked_through_alone,
                a_users_sessions_are_listed,
            }
            life::{
                every_decision_from_every_status,
                a_changed_patch_keeps_its_id,
                a_patch_takes_the_tokens_that_it_can,
                a_patch_on_nothing_is_refused_with_reasons,
                force_overrides_the_guard_from_six_bytes,
                removing_no_patch_changes_nothing,
                ended_patches_are_removed,
                reopening_clears_the_resolution,
                only_open_and_lately_closed_leaks_are_enforced,
                decisions_at_once_leave_one_state,
                the_bypass_ends_by_itself,
            }
            conditions::{
                a_version_is_checked_with_the_change,
                a_call_with_a_key_is_done_once,
                a_call_in_parts_goes_on_where_it_was_cut_off,
                tokens_may_have_a_mode_of_their_own,
                a_patch_of_modes_takes_a_token,
                many_tokens_have_modes_and_are_taken_out,
            }
            four_eyes::{
                a_block_takes_another_person,
                what_weakens_a_block_takes_another_person,
                what_was_asked_of_another_state_waits_no_more,
                haste_leaves_a_review_open,
                one_person_cannot_turn_it_off,
                persons_are_behind_their_api_tokens,
            }
            risk::{
                it_follows_from_what_is_known,
                a_person_may_set_it,
                it_changes_by_the_passing_of_time,
                only_a_leak_of_which_all_is_refused_weighs_less,
                reports_and_edits_are_in_it,
                a_honeytoken_is_marked_when_it_is_used,
            }
            leaks::{
                an_edit_changes_what_it_names,
                a_leak_keeps_a_token,
                a_token_may_stand_in_several_leaks,
                comments_are_kept_in_order,
                another_tenant_sees_nothing,
            }
            list::{
                every_order_pages_through_all_once,
                filters_narrow,
                validity_is_a_filter,
                a_cursor_is_bound_to_its_query,
                a_page_shows_leaks_whole,
            }
            search::{
                finds_words_of_title_comment_source_and_fingerprint,
                what_changes_is_found_as_it_now_is,
                any_text_is_only_words,
                pages_are_those_of_a_plain_search,
            }
            tokens::{
                pages_hold_each_token_once,
                enforced_tokens_have_their_text,
                lookup_tells_leaks_and_use,
            }
            events::{
                events_are_listed_newest_first,
                events_are_narrowed,
                an_event_offered_twice_counts_once,
                uses_are_told_by_hour,
                an_event_with_any_character_is_kept,
                batches_of_several_at_once_are_all_counted,
                validity_is_learnt_from_what_the_upstream_answered,
                a_use_counts_for_every_leak_of_the_token,
            }
            numbers::{
                impact_sums_by_client,
                impact_tells_new_clients_where_it_can,
                impact_says_what_is_not_watched,
                statistics_count,
                counts_stay_true,
            }
            outgoing::{
                growing_events_are_kept_until_they_are_stored,
                events_are_removed_by_age_and_their_counts_stay,
                events_are_removed_by_size_oldest_first,
                counts_of_long_ago_are_removed,
                a_reader_gets_everything_once_and_in_order,
                what_cannot_be_delivered_is_kept_up_to_a_bound,
                one_process_at_a_time_reads,
                what_was_read_by_all_is_removed,
                who_misses_events_is_told_how_many_of_which_tenant,
                the_gone_leave_nothing,
                nobody_is_notified_twice_in_a_window,
                webhooks_are_kept_without_showing_their_secrets,
            }
            identity::{
                an_api_token_is_known_by_its_hash,
                a_revoked_or_ended_api_token_is_nobody,
                names_are_one,
                the_audit_log_says_who_did_what,
                the_audit_log_says_what_was_before_and_after,
                the_audit_log_says_what_was_forced_and_which_tokens_are_treated_apart,
                the_audit_log_is_narrowed,
            }
            tenants::{
                tenants_are_made_and_removed_while_empty,
                lists_are_of_one_tenant_or_of_all,
                each_tenant_has_a_bypass_switch,
            }
            users::{
                users_are_listed_by_tenant,
                a_change_to_a_user_is_what_it_names,
                the_last_global_administrator_stays,
                a_user_with_more_rights_is_left_alone,
                a_session_is_known_by_its_hash,
                no_session_begins_for_who_may_not,
                sessions_end_with_what_they_rest_on,
                a_user_has_so_many_sessions,
                a_user_is_known_by_their_identity,
                api_tokens_end_with_the_right_to_give_them,
            }
        }
    };
}
pub(crate) use all;
