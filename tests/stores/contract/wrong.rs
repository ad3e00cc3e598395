//! Stores that are wrong on purpose, one fault each. The kit must name the rule that a fault breaks.

mod find;
mod heads;
mod scan;
mod store;

use std::sync::Arc;

use session_runtime::clock::Timestamp;
use session_runtime::testing::conformance;

use self::store::Wrong;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    PatchCreates,
    ChecksThenWrites,
    IgnoresBases,
    IgnoresRevision,
    BelievesUnchanged,
    IgnoresGeneration,
    ConflictBeforeRenewed,
    ConflictAnswersNothing,
    ConflictWrites,
    ServesExpired,
    PatchesExpired,
    DropsUnknownKeys,
    CreateOverwrites,
    TotalsOfThePart,
    PrefixIsSchema,
    NamesArePatterns,
    NormalisesTexts,
    EveryPatchCounts,
    TouchesAlways,
    PeriodicAlways,
    DeleteLeavesValues,
    SweepsAtOnce,
    SweepIgnoresLimit,
    SweepLosesCount,
    ScanIsEmpty,
    Panics,
    TouchLosesPrevious,
    SetLosesGenerationMoment,
    ChoiceLosesEnd,
    TouchInSeconds,
    CountersAreFloats,
    PatchCutsTexts,
    ConflictCutsTexts,
    RemovesFirst,
    PadsNames,
    KeysIgnoreCase,
    TouchRevives,
    DeleteLeavesParts,
    SweepsTooLate,
    SweepIgnoresChoices,
    ScanLeavesOutLarge,
    PagesOverlap,
    ScanIgnoresLimit,
    ShortPageIsLast,
    ScanNeverEnds,
    ScanCountsOffsets,
    ScanShowsFirstContents,
    CursorsWorkOnce,
    ForeignCursorIsBeginning,
    ScanShowsExpired,
    HeadsAreSorted,
    HeadsLeaveOutAbsent,
    HeadsEndAtHundred,
    HeadsShowExpired,
    HeadsAreCopies,
    HeadsTouch,
    FindIsEmpty,
    FindComparesBeginnings,
    FindCutsTexts,
    FindIgnoresLimit,
    FindCountsOffsets,
    FindLeavesOutExpired,
    FindLagsBehind,
    FindKnowsEveryKey,
    FindTakesAnyCursor,
    DeleteIfIgnoresGeneration,
    ClaimsNothing,
}

use Fault::*;

/// Each fault with rules that must be reported for it; others may be too.
const FAULTS: [(Fault, &[&str]); 29] = [
    (PatchCreates, &["patch_of_absent_is_gone", "delete_is_final", "delete_wins_every_race"]),
    (ChecksThenWrites, &["increments_are_exact", "one_of_many_on_one_base_wins", "different_keys_all_survive"]),
    (IgnoresBases, &["conflict_answers_the_current_texts", "absence_is_a_base", "increments_are_exact"]),
    (IgnoresRevision, &["revision_is_a_base", "one_of_many_on_one_revision_wins"]),
    (BelievesUnchanged, &["changed_is_judged", "increments_are_exact"]),
    (IgnoresGeneration, &["other_generation_is_renewed", "renewed_comes_before_conflict"]),
    (ConflictBeforeRenewed, &["renewed_comes_before_conflict"]),
    (ConflictAnswersNothing, &["conflict_answers_the_current_texts"]),
    (ConflictWrites, &["conflict_answers_the_current_texts"]),
    (ServesExpired, &["expired_loads_nothing"]),
    (PatchesExpired, &["patch_of_expired_is_gone", "gone_comes_before_renewed"]),
    (DropsUnknownKeys, &["unknown_keys_survive", "patch_sets_and_removes"]),
    (CreateOverwrites, &["create_is_exclusive", "one_of_many_creates_wins", "create_on_expired_is_taken"]),
    (TotalsOfThePart, &["totals_cover_the_whole_record"]),
    (PrefixIsSchema, &["wanted_schemas_are_loaded"]),
    (NamesArePatterns, &["names_are_bytes"]),
    (NormalisesTexts, &["created_record_comes_back"]),
    (EveryPatchCounts, &["revision_counts_changes_of_keys"]),
    (TouchesAlways, &["touch_needs_the_deadline_it_saw"]),
    (PeriodicAlways, &["periodic_needs_what_it_saw"]),
    (DeleteLeavesValues, &["delete_is_complete"]),
    (SweepsAtOnce, &["sweep_spares_the_living"]),
    (SweepIgnoresLimit, &["sweep_removes_no_more_than_its_limit"]),
    (SweepLosesCount, &["sweep_removes_the_expired", "sweep_removes_each_once"]),
    (HeadsLeaveOutAbsent, &["heads_come_in_the_order_of_the_keys", "expired_heads_are_absent"]),
    (ScanIsEmpty, &["scan_lists_every_record", "scan_lists_each_once"]),
    (FindIsEmpty, &["find_lists_every_record", "find_compares_whole_texts", "find_takes_long_texts"]),
    (FindLagsBehind, &["find_lists_every_record", "find_follows_writes"]),
    (Panics, &["created_record_comes_back", "delete_is_final", "increments_are_exact"]),
];

/// Each fault with the one rule that it breaks.
const FAULTS_OF_ONE_RULE: [(Fault, &str); 38] = [
    (TouchLosesPrevious, "the_rest_of_the_head_stays"),
    (SetLosesGenerationMoment, "the_rest_of_the_head_stays"),
    (ChoiceLosesEnd, "the_rest_of_the_head_stays"),
    (TouchInSeconds, "moments_are_kept_to_the_millisecond"),
    (CountersAreFloats, "counters_are_kept_exactly"),
    (PatchCutsTexts, "patched_texts_come_back"),
    (ConflictCutsTexts, "patched_texts_come_back"),
    (RemovesFirst, "the_later_of_two_changes_counts"),
    (PadsNames, "names_are_bytes"),
    (KeysIgnoreCase, "session_keys_are_bytes"),
    (TouchRevives, "a_touch_never_brings_back"),
    (DeleteLeavesParts, "delete_takes_every_part_along"),
    (SweepsTooLate, "sweep_goes_by_the_present_deadline"),
    (SweepIgnoresChoices, "sweep_goes_by_the_present_deadline"),
    (ScanLeavesOutLarge, "scan_lists_large_records"),
    (PagesOverlap, "scan_lists_each_once"),
    (ScanIgnoresLimit, "scan_keeps_to_its_limit"),
    (ShortPageIsLast, "a_short_page_is_not_the_last"),
    (ScanNeverEnds, "scan_ends"),
    (ScanCountsOffsets, "scan_survives_changes"),
    (ScanShowsFirstContents, "scan_shows_the_present"),
    (CursorsWorkOnce, "a_cursor_can_be_used_again"),
    (ForeignCursorIsBeginning, "a_foreign_cursor_is_refused"),
    (ScanShowsExpired, "scan_leaves_the_expired_out"),
    (HeadsAreSorted, "heads_come_in_the_order_of_the_keys"),
    (HeadsEndAtHundred, "many_heads_are_read"),
    (HeadsShowExpired, "expired_heads_are_absent"),
    (HeadsAreCopies, "heads_are_those_of_now"),
    (HeadsTouch, "heads_change_nothing"),
    (FindComparesBeginnings, "find_compares_whole_texts"),
    (FindCutsTexts, "find_takes_long_texts"),
    (FindIgnoresLimit, "find_keeps_to_its_limit"),
    (FindCountsOffsets, "find_survives_changes"),
    (FindLeavesOutExpired, "find_lists_the_late"),
    (FindKnowsEveryKey, "find_refuses_other_keys"),
    (FindTakesAnyCursor, "find_refuses_foreign_cursors"),
    (DeleteIfIgnoresGeneration, "delete_if_needs_the_generation"),
    (ClaimsNothing, "capabilities_are_real"),
];

const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

async fn report(fault: Fault) -> conformance::Report {
    conformance::check(Arc::new(Wrong::new(fault)), NOW).await
}

#[tokio::test]
async fn without_a_fault_every_rule_is_kept() {
    report(Fault::None).await.assert();
}

#[tokio::test]
async fn every_fault_is_reported_by_the_name_of_its_rule() {
    for (fault, rules) in FAULTS {
        let report = report(fault).await;
        for rule in rules {
            let named = report.failed().iter().any(|violation| violation.rule() == *rule);
            assert!(named, "{fault:?} is not reported as a breach of {rule}: {report}");
        }
    }
}

/// Each rule has a store of its own, so that it sees no record of another rule.
#[tokio::test]
async fn a_fault_of_one_rule_is_reported_by_that_rule_alone() {
    for (fault, wanted) in FAULTS_OF_ONE_RULE {
        let mut broken = Vec::new();
        for rule in conformance::rules() {
            if let Err(violation) = rule.check(Arc::new(Wrong::new(fault)), NOW).await {
                println!("{fault:?}: {violation}");
                broken.push(rule.name());
            }
        }
        assert_eq!(broken, [wanted], "{fault:?}");
    }
}

#[tokio::test]
async fn a_report_shows_rule_demand_and_observation() {
    let report = report(TotalsOfThePart).await;
    assert!(
        report.to_string().contains("totals_cover_the_whole_record: The totals of bytes and keys are those"),
        "{report}"
    );
    assert!(std::panic::catch_unwind(|| report.assert()).is_err());
}

#[tokio::test]
async fn every_rule_has_a_name_and_a_demand_of_its_own() {
    let names: std::collections::BTreeSet<_> = conformance::rules().map(conformance::Rule::name).collect();
    let demands: std::collections::BTreeSet<_> = conformance::rules().map(conformance::Rule::demand).collect();
    assert_eq!((names.len(), demands.len()), (conformance::rules().count(), conformance::rules().count()));
}
