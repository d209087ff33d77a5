//! Visible and invisible characters of a text.

/// Whether a text has no visible character: only whitespace, control characters, and invisible
/// ones.
pub(crate) fn shows_nothing(text: &str) -> bool {
    text.chars().all(|sign| sign.is_whitespace() || sign.is_control() || is_invisible(sign))
}

/// Whether it changes the display direction of the characters around it (UAX #9), so that a text
/// reads as another one.
pub(crate) fn turns_text(sign: char) -> bool {
    matches!(
        sign,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// The characters that Unicode calls `Default_Ignorable_Code_Point`, the empty Braille pattern, and
/// annotation marks.
pub(crate) fn is_invisible(sign: char) -> bool {
    matches!(
        sign,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shows_nothing_is_told_from_what_shows_something() {
        for nothing in [
            "",
            " ",
            "\t\n\u{a0}\u{3000}",
            "\u{200b}",
            "\u{200d}\u{feff}\u{2060}",
            "\u{202e} \u{202c}",
            "\u{2800}\u{3164}\u{ad}",
            "\u{e0041}\u{fe0f}",
            "\0\u{7f}\u{85}",
        ] {
            assert!(shows_nothing(nothing), "{nothing:?}");
        }
        for something in ["a", "\u{200b}a", "é", "\u{5d0}", "日", "👩\u{200d}💻", ".", "\u{fffd}"]
        {
            assert!(!shows_nothing(something), "{something:?}");
        }
    }

    #[test]
    fn what_has_no_form_is_told_from_all_else() {
        let all = (0..=0x10_ffff).filter_map(char::from_u32);
        assert_eq!(all.filter(|sign| is_invisible(*sign)).count(), 4096 + 82);
        assert!(!is_invisible(' ') && !is_invisible('\n') && !is_invisible('a'));
    }

    #[test]
    fn what_turns_text_shows_nothing_itself() {
        let turning = (0..=0x10_ffff).filter_map(char::from_u32).filter(|sign| turns_text(*sign));
        let turning = turning.collect::<String>();
        assert_eq!(turning.chars().count(), 12);
        assert!(shows_nothing(&turning));
    }
}
