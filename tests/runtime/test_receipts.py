"""runtime.receipts: signatures against Python's own parts, forged and altered receipts, and the key's file."""

import base64
import hashlib
import hmac
import os
import stat
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from runtime.receipts import KEY_BYTES, ReceiptError, ReceiptKeyError, make_key, new_id, read_key, sign, verify

KEY = bytes(range(32))
CLAIMS: dict[str, Any] = {"id": "Zürich ✓", "time": 1780000000, "sales": [5263.1, 0.0], "slice": {"state": "HB,NI"}}


def test_verify_returns_what_was_signed() -> None:
    assert verify(sign(CLAIMS, KEY), KEY) == CLAIMS


def test_the_signature_is_hmac_sha256_of_the_claims() -> None:
    """An independent signer, from the description in the module: RFC 2104 by hand, with SHA-256."""
    body, _, signature = sign(CLAIMS, KEY).partition(".")
    inner, outer = (bytes(byte ^ pad for byte in KEY.ljust(64, b"\0")) for pad in (0x36, 0x5C))
    text = b"shopcat receipt 1\0" + body.encode()
    expected = hashlib.sha256(outer + hashlib.sha256(inner + text).digest()).digest()[:16]
    assert base64.urlsafe_b64decode(signature + "==") == expected


def test_no_character_of_a_receipt_can_be_changed() -> None:
    receipt = sign(CLAIMS, KEY)
    for place, character in enumerate(receipt):
        altered = receipt[:place] + ("A" if character != "A" else "B") + receipt[place + 1 :]
        with pytest.raises(ReceiptError, match="was altered"):
            verify(altered, KEY)


@pytest.mark.parametrize("text", ["", ".", "a", "a.", ".a", "a.b.c", "é.é", "x" * 200_001, "\0.\0"])
def test_other_texts_are_no_receipts(text: str) -> None:
    with pytest.raises(ReceiptError):
        verify(text, KEY)


def test_a_receipt_cannot_be_cut_lengthened_or_spelled_in_another_way() -> None:
    receipt = sign(CLAIMS, KEY)
    for altered in (receipt[:-1], receipt + "=", receipt + "A", " " + receipt, receipt + "\n", receipt.upper()):
        with pytest.raises(ReceiptError):
            verify(altered, KEY)


def test_another_key_verifies_nothing() -> None:
    with pytest.raises(ReceiptError, match="not signed by this service"):
        verify(sign(CLAIMS, KEY), bytes(32))


def test_claims_are_read_only_after_the_signature() -> None:
    """A body that deflate would expand without end is refused without being expanded."""
    bomb = base64.urlsafe_b64encode(zlib.compress(bytes(10_000_000), wbits=-15)).decode()
    with pytest.raises(ReceiptError, match="was altered"):
        verify(f"{bomb}.{'A' * 22}", KEY)


def test_signed_text_of_another_format_is_refused() -> None:
    body = base64.urlsafe_b64encode(b"no deflate").decode()
    mac = hmac.digest(KEY, b"shopcat receipt 1\0" + body.encode(), "sha256")[:16]
    with pytest.raises(ReceiptError, match="another version"):
        verify(f"{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}", KEY)


def test_numbers_without_a_value_are_not_signed() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        sign({"sales": float("nan")}, KEY)


def test_ids_are_short_and_do_not_repeat() -> None:
    ids = {new_id() for _ in range(10_000)}
    assert len(ids) == 10_000
    assert {len(name) for name in ids} == {16}


def test_only_the_owner_may_read_a_new_key(tmp_path: Path) -> None:
    file = tmp_path / "state" / "receipt.key"
    key = make_key(file)
    assert len(key) == KEY_BYTES
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert make_key(file) == read_key(file) == key
    assert [path.name for path in file.parent.iterdir()] == ["receipt.key"]


def test_processes_that_start_together_get_one_key(tmp_path: Path) -> None:
    file, root = tmp_path / "receipt.key", Path(__file__).parents[2]
    program = (
        "import sys; from pathlib import Path; from runtime.receipts import make_key; "
        "print(make_key(Path(sys.argv[1])).hex())"
    )
    command = [sys.executable, "-c", program, str(file)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) for _ in range(4)]
    assert {process.communicate()[0].strip() for process in running} == {read_key(file).hex()}


def test_a_key_that_was_made_meanwhile_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "receipt.key"

    def link(part: str, target: Path) -> None:
        target.write_bytes(KEY)
        raise FileExistsError

    monkeypatch.setattr(os, "link", link)
    assert make_key(file) == KEY


def test_errors_of_the_key_name_file_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(ReceiptKeyError, match=r"missing\.key can't be read: No such file"):
        read_key(tmp_path / "missing.key")
    (tmp_path / "short.key").write_bytes(b"secret")
    with pytest.raises(ReceiptKeyError, match=r"short\.key has 6 bytes, not 32; make one with: head -c 32"):
        make_key(tmp_path / "short.key")
    with pytest.raises(ReceiptKeyError, match=r"can't be made: .*; name another place"):
        make_key(tmp_path / "short.key" / "receipt.key")
