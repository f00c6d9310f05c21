"""What is sent to a cluster, and what becomes of it. The head is a fake; see tests/faults/test_cluster.py for a real one."""

import io
import json
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline import cli
from pipeline.cluster import submit
from pipeline.cluster.jobs_api import Job, JobsApi, Unreachable
from pipeline.cluster.submit import Submission, exit_code_of, follow, make_submission, send, zipped_code
from pipeline.config import all_settings, resolve
from schemas.errors import OperatorError
from schemas.settings import Settings
from tests.servers.fake_jobs import FakeHead, fake_head

pytestmark = pytest.mark.slow

IN, OUT = "s3://b/drop", "s3://b/lake"
RUNNING = {"status": "RUNNING"}
PLAIN = Submission("pagefold run a b", {}, None)


@pytest.fixture
def head() -> Iterator[FakeHead]:
    with fake_head() as head:
        yield head


@pytest.fixture
def api(head: FakeHead, monkeypatch: pytest.MonkeyPatch) -> JobsApi:
    slept: list[float] = []
    monkeypatch.setattr(submit, "time", SimpleNamespace(sleep=slept.append, monotonic=lambda: sum(slept)))
    return JobsApi(head.address)


@pytest.fixture(autouse=True)
def no_settings_of_mine(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [setting.env for setting in all_settings()] + ["RAY_API_SERVER_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"]:
        monkeypatch.delenv(name, raising=False)


def test_the_job_runs_under_the_settings_of_here(monkeypatch):
    monkeypatch.setenv("PAGEFOLD_RENDER__DPI_MAX", "200")
    assignments = ["read.tasks=ocr", "engine.model=it's a name", "ray.address=auto", "watch.quiet_s=3", "regions.enabled=false"]
    settings = resolve({"engine.name": "server", "input.limit": 3}, assignments)

    sent = make_submission(IN, OUT, settings, {}, with_code=False)

    words = shlex.split(sent.entrypoint)
    assert words[:4] == ["pagefold", "run", IN, OUT]
    assert set(words[4::2]) == {"--set"}
    assert resolve(assignments=words[5::2]) == settings.model_copy(update={"ray": Settings().ray, "watch": Settings().watch})
    assert (sent.env, sent.code) == ({}, None)


def test_secrets_are_in_the_environment_and_never_in_the_command():
    settings = resolve({}, ['input.passwords=["s3cret"]'])

    sent = make_submission(IN, OUT, settings, {"OPENAI_API_KEY": "k3y"}, with_code=False)

    assert sent.env == {"PAGEFOLD_INPUT__PASSWORDS": '["s3cret"]', "OPENAI_API_KEY": "k3y"}
    assert "s3cret" not in sent.entrypoint
    assert "k3y" not in sent.entrypoint


def test_a_url_with_a_password_travels_in_the_environment():
    url = "https://user:pw@host/v1"
    settings = resolve({"engine.server.base_url": url, "watch.queue": url, "engine.name": "server", "engine.model": "m"})

    sent = make_submission(IN, OUT, settings, {}, with_code=False)

    assert "pw" not in sent.entrypoint
    assert sent.env == {"PAGEFOLD_ENGINE__SERVER__BASE_URL": url}


def test_a_script_travels_itself_not_its_path(tmp_path):
    (tmp_path / "script.json").write_text('{"delay_s": 2.5}')
    settings = resolve({"engine.name": "scripted"}, [f"engine.scripted.script={tmp_path}/script.json"])

    words = shlex.split(make_submission(IN, OUT, settings, {}, with_code=False).entrypoint)

    assert 'engine.scripted.script={"delay_s": 2.5}' in words


@pytest.mark.parametrize("places", [("drop", OUT), (IN, "/lake")])
def test_folders_of_this_machine_are_refused(places):
    with pytest.raises(OperatorError, match="does not see"):
        make_submission(*places, Settings(), {}, with_code=False)


def test_the_code_that_is_sent_runs_where_there_is_none(tmp_path):
    with zipfile.ZipFile(io.BytesIO(zipped_code())) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "code")

    assert [name for name in names if "__pycache__" in name or "/examples/" in name or name.startswith("tests")] == []
    assert {"pipeline/graph.py", "pipeline/analytics/views.sql", "workers/engines/ovis/engine.py"} <= set(names)
    code = "import pipeline, sys; from importlib.metadata import version; print(pipeline.__file__, version('pagefold'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "code", capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(tmp_path / "code"))


def test_the_same_code_is_the_same_bytes_and_the_same_id():
    sent = [make_submission(IN, OUT, Settings(), {}, with_code=True) for _ in range(2)]

    assert sent[0].code == sent[1].code
    assert sent[0].base_id == sent[1].base_id != make_submission(IN, OUT, Settings(), {}, with_code=False).base_id


def test_a_job_is_sent_with_its_code_and_environment(api, head):
    submission_id, is_new = send(api, Submission("python -m pipeline run a b", {"KEY": "v"}, b"zip"), {"input": "a"})

    (package,) = head.packages
    assert (submission_id, is_new) == (f"{Submission('python -m pipeline run a b', {}, b'zip').base_id}-1", True)
    assert head.jobs[submission_id].body == {
        "entrypoint": "python -m pipeline run a b",
        "submission_id": submission_id,
        "runtime_env": {"env_vars": {"KEY": "v"}, "working_dir": f"gcs://{package}"},
        "metadata": {"input": "a"},
    }


def test_code_that_is_there_is_not_sent_again(api, head):
    uri = api.upload(b"zip")
    head.broken.append(("PUT", 500))

    assert api.upload(b"zip") == uri


def test_a_job_at_work_is_joined_and_one_that_has_ended_is_not_in_the_way(api, head):
    head.states = [RUNNING]
    first, _ = send(api, PLAIN, {})
    again, is_new = send(api, PLAIN, {})
    other, _ = send(api, Submission("pagefold run a c", {}, None), {})
    ended = [{"status": "FAILED", "driver_exit_code": 1}]
    head.jobs[first].states = ended
    second, _ = send(api, PLAIN, {})
    head.jobs[second].states = ended
    del head.jobs[first]  # `ray job delete`
    third, _ = send(api, PLAIN, {})

    assert (again, is_new) == (first, False)
    assert other not in (first, second, third)
    assert (second, third) == (f"{PLAIN.base_id}-2", f"{PLAIN.base_id}-3")


def test_a_lost_reply_does_not_start_it_twice(api, head):
    head.broken.append(("POST", 0))

    submission_id, _ = send(api, PLAIN, {})

    assert list(head.jobs) == [submission_id]


def test_the_log_is_shown_as_it_grows_and_in_full(api, head):
    head.states = [{"status": "PENDING"}, RUNNING | {"log": "one\n"}, RUNNING | {"log": "two\n"}]
    head.states.append({"status": "SUCCEEDED", "driver_exit_code": 0, "log": "three\n"})
    submission_id, _ = send(api, PLAIN, {})
    shown: list[str] = []

    job = follow(api, submission_id, shown.append)

    assert shown == ["one\n", "two\n", "three\n"]
    assert exit_code_of(job) == 0


def test_a_head_that_is_away_for_a_while_is_waited_for(api, head):
    head.states = [RUNNING, {"status": "SUCCEEDED", "driver_exit_code": 0}]
    submission_id, _ = send(api, PLAIN, {})
    head.broken += [("GET /api/jobs/", 503), ("/logs", 502), ("GET /api/jobs/", 0)]

    assert follow(api, submission_id, lambda text: None).status == "SUCCEEDED"


def test_a_head_that_stays_away_is_said(api, head):
    submission_id, _ = send(api, PLAIN, {})
    head.broken += [("GET", 503)] * 400

    with pytest.raises(Unreachable, match="answers 503: no"):
        follow(api, submission_id, lambda text: None)


def test_a_job_that_a_new_head_does_not_know_has_failed(api, head):
    assert follow(api, "gone", lambda text: None).message == "the cluster no longer knows of this job"


@pytest.mark.parametrize(
    ("status", "driver_exit_code", "code"),
    [("SUCCEEDED", 0, 0), ("FAILED", 1, 1), ("FAILED", 2, 2), ("FAILED", 137, 1), ("FAILED", None, 1), ("STOPPED", None, 1)],
)
def test_the_outcome_is_the_run_s(status, driver_exit_code, code):
    assert exit_code_of(Job(status=status, driver_exit_code=driver_exit_code)) == code


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (("GET", 404), r"has no Jobs API: Ray's head needs ray\[default\]"),
        (("GET", 401), "wants another token"),
        (("GET", 500), "answers 500: no"),
        (("POST", 400), r"refuses \(400\): no"),
    ],
)
def test_what_a_head_refuses_is_one_sentence(api, head, broken, sentence):
    head.broken.append(broken)
    with pytest.raises(OperatorError, match=sentence):
        send(api, PLAIN, {})
    assert head.jobs == {}


def test_no_head_is_one_sentence():
    with pytest.raises(OperatorError, match=r"No Ray cluster answers at http://127\.0\.0\.1:9"):
        send(JobsApi("http://127.0.0.1:9"), PLAIN, {})
    with pytest.raises(OperatorError, match="is none of a Ray dashboard"):
        JobsApi("head:8265")


def test_the_token_is_ray_s_own(head, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "t0ken")
    send(JobsApi(head.address), PLAIN, {})
    assert {headers["Authorization"] for headers in head.headers} == {"Bearer t0ken"}


def test_the_token_may_lie_in_a_file(head, monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    with pytest.raises(OperatorError, match="which RAY_AUTH_TOKEN_PATH names, cannot be read"):
        JobsApi(head.address)
    (tmp_path / "token").write_text("f1le\n")
    send(JobsApi(head.address), PLAIN, {})
    assert {headers["Authorization"] for headers in head.headers} == {"Bearer f1le"}


def run_cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["pagefold", "submit", IN, OUT, *args])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    out, err = capfd.readouterr()
    assert isinstance(caught.value.code, int)
    return caught.value.code, out, err


def test_the_command_follows_and_ends_as_the_run_ends(head, api, monkeypatch, capfd):
    monkeypatch.setenv("SOME_KEY", "s3cret")
    head.states = [
        RUNNING | {"log": "12:00 reading\x1b[31m\n"},
        {"status": "FAILED", "driver_exit_code": 2, "log": "pagefold: no.\n"},
    ]

    code, out, err = run_cli(monkeypatch, capfd, "--address", head.address, "--engine", "scripted", "--env", "SOME_KEY")

    (job,) = head.jobs.values()
    assert (code, out) == (2, "12:00 reading[31m\npagefold: no.\n")
    assert job.body["runtime_env"] == {"env_vars": {"SOME_KEY": "s3cret"}}
    assert "s3cret" not in out + err
    assert err.splitlines()[-1].endswith("-1: failed")


def test_the_command_need_not_wait_and_speaks_json(head, api, monkeypatch, capfd):
    head.states = [RUNNING]
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", head.address)
    code, out, _ = run_cli(monkeypatch, capfd, "--no-wait")
    assert (code, out) == (0, f"{next(iter(head.jobs))}\n")

    head.jobs[out.strip()].states = [RUNNING, {"status": "STOPPED", "message": "it was stopped", "log": "bye\n"}]
    code, told, err = run_cli(monkeypatch, capfd, "--json")
    assert (code, json.loads(told)) == (
        1,
        {"submission_id": out.strip(), "is_new": False, "status": "STOPPED", "message": "it was stopped", "exit_code": 1},
    )
    assert "bye\n" in err


def test_ctrl_c_leaves_the_job_at_work(head, api, monkeypatch, capfd):
    import os
    import signal

    head.states = [RUNNING]
    monkeypatch.setattr(submit.time, "sleep", lambda seconds: os.kill(os.getpid(), signal.SIGINT))

    code, _, err = run_cli(monkeypatch, capfd, "--address", head.address)

    assert (code, next(iter(head.jobs.values())).states) == (1, [RUNNING])
    assert "running (it goes on; the same command follows it again)" in err


@pytest.mark.parametrize(
    ("args", "sentence"),
    [([], "No cluster is named"), (["--address", "http://h", "--env", "NOT_SET_HERE"], "NOT_SET_HERE is not set here")],
)
def test_what_is_missing_is_one_sentence(monkeypatch, capfd, args, sentence):
    code, _, err = run_cli(monkeypatch, capfd, *args)
    assert code == 2
    assert sentence in err
