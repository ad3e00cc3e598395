//! Code that compiles, code that does not, and the compiler's messages.
//!
//! Each folder is a theme, and each file is named after its subject. The expected messages come from the pinned
//! compiler. `TRYBUILD=overwrite` writes them again.

#[test]
fn messages() {
    let cases = trybuild::TestCases::new();
    cases.pass("language/ui/pass/*/*.rs");
    cases.compile_fail("language/ui/fail/*/*.rs");
}
