"""Check built pages: links that lead nowhere, requests to other hosts, and, in Chromium, what is cut off or overflows.

    python docs/check_html.py docs/_build/html

Links are looked up in the files. Chromium, if there is one, opens every page from a server of this process, on screens
of 420, 1000 and 1400 pixels, and reports what it asked other hosts for, elements that are wider than the page without a
scroll bar, text that is cut off, and words and numbers of tables and titles that are broken.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

WIDTHS = [420, 1000, 1400]
SECONDS = 240
LOADED = {"src", "srcset", "poster", "data"}  # attributes that make a browser ask
CHROMIUM = ["chromium", "chromium-browser", "google-chrome"]


class Page(HTMLParser):
    """The anchors of a page, its links, and the hosts that it asks."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.loads = {""}, [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Note what an element names, links to and loads."""
        attrs = dict(attrs)
        self.anchors |= {attrs[name] for name in ("id", "name") if attrs.get(name)}
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        if tag == "link" and attrs.get("href") and attrs.get("rel") not in ("canonical", "author", "license"):
            self.loads.append(attrs["href"])
        self.loads += [attrs[name] for name in LOADED & attrs.keys() if attrs[name] and tag != "object"]

    handle_startendtag = handle_starttag


def pages_in(folder):
    """The pages of a folder, without the theme's templates."""
    return sorted(path for path in folder.rglob("*.html") if path.relative_to(folder).parts[0] != "_static")


def broken_links(folder):
    """What in the files of a folder leads nowhere, or asks another host."""
    pages = {path.resolve(): Page(path) for path in pages_in(folder)}
    for path, page in pages.items():
        name = path.relative_to(folder.resolve())
        for link in page.links + page.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.loads and parts.scheme != "data":
                    yield f"{name}: asks for {link}"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                yield f"{name}: no file for {link}"
            elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{name}: no anchor for {link}"
    for path in sorted(folder.rglob("*.css")):
        for url in re.findall(r"""(?:@import\s+|url\()\s*['"]?((?:https?:)?//[^'")\s]+)""", path.read_text("utf-8")):
            yield f"{path.relative_to(folder)}: asks for {url}"


def seen_by(browser, folder):
    """What a browser finds wrong, page by page."""
    names = [str(path.relative_to(folder)) for path in pages_in(folder)]
    frames = Path(__file__).with_suffix(".html").read_text(encoding="utf-8")
    for place, values in (("[/* widths */]", WIDTHS), ("[/* pages */]", names)):
        frames = frames.replace(place, json.dumps(values))
    reports, is_there = [], threading.Event()

    class Server(SimpleHTTPRequestHandler):
        def do_GET(self):
            if self.path != "/check":
                super().do_GET()
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(frames.encode())

        def do_POST(self):
            reports.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()
            is_there.set()

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Server, directory=folder))
    host = f"127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000"]
        command += [f"--user-data-dir={profile}", "--remote-debugging-port=0", f"http://{host}/check"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            if not is_there.wait(SECONDS):
                yield f"{browser} did not report within {SECONDS} s"
                return
        finally:
            process.terminate()
            process.wait()
            server.shutdown()
    (report,) = reports
    if isinstance(report, str):
        yield report
        return
    for page, found in report.items():
        yield from (f"{page}: asks {other}" for other in found["hosts"] if other != host)
        for width in WIDTHS:
            yield from (f"{page}, {width} px: {problem}" for problem in found[str(width)])


def main(folder):
    """Print what is wrong, and return how many things are."""
    found = list(broken_links(folder)) if pages_in(folder) else [f"no pages in {folder}"]
    browser = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if browser:
        found += seen_by(browser, folder)
    else:
        print("No Chromium here: nobody has looked at the pages; their links have been followed.")
    print("\n".join(found) or f"{len(pages_in(folder))} pages, nothing wrong")
    return len(found)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])) > 0)
