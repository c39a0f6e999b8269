//! The URLs of the tar: at the mirror, in the region's bucket, in the partition's bucket. The
//! region's comes first: a VPC without internet reaches only that one, through a gateway endpoint.
//! Pure.

use std::fmt;

use super::partition::partition;
use crate::config::WebConfig;
use crate::types::{AgentVersion, Architecture};

/// What kind of source a URL belongs to. Printed in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// `ECS_INIT_MIRROR`.
    Mirror,
    /// The region's bucket.
    Regional,
    /// The partition's bucket, in its home region.
    Partition,
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SourceKind::Mirror => "the mirror",
            SourceKind::Regional => "the region's bucket",
            SourceKind::Partition => "the partition's bucket",
        })
    }
}

/// A URL of the tar. The URL of its signature has `.asc` appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The kind of source.
    pub kind: SourceKind,
    /// The tar's URL.
    pub url: String,
}

impl Candidate {
    /// The URL of the detached signature.
    pub fn signature_url(&self) -> String {
        format!("{}.asc", self.url)
    }
}

/// The tar's key in every bucket: `ecs-agent-v1.99.0.tar`, `ecs-agent-arm64-latest.tar`.
pub fn object_key(version: &AgentVersion, architecture: Architecture) -> String {
    match architecture {
        Architecture::Amd64 => format!("ecs-agent-{version}.tar"),
        Architecture::Arm64 => format!("ecs-agent-arm64-{version}.tar"),
    }
}

/// The tar's URL at a mirror.
pub fn mirror_candidate(base: &str, key: &str) -> Candidate {
    Candidate {
        kind: SourceKind::Mirror,
        url: format!("{base}/{key}"),
    }
}

/// The tar's URLs in S3, the region's bucket first.
pub fn bucket_candidates(region: &str, key: &str, web: &WebConfig) -> Vec<Candidate> {
    let partition = partition(region);
    let base = |region: &str| s3_base_url(region, web);
    let regional = Candidate {
        kind: SourceKind::Regional,
        url: format!("{}/amazon-ecs-agent-{region}/{key}", base(region)),
    };
    let shared = partition.home.map(|home| Candidate {
        kind: SourceKind::Partition,
        url: format!("{}/amazon-ecs-agent/{key}", base(home)),
    });
    std::iter::once(regional).chain(shared).collect()
}

/// The base URL of S3 in a region, or the configured endpoint.
pub fn s3_base_url(region: &str, web: &WebConfig) -> String {
    if let Some(endpoint) = &web.s3_endpoint {
        return (**endpoint).clone();
    }
    // Path-style ("Amazon S3 endpoints and quotas" in the AWS General Reference).
    let service = match (web.fips, web.dualstack) {
        (false, false) => "s3",
        (false, true) => "s3.dualstack",
        (true, false) => "s3-fips",
        (true, true) => "s3-fips.dualstack",
    };
    format!("https://{service}.{region}.{}", partition(region).suffix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Origin, Setting};

    fn web() -> WebConfig {
        Config::load([]).0.web
    }

    fn urls(region: &str, web: &WebConfig) -> Vec<String> {
        bucket_candidates(region, "K", web)
            .into_iter()
            .map(|c| c.url)
            .collect()
    }

    #[test]
    fn region_bucket_comes_before_partition_bucket() {
        assert_eq!(
            urls("eu-west-1", &web()),
            [
                "https://s3.eu-west-1.amazonaws.com/amazon-ecs-agent-eu-west-1/K",
                "https://s3.us-east-1.amazonaws.com/amazon-ecs-agent/K",
            ]
        );
        assert_eq!(
            urls("cn-northwest-1", &web()),
            [
                "https://s3.cn-northwest-1.amazonaws.com.cn/amazon-ecs-agent-cn-northwest-1/K",
                "https://s3.cn-north-1.amazonaws.com.cn/amazon-ecs-agent/K",
            ]
        );
    }

    #[test]
    fn partition_without_home_has_one_bucket() {
        assert_eq!(
            urls("eusc-de-east-1", &web()),
            ["https://s3.eusc-de-east-1.amazonaws.eu/amazon-ecs-agent-eusc-de-east-1/K"]
        );
    }

    #[test]
    fn dualstack_and_fips_hosts() {
        for (fips, dualstack, host) in [
            (true, false, "https://s3-fips.us-gov-east-1.amazonaws.com/"),
            (
                false,
                true,
                "https://s3.dualstack.us-gov-east-1.amazonaws.com/",
            ),
            (
                true,
                true,
                "https://s3-fips.dualstack.us-gov-east-1.amazonaws.com/",
            ),
        ] {
            let web = WebConfig {
                dualstack,
                fips,
                ..web()
            };
            let all = urls("us-gov-east-1", &web);
            assert!(all[0].starts_with(host), "{all:?}");
            assert!(all[1].contains("us-gov-west-1.amazonaws.com/"), "{all:?}");
        }
    }

    #[test]
    fn configured_s3_endpoint_replaces_all_hosts() {
        let web = WebConfig {
            s3_endpoint: Some(Setting::new("http://minio:9000".into(), Origin::Default)),
            fips: true,
            ..web()
        };
        assert_eq!(
            urls("eu-west-1", &web),
            [
                "http://minio:9000/amazon-ecs-agent-eu-west-1/K",
                "http://minio:9000/amazon-ecs-agent/K",
            ]
        );
    }

    #[test]
    fn keys_by_version_and_architecture() {
        let release = AgentVersion::Release("v1.99.0".into());
        assert_eq!(
            object_key(&AgentVersion::Latest, Architecture::Amd64),
            "ecs-agent-latest.tar"
        );
        assert_eq!(
            object_key(&release, Architecture::Arm64),
            "ecs-agent-arm64-v1.99.0.tar"
        );
        assert_eq!(
            mirror_candidate("https://m/x", "K").signature_url(),
            "https://m/x/K.asc"
        );
    }
}
