//! Serde's `rename_all`.

/// Spelling of a stored name.
#[derive(Clone, Copy)]
pub(super) enum Case {
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

/// Cases by serde's own names.
pub(super) const CASES: &[(&str, Case)] = &[
    ("lowercase", Case::Lower),
    ("UPPERCASE", Case::Upper),
    ("PascalCase", Case::Pascal),
    ("camelCase", Case::Camel),
    ("snake_case", Case::Snake),
    ("SCREAMING_SNAKE_CASE", Case::ScreamingSnake),
    ("kebab-case", Case::Kebab),
    ("SCREAMING-KEBAB-CASE", Case::ScreamingKebab),
];

impl Case {
    pub(super) fn named(name: &str) -> Option<Self> {
        CASES.iter().find(|(known, _)| *known == name).map(|(_, case)| *case)
    }

    /// Renames a field. Serde assumes `snake_case` and changes only the letters that the case requires.
    pub(super) fn field(self, name: &str) -> String {
        match self {
            Self::Lower | Self::Snake => name.to_owned(),
            Self::Upper | Self::ScreamingSnake => name.to_ascii_uppercase(),
            Self::Pascal => pascal(name),
            Self::Camel => small_first(&pascal(name)),
            Self::Kebab => name.replace('_', "-"),
            Self::ScreamingKebab => name.to_ascii_uppercase().replace('_', "-"),
        }
    }

    /// Renames a variant. Serde assumes `PascalCase`.
    pub(super) fn variant(self, name: &str) -> String {
        match self {
            Self::Pascal => name.to_owned(),
            Self::Lower => name.to_ascii_lowercase(),
            Self::Upper => name.to_ascii_uppercase(),
            Self::Camel => small_first(name),
            Self::Snake => snake(name),
            Self::ScreamingSnake => snake(name).to_ascii_uppercase(),
            Self::Kebab => snake(name).replace('_', "-"),
            Self::ScreamingKebab => snake(name).to_ascii_uppercase().replace('_', "-"),
        }
    }
}

fn pascal(name: &str) -> String {
    let mut out = String::new();
    let mut large = true;
    for letter in name.chars() {
        if letter == '_' {
            large = true;
        } else {
            out.push(if large { letter.to_ascii_uppercase() } else { letter });
            large = false;
        }
    }
    out
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for (at, letter) in name.char_indices() {
        if at > 0 && letter.is_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

fn small_first(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks serde's own table of examples.
    #[test]
    fn cases_are_those_of_serde() {
        let rows = [
            ("Outcome", "outcome", "OUTCOME", "outcome", "outcome", "OUTCOME", "outcome", "OUTCOME"),
            (
                "VeryTasty",
                "verytasty",
                "VERYTASTY",
                "veryTasty",
                "very_tasty",
                "VERY_TASTY",
                "very-tasty",
                "VERY-TASTY",
            ),
            ("A", "a", "A", "a", "a", "A", "a", "A"),
            ("Z42", "z42", "Z42", "z42", "z42", "Z42", "z42", "Z42"),
        ];
        for (original, lower, upper, camel, snake, screaming, kebab, screaming_kebab) in rows {
            assert_eq!(Case::Pascal.variant(original), original);
            assert_eq!(Case::Lower.variant(original), lower);
            assert_eq!(Case::Upper.variant(original), upper);
            assert_eq!(Case::Camel.variant(original), camel);
            assert_eq!(Case::Snake.variant(original), snake);
            assert_eq!(Case::ScreamingSnake.variant(original), screaming);
            assert_eq!(Case::Kebab.variant(original), kebab);
            assert_eq!(Case::ScreamingKebab.variant(original), screaming_kebab);
        }
        let rows = [
            ("outcome", "OUTCOME", "Outcome", "outcome", "OUTCOME", "outcome", "OUTCOME"),
            ("very_tasty", "VERY_TASTY", "VeryTasty", "veryTasty", "VERY_TASTY", "very-tasty", "VERY-TASTY"),
            ("a", "A", "A", "a", "A", "a", "A"),
            ("z42", "Z42", "Z42", "z42", "Z42", "z42", "Z42"),
        ];
        for (original, upper, pascal, camel, screaming, kebab, screaming_kebab) in rows {
            assert_eq!(Case::Lower.field(original), original);
            assert_eq!(Case::Snake.field(original), original);
            assert_eq!(Case::Upper.field(original), upper);
            assert_eq!(Case::Pascal.field(original), pascal);
            assert_eq!(Case::Camel.field(original), camel);
            assert_eq!(Case::ScreamingSnake.field(original), screaming);
            assert_eq!(Case::Kebab.field(original), kebab);
            assert_eq!(Case::ScreamingKebab.field(original), screaming_kebab);
        }
    }
}
