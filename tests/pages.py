"""Looking at report pages: as a parser sees them, and as Chromium draws them."""

from __future__ import annotations

import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

VOID = {"meta", "br", "hr", "img", "link"}
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--hide-scrollbars",
)


class Page(HTMLParser):
    """Which elements were opened and never closed, what the page would load, and its words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.loads += [
            value for name, value in attrs if name in ("src", "href") and not value.startswith("#")
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


def plots(html: str) -> list[ElementTree.Element]:
    """Every plot of a page, parsed as XML; each has a text for those who do not see it."""
    found = [ElementTree.fromstring(plot) for plot in re.findall(r"<svg.*?</svg>", html, re.DOTALL)]
    assert all(plot.get("role") == "img" and plot.get("aria-label") for plot in found)
    return found


def inside(plot: ElementTree.Element) -> bool:
    """Whether every mark lies within the plot's frame."""
    _, _, width, height = map(float, plot.get("viewBox").split())
    ends = {
        "x": width,
        "x1": width,
        "x2": width,
        "cx": width,
        "y": height,
        "y1": height,
        "y2": height,
        "cy": height,
    }
    return all(
        -1 <= float(element.get(name)) <= ends[name] + 1
        for element in plot.iter()
        for name in ends
        if element.get(name) is not None
    ) and all(
        float(element.get("x")) + float(element.get("width")) <= width + 1
        and float(element.get("height")) >= 0
        for element in plot.iter("rect")
    )


def screenshot(chromium: str, html: str, picture: Path, *, dark: bool = False, height: int = 1400) -> bytes:
    """What Chromium draws of the page, as PNG."""
    path = picture.with_suffix(".html")
    path.write_text(html, encoding="utf-8")
    form = ("--blink-settings=preferredColorScheme=0",) if dark else ()
    subprocess.run(
        [chromium, *FLAGS, *form, f"--window-size=1000,{height}", f"--screenshot={picture}", path.as_uri()],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return picture.read_bytes()
