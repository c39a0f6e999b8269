//! AWS partitions: the DNS suffix of a region's endpoints, and the region of the bucket that all
//! regions of a partition share. Pure.

/// A group of regions with separate accounts and its own DNS suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// The name in ARNs.
    pub name: &'static str,
    /// The DNS suffix of its endpoints.
    pub suffix: &'static str,
    /// The region of the partition's bucket, if there is one.
    pub home: Option<&'static str>,
    /// The prefixes of its regions' names.
    prefixes: &'static [&'static str],
}

/// All partitions except `aws`. No prefix starts with another one: `us-isob-` does not start with
/// `us-iso-`.
const OTHERS: [Partition; 7] = [
    Partition {
        name: "aws-cn",
        suffix: "amazonaws.com.cn",
        home: Some("cn-north-1"),
        prefixes: &["cn-"],
    },
    Partition {
        name: "aws-us-gov",
        suffix: "amazonaws.com",
        home: Some("us-gov-west-1"),
        prefixes: &["us-gov-"],
    },
    Partition {
        name: "aws-iso",
        suffix: "c2s.ic.gov",
        home: Some("us-iso-east-1"),
        prefixes: &["us-iso-"],
    },
    Partition {
        name: "aws-iso-b",
        suffix: "sc2s.sgov.gov",
        home: Some("us-isob-east-1"),
        prefixes: &["us-isob-"],
    },
    Partition {
        name: "aws-iso-e",
        suffix: "cloud.adc-e.uk",
        home: None,
        prefixes: &["eu-isoe-"],
    },
    Partition {
        name: "aws-iso-f",
        suffix: "csp.hci.ic.gov",
        home: None,
        prefixes: &["us-isof-", "eu-isof-"],
    },
    Partition {
        name: "aws-eusc",
        suffix: "amazonaws.eu",
        home: None,
        prefixes: &["eusc-"],
    },
];

/// The partition of all regions without one of these prefixes.
const AWS: Partition = Partition {
    name: "aws",
    suffix: "amazonaws.com",
    home: Some("us-east-1"),
    prefixes: &[],
};

/// The partition of a region. It is found by prefix, so that future regions work, too.
pub fn partition(region: &str) -> Partition {
    OTHERS
        .into_iter()
        .find(|p| p.prefixes.iter().any(|prefix| region.starts_with(prefix)))
        .unwrap_or(AWS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_of_each_region() {
        let table = [
            (
                "aws",
                "amazonaws.com",
                Some("us-east-1"),
                "af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-3 ap-south-2 \
                 ap-southeast-1 ap-southeast-7 ca-central-1 ca-west-1 eu-central-2 eu-north-1 \
                 eu-south-2 eu-west-3 il-central-1 me-central-1 me-south-1 mx-central-1 \
                 sa-east-1 us-east-1 us-east-2 us-west-1 us-west-2 xx-new-9",
            ),
            (
                "aws-cn",
                "amazonaws.com.cn",
                Some("cn-north-1"),
                "cn-north-1 cn-northwest-1",
            ),
            (
                "aws-us-gov",
                "amazonaws.com",
                Some("us-gov-west-1"),
                "us-gov-east-1 us-gov-west-1",
            ),
            (
                "aws-iso",
                "c2s.ic.gov",
                Some("us-iso-east-1"),
                "us-iso-east-1 us-iso-west-1",
            ),
            (
                "aws-iso-b",
                "sc2s.sgov.gov",
                Some("us-isob-east-1"),
                "us-isob-east-1 us-isob-west-1",
            ),
            ("aws-iso-e", "cloud.adc-e.uk", None, "eu-isoe-west-1"),
            (
                "aws-iso-f",
                "csp.hci.ic.gov",
                None,
                "us-isof-east-1 us-isof-south-1",
            ),
            ("aws-eusc", "amazonaws.eu", None, "eusc-de-east-1"),
        ];
        for (name, suffix, home, regions) in table {
            for region in regions.split_whitespace() {
                let p = partition(region);
                assert_eq!((p.name, p.suffix, p.home), (name, suffix, home), "{region}");
            }
        }
    }
}
