"""Make the documentation site from the notebooks, with their saved outputs, and from the library's signatures.

    python tools/docs.py        writes _docs/, to be opened or served as it is
"""
import ast
import importlib
import inspect
import re
import shutil
import textwrap
from pathlib import Path

from latex2mathml.converter import convert
from mkdocs.commands.build import build
from mkdocs.config import load_config
from nbdev.config import get_config
from pages import markdown

cfg = get_config()
nbs, pages, site = cfg.nbs_path, cfg.config_path / "_proc" / "pages", cfg.config_path / cfg.doc_path.name


def formulas(text):
    "TeX as MathML, which browsers show by themselves; code is left alone."
    parts = re.split(r"(```.*?```|`[^`\n]+`)", text, flags=re.S)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"\$\$(.+?)\$\$", lambda m: convert(m[1], display="block"), parts[i], flags=re.S)
        parts[i] = re.sub(r"(?<![\w$])\$([^$\n]+)\$(?!\w)", lambda m: convert(m[1]), parts[i])
    return "".join(parts)


def links(text, notebook):
    "Notebooks become pages; other files and folders are looked up in the repository."
    def target(m):
        base = cfg.config_path if notebook.stem == "index" else notebook.parent
        if re.match(r"[a-z]+:|#", m[1]) or not (base / m[1]).exists():
            return m[0]
        there = (base / m[1]).resolve()
        if there.suffix == ".ipynb":
            up = "../" * len(notebook.relative_to(nbs).parents[0].parts)
            return f"]({up}{there.relative_to(nbs).with_suffix('.md').as_posix()})"
        return f"]({cfg.git_url}/tree/{cfg.branch}/{there.relative_to(cfg.config_path.resolve()).as_posix()})"
    return re.sub(r"\]\(([^)\s]+)\)", target, text)


def signature(thing, name):
    "Markdown of one function, method or class: its head as it is written, comments included, and its docstring."
    lines = textwrap.dedent(inspect.getsource(thing)).splitlines()
    body = ast.parse("\n".join(lines)).body[0].body
    head = lines[:max(body[0].lineno - 1, 1)] + [lines[x.lineno - 1] for x in body if inspect.isclass(thing) and isinstance(x, ast.AnnAssign)]
    return f"### {name}\n\n```python\n{chr(10).join(head)}\n```\n\n{thing.__doc__ or ''}\n"


def api(module):
    "Markdown of all that a module exports."
    lib = importlib.import_module(f"{cfg.lib_name}.{module}")
    out = [f"# {cfg.lib_name}.{module}\n\n{lib.__doc__ or ''}\n"]
    for name in lib.__all__:
        thing = getattr(lib, name)
        if not (inspect.isclass(thing) or inspect.isfunction(thing)) or thing.__module__ != lib.__name__:
            continue
        methods = [(n, m) for n, m in vars(thing).items() if inspect.isfunction(m) and (not n.startswith("_") or n in ("__init__", "__call__")) and m.__code__.co_filename == lib.__file__] if inspect.isclass(thing) else []
        if not any(thing is m for c in vars(lib).values() if inspect.isclass(c) for m in vars(c).values()):  # a method is shown with its class
            out += [signature(thing, name), *(signature(m, f"{name}.{n}") for n, m in methods)]
    return "\n".join(out)


def main():
    shutil.rmtree(pages, ignore_errors=True)
    nav = {"Notebooks": [], "Experiments": [], "API": []}
    for notebook in sorted(nbs.rglob("[!_.]*.ipynb"), key=lambda p: (p.stem != "index", p)):
        if ".ipynb_checkpoints" in notebook.parts:
            continue
        where = notebook.relative_to(nbs).with_suffix(".md")
        text, pictures = markdown(notebook, f"{notebook.stem}_files")
        (pages / where).parent.mkdir(parents=True, exist_ok=True)
        (pages / where).write_text(formulas(links(text, notebook)), encoding="utf-8")
        for name, data in pictures.items():
            (pages / where.parent / name).parent.mkdir(exist_ok=True)
            (pages / where.parent / name).write_bytes(data)
        if where.stem != "index":
            nav["Experiments" if where.parent.name else "Notebooks"].append(where.as_posix())
        if module := re.search(r"default_exp (\w+)", notebook.read_text(encoding="utf-8")):
            (pages / "api").mkdir(exist_ok=True)
            (pages / "api" / f"{module[1]}.md").write_text(api(module[1]), encoding="utf-8")
            nav["API"].append(f"api/{module[1]}.md")
    config = load_config(str(cfg.config_path / "tools" / "mkdocs.yml"), docs_dir=str(pages), site_dir=str(site), strict=True,
        site_url=f"{cfg.doc_host}{cfg.doc_baseurl}", repo_url=cfg.git_url, nav=["index.md", *({k: v} for k, v in nav.items())])
    build(config)


if __name__ == "__main__":
    main()
