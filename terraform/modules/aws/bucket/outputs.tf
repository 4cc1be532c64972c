output "name" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.this.id
}

output "arn" {
  description = "Its ARN."
  value       = aws_s3_bucket.this.arn
}

output "region" {
  description = "Where it is."
  value       = aws_s3_bucket.this.region
}

output "access_policy" {
  description = "Policy document that gives what a client needs in this bucket and nothing elsewhere; attach it to a user or a role."
  value       = data.aws_iam_policy_document.access.json
}
