mock_provider "aws" {}
mock_provider "random" {}

variables {
  name                      = "gotrs-control-plane"
  vpc_id                    = "vpc-0a"
  subnet_ids                = ["subnet-0a", "subnet-0b"]
  client_security_group_ids = { nodes = "sg-0a" }
}

run "it_is_closed_encrypted_and_kept" {
  command = plan
  assert {
    condition     = !aws_db_instance.this.publicly_accessible && aws_db_instance.this.storage_encrypted && aws_db_instance.this.deletion_protection && !aws_db_instance.this.skip_final_snapshot
    error_message = "a database of customers"
  }
  assert {
    condition     = aws_db_parameter_group.this.family == "postgres17"
    error_message = "the family goes with the version"
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.client["nodes"].from_port == 5432
    error_message = "only PostgreSQL's port"
  }
}

run "one_subnet_is_not_enough" {
  command = plan
  variables { subnet_ids = ["subnet-0a", "subnet-0a"] }
  expect_failures = [var.subnet_ids]
}

run "a_minor_version_is_refused" {
  command = plan
  variables { engine_version = "17.2" }
  expect_failures = [var.engine_version]
}
