//! The tests every adapter passes; together they define the port.
//!
//! An adapter's test file implements [`Fresh`] and calls [`crate::conformance_suite!`], which
//! makes one test of each property.

pub mod audit;
pub mod dispatch;
pub mod engine;
pub mod health;
pub mod ingest;
pub mod lists;
pub mod log;
pub mod operations;
pub mod records;
mod sample;

use std::path::Path;

use crate::{Page, Store};

/// A store that is empty at first, and what tests do to it from outside.
pub trait Fresh {
    /// The store.
    fn store(&self) -> &dyn Store;
    /// Closes the store and opens it again on the same data.
    fn reopen(&mut self);
    /// Another store, opened on what [`Store::backup`] wrote.
    fn restore(&self, backup: &Path) -> Box<dyn Fresh>;
    /// A folder for files of the test.
    fn folder(&self) -> &Path;
}

/// Makes one `#[test]` of each property; `$open` is a function that gives a `Box<dyn Fresh>`.
#[macro_export]
macro_rules! conformance_suite {
    (@tests $open:expr; $($module:ident: $($name:ident)+;)+) => {
        $($(
            #[test]
            fn $name() {
                $crate::conformance::$module::$name(&mut *$open());
            }
        )+)+
    };
    ($open:expr) => {
        $crate::conformance_suite! { @tests $open;
            log:
                an_empty_store_has_no_log
                chunks_come_back_as_they_were_written
                a_chunk_that_does_not_follow_the_log_is_refused_with_all_of_its_batch
                reading_starts_with_the_chunk_that_holds_the_position
                reading_stops_at_the_byte_limit_but_gives_at_least_one_chunk
                skipping_old_chunks_never_drops_one_with_a_younger_event;
            ingest:
                event_ids_are_recognised_after_their_commit_and_after_reopening
                event_ids_without_a_chunk_are_refused
                event_ids_are_kept_for_the_whole_retention
                the_last_binding_of_an_identity_counts
                persons_keep_their_last_account_and_merge
                people_of_an_account_are_those_that_are_there_now;
            engine:
                progress_and_settings_survive_reopening
                states_are_found_by_root_and_by_subject
                a_state_under_a_new_root_replaces_the_old_one
                removed_subjects_are_gone
                roots_wake_in_order_of_their_earliest_subject
                roots_are_listed_by_their_bits
                timelines_are_complete_over_checkpoints
                a_joined_timeline_has_the_positions_of_both_in_order
                a_timeline_outlives_its_state
                plans_are_kept_as_first_published;
            dispatch:
                a_message_decided_again_is_left_as_it_is
                due_messages_come_oldest_first_then_by_id
                each_channel_has_its_own_messages_due
                the_address_an_attempt_went_to_is_remembered_by_its_key
                messages_named_in_except_are_left_out
                an_update_changes_what_it_names
                a_forgotten_message_has_no_address_and_no_data
                an_update_of_an_unknown_message_does_nothing
                the_next_due_time_is_that_of_a_pending_message
                suppressions_are_set_and_lifted
                refusals_are_paged_newest_first_and_filtered;
            lists:
                messages_are_paged_newest_first
                messages_are_filtered
                messages_are_counted_by_state
                decisions_are_recorded_once_and_paged_newest_first
                decisions_are_filtered
                the_last_change_of_an_enrollment_counts
                enrollments_are_paged_and_filtered
                enrollments_are_counted_by_where_they_stand
                tasks_are_created_once_completed_and_reopened
                a_task_stands_as_a_human_left_it
                tasks_are_paged_and_filtered
                the_last_change_of_a_membership_counts
                members_are_paged_in_id_order
                subjects_are_paged_by_kind_and_counted
                dead_letters_are_numbered_paged_and_removed
                a_page_goes_on_where_it_was_though_rows_were_added
                a_cursor_of_another_list_is_refused
                a_page_is_never_longer_than_the_most_rows;
            health:
                the_last_health_of_an_instant_counts_and_is_paged_newest_first;
            records:
                a_record_is_replaced_taken_out_and_expired
                records_are_paged_by_key_in_both_directions
                decisions_are_numbered_in_the_order_of_their_commits
                decisions_are_found_whatever_the_order_of_their_instants
                decisions_about_the_erased_stay_without_the_person;
            audit:
                the_audit_trail_has_no_gaps
                the_audit_trail_is_filtered_and_paged_newest_first;
            operations:
                a_backup_opens_as_the_same_store
                a_backup_never_overwrites_a_file
                a_sound_store_has_no_findings
                a_checkpoint_ahead_of_the_output_is_found
                readers_see_whole_commits;
        }
    };
}

/// Reads a list page by page, with pages of several sizes, and expects that each way gives the
/// same rows, each once.
fn walk<R: Clone + PartialEq + std::fmt::Debug>(
    read: impl Fn(&Page) -> Vec<R>,
    cursor: impl Fn(&R) -> String,
) -> Vec<R> {
    let whole = read(&Page {
        after: None,
        limit: 1_000,
    });
    for limit in [1, 2, 3, 7] {
        let mut after = None;
        let mut walked: Vec<R> = Vec::new();
        loop {
            let page = read(&Page {
                after: after.take(),
                limit,
            });
            assert!(page.len() <= limit);
            let Some(last) = page.last() else { break };
            after = Some(cursor(last));
            walked.extend(page.iter().cloned());
            assert!(walked.len() <= whole.len(), "pages of {limit} repeat rows");
        }
        assert_eq!(walked, whole, "with pages of {limit}");
    }
    whole
}
