use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::*;
use crate::Session;
use crate::schema::Schema;
use crate::schema::change::Change;

#[derive(Session)]
#[session(key = "all", version = 1)]
struct All {
    plain: Option<String>,
    #[session(merge = reject)]
    object: BTreeMap<String, u32>,
    #[session(merge = reject)]
    set: HashSet<u32>,
    #[session(merge = reject)]
    list: Vec<u32>,
    #[session(merge = sum)]
    signed: i64,
    #[session(merge = sum)]
    unsigned: u8,
    #[session(merge = sum, default = 5)]
    five: u8,
    #[session(merge = keys)]
    tags: BTreeSet<u32>,
    #[session(merge = keys(sum))]
    counts: BTreeMap<u32, i32>,
    #[session(merge = append(max = 20))]
    notices: Vec<String>,
    #[session(expires_after = "10m")]
    code: Option<u32>,
    #[session(merge = with = spelled)]
    spelled: String,
    #[session(merge = with = nothing)]
    nothing: Option<u32>,
    #[session(merge = with = emptied)]
    emptied: String,
}

#[derive(Session)]
#[session(key = "lenient", version = 1, on_invalid = "reset")]
struct Lenient {
    #[session(merge = sum, default = 100)]
    sum: u32,
    #[session(merge = keys(sum))]
    counts: BTreeMap<u32, u32>,
}

#[derive(Session)]
#[session(key = "lasting", version = 1, lasting)]
struct Lasting {
    theme: Option<String>,
}

#[expect(clippy::needless_pass_by_value, reason = "the signature of a merge function")]
fn spelled(base: &String, theirs: &String, ours: String) -> String {
    format!("base {base}, theirs {theirs}, ours {ours}")
}

#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "the signature of a merge function")]
fn nothing(_: &Option<u32>, _: &Option<u32>, _: Option<u32>) -> Option<u32> {
    None
}

fn emptied(_: &String, _: &String, _: String) -> String {
    String::new()
}

/// Returns a change of a stored key of a schema.
fn change<S: Schema>(name: &str, [base, ours]: [Option<&str>; 2]) -> Change {
    let field = S::SPEC.fields().find(|field| field.key() == name).unwrap();
    let text = |text: Option<&str>| text.map(Into::into);
    let (base, ours, name) = (text(base), text(ours), field.name.into());
    let (set, mixed, stale, expired) = Default::default();
    Change { schema: S::SPEC, field, name, base, expired, ours, set, mixed, stale }
}

/// Merges a stored key of a schema with the field's own merge.
fn merged<S: Schema>(
    name: &str,
    [base, theirs, ours]: [Option<&str>; 3],
) -> Result<Option<String>, (ErrorKind, String)> {
    let merged = three_way(&change::<S>(name, [base, ours]), theirs);
    merged.map(|merged| merged.map(|text| text.to_string())).map_err(|error| (error.kind(), error.to_string()))
}

/// Returns the merged text of a merge that must succeed.
fn value<S: Schema>(name: &str, texts: [Option<&str>; 3]) -> Option<String> {
    merged::<S>(name, texts).unwrap_or_else(|error| panic!("{name} {texts:?}: {error:?}"))
}

fn kind<S: Schema>(name: &str, texts: [Option<&str>; 3]) -> Option<ErrorKind> {
    merged::<S>(name, texts).err().map(|(kind, _)| kind)
}

/// If the other request changed nothing, there is nothing to merge, whatever the field's merge is.
#[test]
fn ours_is_taken_where_theirs_is_the_base() {
    for name in ["plain", "object", "signed", "tags", "counts", "spelled", "nothing"] {
        for base in [None, Some("not even JSON")] {
            for ours in [None, Some("also not")] {
                assert_eq!(value::<All>(name, [base, base, ours]).as_deref(), ours, "{name}");
            }
        }
    }
}

#[test]
fn the_last_write_of_a_plain_field_wins() {
    for theirs in [None, Some("2")] {
        for ours in [None, Some("3")] {
            assert_eq!(value::<All>("plain", [Some("1"), theirs, ours]).as_deref(), ours);
            assert_eq!(value::<All>("tags", [Some("true"), theirs.xor(Some("4")), ours]).as_deref(), ours);
        }
    }
}

/// Another spelling of the same value is no change: the order of an object's keys, or of a set's elements.
#[test]
fn a_rejecting_field_refuses_a_changed_value_and_not_a_changed_spelling() {
    let [object, respelled] = [r#"{"a":1,"b":2}"#, r#"{"b": 2, "a": 1}"#].map(Some);
    assert_eq!(value::<All>("object", [object, respelled, Some("{}")]).as_deref(), Some("{}"));
    assert_eq!(value::<All>("set", [Some("[1,2]"), Some("[2,1]"), None]), None);
    for (name, base, theirs) in [
        ("object", object, Some(r#"{"a":1,"b":3}"#)),
        ("object", object, Some(r#"{"a":1}"#)),
        ("object", object, None),
        ("object", None, object),
        ("set", Some("[1,2]"), Some("[1,2,3]")),
        ("list", Some("[1,2]"), Some("[2,1]")),
    ] {
        for ours in [None, Some("{}"), theirs] {
            assert_eq!(kind::<All>(name, [base, theirs, ours]), Some(ErrorKind::Rejected), "{name} {ours:?}");
        }
    }
    let (_, message) = merged::<All>("list", [None, Some("[1]"), Some("[2]")]).unwrap_err();
    assert!(message.contains("list") && !message.contains('1') && !message.contains('2'), "{message}");
}

#[test]
fn a_sum_adds_what_ours_changed_to_theirs() {
    for ([base, theirs, ours], sum) in [
        ([Some("10"), Some("13"), Some("12")], Some("15")),
        ([Some("10"), Some("7"), Some("6")], Some("3")),
        ([Some("10"), Some("-7"), Some("12")], Some("-5")),
        ([None, Some("3"), Some("4")], Some("7")),
        ([Some("10"), None, Some("12")], Some("2")),
        ([Some("3"), Some("5"), None], Some("2")),
        ([Some("1"), Some("3"), Some("-2")], Some("0")),
        ([Some("3"), None, None], None),
    ] {
        assert_eq!(value::<All>("signed", [base, theirs, ours]).as_deref(), sum, "{base:?} {theirs:?} {ours:?}");
    }
}

/// A number that ours cleared and theirs did not raise is cleared. An absent number counts as the field's default.
#[test]
fn a_cleared_sum_stays_cleared_unless_theirs_moved_it() {
    assert_eq!(value::<All>("unsigned", [Some("9"), Some("7"), None]), None);
    assert_eq!(value::<All>("unsigned", [Some("7"), Some("9"), None]).as_deref(), Some("2"));
    assert_eq!(value::<All>("five", [None, Some("7"), Some("6")]).as_deref(), Some("8"));
    assert_eq!(value::<All>("five", [Some("9"), Some("10"), None]).as_deref(), Some("6"));
    assert_eq!(value::<All>("five", [Some("9"), None, Some("10")]).as_deref(), Some("6"));
    assert_eq!(value::<All>("five", [Some("7"), Some("8"), Some("4")]).as_deref(), Some("5"), "set by name");
}

#[test]
fn an_entry_that_is_absent_counts_as_zero() {
    for ([base, theirs, ours], sum) in [
        ([Some("10"), Some("13"), Some("12")], Some("15")),
        ([None, Some("3"), Some("4")], Some("7")),
        ([Some("10"), None, Some("12")], Some("2")),
        ([Some("2"), Some("5"), None], Some("3")),
        ([Some("2"), Some("1"), None], Some("-1")),
        ([Some("2"), None, None], None),
        ([Some("2"), Some(" 2"), None], None),
        ([Some("1"), Some("3"), Some("-2")], Some("0")),
    ] {
        assert_eq!(value::<All>("counts", [base, theirs, ours]).as_deref(), sum, "{base:?} {theirs:?} {ours:?}");
    }
}

#[test]
fn a_merge_of_the_applications_own_gets_base_theirs_and_ours() {
    let texts = [r#""b""#, r#""t""#, r#""o""#].map(Some);
    let spelled = value::<All>("spelled", texts);
    assert_eq!(spelled.as_deref(), Some(r#""base b, theirs t, ours o""#));
    let spelled = value::<All>("spelled", [None, Some(r#""t""#), None]);
    assert_eq!(spelled.as_deref(), Some(r#""base , theirs t, ours ""#));
    assert_eq!(value::<All>("spelled", [Some(r#""b""#), None, None]), None, "cleared by both");
    assert_eq!(value::<All>("nothing", [None, Some("1"), Some("2")]), None, "`null` is an absent key");
    let stored = value::<All>("emptied", [None, Some(r#""t""#), Some(r#""o""#)]);
    assert_eq!(stored.as_deref(), Some(r#""""#), "a default that was merged is stored");
}

/// A text that does not decode is an error that names the field, or the default if the schema resets such values.
#[test]
fn an_undecodable_text_is_an_error_or_the_default() {
    for name in ["signed", "unsigned", "counts", "spelled"] {
        let good = if name == "spelled" { r#""x""# } else { "1" };
        for at in 0..3 {
            let mut texts = [Some(good), None, Some(good)];
            texts[at] = Some("[]");
            let (kind, message) = merged::<All>(name, texts).unwrap_err();
            assert_eq!(kind, ErrorKind::Undecodable, "{name} {at}");
            assert!(message.contains(name), "{message}");
        }
    }
    assert_eq!(value::<Lenient>("sum", [Some("[]"), Some("107"), Some("101")]).as_deref(), Some("108"));
    assert_eq!(value::<Lenient>("sum", [Some("1"), Some("[]"), Some("3")]).as_deref(), Some("102"));
    assert_eq!(value::<Lenient>("counts", [Some("[]"), Some("7"), Some("1")]).as_deref(), Some("8"));
    assert_eq!(value::<Lenient>("counts", [Some("1"), Some("[]"), Some("3")]).as_deref(), Some("2"));
}

/// Only a last write does not depend on the stored value. An element does if it is edited: it may have been removed.
#[test]
fn every_merge_but_a_last_write_needs_the_base() {
    for field in All::SPEC.fields() {
        let last_write = ["plain", "tags", "code"].contains(&field.key());
        let needs_base = |texts| change::<All>(field.key(), texts).needs_base();
        assert_eq!(needs_base([Some("1"), Some("2")]), !last_write, "{}", field.key());
        let is_list = field.key() == "notices";
        for texts in [[None, Some("1")], [Some("1"), None]] {
            assert_eq!(needs_base(texts), !last_write && !is_list, "{}", field.key());
        }
    }
}

/// A session that starts over keeps its `lasting` schemas, so an edit there still has its base.
#[test]
fn an_edit_of_a_lasting_value_was_rebased_on_an_empty_session() {
    let rebased =
        change::<Lasting>("theme", [Some("\"dark\""), Some("\"light\"")]).rebased_on_empty().unwrap().unwrap();
    assert_eq!((rebased.base.as_deref(), rebased.stale), (Some("\"dark\""), false));
    let rebased = change::<All>("plain", [Some("\"dark\""), Some("\"light\"")]).rebased_on_empty().unwrap().unwrap();
    assert_eq!((rebased.base.as_deref(), rebased.stale), (None, true));
}

#[test]
fn a_count_that_was_raised_and_lowered_again_was_stored_as_zero() {
    let rebased = |base, ours| change::<All>("counts", [Some(base), Some(ours)]).rebased_on_empty().unwrap();
    assert!(rebased("3", "3").is_none());
    assert_eq!(rebased("3", "5").and_then(|change| change.ours).as_deref(), Some("2"));
}

#[test]
fn an_edit_of_a_removed_element_is_dropped_and_all_else_stays() {
    for (base, theirs, ours, merged) in [
        (Some("1"), None, Some("2"), None),
        (Some("1"), Some("3"), Some("2"), Some("2")),
        (Some("1"), Some("3"), None, None),
        (None, None, Some("2"), Some("2")),
    ] {
        assert_eq!(value::<All>("notices", [base, theirs, ours]).as_deref(), merged);
    }
}

/// Only a value that was set, or cleared after it had expired, is stored again where nothing differs.
#[test]
fn a_change_without_effect_is_void_unless_it_begins_a_period() {
    let is_void = |name, texts, set, expired| Change { expired, set, ..change::<All>(name, texts) }.is_void();
    let same = [Some("1"), Some("1")];
    assert!(is_void("plain", same, true, false) && is_void("code", same, false, false));
    assert!(!is_void("code", same, true, false) && !is_void("code", [None, Some("1")], false, true));
    assert!(is_void("code", [None, None], true, false) && is_void("code", [None, None], false, true));
    assert!(!is_void("code", [None, None], true, true) && is_void("tags", [None, None], true, true));
}

/// A value that had expired is cleared only if no other request has set a new one.
#[test]
fn clearing_what_had_expired_leaves_a_new_value() {
    let mut cleared = Change { expired: true, set: true, ..change::<All>("code", [None, None]) };
    cleared.merge(Base { text: None, expired: true }).unwrap();
    assert!(!cleared.is_void() && cleared.needs_base());
    let set_anew: Base = Some(Text::from("7")).into();
    cleared.merge(set_anew).unwrap();
    assert!(cleared.is_void());
}

/// Sums of every integer type saturate at its bounds instead of wrapping around; intermediate results do not saturate.
#[test]
fn every_integer_type_sums_up_to_its_bounds() {
    macro_rules! check {
        ($($int:ident)*) => {$(
            let (least, most) = ($int::MIN, $int::MAX);
            let [zero, one, two, three] = [0, 1, 2, 3].map(|number: u8| $int::try_from(number).unwrap());
            for (theirs, ours, base, sum) in [
                (one, three, two, two),
                (two, one, three, zero),
                (most, two, one, most),
                (most - one, three, one, most),
                (most - two, two, one, most - one),
                (least, one, two, least),
                (least + one, one, three, least),
                (least + two, one, two, least + one),
                (least, most, least, most),
                (most, least, most, least),
                (most, least, least, most),
                (most, most, most, most),
                (zero, most, zero, most),
                (one, least, zero, one.saturating_add(least)),
            ] {
                let shown = concat!(stringify!($int), ": theirs + ours - base");
                assert_eq!(<$int as Summable>::sum(theirs, ours, base), sum, "{shown}: {theirs} {ours} {base}");
            }
        )*};
    }
    check! { u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize }
}
