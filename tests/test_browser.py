"""The widgets in JupyterLab, in a real browser: a task mix is picked, trained, stopped and continued, and rankings are explored.

Screenshots are kept if MTLKGC_SCREENSHOTS names a folder.
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
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect, sync_playwright

TOKEN = "only-for-this-test"
CELLS = [
    """from mtlkgc.widgets import TaskMixPicker
picker = TaskMixPicker("places", out="runs/lp_rp", encoder="tiny", negatives=2, epochs=150, lr=2e-3, batch_size=4, dev_triples=2)
picker""",
    """from mtlkgc.runs import rank_run
from mtlkgc.widgets import RankingExplorer
rank_run(picker.folder, progress=False)
RankingExplorer()""",
]


@pytest.fixture
def workplace(tmp_path):
    "A folder with a graph, some of whose texts try to be HTML, a tiny encoder, and a notebook."
    from mtlkgc.model import tiny_encoder
    pairs = dict(bonn="germany", lyon="france", rome="italy", turin="italy", paris="france", berlin="germany", milan="italy", nice="france", cologne="germany")
    facts = [f"{c}\tpart_of\t{k}\n{k}\thas_part\t{c}\n" for c, k in pairs.items()]
    graph = tmp_path / "places"
    graph.mkdir()
    for name, lines in dict(train=facts[:-3], dev=facts[-3:-1], test=facts[-1:]).items():
        (graph / f"{name}.tsv").write_text("".join(lines))
    (graph / "entity2text.txt").write_text("germany\t<img src=x onerror=\"document.title='broken into'\">Germany, a country\n")
    tiny_encoder(tmp_path / "tiny", [*pairs, *pairs.values(), "part of has a country"])
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS], metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    nbformat.write(nb, tmp_path / "widgets.ipynb")
    return tmp_path


@pytest.fixture
def lab(workplace, tmp_path_factory):
    "Address of a JupyterLab that knows nothing of this user's settings."
    home = tmp_path_factory.mktemp("home")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    overrides = home / "config/labconfig/default_setting_overrides.json"
    overrides.parent.mkdir(parents=True)
    overrides.write_text('{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}}')
    folders = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython"}
    log = open(home / "lab.log", "w")
    server = subprocess.Popen([sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={workplace}", f"--IdentityProvider.token={TOKEN}"], stdout=log, stderr=log, start_new_session=True,
        env={**os.environ, **{k: str(home / v) for k, v in folders.items()}})
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/api?token={TOKEN}", timeout=2)
                break
            except OSError:
                time.sleep(0.5)
        else:
            pytest.fail((home / "lab.log").read_text()[-2000:])
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


@pytest.fixture
def page():
    "A page of a headless browser; an error in its JavaScript fails the test."
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("there is no Chromium to test the widgets in")
        pytest.skip("needs Chromium, e.g. apt-get install chromium")
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        page, errors = browser.new_page(viewport={"width": 1400, "height": 1100}), []
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        yield page
        browser.close()
    assert not errors, errors


def keep(page, name):
    "A screenshot, for whoever wants to look."
    if folder := os.environ.get("MTLKGC_SCREENSHOTS"):
        Path(folder).mkdir(exist_ok=True)
        time.sleep(1)
        page.screenshot(path=f"{folder}/{name}.png")


def run_cell(page, n):
    "Run one cell and wait until the kernel has nothing to do."
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(n)
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    expect(cell.locator(".jp-InputArea-prompt")).to_have_text(re.compile(r"\[\d+\]:"))
    assert not cell.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']", has_text="Error").count(), cell.inner_text()
    return cell


def test_pick_train_stop_continue_explore(lab, page, workplace):
    page.goto(f"{lab}/lab/tree/widgets.ipynb?token={TOKEN}&reset")
    page.locator("#jp-main-statusbar").get_by_text(re.compile(r"\| Idle")).wait_for()

    cell = run_cell(page, 0)
    output = cell.locator(".jp-OutputArea")
    expect(output).to_contain_text(re.compile(r"1,350 steps.*minutes on this machine"))  # 150 epochs of 3 tasks and 3 batches
    output.get_by_label("RR: valid above invalid").uncheck()
    expect(output).to_contain_text("900 steps")
    expect(output).to_contain_text("--tasks lp+rp")
    keep(page, "picker")
    curve = output.locator("img").last
    button = lambda name: output.get_by_role("button", name=name)
    button("Train").click()
    expect(output).to_contain_text(re.compile(r"step [\d,]+ of 900"))
    expect(curve).to_have_attribute("src", re.compile("blob:"))
    first = curve.get_attribute("src")
    expect(curve).not_to_have_attribute("src", first)  # the curve moves
    keep(page, "training")
    button("Stop").click()
    expect(output).to_contain_text(re.compile(r"stopped after step [\d,]+ of 900"))
    assert list((workplace / "runs/lp_rp/checkpoints").iterdir()) and not (workplace / "runs/lp_rp/model").exists()
    button("Train").click()
    expect(output).to_contain_text("finished; rank it with", timeout=300_000)  # as long as a busy machine needs
    assert (workplace / "runs/lp_rp/model/model.safetensors").is_file()

    cell = run_cell(page, 1)
    output = cell.locator(".jp-OutputArea")
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
    expect(output.locator("table").last).to_contain_text("italy")
    cell.locator(".jp-OutputArea table").first.scroll_into_view_if_needed()
    keep(page, "explorer")
    assert "broken into" not in page.title()
