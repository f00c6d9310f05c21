"""infra/terraform: a closed bucket, and a role that may do what the code does and no more; and a planted mistake is found.

`terraform validate` needs the AWS provider, which comes from a registry of its own: names and references are checked here instead,
and arguments against the provider's schema, as its bindings for Python have it.
"""

import json
import re
import shutil
import subprocess
from functools import cache

import pytest

from tests.infra.checks import bucket_findings, policy_findings, provider_findings, reference_findings
from tests.infra.files import INFRA, ROOT, statements, terraform
from tests.infra.test_compose import set_

pytestmark = pytest.mark.slow

ACTIONS = {
    "get_object": "s3:GetObject",
    "head_object": "s3:GetObject",
    "download_file": "s3:GetObject",
    "put_object": "s3:PutObject",
    "delete_objects": "s3:DeleteObject",
    "delete_object": "s3:DeleteObject",
    "list_objects_v2": "s3:ListBucket",
    "list_object_versions": "s3:ListBucketVersions",
    "copy_object": "s3:PutObject",
    "receive_message": "sqs:ReceiveMessage",
    "delete_message": "sqs:DeleteMessage",
    "delete_message_batch": "sqs:DeleteMessage",
    "change_message_visibility": "sqs:ChangeMessageVisibility",
    "change_message_visibility_batch": "sqs:ChangeMessageVisibility",
    "get_queue_attributes": "sqs:GetQueueAttributes",
    "get_queue_url": "sqs:GetQueueUrl",
    "send_message": "sqs:SendMessage",
}
"""What IAM asks for, by the method of boto3."""


QUEUE = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"}
"""What a consumer of the queue needs; the code's own calls count as soon as it receives from one."""


@cache
def called_actions() -> set[str]:
    """Of every boto3 call in the packages: as a method, or by its name in a string (a paginator, a helper)."""
    code = "\n".join(path.read_text("utf-8") for package in ("pipeline", "workers") for path in (ROOT / package).rglob("*.py"))
    called = {action for method, action in ACTIONS.items() if re.search(rf"""[."']{method}["'(]""", code)}
    return called if "sqs:ReceiveMessage" in called else called | QUEUE


def test_the_role_may_do_what_the_code_does_and_no_more():
    assert policy_findings(statements(), called_actions()) == []


def test_the_calls_of_the_code_are_seen():
    assert {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"} <= called_actions()


@pytest.mark.parametrize(
    ("path", "new", "finding"),
    [
        ("WriteTheLake/actions", ["s3:GetObject", "s3:PutObject", "s3:PutObjectAcl"], "s3:PutObjectAcl is granted"),
        ("WriteTheLake/actions", ["s3:*"], "s3:* is granted"),
        ("DeleteBookkeeping", None, "s3:DeleteObject is called and not granted"),
        ("DeleteBookkeeping/resources", ["${aws_s3_bucket.this.arn}/${var.lake_prefix}/*"], "may delete in"),
        ("WriteTheLake/resources", ["${aws_s3_bucket.this.arn}/*"], "may write to"),
        ("ReadDocumentsAndWeights/resources", ["*"], "everything"),
        ("List/condition", [], "lists the whole bucket"),
    ],
)
def test_a_planted_mistake_in_the_policy_is_found(path, new, finding):
    broken = json.loads(json.dumps(statements()))
    set_(broken, path, new)
    found = policy_findings(broken, called_actions())
    assert any(finding in sentence for sentence in found), found


def test_the_listed_prefixes_are_those_that_a_run_lists():
    """An input may be one object, so `drop` is listed before `drop/`; a lake is read below `lake/` alone."""
    (condition,) = statements()["List"]["condition"]
    assert condition["test"] == "StringLike"
    for name in ("drop_prefix", "lake_prefix", "model_prefix"):
        assert {f"${{var.{name}}}", f"${{var.{name}}}/*"} <= set(condition["values"])
    assert "*" not in condition["values"]


def test_the_bucket_and_its_queue_are_closed():
    assert bucket_findings(terraform()) == []
    assert reference_findings(terraform()) == []


@pytest.mark.parametrize(
    ("path", "new", "finding"),
    [
        ("resource.aws_s3_bucket_public_access_block/this/block_public_policy", False, "may be public"),
        ("resource.aws_s3_bucket_public_access_block", {}, "may be public"),
        ("resource.aws_s3_bucket_versioning/this/versioning_configuration", [{"status": "Suspended"}], "no versions"),
        ("resource.aws_s3_bucket_server_side_encryption_configuration", None, "not encrypted"),
        ("resource.aws_s3_bucket_lifecycle_configuration/this/rule", [{"id": "x", "expiration": [{"days": 9}]}], "current objects"),
        ("resource.aws_s3_bucket_lifecycle_configuration/this/rule", [], "abort_incomplete_multipart_upload"),
        ("resource.aws_sqs_queue/events/redrive_policy", None, "no dead-letter queue"),
        ("data.aws_iam_policy_document/send/statement", [{"sid": "Send"}], "others may send"),
    ],
)
def test_a_planted_mistake_in_the_bucket_is_found(path, new, finding):
    broken = json.loads(json.dumps(terraform()))
    set_(broken, path, new)
    assert any(finding in sentence for sentence in bucket_findings(broken)), bucket_findings(broken)


@pytest.mark.parametrize(
    ("path", "new", "finding"),
    [
        ("resource.aws_s3_bucket/this/bucket", "${var.buckett}", "var.buckett is not declared"),
        ("variable/spare", {"type": "string"}, "spare is not used"),
        ("resource.aws_sqs_queue_policy/events/queue_url", "${aws_sqs_queue.event.id}", "aws_sqs_queue.event is not declared"),
        ("resource.aws_iam_policy/run/policy", "${data.aws_iam_policy_document.runs.json}", "aws_iam_policy_document.runs"),
    ],
)
def test_a_name_that_leads_nowhere_is_found(path, new, finding):
    broken = json.loads(json.dumps(terraform()))
    set_(broken, path, new)
    assert any(finding in sentence for sentence in reference_findings(broken)), reference_findings(broken)


def test_the_provider_knows_every_argument_and_has_those_it_needs():
    assert provider_findings(terraform()) == []


@pytest.mark.parametrize(
    ("path", "new", "finding"),
    [
        ("resource.aws_sqs_queue/events/recieve_wait_time_seconds", 20, "there is no recieve_wait_time_seconds"),
        ("resource.aws_s3_bucket_versioning/this/versioning_configuration", [{"state": "Enabled"}], "there is no state"),
        ("resource.aws_s3_bucket_versioning/this/versioning_configuration", [{}], "status is missing"),
        ("resource.aws_s3_bucket_notification/this/dynamic", [{"queue": {"content": [{"events": []}]}}], "queue_arn is missing"),
        ("resource.aws_s3_bucket_lifecycle_configuration/this/rule", [{"id": "x"}], "status is missing"),
        ("resource.aws_s3_bucket_lifecycle_configuration/this/rule", "x", "rule is a block"),
        ("resource.aws_iam_role/run/assume_role_policy", None, "assume_role_policy is missing"),
        ("data.aws_iam_policy_document/run/statement", [{"action": ["s3:GetObject"]}], "there is no action"),
        ("resource.aws_sqs_que", {"x": {}}, "not in aws.json"),
    ],
)
def test_what_the_provider_would_refuse_is_found(path, new, finding):
    broken = json.loads(json.dumps(terraform()))
    set_(broken, path, new)
    assert any(finding in sentence for sentence in provider_findings(broken)), provider_findings(broken)


def test_events_come_from_the_drop_folder_alone():
    notification = terraform()["resource.aws_s3_bucket_notification"]["this"]
    (queue,) = notification["dynamic"]
    assert queue["queue"]["content"][0]["filter_prefix"] == "${var.drop_prefix}/"
    rule = terraform()["resource.aws_cloudwatch_event_rule"]["created"]
    assert "${var.drop_prefix}/" in str(rule["event_pattern"])
    assert rule["count"] == "${var.eventbridge ? 1 : 0}"


def test_versions_are_pinned():
    (versions,) = [value for key, value in terraform()["terraform"].items() if key == "required_providers"]
    assert re.match(r"^~> \d+\.\d+", versions[0]["aws"]["version"])


@pytest.mark.skipif(shutil.which("terraform") is None, reason="there is no terraform on this machine")
def test_terraform_reads_and_would_not_rewrite_the_files(tmp_path):
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path), "CHECKPOINT_DISABLE": "1"}
    command = [str(shutil.which("terraform")), "fmt", "-check", "-diff"]
    assert subprocess.run([*command, str(INFRA / "terraform")], env=environment, timeout=240).returncode == 0
    (tmp_path / "broken.tf").write_text('resource "a" "b" {\n  x = \n}\n')
    assert subprocess.run([*command, str(tmp_path)], env=environment, timeout=240, capture_output=True).returncode != 0
