//! Types whose values are read back before they are stored, and keys that may be missing.

use super::*;

/// Returns the expression of type `Reads`, without the paths.
fn reads(input: TokenStream) -> String {
    let code = derived(input);
    let reads = code.split_once("value :: Reads {").map_or("", |(_, reads)| reads.split_once('}').unwrap().0);
    reads.replace(":: session_runtime :: value :: Reads :: ", "").split_whitespace().collect()
}

/// Values are read back before they are stored where serde uses a buffer, or leaves out a value other than the default.
#[test]
fn values_that_might_not_be_read_again_are_checked() {
    let known = reads(quote!(
        struct Line {
            sku: String,
            #[serde(skip)]
            seen: Cell,
            qty: u32,
        }
    ));
    assert_eq!(
        known,
        "Always.and(<Stringas::session_runtime::SessionValue>::__reads()).and(<u32as::session_runtime::SessionValue>::__reads())"
    );
    let some = quote!(
        struct Line {
            #[serde(skip_serializing_if = "Option::is_none")]
            a: Option<u8>,
        }
    );
    assert!(reads(some).starts_with("Always"));
    assert_eq!(
        reads(quote!(
            enum Plain {
                A,
                #[serde(other)]
                B,
            }
        )),
        "Always"
    );
    assert!(
        reads(quote!(
            #[serde(tag = "t", content = "c")]
            enum E {
                A(u8),
            }
        ))
        .starts_with("Always")
    );
    for doubtful in [
        quote!(
            #[serde(tag = "kind")]
            enum E {
                A { n: u8 },
            }
        ),
        quote!(
            #[serde(tag = "kind")]
            struct S {
                n: u8,
            }
        ),
        quote!(
            struct S {
                #[serde(skip_serializing_if = "is_small", default)]
                n: u8,
            }
        ),
        quote!(
            struct S {
                #[session(opaque = "cents@1")]
                price: f64,
            }
        ),
        quote!(
            enum E {
                A,
                #[serde(untagged)]
                #[session(other)]
                Other(Value),
            }
        ),
    ] {
        assert_eq!(reads(doubtful), "Perhaps");
    }
    assert_eq!(
        reads(quote!(
            #[session(opaque = "e@1")]
            enum E {
                A,
            }
        )),
        ""
    );
}

#[test]
fn a_key_that_may_be_left_out_is_marked() {
    let line = quote! {
        struct Line {
            #[serde(skip_serializing_if = "Vec::is_empty", default)]
            tags: Vec<u8>,
        }
    };
    assert_eq!(shape(line), r#"Struct(Struct{keys:&[Key{name:"tags",ty:Skippable(&<Vec<u8>>)}],closed:false})"#);
}
