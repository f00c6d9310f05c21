output "input" {
  description = "IN of `pagefold run`."
  value       = "s3://${aws_s3_bucket.this.id}/${var.drop_prefix}"
}

output "output" {
  description = "OUT of `pagefold run`."
  value       = "s3://${aws_s3_bucket.this.id}/${var.lake_prefix}"
}

output "queue_url" {
  description = "Queue of the drop folder's events."
  value       = aws_sqs_queue.events.url
}

output "dead_letter_queue_url" {
  description = "Events that could not be handled; anything here wants a look."
  value       = aws_sqs_queue.dead.url
}

output "role_arn" {
  description = "Role of a run; the annotation of the service account `pagefold` in infra/k8s/rbac.yaml."
  value       = aws_iam_role.run.arn
}
