"""Bytes cut off, changed or added anywhere: every file is read or refused with an InputError, never anything else."""

import gzip
import io
import struct
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fimcore as fc
from fimcore.inputs import InputError


def npz(save=np.savez):
    stream = io.BytesIO()
    save(stream, x=np.arange(12.0).reshape(4, 3), y=np.arange(4))
    return stream.getvalue()


IDX = b"\0\0\x08\x03" + struct.pack(">3I", 4, 2, 3) + bytes(range(24))
CSV = b"a,b,c\n1,2,3\n4,5,6\n7,8,9\n"
FILES = {
    "a.csv": CSV,
    "a.npz": npz(),
    "deflated.npz": npz(np.savez_compressed),
    "a.idx": IDX,
    "a.csv.gz": gzip.compress(CSV, mtime=0),
    "a.npz.gz": gzip.compress(npz(), mtime=0),
    "a.idx.gz": gzip.compress(IDX, mtime=0),
}
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def attempt(folder, name, content):
    """Whether the file is read; anything but an InputError is a failure of the test."""
    path = folder / name
    path.write_bytes(content)
    try:
        data = fc.inputs.load(path, max_bytes=100_000, max_columns=100)
    except InputError as error:
        message = str(error)
    else:
        message = ""
    if message:
        assert name in message
        assert "work" in message
        return False
    assert data.x.ndim == 2
    assert bool(data.x.isfinite().all())
    return True


@pytest.mark.parametrize("name", FILES)
def test_the_undamaged_file_is_read(tmp_path, name):
    assert attempt(tmp_path, name, FILES[name])


@pytest.mark.parametrize("name", FILES)
@quick
@given(data=st.data())
def test_truncated_files(tmp_path, name, data):
    content = FILES[name]
    read = attempt(tmp_path, name, content[: data.draw(st.integers(0, len(content) - 1))])
    assert not read or name == "a.csv"


@pytest.mark.parametrize("name", FILES)
@quick
@given(data=st.data())
def test_changed_bytes(tmp_path, name, data):
    content = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    attempt(tmp_path, name, bytes(content))


@pytest.mark.parametrize("name", FILES)
@quick
@given(content=st.binary(max_size=300), keep=st.integers(0, 40))
def test_random_bytes_after_a_true_beginning(tmp_path, name, content, keep):
    attempt(tmp_path, name, FILES[name][:keep] + content)


@quick
@given(
    header=st.binary(max_size=120), changes=st.lists(st.tuples(st.integers(0, 127), st.integers(32, 126)), max_size=6)
)
def test_headers_of_arrays_in_an_intact_zip(tmp_path, header, changes):
    stream = io.BytesIO()
    np.save(stream, np.arange(12.0).reshape(4, 3))
    array = bytearray(stream.getvalue())
    for place, byte in changes:
        array[place] = byte
    for content in (bytes(array), bytes(array[:10]) + header + bytes(array[10:])):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("x.npy", content)
        attempt(tmp_path, "a.npz", packed.getvalue())


def test_gzip_that_unpacks_to_too_much_or_ends_early(tmp_path):
    bomb = gzip.compress(b"1,2\n" * 100_000)
    assert len(bomb) < 5000
    with pytest.raises(InputError) as error:
        fc.inputs.load(_file(tmp_path, "t.csv.gz", bomb), max_bytes=10_000)
    assert str(error.value).startswith(
        "t.csv.gz unpacks to more than 0.01 MB. A CSV with numbers only, at most 0.01 MB"
    )
    # many members behind one another count together
    with pytest.raises(InputError, match=r"unpacks to more than 0\.01 MB"):
        fc.inputs.load(_file(tmp_path, "t.csv.gz", gzip.compress(b"1,2\n" * 1000) * 10), max_bytes=10_000)
    whole = gzip.compress(CSV)
    wrong = whole[:-8] + struct.pack("<I", zlib.crc32(CSV) ^ 1) + whole[-4:]
    for damaged in (CSV, whole[:-1], whole[:12], whole + b"rest", wrong):
        with pytest.raises(InputError, match=r"t\.csv\.gz is not a complete gzip file"):
            fc.inputs.load(_file(tmp_path, "t.csv.gz", damaged))
    with pytest.raises(InputError, match=r"t\.csv\.gz is empty"):
        fc.inputs.load(_file(tmp_path, "t.csv.gz", b""))


def _file(folder, name, content):
    path = folder / name
    path.write_bytes(content)
    return path
