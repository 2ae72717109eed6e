//! Text that fits a width, in characters.

/// Lines of at most `width`, broken at blanks; a word that is longer is shortened. Ends with a newline.
pub fn wrap(text: &str, width: usize) -> String {
    let mut wrapped = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let word = shorten(word, width);
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            wrapped.push('\n');
            used = 0;
        }
        if used > 0 {
            wrapped.push(' ');
            used += 1;
        }
        wrapped += &word;
        used += length;
    }
    wrapped + "\n"
}

/// A case's id on lines of at most `width`, broken after slashes; a part that is longer is shortened.
pub fn fold(id: &str, width: usize) -> String {
    let (mut folded, mut used) = (String::new(), 0);
    for part in id.split_inclusive('/') {
        let part = shorten(part, width);
        let length = part.chars().count();
        if used > 0 && used + length > width {
            folded.push('\n');
            used = 0;
        }
        folded += &part;
        used += length;
    }
    folded
}

/// The word with its middle left out, where it is longer than `width`.
pub fn shorten(word: &str, width: usize) -> String {
    let letters: Vec<char> = word.chars().collect();
    if letters.len() <= width {
        return word.into();
    }
    let kept = width.saturating_sub(1);
    let (head, tail) = (kept.div_ceil(2), kept / 2);
    let ends = letters[..head].iter().chain(['…'].iter());
    ends.chain(&letters[letters.len() - tail..]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_asked_and_nothing_but_the_middle_of_a_long_word_is_lost() {
        let text = "one two three pca/mnist/deflation/covariance/momentum four";
        for width in 3..70 {
            let wrapped = wrap(text, width);
            assert!(wrapped.lines().all(|line| line.chars().count() <= width));
            assert!(wrapped.contains("one") && wrapped.contains("two"));
        }
        assert_eq!(wrap(text, 100), format!("{text}\n"));
        assert_eq!(wrap("a bc d", 4), "a bc\nd\n");
    }

    #[test]
    fn an_id_is_folded_after_its_slashes() {
        assert_eq!(fold("pca/mnist/k10", 99), "pca/mnist/k10");
        assert_eq!(fold("pca/mnist/k10", 10), "pca/mnist/\nk10");
        assert_eq!(fold("pca/abcdefghi", 5), "pca/\nab…hi");
    }
}
