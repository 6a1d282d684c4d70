import pytest

from viewer.filter import Filter, FilterError, parse_text, parse_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Filter()),
        ("  ", Filter()),
        ("status:error", Filter(status=("error",))),
        ("refund status:ok,error a  b group:g status:ok", Filter(
            status=("ok", "error"), group_id="g", text="refund a  b")),
        ('name:"fork parent" x', Filter(name="fork parent", text="x")),
        ('group:"a b" name:c', Filter(group_id="a b", name="c")),
        ('name:"fork', Filter(name='"fork')),
        ("name: group:", Filter(text="name: group:")),
        ("lines:  a: b", Filter(text="lines:  a: b")),
    ],
)  # fmt: skip
def test_text(text, expected):
    """Words with a known key narrow, quotes hold a name together, the rest is text as typed."""
    assert parse_text(text) == expected


def test_words():
    """What a shell took apart may have spaces, with quotes that reached us or without."""
    assert parse_words(["name:fork parent"]) == parse_words(['name:"fork parent"'])
    assert parse_words(["two words", "x"]) == Filter(text="two words x")


@pytest.mark.parametrize("word", ["status:", "status:eror", "status:ok,"])
def test_wrong_status(word):
    """A status that is none is refused with those that are."""
    for parse in (parse_text, lambda text: parse_words([text])):
        with pytest.raises(FilterError, match="running, ok, error"):
            parse(word)
