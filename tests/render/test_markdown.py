from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

sys.path.insert(0, str(Path(__file__).parent))
from plans import change, hostile, model, plan, retraining, unchanged, waiting

from tenure.core.effect import Effect
from tenure.plan.action import Action
from tenure.plan.change import Cause, FieldChange, Plan
from tenure.plan.view import Blocker, Condition
from tenure.render.markdown import LIMIT, plan_markdown
from tenure.render.markup import code, escaped


def test_the_summary_comes_first_and_details_fold_away():
    shown = plan_markdown(plan(retraining(), waiting(), unchanged()))
    head, details = shown.split("<details>", 1)
    assert "### Tenure plan for dev: 1 of 3 models changes, 1 waits, 1 is unchanged" in head
    assert "| `-/+` | **weather** | retrain |" in head
    assert "**Blocked** `fraud/deployment/endpoint`: approval by risk is missing" in head
    assert "`training.seed`: `(not set)` → `7` (retrain)" in details
    assert shown.count("<details>") == shown.count("</details>") == 2
    assert "Carry it out with `tenure apply weather`." in details
    elsewhere = plan_markdown(plan(retraining()), where=("--env", "prod"))
    assert "Carry it out with `tenure apply --env prod`." in elsewhere


def test_a_plan_without_changes_is_short():
    assert len(plan_markdown(plan(unchanged())).splitlines()) < 8


def fleet(number: int) -> Plan:
    """That many models that retrain, each with a few edited fields; every third waits for a person."""
    field = FieldChange("data.filter", "a" * 100, "b" * 100, Effect.RETRAIN)
    waits = Blocker(
        "approval", "approval by risk is missing", 'tenure approve m@4 --role risk --reason "..."'
    )
    return plan(
        *(
            model(
                f"model-{n}",
                *(
                    change(
                        f"model-{n}/training/model",
                        Action.REPLACE,
                        effect=Effect.RETRAIN,
                        fields=(field,) * 5,
                    ),
                )
                * 5,
                change(
                    f"model-{n}/deployment/endpoint", Action.BLOCKED, blockers=(waits,) if n % 3 == 0 else ()
                ),
            )
            for n in range(number)
        )
    )


@pytest.mark.parametrize("number", [30, 300, 3_000])
def test_a_huge_plan_stays_below_the_limit_and_says_what_is_left_out(number):
    shown = plan_markdown(fleet(number))
    assert LIMIT * 0.5 < len(shown) < LIMIT or number < 300
    left_out = re.search(r"Details of ([\d,]+) models do not fit", shown)
    told = len(re.findall(r"<summary><b>", shown))
    assert told + int(left_out[1].replace(",", "") if left_out else 0) == number
    assert shown.count("<details>") == shown.count("</details>")


@pytest.mark.parametrize("number", [30, 300, 3_000])
def test_one_screen_comes_first(number):
    screen = plan_markdown(fleet(number)).split("<details>")[0].strip().splitlines()
    assert len(screen) <= 30
    assert f"**{number:,}**" in screen[1] or f" {number:,} " in screen[1] or f" {number} " in screen[1]
    assert f"and {number - 12:,} more model" in "\n".join(screen)
    assert screen[-1].startswith("- and "), "what waits is counted"


def test_all_of_300_models_are_named():
    shown = plan_markdown(fleet(300))
    named = set(re.findall(r"model-\d+", shown))
    assert len(named) == 300
    assert "do not fit here | | | |" not in shown


def test_the_costliest_change_comes_first():
    cheap = model("cheap", change("cheap/monitoring/monitor", Action.UPDATE, effect=Effect.OPERATE))
    dear = model("dear", change("dear/training/model", Action.REPLACE, effect=Effect.BREAKING))
    rows = [row for row in plan_markdown(plan(cheap, dear)).splitlines() if row.startswith("| `")]
    assert ["dear" in row for row in rows] == [True, False]


def test_a_comment_is_found_again_by_its_first_line():
    first = plan_markdown(plan(retraining(), environment="prod_eu")).splitlines()[0]
    assert first == "<!-- tenure plan: prod_eu -->"
    assert plan_markdown(plan(retraining(), environment="a--><b>")).splitlines()[0].count("-->") == 1


def test_one_model_alone_that_does_not_fit_is_left_out_whole():
    field = FieldChange("data.filter", "a" * 100, "b" * 100, Effect.RETRAIN)
    shown = plan_markdown(plan(model("m", change("m/training/model", Action.REPLACE, fields=(field,) * 500))))
    assert len(shown) < LIMIT
    assert "Details of 1 model do not fit" in shown


HOSTILE_TEXTS = [
    "</details></table><img src=x onerror=alert(1)>",
    "<!-- ",
    "--> <script>",
    "`|` | a | b |",
    "```\nfence\n```",
    "````` many",
    "\n\n# heading\n\n/close\n/assign @me",
    "/merge",
    "@org/team and @someone, mail a@b.example",
    '#1 GH-1 gh-2 !3 %4 ~5 &6 ^7 $8 ~"a label" owner/repo#9',
    "https://evil.example www.evil.example [x](https://evil.example) ![y](//evil.example/z.png)",
    "*a* _b_ ~~c~~ **d** $`e`$ $$f$$",
    "\u202eright to left\u2066",
    "\x1b]0;title\x07",
    "x" * 100_000,
    "<" * 100_000,
    "`" * 100_000,
    "😀" * 40_000,
    "- [ ] task",
    "1. one",
    "> quote",
    "    code",
    "\\",
    "| --- |",
    "\ud800",
]


def everywhere(text: str) -> Plan:
    """A plan that holds the text in every place where a spec or a data set can put one."""
    return plan(
        model(
            "evil",
            change(
                "evil/training/model",
                Action.REPLACE,
                sentence=text,
                effect=Effect.RETRAIN,
                fields=(FieldChange(text, text, {text: [text, text]}, Effect.RETRAIN),),
                conditions=(Condition("gate", text), Condition("approval", text)),
                blockers=(Blocker("gate", text, text),),
                causes=(Cause("c", "k", "retrain", "propose", text, {text: text}),),
                notes=(text,),
            ),
            change(
                "evil/deployment/endpoint",
                Action.UPDATE,
                before={"a": text},
                after={"a": text + "2", text: 1},
            ),
            file=text,
            notes=(text,),
            lifecycle=text,
        ),
        notes=(text,) * 50,
        unmanaged=(text,),
    )


@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=lambda text: repr(text[:12]))
def test_nothing_from_a_spec_becomes_markup(text):
    shown = plan_markdown(everywhere(text))
    assert len(shown.encode("utf-16-le", "surrogatepass")) // 2 < LIMIT
    assert "Details of" not in shown, "long texts are clipped, so that there is room for the model"
    assert not re.search(r"^/", shown, re.MULTILINE), "a line that begins with / is a command on GitLab"
    blocks = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(shown)
    tokens = [*blocks, *(child for block in blocks for child in block.children or ())]
    html = "".join(token.content for token in tokens if token.type in ("html_block", "html_inline"))
    elements = re.findall(r"<(/?[a-z!-]+)", html)
    assert sorted(elements) == sorted(
        ["!--", "details", "/details", "summary", "/summary", "b", "/b", "sub", "/sub"]
    )
    kinds = {token.type for token in tokens}
    assert not {"link_open", "image", "em_open", "s_open", "fence", "code_block", "hr"} & kinds
    assert sum(token.type == "tr_open" for token in tokens) == 2
    assert sum(token.type == "td_open" for token in tokens) == 5
    assert sum(token.type == "heading_open" for token in tokens) == 1
    said = "\n".join(token.content for token in tokens if token.type == "text")
    assert not re.search(r"@\w|[#!%~^$]\w|GH-\d|https?://\w|www\.", said), (
        "nobody is pinged, nothing is linked"
    )


def test_the_hostile_plan_of_the_other_views():
    shown = plan_markdown(plan(hostile()))
    assert "@team" not in shown.replace("`", "").split("<sub>")[1]
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
