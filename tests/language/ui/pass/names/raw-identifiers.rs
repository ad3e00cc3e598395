use session_runtime::Session;

#[derive(Session)]
#[session(key = "raw", version = 1)]
struct Raw {
    r#type: u32,
    #[session(accessor = "r#match")]
    pattern: Option<String>,
}

fn edit(raw: &mut RawMut) {
    raw.set_type(1);
    *raw.type_mut() += 1;
    raw.set_match("a".to_owned());
    raw.clear_match();
    let _: (&u32, &Option<String>) = (raw.r#type(), raw.r#match());
    let _: u32 = raw.take_type();
}

fn main() {
    let _ = edit;
}
