// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pages: one self-contained HTML file, without scripts or anything from elsewhere, that reads and prints well.

use privacy_verify::terminal::plain;

/// Text for HTML, inside an element or a quoted attribute. Control characters and whatever turns the
/// direction of writing stand as U+FFFD: a page is looked at, and no entry may disguise another.
pub fn escape(text: &str) -> String {
    let text = plain(text);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c => out.push(c),
        }
    }
    out
}

/// What every page begins with, up to and with `<body>`. `title` is escaped here, `style` is ours.
pub fn begin(french: bool, title: &str, style: &str) -> String {
    let lang = if french { "fr" } else { "en" };
    let title = escape(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"{lang}\" dir=\"ltr\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<title>{title}</title>\n<style>\n{COMMON}{style}</style>\n</head>\n<body>\n"
    )
}

/// What every page ends with.
pub const END: &str = "</body>\n</html>\n";

/// Black on white, at sizes that can be read; a red frame with words where something is wrong.
const COMMON: &str = "\
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 1.5rem auto; padding: 0 1.5rem; background: #fff; color: #1a1a1a;
  font: 15px/1.45 system-ui, \"Liberation Sans\", \"DejaVu Sans\", Arial, sans-serif; }
h1 { font-size: 1.6em; line-height: 1.2; margin: 0 0 .3em; }
h2 { font-size: 1.15em; margin: 1.6em 0 .4em; }
p { margin: .4em 0; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; font-weight: 600; padding: .4em 0; }
th, td { border: 1px solid #767676; padding: .3em .45em; text-align: left; vertical-align: top;
  overflow-wrap: anywhere; }
thead th { background: #e9edf2; overflow-wrap: normal; hyphens: auto; }
.number { text-align: right; font-variant-numeric: tabular-nums; overflow-wrap: normal; white-space: nowrap; }
code, .hash { font-family: \"Liberation Mono\", \"DejaVu Sans Mono\", monospace; font-size: .92em; overflow-wrap: anywhere; }
.note { color: #4a4a4a; }
.bad { border: 3px solid #b00020; background: #fdecee; color: #7a0016; padding: .8em 1em; margin: 1em 0; font-weight: 600; }
.good { border-left: 4px solid #1b6e3c; padding-left: .8em; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15em 1em; margin: .6em 0; }
dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; }
@media print {
  body { margin: 0; padding: 0; max-width: none; font-size: 9pt; }
  thead { display: table-header-group; }
  thead th, .bad { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h1, h2, caption { break-after: avoid; }
  .bad, dl { break-inside: avoid; }
}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup_or_moves_the_reader() {
        assert_eq!(
            escape("<script>alert(\"x\")</script>&'"),
            "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;&#39;"
        );
        let bidi = escape("a\u{202e}b\u{2066}c\u{200f}d\u{1b}[2J\r\n\t\0");
        assert!(
            bidi.chars()
                .all(|c| !c.is_control() && !('\u{2000}'..='\u{206f}').contains(&c)),
            "{bidi:?}"
        );
        assert!(!begin(true, "</title><script>", "").contains("<script"));
    }
}
