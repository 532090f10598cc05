"""What `import mtlkgc` gives: everything one needs every day, nothing before it is asked for."""
import subprocess
import sys

import pytest

import mtlkgc

ALL = ["load_kg", "train", "train_graph_model", "train_nbfnet", "combine", "complete", "Run", "Rankings"]
LAZY = """
import sys, mtlkgc
print([name for name in ("torch", "transformers", "pandas", "numpy", "pyarrow") if name in sys.modules])
mtlkgc.load_kg
print("pandas" in sys.modules)
"""


def test_names():
    from mtlkgc import Rankings, Run, combine, complete, load_kg, train, train_graph_model, train_nbfnet
    names = [load_kg, train, train_graph_model, train_nbfnet, combine, complete, Run, Rankings]
    assert [thing.__name__ for thing in names] == ALL == mtlkgc.__all__
    assert Run.__module__ == "mtlkgc.run" and Rankings.__module__ == "mtlkgc.rankings"


def test_it_is_lazy():
    done = subprocess.run([sys.executable, "-c", LAZY], capture_output=True, text=True)
    assert done.stdout.split("\n")[:2] == ["[]", "True"], done.stdout + done.stderr


def test_wrong_names():
    with pytest.raises(AttributeError, match="module 'mtlkgc' has no attribute 'trian'"):
        mtlkgc.trian
    with pytest.raises(ImportError, match="cannot import name 'trian'"):
        from mtlkgc import trian  # noqa: F401


def test_wrong_keywords(nations, tmp_path):
    functions = (mtlkgc.train, ()), (mtlkgc.train_graph_model, ("transe",)), (mtlkgc.train_nbfnet, ())
    for train, args in functions:
        with pytest.raises(ValueError, match="'learning_rate'; did you mean 'lr'"):
            train(nations, *args, out=tmp_path / "run", learning_rate=1)
    for train, args in functions[:2]:
        with pytest.raises(ValueError, match="'negativs'; did you mean 'negatives'"):
            train(nations, *args, out=tmp_path / "run", negativs=1)
    assert not (tmp_path / "run").exists()
