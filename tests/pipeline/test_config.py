"""Flags over environment over TOML over defaults, and a typo stops everything."""

import json
from pathlib import Path

import pytest

from pipeline.config import all_settings, changed, dump, resolve
from schemas.errors import OperatorError
from schemas.settings import Settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for setting in all_settings():
        monkeypatch.delenv(setting.env, raising=False)


def test_without_anything_all_settings_have_their_defaults():
    assert resolve() == Settings()


def test_flags_win_over_environment_over_toml_over_defaults(monkeypatch, tmp_path):
    # given one setting per number of layers that name it
    (tmp_path / "pagefold.toml").write_text("[render]\ndpi_max = 150\ndpi_min = 72\ncell_px = 16\n")
    monkeypatch.setenv("PAGEFOLD_RENDER__DPI_MAX", "160")
    monkeypatch.setenv("PAGEFOLD_RENDER__DPI_MIN", "80")
    # when
    render = resolve(flags={"render.dpi_max": 170}).render
    # then
    assert (render.dpi_max, render.dpi_min, render.cell_px, render.max_pages) == (170, 80, 16, 5000)


def test_a_flag_that_was_not_given_overrides_nothing(monkeypatch):
    monkeypatch.setenv("PAGEFOLD_ENGINE__NAME", "scripted")
    assert resolve(flags={"engine.name": None}).engine.name == "scripted"


def test_the_last_assignment_wins():
    assert resolve(flags={"render.dpi_max": 100}, assignments=["render.dpi_max=200", "render.dpi_max=210"]).render.dpi_max == 210


def test_deep_settings_are_reached(monkeypatch):
    monkeypatch.setenv("PAGEFOLD_ENGINE__SERVER__BASE_URL", "http://a/v1")
    settings = resolve(assignments=["engine.ovis.max_batch=3", "engine.max_actors=2"])
    assert (settings.engine.server.base_url, settings.engine.ovis.max_batch, settings.engine.max_actors) == ("http://a/v1", 3, 2)


@pytest.mark.parametrize("text", ['["ocr"]', "ocr", " ocr ,"])
def test_lists_are_json_or_commas_in_an_assignment(text):
    assert resolve(assignments=[f"read.tasks={text}"]).read.tasks == ["ocr"]


@pytest.mark.parametrize(("text", "expected"), [("[]", []), ("ara,hin", ["ara", "hin"]), ('["vie"]', ["vie"]), ("null", None)])
def test_a_list_that_may_be_unset_is_a_list(text, expected):
    settings = resolve(assignments=[f"engine.classic.tesseract_languages={text}"])
    assert settings.engine.of("ocr").classic.tesseract_languages == expected


@pytest.mark.parametrize("text", ['["chart", "ocr"]', "chart,ocr"])
def test_lists_in_the_environment_are_json_or_commas(monkeypatch, text):
    monkeypatch.setenv("PAGEFOLD_READ__TASKS", text)
    assert resolve().read.tasks == ["chart", "ocr"]


def test_a_broken_list_in_the_environment_is_one_sentence(monkeypatch):
    monkeypatch.setenv("PAGEFOLD_READ__TASKS", "[chart")
    with pytest.raises(OperatorError, match=r"^read\.tasks wants a list, as JSON or as `a,b`\.$"):
        resolve()


def test_null_in_the_environment_unsets_a_setting_and_case_does_not_count(monkeypatch, tmp_path):
    (tmp_path / "pagefold.toml").write_text("[input]\nlimit = 3\n[render]\ndpi_min = 100\n")
    monkeypatch.setenv("pagefold_input__limit", "null")
    settings = resolve()
    assert (settings.input.limit, settings.render.dpi_min) == (None, 100)


@pytest.mark.parametrize(
    ("text", "passwords"),
    [
        ("x", ["x"]),
        ("one, of two", ["one, of two"]),
        ("[sesame", ["[sesame"]),
        ("1234", ["1234"]),
        ("null", ["null"]),
        ('{"a": 1}', ['{"a": 1}']),
        ('["a", "b,c"]', ["a", "b,c"]),
        ("", []),
    ],
)
def test_a_password_in_the_environment_or_in_an_assignment_is_one_unless_it_is_a_json_list(monkeypatch, text, passwords):
    assigned = resolve(assignments=[f"input.passwords={text}"])
    monkeypatch.setenv("PAGEFOLD_INPUT__PASSWORDS", text)
    for settings in (assigned, resolve()):
        assert [password.get_secret_value() for password in settings.input.passwords] == passwords


@pytest.mark.parametrize(("pages", "said"), [("0-3", "count from 1"), ("0", "count from 1"), ("2,5-3", "5-3 ends before")])
def test_a_page_range_that_is_none_is_refused_in_a_sentence(pages, said):
    with pytest.raises(OperatorError, match=f"^input.pages: .*{said}"):
        resolve(flags={"input.pages": pages})


@pytest.mark.parametrize("pages", ["1", "1-3,7,10-", "3-3", "9-,1"])
def test_a_page_range_counts_from_1(pages):
    assert resolve(flags={"input.pages": pages}).input.pages == pages


def test_null_unsets_a_setting(tmp_path):
    (tmp_path / "pagefold.toml").write_text("[input]\nlimit = 3\n")
    assert resolve().input.limit == 3
    assert resolve(assignments=["input.limit=null"]).input.limit is None


@pytest.mark.parametrize(
    ("kwargs", "sentence"),
    [
        ({"assignments": ["render.dpimax=3"]}, r"unknown setting 'render.dpimax'; did you mean render.dpi_max\?"),
        ({"assignments": ["dpi_max=3"]}, r"did you mean render.dpi_max\?"),
        ({"assignments": ["zzz=3"]}, "unknown setting 'zzz'; `pagefold plan IN OUT --json`"),
        ({"assignments": ["render.dpi_max"]}, "NAME=VALUE"),
        ({"assignments": ["render.dpi_max=many"]}, "^render.dpi_max: input should be a valid integer"),
        ({"assignments": ["render.dpi_max=6000"]}, "^render.dpi_max: input should be less than or equal to 600"),
        ({"assignments": ["engine.max_actors=1", "engine.min_actors=2"]}, "^engine: max_actors is below min_actors"),
        ({"assignments": ["price.currency=euro"]}, "^price.currency: 'euro' is no code of three capital letters, such as EUR"),
        (
            {"assignments": ["input.marker=done/_SUCCESS"]},
            "^input.marker: 'done/_SUCCESS' is no name of a file",
        ),
        ({"assignments": ["input.marker="]}, "^input.marker: '' is no name"),
        ({"assignments": ["read.tasks=[ocr"]}, "read.tasks wants a list"),
        ({"file": Path("missing.toml")}, "there is no settings file missing.toml"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_setting(kwargs, sentence):
    with pytest.raises(OperatorError, match=sentence) as caught:
        resolve(**kwargs)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["PAGEFOLD_RENDER_DPI_MAX", "PAGEFOLD_RENDER__DPIMAX", "pagefold_render__dpi_maxx"])
def test_a_typo_in_the_environment_names_the_near_match(monkeypatch, name):
    monkeypatch.setenv(name, "3")
    with pytest.raises(OperatorError, match=f"environment variable {name}; did you mean PAGEFOLD_RENDER__DPI_MAX"):
        resolve()


@pytest.mark.parametrize("service", ["PAGEFOLD", "PAGEFOLD_ENDPOINT", "PAGEFOLD_X7K2P_HEAD_SVC"])
def test_what_kubernetes_sets_for_a_service_whose_name_begins_as_ours_is_left_alone(monkeypatch, service):
    for name, text in {
        "SERVICE_HOST": "10.0.0.1",
        "SERVICE_PORT": "80",
        "SERVICE_PORT_HTTP": "80",
        "PORT": "tcp://10.0.0.1:80",
        "PORT_80_TCP": "tcp://10.0.0.1:80",
        "PORT_80_TCP_PROTO": "tcp",
        "PORT_80_TCP_PORT": "80",
        "PORT_80_TCP_ADDR": "10.0.0.1",
    }.items():
        monkeypatch.setenv(f"{service}_{name}", text)
    assert resolve() == Settings()


def test_a_mistyped_port_is_none_of_kubernetes(monkeypatch):
    monkeypatch.setenv("PAGEFOLD_METRICS_PORT", "9464")
    with pytest.raises(OperatorError, match="did you mean PAGEFOLD_METRICS__PORT"):
        resolve()


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ("[render]\ndpimax = 3\n", "unknown setting 'render.dpimax' in .*pagefold.toml; did you mean render.dpi_max"),
        ("[rendr]\ndpi_max = 3\n", "did you mean render.dpi_max"),
        ("[render\n", "cannot be read"),
        ("[render]\ndpi_max = 'x'\n", "^render.dpi_max: "),
    ],
)
def test_a_mistake_in_the_file_is_told_apart(tmp_path, toml, sentence):
    (tmp_path / "pagefold.toml").write_text(toml)
    with pytest.raises(OperatorError, match=sentence):
        resolve()


def test_a_named_file_replaces_the_one_in_the_directory(tmp_path):
    (tmp_path / "pagefold.toml").write_text("[render]\ndpi_max = 150\n")
    (tmp_path / "other.toml").write_text("[render]\ndpi_min = 100\n")
    render = resolve(file=tmp_path / "other.toml").render
    assert (render.dpi_min, render.dpi_max) == (100, 300)


def test_secrets_are_in_no_dump_and_in_no_error(monkeypatch):
    monkeypatch.setenv("PAGEFOLD_INPUT__PASSWORDS", '["sesame"]')
    settings = resolve()
    assert settings.input.passwords[0].get_secret_value() == "sesame"
    assert "sesame" not in json.dumps(dump(settings)) + repr(settings) + json.dumps(changed(settings))
    monkeypatch.setenv("PAGEFOLD_INPUT__PASSWORDS", '[{"sesame": 1}]')
    with pytest.raises(OperatorError) as caught:
        resolve()
    assert "sesame" not in str(caught.value)


def test_a_password_in_a_url_is_in_no_dump_and_the_engine_has_it():
    import pickle

    url = "http://user:sesame@host/v1?key=sesame"
    settings = resolve(assignments=[f"engine.server.base_url={url}", f"watch.queue={url}", f"ray.address={url}"])
    assert "sesame" not in json.dumps(dump(settings)) + repr(settings) + json.dumps(changed(settings)) + settings.model_dump_json()
    assert pickle.loads(pickle.dumps(settings.engine)).server.base_url == url
    with pytest.raises(OperatorError) as caught:
        resolve(assignments=[f"engine.server.base_url {url.replace('=', '')}"])
    assert "sesame@" not in str(caught.value)


def test_changed_names_only_what_is_not_at_its_default():
    assert changed(resolve(assignments=["render.dpi_max=200", "read.tasks=ocr", "render.dpi_min=96"])) == {
        "render.dpi_max": 200,
        "read.tasks": ["ocr"],
    }


def test_resolved_settings_are_plain_settings_that_travel():
    import pickle

    settings = resolve(assignments=["render.dpi_max=200"])
    assert type(settings) is Settings
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_every_setting_has_a_description():
    assert [setting.name for setting in all_settings() if not setting.info.description] == []
