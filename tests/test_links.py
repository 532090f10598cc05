"Links and pictures of the notebooks and of README.md lead somewhere."
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = [p for p in sorted((ROOT/"nbs").rglob("[!_.]*.ipynb")) if ".ipynb_checkpoints" not in p.parts]
LINK = re.compile(r"""\]\(\s*<?([^)\s>]+)|<(?:a|img)\b[^>]*?(?:href|src)=["']([^"']+)""")


def prose(path):
    "Markdown of a page, without code: links in code are not links."
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = [c for c in json.loads(text)["cells"] if c["cell_type"] == "markdown"]
        text = "\n\n".join("".join(c["source"]) for c in cells)
    return re.sub(r"^(`{3,}).*?^\1|`[^`\n]+`", "", text, flags=re.S | re.M)


def broken(path, base):
    "Relative links of a page whose file or folder does not exist."
    targets = ["".join(m) for m in LINK.findall(prose(path))]
    files = [t.split("#")[0] for t in targets if not re.match(r"[a-z]+:|#|attachment", t)]
    return [f for f in files if not (base/f).exists()]


@pytest.mark.parametrize("path", [ROOT/"README.md", *NOTEBOOKS], ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_resolve(path):
    base = ROOT if path.stem == "index" else path.parent  # index becomes README.md, in the root
    assert broken(path, base) == []


def test_a_broken_link_is_found(tmp_path):
    page = tmp_path/"page.md"
    page.write_text("[here](page.md#part) [top](#top) [web](https://x.org/y) `f[i](x)`\n"
                    '![none](none.png) <img src="no.svg"> [a name\nof two lines](lost.ipynb#part)\n\n'
                    "```\n[code](code.md)\n```\n")
    assert broken(page, tmp_path) == ["none.png", "no.svg", "lost.ipynb"]


def test_there_are_links():
    assert len(NOTEBOOKS) > 20
    assert sum(len(LINK.findall(prose(path))) for path in NOTEBOOKS) > 50
