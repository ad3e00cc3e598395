//! Generated code is silent under the strictest settings, wherever it stands and whatever is called like it.

#![deny(warnings, missing_docs, unused_qualifications, unused, nonstandard_style, future_incompatible)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery)]
#![deny(missing_debug_implementations, unreachable_pub, unused_lifetimes, single_use_lifetimes)]
#![forbid(unsafe_code)]

/// The public part of the shop.
pub mod shop {
    use session_runtime::SessionValue;

    /// Not the standard library's.
    #[derive(Debug, SessionValue)]
    pub struct Option {
        /// Raw.
        pub r#type: String,
    }

    /// Neither this.
    #[derive(Debug, SessionValue)]
    pub enum Ty<Some, const N: usize> {
        /// None.
        None,
        /// Some.
        Some(Some),
        /// Raw.
        r#Struct {
            /// Old.
            #[deprecated]
            old: Box<Option>,
        },
    }
}

macro_rules! line {
    ($name:ident, $ty:ty) => {
        #[derive(Debug, session_runtime::SessionValue)]
        struct $name {
            items: Vec<$ty>,
        }
    };
}

line!(Line, shop::Ty<u8, 3>);

fn main() {
    #[derive(Debug, session_runtime::SessionValue)]
    enum Local {
        Unit,
    }
    println!("{:?} {:?}", Local::Unit, Line { items: Vec::new() }.items);
    println!("{:?}", <Local as session_runtime::SessionValue>::TY);
}
