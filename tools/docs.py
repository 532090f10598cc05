"""Make the documentation site: the notebooks with their saved outputs, and the library's signatures.

    python tools/docs.py        writes _docs/, static files; to look at them: python -m http.server -d _docs
"""
import ast
import importlib
import inspect
import logging
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
tools = Path(__file__).parent


def formulas(text):
    "TeX as MathML, which browsers show by themselves; code is left alone."
    parts = re.split(r"(```.*?```|`[^`\n]+`)", text, flags=re.S)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"\$\$(.+?)\$\$", lambda m: convert(m[1], display="block"), parts[i], flags=re.S)
        parts[i] = re.sub(r"(?<![\w$])\$([^$\n]+)\$(?!\w)", lambda m: convert(m[1]), parts[i])
    return "".join(parts)


def links(text, notebook):
    "Notebooks become pages and pictures come along; other files and folders are looked up in the repository."
    def target(m):
        base = cfg.config_path if notebook.stem == "index" else notebook.parent
        file, hash, anchor = m[1].partition("#")
        if re.match(r"[a-z]+:|$", file) or not (base / file).exists():
            return m[0]
        there = (base / file).resolve()
        if there.suffix in (".ipynb", ".png"):
            up = "../" * len(notebook.relative_to(nbs).parents[0].parts)
            page = re.sub("ipynb$", "md", there.relative_to(nbs.resolve()).as_posix())
            return f"]({up}{page}{hash}{anchor})"
        return f"]({cfg.git_url}/tree/{cfg.branch}/{there.relative_to(cfg.config_path.resolve()).as_posix()})"
    return re.sub(r"\]\(([^)\s]+)\)", target, text)


SHOWN_AS = {"patch": [], "patch(as_prop=True)": ["@property"], "patch(cls_method=True)": ["@classmethod"]}


def head(thing):
    "A function's or class's head as it is written, comments included; of a class, its public attributes too."
    lines = textwrap.dedent(inspect.getsource(thing)).splitlines()
    node = ast.parse("\n".join(lines)).body[0]
    body = node.body[0]
    out = []
    for decorator in map(ast.unparse, node.decorator_list):
        out += SHOWN_AS.get(decorator, [f"@{decorator}"])
    out += lines[node.lineno - 1:body.lineno - 1]
    if body.lineno == node.lineno:  # all in one line, whose columns are counted in bytes
        out.append(lines[body.lineno - 1].encode()[:body.col_offset].decode().rstrip())
    for x in node.body if inspect.isclass(thing) else []:
        line = lines[x.lineno - 1]
        if isinstance(x, (ast.AnnAssign, ast.Assign)) and not line.lstrip().startswith("_"):
            out += lines[x.lineno - 1:x.end_lineno]
    return "\n".join(out)


def entry(thing, name, level):
    "Markdown of one function, method or class."
    says = inspect.cleandoc(thing.__doc__ or "")
    return f"{'#' * level} `{name}`\n\n```python\n{head(thing)}\n```\n\n{says}\n"


def methods(cls):
    "Public methods and properties of a class by name; what the library patches onto it is among them."
    found = {}
    for name, m in vars(cls).items():
        for inner in ("fget", "func", "__func__"):  # of properties, cached ones, class and static methods
            m = getattr(m, inner, m)
        public = not name.startswith("_") or name in ("__init__", "__call__")
        if public and inspect.isfunction(m) and Path(m.__code__.co_filename).parent == cfg.lib_path:
            found[name] = m
    return found


def exported(lib):
    "Functions and classes that a module exports and defines, by name."
    things = {name: getattr(lib, name) for name in lib.__all__}
    return {name: x for name, x in things.items()
            if (inspect.isclass(x) or inspect.isfunction(x)) and x.__module__ == lib.__name__}


def api(lib, libs):
    "Markdown of all that a module exports, and of what it adds to classes of others."
    out = [f"# {lib.__name__}\n\n{lib.__doc__ or ''}\n"]
    for name, thing in exported(lib).items():
        out.append(entry(thing, name, 3))
        if inspect.isclass(thing):
            out += [entry(m, f"{name}.{n}", 4) for n, m in methods(thing).items()]
    for other in [x for x in libs if x is not lib]:
        page = other.__name__.split(".")[-1] + ".md"
        for name, cls in exported(other).items():
            here = [n for n, m in methods(cls).items() if m.__module__ == lib.__name__]
            if here and inspect.isclass(cls):
                names = ", ".join(f"[{n}]({page}#{name.lower()}{n})" for n in here)
                out.append(f"This module adds methods to [{name}]({page}#{name.lower()}): {names}.\n")
    return "\n".join(out)


def write_page(notebook):
    "A notebook's page and its pictures; returns the page's path among the pages."
    where = notebook.relative_to(nbs).with_suffix(".md")
    text, pictures = markdown(notebook, f"{notebook.stem}_files")
    files = {where.name: formulas(links(text, notebook)).encode(), **pictures}
    for name, data in files.items():
        path = pages / where.parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return where


def main():
    logging.basicConfig(level=logging.WARNING, format="%(message)s")  # why a strict build ended
    shutil.rmtree(pages, ignore_errors=True)
    notebooks = [p for p in nbs.rglob("[!_.]*.ipynb") if ".ipynb_checkpoints" not in p.parts]
    nav, libs = {"Notebooks": [], "Experiments": [], "API": []}, []
    for notebook in sorted(notebooks, key=lambda p: (p.stem != "index", p)):
        where = write_page(notebook)
        if where.stem != "index":
            nav["Experiments" if where.parent.name else "Notebooks"].append(where.as_posix())
        if module := re.search(r"default_exp (\w+)", notebook.read_text(encoding="utf-8")):
            libs.append(importlib.import_module(f"{cfg.lib_name}.{module[1]}"))
    (pages / "api").mkdir()
    for lib in libs:
        nav["API"].append(f"api/{lib.__name__.split('.')[-1]}.md")
        (pages / nav["API"][-1]).write_text(api(lib, libs), encoding="utf-8")
    shutil.copy(tools / "docs.css", pages)
    shutil.copytree(nbs / "pictures", pages / "pictures")
    build(load_config(
        str(tools / "mkdocs.yml"), docs_dir=str(pages), site_dir=str(site), strict=True,
        site_url=f"{cfg.doc_host}{cfg.doc_baseurl}", repo_url=cfg.git_url,
        nav=["index.md", *({title: paths} for title, paths in nav.items())]))


if __name__ == "__main__":
    main()
