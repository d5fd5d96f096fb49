import pytest

from kit.html import render


@pytest.mark.parametrize("text", ["\ud83d", "a\udfffb"])
def test_half_a_surrogate_pair_can_be_sent(text: str) -> None:
    html = render("log.html", lines=[text])
    assert text.encode("utf-8", "replace").decode() in html
    html.encode()


def test_what_is_rendered_is_not_escaped_again() -> None:
    inner = render("log.html", lines=["<b>"])
    outer = render("trace_and_fix.html", views=inner, fix="")
    assert inner in outer
    assert "&lt;b&gt;" in outer
