//! Comparison of stored texts by value. The order of an object's keys is ignored, and so is that of a set.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::schema::layout::Shape;
use crate::schema::value::{Enum, Tag, Ty};
use crate::schema::{FieldSpec, Kind};

/// Type information about a text: its shape, or, if that is unknown, whether the type is spelled `HashSet`.
#[derive(Clone, Copy)]
pub(crate) struct KnownText {
    ty: Option<&'static Ty>,
    is_set: bool,
}

impl KnownText {
    /// Returns the information for the text under a key of this field: the whole field, one entry or one element.
    pub(crate) fn of(field: &FieldSpec) -> Self {
        let shape = field.shape;
        let ty = match field.kind {
            Kind::Whole | Kind::Transient => shape.map(Shape::ty),
            Kind::Entries => shape.and_then(Shape::of_entry),
            Kind::Elements => shape.and_then(Shape::of_element),
        };
        Self { ty, is_set: field.unordered }
    }

    fn of_part(ty: Option<&'static Ty>) -> Self {
        Self { ty, is_set: false }
    }

    /// Removes any `Nullable` and `Skippable` around the shape.
    fn inner(self) -> Self {
        match self.ty {
            Some(Ty::Nullable(inner) | Ty::Skippable(inner)) => Self { ty: Some(inner), ..self }.inner(),
            _ => self,
        }
    }

    fn is_set(self) -> bool {
        self.is_set || matches!(self.ty, Some(Ty::Set(_)))
    }

    /// Returns the information for the element at this position of a list.
    fn element(self, at: usize) -> Self {
        Self::of_part(match self.ty {
            Some(Ty::Seq(inner) | Ty::Set(inner) | Ty::Array(inner, _)) => Some(inner),
            Some(Ty::Tuple(parts)) => parts.get(at),
            _ => None,
        })
    }

    /// Returns the information for the value under this key of an object. The object's members identify the variant of
    /// an enum.
    fn member(self, key: &str, members: &Members<'_>) -> Self {
        Self::of_part(match self.ty {
            Some(Ty::Map(_, value)) => Some(value),
            Some(Ty::Struct(object)) => object.keys.iter().find(|known| known.name == key).map(|known| &known.ty),
            Some(Ty::Enum(one)) => return member_of_variant(one, key, members),
            _ => None,
        })
    }
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

fn member_of_variant(one: &'static Enum, key: &str, members: &Members<'_>) -> KnownText {
    let content = |name: &str| one.variants.iter().find(|known| known.name == name)?.content.as_ref();
    let told = |tag: &str| content(&serde_json::from_str::<String>(members.get(tag)?.get()).ok()?);
    match one.tag {
        Tag::External => KnownText::of_part(content(key)),
        Tag::Internal(tag) => KnownText::of_part(told(tag)).inner().member(key, members),
        Tag::Adjacent(tag, held) if held == key => KnownText::of_part(told(tag)),
        Tag::Adjacent(..) => KnownText::of_part(None),
    }
}

/// Returns whether two texts are the same value, or both absent.
pub(crate) fn same_text(a: Option<&str>, b: Option<&str>, known: KnownText) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b || same_value(a, b, known),
        (a, b) => a == b,
    }
}

fn same_value(a: &str, b: &str, known: KnownText) -> bool {
    let (a, b, known) = (a.trim_ascii(), b.trim_ascii(), known.inner());
    match (a.as_bytes().first(), b.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) => {
            let Some((a, b)) = both::<Members<'_>>(a, b) else { return false };
            let same = |(one, other): ((&String, &&RawValue), (&String, &&RawValue))| {
                one.0 == other.0 && same_value(one.1.get(), other.1.get(), known.member(one.0, &a))
            };
            a.len() == b.len() && a.iter().zip(&b).all(same)
        }
        (Some(b'['), Some(b'[')) => {
            let Some((a, b)) = both::<Vec<&RawValue>>(a, b) else { return false };
            a.len() == b.len() && if known.is_set() { same_set(&a, &b, known) } else { same_list(&a, &b, known) }
        }
        _ => a == b,
    }
}

fn same_list(a: &[&RawValue], b: &[&RawValue], known: KnownText) -> bool {
    a.iter().zip(b).enumerate().all(|(at, (a, b))| same_value(a.get(), b.get(), known.element(at)))
}

/// Compares two sets by their sorted elements.
fn same_set(a: &[&RawValue], b: &[&RawValue], known: KnownText) -> bool {
    let in_order = |elements: &[&RawValue]| {
        let mut texts: Vec<_> = elements.iter().map(|element| canonical(element.get(), known.element(0))).collect();
        texts.sort();
        texts
    };
    in_order(a) == in_order(b)
}

/// Returns the same text for all texts of one value.
fn canonical(text: &str, known: KnownText) -> String {
    let (text, known) = (text.trim_ascii(), known.inner());
    if let Ok(members) = serde_json::from_str::<Members<'_>>(text) {
        let member = |(key, value): (&String, &&RawValue)| {
            format!("{key:?}:{}", canonical(value.get(), known.member(key, &members)))
        };
        return format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","));
    }
    let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(text) else { return text.to_owned() };
    let element = |(at, element): (usize, &&RawValue)| canonical(element.get(), known.element(at));
    let mut texts: Vec<_> = elements.iter().enumerate().map(element).collect();
    if known.is_set() {
        texts.sort();
    }
    format!("[{}]", texts.join(","))
}

fn both<'a, T: Deserialize<'a>>(a: &'a str, b: &'a str) -> Option<(T, T)> {
    Some((serde_json::from_str(a).ok()?, serde_json::from_str(b).ok()?))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

    use super::*;
    use crate::SessionValue;
    use crate::schema::value::{Key, Struct, Variant};

    fn same<T: SessionValue>(a: &str, b: &str) -> bool {
        same_value(a, b, KnownText::of_part(Some(const { &T::TY })))
    }

    struct Tagged;

    impl SessionValue for Tagged {
        const TY: Ty = Ty::Enum(Enum {
            tag: Tag::Internal("kind"),
            variants: &[
                Variant { name: "set", content: Some(Ty::Struct(Struct { keys: SET, closed: false })) },
                Variant { name: "list", content: Some(Ty::Struct(Struct { keys: LIST, closed: false })) },
            ],
            open: false,
        });
    }

    const SET: &[Key] = &[Key { name: "of", ty: <HashSet<u8>>::TY }];
    const LIST: &[Key] = &[Key { name: "of", ty: <Vec<u8>>::TY }];

    struct Adjacent;

    impl SessionValue for Adjacent {
        const TY: Ty = Ty::Enum(Enum {
            tag: Tag::Adjacent("t", "c"),
            variants: &[Variant { name: "set", content: Some(<HashSet<u8>>::TY) }],
            open: false,
        });
    }

    #[test]
    fn the_order_of_a_set_means_nothing_wherever_it_is() {
        assert!(same::<HashSet<u8>>("[1,2,3]", "[3,1,2]"));
        assert!(same::<Option<BTreeSet<u8>>>("[1,2]", "[2,1]"));
        assert!(
            same::<Vec<HashSet<u8>>>("[[1,2],[3]]", "[[2,1],[3]]")
                && !same::<Vec<HashSet<u8>>>("[[1],[2]]", "[[2],[1]]")
        );
        assert!(same::<HashMap<String, HashSet<u8>>>(r#"{"a":[1,2],"b":[]}"#, r#"{"b":[],"a":[2,1]}"#));
        assert!(same::<(Vec<u8>, HashSet<u8>)>("[[1,2],[1,2]]", "[[1,2],[2,1]]"));
        assert!(!same::<(Vec<u8>, HashSet<u8>)>("[[1,2],[1,2]]", "[[2,1],[1,2]]"));
        assert!(same::<HashSet<BTreeSet<u8>>>("[[1,2],[3]]", "[[3],[2,1]]"));
        assert!(same::<HashSet<BTreeMap<String, u8>>>(r#"[{"a":1,"b":2},{}]"#, r#"[{},{"b":2,"a":1}]"#));
        assert!(same::<Result<HashSet<u8>, Vec<u8>>>(r#"{"Ok":[1,2]}"#, r#"{"Ok":[2,1]}"#));
        assert!(!same::<Result<HashSet<u8>, Vec<u8>>>(r#"{"Err":[1,2]}"#, r#"{"Err":[2,1]}"#));
        assert!(same::<Tagged>(r#"{"kind":"set","of":[1,2]}"#, r#"{"of":[2,1],"kind":"set"}"#));
        assert!(!same::<Tagged>(r#"{"kind":"list","of":[1,2]}"#, r#"{"kind":"list","of":[2,1]}"#));
        assert!(same::<Adjacent>(r#"{"t":"set","c":[1,2]}"#, r#"{"t":"set","c":[2,1]}"#));
    }

    /// Only the content of a variant is a set, and no other list beside its tag.
    #[test]
    fn a_list_beside_the_content_of_a_variant_keeps_its_order() {
        let [one, other] = [r#"{"t":"set","c":[],"x":[1,2]}"#, r#"{"t":"set","c":[],"x":[2,1]}"#];
        assert!(same::<Adjacent>(one, one) && !same::<Adjacent>(one, other));
    }

    #[test]
    fn different_sets_are_distinguished() {
        assert!(!same::<HashSet<u8>>("[1,2]", "[1,3]") && !same::<HashSet<u8>>("[1,1,2]", "[1,2,2]"));
        assert!(!same::<HashSet<BTreeSet<u8>>>("[[1,2],[3]]", "[[1],[2,3]]"));
        assert!(!same::<HashSet<String>>(r#"["a,b"]"#, r#"["a","b"]"#));
    }
}
