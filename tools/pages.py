"""Notebooks as Markdown: what README.md and the documentation are made of."""
import re
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import TagRemovePreprocessor


def plain(html):
    "A table without styles."
    html = re.sub(r"<style.*?</style>|\n\s*", "", html, flags=re.S)
    return re.sub(r'<table border="1" class="dataframe">', "<table>", html)


def markdown(notebook: Path, pictures="pictures"):
    """Text of a notebook with its saved outputs, and its pictures by path.

    Directives are obeyed, then left out, and so are cells that hold nothing else, and styles of tables."""
    nb = nbformat.read(notebook, 4)
    nb.metadata["language_info"] = {"name": "python"}
    nb.cells = [c for c in nb.cells if not re.search(r"^#\|\s*hide\b", c.source, re.M)]
    for cell in nb.cells:
        if cell.cell_type != "code":
            continue
        if re.search(r"^#\|\s*echo:\s*false", cell.source, re.M):
            cell.metadata["tags"] = ["no-input"]
        cell.source = re.sub(r"^#\|.*\n?", "", cell.source, flags=re.M)
        for out in cell.outputs:
            if "text/html" in out.get("data", {}):
                out.data["text/html"] = plain(out.data["text/html"])
    nb.cells = [c for c in nb.cells if c.source.strip() or c.get("outputs")]
    exporter = MarkdownExporter()
    exporter.register_preprocessor(TagRemovePreprocessor(remove_input_tags={"no-input"}), enabled=True)
    text, resources = exporter.from_notebook_node(nb, {"output_files_dir": pictures})
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n", resources["outputs"]
