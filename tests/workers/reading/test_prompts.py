import hashlib

import pytest

from schemas.answers import ASKED_KINDS, ChartAnswer
from workers.reading.prompts import prompt_for

DIGESTS = {
    ("ocr", "json"): ("ocr-1", "376d73383ed6c587"),
    ("ocr", "markdown"): ("ocr-markdown-1", "4097317145d82c82"),
    ("chart", "json"): ("chart-1", "da28534c892adbbb"),
}


@pytest.mark.parametrize("asked", DIGESTS, ids=str)
def test_a_changed_prompt_has_a_new_version(asked):
    """When this fails: give the changed text a new version, then put its digest here."""
    prompt = prompt_for(*asked)

    assert (prompt.version, hashlib.sha256(prompt.text.encode()).hexdigest()[:16]) == DIGESTS[asked]


def test_the_prompts_name_every_key_of_the_answers():
    for key in ASKED_KINDS:
        assert f'"{key}"' in prompt_for("ocr").text
    for field in ChartAnswer.model_fields:
        assert field in prompt_for("chart").text


def test_a_chart_is_asked_as_json_whatever_the_transport():
    assert prompt_for("chart", "markdown") == prompt_for("chart")
