#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "tests")]

use quote::{ToTokens, quote};

use super::*;

fn parsed<T: Options>(tokens: TokenStream) -> (T, Vec<String>) {
    let source = quote!(#tokens struct S { a: u8 });
    let input: syn::DeriveInput = syn::parse2(source).unwrap();
    let mut errors = Errors::new();
    let attrs = parse::<T>(&input.attrs, &mut errors);
    (attrs.options, messages(errors))
}

fn messages(errors: Errors) -> Vec<String> {
    let tokens = errors.finish().unwrap_or_default();
    let literals = tokens.into_iter().filter_map(|tree| match tree {
        TokenTree::Group(group) => syn::parse2::<LitStr>(group.stream()).ok(),
        _ => None,
    });
    literals.map(|literal| literal.value()).collect()
}

fn struct_errors(tokens: TokenStream) -> Vec<String> {
    parsed::<StructOptions>(quote!(#[session(#tokens)])).1
}

fn field_errors(tokens: TokenStream) -> Vec<String> {
    parsed::<FieldOptions>(quote!(#[session(#tokens)])).1
}

fn field(tokens: TokenStream) -> FieldOptions {
    let (options, errors) = parsed::<FieldOptions>(quote!(#[session(#tokens)]));
    assert_eq!(errors, [] as [&str; 0]);
    options
}

#[test]
fn reads_every_attribute_of_a_struct() {
    let (options, errors) = parsed::<StructOptions>(quote! {
        #[session(key = "cart", version = 1)]
        #[session(lazy, on_invalid = "reset", crate = ::other::runtime,)]
    });
    assert_eq!(errors, [] as [&str; 0]);
    assert_eq!(options.key.map(|key| key.value()).as_deref(), Some("cart"));
    assert_eq!(options.version.unwrap().0, 1);
    assert!(options.lazy && options.reset);
    assert_eq!(options.runtime.to_token_stream().to_string(), ":: other :: runtime");
}

#[test]
fn takes_on_invalid_with_and_without_quotes() {
    for (tokens, reset) in [
        (quote!(on_invalid = reset), true),
        (quote!(on_invalid = "reset"), true),
        (quote!(on_invalid = refuse), false),
        (quote!(on_invalid = "refuse"), false),
    ] {
        let (options, errors) = parsed::<StructOptions>(quote!(#[session(#tokens)]));
        assert_eq!((options.reset, errors), (reset, vec![]));
    }
    assert_eq!(struct_errors(quote!(on_invalid = ignore)), ["expected `refuse` or `reset`"]);
}

#[test]
fn takes_the_path_of_the_crate_with_and_without_quotes() {
    for tokens in [quote!(crate = crate::x), quote!(crate = ::x), quote!(crate = "::x"), quote!(crate = crate)] {
        let (options, errors) = parsed::<StructOptions>(quote!(#[session(#tokens)]));
        assert_eq!(errors, [] as [&str; 0]);
        assert!(options.runtime.is_some());
    }
}

#[test]
fn takes_merge_in_each_spelling() {
    let mode = |tokens| match field(tokens).merge.unwrap().value {
        Merge::LastWrite => "last_write".to_owned(),
        Merge::Sum => "sum".to_owned(),
        Merge::Keys => "keys".to_owned(),
        Merge::KeysSum => "keys(sum)".to_owned(),
        Merge::Reject => "reject".to_owned(),
        Merge::Append(max) => format!("append {max}"),
        Merge::With(path) => path.to_token_stream().to_string(),
    };
    assert_eq!(mode(quote!(merge = last_write)), "last_write");
    assert_eq!(mode(quote!(merge(reject))), "reject");
    assert_eq!(mode(quote!(merge = sum)), "sum");
    assert_eq!(mode(quote!(merge(sum))), "sum");
    assert_eq!(mode(quote!(merge = keys)), "keys");
    assert_eq!(mode(quote!(merge = keys(sum))), "keys(sum)");
    assert_eq!(mode(quote!(merge(keys(sum)))), "keys(sum)");
    assert_eq!(mode(quote!(merge = append(max = 20))), "append 20");
    assert_eq!(mode(quote!(merge(append(max = 1_000)), renew)), "append 1000");
    assert_eq!(mode(quote!(merge = with = longest)), "longest");
    assert_eq!(mode(quote!(merge = with(Self::longest), renew)), "Self :: longest");
    assert_eq!(mode(quote!(merge(with = pick::<u8, u16>), renew)), "pick :: < u8 , u16 >");
}

#[test]
fn takes_a_whole_expression_as_default() {
    let default = |tokens| field(tokens).default.unwrap().value.map(|tokens| tokens.to_string());
    assert_eq!(default(quote!(default, renew)), None);
    assert_eq!(default(quote!(default = [1, 2], renew)).as_deref(), Some("[1 , 2]"));
    assert_eq!(default(quote!(default = a < b, renew)).as_deref(), Some("a < b"));
    let map = default(quote!(default = HashMap::<u8, Vec<u8>>::new(), renew));
    assert_eq!(map.as_deref(), Some("HashMap :: < u8 , Vec < u8 >> :: new ()"));
    let path = default(quote!(default = <T as Into<(u8, u8)>>::x, renew));
    assert_eq!(path.as_deref(), Some("< T as Into < (u8 , u8) >> :: x"));
}

#[test]
fn refuses_versions_that_are_no_version() {
    let whole = "expected a whole number from 1 to 65535, without quotes";
    for tokens in [quote!("3"), quote!(-1), quote!(3u8), quote!(99_999_999_999), quote!(x)] {
        assert_eq!(struct_errors(quote!(version = #tokens)), [whole]);
    }
    assert_eq!(struct_errors(quote!(version = 0)), ["versions start at 1"]);
    assert_eq!(struct_errors(quote!(version)), ["expected `version = 1`"]);
}

#[test]
fn goes_on_behind_the_next_comma() {
    assert_eq!(
        struct_errors(quote!(verison = 3, key = 5, lazy = true, was(1 = "x"), default, "cart", version = 1)),
        [
            "unknown attribute `verison`, did you mean `version`?",
            "expected a string: `key = \"...\"`",
            "`lazy` takes no value",
            "expected `key:8 hex digits`, separated by blanks, and found `x`; paste what was `layout` at that version",
            "`default` belongs on a field",
            "expected `name = value`, such as `key = \"cart\"`",
        ]
    );
}

#[test]
fn a_forgotten_comma_hides_nothing() {
    assert_eq!(struct_errors(quote!(key = "a" version = 0)), ["expected `,`", "versions start at 1"]);
    assert_eq!(struct_errors(quote!(key = "a" + 1, version = 1)), ["expected `,`"]);
}

#[test]
fn names_may_not_repeat() {
    assert_eq!(struct_errors(quote!(key = "a", version = 1, key = "b")), ["duplicate `key`"]);
    let blocks = parsed::<StructOptions>(quote!(#[session(lazy)] #[session(lazy)])).1;
    assert_eq!(blocks, ["duplicate `lazy`"]);
}

#[test]
fn refuses_merges_that_are_none() {
    assert_eq!(field_errors(quote!(merge = summ)), ["unknown merge `summ`, did you mean `sum`?"]);
    assert_eq!(field_errors(quote!(merge = keys(max))), ["expected `keys` or `keys(sum)`"]);
    assert_eq!(field_errors(quote!(merge = sum(keys))), ["`sum` takes no value"]);
    assert_eq!(
        field_errors(quote!(merge(sum keys), renew = 1)),
        ["unexpected token", "expected `renew`, or `renew(keep)` for a new id with the same data"]
    );
    let with = "expected the path of a function `fn(base: &T, theirs: &T, ours: T) -> T`";
    assert_eq!(field_errors(quote!(merge = with = |a, b, c| c)), [with]);
    let nothing = "expected `merge = ...`, one of `last_write`, `sum`, `keys`, `keys(sum)`, `append(max = 20)`, `reject` or \
                   `with = path`";
    assert_eq!(field_errors(quote!(merge)), [nothing]);
}

#[test]
fn a_list_that_grows_needs_a_bound() {
    let bound = "a list that grows needs a bound: `append(max = 20)` keeps the newest 20 elements";
    assert_eq!(field_errors(quote!(merge = append)), [bound]);
    assert_eq!(field_errors(quote!(merge = append())), [bound]);
    assert_eq!(field_errors(quote!(merge = append(20))), ["expected `append(max = 20)`"]);
    assert_eq!(field_errors(quote!(merge = append(most = 20))), ["unknown `most`, expected `append(max = 20)`"]);
    assert_eq!(field_errors(quote!(merge = append(max))), ["expected `max = 20`"]);
    let whole = "expected a whole number from 1 to 1000, without quotes";
    for max in [quote!(0), quote!(1001), quote!(-1), quote!("20"), quote!(20u8), quote!(LIMIT), quote!(20 21)] {
        assert_eq!(field_errors(quote!(merge = append(max = #max))), [whole]);
    }
}

#[test]
fn takes_the_time_after_which_a_value_expires() {
    let millis = |tokens| field(tokens).expires_after.unwrap().value;
    assert_eq!(millis(quote!(expires_after = "10m", renew)), 600_000);
    assert_eq!(field_errors(quote!(expires_after = 600)), ["expected a string: `expires_after = \"...\"`"]);
    assert_eq!(field_errors(quote!(expires_after)), ["expected `expires_after = \"...\"`"]);
    assert!(field_errors(quote!(expires_after = "10min"))[0].ends_with("found `10min`"));
    assert!(field_errors(quote!(expires_after = "0s"))[0].starts_with("the value would expire at once"));
    assert!(field_errors(quote!(expires_after = "3651d"))[0].starts_with("the longest duration is ten years"));
}

#[test]
fn planned_names_are_unknown() {
    for name in ["flash", "sealed"] {
        let name = Ident::new(name, Span::call_site());
        let found = field_errors(quote!(#name));
        assert!(found[0].starts_with(&format!("unknown attribute `{name}`, expected `default`")), "{found:?}");
    }
}

#[test]
fn accessors_are_identifiers() {
    assert_eq!(field_errors(quote!(accessor = "2fast")), ["`2fast` is not a Rust identifier"]);
    assert_eq!(field_errors(quote!(accessor = "type")), ["`type` is not a Rust identifier"]);
    assert_eq!(field_errors(quote!(rename = "a"b)), ["a suffix has no meaning here"]);
}

#[test]
fn other_brackets_are_refused() {
    for tokens in [quote!(#[session]), quote!(#[session = "x"]), quote!(#[session{key = "x"}])] {
        let found = parsed::<StructOptions>(tokens).1;
        assert_eq!(found, ["expected `#[session(...)]`, the attributes in parentheses"]);
    }
}

fn versions(attributes: proc_macro2::TokenStream) -> StructOptions {
    let (options, errors) = parsed::<StructOptions>(quote!(#[session(#attributes)]));
    assert_eq!(errors, [""; 0]);
    options
}

#[test]
fn reads_the_attributes_about_other_versions() {
    let options = versions(quote!(
        version = 4,
        layout = "items:1f3a9c02  coupon:ec0d589b",
        was(3 = "items:1f3a9c02", 2 = "items:1f3a9c02"),
        migrate(from = 1, with = self::fix),
        migrate(with = fix::<u8, u8>, from = 0x2),
        previous = crate::old::CartV1,
        retired("basket", "old_total",),
        oldest = 2,
        readers = 3,
        on_newer = "discard",
        archived,
    ));
    let layout = options.layout.unwrap().value;
    assert_eq!(layout.keys, [("items".to_owned(), 0x1f3a_9c02), ("coupon".to_owned(), 0xec0d_589b)]);
    let was: Vec<u16> = options.was.unwrap().value.iter().map(|was| was.version).collect();
    let steps: Vec<u16> = options.migrate.iter().map(|step| step.from).collect();
    assert_eq!((was, steps), (vec![3, 2], vec![1, 2]));
    assert_eq!(options.retired.len(), 2);
    assert!(options.previous.is_some() && options.archived.is_some() && options.discard);
    assert_eq!((options.oldest.unwrap().0, options.readers.unwrap().0), (2, 3));
}

#[test]
fn refuses_pins_that_are_none() {
    for pin in ["items", "items:123", "items:1F3A9C02", ":1f3a9c02", "items:1f3a9c02,coupon:ec0d589b"] {
        assert!(struct_errors(quote!(layout = #pin))[0].starts_with("expected `key:8 hex digits`"), "{pin}");
    }
    let twice = "key `items` is given twice; leave it empty, `layout = \"\"`, and the compiler prints what to paste";
    assert_eq!(struct_errors(quote!(layout = "items:1f3a9c02 items:1f3a9c02")), [twice]);
}

#[test]
fn refuses_lists_and_steps_that_are_none() {
    assert_eq!(struct_errors(quote!(retired = "basket")), ["expected `retired(\"basket\")`"]);
    assert_eq!(struct_errors(quote!(retired())), ["expected `retired(\"basket\")`"]);
    assert_eq!(struct_errors(quote!(retired(basket))), ["expected a key in quotes: `retired(\"basket\")`"]);
    assert_eq!(struct_errors(quote!(migrate(from = 1))), ["expected `migrate(from = 1, with = path)`"]);
    assert_eq!(struct_errors(quote!(migrate(from = 0, with = fix))), ["versions start at 1"]);
    assert_eq!(struct_errors(quote!(on_newer = drop)), ["expected `refuse` or `discard`"]);
}
