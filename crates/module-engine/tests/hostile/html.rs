//! HTML that means harm: what `sanitize_html` leaves of it, exactly. Reads `html.txt`: `# name`, then lines of `< ` what a lambda
//! returns and lines of `> ` what is shown. `␉`, `␊` and `␀` stand for a tab, a line end and a zero byte.

use module_engine::html::sanitize_html;

#[test]
fn hostile_html_is_cleaned_and_clean_html_stays() {
    let mut wrong = Vec::new();
    let mut count = 0_usize;
    for case in include_str!("html.txt").split("\n# ").skip(1) {
        let (name, rest) = case.split_once('\n').unwrap();
        let part = |mark: char| {
            let lines: Vec<&str> = rest
                .lines()
                .filter_map(|line| line.strip_prefix(mark))
                .map(|line| line.strip_prefix(' ').unwrap_or(line))
                .collect();
            lines
                .join("\n")
                .replace('␉', "\t")
                .replace('␊', "\n")
                .replace('␀', "\0")
        };
        let (bad, expected) = (part('<'), part('>'));
        let clean = sanitize_html(&bad);
        if clean != expected {
            wrong.push(format!("{name}\n> {clean}"));
        }
        let again = sanitize_html(&clean);
        if again != clean {
            wrong.push(format!("{name}: cleaned again\n> {again}"));
        }
        count += 1;
    }
    assert!(count >= 60, "{count} cases");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
