"""Knowledge-graph completion with a pre-trained language model that is trained on several tasks at once."""
__version__ = "0.1.0"
__all__ = ["load_kg", "train", "train_graph_model", "train_nbfnet", "combine", "complete", "Run", "Rankings"]


def __getattr__(name):
    "What is named in `__all__` is imported when it is asked for: PyTorch takes seconds."
    if name not in __all__:
        raise AttributeError(f"module 'mtlkgc' has no attribute {name!r}")
    from mtlkgc import benchmarks, nbfnet, use
    return getattr({"load_kg": benchmarks, "train_nbfnet": nbfnet}.get(name, use), name)
