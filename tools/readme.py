"""Write README.md from nbs/index.ipynb (its saved outputs included), or check that it is up to date.

    python tools/readme.py [--check]
"""
import re
import sys
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import TagRemovePreprocessor

root = Path(__file__).parent.parent
nb = nbformat.read(root / "nbs" / "index.ipynb", 4)
nb.cells = [c for c in nb.cells if not re.search(r"^#\|\s*hide\b", c.source, re.M)]
for cell in nb.cells:
    if cell.cell_type == "code" and re.search(r"^#\|\s*echo:\s*false", cell.source, re.M):
        cell.metadata["tags"] = ["no-input"]
    cell.source = re.sub(r"^#\|.*\n?", "", cell.source, flags=re.M)
exporter = MarkdownExporter()
exporter.register_preprocessor(TagRemovePreprocessor(remove_input_tags={"no-input"}), enabled=True)
text, _ = exporter.from_notebook_node(nb)
text = "<!-- made from nbs/index.ipynb by tools/readme.py -->\n\n" + re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"

path = root / "README.md"
if "--check" in sys.argv:
    if path.read_text(encoding="utf-8") != text:
        sys.exit("README.md is older than nbs/index.ipynb; run: python tools/readme.py")
else:
    path.write_text(text, encoding="utf-8")
