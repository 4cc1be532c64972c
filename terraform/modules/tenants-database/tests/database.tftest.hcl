mock_provider "helm" {}
mock_provider "kubernetes" {}
mock_provider "random" {
  mock_resource "random_password" {
    defaults = { result = "0123456789" }
  }
}

variables {
  backup = null
}

run "the_url_is_that_of_the_primary" {
  # Plan only: an apply would have to destroy the namespace afterwards, which it refuses.
  command = plan
  override_resource {
    target          = random_password.superuser
    override_during = plan
    values          = { result = "0123456789" }
  }
  assert {
    condition     = nonsensitive(output.url) == "postgres://postgres:0123456789@tenants-rw.gotrs-database.svc:5432/tenants?sslmode=require"
    error_message = "URL"
  }
  assert {
    condition     = local.values.sharedBuffers == "2048MB" && local.values.backup == null
    error_message = "a quarter of 8 GiB, and no backup unless asked for"
  }
}

run "connections_need_memory" {
  command = plan
  variables { max_connections = 1000 }
  expect_failures = [var.max_connections]
}

run "a_schedule_has_seconds" {
  command = plan
  variables { backup = { destination = "s3://example-backups/tenants", schedule = "0 2 * * *" } }
  expect_failures = [var.backup]
}
