//! Nothing: the package is its tests. Cargo wants a library or a program in every package that others of the workspace
//! can name.
