use session_runtime::Session;

type Maybe<T> = Option<T>;

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Tree {
    inner: Vec<Tree>,
}

#[derive(Session)]
#[session(key = "types", version = 1)]
struct Types {
    bare: Option<u8>,
    std: std::option::Option<u8>,
    core: ::core::option::Option<u8>,
    /// Not spelled `Option`: the setter takes the whole.
    alias: Maybe<u8>,
    tree: Tree,
    boxed: Box<u8>,
    pair: (u8, String),
    array: [u8; 1 & 3],
    unit: (),
}

fn main() {
    let _ = |types: &mut TypesMut| {
        types.set_bare(1);
        types.set_std(1);
        types.set_core(1);
        types.set_alias(Some(1));
        types.set_tree(Tree::default());
        types.set_unit(());
    };
}
