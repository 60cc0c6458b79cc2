import re

import pytest

from everfit import pages
from everfit.errors import InputError


def test_a_page_asks_nothing_of_the_network(tmp_path):
    text = pages.render("templates/base.html.jinja", tmp_path / "page.html").read_text()
    assert not re.search(r"(src|href)=|https?:|@import|url\(", text)
    assert "default-src 'none'" in text


def test_a_page_replaces_the_old_one_and_leaves_nothing_else(tmp_path):
    for _ in range(2):
        pages.render("templates/base.html.jinja", tmp_path / "reports" / "page.html")
    assert [path.name for path in (tmp_path / "reports").iterdir()] == ["page.html"]


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        pages.write(tmp_path / "file" / "page.html", "text")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567, "1,234,567"),
        (0.00012345, "0.0001234"),
        (12345.678, "12,345.7"),
        (3.0, "3"),
        (True, "True"),
        ("a", "a"),
    ],
)
def test_numbers_read_well(value, text):
    assert pages.number(value) == text


def test_counts_agree_with_their_noun():
    assert (pages.counted([1], "rule"), pages.counted(3, "batch", "batches")) == ("1 rule", "3 batches")
