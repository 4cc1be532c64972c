//! Modules for tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request};
use serde_json::Value;
use tenant_runtime::modules::loader::{self, LoadError};
use tenant_runtime::modules::{LoadedModules, Origin};

use crate::harness::{Answer, Browser, TestApp};

pub(crate) const LAPTOP: &str = "\
module: {name: laptop, singular: Laptop, plural: Laptops, storage: managed, default_sort: serial}
fields:
  - {name: serial, type: string, required: true, unique: true, max_length: 20, pattern: '[A-Z0-9-]+'}
  - {name: model, type: select, options: [{value: x1, label: Model X1}, {value: t14, label: Model T14}], filterable: true}
  - {name: owner_id, type: select, lookup_table: users, lookup_display: login, label: Owner, filterable: true}
  - {name: bought, type: date, filterable: true}
  - {name: price, type: decimal, min: 0}
  - {name: leased, type: bool}
  - {name: notes, type: textarea}
  - {name: pin, type: password}
computed_fields:
  - name: age
    label: Age
    lambda: |
      if (item.serial === 'BOOM') throw new Error('no age for this one');
      return '<b>' + item.serial + '</b><script>alert(1)</script> of ' + (item.owner_id_display || 'nobody');
  - name: colleagues
    lambda: |
      return db.queryRow('SELECT count(*) AS n FROM users WHERE id <> $1', item.owner_id || 0).n;
hooks:
  before_validate: |
    if (item.serial) item.serial = item.serial.toUpperCase();
  before_save: |
    if (item.price > 5000) fail('price', 'Nobody needs a laptop of that price.');
  before_delete: |
    if (item.leased) fail('', 'A leased laptop goes back first.');
filters:
  - {field: serial, type: text}
";

impl TestApp {
    /// Publishes these modules.
    pub(crate) async fn publish(&self, texts: &[&str]) {
        let mut modules = BTreeMap::new();
        for text in texts {
            let module = self.load(text).await.unwrap_or_else(|error| match error {
                LoadError::Refused(findings) => {
                    panic!("{}", module_spec::render_text("module", text, &findings))
                }
                error => panic!("{error:?}"),
            });
            modules.insert(module.spec().name().clone(), Arc::new(module));
        }
        self.app.modules.publish(LoadedModules::new(1, modules));
    }

    pub(crate) async fn load(
        &self,
        text: &str,
    ) -> Result<tenant_runtime::modules::LoadedModule, LoadError> {
        loader::load(&self.app, Origin::Stock, text.to_owned()).await
    }

    pub(crate) async fn get(&self, path: &str, bearer: &str) -> Answer {
        self.json(Method::GET, path, Some(bearer), Value::Null)
            .await
    }

    /// Sends a form as a browser does.
    pub(crate) async fn send(
        &self,
        browser: &Browser,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        let mut fields = fields.to_vec();
        fields.push(("csrf_token", &browser.csrf));
        self.call(browser.post(path, &fields)).await
    }

    /// Asks as htmx does.
    pub(crate) async fn fragment(&self, browser: &Browser, path: &str) -> Answer {
        let request = Request::get(path)
            .header("cookie", &browser.cookie)
            .header("accept", "*/*")
            .header("hx-request", "true")
            .header("hx-target", "records");
        self.call(request.body(Body::empty()).unwrap()).await
    }
}
