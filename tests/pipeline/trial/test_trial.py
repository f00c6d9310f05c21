"""One page asked of an endpoint: what is shown of it, and what doctor says of the endpoint."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.trial.endpoint import AT_ONCE, try_endpoint
from schemas.settings import Settings
from tests.servers.fake_openai import FakeOpenAI, Reply, running

EXAMPLES = Path(__file__).parents[3] / "pipeline" / "examples"
READ = "# Harbour dues\n\nDue in 2024: 1,250 EUR\n\n<img src=\"images/bbox_100_200_900_800.jpg\" />\n\n<b onclick='x'>bold</b>"


@pytest.fixture
def fake() -> Iterator[FakeOpenAI]:
    with running(FakeOpenAI(models=Reply(body={"object": "list", "data": [{"id": "OvisOCR2"}]}))) as server:
        yield server


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def command(fake, *more):
    return ["try", str(EXAMPLES / "fax.tiff"), "--engine", "server", "--model", "OvisOCR2", "--base-url", fake.url, *more]


@pytest.mark.slow
def test_request_and_answer_are_shown_side_by_side(fake, tmp_path):
    fake.replies.extend(Reply(text=READ) for _ in range(2))
    printed = CliRunner().invoke(app, command(fake))
    assert printed.exit_code == 0, printed.output
    for expected in ("profile ovisocr2, form markdown", '"enable_thinking": false', "base64,… (", "# Harbour dues", "side by side"):
        assert expected in printed.output
    page = (tmp_path / "pagefold-try.html").read_text()
    assert "default-src 'none'" in page
    assert "<b onclick" not in page
    assert "&lt;b onclick" in page
    assert '<i title="figure" style="left:10.00%;top:20.00%;width:80.00%;height:60.00%">' in page

    as_json = CliRunner().invoke(app, command(fake, "--json"))
    said = json.loads(as_json.output)
    assert said["parsed"]["blocks"][0] == {"title": "Harbour dues"}
    assert said["failure"] is None
    assert said["request"]["max_tokens"] == 16_384


@pytest.mark.slow
def test_an_answer_of_no_use_is_shown_and_ends_with_1(fake):
    fake.replies.append(Reply(text="<think>endless"))
    printed = CliRunner().invoke(app, command(fake))
    assert printed.exit_code == 1
    assert "bad_answer" in printed.output


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--page", "9"], "there is no page 9"),
        (["--task", "chart"], "OvisOCR2 is not asked about chart: only about ocr"),
        (["--task", "text"], "--task is ocr or chart"),
        (["--profile", "none.toml"], "cannot be read: No such file"),
        (["--profile", "nobody"], "There is no profile `nobody`"),
    ],
)
@pytest.mark.slow
def test_what_cannot_be_tried_is_one_sentence(fake, more, said):
    with pytest.raises(Exception, match=said):
        CliRunner().invoke(app, command(fake, *more), catch_exceptions=False, standalone_mode=False)
    assert not [request for request in fake.requests if "messages" in request]


def settings(fake, model):
    return Settings.model_validate({"engine": {"name": "server", "model": model, "server": {"base_url": fake.url}}})


def received(fake, model="OvisOCR2"):
    wanted = settings(fake, model)
    return try_endpoint(wanted, wanted.engine.of("ocr"))


@pytest.mark.slow
def test_doctor_says_how_an_endpoint_took_a_page(fake):
    fake.replies.extend(Reply(text=READ) for _ in range(1 + AT_ONCE))
    said = received(fake)
    assert said.is_read
    assert "by the profile ovisocr2" in said.sentence()
    assert f"{AT_ONCE} at once took" in said.sentence()


@pytest.mark.slow
def test_a_misread_page_and_thoughts_and_refusals_are_said(fake):
    fake.replies.extend(Reply(text="<think>hm</think>Other words") for _ in range(1 + AT_ONCE))
    said = received(fake)
    assert not said.is_read
    assert said.sentence().startswith("misread")
    assert "it thinks first" in said.sentence()
    fake.replies.append(Reply(status=404, body={"error": {"message": "no such model"}}))
    assert "engine_error" in received(fake).sentence()


@pytest.mark.slow
def test_a_schema_that_is_not_honoured_is_said(fake):
    answer = json.dumps({"languages": ["en"], "blocks": [{"paragraph": "Harbour dues 1,250"}]})
    fake.replies.extend(Reply(text=f"Sure! Here it is: {answer}") for _ in range(1 + AT_ONCE))
    assert "not JSON as asked" in received(fake, "qwen").sentence()
    fake.replies.extend(Reply(text=answer) for _ in range(1 + AT_ONCE))
    assert "; JSON as asked" in received(fake, "qwen").sentence()
