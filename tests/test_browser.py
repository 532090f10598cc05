"""The widgets in JupyterLab, in a real browser: a task mix is picked, trained, stopped and continued,
and rankings are explored.

Screenshots are kept if MTLKGC_SCREENSHOTS names a folder. The pictures that nbs/15_widgets.ipynb shows are
taken by `python tests/test_browser.py`.
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import pytest
from playwright.sync_api import expect, sync_playwright

TOKEN = "only-for-this-test"
PATIENCE = 60_000  # milliseconds that a busy machine may need for a click
CELLS = [
    """from mtlkgc.widgets import TaskMixPicker
picker = TaskMixPicker("places", out="runs/lp_rp", encoder="tiny", negatives=2,
                       epochs=150, lr=2e-3, batch_size=4, dev_triples=2)
picker""",
    """from mtlkgc.widgets import RankingExplorer
picker.run.rank(progress=False)
RankingExplorer()""",
]
NBS = Path(__file__).parents[1] / "nbs"


def write_notebook(path, cells):
    python = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    cells = [nbformat.v4.new_code_cell(c) for c in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=python), path)


def answers(address, seconds=120):
    "Whether a server answers in time."
    for _ in range(2 * seconds):
        try:
            urllib.request.urlopen(f"{address}/api?token={TOKEN}", timeout=2)
            return True
        except OSError:
            time.sleep(0.5)
    return False


@contextmanager
def jupyterlab(folder, home):
    "Address of a JupyterLab that shows a folder and knows nothing of this user's settings."
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    overrides = home / "config/labconfig/default_setting_overrides.json"
    overrides.parent.mkdir(parents=True)
    quiet = '{"fetchNews": "false", "checkForUpdates": false}'
    overrides.write_text(f'{{"@jupyterlab/apputils-extension:notification": {quiet}}}')
    folders = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime",
               "IPYTHONDIR": "ipython"}
    env = {**os.environ, **{name: str(home / where) for name, where in folders.items()}}
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    options += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}"]
    options += [f"--IdentityProvider.token={TOKEN}"]
    command = [sys.executable, "-m", "jupyterlab", *options]
    with open(home / "lab.log", "w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=env)
    address = f"http://127.0.0.1:{port}"
    try:
        if not answers(address):
            pytest.fail((home / "lab.log").read_text()[-2000:])
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def find_chromium():
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def browser_page(**viewport):
    "A page of a headless browser; an error in its JavaScript is an AssertionError."
    options = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    errors = []
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=find_chromium(), args=options)
        page = browser.new_page(viewport=viewport)
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        yield page
        browser.close()
    assert not errors, errors


def open_notebook(page, address, name):
    "Open a notebook and wait for its kernel."
    page.goto(f"{address}/lab/tree/{name}?token={TOKEN}&reset")
    page.locator("#jp-main-statusbar").get_by_text(re.compile(r"\| Idle")).wait_for()


def run_cell(page, n):
    "Run one cell; its output, as soon as the kernel has nothing to do."
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(n)
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    expect(cell.locator(".jp-InputArea-prompt")).to_have_text(re.compile(r"\[\d+\]:"))
    stderr = ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']"
    assert not cell.locator(stderr, has_text="Error").count(), cell.inner_text()
    return cell.locator(".jp-OutputArea")


def keep(page, name):
    "A screenshot, for whoever wants to look."
    if folder := os.environ.get("MTLKGC_SCREENSHOTS"):
        Path(folder).mkdir(exist_ok=True)
        time.sleep(1)
        page.screenshot(path=f"{folder}/{name}.png")


@pytest.fixture
def workplace(tmp_path):
    "A folder with a graph, some of whose texts try to be HTML, a tiny encoder, and a notebook."
    from mtlkgc.model import tiny_encoder
    pairs = dict(bonn="germany", lyon="france", rome="italy", turin="italy", paris="france",
                 berlin="germany", milan="italy", nice="france", cologne="germany")
    facts = [f"{c}\tpart_of\t{k}\n{k}\thas_part\t{c}\n" for c, k in pairs.items()]
    graph = tmp_path / "places"
    graph.mkdir()
    for name, lines in dict(train=facts[:-3], dev=facts[-3:-1], test=facts[-1:]).items():
        (graph / f"{name}.tsv").write_text("".join(lines))
    evil = "<img src=x onerror=\"document.title='broken into'\">Germany, a country"
    (graph / "entity2text.txt").write_text(f"germany\t{evil}\n")
    tiny_encoder(tmp_path / "tiny", [*pairs, *pairs.values(), "part of has a country"])
    write_notebook(tmp_path / "widgets.ipynb", CELLS)
    return tmp_path


@pytest.fixture
def lab(workplace, tmp_path_factory):
    with jupyterlab(workplace, tmp_path_factory.mktemp("home")) as address:
        yield address


@pytest.fixture
def page():
    if find_chromium() is None:
        if os.environ.get("CI"):
            pytest.fail("there is no Chromium to test the widgets in")
        pytest.skip("needs Chromium, e.g. apt-get install chromium")
    with browser_page(width=1400, height=1100) as page:
        yield page


def test_pick_train_stop_continue_explore(lab, page, workplace, monkeypatch):
    from mtlkgc import complete
    open_notebook(page, lab, "widgets.ipynb")
    output = run_cell(page, 0)
    # 150 epochs of 3 tasks and 3 batches
    expect(output).to_contain_text(re.compile(r"1,350 steps.*minutes on this machine"))
    output.get_by_label("RR: valid above invalid").uncheck()
    expect(output).to_contain_text("900 steps")
    expect(output).to_contain_text("--tasks lp+rp")
    keep(page, "picker")

    def button(name):
        return output.get_by_role("button", name=name)
    pictures = output.locator("img:visible")
    expect(pictures).to_have_count(1)  # no empty axes
    button("Train").click()
    expect(output).to_contain_text(re.compile(r"step [\d,]+ of 900"))
    expect(pictures).to_have_count(2)
    curve = pictures.last
    expect(curve).to_have_attribute("src", re.compile("blob:"))
    first = curve.get_attribute("src")
    expect(curve).not_to_have_attribute("src", first)  # the curve moves
    keep(page, "training")
    button("Stop").click()
    expect(output).to_contain_text(re.compile(r"stopped after step [\d,]+ of 900"))
    run = workplace / "runs/lp_rp"
    assert list((run / "checkpoints").iterdir()) and not (run / "model").exists()
    button("Train").click()
    expect(output).to_contain_text("finished; rank it with", timeout=5 * PATIENCE)
    assert (run / "model/model.safetensors").is_file()

    output = run_cell(page, 1)
    expect(output).to_contain_text("6 rankings")  # two triples, three sides
    expect(output.locator("table").first).to_contain_text("✓")
    output.get_by_label("looked for").select_option("head")
    expect(output).to_contain_text("2 rankings")
    output.get_by_label("search").fill("has part")
    expect(output).to_contain_text("1 ranking;")
    expect(output.locator("table").first).to_contain_text("<img src=x onerror=")  # shown as text
    output.get_by_label("head", exact=True).fill("milan")
    output.get_by_label("relation", exact=True).last.fill("part_of")
    output.get_by_role("button", name="Complete").click()
    monkeypatch.chdir(workplace)  # where the run's graph is
    best = complete(run, "milan", "part_of")["id"].iloc[0]
    first = output.locator("table").last.locator("tbody tr").first
    expect(first).to_contain_text(best)
    output.locator("table").first.scroll_into_view_if_needed()
    keep(page, "explorer")
    assert "broken into" not in page.title()


def picture_of_picker(output, file):
    "The picker when it has trained on a part of UMLS, which takes minutes."
    entities = output.get_by_label("entities")
    entities.fill("40")
    entities.press("Enter")
    expect(output).to_contain_text("--subgraph 40")
    output.get_by_role("button", name="Train").click()
    expect(output).to_contain_text("finished; rank it with", timeout=15 * PATIENCE)
    output.locator(".jp-OutputArea-output").screenshot(path=file)


def picture_of_explorer(output, file):
    "The explorer with two runs on countries."
    runs = output.get_by_label("runs")
    runs.select_option(["countries-complex", "countries-cl"])
    runs.evaluate("box => box.scrollTop = box.selectedOptions[0].offsetTop - box.offsetTop")
    output.get_by_label("search").fill("Madagascar")
    output.get_by_label("last run is").select_option("worse")
    expect(output.locator("table").first).to_contain_text("countries-cl")
    expect(output).to_contain_text("2 rankings;")
    output.locator(".jp-OutputArea-output").screenshot(path=file)


def take_pictures(folder):
    "Pictures of both widgets at work, for readers who have no kernel."
    runs = str(NBS / "experiments" / "runs")
    cells = ['from mtlkgc.widgets import TaskMixPicker\nTaskMixPicker("umls", out="runs/my_first_mix")',
             f"from mtlkgc.widgets import RankingExplorer\nRankingExplorer({runs!r}, k=6)"]
    folder.mkdir(exist_ok=True)
    with TemporaryDirectory() as work, TemporaryDirectory() as home:
        write_notebook(Path(work) / "widgets.ipynb", cells)
        with jupyterlab(work, Path(home)) as address, browser_page(width=1200, height=1600) as page:
            open_notebook(page, address, "widgets.ipynb")
            picture_of_explorer(run_cell(page, 1), folder / "ranking_explorer.png")
            picture_of_picker(run_cell(page, 0), folder / "task_mix_picker.png")


if __name__ == "__main__":
    take_pictures(NBS / "pictures")
