//! Facts about a cloud instance from EC2's instance metadata service, version 2 (session token first).
//!
//! The service is queried only if the firmware names Amazon EC2, so that other machines do not wait, and all requests
//! share one `LIMIT`. Without an answer the facts are unknown; that is never an error.

use crate::record::Instance;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Time limit of all requests together.
const LIMIT: Duration = Duration::from_millis(200);
/// Address of EC2's metadata service.
const ENDPOINT: &str = "http://169.254.169.254";
/// Overrides the address, whatever the firmware says; the AWS tools read the same variable.
pub const ENDPOINT_VARIABLE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
/// `true` disables the requests, as it does for the AWS tools.
const DISABLED_VARIABLE: &str = "AWS_EC2_METADATA_DISABLED";
/// Longest accepted answer, in bytes.
const LONGEST: u64 = 256;

/// The instance that this machine is; `None` elsewhere, or if the service does not answer.
pub fn instance() -> Option<Instance> {
    let variable = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
    if variable(DISABLED_VARIABLE).is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return None;
    }
    let endpoint = match variable(ENDPOINT_VARIABLE) {
        Some(endpoint) => endpoint,
        None if on_ec2() => ENDPOINT.to_string(),
        None => return None,
    };
    ask_within_limit(endpoint)
}

fn on_ec2() -> bool {
    let vendor = std::fs::read_to_string("/sys/class/dmi/id/sys_vendor");
    vendor.is_ok_and(|vendor| vendor.trim() == "Amazon EC2")
}

/// Sends the requests on a thread of their own and waits for at most the limit.
fn ask_within_limit(endpoint: String) -> Option<Instance> {
    let (tell, hear) = mpsc::channel();
    thread::spawn(move || tell.send(ask(endpoint.trim_end_matches('/'))));
    hear.recv_timeout(LIMIT).ok().flatten()
}

fn ask(endpoint: &str) -> Option<Instance> {
    let token = call(endpoint, "api/token", None)?;
    let tell = |what: &str| call(endpoint, &format!("meta-data/{what}"), Some(&token));
    Some(Instance {
        provider: "aws".into(),
        kind: tell("instance-type")?,
        region: tell("placement/region"),
        spot: tell("instance-life-cycle").map(|cycle| cycle == "spot"),
        image: tell("ami-id"),
    })
}

/// One request with a one-line answer: for a token if `token` is `None`, otherwise for a fact.
fn call(endpoint: &str, path: &str, token: Option<&str>) -> Option<String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(LIMIT))
        .proxy(None)
        .build()
        .into();
    let url = format!("{endpoint}/latest/{path}");
    let response = match token {
        None => agent
            .put(url)
            .header("X-aws-ec2-metadata-token-ttl-seconds", "60")
            .send_empty(),
        Some(token) => agent
            .get(url)
            .header("X-aws-ec2-metadata-token", token)
            .call(),
    };
    let mut body = response.ok()?.into_body();
    let text = body.with_config().limit(LONGEST).read_to_string().ok()?;
    let text = text.trim();
    let plain = |c: char| c.is_ascii_graphic();
    (!text.is_empty() && text.chars().all(plain)).then(|| text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    /// A service that returns the given answers and requires a token, as EC2 does.
    fn service(answer: fn(&str) -> Option<&'static str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = serve(stream.unwrap(), answer);
            }
        });
        endpoint
    }

    fn serve(
        mut stream: TcpStream,
        answer: fn(&str) -> Option<&'static str>,
    ) -> std::io::Result<()> {
        let mut request = Vec::new();
        let mut bytes = [0; 1024];
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut bytes)? {
                0 => return Ok(()),
                read => request.extend_from_slice(&bytes[..read]),
            }
        }
        let request = String::from_utf8_lossy(&request).to_lowercase();
        let asks = request.starts_with("put /latest/api/token ");
        let path = request.split(' ').nth(1).unwrap_or_default();
        let fact = path.strip_prefix("/latest/meta-data/");
        let good = asks && request.contains("x-aws-ec2-metadata-token-ttl-seconds: ")
            || request.contains("x-aws-ec2-metadata-token: secret");
        let body = match (good, asks, fact) {
            (true, true, _) => Some("secret"),
            (true, false, Some(fact)) => answer(fact),
            _ => None,
        };
        let head = match body {
            Some(_) => "200 OK",
            None => "404 Not Found",
        };
        let body = body.unwrap_or_default();
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
    }

    #[test]
    fn type_region_image_and_spot_are_read_from_the_instance() {
        let endpoint = service(|fact| match fact {
            "instance-type" => Some("g5.xlarge"),
            "placement/region" => Some("eu-west-1"),
            "instance-life-cycle" => Some("spot"),
            "ami-id" => Some("ami-0123456789abcdef0"),
            _ => None,
        });
        let wanted = Instance {
            provider: "aws".into(),
            kind: "g5.xlarge".into(),
            region: Some("eu-west-1".into()),
            spot: Some(true),
            image: Some("ami-0123456789abcdef0".into()),
        };
        assert_eq!(ask(&endpoint), Some(wanted));
    }

    #[test]
    fn missing_facts_are_unknown_and_without_a_type_there_is_no_instance() {
        let endpoint = service(|fact| (fact == "instance-type").then_some("g5.xlarge"));
        let told = ask(&endpoint).unwrap();
        assert_eq!((told.region, told.spot, told.image), (None, None, None));
        assert_eq!(ask(&service(|_| None)), None);
        // A web page instead of a fact.
        assert_eq!(ask(&service(|_| Some("<html> hello </html>"))), None);
    }

    #[test]
    fn a_service_that_is_silent_or_absent_gives_none() {
        // Never answers: without the limit this test would not end.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", silent.local_addr().unwrap());
        assert_eq!(ask(&address), None);
        assert_eq!(ask_within_limit(address.clone()), None);
        drop(silent);
        assert_eq!(ask(&address), None);
        assert_eq!(ask("no address"), None);
    }
}
