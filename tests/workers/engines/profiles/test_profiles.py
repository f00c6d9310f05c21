"""Profiles: the shipped ones, those of one's own, what is sent by them, and what they are in recipes."""

import base64
import io
import json
from collections.abc import Iterator

import pytest
from PIL import Image

from schemas.answers import JSON_ANSWER, AnswerShape
from schemas.page import PageImage
from schemas.settings import EngineSettings, ReadSettings
from tests.servers.fake_openai import FakeOpenAI, Reply, running
from workers.engines.engine import EngineInfo, EngineStartError, Request
from workers.engines.profiles.profile import Profile, ProfileError, TaskProfile, choose_profile, parse_profile, shipped
from workers.engines.server import describe, portable
from workers.engines.server.engine import ServerEngine
from workers.reading.handing_on import gives_places
from workers.reading.questions import can_answer_json, prompt_of, question_of, says_places, settings_for

IMAGE = PageImage.from_rgb(640, 960, bytes(640 * 960 * 3))
OWN = """
name = "mine"
source = "our own notes"
[ocr]
prompt = "Read this."
form = "markdown"
"""


@pytest.fixture
def fake() -> Iterator[FakeOpenAI]:
    with running(FakeOpenAI()) as server:
        yield server


def engine_settings(fake, model, **server):
    given = {"name": "server", "model": model, "timeout_s": 60, "server": {"base_url": fake.url} | server}
    return EngineSettings.model_validate(given)


async def sent(fake, settings, task="ocr"):
    """The body of the request about IMAGE."""
    info = describe(settings)
    question = question_of(task, info, "json", IMAGE)
    engine = ServerEngine(settings)
    try:
        read = settings_for(info, task, ReadSettings())
        completion = await engine.read(
            Request("page", task, IMAGE, question.prompt, question.schema, read.max_output_tokens, question.shape, read.temperature)
        )
        assert completion.failure is None
    finally:
        await engine.close()
    return fake.requests[-1]


def picture(body):
    parts = body["messages"][-1]["content"]
    (url,) = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("AIDC-AI/Ovis2.5-9B", "ovis2.5"),
        ("ATH-MaaS/OvisOCR2", "ovisocr2"),
        ("ovisocr2-q8", "ovisocr2"),
        ("allenai/olmOCR-2-7B-1025-FP8", "olmocr"),
        ("dots-studio/dots.ocr", "dots.ocr"),
        ("deepseek-ai/DeepSeek-OCR", "deepseek-ocr"),
        ("ibm-granite/granite-docling-258M", "granite-docling"),
        ("lightonai/LightOnOCR-2-1B", "lightonocr"),
        ("Qwen/Qwen3-VL-8B-Instruct", "generic"),
        (None, "generic"),
    ],
)
def test_a_profile_is_chosen_by_the_models_name(model, name):
    assert choose_profile("auto", model).name == name


def test_every_shipped_profile_says_where_its_facts_are_from():
    assert all(profile.source for profile in shipped().values())
    assert len({profile.digest for profile in shipped().values()}) == len(shipped())


async def test_ovisocr2_is_asked_as_its_authors_say(fake):
    body = await sent(fake, engine_settings(fake, "ATH-MaaS/OvisOCR2"))
    text = body["messages"][0]["content"][1]["text"]
    assert text.startswith("\nExtract all readable content from the image in natural human reading order")
    assert '<img src="images/bbox_{left}_{top}_{right}_{bottom}.jpg" />, where left, top, right, bottom are bounding box' in text
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert body["max_tokens"] == 16_384
    assert body["temperature"] == 0
    assert "response_format" not in body
    assert picture(body).size == (640, 960)


@pytest.mark.parametrize(("model", "size"), [("allenai/olmOCR-2", (640, 960)), ("lightonai/LightOnOCR-2-1B", (640, 960))])
async def test_small_images_are_not_enlarged_without_need(fake, model, size):
    assert picture(await sent(fake, engine_settings(fake, model))).size == size


async def test_lightonocr_gets_an_image_and_no_word(fake):
    body = await sent(fake, engine_settings(fake, "lightonai/LightOnOCR-2-1B"))
    assert [part["type"] for part in body["messages"][0]["content"]] == ["image_url"]
    assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.2, 0.9, 4096)


async def test_what_a_person_has_set_is_not_the_profiles(fake):
    info = describe(engine_settings(fake, "lightonai/LightOnOCR-2-1B"))
    assert settings_for(info, "ocr", ReadSettings(temperature=0.5)).temperature == 0.5
    assert settings_for(info, "ocr", ReadSettings(max_output_tokens=999)).max_output_tokens == 999


async def test_an_image_is_sent_at_the_size_that_the_profile_allows_and_boxes_count_in_it(fake):
    lines = ['name="p"', 'source="s"', "max_side_px=480", "cell_px=28", 'system="Be exact."', "image_first=false"]
    profile = "\n".join([*lines, "[ocr]", 'prompt="Go"', 'form="layout_json"'])
    settings = engine_settings(fake, "any", profile=profile)
    body = await sent(fake, settings)
    assert picture(body).size == (308, 476)
    assert question_of("ocr", describe(settings), "json", IMAGE).shape == AnswerShape("layout_json", 308, 476)
    assert body["messages"][0] == {"role": "system", "content": "Be exact."}
    assert [part["type"] for part in body["messages"][1]["content"]] == ["text", "image_url"]


async def test_a_field_that_a_server_refuses_is_left_out_from_then_on(fake):
    fake.refuses["vllm_xargs"] = "Unrecognized request argument supplied: vllm_xargs"
    body = await sent(fake, engine_settings(fake, "deepseek-ai/DeepSeek-OCR"))
    assert "vllm_xargs" not in body
    assert body["skip_special_tokens"] is False
    assert len(fake.requests) == 2


def test_the_profiles_of_before_are_in_no_recipe_and_all_others_are():
    def options(model, profile="auto"):
        return describe(EngineSettings(name="server", model=model, server={"base_url": "http://x/v1", "profile": profile})).options

    before = {"image_format": "jpeg", "response_format": "json_schema"}
    assert options("qwen") == options("AIDC-AI/Ovis2.5-2B") == before
    assert options("ATH-MaaS/OvisOCR2")["profile"].startswith("ovisocr2 ")
    assert options("qwen", OWN)["profile"] != options("qwen", OWN.replace("Read this.", "Read it."))["profile"]
    own_of_an_old_name = 'name="generic"\nsource="s"\ntemperature=0.3\n[ocr]\n'
    assert options("qwen", own_of_an_old_name) != before


def test_a_prompts_version_follows_its_text():
    def version(text):
        return prompt_of("ocr", EngineInfo("server", profile=parse_profile(text, "p")), "json").version

    assert version(OWN).startswith("mine-markdown-")
    assert version(OWN.replace("Read this.", "Name files page_startx_starty_width_height.png")).startswith("mine-")
    assert version(OWN) != version(OWN.replace("Read this.", "Read it."))


def test_our_own_prompts_stay_what_they_were():
    for profile in (None, shipped()["generic"], shipped()["ovis2.5"]):
        info = EngineInfo("server", profile=profile)
        assert question_of("ocr", info, "json", IMAGE).shape == JSON_ANSWER
        assert question_of("ocr", info, "markdown", IMAGE).prompt.version == "ocr-markdown-1"
        assert prompt_of("chart", info, "markdown").version == "chart-1"
        assert can_answer_json(info)


def test_who_says_where_figures_are():
    says = {name: says_places(EngineInfo("server", profile=profile), "json") for name, profile in shipped().items()}
    assert says == {
        "deepseek-ocr": True, "dots.ocr": True, "generic": True, "granite-docling": True, "lightonocr": False, "olmocr": True,
        "ovis2.5": True, "ovisocr2": True,
    }  # fmt: skip
    for name, profile in shipped().items():
        assert gives_places("server", prompt_of("ocr", EngineInfo("server", profile=profile), "json").version) == says[name]
    assert not gives_places("server", prompt_of("ocr", EngineInfo("server"), "markdown").version)
    assert not can_answer_json(EngineInfo("server", tasks=("ocr",), profile=shipped()["lightonocr"]))


def test_a_file_of_ones_own_travels_as_its_text(tmp_path, fake):
    path = tmp_path / "mine.toml"
    path.write_text(OWN)
    here = engine_settings(fake, "any", profile=str(path))
    there = portable(here)
    path.unlink()
    assert describe(there).profile == parse_profile(OWN, "p")
    assert describe(there).tasks == ("ocr",)
    with pytest.raises(EngineStartError, match=r"mine\.toml cannot be read: No such file"):
        describe(here)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "is not TOML"),
        ('name="p"\nsource="s"\n', "asks for ocr, chart or both"),
        ('name="p"\nsource="s"\n[ocr]\nform="doctags"\n', "own prompt asks for json or markdown"),
        ('name="p"\nsource="s"\n[chart]\nprompt="x"\nform="markdown"\n', "charts are answered as json"),
        ('name="p"\nsource="s"\nprompts=1\n[ocr]\n', "at prompts: Extra inputs"),
        ('name="p"\nsource="s"\n[ocr]\nform="xml"\n', r"at ocr\.form"),
    ],
)
def test_a_wrong_profile_is_one_sentence(text, said):
    with pytest.raises(ProfileError, match=said):
        parse_profile(text, "p")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ProfileError, match=r"no profile `ovis9`: deepseek-ocr, dots\.ocr, generic"):
        choose_profile("ovis9", None)


def test_sizes_stay_within_what_is_allowed():
    profile = Profile(name="p", source="s", ocr=TaskProfile(), min_pixels=448**2, max_pixels=2880**2, cell_px=32)
    for size in [(10, 10), (100, 3000), (3, 9000), (5000, 7000), (9000, 40), (640, 960)]:
        width, height = profile.fitted(*size)
        assert width % 32 == height % 32 == 0
        assert width * height <= 2880**2 * 1.1
        assert min(width, height) >= 32
    assert profile.fitted(640, 960) == (640, 960)


async def test_answers_of_another_form_become_a_page(fake):
    fake.replies.append(Reply(text=json.dumps([{"bbox": [0, 0, 640, 96], "category": "Title", "text": "Dues"}])))
    from workers.answers.forms.parsing import parse_form

    settings = engine_settings(fake, "dots-studio/dots.ocr")
    shape = question_of("ocr", describe(settings), "json", IMAGE).shape
    engine = ServerEngine(settings)
    completion = await engine.read(Request("p", "ocr", IMAGE, prompt_of("ocr", describe(settings), "json"), None, 100, shape))
    await engine.close()
    (block,) = parse_form("ocr", completion.text, shape, is_complete=True).answer.blocks
    assert (block.title, block.box[1]) == ("Dues", 0)
