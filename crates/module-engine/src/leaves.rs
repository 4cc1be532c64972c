//! Whether a lambda may leave a global variable behind, so that the guest looks for some between two rows only where there can be
//! any: looking costs as much as a small lambda.

/// Words that reach the global object, or assign without a sign of it.
const WORDS: [&str; 5] = ["this", "globalThis", "arguments", "for", "with"];

/// `false` only when there can be none: nothing in the text assigns (but `const name =` and `let name =`, which declare), and
/// nothing names the global object. Strings and comments are not told apart from code: too much care costs a little time, too
/// little would show one row what another one left.
pub(crate) fn may_leave_globals(source: &str) -> bool {
    if source.contains("\\u") || source.contains("++") || source.contains("--") {
        return true;
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    if source
        .split(|c| !is_word(c))
        .any(|word| WORDS.contains(&word))
    {
        return true;
    }
    // Behind the end of a comment, `const` and a name may be no declaration.
    let declares = !source.contains("//") && !source.contains("/*");
    let mut rest = source;
    while let Some((skipped, after)) = rest.split_once('=') {
        // `==`, `===`, `=>`: the rest of the operator goes with it.
        let (compares, after) = match after.strip_prefix(['=', '>']) {
            Some(more) => (true, more.strip_prefix('=').unwrap_or(more)),
            None => (false, after),
        };
        let compares = compares
            || skipped.ends_with('!')
            || (skipped.ends_with(['<', '>'])
                && !skipped.ends_with("<<")
                && !skipped.ends_with(">>"));
        if !(compares || declares && ends_in_declaration(skipped)) {
            return true;
        }
        rest = after;
    }
    false
}

/// Whether the text ends in `const name` or `let name`, on one line and not as a property.
fn ends_in_declaration(text: &str) -> bool {
    let is_blank = [' ', '\t'];
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let text = text.trim_end_matches(is_blank);
    let without_name = text.trim_end_matches(is_word);
    let before_name = without_name.trim_end_matches(is_blank);
    if without_name.len() == text.len() || before_name.len() == without_name.len() {
        return false;
    }
    let before_keyword = before_name
        .strip_suffix("const")
        .or_else(|| before_name.strip_suffix("let"));
    before_keyword.is_some_and(|before| {
        !before.ends_with(is_word) && !before.trim_end().ends_with(['.', '#'])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_computes_leaves_nothing() {
        for source in [
            "return item.net * item.rate",
            "return {text: item.state, tone: item.state === 'open' ? 'warning' : 'success'}",
            "const days = item.days; let n = 1;\nreturn days >= 30 && n <= 2 && days != 3 && n == 1 && days !== 4",
            "return item.list.filter((one) => one.n > 1).map(one => one.n)",
            "if (item.a) { const $b_1\t= 1; return $b_1 }",
            "return item.thistle + item.forth",
            "",
        ] {
            assert!(!may_leave_globals(source), "{source}");
        }
    }

    #[test]
    fn what_assigns_or_reaches_the_global_object_may_leave_something() {
        for source in [
            "left = 1",
            "left=1",
            "left ||= 1",
            "left ??= 1",
            "left **= 1",
            "left >>= 1",
            "left >>>= 1",
            "left <<= 1",
            "left++; return 1",
            "--left",
            "[left] = [1]",
            "({left} = {left: 1})",
            "const a = left = 1",
            "const a = 1, b = left = 2",
            "const {a = (left = 1)} = item",
            "return ((a = left) => a)()",
            "for (left of [1]);",
            "for (left in item);",
            "globalThis['left'] = 1",
            "Object.defineProperty(globalThis, 'left', {value: 1})",
            "return (function () { return this })()",
            "with (item) {}",
            "arguments.callee",
            "l\\u0065ft = 1",
            "item.let\nleft = 1",
            "item.const left = 1",
            "// const\nleft = 1",
            "item //;const left\n= 1",
            "left /*;const left */ = 1",
            "left =!item",
            "left =\n= 1",
            "outlet left = 1",
        ] {
            assert!(may_leave_globals(source), "{source}");
        }
    }
}
