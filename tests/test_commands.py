"""The shell takes every command that README and notebooks show."""
import json
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from mtlkgc.cli import app

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```\w*\n(.*?)^```|((?:^ {4,}\S.*\n?)+)", re.M | re.S)
STARTS = r"(?:[^&;#\n]*-m mtlkgc\.cli|(?:\w+=\S+\s+)*mtlkgc)"  # under a launcher, or after variables
COMMAND = re.compile(rf"(?:^|&&|;|\bdo\s)\s*{STARTS}\s+([^&;#\n]+)", re.M)


def texts(path):
    "Prose of a notebook or a Markdown file."
    if path.suffix == ".md":
        return [path.read_text(encoding="utf-8")]
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


def commands():
    "A file and arguments, for each command in a block of code; a line may go on after a backslash."
    found = []
    for path in [ROOT / "README.md", *sorted((ROOT / "nbs").rglob("*.ipynb"))]:
        for text in texts(path):
            for block in map("".join, BLOCK.findall(text)):
                for arguments in COMMAND.findall(block.replace("\\\n", " ")):
                    found.append((path.relative_to(ROOT).as_posix(), arguments.strip()))
    return found


def test_there_are_commands():
    assert len(commands()) > 30 and {"README.md", "nbs/16_bench.ipynb"} <= {path for path, _ in commands()}


@pytest.mark.parametrize("path, arguments", commands())
def test_it_is_taken(path, arguments):
    name, *rest = shlex.split(arguments)
    get_command(app).commands[name].make_context(name, rest)  # raises for what it does not know
