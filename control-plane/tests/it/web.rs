//! The console as a browser without JavaScript uses it: forms, cookies, redirects.

use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::world::{PATIENCE, World};

/// A browser with one cookie.
struct Browser<'a> {
    world: &'a World,
    cookie: Option<String>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    #[track_caller]
    fn place(&self) -> &str {
        let place = self.headers.get("location").unwrap_or_else(|| {
            panic!("{} leads nowhere: {}", self.status, self.text);
        });
        place.to_str().unwrap()
    }

    /// The token that the page brings for its forms.
    fn csrf(&self) -> &str {
        let after = self
            .text
            .split("name=\"csrf_token\" value=\"")
            .nth(1)
            .unwrap();
        after.split('"').next().unwrap()
    }
}

impl Browser<'_> {
    async fn send(&mut self, mut request: Request<Body>) -> Answer {
        let headers = request.headers_mut();
        headers
            .entry("accept")
            .or_insert("text/html,*/*;q=0.8".parse().unwrap());
        if let Some(cookie) = &self.cookie {
            headers.insert("cookie", cookie.parse().unwrap());
        }
        let (parts, body) = self.world.send(request).await.into_parts();
        if let Some(set) = parts.headers.get("set-cookie") {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            self.cookie = Some(pair.to_owned());
        }
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    async fn get(&mut self, path: &str) -> Answer {
        let request = Request::get(path).body(Body::empty()).unwrap();
        self.send(request).await
    }

    async fn post(&mut self, path: &str, form: &str) -> Answer {
        let request = Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin")
            .body(Body::from(form.to_owned()))
            .unwrap();
        self.send(request).await
    }

    async fn upload(&mut self, token: &str, yaml: &str) -> Answer {
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"csrf_token\"\r\n\r\n{token}\r\n\
             --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\"\r\n\r\n\r\n\
             --b\r\nContent-Disposition: form-data; name=\"source\"\r\n\r\n{yaml}\r\n--b--\r\n"
        );
        let request = Request::post("/tenants/globex/modules")
            .header("content-type", "multipart/form-data; boundary=b")
            .body(Body::from(body))
            .unwrap();
        self.send(request).await
    }

    /// The link of the mail, once it has been sent.
    async fn link(&mut self) -> String {
        let wait = async {
            loop {
                let request = Request::get("/dev/mail")
                    .header("accept", "application/json")
                    .body(Body::empty())
                    .unwrap();
                let answer = self.send(request).await;
                let mails: Value = serde_json::from_str(&answer.text).unwrap();
                let links = mails["items"][0]["links"].as_array().into_iter().flatten();
                let mut paths =
                    links.filter_map(|link| link.as_str()?.strip_prefix("http://localhost:8080"));
                if let Some(path) = paths.next() {
                    return path.to_owned();
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap()
    }
}

const SIGNUP: &str = "organization=Globex+%3Cb%3E&slug=globex&email=ann%40globex.example\
                      &password=correct+horse+battery+7&plan=team";

#[tokio::test]
async fn a_person_signs_up_and_runs_a_tenant_with_forms_alone() {
    let world = World::start_deaf().await;
    world.app.spawn_jobs();
    let mut browser = Browser {
        world: &world,
        cookie: None,
    };

    let landing = browser.get("/").await;
    assert_eq!(landing.status, StatusCode::OK);
    assert!(landing.text.contains("action=\"/signup\""));
    assert!(
        !landing.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("unsafe")
    );

    let wrong = browser
        .post("/signup", "organization=Acme&slug=acme&email=x")
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("value=\"Acme\"") && wrong.text.contains("email-error"));
    let taken = browser
        .post("/signup", &SIGNUP.replace("slug=globex", "slug=acme"))
        .await;
    assert_eq!(taken.status, StatusCode::CONFLICT);
    assert!(taken.text.contains("Is taken.") && taken.text.contains("slug-error"));
    assert!(
        !taken.text.contains("correct horse"),
        "a password is never sent back"
    );

    let sent = browser.post("/signup", SIGNUP).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
    let check = browser.get(sent.place()).await;
    assert!(check.text.contains("ann@globex.example") && check.text.contains("/dev/mail"));

    let link = browser.link().await;
    let opened = browser.get(&link).await;
    assert_eq!(opened.place(), "/tenants/globex/progress");
    assert!(
        browser
            .cookie
            .as_deref()
            .is_some_and(|cookie| cookie.starts_with("gotrs_console="))
    );
    let progress = browser.get("/tenants/globex/progress").await;
    assert!(
        progress.text.contains("Setting up your helpdesk"),
        "{}",
        progress.text
    );
    assert!(progress.text.contains("Globex &lt;b&gt;"));
    // Opened again by somebody else it signs nobody in.
    let mut other = Browser {
        world: &world,
        cookie: None,
    };
    let again = other.get(&link).await;
    assert_eq!(again.status, StatusCode::SEE_OTHER);
    assert!(other.cookie.is_none());

    for path in [
        "/tenants",
        "/tenants/globex",
        "/tenants/globex/settings",
        "/tenants/globex/modules",
        "/tenants/globex/upload",
        "/api-keys",
        "/docs/errors",
        "/dev/mail",
        "/dev/components",
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text);
        assert!(page.text.contains("<h1"), "{path}");
    }
    modules(&mut browser).await;
    keys(&mut browser).await;
    life(&mut browser).await;

    let page = browser.get("/tenants").await;
    let token = page.csrf().to_owned();
    let before = browser.cookie.clone();
    let out = browser
        .post("/sign-out", &format!("csrf_token={token}"))
        .await;
    assert_eq!(out.place(), "/sign-in");
    browser.cookie = before;
    let refused = browser.get("/tenants?cursor=x").await;
    assert_eq!(refused.place(), "/sign-in?next=%2Ftenants%3Fcursor%3Dx");
    sign_in(&mut browser).await;
    world.end().await;
}

async fn modules(browser: &mut Browser<'_>) {
    let page = browser.get("/tenants/globex/upload").await;
    let token = page.csrf().to_owned();
    let good = "module:\n  name: laptop\n  singular: Laptop\n  plural: Laptops\n  storage: managed\n\
                fields:\n  - {name: serial, type: string, required: true}\n";
    let broken = browser
        .upload(&token, &good.replace("string", "strin"))
        .await;
    assert_eq!(broken.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(broken.text.contains("^^^^^"), "{}", broken.text);
    assert!(
        broken.text.contains("name: laptop"),
        "what was typed is still there"
    );
    let foreign = browser.upload("wrong", good).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    let stored = browser.upload(&token, good).await;
    assert_eq!(stored.status, StatusCode::SEE_OTHER, "{}", stored.text);
    assert_eq!(stored.place(), "/tenants/globex/modules/laptop");
    let second = browser
        .upload(&token, &good.replace("Laptops", "Notebooks"))
        .await;
    assert_eq!(second.status, StatusCode::SEE_OTHER);
    let form = format!("csrf_token={token}&version=1");
    let back = browser
        .post("/tenants/globex/modules/laptop/rollback", &form)
        .await;
    assert_eq!(back.status, StatusCode::SEE_OTHER, "{}", back.text);
    let page = browser.get("/tenants/globex/modules/laptop").await;
    assert!(page.text.contains("Brought back version 1"));
    let form = format!("csrf_token={token}&confirm=lapto");
    let kept = browser
        .post("/tenants/globex/modules/laptop/delete", &form)
        .await;
    assert_eq!(kept.status, StatusCode::UNPROCESSABLE_ENTITY);
    let form = format!("csrf_token={token}&confirm=laptop");
    let gone = browser
        .post("/tenants/globex/modules/laptop/delete", &form)
        .await;
    assert_eq!(gone.place(), "/tenants/globex/modules");
    let page = browser.get("/tenants/globex/modules/laptop").await;
    assert!(page.text.contains("This module is deleted"));
}

async fn keys(browser: &mut Browser<'_>) {
    let token = browser.get("/api-keys").await.csrf().to_owned();
    let wrong = browser
        .post("/api-keys", &format!("csrf_token={token}&name=CI"))
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("Name at least one scope."));
    let form =
        format!("csrf_token={token}&name=CI&scopes=tenants%3Aread&scopes=modules%3Aread&days=30");
    let made = browser.post("/api-keys", &form).await;
    assert_eq!(made.status, StatusCode::OK);
    let secret = made.text.split("id=\"new-key\">").nth(1).unwrap();
    let secret = secret.split('<').next().unwrap();
    assert!(secret.starts_with("gotrs_"));
    let list = browser.get("/api-keys").await;
    assert!(!list.text.contains(secret), "shown once");
    let delete = list.text.split("action=\"/api-keys/").nth(1).unwrap();
    let id = delete.split('/').next().unwrap().to_owned();
    let form = format!("csrf_token={token}");
    let gone = browser.post(&format!("/api-keys/{id}/delete"), &form).await;
    assert_eq!(gone.place(), "/api-keys");
    assert!(browser.get("/api-keys").await.text.contains("No keys yet"));
}

async fn life(browser: &mut Browser<'_>) {
    let token = browser
        .get("/tenants/globex/settings")
        .await
        .csrf()
        .to_owned();
    let path = "/tenants/globex/suspend";
    let no_token = browser.post(path, "confirm=globex").await;
    assert_eq!(no_token.status, StatusCode::FORBIDDEN);
    assert!(no_token.text.contains("<h1"), "a page says why");
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "same-site")
        .body(Body::from(format!("csrf_token={token}&confirm=globex")))
        .unwrap();
    assert_eq!(browser.send(request).await.status, StatusCode::FORBIDDEN);
    let wrong = browser
        .post(path, &format!("csrf_token={token}&confirm=glob"))
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let done = browser
        .post(path, &format!("csrf_token={token}&confirm=globex"))
        .await;
    assert_eq!(done.place(), "/tenants/globex");
    assert!(
        browser
            .get("/tenants/globex")
            .await
            .text
            .contains("Suspended")
    );
    let resumed = browser
        .post("/tenants/globex/resume", &format!("csrf_token={token}"))
        .await;
    assert_eq!(resumed.place(), "/tenants/globex");
    let form = format!("csrf_token={token}&confirm=globex");
    browser.post("/tenants/globex/delete", &form).await;
    assert!(
        browser
            .get("/tenants/globex")
            .await
            .text
            .contains("Being deleted")
    );
    browser
        .post("/tenants/globex/undelete", &format!("csrf_token={token}"))
        .await;
    assert!(
        !browser
            .get("/tenants/globex")
            .await
            .text
            .contains("Being deleted")
    );
    for path in ["/tenants/acme", "/tenants/acme/modules", "/tenants/nobody"] {
        let absent = browser.get(path).await;
        assert_eq!(absent.status, StatusCode::NOT_FOUND, "{path}");
        assert!(
            absent.headers["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/html")
        );
    }
}

async fn sign_in(browser: &mut Browser<'_>) {
    browser.cookie = None;
    let wrong = browser
        .post(
            "/sign-in",
            "email=ann%40globex.example&password=no&next=%2Fapi-keys",
        )
        .await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(
        wrong.text.contains("ann@globex.example") && wrong.text.contains("value=\"/api-keys\"")
    );
    let form = "email=ann%40globex.example&password=correct+horse+battery+7&next=";
    let right = browser
        .post("/sign-in", &format!("{form}%2Fapi-keys"))
        .await;
    assert_eq!(right.place(), "/api-keys");
    let elsewhere = browser
        .post("/sign-in", &format!("{form}https%3A%2F%2Fevil.example"))
        .await;
    assert_eq!(elsewhere.place(), "/tenants");
}
