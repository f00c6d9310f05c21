from pathlib import Path

import pytest

from workers.engines.classic import doctor
from workers.engines.classic.tesseract import Tesseract


@pytest.fixture
def installed(monkeypatch):
    """Makes an installation with these languages."""

    def install(*languages):
        found = Tesseract("/usr/bin/tesseract", "5.3.0", {name: Path(f"/data/{name}.traineddata") for name in languages})
        monkeypatch.setattr(doctor, "find_tesseract", lambda: found if languages else None)

    return install


def test_scripts_that_are_read_and_packages_that_bring_others_are_named(installed):
    installed("ara", "fas", "osd", "eng", "deu")
    is_fine, text = doctor.other_scripts_text(None)
    assert is_fine
    read, _, lacking = text.partition("; others come with Debian's packages: ")
    assert read == "tesseract 5.3.0 reads Arabic (ara, fas)"
    assert "Hebrew tesseract-ocr-heb" in lacking
    assert "Vietnamese tesseract-ocr-vie" in lacking


def test_without_tesseract_it_says_what_will_fail(installed):
    installed()
    is_fine, text = doctor.other_scripts_text(None)
    assert not is_fine
    assert "no program tesseract" in text
    assert doctor.other_scripts_text([])[0]


def test_a_language_that_is_chosen_and_not_installed_is_named(installed):
    installed("ara", "vie")
    assert doctor.other_scripts_text(["vie", "heb"])[1].startswith("tesseract 5.3.0 reads Vietnamese (vie); not installed: heb;")
