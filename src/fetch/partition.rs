//! AWS partitions: the DNS suffix of a region's endpoints, and the region of the bucket that all
//! regions of a partition share. Pure.

/// A group of regions with separate accounts and its own DNS suffix.
#[derive(Debug, Clone, Copy)]
pub struct Partition {
    /// The DNS suffix of its endpoints.
    pub suffix: &'static str,
    /// The region of the partition's bucket, if there is one.
    pub home: Option<&'static str>,
    /// The prefixes of its regions' names.
    prefixes: &'static [&'static str],
}

impl Partition {
    const fn new(
        suffix: &'static str,
        home: Option<&'static str>,
        prefixes: &'static [&'static str],
    ) -> Partition {
        Partition {
            suffix,
            home,
            prefixes,
        }
    }
}

/// All partitions except `aws`. No prefix starts with another one: `us-isob-` does not start with
/// `us-iso-`.
const OTHERS: [Partition; 7] = [
    // aws-cn
    Partition::new("amazonaws.com.cn", Some("cn-north-1"), &["cn-"]),
    // aws-us-gov
    Partition::new("amazonaws.com", Some("us-gov-west-1"), &["us-gov-"]),
    // aws-iso
    Partition::new("c2s.ic.gov", Some("us-iso-east-1"), &["us-iso-"]),
    // aws-iso-b
    Partition::new("sc2s.sgov.gov", Some("us-isob-east-1"), &["us-isob-"]),
    // aws-iso-e
    Partition::new("cloud.adc-e.uk", None, &["eu-isoe-"]),
    // aws-iso-f
    Partition::new("csp.hci.ic.gov", None, &["us-isof-", "eu-isof-"]),
    // aws-eusc
    Partition::new("amazonaws.eu", None, &["eusc-"]),
];

/// The partition of all regions without one of these prefixes.
const AWS: Partition = Partition::new("amazonaws.com", Some("us-east-1"), &[]);

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
                "amazonaws.com",
                Some("us-east-1"),
                "af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-3 ap-south-2 \
                 ap-southeast-1 ap-southeast-7 ca-central-1 ca-west-1 eu-central-2 eu-north-1 \
                 eu-south-2 eu-west-3 il-central-1 me-central-1 me-south-1 mx-central-1 \
                 sa-east-1 us-east-1 us-east-2 us-west-1 us-west-2 xx-new-9",
            ),
            (
                "amazonaws.com.cn",
                Some("cn-north-1"),
                "cn-north-1 cn-northwest-1",
            ),
            (
                "amazonaws.com",
                Some("us-gov-west-1"),
                "us-gov-east-1 us-gov-west-1",
            ),
            (
                "c2s.ic.gov",
                Some("us-iso-east-1"),
                "us-iso-east-1 us-iso-west-1",
            ),
            (
                "sc2s.sgov.gov",
                Some("us-isob-east-1"),
                "us-isob-east-1 us-isob-west-1",
            ),
            ("cloud.adc-e.uk", None, "eu-isoe-west-1"),
            ("csp.hci.ic.gov", None, "us-isof-east-1 us-isof-south-1"),
            ("amazonaws.eu", None, "eusc-de-east-1"),
        ];
        for (suffix, home, regions) in table {
            for region in regions.split_whitespace() {
                let p = partition(region);
                assert_eq!((p.suffix, p.home), (suffix, home), "{region}");
            }
        }
    }
}
