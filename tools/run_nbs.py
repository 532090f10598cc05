"""Run notebooks from top to bottom in a fresh kernel and save their outputs; cells that nbdev_test leaves out are left as they are.

    python tools/run_nbs.py                          all of them
    python tools/run_nbs.py nbs/06_ranking.ipynb     some
    python tools/run_nbs.py --flags "slow cuda" …    with the cells of these flags
"""
import argparse
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbdev.config import get_config


def directives(cell):
    return set(re.findall(r"^#\|\s*(\w+)", cell.source, re.M)) | ({"no_eval"} if re.search(r"^#\|\s*eval:\s*false", cell.source, re.M) else set())


class Client(NotebookClient):
    leave_out = set()

    async def async_execute_cell(self, cell, cell_index, **kwargs):
        if cell.cell_type != "code" or directives(cell) & self.leave_out or "nbdev_export()" in cell.source:
            return cell
        return await super().async_execute_cell(cell, cell_index, **kwargs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--flags", default="")
    args = parser.parse_args()
    config, failed = get_config(), 0
    Client.leave_out = (set(config.tst_flags.split()) - set(args.flags.split())) | {"no_eval"}
    for path in args.notebooks or sorted(config.nbs_path.rglob("[!_.]*.ipynb")):
        if ".ipynb_checkpoints" in path.parts:
            continue
        nb, start = nbformat.read(path, 4), time.time()
        try:
            Client(nb, timeout=None, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
        except CellExecutionError as e:
            failed += 1
            print(f"FAILED {path}, not saved\n{e}", file=sys.stderr)
            continue
        for cell in nb.cells:  # warnings and progress bars age badly
            if cell.cell_type == "code":
                cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
        nbformat.write(nb, path)
        print(f"ok {path} {time.time() - start:.0f} s", flush=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
