//! Shapes that serde writes and does not read back are refused, here or by a check in the compiler.

use super::*;

#[test]
fn a_skipped_field_needs_a_default() {
    let refused = "a skipped field cannot be read again without a default";
    mistake(
        quote!(
            struct Filter {
                #[serde(skip_serializing_if = "Vec::is_empty")]
                tags: Vec<u8>,
            }
        ),
        refused,
    );
    mistake(
        quote!(
            enum E {
                A {
                    #[serde(skip_serializing_if = "Vec::is_empty")]
                    tags: Vec<u8>,
                },
            }
        ),
        refused,
    );
    let with = quote! {
        struct Filter {
            #[session(opaque = "a@1")]
            #[serde(deserialize_with = "read", skip_serializing_if = "Option::is_none")]
            tag: Option<u8>,
        }
    };
    mistake(with, refused);
    shape(quote!(
        struct Filter {
            #[serde(skip_serializing_if = "Option::is_none")]
            tag: std::option::Option<u8>,
        }
    ));
    shape(quote!(
        struct Filter {
            #[serde(skip_serializing_if = "Vec::is_empty", default = "two")]
            tags: Vec<u8>,
        }
    ));
    shape(quote!(
        #[serde(default)]
        struct Filter {
            #[serde(skip_serializing_if = "Vec::is_empty")]
            tags: Vec<u8>,
        }
    ));
    // Serde leaves nothing out of a struct or a variant with one field and no name.
    shape(quote!(
        struct Tags(#[serde(skip_serializing_if = "Vec::is_empty")] Vec<u8>);
    ));
}

#[test]
fn one_name_is_read_for_one_thing() {
    mistake(
        quote!(
            struct Line {
                #[serde(alias = "b")]
                a: u8,
                b: u8,
            }
        ),
        "\"b\" is the name of `b`",
    );
    mistake(
        quote!(
            struct Line {
                a: u8,
                #[serde(alias = "a")]
                b: u8,
            }
        ),
        "\"a\" is the name of `a`",
    );
    mistake(
        quote!(
            struct Line {
                #[serde(alias = "n")]
                a: u8,
                #[serde(alias = "n")]
                b: u8,
            }
        ),
        "\"n\" is the name of `a`",
    );
    mistake(
        quote!(
            enum Currency {
                #[serde(alias = "Usd")]
                Eur,
                Usd,
            }
        ),
        "\"Usd\" is the name of `Usd`",
    );
    mistake(
        quote!(
            #[serde(tag = "t")]
            struct Line {
                #[serde(alias = "t")]
                a: u8,
            }
        ),
        "the `tag` is called",
    );
    shape(quote!(
        struct Line {
            #[serde(alias = "a", alias = "n")]
            a: u8,
            #[serde(alias = "m")]
            b: u8,
        }
    ));
}

#[test]
fn a_struct_that_refuses_unknown_keys_refuses_its_tag() {
    mistake(
        quote!(
            #[serde(tag = "t", deny_unknown_fields)]
            struct Line {
                a: u8,
            }
        ),
        "serde writes the `tag` of a struct",
    );
    shape(quote!(
        #[serde(tag = "t", deny_unknown_fields)]
        enum Line {
            A { a: u8 },
        }
    ));
}

/// Checks in the compiler are generated where serde reads from a buffer, and nowhere else.
#[test]
fn the_compiler_is_asked_about_what_serde_buffers() {
    let asked = |input| -> Vec<String> {
        let code = derived(input);
        let calls = code.split("__private :: refuse (__private :: ").skip(1);
        calls.map(|call| call.split(" as ").next().unwrap().replace(' ', "")).collect()
    };
    let variants = quote!({ A { m: M }, B(N), C });
    assert_eq!(
        asked(quote!(#[serde(tag = "t")] enum E #variants)),
        ["unbuffered(\"tag\",&<M", "unbuffered(\"tag\",&<N", "beside_tag(\"t\",&<N"]
    );
    assert!(asked(quote!(enum E #variants)).is_empty());
    assert!(asked(quote!(#[serde(tag = "t", content = "c")] enum E #variants)).is_empty());
    assert!(
        asked(quote!(
            #[serde(tag = "t")]
            struct S {
                m: M,
            }
        ))
        .is_empty()
    );
    let open = quote!(
        enum E {
            A {
                m: M,
            },
            B(#[session(opaque = "n@1")] N),
            #[serde(untagged)]
            #[session(other)]
            C(Value),
        }
    );
    assert_eq!(asked(open), ["unbuffered(\"untagged\",&<M"]);
    let option = quote!(
        struct S {
            a: Vec<Option<M>>,
            b: Vec<M>,
            #[session(opaque = "n@1")]
            c: Option<N>,
        }
    );
    assert_eq!(asked(option), ["some_is_none(&<Vec<Option<M>>"]);
    let generic = derived(quote!(
        #[serde(tag = "t")]
        enum E<T> {
            A { t: T },
        }
    ));
    assert!(!generic.contains("const _"), "{generic}");
}
