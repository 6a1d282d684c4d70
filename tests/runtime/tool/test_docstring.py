import pytest

from runtime.tool.docstring import generate_func_documentation


def google():
    """Find a book.

    Looks everywhere.

    Args:
        title: The title,
            or a part of it.
        year (int): The year.
        *more: More titles.

    Returns:
        The book.
    """


def crowded():
    """Find a book.

    Args:
        title: The title.
    """


def numpy():
    """Find a book.

    Parameters
    ----------
    title : str
        The title.
    year : int, optional
        The year.

    Returns:
    -------
    str
        The book.
    """


def sphinx():
    """Find a book.

    :param title: The title.
    :param int year: The year.
    :type title: str
    :return: The book.
    """


@pytest.mark.parametrize("func", [numpy, sphinx])
def test_styles(func):
    """NumPy's and Sphinx's styles are recognised."""
    document = generate_func_documentation(func)

    assert document.name == func.__name__
    assert document.description == "Find a book."
    assert document.param_descriptions == {"title": "The title.", "year": "The year."}


def test_google():
    """Google's style is recognised; longer texts and starred names are read too."""
    document = generate_func_documentation(google)

    assert document.description == "Find a book.\n\nLooks everywhere."
    assert document.param_descriptions == {
        "title": "The title,\nor a part of it.",
        "year": "The year.",
        "more": "More titles.",
    }


def test_no_blank_line():
    """Arguments right under the summary are still arguments."""
    document = generate_func_documentation(crowded)

    assert document.description == "Find a book."
    assert document.param_descriptions == {"title": "The title."}


def test_given_style():
    """A style that is given is used, whatever the text looks like."""
    assert generate_func_documentation(google, "sphinx").param_descriptions is None


def test_no_docstring():
    """Without a docstring there is nothing but the name."""
    document = generate_func_documentation(lambda: None)

    assert (document.description, document.param_descriptions) == (None, None)


def test_quiet(caplog):
    """Reading a docstring logs nothing: it says what its author wants it to say."""
    with caplog.at_level("DEBUG"):
        generate_func_documentation(sphinx)

    assert caplog.records == []
