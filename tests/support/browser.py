"""Pages in headless Chromium: how wide they are at a width of window, and what their console says."""

from __future__ import annotations

import functools
import html
import json
import re
import shutil
import subprocess
import threading
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

# One page that shows every other in a frame of each width, and writes down what it measured.
_HARNESS = """<!doctype html><title>measure</title><pre id=found></pre><script>
const jobs = JOBS, found = [];
const told = frame => {
  const page = frame.contentDocument, root = page.documentElement, wide = [];
  if (root.scrollWidth > root.clientWidth + 1)
    for (const each of page.body.querySelectorAll("*"))
      if (each.getBoundingClientRect().right > root.clientWidth + 1 && wide.length < 5)
        wide.push(each.tagName + "." + each.className + ": " + each.textContent.trim().slice(0, 40));
  const over = [...page.querySelectorAll("pre > code")].filter(c => c.scrollWidth > c.clientWidth + 1);
  const broken = [...page.querySelectorAll("td code")].filter(
    c => /^[\\w\\/.]+$/.test(c.textContent) && c.getClientRects().length > 1);
  return {scroll: root.scrollWidth - root.clientWidth, wide,
          clipped: over.map(c => c.textContent.slice(0, 60)), broken: broken.map(c => c.textContent)};
};
(async () => {
  for (const [page, width] of jobs) {
    const frame = document.createElement("iframe");
    frame.style = `width:${width}px;height:900px;border:0`;
    await new Promise(done => { frame.onload = done; frame.src = page; document.body.append(frame); });
    await new Promise(done => setTimeout(done, 50));
    found.push({page, width, ...told(frame)});
    frame.remove();
  }
  document.getElementById("found").textContent = JSON.stringify(found);
})();
</script>"""


@contextmanager
def served(folder: Path):
    """The address of a server of ``folder``, which answers until the block ends."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=folder)
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def measure(folder: Path, pages: list[str], widths: tuple[int, ...], profile: Path):
    """(measurements, a dict for each page and width; lines of the console)."""
    harness = folder / "measure-pages.html"
    jobs = [[page, width] for page in pages for width in widths]
    harness.write_text(_HARNESS.replace("JOBS", json.dumps(jobs)))
    try:
        with served(folder) as address:
            ran = subprocess.run(
                [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                 "--enable-logging=stderr", f"--user-data-dir={profile}", "--window-size=1400,1000",
                 "--virtual-time-budget=600000", "--dump-dom", f"{address}/{harness.name}"],
                capture_output=True, text=True, timeout=300, check=False,
            )  # fmt: skip
    finally:
        harness.unlink()
    said = re.search(r'<pre id="found">(.+?)</pre>', ran.stdout, re.DOTALL)
    if said is None:
        raise RuntimeError(f"Chromium measured nothing: {ran.stderr[-2000:]}")
    console = [line for line in ran.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(html.unescape(said[1])), console
