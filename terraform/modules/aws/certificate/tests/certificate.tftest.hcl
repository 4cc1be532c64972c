mock_provider "aws" {
  mock_resource "aws_acm_certificate" {
    defaults = {
      arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1"
      domain_validation_options = [
        { domain_name = "helpdesk.example.com", resource_record_name = "_1.helpdesk.example.com.", resource_record_type = "CNAME", resource_record_value = "_2.acm-validations.aws." },
        { domain_name = "*.helpdesk.example.com", resource_record_name = "_1.helpdesk.example.com.", resource_record_type = "CNAME", resource_record_value = "_2.acm-validations.aws." },
      ]
    }
  }
}

run "both_names_and_one_proof" {
  command = apply
  variables {
    base_domain = "helpdesk.example.com"
    zone_id     = "Z0123456789ABCDEFGHIJ"
  }
  assert {
    condition     = contains(aws_acm_certificate.this.subject_alternative_names, "*.helpdesk.example.com")
    error_message = "the wildcard is what tenants have"
  }
  assert {
    condition     = aws_route53_record.proof.name == "_1.helpdesk.example.com." && aws_route53_record.proof.type == "CNAME"
    error_message = "one record proves both"
  }
}
