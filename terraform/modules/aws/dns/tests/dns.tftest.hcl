mock_provider "aws" {}

variables {
  base_domain = "helpdesk.example.com"
}

run "a_zone_is_made" {
  command = plan
  assert {
    condition     = length(aws_route53_zone.this) == 1
    error_message = "no zone was given"
  }
}

run "a_zone_that_is_there_is_used" {
  command = plan
  variables { zone_id = "Z0123456789ABCDEFGHIJ" }
  assert {
    condition     = length(aws_route53_zone.this) == 0 && output.zone_id == "Z0123456789ABCDEFGHIJ"
    error_message = "the given zone"
  }
  assert {
    condition     = contains(aws_route53_record.caa.records, "0 issuewild \"amazon.com\"")
    error_message = "Amazon must be allowed to issue the wildcard"
  }
}

run "amazon_must_be_allowed" {
  command = plan
  variables { certificate_authorities = ["letsencrypt.org"] }
  expect_failures = [var.certificate_authorities]
}
