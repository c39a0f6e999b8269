//! The credentials for requests to S3: of the instance's role, and of the SSM agent's file.

use ecs_init::error::Kind;

use super::s3_fixture::{Fetcher, scope, valid_reply};
use super::server::{CLOSED_PORT, Reply, Server};

/// IMDS with a role, or without one.
fn imds(role: Option<&'static str>) -> Server {
    const ROLE: &str = "/latest/meta-data/iam/security-credentials/";
    Server::http(move |request, _| {
        if request.method == "PUT" {
            return Reply::new(200, "TOKEN");
        }
        if request.header("x-aws-ec2-metadata-token") != Some("TOKEN") {
            return Reply::new(401, "");
        }
        match (request.path.strip_prefix(ROLE), role) {
            (Some(""), Some(role)) => Reply::new(200, role),
            (Some(request), Some(role)) if request == role => Reply::new(
                200,
                r#"{"Code":"Success","AccessKeyId":"ASIAROLE","SecretAccessKey":"the-secret-key",
                    "Token":"the-session-token","Expiration":"2099-01-01T00:00:00Z"}"#,
            ),
            _ => Reply::new(404, ""),
        }
    })
}

#[test]
fn role_credentials_from_imds() {
    let (server, role) = (Server::http(valid_reply), imds(Some("ecsInstanceRole")));
    let at = |imds: &str| {
        Fetcher::new(
            &server.url(),
            &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds)],
        )
    };
    assert!(at(&role.url()).fetch().unwrap());
    let request = &server.requests()[0];
    assert!(scope(request).starts_with("ASIAROLE/"));
    assert_eq!(
        request.header("x-amz-security-token"),
        Some("the-session-token")
    );

    let fails = |fetcher: &Fetcher, kind: Kind, advice: &str| {
        let error = fetcher.fetch().unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(advice), "{error}");
    };
    fails(&at(&imds(None).url()), Kind::Rejected, "has no role");
    fails(&at(CLOSED_PORT), Kind::Unavailable, "ECS_EXTERNAL");
    let mut disabled = at(CLOSED_PORT);
    disabled.set("AWS_EC2_METADATA_DISABLED", "true");
    fails(&disabled, Kind::Rejected, "AWS_EC2_METADATA_DISABLED");
    assert_eq!(
        server.requests().len(),
        1,
        "S3 is not requested without credentials"
    );
}

#[test]
fn credentials_from_ssm_file_outside_ec2() {
    let server = Server::http(valid_reply);
    let fetcher = Fetcher::new(&server.url(), &[("ECS_EXTERNAL", "true")]);
    let error = fetcher.fetch().unwrap_err();
    assert_eq!(error.kind(), Kind::Rejected);
    assert!(
        error.to_string().contains("root/.aws/credentials"),
        "{error}"
    );
    let file = "[default]\naws_access_key_id = ASIASSM\naws_secret_access_key = the-secret-key\n\
                aws_session_token = the-session-token\n";
    fetcher.write("root/.aws/credentials", file);
    assert!(fetcher.fetch().unwrap());
    assert!(scope(&server.requests()[0]).starts_with("ASIASSM/"));
}
