"""The command line: same settings and numbers as the core, one line a fault, exit codes, nothing heavy before it is needed."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import fimcore as fc
from fimcore import experiments
from fimcore.cli import BAD_INPUT, FAILED, INTERRUPTED, main

SMALL = ["--width", "4", "--hidden-layers", "1", "--samples", "50", "--seeds", "2", "--quiet"]
SMALL_SETTINGS = {"width": 4, "hidden_layers": 1, "samples": 50, "seeds": 2}


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def test_help_and_version_import_neither_torch_nor_streamlit():
    program = (
        "import sys; from fimcore.cli import main\n"
        "codes = [main(['--help']), main(['--version']), main(['app', '--help']), main(['run', '--help']),\n"
        "         main(['bench', '--help']), main([])]\n"
        "heavy = {'torch', 'streamlit', 'plotly', 'pandas', 'scipy'} & set(sys.modules)\n"
        "assert codes == [0] * 6, codes\nassert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "fimcore 0.1.0" in done.stdout


@pytest.mark.parametrize("question", experiments.QUESTIONS)
def test_help_of_a_question_lists_every_field_once(question, capsys):
    assert main(["run", question, "--help"]) == 0
    shown = capsys.readouterr().out
    for name in experiments.load(question).Spec.model_fields:
        assert shown.count(f"--{name.replace('_', '-')} ") == 1, name


def test_readable_answer_has_tables_verdicts_and_scale(capsys):
    assert main(["run", "explore", *SMALL]) == 0
    shown = capsys.readouterr()
    assert "summary" in shown.out
    assert "E_y|x" in shown.out
    assert "predicted" in shown.out
    assert shown.err == ""


def test_json_is_one_document_with_the_numbers_of_the_core(capsys):
    assert main(["run", "explore", *SMALL, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    module = experiments.load("explore")
    expected = module.run(module.Spec(**SMALL_SETTINGS))
    assert document["settings"]["width"] == 4
    assert list(document["tables"]) == list(expected.tables)
    for name, table in expected.tables.items():
        shown = pd.DataFrame(document["tables"][name], columns=table.columns)
        numbers = table.select_dtypes("number")
        np.testing.assert_allclose(shown[numbers.columns].astype(float), numbers, rtol=1e-12)
        pd.testing.assert_frame_equal(
            shown.drop(columns=numbers.columns), table.drop(columns=numbers.columns), check_dtype=False
        )


def test_spec_file_flags_on_top_and_an_export_as_spec(tmp_path, capsys, monkeypatch):
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(SMALL_SETTINGS))
    assert main(["run", "explore", "--spec", str(file), "--seed=7", "--json", "--quiet"]) == 0
    export = capsys.readouterr().out
    assert json.loads(export)["settings"] | SMALL_SETTINGS | {"seed": 7} == json.loads(export)["settings"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(export.encode())))
    assert main(["run", "explore", "--spec", "-", "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["tables"] == json.loads(export)["tables"]
    file.write_text(export)
    assert main(["run", "width", "--spec", str(file)]) == BAD_INPUT
    assert "'explore'" in capsys.readouterr().err


def test_lists_split_at_commas_and_underscores_are_hyphens(capsys):
    words = [
        "run",
        "width",
        "--widths",
        "4, 8,16",
        "--hidden_layers=1",
        "--samples",
        "50",
        "--seeds",
        "2",
        "--json",
        "--quiet",
    ]
    assert main(words) == 0
    settings = json.loads(capsys.readouterr().out)["settings"]
    assert settings["widths"] == [4, 8, 16]
    assert settings["hidden_layers"] == 1


def test_out_writes_every_format(tmp_path, capsys):
    for suffix in (".json", ".csv", ".npz", ".py"):
        path = tmp_path / f"answer{suffix}"
        assert main(["run", "explore", *SMALL, "--out", str(path)]) == 0
        assert str(path) in capsys.readouterr().err
    json.loads((tmp_path / "answer.json").read_text())
    assert len(pd.read_csv(tmp_path / "answer.csv", comment="#")) > 0
    with np.load(tmp_path / "answer.npz", allow_pickle=False) as arrays:
        assert len(arrays.files) > 1
    compile((tmp_path / "answer.py").read_text(), "answer.py", "exec")


def test_every_fault_has_its_own_line(capsys):
    assert main(["run", "width", "--width", "0", "--weight-variance", "-1", "--activation", "step"]) == BAD_INPUT
    shown = capsys.readouterr()
    assert shown.out == ""
    faults = lines(shown.err)
    assert [fault.split(":")[0] for fault in faults] == ["width", "activation", "weight_variance"]
    assert "received '0'" in faults[0]


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (["explode"], "'explode'"),
        (["run"], "usage"),
        (["run", "nothing"], "'nothing'"),
        (["run", "explore", "--colour", "red"], "--colour"),
        (["run", "explore", "--width"], "--width"),
        (["run", "explore", "--wid", "4"], "--wid"),
        (["run", "explore", "--width", "nan"], "width"),
        (["run", "explore", "--width", "9" * 400], "width"),
        (["run", "explore", "--spec", "missing.json"], "missing.json"),
        (["run", "explore", "--out", "answer.pickle"], ".npz"),
        (["run", "explore", "--out", "no/such/folder/answer.csv"], "folder"),
        (["run", "explore", "--inputs", "csv", "--data-file", "missing.csv"], "missing.csv"),
        (["bench", "--fast"], "--fast"),
        (["bench", "dense"], "dense"),
        (["app", "--port", "high"], "--port"),
        (["app", "--port", "70000"], "70000"),
        (["app", "--host", "203.0.113.1"], "203.0.113.1"),
    ],
)
def test_bad_input_exits_2_with_one_clear_line(words, fragment, capsys):
    assert main(words) == BAD_INPUT
    shown = capsys.readouterr()
    assert fragment in shown.err + shown.out
    assert len(lines(shown.err)) <= 1
    assert "Traceback" not in shown.err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="folders of Linux in which nothing can be written")
@pytest.mark.parametrize("out", ["/proc/x.json", "/sys/x.csv", "readonly.npz"])
def test_an_out_that_cannot_be_written_is_refused_before_computing(out, tmp_path, monkeypatch, capsys):
    if out.startswith("readonly"):
        (tmp_path / out).touch(mode=0o400)
        if os.access(tmp_path / out, os.W_OK):
            pytest.skip("the superuser may write everything")
        out = str(tmp_path / out)
    computed = []
    monkeypatch.setattr(experiments.load("explore"), "run", lambda *_args, **_options: computed.append(1))
    assert main(["run", "explore", *SMALL, "--out", out]) == BAD_INPUT
    shown = capsys.readouterr()
    assert (computed, shown.out) == ([], "")
    assert len(lines(shown.err)) == 1
    assert "cannot be written" in shown.err


def test_a_disk_that_fills_up_while_writing_gets_one_line(tmp_path, monkeypatch, capsys):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fimcore.experiments.result.Result.save", full)
    assert main(["run", "explore", *SMALL, "--out", str(tmp_path / "a.json")]) == BAD_INPUT
    shown = capsys.readouterr()
    assert len(lines(shown.err)) == 1
    assert "No space left" in shown.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"width": 4, "colour": "red"}', '{"width": NaN}', "[" * 100_000])
def test_bad_spec_files(content, tmp_path, capsys):
    file = tmp_path / "settings.json"
    file.write_text(content)
    assert main(["run", "explore", "--spec", str(file)]) == BAD_INPUT
    assert len(lines(capsys.readouterr().err)) == 1


def test_a_spec_file_too_large_is_not_parsed(tmp_path, capsys):
    file = tmp_path / "settings.json"
    file.write_text(" " * 1_000_001)
    assert main(["run", "explore", "--spec", str(file)]) == BAD_INPUT
    assert "1000 kB" in capsys.readouterr().err


def test_a_refused_budget_names_what_would_fit(capsys):
    assert main(["run", "explore", "--width", "4096", "--hidden-layers", "12"]) == BAD_INPUT
    assert "works" in capsys.readouterr().err


@pytest.fixture
def brief_bench(monkeypatch):
    """The real benchmark with a tiny network and few repeats."""
    from fimcore import benchmark

    products, work, measure = benchmark._products, benchmark._work, benchmark.seconds_of
    monkeypatch.setattr(benchmark, "_products", lambda _size, _limit, progress: products(32, 0, progress))
    monkeypatch.setattr(benchmark, "_work", lambda **given: work(**given | {"width": 6, "samples": 12, "limit": 0}))
    monkeypatch.setattr(benchmark, "seconds_of", lambda call, _limit: measure(call, 0))
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")


def test_bench_prints_products_work_kernels_and_what_pins_them(brief_bench, capsys):
    assert main(["bench", "--quick", "--quiet"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    for word in ("GFLOP/s", "numpy", "scipy", "torch", "OPENBLAS_CORETYPE=Haswell", "dense", "block norms", "hint"):
        assert word in shown.out


def test_bench_as_one_json_document(brief_bench, capsys):
    from fimcore.benchmark import works

    assert main(["bench", "--json", "--quick", "--quiet"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [kernel["user"] for kernel in document["kernels"]] == ["numpy", "scipy", "torch"]
    assert document["environment"]["OPENBLAS_CORETYPE"] == "Haswell"
    assert {row["work"].replace(" ", "_") for row in document["work"]} == set(works(None, None, None, None))
    for row in document["work"]:
        assert (row["ms"] or 0) > 0 or row["note"]
        assert (row["multiple"] is None) == (row["product_ms"] is None or row["ms"] is None)
    assert all(row[precision] > 0 for row in document["products"] for precision in ("float32", "float64"))
    assert "OPENBLAS_CORETYPE" not in " ".join(document["hints"]) or document["kernels"][0]["kernel"] == "Haswell"


def test_bench_hints_name_what_holds_a_machine_back():
    from fimcore.blas_kernels import Kernel, known_hints

    wide = frozenset({"avx2", "avx512f", "avx512bw", "avx512vl"})
    narrow = Kernel("numpy", "openblas", "0.3.30", "Haswell", 1)
    pinned = {"OPENBLAS_CORETYPE": "Haswell", "OMP_NUM_THREADS": "1", "MKL_DEBUG_CPU_TYPE": "5"}
    said = " ".join(known_hints((narrow,), pinned, wide, 4))
    for words in ("Haswell kernel", "AVX-512", "unset it", "1 of 4 cores", "OMP_NUM_THREADS=1", "MKL has ignored it"):
        assert words in said
    assert known_hints((Kernel("numpy", "openblas", "0.3.30", "SkylakeX", 4),), {}, wide, 4) == ()
    assert known_hints((narrow,), {}, frozenset({"avx2"}), 1) == ()


def test_interrupt_exits_130(monkeypatch, capsys):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiments.load("explore"), "run", interrupted)
    assert main(["run", "explore", *SMALL]) == INTERRUPTED
    assert capsys.readouterr().err.strip() == "interrupted"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and pipes")
def test_a_real_process_stops_on_a_signal_and_on_a_closed_pipe():
    command = [sys.executable, "-m", "fimcore", "run", "explore"]
    long = [*command, "--width", "48", "--samples", "2000", "--seeds", "32"]
    # A shell that starts the tests in the background makes them, and what they start, deaf to this signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(long, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        # progress on stderr shows that the computation has begun
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED
    assert complaint.endswith("interrupted\n")

    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*command, *SMALL], stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


REPORT = ["report", "--width", "24", "--hidden-layers", "1", "--samples", "20", "--seeds", "4", "--quiet"]


def test_report_says_what_agrees_and_writes_one_html_file(capsys, tmp_path):
    out = tmp_path / "report.html"
    assert main([*REPORT, "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "agrees" in shown
    assert "Does not apply" in shown
    assert "E_y|x" in shown
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_report_as_json_takes_a_spec_file_and_flags_on_top(capsys, tmp_path):
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"width": 24, "hidden_layers": 1, "samples": 20, "seeds": 4}), encoding="utf-8")
    assert main(["report", "--spec", str(spec), "--seed", "7", "--json", "--quiet"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["question"] == "report"
    assert document["seeds"] == [7, 8, 9, 10]
    assert {row["verdict"] for row in document["tables"]["checks"]} <= {"agrees", "disagrees", "does not apply"}


def test_report_leaves_with_one_where_a_prediction_that_claims_to_apply_fails(capsys, monkeypatch):
    propagate = fc.meanfield.propagate

    def tenfold(*arguments):
        found = propagate(*arguments)
        return replace(found, q=10 * found.q)

    monkeypatch.setattr(fc.meanfield, "propagate", tenfold)
    assert main(REPORT) == FAILED
    assert "disagree (signals: length, layer 1" in capsys.readouterr().out


def test_report_refuses_bad_input_in_one_line(capsys):
    assert main(["report", "--width", "0", "--quiet"]) == BAD_INPUT
    assert len(lines(capsys.readouterr().err)) == 1
    assert main([*REPORT, "--out", "report.pdf"]) == BAD_INPUT
    assert ".html" in capsys.readouterr().err
