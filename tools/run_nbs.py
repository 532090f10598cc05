"""Run notebooks from top to bottom in fresh kernels and save their outputs.

    python tools/run_nbs.py                          all of them
    python tools/run_nbs.py nbs/07_ranking.ipynb     some
    python tools/run_nbs.py --flags "slow cuda" …    with the cells of these flags
    python tools/run_nbs.py --check                  save nothing, and fail where a saved text is not what the
                                                     cell prints today

Cells that nbdev_test leaves out are left as they are; those marked `#| volatile` (times, speeds) may print
anything.
"""
import argparse
import difflib
import os
import re
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbdev.config import get_config

WIDGET = "application/vnd.jupyter.widget-view+json"
NUMBER = re.compile(r"[-+]?\d+\.\d+(?:e[-+]?\d+)?")


def directives(cell):
    "Names of a cell's directives; `no_eval` for `eval: false`."
    names = set(re.findall(r"^#\|\s*(\w+)", cell.source, re.M))
    return names | {"no_eval"} if re.search(r"^#\|\s*eval:\s*false", cell.source, re.M) else names


class Client(NotebookClient):
    leave_out = set()

    async def async_execute_cell(self, cell, cell_index, **kwargs):
        if cell.cell_type != "code" or directives(cell) & self.leave_out or "nbdev_export()" in cell.source:
            return cell
        return await super().async_execute_cell(cell, cell_index, **kwargs)


def lasting(cell):
    "Outputs without warnings and progress bars, which age badly, and widgets, which need their kernel."
    kept = []
    for output in cell.outputs:
        if output.get("name") == "stderr" or WIDGET in output.get("data", {}):
            continue
        if kept and output.output_type == kept[-1].output_type == "stream":
            kept[-1].text += output.text  # what is printed may arrive in several pieces
        else:
            kept.append(output.copy())
    return kept


def said(cell):
    "What a cell printed or returned, as lines of text that are not empty; tables as text, not as HTML."
    shown = [o.get("data", {}) | {"text": o.get("text")} for o in lasting(cell)]
    texts = [x["text"] or x.get("text/markdown") or x.get("text/plain", "") for x in shown]
    lines = re.sub(r"0x[0-9a-f]+|/tmp/\w+", "…", "\n".join(texts)).split("\n")
    return [line for line in lines if line.strip()]


def close(x, y):
    return abs(x - y) <= 0.02 * max(abs(x), abs(y), 1)


def same(a, b):
    "Whether two lines are equal but for spaces, and for decimal numbers that differ by .02 or a fiftieth."
    words, other_words = (NUMBER.sub("#", line).split() for line in (a, b))
    numbers, others = (map(float, NUMBER.findall(line)) for line in (a, b))
    return words == other_words and all(map(close, numbers, others))


def stale(before, after):
    "Differences between the saved outputs of a cell and today's."
    a, b = said(before), said(after)
    exact = any("text/markdown" in o.get("data", {}) for o in after.outputs)  # of README's tables
    if a == b or not exact and len(a) == len(b) and all(map(same, a, b)):
        return []
    return list(difflib.unified_diff(a, b, "saved", "today", lineterm="", n=0))


def run(path, leave_out, check):
    "Run one notebook: its name and seconds, and what is wrong with it."
    Client.leave_out = leave_out
    saved, nb = nbformat.read(path, 4), nbformat.read(path, 4)
    start, wrong, there = time.time(), "", {"metadata": {"path": str(path.parent)}}
    try:
        Client(nb, timeout=None, kernel_name="python3", resources=there).execute()
    except CellExecutionError as e:
        return path, time.time() - start, f"{e}\n"
    for i, (old, cell) in enumerate(zip(saved.cells, nb.cells)):
        if cell.cell_type != "code":
            continue
        cell.outputs = lasting(cell)
        if check and "volatile" not in directives(cell) and (diff := stale(old, cell)):
            first = cell.source.split("\n")[0]
            wrong += "\n".join([f"cell {i}: {first}", *diff, ""])
    nb.metadata.pop("widgets", None)
    if not check:
        nbformat.write(nb, path)
    return path, time.time() - start, wrong


def main():
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--flags", default="")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    config, failed = get_config(), 0
    leave_out = (set(config.tst_flags.split()) - set(args.flags.split())) | {"no_eval"}
    everything = sorted(config.nbs_path.rglob("[!_.]*.ipynb"))
    paths = args.notebooks or [p for p in everything if ".ipynb_checkpoints" not in p.parts]
    with ProcessPoolExecutor(args.workers) as pool:
        for path, seconds, wrong in pool.map(partial(run, leave_out=leave_out, check=args.check), paths):
            failed += bool(wrong)
            print(f"{'FAILED' if wrong else 'ok'} {os.path.relpath(path)} {seconds:.0f} s", flush=True)
            if wrong:
                print(wrong, flush=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
