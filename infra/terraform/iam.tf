# What a run may do, and nothing else: read the drop folder and the weights, write the lake, delete its own bookkeeping alone.
# tests/infra compares the actions with the calls that the code makes.
data "aws_iam_policy_document" "run" {
  statement {
    sid       = "ReadDocumentsAndWeights"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.this.arn}/${var.drop_prefix}/*", "${aws_s3_bucket.this.arn}/${var.model_prefix}/*"]
  }

  # A conditional PUT is an s3:PutObject; with If-Match it is an s3:GetObject, too.
  statement {
    sid       = "WriteTheLake"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${aws_s3_bucket.this.arn}/${var.lake_prefix}/*"]
  }

  statement {
    sid       = "DeleteBookkeeping"
    actions   = ["s3:DeleteObject"]
    resources = ["${aws_s3_bucket.this.arn}/${var.lake_prefix}/_pagefold/*"]
  }

  # Without it S3 answers 403 for an object that is not there, where a run needs the 404 (is there a lease?). The prefixes
  # without a slash: an input may be a single object, so its own name is listed first.
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.this.arn]
    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values = [
        var.drop_prefix, "${var.drop_prefix}/*",
        var.lake_prefix, "${var.lake_prefix}/*",
        var.model_prefix, "${var.model_prefix}/*",
      ]
    }
  }

  statement {
    sid       = "TakeEvents"
    actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
    resources = [aws_sqs_queue.events.arn]
  }
}

resource "aws_iam_policy" "run" {
  name   = var.name
  policy = data.aws_iam_policy_document.run.json
}

resource "aws_iam_role" "run" {
  name               = var.name
  assume_role_policy = var.assume_role_policy
}

resource "aws_iam_role_policy_attachment" "run" {
  role       = aws_iam_role.run.name
  policy_arn = aws_iam_policy.run.arn
}
