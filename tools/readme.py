"""Write README.md from nbs/index.ipynb (its saved outputs included), or check that it is up to date.

    python tools/readme.py [--check]
"""
import sys
from pathlib import Path

from pages import markdown

root = Path(__file__).parent.parent
text = "<!-- made from nbs/index.ipynb by tools/readme.py -->\n\n" + markdown(root / "nbs" / "index.ipynb")[0]
path = root / "README.md"
if "--check" in sys.argv:
    if path.read_text(encoding="utf-8") != text:
        sys.exit("README.md is older than nbs/index.ipynb; run: python tools/readme.py")
else:
    path.write_text(text, encoding="utf-8")
