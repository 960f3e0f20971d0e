//! ARNs: a stream's identity is its name; region and account only colour it (design §1).

use super::error::ApiError;
use crate::config::KinesisConfig;

/// `arn:aws:kinesis:<region>:<account>:stream/<name>`.
pub fn of_stream(config: &KinesisConfig, name: &str) -> String {
    let partition = partition_of(&config.region);
    format!(
        "arn:{partition}:kinesis:{}:{}:stream/{name}",
        config.region, config.account_id
    )
}

/// The stream an ARN names; the form was checked with the request.
pub fn stream_name(stream_arn: &str) -> Result<&str, ApiError> {
    let name = stream_arn.splitn(6, ':').nth(5);
    let name = name.and_then(|resource| resource.strip_prefix("stream/"));
    name.filter(|name| (super::shape::NAME.accepts)(name))
        .ok_or_else(|| {
            ApiError::invalid_argument(format!("StreamARN {stream_arn} does not name a stream."))
        })
}

fn partition_of(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_streams_arn_names_it() {
        let arn = of_stream(&KinesisConfig::default(), "orders");
        assert_eq!(arn, "arn:aws:kinesis:us-east-1:000000000000:stream/orders");
        assert_eq!(stream_name(&arn), Ok("orders"));
        assert!(
            stream_name("arn:aws:kinesis:us-east-1:000000000000:stream/a/consumer/b:1").is_err()
        );
    }
}
