"""The YAML subset of old delegation replies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio._core.vendors._yaml import yaml_blocks


def yaml_text(document: str) -> str | None:
    """Return the text of all blocks; none of these documents has thinking."""
    blocks = yaml_blocks(document)
    return None if blocks is None else "".join(block["text"] for block in blocks)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("text: Hello.", "Hello."),
        ("citations: null\ntext: Hello.\ntype: text\n", "Hello."),
        ("---\ntext: Hello.\n...\n", "Hello."),
        ("Agent Session ID: s-1\ntext: Hello.\n", "Hello."),
        ("'text': Hello.\n", "Hello."),
        ('"text": Hello.\n', "Hello."),
        ("# a comment\ntext: Hello.\n", "Hello."),
        (
            "text: a line that was\n  wrapped\n\n  twice\ntype: text",
            "a line that was wrapped\ntwice",
        ),
        ("text:\n  on the next line\n", "on the next line"),
        ("text: 5\n", "5"),
        ("text: 'It''s\n\n  so: # yes'\n", "It's\nso: # yes"),
        ("text: 'ends in a break\n\n  '", "ends in a break\n"),
        (
            'text: "tab\\t, quote\\", \\u00e9, \\x41, \\U0001F600, \\\\n"',
            'tab\t, quote", é, A, 😀, \\n',
        ),
        ('text: "one \\\n  \\ two\n  three"', "one  two three"),
        ("text: |\n  first\n    second\n\n  third\n", "first\n  second\n\nthird\n"),
        ("text: |-\n  first\n  second\ntype: text\n", "first\nsecond"),
        ("text: |+\n  first\n\n\ntype: text\n", "first\n\n\n"),
        ("text: |+\n\ntype: text\n", "\n"),
        ("text: |2-\n    indented\n  not\n", "  indented\nnot"),
        ("text: |\ntype: text\n", ""),
        (
            "text: >-\n  folded\n  line\n\n  next\n    code\n    more\n  end\n",
            "folded line\nnext\n  code\n  more\nend",
        ),
        ("- citations: null\n  text: One.\n- text: ' Two.'\n", "One. Two."),
        ("list:\n- a\n- b\nmap:\n  text: inner\ntext: outer\r\n", "outer"),
    ],
)
def test_reads_the_text_of_a_dumped_mapping(document: str, text: str) -> None:
    """In every style that a YAML writer can use."""
    assert yaml_text(document) == text


@pytest.mark.parametrize(
    "document",
    [
        "",
        "\n\n",
        "---\n",
        "Just an answer.",
        "Two lines.\ntext: not a mapping",
        "  text: indented",
        "text:no space",
        "text: null",
        "text: ~",
        "text:",
        "other: field",
        "text: {flow: mapping}",
        "text: [flow]",
        "text: &anchor x",
        "text: with a: colon",
        "text: with # comment",
        "text:\n  nested: mapping",
        "text:\n- list\n",
        "text: 'never closed",
        "text: 'closed' and more",
        'text: "bad \\q escape"',
        'text: "bad \\U00110000 code"',
        "text: |x\n  bad header",
        "text: x\n...\nand then prose",
        "- text: x\nprose",
        "- text: x\n- no mapping",
        "- text: x\n- other: field",
        "- thinking: hm\n  type: text\n",
        "'text: x",
        "'': x\ntext: y",
        "> text: x",
        "```\ntext: x\n```",
    ],
)
def test_anything_else_is_unchanged(document: str) -> None:
    """Prose must stay unchanged, so in doubt the text is not parsed."""
    assert yaml_text(document) is None


@given(st.text(alphabet=st.sampled_from("ab \n'\"\\:#-|>.text: "), max_size=60))
def test_nothing_raises(document: str) -> None:
    """Any text has a result."""
    assert isinstance(yaml_text(document), str | None)
    assert isinstance(yaml_text(f"text: {document}"), str | None)


@given(
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1).map(lambda t: t + "\n\né ")
)
def test_a_single_quoted_text_comes_back(text: str) -> None:
    """The style that writers use for text of several lines."""
    quoted = text.replace("'", "''").replace("\n\n", "\n\n\n  ")
    assert yaml_text(f"text: '{quoted}'") == text


def test_every_step_is_linear() -> None:
    """Ten times the text takes ten times the steps."""
    for piece in ("\n\n", "a ", "''", "'", "\\\n", '\\"', "# '", " ", "- x\n", "text: >\n a\n"):
        for head in ("text: ", "text: '", 'text: "', "text: >\n  ", "- text: ", ""):
            document = head + piece * 20_000
            assert isinstance(yaml_text(document), str | None)
