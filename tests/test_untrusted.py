"""What others wrote is shown, not obeyed: names in a graph, code beside a model, paths in a run."""
import io
import json
import shutil
import sys

import matplotlib
import pytest
import torch
from transformers import AutoTokenizer

from mtlkgc import Rankings, Run, train
from mtlkgc.cli import main
from mtlkgc.data import DataError
from mtlkgc.model import new_model

matplotlib.use("agg")
FORMULA = "$\\frac$"  # which matplotlib cannot draw
NAMES = ["\x1b]52;c;ZXZpbA==\x07", "a\x1b[2Jb", "user\u202etxt.exe", "null\0", "\x9b31m", "$x$", FORMULA,
         "λ✓東"]


def command_line(monkeypatch, encoding, *args):
    "Run a command in this process; its exit status, and what it wrote to a standard output of some encoding."
    out, errors = (io.TextIOWrapper(io.BytesIO(), encoding, e) for e in ("strict", "backslashreplace"))
    monkeypatch.setattr(sys, "argv", ["mtlkgc", *(str(getattr(x, "folder", x)) for x in args)])
    with monkeypatch.context() as m:
        m.setattr(sys, "stdout", out)
        m.setattr(sys, "stderr", errors)
        try:
            main()
            status = 0
        except SystemExit as e:
            status = e.code or 0
        out.flush()
        errors.flush()
    said = out.buffer.getvalue().decode(encoding if encoding != "ascii" else "utf-8")
    if status:
        said += errors.buffer.getvalue().decode(encoding)
    return status, said


@pytest.fixture(scope="module")
def evil(tmp_path_factory):
    "A ranked run on a graph with odd names, in a folder with an odd name."
    folder = tmp_path_factory.mktemp("evil")
    (folder / "graph").mkdir()
    lines = [f"{a}\t{r}\t{b}\n" for a, b in zip(NAMES, NAMES[1:]) for r in (FORMULA, "r\x1b[31m")]
    for split, some in {"train": lines[:-4], "dev": lines[-4:-2], "test": lines[-2:]}.items():
        (folder / "graph" / f"{split}.tsv").write_text("".join(some), encoding="utf-8")
    run = folder / f"a {FORMULA} \x1b[1m"
    with pytest.MonkeyPatch.context() as m:
        status, said = command_line(m, "utf-8", "train", folder / "graph", "--model", "rules", "--out", run)
        assert status == 0 and said.replace("\n", "").isprintable()
        assert command_line(m, "utf-8", "rank", run)[0] == 0
    return Run(run)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp1252"])
def test_every_command_shows_what_it_does_not_obey(evil, encoding, monkeypatch):
    for command in (
        ("data", evil.kg.source["name"]), ("rank", evil), ("metrics", evil),
        ("metrics", evil, "--by-relation"),
        ("show", evil), ("show", evil, "--side", "head"), ("train", "--help"),
        ("complete", evil, "--head", NAMES[0], "--relation", FORMULA),
    ):
        status, said = command_line(monkeypatch, encoding, *command)
        assert status == 0 and said and said.replace("\n", "").isprintable(), (command, said)
    assert r"\x1b" in command_line(monkeypatch, encoding, "data", evil.kg.source["name"])[1]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp1252"])
def test_errors_too(evil, encoding, monkeypatch):
    for command in (("rank", "\x1b[2J"), ("show", evil, "--head", "\x1b[2J"), ("data", "./\u202e")):
        status, said = command_line(monkeypatch, encoding, *command)
        assert status == 2 and said.startswith("mtlkgc: ") and said.replace("\n", "").isprintable(), said


def test_figures_take_dollars(evil, tmp_path):
    from mtlkgc import plots
    rankings = Rankings.load(evil)
    copy = Run(shutil.copytree(evil, tmp_path / "$ \x1b[1m another"))
    both = rankings, copy.rankings()
    for ax in (plots.plot_ranks(*both), plots.plot_metric_by_relation(*both), plots.plot_run_vs_run(*both),
               plots.plot_differences(*both)):
        ax.figure.savefig(io.BytesIO())
        matplotlib.pyplot.close(ax.figure)


PLANTED = """from pathlib import Path
(Path({folder!r})/"it_ran").touch()
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
class Config(BertConfig): pass  # classes of its own: Transformers marks those that it loads in this way
class Model(BertModel): config_class = Config
class Tokenizer(PreTrainedTokenizerFast): pass
"""


def plant(folder, where, tokenizer_class="PreTrainedTokenizerFast", **more):
    "Name code in every place of a saved model that Transformers can take code from."
    (folder / "planted.py").write_text(PLANTED.format(folder=str(where)))
    code = {"AutoConfig": "planted.Config", "AutoModel": "planted.Model",
            "AutoTokenizer": ["planted.Tokenizer", "planted.Tokenizer"]}
    for file in ("config.json", "tokenizer_config.json"):
        said = json.loads((folder / file).read_text())
        said |= {"auto_map": code, "attn_implementation": "planted/kernel"}
        if file == "tokenizer_config.json":
            said |= {"tokenizer_class": tokenizer_class}
        if file == "config.json":
            said |= more
            if said.get("encoder"):
                said["encoder"] |= {"auto_map": code, "attn_implementation": "planted/kernel"}
        (folder / file).write_text(json.dumps(said))


@pytest.fixture
def says_yes(monkeypatch):
    "Somebody who agrees to whatever is asked."
    monkeypatch.setattr("builtins.input", lambda *_: "y")


def test_code_beside_an_encoder_does_not_run(tiny, tmp_path, says_yes):
    known, unknown = (shutil.copytree(tiny, tmp_path / name) for name in ("known", "unknown"))
    plant(known, tmp_path)
    plant(unknown, tmp_path, "Planted", model_type="planted")
    model, _ = new_model(str(known), 3)
    assert model.encoder.config._attn_implementation in ("sdpa", "eager")
    with pytest.raises(ValueError, match="could not be loaded"):
        new_model(str(unknown), 3)
    assert not (tmp_path / "it_ran").exists()
    AutoTokenizer.from_pretrained(unknown)  # what is planted here does run where it is trusted
    assert (tmp_path / "it_ran").exists()


def test_code_beside_a_run_does_not_run(nations, tiny, tmp_path, says_yes):
    run = train(nations, "lp", tiny, tmp_path / "run", max_steps=1, evaluations=0, progress=False)
    before = run.scorer(nations.test[:2], "tail")
    plant(run.model_folder, tmp_path)
    torch.testing.assert_close(Run(run).scorer(nations.test[:2], "tail"), before)
    plant(run.model_folder, tmp_path, "Planted")
    with pytest.raises(DataError, match="could not be read"):
        Run(run).scorer
    assert not (tmp_path / "it_ran").exists()


@pytest.mark.parametrize("content", ["root:x:0:0:secret", "secret\tsecret\tsecret"])
def test_a_run_reads_no_other_graph(evil, content, tmp_path, monkeypatch):
    private = tmp_path / "private"
    private.mkdir()
    for split in ("train", "dev", "test"):
        (private / f"{split}.tsv").write_text(content)
    run = Run(shutil.copytree(evil, tmp_path / "run"))
    config = json.loads((run / "config.json").read_text())
    config["what"]["kg"]["name"] = str(private)
    (run / "config.json").write_text(json.dumps(config))
    complete = "complete", run, "--head", "a", "--relation", "r"
    for args in (("rank", run, "--sample", 1), ("show", run), complete):
        status, said = command_line(monkeypatch, "utf-8", *args)
        assert status == 2 and "secret" not in said and len(said.splitlines()) == 1, said
        assert "has changed since" in said or "is no graph any more" in said, said
