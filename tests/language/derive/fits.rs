//! The JSON that serde writes, compared with the recorded shape.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use session_runtime::SessionValue;
use session_runtime::value::{Enum, Key, Struct, Tag, Ty, Variant};

/// The value is written in the recorded shape and in no shape next to it, and what was written is read again.
pub(crate) fn check<T: Serialize + DeserializeOwned + SessionValue>(value: &T) {
    let written = serde_json::to_value(value).unwrap();
    assert!(fits(&T::TY, &written), "{written} is not {:?}", T::TY);
    for wrong in wrong(&T::TY, &written) {
        assert!(!fits(&wrong, &written), "{written} is {wrong:?} as well as {:?}", T::TY);
    }
    // From text, as a store has it: from a `Value`, serde_json refuses an empty tuple variant that it wrote itself.
    let read: T = serde_json::from_str(&written.to_string()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), written);
    if let (Ty::Struct(of), Value::Object(mut keys)) = (T::TY, written) {
        keys.insert("?".to_owned(), Value::Null);
        assert_eq!(serde_json::from_value::<T>(keys.into()).is_err(), of.closed, "{:?}", T::TY);
    }
}

/// True if the value may have been written for a type of this shape, with every key.
pub(crate) fn fits(ty: &Ty, value: &Value) -> bool {
    match (ty, value) {
        (Ty::Prim(name), value) => prim(name, value),
        (Ty::Nullable(inner), value) => value.is_null() || fits(inner, value),
        (Ty::Skippable(inner), value) => fits(inner, value),
        (Ty::Seq(item) | Ty::Set(item), Value::Array(items)) => items.iter().all(|value| fits(item, value)),
        (Ty::Array(item, len), Value::Array(items)) => {
            items.len() == *len && items.iter().all(|value| fits(item, value))
        }
        (Ty::Map(key, item), Value::Object(entries)) => entries.iter().all(|(k, v)| is_key(key, k) && fits(item, v)),
        (Ty::Tuple(parts), Value::Array(items)) => {
            parts.len() == items.len() && parts.iter().zip(items).all(|(ty, value)| fits(ty, value))
        }
        (Ty::Struct(of), Value::Object(entries)) => {
            let has = |key: &Key| entries.get(key.name).is_some_and(|value| fits(&key.ty, value));
            of.keys.len() == entries.len() && of.keys.iter().all(has)
        }
        (Ty::Enum(of), value) => match variant_of(of, value) {
            Some((name, content)) => match of.variants.iter().find(|variant| variant.name == name) {
                Some(variant) => holds(of, variant, content.as_ref()),
                None => of.open,
            },
            None => of.open,
        },
        (Ty::Opaque(_), _) => true,
        _ => false,
    }
}

fn prim(name: &str, value: &Value) -> bool {
    if let Some(integer) = name.strip_prefix("nonzero-") {
        return prim(integer, value) && *value != 0;
    }
    let text = |fits: fn(&str) -> bool| value.as_str().is_some_and(fits);
    let whole = |min: i128, max: i128| {
        let number = value.as_i64().map(i128::from).or(value.as_u64().map(i128::from));
        number.is_some_and(|number| (min..=max).contains(&number))
    };
    match name {
        "bool" => value.is_boolean(),
        "unit" => value.is_null(),
        "char" => text(|text| text.chars().count() == 1),
        "str" => value.is_string(),
        "number" => value.is_number(),
        "f32" | "f64" => value.is_f64() || value.is_null(),
        "u8" => whole(0, u8::MAX.into()),
        "u16" => whole(0, u16::MAX.into()),
        "u32" => whole(0, u32::MAX.into()),
        "u64" | "usize" | "u128" => whole(0, u64::MAX.into()),
        "i8" => whole(i8::MIN.into(), i8::MAX.into()),
        "i16" => whole(i16::MIN.into(), i16::MAX.into()),
        "i32" => whole(i32::MIN.into(), i32::MAX.into()),
        "i64" | "isize" | "i128" => whole(i64::MIN.into(), i64::MAX.into()),
        "ip" => text(|text| text.parse::<std::net::IpAddr>().is_ok()),
        "ipv4" => text(|text| text.parse::<std::net::Ipv4Addr>().is_ok()),
        "ipv6" => text(|text| text.parse::<std::net::Ipv6Addr>().is_ok()),
        "socket" => text(|text| text.parse::<std::net::SocketAddr>().is_ok()),
        "socket-v4" => text(|text| text.parse::<std::net::SocketAddrV4>().is_ok()),
        "socket-v6" => text(|text| text.parse::<std::net::SocketAddrV6>().is_ok()),
        _ => false,
    }
}

/// JSON has only texts for keys: numbers and truths are spelled.
fn is_key(ty: &Ty, key: &str) -> bool {
    let spelled = serde_json::from_str::<Value>(key).unwrap_or_default();
    fits(ty, &json!(key)) || (!spelled.is_string() && !spelled.is_null() && fits(ty, &spelled))
}

/// The variant's name and what it holds.
fn variant_of(of: &Enum, value: &Value) -> Option<(String, Option<Value>)> {
    match (of.tag, value) {
        (Tag::External, Value::String(name)) => Some((name.clone(), None)),
        (Tag::External, Value::Object(entries)) if entries.len() == 1 => {
            entries.iter().next().map(|(name, content)| (name.clone(), Some(content.clone())))
        }
        (Tag::Internal(tag), Value::Object(entries)) => {
            let mut rest = entries.clone();
            let name = rest.remove(tag)?.as_str()?.to_owned();
            Some((name, Some(rest.into())))
        }
        (Tag::Adjacent(tag, key), Value::Object(entries)) => {
            let mut rest = entries.clone();
            let name = rest.remove(tag)?.as_str()?.to_owned();
            let content = rest.remove(key);
            rest.is_empty().then_some((name, content))
        }
        _ => None,
    }
}

fn holds(of: &Enum, variant: &Variant, content: Option<&Value>) -> bool {
    let nothing = |value: &Value| value.as_object().is_some_and(Map::is_empty);
    match (of.tag, variant.content, content) {
        (Tag::Internal(_), None | Some(Ty::Prim("unit")), Some(content)) => nothing(content),
        (_, Some(ty), Some(content)) => fits(&ty, content),
        (_, None, None) => true,
        _ => false,
    }
}

/// All shapes that differ in one place, as far as the place is seen in the value.
fn wrong(ty: &Ty, value: &Value) -> Vec<Ty> {
    match (ty, value) {
        (Ty::Prim(_), _) => vec![Ty::Prim("nothing"), Ty::Seq(leak(*ty)), Ty::Tuple(leak([*ty]))],
        (Ty::Nullable(inner), value) if !value.is_null() => around(wrong(inner, value), Ty::Nullable),
        (Ty::Skippable(inner), value) => around(wrong(inner, value), Ty::Skippable),
        (Ty::Set(item), Value::Array(items)) if !items.is_empty() => around(wrong(item, &items[0]), Ty::Set),
        (Ty::Seq(item), Value::Array(items)) if !items.is_empty() => {
            let mut out = around(wrong(item, &items[0]), Ty::Seq);
            out.extend([Ty::Map(item, item), Ty::Array(item, items.len() + 1), *leak(**item)]);
            out
        }
        (Ty::Array(item, len), Value::Array(items)) if !items.is_empty() => {
            let mut out: Vec<_> = wrong(item, &items[0]).into_iter().map(|ty| Ty::Array(leak(ty), *len)).collect();
            out.extend([Ty::Array(item, len + 1), Ty::Map(item, item)]);
            out
        }
        (Ty::Map(key, item), Value::Object(entries)) if !entries.is_empty() => {
            let mut out = vec![Ty::Seq(item), Ty::Map(&Ty::Prim("nothing"), item)];
            for value in entries.values().take(1) {
                out.extend(wrong(item, value).into_iter().map(|ty| Ty::Map(key, leak(ty))));
            }
            out
        }
        (Ty::Tuple(parts), Value::Array(items)) => wrong_tuple(parts, items),
        (Ty::Struct(of), Value::Object(entries)) => wrong_struct(of, entries),
        (Ty::Enum(of), value) if !of.open => wrong_enum(of, value),
        _ => Vec::new(),
    }
}

fn wrong_tuple(parts: &'static [Ty], items: &[Value]) -> Vec<Ty> {
    let more = [parts, &[Ty::Opaque("more")]].concat();
    let mut out = vec![Ty::Tuple(leak(more))];
    for (at, part) in parts.iter().enumerate() {
        out.extend(wrong(part, &items[at]).into_iter().map(|ty| Ty::Tuple(replaced(parts, at, ty))));
    }
    out
}

fn wrong_struct(of: &Struct, entries: &Map<String, Value>) -> Vec<Ty> {
    let with = |keys| Ty::Struct(Struct { keys, closed: of.closed });
    let more = [of.keys, &[Key { name: "?", ty: Ty::Opaque("more") }]].concat();
    let mut out = vec![with(leak(more))];
    for (at, key) in of.keys.iter().enumerate() {
        let mut fewer = of.keys.to_vec();
        fewer.remove(at);
        out.push(with(leak(fewer)));
        out.push(with(replaced(of.keys, at, Key { name: "?", ..*key })));
        let inner = wrong(&key.ty, &entries[key.name]).into_iter();
        out.extend(inner.map(|ty| with(replaced(of.keys, at, Key { ty, ..*key }))));
    }
    out
}

fn wrong_enum(of: &Enum, value: &Value) -> Vec<Ty> {
    let (name, content) = variant_of(of, value).unwrap();
    let at = of.variants.iter().position(|variant| variant.name == name).unwrap();
    let variant = of.variants[at];
    let with = |variant| Ty::Enum(Enum { variants: replaced(of.variants, at, variant), ..*of });
    let mut out = vec![with(Variant { name: "?", ..variant }), Ty::Enum(Enum { tag: Tag::Internal("?"), ..*of })];
    out.push(Ty::Enum(Enum { tag: Tag::Adjacent("?", "!"), ..*of }));
    if !matches!(of.tag, Tag::External) {
        out.push(Ty::Enum(Enum { tag: Tag::External, ..*of }));
    }
    if let (Some(ty), Some(content)) = (variant.content, content) {
        let unit = matches!((of.tag, ty), (Tag::Internal(_), Ty::Prim("unit")));
        let inner = if unit { Vec::new() } else { wrong(&ty, &content) };
        out.extend(inner.into_iter().map(|ty| with(Variant { content: Some(ty), ..variant })));
    }
    out
}

fn around(inner: Vec<Ty>, outer: fn(&'static Ty) -> Ty) -> Vec<Ty> {
    inner.into_iter().map(|ty| outer(leak(ty))).collect()
}

fn replaced<T: Copy>(list: &[T], at: usize, by: T) -> &'static [T] {
    let mut list = list.to_vec();
    list[at] = by;
    list.leak()
}

/// Shapes live as long as the program.
fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}
