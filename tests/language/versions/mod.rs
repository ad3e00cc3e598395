//! A deploy that changes the struct keeps every session: versions are read, upgraded, written and refused.

mod bulk;
mod chain;
mod contract;
mod hold;
mod program;
mod release;
mod shop;
mod table;
mod upgrade;
mod values;
mod walks;
