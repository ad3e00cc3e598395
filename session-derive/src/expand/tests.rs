#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "tests")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use quote::quote;

use super::*;

const LINES: usize = 41;
const LINES_PER_FIELD: usize = 30;

fn expanded(input: TokenStream) -> String {
    derive(syn::parse2(input).unwrap()).to_string()
}

/// Formats the code as rustfmt does without a configuration.
fn formatted(code: &str) -> String {
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--edition", "2024", "--config", "max_width=100,use_small_heuristics=Default"]);
    let mut child = rustfmt.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("rustfmt is installed");
    child.stdin.take().unwrap().write_all(code.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn field(at: usize) -> TokenStream {
    let name = quote::format_ident!("field_{at}");
    match at % 8 {
        0 => quote!(#[session(merge = keys(sum))] #name: BTreeMap<u32, u32>),
        1 => quote!(#name: Option<String>),
        2 => quote!(#[session(default = Currency::Eur, rename = "currency")] #name: Currency),
        3 => quote!(#[session(merge = with = longest, redact)] #name: String),
        4 => quote!(/** Who is logged in. */ #[session(renew, merge = reject, redact)] #name: Option<String>),
        5 => quote!(#[session(merge = sum, default = 7)] pub #name: u64),
        6 => quote!(#[session(transient)] pub(crate) #name: Option<Instant>),
        _ => quote!(#[session(accessor = "seen")] #name: HashSet<u32>),
    }
}

#[test]
fn stays_small() {
    for count in [1, 2, 10] {
        let fields = (0..count).map(|at| if at < 8 { field(at) } else { field(at % 2) });
        let fields = fields.enumerate().map(|(at, field)| match at {
            8 => quote!(#[session(merge = keys)] last_field: BTreeSet<u32>),
            9 => quote!(#[session(merge = reject)] very_last_field: Vec<Line>),
            _ => field,
        });
        let code = expanded(quote! {
            #[session(key = "cart", version = 1, lazy, on_invalid = reset)]
            pub struct CartSession { #(#fields),* }
        });
        assert!(!code.contains("compile_error"), "{code}");
        let text = formatted(&code);
        let lines = text.lines().count();
        println!("{count} fields: {lines} lines");
        assert!(lines <= LINES + LINES_PER_FIELD * count, "{count} fields became {lines} lines:\n{text}");
    }
}

/// Number of lines that a pin, a chain and their checks may add.
const LINES_OF_VERSIONS: usize = 10;

#[test]
fn stays_small_with_a_past() {
    for count in [1, 2, 3, 10] {
        let fields = (0..count).map(|at| {
            let (name, old) = (quote::format_ident!("field_{at}"), format!("old_{at}"));
            let renamed = quote!(#[session(renamed_from = #old)] #name: Option<String>);
            if at == 0 { renamed } else { quote!(#[session(merge = keys(sum))] #name: BTreeMap<u32, u32>) }
        });
        let code = expanded(quote! {
            #[session(
                key = "cart",
                version = 3,
                previous = CartV2,
                retired("basket"),
                layout = "field_0:1f3a9c02 field_1:118a68db",
            )]
            pub struct CartSession { #(#fields),* }
        });
        assert!(!code.contains("compile_error"), "{code}");
        let text = formatted(&code);
        let lines = text.lines().count();
        println!("{count} fields and a past: {lines} lines");
        let limit = LINES + LINES_OF_VERSIONS + LINES_PER_FIELD * count;
        assert!(lines <= limit, "{count} fields became {lines} lines:\n{text}");
    }
}

#[test]
fn an_archived_struct_is_read_only() {
    let code = expanded(quote! {
        #[session(key = "cart", version = 2, oldest = 2, archived, layout = "items:c7992f67")]
        pub struct CartV2 { items: Vec<u32> }
    });
    assert!(code.contains("fn items") && code.contains("__archived !"), "{code}");
    assert!(!code.contains("CartV2Mut") && !code.contains("fn set_items") && !code.contains("__guards"), "{code}");
}

#[test]
fn a_mistake_in_an_archived_struct_leaves_it_read_only() {
    let code = expanded(quote! {
        #[session(key = "cart", version = 2, archived, layout = "items:c7992f67")]
        pub struct CartV2 { items: Vec<u32> }
    });
    assert_eq!(code.matches("compile_error").count(), 1, "{code}");
    assert!(code.contains("fn items") && code.contains("refused ()") && !code.contains("CartV2Mut"), "{code}");
}

#[test]
fn a_default_field_value_is_refused() {
    let code = expanded(quote! {
        #[session(key = "cart", version = 1)]
        struct Cart { count: u32 = 1 }
    });
    assert!(code.contains("a default field value has no effect on a session"), "{code}");
}

#[test]
fn a_raw_name_is_stored_without_its_prefix() {
    let code = expanded(quote! {
        #[session(key = "cart", version = 1)]
        struct Cart { r#type: u32 }
    });
    assert!(code.contains("\"cart.type\"") && code.contains("fn set_type"), "{code}");
}

#[test]
fn self_in_a_type_is_the_struct_everywhere() {
    let code = expanded(quote! {
        #[session(key = "tree", version = 1)]
        struct Tree { children: Vec<Self> }
    });
    assert!(code.contains("Vec < Tree >") && !code.contains("Vec < Self >"), "{code}");
}

#[test]
fn a_field_beyond_the_first_word_of_marks_gets_a_second() {
    let fields = (0..65).map(|at| quote::format_ident!("field_{at}"));
    let code = expanded(quote! {
        #[session(key = "wide", version = 1)]
        struct Wide { #(#fields: u32),* }
    });
    assert!(code.contains("type Marks = [:: core :: primitive :: u64 ; 2]"), "{code}");
}

#[test]
fn a_mistake_leaves_the_accessors() {
    let code = expanded(quote! {
        #[session(key = "cart", version = 0)]
        struct Cart { items: Vec<u32>, set_items: bool }
    });
    assert_eq!(code.matches("compile_error").count(), 2, "{code}");
    assert_eq!(code.matches("fn set_items (").count(), 1, "{code}");
    assert!(code.contains("Schema for Cart") && code.contains("fn clear_set_items"), "{code}");
}
