mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Statement\": []}" }
  }
}

variables {
  name = "example-gotrs"
}

run "it_is_private_versioned_and_forgets" {
  command = plan
  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "versioning"
  }
  assert {
    condition     = aws_s3_bucket_public_access_block.this.block_public_policy && aws_s3_bucket_public_access_block.this.restrict_public_buckets
    error_message = "nobody else may read it"
  }
  assert {
    condition     = length(aws_s3_bucket_lifecycle_configuration.this.rule) == 1 && aws_s3_bucket_lifecycle_configuration.this.rule[0].noncurrent_version_expiration[0].noncurrent_days == 30
    error_message = "what was deleted goes after 30 days, and nothing moves to cheaper storage unasked"
  }
}

run "cheaper_storage_is_a_rule_of_its_own" {
  command = plan
  variables { infrequent_days = 90 }
  assert {
    condition     = length(aws_s3_bucket_lifecycle_configuration.this.rule) == 2
    error_message = "the rule is missing"
  }
}

run "dots_are_refused" {
  command = plan
  variables { name = "gotrs.example.com" }
  expect_failures = [var.name]
}
