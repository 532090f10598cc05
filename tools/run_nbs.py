"""Run notebooks from top to bottom in fresh kernels and save their outputs; cells that nbdev_test leaves out are left as they are.

    python tools/run_nbs.py                          all of them
    python tools/run_nbs.py nbs/06_ranking.ipynb     some
    python tools/run_nbs.py --flags "slow cuda" …    with the cells of these flags
    python tools/run_nbs.py --check                  save nothing, and fail where a saved text is not what the cell prints today;
                                                     cells marked `#| volatile` (times, speeds) may print anything
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


def directives(cell):
    return set(re.findall(r"^#\|\s*(\w+)", cell.source, re.M)) | ({"no_eval"} if re.search(r"^#\|\s*eval:\s*false", cell.source, re.M) else set())


class Client(NotebookClient):
    leave_out = set()

    async def async_execute_cell(self, cell, cell_index, **kwargs):
        if cell.cell_type != "code" or directives(cell) & self.leave_out or "nbdev_export()" in cell.source:
            return cell
        return await super().async_execute_cell(cell, cell_index, **kwargs)


def said(cell):
    "What a cell printed or returned, as lines of text; tables as text, not as HTML."
    texts = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.outputs if o.get("name") != "stderr" and WIDGET not in o.get("data", {})]
    return re.sub(r"0x[0-9a-f]+|/tmp/\w+", "…", "\n".join(texts)).split("\n")


def same(a, b):
    "Whether two lines are equal but for spaces, and for decimal numbers that differ by less than a fiftieth."
    number = r"[-+]?\d+\.\d+(?:e[-+]?\d+)?"
    close = lambda x, y: abs(x - y) <= 0.02*max(abs(x), abs(y), 1)
    return re.sub(number, "#", a).split() == re.sub(number, "#", b).split() and all(map(close, *(map(float, re.findall(number, s)) for s in (a, b))))


def stale(before, after):
    "Differences between the saved outputs of a cell and today's."
    a, b = ([line for line in said(cell) if line.strip()] for cell in (before, after))
    return [] if len(a) == len(b) and all(map(same, a, b)) else list(difflib.unified_diff(a, b, "saved", "today", lineterm="", n=0))


def run(path, leave_out, check):
    "Run one notebook: its name and seconds, and what is wrong with it."
    Client.leave_out = leave_out
    saved, nb, start, wrong = nbformat.read(path, 4), nbformat.read(path, 4), time.time(), ""
    try:
        Client(nb, timeout=None, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    except CellExecutionError as e:
        return path, time.time() - start, f"{e}\n"
    for i, (old, cell) in enumerate(zip(saved.cells, nb.cells)):
        if cell.cell_type == "code":  # warnings and progress bars age badly, and widgets are dead without their kernel
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr" and WIDGET not in o.get("data", {})]
            if check and "volatile" not in directives(cell) and (diff := stale(old, cell)):
                wrong += "\n".join([f"cell {i}: {cell.source.splitlines()[0] if cell.source else ''}", *diff, ""])
    nb.metadata.pop("widgets", None)
    if not check:
        nbformat.write(nb, path)
    return path, time.time() - start, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--flags", default="")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    config, failed = get_config(), 0
    leave_out = (set(config.tst_flags.split()) - set(args.flags.split())) | {"no_eval"}
    paths = args.notebooks or [p for p in sorted(config.nbs_path.rglob("[!_.]*.ipynb")) if ".ipynb_checkpoints" not in p.parts]
    with ProcessPoolExecutor(args.workers) as pool:
        for path, seconds, wrong in pool.map(partial(run, leave_out=leave_out, check=args.check), paths):
            failed += bool(wrong)
            print(f"{'FAILED' if wrong else 'ok'} {os.path.relpath(path)} {seconds:.0f} s", wrong, sep="\n" if wrong else "", flush=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
