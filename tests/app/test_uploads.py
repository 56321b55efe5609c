from __future__ import annotations

import os
from pathlib import Path

import pytest
import uploads

from fimcore.experiments.network_spec import CSV_MAX_BYTES, CSV_MAX_COLUMNS
from fimcore.inputs import InputError


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(uploads, "folder", lambda: tmp_path)
    return tmp_path


def test_a_table_is_kept_once_under_the_hash_of_its_content(own_folder: Path) -> None:
    token = uploads.keep(b"a,b\n1,2\n3,4\n")
    assert uploads.keep(b"a,b\n1,2\n3,4\n") == token
    assert [path.name for path in own_folder.iterdir()] == [f"{token}.csv"]
    assert uploads.path_of(token) == str(own_folder / f"{token}.csv")


BAD = {
    "empty": b"",
    "text": b"a,b\nx,1\ny,2\n",
    "one row": b"1,2\n",
    "not text": b"\x89PNG\r\n\x1a\n\x00\xff\xfe",
    "too many columns": b"\n".join([b",".join([b"1"] * (CSV_MAX_COLUMNS + 1))] * 3),
    "too large": b"1,2\n" * (CSV_MAX_BYTES // 4 + 1),
    "not finite": b"1,2\ninf,3\n",
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_what_is_no_table_of_numbers_is_refused_in_a_sentence_and_not_kept(content: bytes, own_folder: Path) -> None:
    with pytest.raises(InputError, match="works") as refusal:
        uploads.keep(content)
    assert str(refusal.value).startswith("This file")
    assert list(own_folder.iterdir()) == []


def test_the_oldest_go_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_FILES", 3)
    tokens = []
    for number in range(5):
        tokens.append(uploads.keep(f"1,2\n3,{number}\n".encode()))
        os.utime(uploads.folder() / f"{tokens[-1]}.csv", (number, number))
    kept = [token for token in tokens if uploads.path_of(token)]
    assert len(kept) == 3
    assert tokens[-1] in kept
    assert tokens[0] not in kept


@pytest.mark.parametrize("text", ["../../etc/passwd", "", "0123456789ABCDEF", "0123456789abcdef.csv", "/etc/hosts"])
def test_nothing_but_a_token_becomes_part_of_a_path(text: str) -> None:
    assert not uploads.is_token(text)
    assert uploads.path_of(text) is None
