#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "tests")]

use proc_macro2::TokenTree;
use syn::LitStr;

use super::*;

mod readable;
mod reads;

/// Returns the constant, without the paths in front of its names.
fn shape(input: TokenStream) -> String {
    let code = derived(input);
    assert!(!code.contains("compile_error"), "{code}");
    let ty = code.split_once("value :: Ty = ").unwrap().1.split_once(';').unwrap().0;
    let short = [":: session_runtime :: value :: ", ":: core :: option :: Option :: ", "Ty :: ", "Tag :: "];
    let ty = short.iter().fold(ty.to_owned(), |ty, path| ty.replace(path, ""));
    ty.replace("as :: session_runtime :: SessionValue > :: TY", ">").split_whitespace().collect()
}

fn derived(input: TokenStream) -> String {
    derive(&syn::parse2(input).unwrap()).to_string()
}

/// Returns the mistakes; an impl must come with them.
fn mistakes(input: TokenStream) -> Vec<String> {
    let input = syn::parse2(input).unwrap();
    let code = derive(&input);
    assert!(code.to_string().contains("Opaque (\"\")"), "{code}");
    let mut found = Vec::new();
    let mut behind_bang = false;
    for tree in code {
        if let (TokenTree::Group(group), true) = (&tree, behind_bang) {
            found.push(syn::parse2::<LitStr>(group.stream()).unwrap().value());
        }
        behind_bang = matches!(&tree, TokenTree::Punct(punct) if punct.as_char() == '!');
    }
    found
}

/// Requires exactly one mistake, which starts with this text.
fn mistake(input: TokenStream, start: &str) {
    let found = mistakes(input);
    assert!(found.len() == 1 && found[0].starts_with(start), "{found:?}");
}

#[test]
fn structs_are_recorded_as_serde_writes_them() {
    let named = shape(quote!(
        struct Line {
            sku: String,
            r#type: u32,
        }
    ));
    assert_eq!(named, r#"Struct(Struct{keys:&[Key{name:"sku",ty:<String>},Key{name:"type",ty:<u32>}],closed:false})"#);
    assert_eq!(
        shape(quote!(
            struct Sku(String);
        )),
        "<String>"
    );
    assert_eq!(
        shape(quote!(
            struct Pair(u8, String);
        )),
        "Tuple(&[<u8>,<String>])"
    );
    assert_eq!(
        shape(quote!(
            struct None();
        )),
        "Tuple(&[])"
    );
    assert_eq!(
        shape(quote!(
            struct Unit;
        )),
        r#"Prim("unit")"#
    );
    assert_eq!(
        shape(quote!(
            struct None {}
        )),
        "Struct(Struct{keys:&[],closed:false})"
    );
}

#[test]
fn a_transparent_struct_is_its_one_stored_field() {
    let input = quote! {
        #[serde(transparent)]
        struct Id<T> { #[serde(skip)] seen: u8, value: u64, of: PhantomData<T> }
    };
    assert_eq!(shape(input), "<u64>");
    mistake(
        quote!(
            #[serde(transparent)]
            struct Two {
                a: u8,
                b: u8,
            }
        ),
        "a `transparent` struct has exactly one",
    );
}

#[test]
fn names_are_those_that_are_stored() {
    let keys = |input| -> Vec<String> {
        let shape = shape(input);
        shape.split("name:\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let fields = quote! {
        #[serde(rename_all = "camelCase", rename = "other")]
        struct Line { unit_price: u8, #[serde(rename = "n")] count_of: u8 }
    };
    assert_eq!(keys(fields), ["unitPrice", "n"]);
    let both = quote! {
        #[serde(rename_all(serialize = "kebab-case", deserialize = "kebab-case"))]
        struct Line { unit_price: u8, #[serde(rename(serialize = "n", deserialize = "n"))] count: u8 }
    };
    assert_eq!(keys(both), ["unit-price", "n"]);
    let variants = quote! {
        #[serde(rename_all = "snake_case", rename_all_fields = "UPPERCASE")]
        enum Event {
            SeenFirst { at_time: u8 },
            #[serde(rename_all = "kebab-case")]
            SeenLast { at_time: u8 },
            #[serde(rename = "Gone")]
            Left,
        }
    };
    assert_eq!(keys(variants), ["seen_first", "AT_TIME", "seen_last", "at-time", "Gone"]);
}

#[test]
fn skipped_fields_are_not_recorded() {
    let line = quote!(
        struct Line {
            #[serde(skip, default)]
            a: A,
            #[serde(skip_serializing, skip_deserializing)]
            b: B,
        }
    );
    assert_eq!(shape(line), "Struct(Struct{keys:&[],closed:false})");
    assert_eq!(
        shape(quote!(
            struct Pair(#[serde(skip)] A, u8);
        )),
        "Tuple(&[<u8>])"
    );
    let variants = shape(quote!(
        enum E {
            #[serde(skip)]
            A(A),
            B(#[serde(skip)] A),
        }
    ));
    assert_eq!(variants, r#"Enum(Enum{tag:External,variants:&[Variant{name:"B",content:None}],open:false})"#);
    mistake(
        quote!(
            struct Sku(#[serde(skip)] u8);
        ),
        "the only field of a struct is written despite `skip`",
    );
}

#[test]
fn attributes_that_keep_the_shape_are_allowed() {
    let line = quote! {
        #[serde(bound = "T: Clone", crate = "serde", expecting = "a line", default)]
        #[derive(Clone)]
        struct Line {
            #[serde(default = "one", alias = "n", alias = "amount")]
            count: Option<u8>,
        }
    };
    let plain = shape(quote!(
        struct Line {
            count: Option<u8>,
        }
    ));
    assert_eq!(shape(line), plain);
}

#[test]
fn unknown_keys_may_be_denied() {
    let closed = shape(quote!(
        #[serde(deny_unknown_fields)]
        struct Line {
            a: u8,
        }
    ));
    assert!(closed.ends_with("closed:true})"), "{closed}");
    let closed = shape(quote!(
        #[serde(deny_unknown_fields)]
        enum E {
            A { a: u8 },
        }
    ));
    assert!(closed.contains("closed:true"), "{closed}");
}

#[test]
fn every_representation_of_an_enum_is_recorded() {
    let variants = quote!(A, B(u8), C(u8, u8), D { a: u8 });
    let rows = concat!(
        r#"variants:&[Variant{name:"A",content:None},Variant{name:"B",content:Some(<u8>)},"#,
        r#"Variant{name:"C",content:Some(Tuple(&[<u8>,<u8>]))},"#,
        r#"Variant{name:"D",content:Some(Struct(Struct{keys:&[Key{name:"a",ty:<u8>}],closed:false}))}],open:false})"#
    );
    assert_eq!(shape(quote!(enum E { #variants })), format!("Enum(Enum{{tag:External,{rows}"));
    let internal = shape(quote!(#[serde(tag = "t")] enum E { #variants }));
    assert_eq!(internal, format!(r#"Enum(Enum{{tag:Internal("t"),{rows}"#));
    let adjacent = shape(quote!(#[serde(tag = "t", content = "c")] enum E { #variants }));
    assert_eq!(adjacent, format!(r#"Enum(Enum{{tag:Adjacent("t","c"),{rows}"#));
}

/// Serde writes a struct's name under its tag and does not read it.
#[test]
fn a_tagged_struct_is_an_enum_of_one() {
    let tagged = shape(quote!(
        #[serde(tag = "t", rename = "Row")]
        struct Line {
            a: u8,
        }
    ));
    assert!(tagged.starts_with(r#"Enum(Enum{tag:Internal("t"),variants:&[Variant{name:"Row",content:Some(Struct"#));
}

#[test]
fn a_catch_all_that_keeps_its_content_opens_the_enum() {
    let open = quote!(
        enum E {
            A,
            #[serde(untagged)]
            #[session(other)]
            Unknown(serde_json::Value),
        }
    );
    assert_eq!(shape(open), r#"Enum(Enum{tag:External,variants:&[Variant{name:"A",content:None}],open:true})"#);
    let lossy = shape(quote!(
        #[serde(tag = "t")]
        enum E {
            A,
            #[serde(other)]
            Unknown,
        }
    ));
    assert!(lossy.contains(r#"name:"Unknown",content:None"#) && lossy.ends_with("open:false})"), "{lossy}");
}

#[test]
fn a_catch_all_is_written_in_one_way() {
    mistake(
        quote!(
            enum E {
                A,
                #[serde(untagged)]
                B(Value),
            }
        ),
        "an untagged variant is not identified by a name",
    );
    mistake(
        quote!(
            enum E {
                A,
                #[session(other)]
                B(Value),
            }
        ),
        "to keep what an unknown variant holds, serde needs",
    );
    mistake(
        quote!(
            enum E {
                #[serde(untagged)]
                #[session(other)]
                B(Value),
                A,
            }
        ),
        "the variant for unknown values must be the last one",
    );
    for content in [quote!(), quote!((A, B)), quote!({ a: A })] {
        let input = quote!(enum E { A, #[serde(untagged)] #[session(other)] B #content });
        mistake(input, "an unknown variant goes into one field: `B(serde_json::Value)`");
    }
}

#[test]
fn an_opaque_name_stands_for_a_shape() {
    let field = quote!(
        struct Line {
            #[serde(with = "x")]
            #[session(opaque = "money@1")]
            price: Money,
        }
    );
    assert_eq!(shape(field), r#"Struct(Struct{keys:&[Key{name:"price",ty:Opaque("money@1")}],closed:false})"#);
    let item = quote!(
        #[session(opaque = "raw@2")]
        #[serde(untagged, from = "X")]
        enum E {
            A(Box<Self>),
            B,
        }
    );
    assert_eq!(shape(item), r#"Opaque("raw@2")"#);
    let free = derived(quote!(
        #[session(opaque = "raw@2")]
        struct S<T>(T);
    ));
    assert!(!free.contains("where"), "{free}");
    mistake(
        quote!(
            #[session(opaque = "")]
            struct S;
        ),
        "the name is empty",
    );
    mistake(
        quote!(
            enum E {
                #[session(opaque = "x@1")]
                A,
            }
        ),
        "`opaque` belongs on the type or on a field",
    );
}

#[test]
fn shapes_that_cannot_be_recorded_are_refused() {
    for name in ["untagged", "from", "try_from", "into", "remote"] {
        let ident = quote::format_ident!("{name}");
        let found = mistakes(quote!(
            #[serde(#ident = "X")]
            enum E {
                A,
            }
        ));
        assert!(found.len() == 1 && found[0].contains("#[session(opaque = \"name@1\")]"), "{found:?}");
    }
    for name in ["flatten", "with", "serialize_with", "deserialize_with", "getter", "surprise"] {
        let ident = quote::format_ident!("{name}");
        for input in [
            quote!(
                struct S {
                    #[serde(#ident)]
                    a: A,
                }
            ),
            quote!(
                enum E {
                    #[serde(#ident)]
                    A(A),
                }
            ),
        ] {
            let found = mistakes(input);
            assert!(found.len() == 1 && found[0].contains("#[session(opaque = \"name@1\")]"), "{found:?}");
        }
    }
    mistake(
        quote!(
            struct S {
                #[serde(defualt)]
                a: A,
            }
        ),
        "what `defualt` does to the stored shape is not known (did",
    );
    mistake(
        quote!(
            struct S {
                #[session(opaque = "a@1")]
                #[serde(flatten)]
                a: A,
            }
        ),
        "`flatten` changes the stored",
    );
}

#[test]
fn the_shapes_written_and_read_must_be_the_same() {
    for half in [quote!(skip_serializing), quote!(skip_deserializing)] {
        mistake(
            quote!(
                struct S {
                    #[serde(#half)]
                    a: A,
                }
            ),
            "what is written and what is read differ: write `skip`",
        );
    }
    for names in [quote!(serialize = "x"), quote!(deserialize = "x"), quote!(serialize = "x", deserialize = "y")] {
        let message = "what is written and what is read have different names: give one name";
        mistake(
            quote!(
                struct S {
                    #[serde(rename(#names))]
                    a: A,
                }
            ),
            message,
        );
    }
    mistake(
        quote!(
            #[serde(rename_all = "Camel")]
            struct S {
                a: A,
            }
        ),
        "expected one of \"lowercase\"",
    );
    mistake(
        quote!(
            struct S(u8, #[serde(skip_serializing_if = "x")] u8);
        ),
        "fields without names are identified by",
    );
}

#[test]
fn names_are_given_once() {
    let line = quote!(
        struct Line {
            a: u8,
            #[serde(rename = "a")]
            b: u8,
        }
    );
    mistake(line, "duplicate key \"a\": field `a` has it already");
    let variants = quote!(
        #[serde(rename_all = "lowercase")]
        enum E {
            AB,
            Ab,
        }
    );
    mistake(variants, "duplicate variant \"ab\": `AB` has it already");
    mistake(
        quote!(
            #[serde(tag = "a")]
            struct Line {
                a: u8,
            }
        ),
        "duplicate key \"a\": the `tag` has it already",
    );
    mistake(
        quote!(
            #[serde(tag = "a")]
            enum E {
                A { a: u8 },
            }
        ),
        "duplicate key \"a\": the `tag` has it already",
    );
    let apart = shape(quote!(
        #[serde(tag = "a", content = "b")]
        enum E {
            A { a: u8 },
            B { a: u8 },
        }
    ));
    assert!(apart.starts_with("Enum"), "{apart}");
}

#[test]
fn a_type_does_not_contain_itself() {
    for ty in [quote!(Box<Node>), quote!(Vec<Self>), quote!(Option<(u8, Box<Node>)>), quote!(HashMap<u8, Node>)] {
        mistake(quote!(struct Node { next: #ty }), "the shape of a recursive type has no end");
        mistake(quote!(enum Node { Leaf, Next(#ty) }), "the shape of a recursive type has no end");
        shape(quote!(struct Node { #[session(opaque = "node@1")] next: #ty }));
        shape(quote!(struct Node { #[serde(skip)] next: #ty }));
    }
    shape(quote!(
        struct Node {
            kind: kind::Node,
            name: NodeName,
        }
    ));
}

#[test]
fn parameters_are_asked_for_their_shape() {
    let code = derived(quote!(
        struct Page<T, const N: usize>
        where
            T: Clone,
        {
            items: Vec<T>,
            fixed: [u8; N],
        }
    ));
    assert!(code.contains("where T : Clone , T : :: session_runtime :: SessionValue"), "{code}");
    mistake(
        quote!(
            struct Name<'a>(#[session(opaque = "x@1")] &'a str);
        ),
        "stored values must own their data",
    );
    mistake(quote!(union U { a: u8 }), "`SessionValue` is for structs and enums");
}

#[test]
fn the_runtime_may_be_elsewhere() {
    let code = derived(quote!(
        #[session(crate = ::web::session)]
        struct S {
            a: u8,
        }
    ));
    assert!(code.contains(":: web :: session :: SessionValue for S") && !code.contains("session_runtime"), "{code}");
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let found = mistakes(quote! {
        #[serde(untagged)]
        #[session(opaqe = "x")]
        enum E<'a> {
            #[serde(with = "x")]
            A { #[serde(flatten)] a: Vec<Self>, #[session(default)] b: u8, #[serde(rename = "b")] c: u8 },
            A(u8),
        }
    });
    assert_eq!(found.len(), 9, "{found:#?}");
}
