//! What compiles and what does not, and with which words.
//!
//! One folder per theme, files named after what they show. The expected messages are those of the compiler that the
//! workspace is developed with: `TRYBUILD=overwrite` writes them anew.

#[test]
fn messages() {
    let cases = trybuild::TestCases::new();
    cases.pass("language/ui/pass/*/*.rs");
    cases.compile_fail("language/ui/fail/*/*.rs");
}
