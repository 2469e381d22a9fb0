"""Take docs/report.png of a report made before: `python -m docs.screenshot out/index.html`.

Needs Chromium, and Playwright of the test group. One promise is opened, its group is filtered for.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).with_name("report.png")


def take(page_of_report: Path) -> None:
    """Overwrite the picture."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=arguments
        )
        page = browser.new_page(viewport={"width": 1100, "height": 800})
        page.goto(page_of_report.resolve().as_uri())
        page.get_by_label("Search").fill("shut_")
        page.get_by_label("Group").select_option("tcp")
        page.locator('tr[data-id="tcp.half_close"] td').last.locator("summary").click()
        page.locator("h1").click()  # nothing has the focus
        page.screenshot(path=PICTURE, full_page=True)
        browser.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]))
