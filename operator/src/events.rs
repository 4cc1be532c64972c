//! Events about tenants and channels, with bounded memory.

use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, Recorder, Reporter};

/// Events that are remembered, so that the same one again is counted and not written beside the first: some hundred kilobytes. The
/// recorder itself would keep those of the last minutes until the next one comes, a dozen kilobytes for each new tenant.
const REMEMBERED: u32 = 256;

/// Writes Events.
pub struct Events {
    client: Client,
    reporter: Reporter,
    current: Mutex<Current>,
}

struct Current {
    recorder: Recorder,
    /// Through this recorder.
    written: u32,
}

impl Events {
    /// In the name of `reporter`.
    pub fn new(client: Client, reporter: Reporter) -> Self {
        Self {
            current: Mutex::new(Current {
                recorder: Recorder::new(client.clone(), reporter.clone()),
                written: 0,
            }),
            client,
            reporter,
        }
    }

    /// Writes one, or counts it where it was written lately.
    pub async fn publish(&self, event: &Event, on: &ObjectReference) -> kube::Result<()> {
        let recorder = self.recorder();
        recorder.publish(event, on).await
    }

    fn recorder(&self) -> Recorder {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.written >= REMEMBERED {
            *current = Current {
                recorder: Recorder::new(self.client.clone(), self.reporter.clone()),
                written: 0,
            };
        }
        current.written += 1;
        current.recorder.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{Method, Request, Response};
    use kube::client::Body;
    use kube::runtime::events::EventType;

    use super::*;

    fn event(reason: &str) -> Event {
        Event {
            type_: EventType::Normal,
            reason: reason.to_owned(),
            note: None,
            action: "Reconcile".to_owned(),
            secondary: None,
        }
    }

    #[tokio::test]
    async fn the_same_again_is_counted_as_long_as_it_is_remembered() {
        let methods: Arc<Mutex<Vec<Method>>> = Arc::default();
        let seen = Arc::clone(&methods);
        let service = tower::service_fn(move |request: Request<Body>| {
            seen.lock().unwrap().push(request.method().clone());
            async move { Ok::<_, std::io::Error>(Response::new(request.into_body())) }
        });
        let reporter = Reporter {
            controller: "test".to_owned(),
            instance: None,
        };
        let events = Events::new(Client::new(service, "default"), reporter);
        let on = ObjectReference {
            name: Some("acme".to_owned()),
            ..ObjectReference::default()
        };
        for reason in ["Ready", "Ready"] {
            events.publish(&event(reason), &on).await.unwrap();
        }
        for number in 2..REMEMBERED {
            events
                .publish(&event(&number.to_string()), &on)
                .await
                .unwrap();
        }
        events.publish(&event("Ready"), &on).await.unwrap();
        let methods = methods.lock().unwrap();
        assert_eq!(methods[..3], [Method::POST, Method::PATCH, Method::POST]);
        assert_eq!(methods.last(), Some(&Method::POST), "what was is forgotten");
    }
}
