"""Odd inputs, a row each in the tables of `faults/`: refused in a sentence or noted, nothing left behind.

In `parameters.tsv`, RUN is a finished run with a ranking of Nations and NEW a folder that does not exist; in
`graphs.jsonl`, the contents of files are text, or text in another encoding."""
import json
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from mtlkgc.cli import main

FAULTS = Path(__file__).parent / "faults"
RUN = Path(__file__).parent / "old_runs" / "language"


def rows(file):
    return (FAULTS / file).read_text(encoding="utf-8").splitlines()


GRAPHS = [json.loads(row) for row in rows("graphs.jsonl")]
PARAMETERS = [row.split("\t") for row in rows("parameters.tsv")]


@pytest.fixture
def mtlkgc(monkeypatch, capsys):
    "The command line, in this process: exit status, standard output, standard error."
    def run(*args):
        monkeypatch.setattr(sys, "argv", ["mtlkgc", *map(str, args)])
        try:
            main()
            status = 0
        except SystemExit as e:
            status = e.code or 0
        return status, *capsys.readouterr()
    return run


def everything(folder):
    "Paths in a folder, and when they were changed."
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def a_run(tmp_path_factory):
    return shutil.copytree(RUN, tmp_path_factory.mktemp("runs") / "language")


@pytest.mark.parametrize("command, says", PARAMETERS, ids=[row[0] for row in PARAMETERS])
def test_a_parameter_is_refused(command, says, mtlkgc, a_run, tmp_path):
    before = everything(a_run)
    places = {"NEW": tmp_path / "new", "RUN": a_run}
    status, out, err = mtlkgc(*[places.get(word, word) for word in shlex.split(command)])
    assert status == 2 and err.startswith("mtlkgc: ") and says in err and out == "", (status, out, err)
    assert len(err.splitlines()) == 1, err
    assert everything(tmp_path) == {} and everything(a_run) == before


@pytest.mark.parametrize("row", GRAPHS, ids=[row["what"] for row in GRAPHS])
def test_a_graph_is_refused_or_noted(row, mtlkgc, tmp_path):
    for name, text in row["files"].items():
        encoding, text = ("utf-8", text) if isinstance(text, str) else next(iter(text.items()))
        (tmp_path / name).write_bytes(text.encode(encoding))
    status, out, err = mtlkgc("data", tmp_path)
    if row["says"].startswith(("note: ", "first triple: ")):
        assert status == 0 and any(line.startswith(row["says"]) for line in out.splitlines()), out + err
    else:
        assert status == 2 and row["says"] in err and len(err.splitlines()) == 1 and out == "", out + err
    assert (out + err).replace("\n", "").isprintable()
