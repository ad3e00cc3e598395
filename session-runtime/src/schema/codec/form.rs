//! Values in serde's data model, which distinguishes values that JSON writes as the same text.
//!
//! JSON writes `None`, `()`, `Some(())`, NaN and a `null` of `serde_json::Value` as the same text, so the text alone
//! cannot show that another value is read. Lists are compared without their order, since a set is written as a list.

use serde::ser::{
    self, Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

/// Value in serde's data model.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    None,
    Unit,
    Some(Box<Self>),
    /// Number, boolean, character or string.
    Plain(String),
    List(Vec<Self>),
    Map(Vec<(Self, Self)>),
}

/// Returns the form of a value; `None` if serde refuses to write it.
pub(super) fn form<T: Serialize + ?Sized>(value: &T) -> Option<Form> {
    value.serialize(Writer).ok()
}

type Written = Result<Form, serde_json::Error>;

struct Writer;

/// Parts of a list, a map or a struct; `variant` is the enum variant that contains them.
struct Parts {
    variant: Option<&'static str>,
    list: Vec<Form>,
    map: Vec<(Form, Form)>,
    key: Option<Form>,
}

impl Parts {
    fn new(variant: Option<&'static str>) -> Self {
        Self { variant, list: Vec::new(), map: Vec::new(), key: None }
    }

    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), serde_json::Error> {
        self.list.push(value.serialize(Writer)?);
        Ok(())
    }

    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), serde_json::Error> {
        self.map.push((plain(key), value.serialize(Writer)?));
        Ok(())
    }

    fn into_list(mut self) -> Form {
        self.list.sort();
        of_variant(self.variant, Form::List(self.list))
    }

    fn into_map(mut self) -> Form {
        self.map.sort();
        of_variant(self.variant, Form::Map(self.map))
    }
}

fn plain(text: &(impl ToString + ?Sized)) -> Form {
    Form::Plain(text.to_string())
}

/// Returns the form of a float. The two zeros differ, since each is written and read as itself; all NaNs are equal.
fn float(number: f64) -> Form {
    Form::Plain(if number.is_nan() { "NaN".to_owned() } else { format!("{:x}", number.to_bits()) })
}

fn of_variant(variant: Option<&'static str>, content: Form) -> Form {
    match variant {
        Some(variant) => Form::Map(vec![(plain(variant), content)]),
        None => content,
    }
}

macro_rules! plains {
    ($($method:ident: $ty:ty)*) => {$(
        fn $method(self, value: $ty) -> Written {
            Ok(plain(&value))
        }
    )*};
}

macro_rules! variants {
    ($($method:ident)*) => {$(
        fn $method(
            self,
            _: &'static str,
            _: u32,
            variant: &'static str,
            _: usize,
        ) -> Result<Parts, serde_json::Error> {
            Ok(Parts::new(Some(variant)))
        }
    )*};
}

impl ser::Serializer for Writer {
    type Ok = Form;
    type Error = serde_json::Error;
    type SerializeSeq = Parts;
    type SerializeTuple = Parts;
    type SerializeTupleStruct = Parts;
    type SerializeTupleVariant = Parts;
    type SerializeMap = Parts;
    type SerializeStruct = Parts;
    type SerializeStructVariant = Parts;

    plains! {
        serialize_bool: bool serialize_char: char serialize_str: &str
        serialize_i8: i8 serialize_i16: i16 serialize_i32: i32 serialize_i64: i64 serialize_i128: i128
        serialize_u8: u8 serialize_u16: u16 serialize_u32: u32 serialize_u64: u64 serialize_u128: u128
    }

    variants! { serialize_tuple_variant serialize_struct_variant }

    fn serialize_f32(self, value: f32) -> Written {
        Ok(float(value.into()))
    }

    fn serialize_f64(self, value: f64) -> Written {
        Ok(float(value))
    }

    fn serialize_bytes(self, value: &[u8]) -> Written {
        Ok(Form::List(value.iter().map(plain).collect()))
    }

    fn serialize_none(self) -> Written {
        Ok(Form::None)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Written {
        Ok(Form::Some(Box::new(value.serialize(Self)?)))
    }

    fn serialize_unit(self) -> Written {
        Ok(Form::Unit)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Written {
        Ok(Form::Unit)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Written {
        Ok(plain(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Written {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Written {
        Ok(of_variant(Some(variant), value.serialize(self)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts, serde_json::Error> {
        Ok(Parts::new(None))
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts, serde_json::Error> {
        Ok(Parts::new(None))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts, serde_json::Error> {
        Ok(Parts::new(None))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts, serde_json::Error> {
        Ok(Parts::new(None))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts, serde_json::Error> {
        Ok(Parts::new(None))
    }
}

macro_rules! lists {
    ($($of:ident: $method:ident)*) => {$(
        impl $of for Parts {
            type Ok = Form;
            type Error = serde_json::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), serde_json::Error> {
                self.push(value)
            }

            fn end(self) -> Written {
                Ok(self.into_list())
            }
        }
    )*};
}

lists! {
    SerializeSeq: serialize_element
    SerializeTuple: serialize_element
    SerializeTupleStruct: serialize_field
    SerializeTupleVariant: serialize_field
}

macro_rules! structs {
    ($($of:ident)*) => {$(
        impl $of for Parts {
            type Ok = Form;
            type Error = serde_json::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), serde_json::Error> {
                self.field(key, value)
            }

            fn end(self) -> Written {
                Ok(self.into_map())
            }
        }
    )*};
}

structs! { SerializeStruct SerializeStructVariant }

impl SerializeMap for Parts {
    type Ok = Form;
    type Error = serde_json::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), serde_json::Error> {
        self.key = Some(key.serialize(Writer)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), serde_json::Error> {
        let key = self.key.take().ok_or_else(|| serde_json::Error::custom("a value without a key"))?;
        self.map.push((key, value.serialize(Writer)?));
        Ok(())
    }

    fn end(self) -> Written {
        Ok(self.into_map())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use serde_json::Value;

    use super::*;

    #[test]
    fn values_that_json_writes_as_null_are_distinguished() {
        let none = form(&None::<Option<()>>);
        assert!(none != form(&Some(())) && none != form(&()) && none != form(&Value::Null) && none != form(&f64::NAN));
        assert!(form(&Some(Some(()))) != form(&Some(None::<()>)));
        assert_eq!(form(&f64::NAN), form(&-f64::NAN));
        assert_ne!(form(&f64::INFINITY), form(&f64::NEG_INFINITY));
    }

    /// Maps differ if one value differs, even where JSON writes both values as `null`.
    #[test]
    fn maps_that_differ_in_one_value_are_distinguished() {
        let map = |value: Option<()>| form(&HashMap::from([("a", None), ("b", value)]));
        assert!(map(None).is_some() && map(None) != map(Some(())));
    }

    #[test]
    fn order_means_nothing() {
        let numbers: Vec<u32> = (0..100).collect();
        let [one, other] = [0; 2].map(|_| numbers.iter().copied().collect::<HashSet<_>>());
        assert_eq!(form(&one), form(&other));
        let [one, other] = [0; 2].map(|_| numbers.iter().map(|n| (n, n)).collect::<HashMap<_, _>>());
        assert_eq!(form(&one), form(&other));
        assert_ne!(form(&[1, 1, 2]), form(&[1, 2, 2]));
    }
}
