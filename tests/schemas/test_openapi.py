"""``schemas/openapi.json`` is what the models say."""

from schemas.openapi import FILE, as_json


def test_the_file_is_generated_from_the_models() -> None:
    assert FILE.read_text(encoding="utf-8") == as_json(), "run: python -m schemas.openapi"
