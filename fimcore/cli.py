"""The command `fimcore`: opens the dashboard, answers one question with the numbers of its page, or measures this machine.

Exit codes: 0 done, 1 a prediction that claims to apply failed (report), 2 input that cannot be used (one line a fault on stderr),
130 interrupted, 141 the reader went away.
Nothing heavy is imported before a command needs it: `fimcore --help` answers without torch or streamlit.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from fimcore.experiments.result import Result

FAILED, BAD_INPUT, INTERRUPTED, READER_GONE = 1, 2, 130, 141
ROWS_SHOWN = 24
OUT_SUFFIXES = (".json", ".csv", ".npz", ".py")


class BadInputError(Exception):
    """Input that cannot be used, one line for each fault."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))


class Parser(argparse.ArgumentParser):
    """argparse with one line for a fault and no guessing of abbreviated flags."""

    def __init__(self, prog: str, description: str, *, add_help: bool = True) -> None:
        super().__init__(prog, description=description, add_help=add_help, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Leave with the fault alone; `--help` shows the usage."""
        raise BadInputError(f"{self.prog}: {message} (see {self.prog} --help)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        argv: the words after `fimcore`; None takes those of the process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _dispatch(words)
        sys.stdout.flush()
    except BadInputError as fault:
        print(fault, file=sys.stderr)
        return BAD_INPUT
    except SystemExit as leaving:  # argparse after --help and --version
        return leaving.code if isinstance(leaving.code, int) else 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # the interpreter flushes stdout once more at its end, which must not fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    return code


def _dispatch(words: list[str]) -> int:
    from fimcore import __version__
    from fimcore.experiments import QUESTIONS

    parser = Parser("fimcore", "Fisher information matrices of deep networks, measured exactly and predicted.")
    parser.add_argument("--version", action="version", version=f"fimcore {__version__}")
    commands = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", parser_class=argparse.ArgumentParser
    )
    commands.add_parser("app", help="open the dashboard on this machine", add_help=False)
    commands.add_parser("run", help=f"answer one question: {', '.join(QUESTIONS)}", add_help=False)
    commands.add_parser("report", help="hold one setting against every prediction for it", add_help=False)
    commands.add_parser("bench", help="measure this machine, and say what holds it back", add_help=False)
    # only the first word is this parser's business; what follows belongs to the command
    command = words[0] if words else "--help"
    if command == "app":
        return _app(words[1:])
    if command == "run":
        return _run(words[1:], QUESTIONS)
    if command == "report":
        return _report(words[1:])
    if command == "bench":
        return _bench(words[1:])
    if not command.startswith("-"):
        raise BadInputError(f"fimcore: there is no command {command!r}; choose app, run, report or bench.")
    parser.parse_args([command])
    return 0


def _app(words: list[str]) -> int:
    parser = Parser("fimcore app", "Open the dashboard. Only this machine can reach it unless --host says otherwise.")
    parser.add_argument("--port", type=int, help="default: 8501, or the next port that is free")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--no-open", action="store_true", help="do not open a browser")
    options = parser.parse_args(words)
    from fimcore.launch import LaunchError, launch

    try:
        return launch(options.host, options.port, open_browser=not options.no_open)
    except LaunchError as fault:
        raise BadInputError(f"fimcore app: {fault}") from fault


def _run(words: list[str], questions: tuple[str, ...]) -> int:
    names = ", ".join(questions)
    if not words or words[0] in ("-h", "--help"):
        print("usage: fimcore run QUESTION [--spec FILE] [--field value ...] [--json] [--out FILE]")
        print(f"\nQUESTION is one of {names}; fimcore run QUESTION --help lists its fields.")
        return 0 if words else BAD_INPUT
    question, rest = words[0], words[1:]
    if question not in questions:
        raise BadInputError(f"fimcore run: there is no question {question!r}; choose one of {names}.")
    from fimcore.experiments import load

    description = (load(question).__doc__ or "").strip().split("\n\n")[0].replace("%", "%%")
    parser = Parser(f"fimcore run {question}", description)
    result, options = _answered(question, parser, rest, OUT_SUFFIXES)
    print(json.dumps(result.to_json(), allow_nan=False, ensure_ascii=False) if options.json else _readable(result))
    return 0


def _report(words: list[str]) -> int:
    parser = Parser(
        "fimcore report",
        "Hold one setting against every prediction for it: agrees, disagrees, or does not apply, with the reason. "
        "The exit code is 1 if a prediction that claims to apply disagrees.",
    )
    result, options = _answered("report", parser, words, (".html", *OUT_SUFFIXES))
    from fimcore.experiments.report import passes
    from fimcore.experiments.report_text import report_text

    print(json.dumps(result.to_json(), allow_nan=False, ensure_ascii=False) if options.json else report_text(result))
    return 0 if passes(result) else FAILED


def _answered(
    question: str, parser: Parser, words: list[str], suffixes: tuple[str, ...]
) -> tuple[Result, argparse.Namespace]:
    """Read the words of a question, compute its result, and write the file that is asked for."""
    from fimcore.command_flags import add_fields, settings_of
    from fimcore.experiments import load, spec_from_mapping
    from fimcore.progress_line import ProgressLine

    module = load(question)
    parser.add_argument("--spec", metavar="FILE", help="settings as JSON, or a JSON export of the page; - reads stdin")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    parser.add_argument("--out", metavar="FILE", help=f"also write a file, by suffix: {' '.join(suffixes)}")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    add_fields(parser, module.Spec)
    parser.usage = f"{parser.prog} [--spec FILE] [--field value ...] [--json] [--out FILE] [--quiet]"
    options = parser.parse_args([_with_hyphens(word) for word in words])
    out = _checked_out(options.out, suffixes)
    progress = ProgressLine(quiet=options.quiet)
    try:
        spec = spec_from_mapping(question, settings_of(options, module.Spec, question))
        result: Result = module.run(spec, progress=progress)
    # settings, budgets and data are refused with ValueError, a file that cannot be read with OSError
    except (ValueError, FileNotFoundError, IsADirectoryError, PermissionError) as fault:
        raise BadInputError(str(fault)) from fault
    finally:
        progress.close()
    if out is not None:
        try:
            _write(result, out)
        except OSError as fault:
            raise BadInputError(_not_writable(out, fault)) from fault
        print(f"written: {out}", file=sys.stderr)
    return result, options


def _write(result: Result, out: Path) -> None:
    if out.suffix == ".html":
        from fimcore.experiments.report_html import document

        out.write_text(document(result), encoding="utf-8")
    else:
        result.save(out)


def _bench(words: list[str]) -> int:
    parser = Parser("fimcore bench", "Measure this machine: matrix products, and every quantity as a multiple of them.")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    parser.add_argument("--quick", action="store_true", help="a smaller network and smaller products (5 s, not 20 s)")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    options = parser.parse_args(words)
    from fimcore.benchmark import run
    from fimcore.progress_line import ProgressLine

    progress = ProgressLine(quiet=options.quiet)
    try:
        measured = run(quick=options.quick, progress=progress)
    finally:
        progress.close()
    print(json.dumps(measured.to_json(), allow_nan=False, ensure_ascii=False) if options.json else measured.to_text())
    return 0


def _with_hyphens(word: str) -> str:
    """`--hidden_layers`, as the Spec writes it, is `--hidden-layers`."""
    flag, equals, value = word.partition("=")
    return flag.replace("_", "-") + equals + value if flag.startswith("--") else word


def _checked_out(name: str | None, suffixes: tuple[str, ...]) -> Path | None:
    """The file to write, refused before anything is computed."""
    if name is None:
        return None
    path = Path(name)
    if path.suffix not in suffixes:
        raise BadInputError(f"--out: {path.name!r} ends in {path.suffix!r}; use one of {', '.join(suffixes)}.")
    if path.is_dir() or not path.parent.is_dir():
        raise BadInputError(f"--out: {name!r} is not a file in a folder that exists.")
    try:
        if path.exists():
            with path.open("ab"):
                pass
        else:  # what access rights promise is not always so (/proc, full or read-only disks)
            with tempfile.TemporaryFile(dir=path.parent):
                pass
    except OSError as fault:
        raise BadInputError(_not_writable(path, fault)) from fault
    return path


def _not_writable(path: Path, fault: OSError) -> str:
    return f"--out: {str(path)!r} cannot be written ({fault.strerror or fault}); choose another file."


def _readable(result: Result) -> str:
    """Tables, verdicts and cost as text for a terminal."""
    parts = []
    for name, table in result.tables.items():
        text = table.head(ROWS_SHOWN).to_string(index=False, float_format=lambda number: f"{number:.4g}")
        hidden = len(table) - ROWS_SHOWN
        more = f"\n… {hidden:,} more rows (--json or --out has all)" if hidden > 0 else ""
        parts.append(f"{name}\n{text}{more}")
    if result.verdicts:
        parts.append("\n".join(verdict.sentence for verdict in result.verdicts))
    parts.append(f"{result.seconds:.2f} s · F = E_x E_y|x [score scoreᵀ], mean over inputs")
    return "\n\n".join(parts)
