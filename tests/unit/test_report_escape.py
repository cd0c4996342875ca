"""Untrusted text: nothing runs, nothing hides, nothing moves the cursor."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from rung.report.escape import code, markdown, shown, terminal, visible


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain text, 3 < 4", "plain text, 3 < 4"),
        ("invoice\u202egnp.exe", "invoice⟦U+202E⟧gnp.exe"),
        ("a\u200bb\u00adc\ufeff", "a⟦U+200B⟧b⟦U+00AD⟧c⟦U+FEFF⟧"),
        ("tag \U000e0041 half \ud800 nul \x00 bell \x07", "tag ⟦U+E0041⟧ half ⟦U+D800⟧ nul ⟦U+0000⟧ bell ⟦U+0007⟧"),
        ("Hangul filler \u3164, selector \ufe0f", "Hangul filler ⟦U+3164⟧, selector ⟦U+FE0F⟧"),
        ("line\nnext\ttab", "line\nnext\ttab"),
        ("Grüße 日本語 עברית 0.83 ± 0.03", "Grüße 日本語 עברית 0.83 ± 0.03"),
    ],
)
def test_what_a_reader_cannot_see_is_written_out(text, seen):
    assert visible(text) == seen


def test_a_page_shows_markup_as_text_and_marks_what_is_hidden():
    assert str(shown('<b onclick="x">\u202e&')) == (
        "&lt;b onclick=&#34;x&#34;&gt;" + '<span class="hid">U+202E</span>' + "&amp;"
    )


@given(st.text(alphabet=st.characters(codec=None)))
def test_no_text_brings_markup_or_hidden_characters_into_a_page(text):
    html = str(shown(text))
    without_marks = html.replace('<span class="hid">', "").replace("</span>", "")
    assert not set("<>\"'") & set(without_marks)
    assert not set("\u202e\u200b\x00\x1b\u2066") & set(html)
    html.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b[31mred\x1b[0m", "⟦U+001B⟧[31mred⟦U+001B⟧[0m"),
        ("\x1b]0;owned\x07title", "⟦U+001B⟧]0;owned⟦U+0007⟧title"),
        ("\x1b[2J\x1b[Hcleared", "⟦U+001B⟧[2J⟦U+001B⟧[Hcleared"),
        ("two\r\nlines", "two lines"),
        ("c1 \x9b31m", "c1 ⟦U+009B⟧31m"),
        ("unfinished \x1b]52;c;aGk= and our words", "unfinished ⟦U+001B⟧]52;c;aGk= and our words"),
    ],
)
def test_a_terminal_gets_no_control_sequence(text, seen):
    assert terminal(text) == seen


def test_a_terminal_line_is_cut():
    assert terminal("abcdefgh", 5) == "abcd…"
    assert terminal("abcde", 5) == "abcde"


@pytest.mark.parametrize("text", ["rung report a`b", "``", "`x", "plain", "a\n`b`` c"])
def test_a_code_span_holds_its_text_whatever_backticks_stand_in_it(text):
    [inline] = [t for t in MarkdownIt("gfm-like").parse(code(text)) if t.type == "inline"]
    [child] = inline.children
    assert (child.type, child.content) == ("code_inline", " ".join(text.split()))


def test_markdown_is_not_read_as_markup_mention_or_link():
    assert markdown("a|b `c` *d* @boss #12 [x](http://evil) <b>\n&amp;") == (
        "a\\|b \\`c\\` \\*d\\* \\@boss \\#12 \\[x\\](http:/\\/evil) &lt;b\\> &amp;amp;"
    )


@given(st.text())
def test_markdown_stays_in_its_table_cell(text):
    cell = markdown(text)
    assert "\n" not in cell
    assert "|" not in cell.replace("\\|", "")
