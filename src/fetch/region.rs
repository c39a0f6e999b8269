//! AWS partitions: which DNS suffix a region's endpoints have, and where the partition keeps the
//! one bucket that all its regions share. Pure.

/// A group of regions with their own accounts and DNS suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// Its name, as in ARNs.
    pub name: &'static str,
    /// What its endpoints' names end in.
    pub suffix: &'static str,
    /// The region that holds the partition's own bucket, where one is known.
    pub home: Option<&'static str>,
    /// What its regions' names begin with.
    prefixes: &'static [&'static str],
}

/// The partitions beside `aws`. No prefix is the beginning of another: `us-iso-` is none of
/// `us-isob-`.
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

/// The partition of every region that no prefix claims, the ones not opened yet among them.
const AWS: Partition = Partition {
    name: "aws",
    suffix: "amazonaws.com",
    home: Some("us-east-1"),
    prefixes: &[],
};

/// The partition that a region belongs to. Regions are told by their prefix, so that one that
/// opens tomorrow is found.
#[must_use]
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
    fn every_known_region_has_its_partition() {
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
