"""Exports of a result: every digit, plain values, and of a table its name and hash but never its folder."""

import io
import json
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fimcore.experiments import explore, load
from fimcore.experiments.column_words import column_words
from fimcore.experiments.result import Result
from fimcore.inputs import content_hash

SMALL = {"width": 4, "hidden_layers": 1, "samples": 20, "seeds": 2}


@pytest.fixture(scope="module")
def from_csv(tmp_path_factory) -> Result:
    path = tmp_path_factory.mktemp("secret-folder") / "0123456789abcdef.csv"
    np.savetxt(path, np.random.default_rng(0).standard_normal((30, 3)), delimiter=",")
    return explore.run(explore.Spec(**SMALL, inputs="csv", data_file=str(path)))


def test_exports_name_a_table_and_its_hash_but_never_its_folder(from_csv, tmp_path, monkeypatch, capsys):
    content = Path(from_csv.spec.data_file).read_bytes()
    expected = content_hash(content)
    with np.load(io.BytesIO(from_csv.to_npz()), allow_pickle=False) as arrays:
        npz_header = str(arrays["header"])
    texts = [json.dumps(from_csv.to_json()), from_csv.to_csv(), npz_header, from_csv.to_script()]
    for text in texts:
        assert "secret-folder" not in text
        assert "0123456789abcdef.csv" in text
        assert expected in text
    assert from_csv.to_json()["settings"]["data_file"] == "0123456789abcdef.csv"

    (tmp_path / "0123456789abcdef.csv").write_bytes(content)
    (tmp_path / "again.py").write_text(from_csv.to_script(), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    again = runpy.run_path("again.py")["result"]
    capsys.readouterr()
    pd.testing.assert_frame_equal(again.table, from_csv.table)


def test_exports_of_random_inputs_have_no_hash():
    result = Result("explore", explore.Spec(**SMALL), {"a": pd.DataFrame({"x": [1]})})
    assert "data_sha256" not in result.header()
    assert result.header()["settings"]["data_file"] == ""
    assert "#" not in result.to_script()


def test_json_keeps_every_digit_and_says_null_where_there_is_no_number():
    table = pd.DataFrame(
        {"tiny": [1.234567890123456e-11, 1 / 3, np.nan], "count": [1, 2, 2**53], "word": ["a", "b", ""]}
    )
    table["mixed"] = pd.Series([np.float64(np.inf), np.int64(3), None], dtype=object)
    result = Result("explore", explore.Spec(**SMALL), {"a": table, "empty": table.iloc[:0]})
    document = json.loads(json.dumps(result.to_json(), allow_nan=False))
    rows = document["tables"]["a"]
    assert [row["tiny"] for row in rows] == [1.234567890123456e-11, 1 / 3, None]
    assert [row["count"] for row in rows] == [1, 2, 2**53]
    assert all(isinstance(row["count"], int) for row in rows)
    assert [row["word"] for row in rows] == ["a", "b", ""]
    assert [row["mixed"] for row in rows] == [None, 3, None]
    assert document["tables"]["empty"] == []


@pytest.mark.parametrize(
    ("question", "settings"),
    [
        ("explore", SMALL),
        ("width", {"widths": (4, 8), "samples": 20, "seeds": 2}),
        ("spectrum", {"width": 4, "samples": 10, "seeds": 2, "centred": True}),
        *(
            ("spectrum", {"width": 4, "samples": 10, "seeds": 2, "widest": 8, "most_inputs": 10, "view": view})
            for view in ("blocks", "width", "inputs", "whitened", "step")
        ),
        ("phase", {"width": 4, "hidden_layers": 2, "samples": 20, "seeds": 2}),
        ("directions", {"width": 4, "samples": 20, "seeds": 1}),
        ("unit", {"width": 4, "hidden_layers": 2, "samples": 20, "seeds": 2}),
        ("train", {"width": 4, "samples": 20, "seeds": 1, "steps": 2}),
        ("dynamics", {"width": 4, "samples": 10, "seeds": 1, "steps": 3}),
        ("estimators", {"width": 4, "hidden_layers": 2, "samples": 10, "seeds": 2, "outputs": 3}),
        ("estimator_training", {"width": 4, "samples": 20, "seeds": 1, "epochs": 1}),
        ("sampling", {"width": 4, "samples": 10, "seeds": 1, "draws": 50}),
        ("plateau", {"seeds": 1, "steps": 20, "samples": 20}),
        *(("empirical_fisher", {"view": view, "seeds": 1, "samples": 50}) for view in ("sets", "field", "map")),
        ("toy_descent", {"seeds": 2, "steps": 5}),
        ("report", {"width": 4, "hidden_layers": 1, "samples": 8, "seeds": 4}),
    ],
)
def test_every_csv_says_what_its_columns_mean(question, settings):
    module = load(question)
    result = module.run(module.Spec(**settings))
    for name, table in result.tables.items():
        text = result.to_csv(table=name)
        said = next(line for line in text.splitlines() if line.startswith("# columns: "))
        assert list(json.loads(said.removeprefix("# columns: "))) == list(table.columns)
        read = pd.read_csv(io.StringIO("\n".join(line for line in text.splitlines() if not line.startswith("#"))))
        assert list(read.columns) == list(table.columns)
    assert column_words(question, ["nothing of the kind"]) == {}
