"""Queues on the moto server of `tests.servers.s3`, with a dead-letter queue each, and a bucket's events into them."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import boto3

from workers.sources.s3 import make_client


@dataclass(frozen=True)
class MadeQueue:
    client: Any
    url: str
    arn: str
    dead_url: str

    def send(self, body: str) -> None:
        self.client.send_message(QueueUrl=self.url, MessageBody=body)

    def num(self, *, hidden: bool = False, dead: bool = False) -> int:
        name = "ApproximateNumberOfMessages" + ("NotVisible" if hidden else "")
        url = self.dead_url if dead else self.url
        return int(self.client.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])


def make_queue(endpoint: str, max_receives: int = 5) -> MadeQueue:
    client = boto3.client("sqs", endpoint_url=endpoint)
    name = f"queue-{uuid4().hex[:8]}"
    dead_url = client.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    policy = json.dumps({"deadLetterTargetArn": _arn(client, dead_url), "maxReceiveCount": str(max_receives)})
    url = client.create_queue(QueueName=name, Attributes={"RedrivePolicy": policy})["QueueUrl"]
    return MadeQueue(client, url, _arn(client, url), dead_url)


def send_events(bucket: str, queue: MadeQueue, prefix: str = "drop/") -> None:
    """Sends the bucket's events to the queue from now on, set up as in infra/terraform. S3 sends a test event first."""
    events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
    only = {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}}
    configuration = {"QueueConfigurations": [{"QueueArn": queue.arn, "Events": events, "Filter": only}]}
    make_client().put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)


def _arn(client: Any, url: str) -> str:
    return client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
