from __future__ import annotations

import re
import sys
from pathlib import Path

from markdown_it import MarkdownIt

sys.path.insert(0, str(Path(__file__).parent))
from plans import change, hostile, model, plan, retraining, unchanged, waiting

from tenure.core.effect import Effect
from tenure.plan.action import Action
from tenure.plan.change import FieldChange
from tenure.render.markdown import LIMIT, code, escaped, plan_markdown


def test_the_summary_comes_first_and_details_fold_away():
    shown = plan_markdown(plan(retraining(), waiting(), unchanged()))
    head, details = shown.split("<details>", 1)
    assert "### Tenure plan for dev: 1 of 3 models changes, 1 waits, 1 is unchanged" in head
    assert "| `-/+` | **weather** | retrain |" in head
    assert "**Blocked** `fraud/deployment/endpoint`: approval by risk is missing" in head
    assert "`training.seed`: `(not set)` → `7` (retrain)" in details
    assert shown.count("<details>") == shown.count("</details>") == 2
    assert "Carry it out with `tenure apply weather`." in details


def test_a_plan_without_changes_is_short():
    assert len(plan_markdown(plan(unchanged())).splitlines()) < 8


def test_a_huge_plan_stays_below_the_limit_and_says_what_is_left_out():
    field = FieldChange("data.filter", "a" * 100, "b" * 100, Effect.RETRAIN)
    many = [
        model(f"model-{n}", *(change(f"model-{n}/training/model", Action.REPLACE, fields=(field,) * 5),) * 5)
        for n in range(300)
    ]
    shown = plan_markdown(plan(*many))
    assert len(shown) < LIMIT
    left_out = int(re.search(r"Details of (\d+) models do not fit", shown)[1])
    assert shown.count("<details>") + left_out == 300
    assert shown.count("<details>") == shown.count("</details>")


def test_one_model_alone_that_does_not_fit_is_left_out_whole():
    field = FieldChange("data.filter", "a" * 100, "b" * 100, Effect.RETRAIN)
    shown = plan_markdown(plan(model("m", change("m/training/model", Action.REPLACE, fields=(field,) * 500))))
    assert len(shown) < LIMIT
    assert "Details of 1 model do not fit" in shown


def test_nothing_from_a_spec_becomes_markup():
    shown = plan_markdown(plan(hostile()))
    blocks = MarkdownIt("commonmark").enable("table").parse(shown)
    tokens = [*blocks, *(child for block in blocks for child in block.children or ())]
    html = "".join(token.content for token in tokens if token.type in ("html_block", "html_inline"))
    assert html.count("<details>") == html.count("</details>") == 1
    assert not {"link_open", "image", "em_open"} & {token.type for token in tokens}
    said = "".join(token.content for token in tokens if token.type == "text")
    assert "[bold]x[/bold]" in said
    assert "@team" not in said
    assert "\x1b" not in shown


def test_text_is_escaped_where_it_would_mean_something():
    assert escaped("a_b*c") == r"a\_b\*c"
    assert escaped("1. one") == r"1\. one"
    assert escaped("- dash") == r"\- dash"
    assert escaped("<img onerror=x>") == r"&lt;img onerror=x\>"
    assert "@team" not in escaped("@team")
    assert "https://x" not in escaped("https://x.example")
    assert escaped("accuracy >= 0.65 (ok), 2013-01-31 06:00") == r"accuracy \>= 0.65 (ok), 2013-01-31 06:00"


def test_a_code_span_holds_any_backtick():
    assert code("a`b") == "``a`b``"
    assert code("``") == "``` `` ```"
