"""A trial for a person: in the terminal, as JSON, and as one HTML page without scripts, which loads nothing from elsewhere."""

import base64
import html
import io
import json
from collections.abc import Iterator
from typing import Any

from PIL import Image
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from pipeline.trial.asking import Trial
from schemas.page import PageImage
from workers.charts.content import ChartContent
from workers.text.content import OcrContent

_SHOWN_CHARS = 2000
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem; overflow-wrap: anywhere; }
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: 1.5rem; align-items: start; }
figure { margin: 0; position: relative; border: 1px solid #8886; }
figure img { width: 100%; display: block; }
figure i { position: absolute; border: 2px solid #06c; box-sizing: border-box; }
pre { white-space: pre-wrap; border: 1px solid #8886; padding: .7rem; max-height: 40rem; overflow: auto; }
h2 { font-size: 1rem; }
p.bad { color: #c33; font-weight: 600; }
""".strip()


def as_json(trial: Trial) -> dict[str, Any]:
    """Everything but the pixels."""
    return {
        "task": trial.task,
        "engine": trial.engine.name,
        "model": trial.engine.model,
        "profile": trial.profile,
        "prompt": trial.request.prompt.text,
        "form": trial.request.shape.form,
        "request": trial.sent,
        "seconds": round(trial.seconds, 3),
        "stop_reason": trial.completion.stop_reason,
        "num_prompt_tokens": trial.completion.num_prompt_tokens,
        "num_output_tokens": trial.completion.num_output_tokens,
        "num_tries": trial.completion.num_tries,
        "answer": trial.completion.text,
        "parsed": trial.parsed and trial.parsed.answer.model_dump(exclude_none=True),
        "flags": flags_of(trial),
        "failure": trial.failure and trial.failure.model_dump(mode="json", exclude_none=True),
    }


def flags_of(trial: Trial) -> list[str]:
    found = [
        *(trial.parsed.repairs if trial.parsed else ()),
        *trial.completion.flags,
        *(trial.content.flags if trial.content else ()),
    ]
    return list(dict.fromkeys(found))


def summary(trial: Trial) -> str:
    """Who was asked how, and what it took, in a line."""
    who = " ".join(filter(None, (trial.engine.name, trial.engine.model)))
    tokens = [
        f"{count:,} tokens {way}"
        for count, way in ((trial.completion.num_prompt_tokens, "in"), (trial.completion.num_output_tokens, "out"))
        if count is not None
    ]
    asked = f"profile {trial.profile}, form {trial.request.shape.form}" if trial.profile else f"form {trial.request.shape.form}"
    return ", ".join(
        [f"{trial.task} by {who} ({asked})", f"{trial.seconds:.2f} s", *tokens, f"stop: {trial.completion.stop_reason}"]
    )


def print_trial(console: Console, trial: Trial) -> None:
    console.print(Text(summary(trial)))
    if trial.sent is not None:
        console.print(Rule("sent", align="left"))
        console.print(Text(_shown(_dumped(_without_schema(trial.sent)))))
    console.print(Rule("answered", align="left"))
    console.print(Text(_shown(trial.completion.text or "(nothing)")))
    console.print(Rule("read as", align="left"))
    if trial.failure is not None:
        console.print(Text(f"{trial.failure.kind}: {trial.failure.message}", style="bold red"))
    for line in read_as(trial):
        console.print(Text(line))
    if flags := flags_of(trial):
        console.print(Text(f"flags: {', '.join(flags)}", style="yellow"))


def read_as(trial: Trial) -> Iterator[str]:
    """What would land in the tables, in lines."""
    if isinstance(trial.content, OcrContent):
        yield _shown(trial.content.text_markdown or "(no text)")
        boxed = sum(block.bbox_px is not None for block in trial.content.blocks)
        yield f"{len(trial.content.blocks)} blocks, {boxed} of them with a place on the page"
    elif isinstance(trial.content, ChartContent):
        kind, title = trial.content.kind or "no chart", trial.content.title or "without a title"
        yield f"{kind}: {title}, {len(trial.content.points)} points"
        for point in trial.content.points[:40]:
            yield f"  {point.series or '-'}  {point.x_text or '-'}  {point.y_text or '-'}"


def trial_html(trial: Trial, page: PageImage) -> str:
    """The picture that was asked about, with the boxes of the answer, beside request and answer."""
    parts = [f"<h2>{title}</h2><pre>{html.escape(text)}</pre>" for title, text in _texts(trial)]
    failure = f'<p class="bad">{html.escape(f"{trial.failure.kind}: {trial.failure.message}")}</p>' if trial.failure else ""
    flags = f"<p>flags: {html.escape(', '.join(flags_of(trial)))}</p>" if flags_of(trial) else ""
    picture = page if isinstance(trial.content, OcrContent) else trial.request.image
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Trial of a page</title>\n<style>{_STYLE}</style>\n"
        f"</head>\n<body>\n<h1>{html.escape(summary(trial))}</h1>\n{failure}{flags}\n<main>\n"
        f'<figure><img alt="The page as it was asked about" src="{_data_url(picture)}">{"".join(_boxes(trial, picture))}</figure>\n'
        f"<div>{''.join(parts)}</div>\n</main>\n</body>\n</html>\n"
    )


def _texts(trial: Trial) -> Iterator[tuple[str, str]]:
    yield "Read as", "\n".join(read_as(trial)) or "nothing"
    yield "Answered", trial.completion.text or "nothing"
    if trial.parsed is not None:
        yield "Parsed", _dumped(trial.parsed.answer.model_dump(exclude_none=True))
    yield "Asked", trial.request.prompt.text or "without a word"
    if trial.sent is not None:
        yield "Sent", _dumped(trial.sent)


def _boxes(trial: Trial, picture: PageImage) -> Iterator[str]:
    for block in trial.content.blocks if isinstance(trial.content, OcrContent) else ():
        if block.bbox_px is not None:
            left, top, right, bottom = block.bbox_px
            place = (
                left / picture.width_px,
                top / picture.height_px,
                (right - left) / picture.width_px,
                (bottom - top) / picture.height_px,
            )
            names = zip(("left", "top", "width", "height"), place, strict=True)
            yield f'<i title="{html.escape(block.kind)}" style="{";".join(f"{name}:{share:.2%}" for name, share in names)}"></i>'


def _data_url(image: PageImage) -> str:
    pixels = Image.frombuffer("RGB", (image.width_px, image.height_px), image.rgb(), "raw", "RGB", 0, 1)
    pixels.thumbnail((1400, 1400))
    out = io.BytesIO()
    pixels.save(out, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode('ascii')}"


def _without_schema(sent: dict[str, Any]) -> dict[str, Any]:
    return sent | {"response_format": {"type": sent["response_format"]["type"], "…": "…"}} if "response_format" in sent else sent


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}… ({len(text):,} characters)"
