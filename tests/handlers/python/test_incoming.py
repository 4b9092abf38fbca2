"""handlers.python.incoming: parameters of the query, and the body, as the model gets them."""

import pytest

from handlers.python.incoming import Addresses, Incoming

ADDRESSES = Addresses.of("pets", 1000, is_edge=True)


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        (b"", {}),
        (b"?", {}),
        (b"?heatmap=gradcam&class=Maine%20Coon", {"heatmap": b"gradcam", "class": b"Maine Coon"}),
        (b"?class=Maine+Coon", {"class": b"Maine Coon"}),
        (b"?class=Maine%2BCoon", {"class": b"Maine+Coon"}),
        (b"?class=a&top_k=2&class=b", {"class": b"b", "top_k": b"2"}),
        (b"?heatmap", {"heatmap": b""}),
        (b"?heatmap=", {"heatmap": b""}),
        (b"?=x", {"": b"x"}),
        (b"?&&a=1&&", {"a": b"1"}),
        (b"?a=b=c", {"a": b"b=c"}),
        (b"?a=1;b=2", {"a": b"1;b=2"}),
        (b"?a=?/", {"a": b"?/"}),
        (b"?kl%C3%A4sse=%C3%BC", {"kl\u00e4sse": "\u00fc".encode()}),
        (b"?a=%ff", {"a": "\ufffd".encode()}),
        (b"?a=%zz%", {"a": b"%zz%"}),
        (b"?a=%00", {"a": b"\0"}),
        (b"?body=query", {}),
    ],
)
def test_parameters_of_the_query(query: bytes, fields: dict[str, bytes]) -> None:
    incoming = Incoming()
    incoming.url = b"/predictions/pets" + query
    incoming.body = [b"pho", b"to"]
    incoming.route(b"POST", ADDRESSES)
    request = incoming.to_request()
    assert request.fields == fields | {"body": b"photo"}
    assert not request.explain


def test_thousands_of_parameters() -> None:
    incoming = Incoming()
    incoming.url = b"/explanations/pets?" + b"&".join(b"a%d=%d" % (index, index) for index in range(10_000))
    incoming.route(b"POST", ADDRESSES)
    request = incoming.to_request()
    assert len(request.fields) == 10_001
    assert request.fields["a9999"] == b"9999"
    assert request.explain
