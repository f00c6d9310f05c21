# Events only wake a run; what it reads is what it lists. So a lost event costs time, never a document.

resource "aws_sqs_queue" "dead" {
  name                      = "${var.name}-events-dead"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue" "events" {
  name                       = "${var.name}-events"
  visibility_timeout_seconds = var.visibility_timeout_s
  message_retention_seconds  = 345600
  receive_wait_time_seconds  = 20
  sqs_managed_sse_enabled    = true
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    maxReceiveCount     = var.max_receives
  })
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  queue_url = aws_sqs_queue.dead.id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.events.arn]
  })
}

data "aws_caller_identity" "current" {}

# Who may send: this bucket, or the rule on its events.
data "aws_iam_policy_document" "send" {
  statement {
    sid       = "Send"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.events.arn]
    principals {
      type        = "Service"
      identifiers = [var.eventbridge ? "events.amazonaws.com" : "s3.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [var.eventbridge ? aws_cloudwatch_event_rule.created[0].arn : aws_s3_bucket.this.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_sqs_queue_policy" "events" {
  queue_url = aws_sqs_queue.events.id
  policy    = data.aws_iam_policy_document.send.json
}

resource "aws_s3_bucket_notification" "this" {
  depends_on  = [aws_sqs_queue_policy.events]
  bucket      = aws_s3_bucket.this.id
  eventbridge = var.eventbridge

  dynamic "queue" {
    for_each = var.eventbridge ? [] : [aws_sqs_queue.events.arn]
    content {
      queue_arn     = queue.value
      events        = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:LifecycleExpiration:*", "s3:ObjectRestore:Completed"]
      filter_prefix = "${var.drop_prefix}/"
    }
  }
}

resource "aws_cloudwatch_event_rule" "created" {
  count = var.eventbridge ? 1 : 0
  name  = "${var.name}-events"
  event_pattern = jsonencode({
    source      = ["aws.s3"]
    detail-type = ["Object Created", "Object Deleted", "Object Restore Completed"]
    detail = {
      bucket = { name = [aws_s3_bucket.this.id] }
      object = { key = [{ prefix = "${var.drop_prefix}/" }] }
    }
  })
}

resource "aws_cloudwatch_event_target" "queue" {
  count = var.eventbridge ? 1 : 0
  rule  = aws_cloudwatch_event_rule.created[0].name
  arn   = aws_sqs_queue.events.arn
}
